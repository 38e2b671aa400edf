// SPDX-License-Identifier: Apache-2.0
//
// The page: a timeline of the machine, a list of what ran, and the profile of what is chosen of both. All that is chosen stands in the address, so that it
// can be sent to somebody; times there are absolute unless they follow the clock.
(function () {
	"use strict";
	const E = Everprof.element, fetchJson = Everprof.fetchJson, LANES = ["cpu", "offcpu", "memory", "alloc", "lock", "threads"];
	const RANGES = [["5m", 300], ["15m", 900], ["30m", 1800], ["1h", 3600], ["3h", 10800], ["12h", 43200], ["24h", 86400], ["7d", 604800]];
	const GROUPS = ["process", "container", "unit", "pod", "comm", "exe", "cgroup", "pid", "state"];
	const LABELS = ["process", "comm", "container", "unit", "pod", "exe", "cgroup", "pid", "state", "namespace", "runtime", "wait", "syscall", "endpoint"];
	const WORDS = { cpu: "CPU", offcpu: "waiting", memory: "memory", alloc: "alloc", lock: "locks", threads: "threads" };
	const ui = {}, series = {}, failed = {}, chosenFunction = { name: "", series: null };
	let events = [], state = fresh(), viewer, asking = null, listSort = { by: "sum", up: false };

	function fresh() {
		// range: [from, to] in seconds, or a number of seconds up to now; chosen, base: [from, to] or null
		return { range: 3600, chosen: null, base: null, event: "cpu", by: "process", filters: [], group: "", live: true, idle: false, capture: "", against: false, view: {} };
	}

	// -- the address ------------------------------------------------------------------------------------------------------
	function write(absolute) {
		const p = new URLSearchParams(), now = Math.floor(Date.now() / 1000), pair = (r) => r.map((x) => Math.round(x)).join("-");
		const range = Array.isArray(state.range) ? state.range : absolute ? [now - state.range, now] : null;
		p.set("range", range ? pair(range) : state.range);
		if (state.chosen)
			p.set("at", pair(state.chosen));
		if (state.base)
			p.set("base", pair(state.base));
		p.set("event", state.event);
		p.set("by", state.by);
		for (const [key, pattern] of state.filters)
			p.append("only", key + "=" + pattern);
		if (state.group)
			p.set("group", state.group);
		if (state.idle)
			p.set("idle", "1");
		if (state.capture)
			p.set("capture", state.capture);
		if (state.capture && state.against)
			p.set("against", "baseline");
		const { view, colour, search, zoom, frame, sort } = state.view, v = {};
		for (const [k, x] of Object.entries({ view, colour, search, zoom, frame, sort }))
			if (x && x.length && !(k === "view" && x === "icicle") && !(k === "colour" && x === "binary") && !(k === "sort" && x === "self"))
				v[k] = x;
		if (Object.keys(v).length)
			p.set("view", JSON.stringify(v));
		return "#" + p.toString();
	}

	// A link may come from anybody: only what the viewer knows, and only of the kind that it expects.
	function readView(text) {
		let given = {};
		try {
			given = Object(JSON.parse(text));
		} catch (e) { /* a link that was cut */ }
		const { view, colour, search, zoom, frame, sort } = given, isText = (x) => typeof x === "string" && x.length < 4096, v = {};
		if (Everprof.Viewer.VIEWS.some((x) => x[0] === view))
			v.view = view;
		if (Everprof.Viewer.COLOURS.some((x) => x[0] === colour))
			v.colour = colour;
		if (Array.isArray(zoom) && zoom.every(isText))
			v.zoom = zoom;
		for (const [key, x] of Object.entries({ search, frame, sort }))
			if (isText(x))
				v[key] = x;
		return v;
	}

	function read() {
		const p = new URLSearchParams(location.hash.slice(1)), pair = (s) => /^\d+-\d+$/.test(s || "") ? s.split("-").map(Number) : null;
		const s = fresh();
		s.range = pair(p.get("range")) || Math.min(Math.max(parseInt(p.get("range"), 10) || 3600, 60), 31 * 86400);
		s.chosen = pair(p.get("at"));
		s.base = pair(p.get("base"));
		s.event = /^[a-z0-9]{1,15}$/.test(p.get("event") || "") ? p.get("event") : "cpu";
		s.by = GROUPS.includes(p.get("by")) ? p.get("by") : "process";
		s.filters = p.getAll("only").map((f) => [f.slice(0, f.indexOf("=")), f.slice(f.indexOf("=") + 1)]).filter((f) => LABELS.includes(f[0]));
		s.group = LABELS.includes(p.get("group")) ? p.get("group") : "";
		s.idle = p.get("idle") === "1";
		s.capture = /^[A-Za-z0-9.-]{1,48}$/.test(p.get("capture") || "") ? p.get("capture") : "";
		s.against = p.get("against") === "baseline";
		s.live = !Array.isArray(s.range) && !s.chosen;
		s.view = readView(p.get("view") || "{}");
		return s;
	}

	function set(change, keepAddress) {
		Object.assign(state, change);
		if (!keepAddress)
			history.replaceState(null, "", write(false));
		paint();
	}

	// -- asking -----------------------------------------------------------------------------------------------------------
	function range() {
		const now = Math.floor(Date.now() / 1000);
		return Array.isArray(state.range) ? state.range : [now - state.range, now];
	}

	function parameters(more) {
		const p = new URLSearchParams(more);
		for (const [key, pattern] of state.filters)
			p.append(key, pattern);
		if (state.idle)
			p.set("idle", "1");
		return p;
	}

	function profileUrl(format, more) {
		const [from, to] = state.chosen || range();
		if (state.capture) {
			const p = parameters({ event: state.event, format, ...(state.against ? { diff: "baseline" } : {}), ...(state.group ? { by: state.group } : {}), ...more });
			return `api/v1/captures/${state.capture}/${state.event}.pb.gz?${p}`;
		}
		const p = parameters({ event: state.event, from: Math.floor(from), to: Math.ceil(to), format, ...more });
		if (state.base) {
			p.set("diff_from", Math.floor(state.base[0]));
			p.set("diff_to", Math.ceil(state.base[1]));
		}
		if (state.group)
			p.set("by", state.group);
		return "api/v1/query?" + p;
	}

	async function loadSeries() {
		const [from, to] = range();
		await Promise.all([Everprof.captures.load(from, to), Everprof.rules.load(), ...lanes().map(async (event) => {
			const main = event === state.event;
			try {
				series[event] = await fetchJson("api/v1/series?" + parameters({ event, from, to, by: state.by, n: main ? 200 : 1 }));
				delete failed[event];
			} catch (e) {
				series[event] = null;
				failed[event] = e.message;
			}
		})]);
		paint();
		loadFunction(true);
	}

	// The timeline of the function that is looked at in the sandwich.
	async function loadFunction(again) {
		const name = state.view.view === "sandwich" ? state.view.frame || "" : "", event = state.event, [from, to] = range();
		if (name === chosenFunction.name && !again)
			return;
		if (name !== chosenFunction.name)
			chosenFunction.series = null;
		chosenFunction.name = name;
		if (name) {
			const data = await fetchJson("api/v1/series?" + parameters({ event, from, to, by: state.by, n: 5, function: name })).catch(() => null);
			if (name !== chosenFunction.name || event !== state.event)
				return;
			chosenFunction.series = data;
		}
		drawLane(event);
	}

	async function loadProfile(isRefresh) {
		if (asking)
			asking.abort();
		const mine = asking = new AbortController();
		ui.viewer.classList.add("busy");
		// first what is as wide as half a pixel, so that a picture is there at once; then what can be zoomed into, searched for and counted
		const isPicture = !isRefresh && !["table", "sandwich"].includes(state.view.view);
		const urls = [...(isPicture ? [`${(50 / window.innerWidth).toFixed(4)}%`] : []), "0.005%"].map((threshold) => profileUrl("json", { threshold }));
		try {
			for (const [i, url] of urls.entries()) {
				const data = await fetchJson(url, mine.signal);
				viewer.options.note = () => data.note;
				ui.message.hidden = true;
				viewer.setData(data, i ? null : state.view);
				if (!data.folded)
					break;
			}
		} catch (e) {
			if (e.name === "AbortError")
				return;
			ui.message.hidden = false;
			ui.message.textContent = e.message;
		} finally {
			if (asking === mine)
				ui.viewer.classList.remove("busy");
		}
	}

	async function loadEvents() {
		try {
			const d = await fetchJson("api/v1/events");
			events = d.events.map((e) => e.name);
			ui.host.textContent = d.host;
			document.title = "everprof " + d.host;
		} catch (e) {
			ui.message.hidden = false;
			ui.message.textContent = `cannot tell what is recorded: ${e.message}`;
		}
		ui.event.replaceChildren(...[...new Set(["cpu", ...events, state.event])].map((name) => E("option", { value: name }, name)));
	}

	function lanes() {
		const known = LANES.filter((e) => events.includes(e) || e === state.event);
		return known.includes(state.event) ? known : [state.event, ...known];
	}

	async function load() {
		const profile = loadProfile(); // first: it is what takes longest, and what everybody waits for
		await loadEvents();
		buildLanes();
		await Promise.all([loadSeries(), profile]);
	}

	// -- the timeline -----------------------------------------------------------------------------------------------------
	const colourOf = (name) => `hsl(${Everprof.hash(name) % 360} ${Everprof.theme.isDark() ? "42% 46%" : "55% 62%"})`;

	// What a value a second means: of CPU time, how many CPUs.
	function rate(v, seconds, unit, event) {
		if (series[event] && series[event].state)
			return Everprof.amount(v, unit);
		const r = v / seconds;
		return unit === "nanoseconds" ? (r / 1e9).toFixed(2) + (event === "cpu" ? " CPUs" : " threads") : unit === "bytes" ? Everprof.amount(r, "bytes") + "/s" : r.toFixed(1) + "/s";
	}

	function buildLanes() {
		ui.lanes.replaceChildren();
		ui.canvases = {};
		for (const event of lanes()) {
			const canvas = E("canvas", { "aria-label": `timeline of ${event}: arrow keys choose a part, with Shift more of it, Escape all`, tabindex: "0" });
			ui.canvases[event] = canvas;
			ui.lanes.append(E("div", { class: "lane" + (event === state.event ? " main" : "") },
				E("button", { "aria-pressed": String(event === state.event), title: "show " + event, onclick: () => { set({ event }); load(); } }, WORDS[event] || event),
				E("div", {}, canvas)));
			listen(canvas, event);
		}
	}

	function drawLane(event) {
		const canvas = ui.canvases[event], s = series[event];
		if (!canvas || !canvas.clientWidth)
			return;
		const { c, w, h } = Everprof.fitCanvas(canvas), [from, to] = range(), k = w / (to - from), dark = Everprof.theme.isDark();
		c.clearRect(0, 0, w, h);
		if (s && s.times.length) {
			const per = (i) => s.state ? 1 : Math.max(s.seconds[i], 1), rates = s.total.map((v, i) => v / per(i)), most = Math.max(...rates, 1e-9) * 1.08;
			const main = event === state.event, shown = main ? s.series.slice(0, 40) : [];
			for (let i = 0; i < s.times.length; i++) {
				const x = (s.times[i] - from) * k, wide = Math.max(s.seconds[i] * k - (s.seconds[i] * k > 3 ? 0.6 : 0), 0.8);
				let y = h;
				c.fillStyle = dark ? "#4a5361" : "#c6ccd6";
				const height = rates[i] / most * (h - 3);
				c.fillRect(x, h - height, wide, height);
				for (const one of shown) {
					const part = one.values[i] / per(i) / most * (h - 3);
					if (part < 0.3)
						continue;
					c.fillStyle = colourOf(one.name);
					c.fillRect(x, y - part, wide, part);
					y -= part;
				}
			}
			const f = main ? chosenFunction.series : null;
			for (let i = 0; f && i < f.times.length; i++) {
				const height = f.total[i] / per(i) / most * (h - 3);
				c.fillStyle = dark ? "#f2f4f8" : "#10151d";
				c.fillRect((f.times[i] - from) * k, h - height, Math.max(f.seconds[i] * k - (f.seconds[i] * k > 3 ? 0.6 : 0), 0.8), height);
			}
			c.fillStyle = dark ? "#98a1ae" : "#68707c";
			c.font = "11px system-ui, sans-serif";
			c.textBaseline = "top";
			const sum = (values) => values.reduce((a, v) => a + v, 0);
			const share = f ? `; ■ ${Everprof.percent(sum(f.total), sum(s.total))} in ${chosenFunction.name}, of any binary` : "";
			c.fillText("most " + rate(most / 1.08, 1, s.unit, event) + share, 5, 3);
		}
		const mark = (r, colour) => {
			if (!r)
				return;
			c.fillStyle = colour;
			c.fillRect((r[0] - from) * k, 0, Math.max((r[1] - r[0]) * k, 2), h);
			c.fillRect((r[0] - from) * k, 0, 1, h);
			c.fillRect((r[1] - from) * k - 1, 0, 1, h);
		};
		mark(state.base, dark ? "#7f93b866" : "#5d78a84d");
		mark(state.chosen, dark ? "#ffd47a59" : "#e59a0047");
		mark(dragging && dragging.range, dark ? "#ffffff40" : "#00000026");
		if (event === state.event)
			Everprof.rules.draw(c, from, to, k, dark);
		Everprof.captures.draw(c, from, k, h, dark ? "#ff8a5c" : "#c2410c", event === state.event);
	}

	let dragging = null;
	function listen(canvas, event) {
		const timeAt = (e) => {
			const [from, to] = range(), box = canvas.getBoundingClientRect();
			return from + Math.min(Math.max((e.clientX - box.left) / box.width, 0), 1) * (to - from);
		};
		const captureAt = (e) => {
			const [from, to] = range(), box = canvas.getBoundingClientRect();
			return Everprof.captures.near(e.clientX - box.left, from, box.width / (to - from));
		};
		canvas.addEventListener("pointerdown", (e) => {
			canvas.setPointerCapture(e.pointerId);
			dragging = { start: timeAt(e), x: e.clientX, range: null, base: e.shiftKey };
		});
		canvas.addEventListener("pointermove", (e) => {
			if (dragging && Math.abs(e.clientX - dragging.x) > 3) {
				const t = timeAt(e);
				dragging.range = [Math.min(t, dragging.start), Math.max(t, dragging.start)];
				drawLanes();
			}
			point(event, timeAt(e), captureAt(e), e.offsetY);
		});
		canvas.addEventListener("pointerup", (e) => {
			const d = dragging;
			dragging = null;
			if (!d)
				return;
			if (d.range && d.range[1] - d.range[0] >= 1)
				choose(snap(event, d.range), d.base);
			else if (!d.range && captureAt(e))
				openCapture(captureAt(e), null, false);
			else if (!d.range)
				choose(pointRange(event, d.start), d.base);
		});
		// a finger that scrolls the page instead
		canvas.addEventListener("pointercancel", () => {
			dragging = null;
			drawLanes();
		});
		canvas.addEventListener("keydown", (e) => {
			const by = { ArrowLeft: -1, ArrowRight: 1 }[e.key], r = state.chosen;
			if (by)
				step(event, by, e.shiftKey);
			else if (e.key === "Escape" && r)
				choose(null, false);
			else
				return;
			e.preventDefault();
			e.stopPropagation();
		});
		canvas.addEventListener("dblclick", () => choose(null, false));
		canvas.addEventListener("pointerleave", () => point(event, null));
	}

	// Points are windows: what is dragged over becomes whole ones.
	function snap(event, r) {
		const s = series[event];
		let from = r[0], to = r[1];
		for (let i = 0; s && i < s.times.length; i++) {
			const end = s.times[i] + s.seconds[i];
			if (s.times[i] < r[0] && end > r[0])
				from = (r[0] - s.times[i]) * 2 < s.seconds[i] ? s.times[i] : end;
			if (s.times[i] < r[1] && end > r[1])
				to = (r[1] - s.times[i]) * 2 < s.seconds[i] ? s.times[i] : end;
		}
		return to > from ? [from, to] : pointRange(event, r[0]);
	}

	function pointRange(event, t) {
		const s = series[event];
		for (let i = 0; s && i < s.times.length; i++)
			if (t >= s.times[i] && t < s.times[i] + s.seconds[i])
				return [s.times[i], s.times[i] + s.seconds[i]];
		return null;
	}

	// By keys: the point beside what is chosen, or that one too.
	function step(event, by, extend) {
		const s = series[event], r = state.chosen, n = s ? s.times.length : 0;
		if (!n)
			return;
		const from = r ? s.times.findIndex((t, i) => t + s.seconds[i] > r[0]) : n, to = r ? s.times.findLastIndex((t) => t < r[1]) : n;
		const i = Math.min(Math.max((by < 0 && extend ? from : to) + by, 0), n - 1), point = [s.times[i], s.times[i] + s.seconds[i]];
		choose(extend && r ? [Math.min(r[0], point[0]), Math.max(r[1], point[1])] : point, false);
	}

	function choose(r, asBase) {
		if (asBase)
			set({ base: r, capture: "" });
		else
			set({ chosen: r, capture: "", live: !r && !Array.isArray(state.range) });
		loadProfile();
	}

	// Its profile, and its time on the timeline.
	function openCapture(c, event, against) {
		const t = Everprof.captures.at(c), chosen = [t - (c.range ? c.range.before_seconds : 0), t + (c.range ? c.range.after_seconds : 0)], [from, to] = range();
		const inside = chosen[0] >= from && chosen[1] <= to;
		set({ capture: c.id, against, event: event || (c.events.includes(state.event) ? state.event : c.events[0] || "cpu"), chosen, base: null, live: false, filters: [], ...(inside ? {} : { range: [chosen[0] - 600, chosen[1] + 600] }) });
		load();
	}

	async function openCaptureId(id) {
		const c = Everprof.captures.find(id) || (await fetchJson("api/v1/captures").catch(() => ({ captures: [] }))).captures.find((x) => x.id === id);
		if (c)
			openCapture(c, null, false);
		else
			ui.hint.textContent = `The capture ${id} is not there: it is being taken still, or was deleted.`;
	}

	const clock = (t, long) => new Date(t * 1000).toLocaleString("sv", long ? {} : { hour: "2-digit", minute: "2-digit", second: "2-digit" });

	function point(event, t, capture, y) {
		if (capture) {
			ui.hint.replaceChildren(E("b", {}, `captured ${clock(Everprof.captures.at(capture), true)}`), "  ", Everprof.captures.about(capture), "  (click opens it)");
			return;
		}
		const alerts = t === null ? [] : Everprof.rules.at(t, y);
		if (alerts.length) {
			ui.hint.replaceChildren(E("b", {}, "firing "), alerts.map(Everprof.rules.about).join("   "));
			return;
		}
		const s = series[event], i = t === null || !s ? -1 : s.times.findIndex((from, j) => t >= from && t < from + s.seconds[j]);
		if (i < 0) {
			hint();
			return;
		}
		const largest = s.series.map((x) => [x.name, x.values[i]]).filter((x) => x[1]).sort((a, b) => b[1] - a[1]).slice(0, 5);
		ui.hint.replaceChildren(E("b", {}, clock(s.times[i], true)), ` +${s.seconds[i]} s  ${event}: ${rate(s.total[i], s.seconds[i], s.unit, event)}  `,
			event === state.event ? largest.map(([name, v]) => `${name} ${Everprof.percent(v, s.total[i])}`).join("   ") : "");
	}

	function hint() {
		const [from, to] = state.chosen || range(), span = Math.round(to - from);
		ui.hint.replaceChildren("Shown: ", E("b", {}, `${clock(from, true)} – ${clock(to, false)}`), ` (${span < 120 ? span + " s" : Math.round(span / 60) + " min"})`,
			state.base ? `, compared with ${clock(state.base[0], true)} – ${clock(state.base[1], false)}` : "",
			state.chosen ? "  · double click shows all again" : "  · drag over the timeline to look at a part, with Shift to compare with it");
	}

	function drawLanes() {
		for (const event of lanes())
			drawLane(event);
	}

	// -- the list ---------------------------------------------------------------------------------------------------------
	// Sums of what is chosen; without a choice, of all.
	function rows() {
		const s = series[state.event], r = state.chosen;
		if (!s)
			return { rows: [], total: 0, unit: "" };
		const inside = s.times.map((t, i) => !r || (t >= r[0] - 1 && t < r[1] && t + s.seconds[i] <= r[1] + s.seconds[i] / 2));
		// of a state (threads, goroutines, heap) the last one counts, as in the profile of that range
		const last = inside.lastIndexOf(true), sum = (values) => s.state ? values[last] || 0 : values.reduce((a, v, i) => a + (inside[i] ? v : 0), 0);
		const list = s.series.map((x) => ({ name: x.name, sum: sum(x.values) })).filter((x) => x.sum);
		const total = sum(s.total), rest = total - list.reduce((a, x) => a + x.sum, 0);
		if (rest > 0 && s.n > s.series.length)
			list.push({ name: `(${s.n - s.series.length} others)`, sum: rest, others: true });
		return { rows: list, total, unit: s.unit };
	}

	function drawList() {
		const { rows: list, total, unit } = rows(), up = listSort.up ? 1 : -1;
		list.sort((a, b) => listSort.by === "name" ? up * a.name.localeCompare(b.name) : up * (a.sum - b.sum));
		const head = (id, text) => E("th", {}, E("button", { onclick: () => { listSort = { by: id, up: listSort.by === id ? !listSort.up : id === "name" }; drawList(); } },
			text + (listSort.by === id ? (listSort.up ? " ▲" : " ▼") : "")));
		const body = E("tbody", {}), chosen = state.filters.filter((f) => f[0] === state.by).map((f) => f[1]);
		for (const x of list) {
			const act = () => toggleFilter(state.by, x.name);
			const row = E("tr", x.others || x.name === "(none)" ? {} : { tabindex: "0", "aria-selected": String(chosen.includes(quote(x.name))), title: `only ${state.by} ${x.name}`,
				onclick: act, onkeydown: (e) => e.key === "Enter" && act() },
				E("td", { class: "name" }, E("i", { style: `background:${x.others ? "transparent" : colourOf(x.name)}` }), x.name === "(none)" ? `(no ${state.by})` : x.name),
				E("td", { class: "sum" }, Everprof.amount(x.sum, unit), " ", E("small", {}, Everprof.percent(x.sum, total))));
			body.append(row);
		}
		if (!list.length)
			body.append(E("tr", {}, E("td", { colspan: "2", class: "ev-quiet" }, failed[state.event] || (series[state.event] === undefined ? "…" : "nothing was recorded here"))));
		ui.ran.replaceChildren(E("table", {}, E("thead", {}, E("tr", {}, head("name", state.by), head("sum", WORDS[state.event] || state.event))), body));
	}

	// A name as a pattern that matches it alone.
	const quote = (name) => name.replace(/[\\*?[]/g, "\\$&");

	function toggleFilter(key, name) {
		const pattern = quote(name), had = state.filters.some((f) => f[0] === key && f[1] === pattern);
		set({ filters: had ? state.filters.filter((f) => f[0] !== key || f[1] !== pattern) : [...state.filters, [key, pattern]] });
		loadSeries();
		loadProfile();
	}

	function drawChips() {
		const known = state.capture && Everprof.captures.find(state.capture);
		ui.chips.replaceChildren(...(state.capture ? [E("button", { class: "chip", title: "leave the capture", onclick: () => { set({ capture: "", against: false }); loadProfile(); } },
			`capture ${known ? known.rule : state.capture}${state.against ? " against normal" : ""}`)] : []), ...state.filters.map(([key, pattern]) => E("button", { class: "chip", title: `${key}: ${pattern} (a click removes it)`, onclick: () => {
			set({ filters: state.filters.filter((f) => f[0] !== key || f[1] !== pattern) });
			loadSeries();
			loadProfile();
		} }, `${key}: ${pattern.length > 28 ? pattern.slice(0, 27) + "…" : pattern}`)));
	}

	// -- the whole --------------------------------------------------------------------------------------------------------
	function paint() {
		ui.event.value = state.event;
		ui.by.value = state.by;
		ui.group.value = state.group;
		ui.range.value = RANGES.some((r) => r[1] === state.range) ? String(state.range) : "";
		ui.live.checked = state.live;
		ui.idle.checked = state.idle;
		ui.compare.textContent = state.base || (state.capture && state.against) ? "End comparison" : state.capture ? "Compare with normal" : "Compare";
		const [from, to] = range();
		ui.axis.replaceChildren(...[0, 0.25, 0.5, 0.75, 1].map((p) => E("span", {}, clock(from + p * (to - from), to - from > 86400).slice(0, to - from > 86400 ? 16 : 8))));
		const n = Everprof.rules.firing().length;
		ui.rules.textContent = n ? `Rules: ${n} firing` : "Rules";
		ui.rules.classList.toggle("firing", n > 0);
		drawChips();
		drawLanes();
		drawList();
		hint();
	}

	function compare() {
		if (state.capture) {
			set({ against: !state.against });
			loadProfile();
			return;
		}
		const [from, to] = state.chosen || range();
		set({ base: state.base ? null : [from - (to - from), from], chosen: state.base ? state.chosen : [from, to] });
		loadProfile();
	}

	function addFilter(text) {
		const m = /^\s*([a-z_]+)\s*[=:]\s*(.+?)\s*$/.exec(text), key = m && LABELS.includes(m[1]) ? m[1] : state.by, pattern = m && LABELS.includes(m[1]) ? m[2] : text.trim();
		if (!pattern)
			return;
		set({ filters: [...state.filters, [key, pattern]] });
		loadSeries();
		loadProfile();
	}

	function record() {
		const look = (event, from, to) => {
			set({ event, range: [from - 300, to + 300], chosen: [from, to], live: false });
			load();
		};
		Everprof.sessions.dialog([...new Set(["cpu", ...events])], parameters, state.filters.length ? `of ${state.filters.map((f) => f.join(" ")).join(", ")}` : "of the whole machine", look);
	}

	async function copyLink() {
		const link = location.origin + location.pathname + write(true);
		history.replaceState(null, "", write(true));
		try {
			await navigator.clipboard.writeText(link);
			ui.link.textContent = "Copied";
		} catch (e) {
			ui.link.textContent = "It is in the address bar";
		}
		setTimeout(() => { ui.link.textContent = "Link"; }, 2500);
	}

	function build() {
		const page = document.getElementById("page"), select = (name, list, act) => E("select", { "aria-label": name, onchange: act }, ...list.map(([v, t]) => E("option", { value: v }, t)));
		ui.host = E("small", {});
		ui.range = select("range", [["", "chosen"], ...RANGES.map(([t, s]) => [String(s), "last " + t])], () => {
			if (ui.range.value)
				set({ range: +ui.range.value, chosen: null, live: true });
			load();
		});
		ui.event = select("event", [["cpu", "cpu"]], () => { set({ event: ui.event.value }); load(); });
		ui.by = select("list by", GROUPS.map((g) => [g, "by " + g]), () => { set({ by: ui.by.value }); loadSeries(); });
		ui.group = select("group the graph", [["", "one graph"], ...LABELS.map((g) => [g, "group by " + g])], () => { set({ group: ui.group.value }); loadProfile(); });
		ui.live = E("input", { type: "checkbox", onchange: () => set({ live: ui.live.checked, chosen: ui.live.checked ? null : state.chosen }) });
		ui.idle = E("input", { type: "checkbox", onchange: () => { set({ idle: ui.idle.checked }); loadSeries(); loadProfile(); } });
		ui.filter = E("input", { type: "text", placeholder: "Only … (nginx*)", title: "a process, or label=pattern, such as container=4f2a*; then Enter", "aria-label": "filter", onkeydown: (e) => {
			if (e.key === "Enter") {
				addFilter(ui.filter.value);
				ui.filter.value = "";
			}
		} });
		ui.chips = E("span", { class: "chips" });
		ui.compare = E("button", { onclick: compare, title: "with the time of the same length before it; or choose one by dragging with Shift" });
		ui.rules = E("button", { title: "what is watched, what fired, and why not", onclick: () => Everprof.rules.dialog(openCaptureId) }, "Rules");
		ui.link = E("button", { onclick: copyLink, title: "a link to exactly this" }, "Link");
		ui.lanes = E("div", { class: "lanes" });
		ui.axis = E("div", { class: "axis" });
		ui.hint = E("div", { class: "hint" });
		ui.ran = E("div", { class: "ran" });
		ui.viewer = E("div", { id: "viewer" });
		ui.message = E("div", { class: "message", hidden: true });
		page.append(E("div", { class: "top" }, E("h1", {}, "everprof", ui.host), ui.range, ui.event, ui.by, ui.group, ui.filter, ui.chips,
			E("label", { title: "follow the clock" }, ui.live, "live"), E("label", { title: "show waits of threads that only wait for work" }, ui.idle, "idle"), E("span", { class: "gap" }),
			ui.compare, E("button", { title: "what was kept when something was wrong", onclick: () => Everprof.captures.dialog(state.filters, openCapture) }, "Captures"), ui.rules, E("button", { title: "record the next seconds", onclick: record }, "Record"), E("button", { title: "what every process uses now", onclick: Everprof.live.processes }, "Now"), E("button", { title: "what profiling costs and loses", onclick: Everprof.live.agent }, "Agent"), ui.link),
			ui.lanes, ui.axis, ui.hint, E("div", { class: "below" }, ui.ran, ui.viewer));
		ui.viewer.append(ui.message);
		const file = (text, format, more) => ({ text, href: () => profileUrl(format, { download: "1", ...more }) });
		viewer = new Everprof.Viewer(ui.viewer, {
			exports: [file("pprof", "pprof"), file("Page (HTML)", "html", { threshold: "0.02%" }), file("Picture (SVG)", "svg", { threshold: "0.02%" }), file("Speedscope", "speedscope")],
			onState: (s) => {
				set({ view: { view: s.view, colour: s.colour, search: s.search, zoom: s.zoom, frame: s.frame, sort: s.sort } });
				loadFunction(false);
			},
		});
		window.addEventListener("resize", drawLanes);
		window.addEventListener("everprof-theme", paint);
		window.addEventListener("hashchange", () => { state = read(); load(); });
	}

	async function tick() {
		if (!document.hidden && !document.querySelector("dialog[open]")) {
			await loadSeries();
			if (state.live && !state.chosen && !state.base && !dragging && !(state.view.zoom || []).length)
				await loadProfile(true);
		}
		setTimeout(tick, state.live ? 10000 : 30000);
	}

	Everprof.theme.start();
	state = read();
	build();
	buildLanes();
	paint();
	load().then(() => setTimeout(tick, 10000));
	// a link to a list, for whoever is told of an alert
	const opened = new URLSearchParams(location.hash.slice(1)).get("open");
	if (opened === "captures")
		Everprof.captures.dialog(state.filters, openCapture);
	else if (opened === "rules")
		Everprof.rules.dialog(openCaptureId);
})();
