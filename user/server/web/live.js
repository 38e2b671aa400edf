// SPDX-License-Identifier: Apache-2.0
//
// What is so now and in no profile: what each process uses, how long threads wait for a CPU, and how the agent itself is. Asked for every two seconds while
// a panel is open, never otherwise.
Everprof.live = (function () {
	"use strict";
	const E = Everprof.element, POINTS = 150;
	// Losses that are samples which stand in no profile; the others say what is less good of those that do.
	const UNCOUNTED = ["count_full", "frames_full", "late_ticks", "unknown_process", "history_full"];
	const history = { agent: [], system: [], processes: new Map() };

	function keep(list, point) {
		list.push(point);
		if (list.length > POINTS)
			list.shift();
	}

	function line(canvas, values) {
		const { c, w, h } = Everprof.fitCanvas(canvas), most = Math.max(...values, 1e-9);
		c.clearRect(0, 0, w, h);
		c.strokeStyle = Everprof.theme.isDark() ? "#7fb0ff" : "#2563c9";
		c.beginPath();
		values.forEach((v, i) => c.lineTo(w - (values.length - 1 - i) * w / 60, h - 2 - v / most * (h - 4)));
		c.stroke();
	}

	function figure(text, value, values, warn) {
		const canvas = values ? E("canvas", {}) : null;
		if (canvas)
			requestAnimationFrame(() => line(canvas, values));
		return E("div", { class: "figure" + (warn ? " warn" : "") }, E("b", {}, value), E("small", {}, text), canvas);
	}

	// -- metrics ----------------------------------------------------------------------------------------------------------
	// "name{a="b"} 12" to [["name", {a: "b"}, 12], …]
	function parseMetrics(text) {
		const all = [];
		for (const l of text.split("\n")) {
			const m = /^([a-z_]+)(?:\{(.*)\})? ([\d.eE+-]+)$/.exec(l);
			if (m)
				all.push([m[1], Object.fromEntries([...(m[2] || "").matchAll(/(\w+)="([^"]*)"/g)].map((x) => [x[1], x[2]])), +m[3]]);
		}
		return all;
	}

	const fetchMetrics = async () => parseMetrics(await (await fetch("metrics")).text());

	// Waits for a CPU since the last look: [upper bound in seconds, how many], from a histogram that only grows.
	let lastBuckets = null;
	function newWaits(m) {
		const now = m.filter((x) => x[0] === "everprof_run_queue_seconds_bucket").map((x) => [x[1].le === "+Inf" ? Infinity : +x[1].le, x[2]]);
		const before = lastBuckets && lastBuckets.length === now.length ? lastBuckets : now.map(([le]) => [le, 0]);
		lastBuckets = now;
		return now.map(([le, n], i) => [le, n - before[i][1] - (i ? now[i - 1][1] - before[i - 1][1] : 0)]);
	}

	function quantile(waits, q) {
		const all = waits.reduce((a, x) => a + x[1], 0);
		let n = 0;
		for (const [le, k] of waits)
			if ((n += k) >= q * all && all)
				return le;
		return 0;
	}

	const time = (seconds) => seconds === Infinity ? "longer" : Everprof.amount(seconds * 1e9, "nanoseconds");

	function drawWaits(canvas, waits) {
		const { c, w, h } = Everprof.fitCanvas(canvas), shown = waits.filter((x) => x[0] >= 1e-6 && x[0] < 20);
		const most = Math.max(...shown.map((x) => x[1]), 1), wide = w / Math.max(shown.length, 1), dark = Everprof.theme.isDark();
		c.clearRect(0, 0, w, h);
		c.font = "10px system-ui, sans-serif";
		shown.forEach(([le, n], i) => {
			// a square root shows the few long ones beside the many short ones
			const height = Math.sqrt(n / most) * (h - 16);
			c.fillStyle = le > 0.02 ? "#d9822b" : dark ? "#7fb0ff" : "#2563c9";
			c.fillRect(i * wide + 1, h - 14 - height, wide - 2, height);
			c.fillStyle = dark ? "#98a1ae" : "#68707c";
			if (i % 4 === 0)
				c.fillText(time(le), i * wide, h - 2);
		});
	}

	// -- panels -----------------------------------------------------------------------------------------------------------
	const COLUMNS = [["process", "comm"], ["pid", "pid"], ["memory", "rss_bytes", "rss"], ["", null], ["growth", "growth_bytes_per_second", "growth"], ["swap", "swap_bytes", "swap"],
		["CPU", "cpu_percent", "cpu"], ["faults", "minor_faults_per_second", "faults"], ["threads", "threads"]];
	const bytes = (v) => v === null || v === undefined ? "" : Everprof.amount(v, "bytes");

	function processRow(p, now) {
		const kept = history.processes.get(p.pid) || [], canvas = E("canvas", { class: "spark", title: "memory, the last minutes" });
		if (!kept.length || kept[kept.length - 1].now < now)
			keep(kept, { now, rss: p.rss_bytes });
		history.processes.set(p.pid, kept);
		requestAnimationFrame(() => line(canvas, kept.map((x) => x.rss)));
		return E("tr", {}, E("td", { title: p.exe || "" }, p.comm || "?"), E("td", {}, String(p.pid)), E("td", {}, bytes(p.rss_bytes)), E("td", {}, canvas),
			E("td", {}, p.growth_bytes_per_second ? bytes(p.growth_bytes_per_second) + "/s" : ""), E("td", {}, p.swap_bytes ? bytes(p.swap_bytes) : ""),
			E("td", {}, p.cpu_percent === null ? "" : p.cpu_percent.toFixed(1) + " %"), E("td", {}, p.minor_faults_per_second ? p.minor_faults_per_second.toFixed(0) + "/s" : ""), E("td", {}, String(p.threads)));
	}

	function processes() {
		const grid = E("div", { class: "figures" }), waits = E("canvas", { class: "waits" }), waitsText = E("p", { class: "ev-quiet" }), table = E("table", { class: "numbers" });
		let sort = "rss";
		const head = () => E("tr", {}, ...COLUMNS.map(([text, , by]) => E("th", {}, by ? E("button", { "aria-pressed": String(by === sort), onclick: () => { sort = by; refresh(); } }, text + (by === sort ? " ▼" : "")) : text)));
		const refresh = async () => {
			const [d, m] = await Promise.all([Everprof.fetchJson("api/v1/profiling/memory?n=40&sort=" + sort), fetchMetrics()]), s = d.system, of = (k) => history.system.map((x) => x[k] || 0);
			const fresh = newWaits(m), n = fresh.reduce((a, x) => a + x[1], 0);
			keep(history.system, { used: s.total_bytes - s.available_bytes, cpu: s.cpu_percent, faults: s.major_faults_per_second, threads: s.threads });
			grid.replaceChildren(figure(`of ${bytes(s.total_bytes)} in use`, bytes(s.total_bytes - s.available_bytes), of("used"), s.available_bytes < s.total_bytes / 20),
				figure("CPU, of all", (s.cpu_percent || 0).toFixed(1) + " %", of("cpu")), figure("major faults a second", (s.major_faults_per_second || 0).toFixed(0), of("faults")),
				figure("threads of " + s.processes + " processes", String(s.threads), of("threads")), figure("in swap", bytes(s.swap_total_bytes - s.swap_free_bytes), null));
			drawWaits(waits, fresh);
			waitsText.textContent = n ? `Waits for a CPU, the last two seconds: half below ${time(quantile(fresh, 0.5))}, 95 % below ${time(quantile(fresh, 0.95))}, 99 % below ${time(quantile(fresh, 0.99))}` : "No waits for a CPU are recorded now (profiling.offcpu)";
			table.replaceChildren(head(), ...d.processes.map((p) => processRow(p, d.at)));
			for (const pid of history.processes.keys())
				if (!d.processes.some((p) => p.pid === pid))
					history.processes.delete(pid);
		};
		Everprof.panel("Now", refresh, grid, waitsText, waits, table);
	}

	function agent() {
		const grid = E("div", { class: "figures" }), losses = E("table", {}), kept = history.agent;
		const refresh = async () => {
			const m = await fetchMetrics(), now = Date.now() / 1000, one = (name) => m.filter((x) => x[0] === "everprof_" + name).reduce((a, x) => a + x[2], 0);
			const stacks = m.filter((x) => x[0] === "everprof_stacks_total"), whole = stacks.filter((x) => x[1].whole === "true").reduce((a, x) => a + x[2], 0);
			const walked = stacks.reduce((a, x) => a + x[2], 0), uptime = one("uptime_seconds") || 1;
			const pressure = (r) => m.filter((x) => x[0] === "everprof_pressure_seconds_total" && x[1].resource === r && x[1].kind === "some").reduce((a, x) => a + x[2], 0);
			const lost = m.filter((x) => x[0] === "everprof_lost_total" && UNCOUNTED.includes(x[1].reason)).reduce((a, x) => a + x[2], 0);
			const last = kept.length ? kept[kept.length - 1] : null;
			keep(kept, { now, samples: one("samples_total"), cpu: one("cpu_seconds_total") + one("bpf_seconds_total"), p_cpu: pressure("cpu"), p_io: pressure("io"), p_memory: pressure("memory"),
				memory: one("resident_bytes") + one("map_bytes") });
			const at = kept[kept.length - 1], speed = (k) => last && now > last.now ? (at[k] - last[k]) / (now - last.now) : 0;
			const speeds = (k) => kept.slice(1).map((x, i) => (x[k] - kept[i][k]) / (x.now - kept[i].now));
			grid.replaceChildren(figure("samples a second", speed("samples").toFixed(0), speeds("samples")), figure("of samples not counted", Everprof.percent(lost, at.samples + lost), null, lost > 0.01 * at.samples),
				figure("whole stacks", Everprof.percent(whole, walked), null), figure("CPU of the collector", Everprof.percent(speed("cpu") || at.cpu / uptime, 1) + " of one", speeds("cpu")),
				figure("memory and maps", bytes(at.memory), kept.map((x) => x.memory)), figure("store", bytes(one("store_bytes")), null),
				figure("CPU pressure", Everprof.percent(speed("p_cpu"), 1), speeds("p_cpu")), figure("I/O pressure", Everprof.percent(speed("p_io"), 1), speeds("p_io")),
				figure("memory pressure", Everprof.percent(speed("p_memory"), 1), speeds("p_memory")), figure("processes", one("processes").toFixed(0), null),
				figure("frequency", one("frequency_hertz") + " Hz", null), figure("server restarts", one("server_restarts_total").toFixed(0), null));
			losses.replaceChildren(E("tr", {}, E("th", {}, "Lost, since the start"), E("th", {}, "")), ...m.filter((x) => x[0] === "everprof_lost_total" && x[2]).map((x) => E("tr", {}, E("td", {}, x[1].reason), E("td", {}, x[2].toLocaleString("en")))),
				...stacks.filter((x) => x[1].whole === "false" && x[2]).map((x) => E("tr", {}, E("td", {}, "stacks cut short: " + x[1].end), E("td", {}, x[2].toLocaleString("en")))));
		};
		Everprof.panel("The agent", refresh, grid, losses);
	}

	return { processes, agent };
})();
