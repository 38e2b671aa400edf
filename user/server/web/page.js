// SPDX-License-Identifier: Apache-2.0
//
// The page: a timeline of the machine, a list of what ran, and the profile of what is chosen of both. All that is chosen stands in the address (address.js).
(function () {
	"use strict";
	const E = Everprof.element, fetchJson = Everprof.fetchJson, LANES = ["cpu", "offcpu", "memory", "alloc", "lock", "threads"];
	// Who clicks one of these wants to see what is in it.
	const INSIDE = { pod: "container", container: "process", unit: "process", cgroup: "process" };
	const hasRange = new URLSearchParams(location.hash.slice(1)).has("range");
	const RANGES = [["5m", 300], ["15m", 900], ["30m", 1800], ["1h", 3600], ["3h", 10800], ["12h", 43200], ["24h", 86400], ["7d", 604800]];
	const ui = {}, failed = {}, chosenFunction = { name: "", series: null };
	let events = [], state = Everprof.first.state, viewer, timeline, asking = null, listSort = { by: "sum", up: false };

	// What the browser's own "back" undoes; how it is looked at is no step.
	const STEPS = ["event", "range", "chosen", "base", "filters", "capture", "against"];

	function set(change) {
		const isStep = STEPS.some((key) => key in change && JSON.stringify(change[key]) !== JSON.stringify(state[key]));
		Object.assign(state, change);
		history[isStep ? "pushState" : "replaceState"](null, "", state.write(false));
		paint();
	}

	// -- asking -----------------------------------------------------------------------------------------------------------
	async function loadSeries() {
		const [from, to] = state.times();
		await Promise.all([Everprof.captures.load(from, to), Everprof.rules.load(), ...lanes().map(async (event) => {
			const main = event === state.event;
			try {
				timeline.series[event] = await fetchJson("api/v1/series?" + state.parameters({ event, from, to, by: state.by, n: main ? 200 : 1 }));
				delete failed[event];
			} catch (e) {
				timeline.series[event] = null;
				failed[event] = e.message;
			}
		})]);
		paint();
		loadFunction(true);
	}

	// The timeline of the function that is looked at in the sandwich.
	async function loadFunction(again) {
		const name = state.view.view === "sandwich" ? state.view.frame || "" : "", event = state.event, [from, to] = state.times();
		if (name === chosenFunction.name && !again)
			return;
		if (name !== chosenFunction.name)
			chosenFunction.series = null;
		chosenFunction.name = name;
		if (name) {
			const data = await fetchJson("api/v1/series?" + state.parameters({ event, from, to, by: state.by, n: 5, function: name })).catch(() => null);
			if (name !== chosenFunction.name || event !== state.event)
				return;
			chosenFunction.series = data;
		}
		timeline.drawLane(event);
	}

	async function loadProfile(isRefresh) {
		if (asking)
			asking.abort();
		const mine = asking = new AbortController();
		ui.viewer.classList.add("busy");
		const urls = state.profileUrls().slice(isRefresh ? -1 : 0), early = Everprof.first.answer;
		Everprof.first.answer = null;
		try {
			for (const [i, url] of urls.entries()) {
				const data = await (early && !i ? Everprof.readJson(early) : fetchJson(url, mine.signal));
				viewer.options.note = () => data.note;
				ui.message.hidden = true;
				viewer.setData(data, i || isRefresh ? null : state.view);
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

	// What is shown at first would be all but empty where recording began a minute ago.
	function shorten(seconds) {
		const enough = RANGES.find((r) => r[1] >= seconds);
		if (enough && enough[1] < state.range && !state.chosen)
			state.range = enough[1];
	}

	async function loadEvents() {
		try {
			const d = await fetchJson("api/v1/events");
			events = d.events.map((e) => e.name);
			if (!hasRange && events.length)
				shorten(Date.now() / 1000 - Math.min(...d.events.map((e) => e.from)));
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
		timeline.build();
		await Promise.all([loadSeries(), profile]);
	}

	// -- what is chosen ----------------------------------------------------------------------------------------------------
	function choose(r, asBase) {
		if (asBase)
			set({ base: r, capture: "" });
		else
			set({ chosen: r, capture: "", live: !r && !Array.isArray(state.range) });
		loadProfile();
	}

	// Its profile, and its time on the timeline.
	function openCapture(c, event, against) {
		const t = Everprof.captures.at(c), chosen = [t - (c.range ? c.range.before_seconds : 0), t + (c.range ? c.range.after_seconds : 0)], [from, to] = state.times();
		const inside = chosen[0] >= from && chosen[1] <= to;
		set({ capture: c.id, against, event: event || (c.events.includes(state.event) ? state.event : c.events[0] || "cpu"), chosen, base: null, live: false, filters: [], ...(inside ? {} : { range: [chosen[0] - 600, chosen[1] + 600] }) });
		return load();
	}

	async function openCaptureId(id) {
		const c = Everprof.captures.find(id) || (await fetchJson("api/v1/captures").catch(() => ({ captures: [] }))).captures.find((x) => x.id === id);
		if (c)
			await openCapture(c, null, false);
		else
			timeline.hint.textContent = `The capture ${id} is not there: it is being taken still, or was deleted.`;
	}

	// What the address says. Back from a capture that it only names leads to the last hour, not to that address again.
	async function start() {
		await load();
		if (!state.sought)
			return;
		history.replaceState(null, "", state.write(false));
		await openCaptureId(state.sought);
	}

	// -- the list ---------------------------------------------------------------------------------------------------------
	// Sums of what is chosen; without a choice, of all.
	function rows() {
		const s = timeline.series[state.event], r = state.chosen;
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
		const body = E("tbody", {}), none = `(no ${state.by})`, chosen = state.filters.filter((f) => f[0] === state.by).map((f) => f[1]);
		for (const x of list) {
			const act = () => toggleFilter(state.by, x.name);
			const row = E("tr", x.others || x.name === none ? {} : { tabindex: "0", "aria-selected": String(chosen.includes(quote(x.name))), title: `only ${state.by} ${x.name}`,
				onclick: act, onkeydown: (e) => e.key === "Enter" && act() },
				E("td", { class: "name" }, E("i", { style: `background:${x.others ? "transparent" : Everprof.Timeline.colourOf(x.name)}` }), x.name === none ? none : Everprof.brief(x.name)),
				E("td", { class: "sum" }, Everprof.amount(x.sum, unit), " ", E("small", {}, Everprof.percent(x.sum, total))));
			body.append(row);
		}
		if (!list.length)
			body.append(E("tr", {}, E("td", { colspan: "2", class: "ev-quiet" }, failed[state.event] || (timeline.series[state.event] === undefined ? "…" : "nothing was recorded here"))));
		ui.ran.replaceChildren(E("table", {}, E("thead", {}, E("tr", {}, head("name", state.by), head("sum", Everprof.Timeline.WORDS[state.event] || state.event))), body));
	}

	// A name as a pattern that matches it alone.
	const quote = (name) => name.replace(/[\\*?[]/g, "\\$&");

	function toggleFilter(key, name) {
		const pattern = quote(name), had = state.filters.some((f) => f[0] === key && f[1] === pattern);
		set(had ? { filters: state.filters.filter((f) => f[0] !== key || f[1] !== pattern) } : { filters: [...state.filters, [key, pattern]], by: INSIDE[key] || state.by });
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
		} }, `${key}: ${Everprof.brief(pattern)}`)));
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
		const n = Everprof.rules.firing().length;
		ui.rules.textContent = n ? `Rules: ${n} firing` : "Rules";
		ui.rules.classList.toggle("firing", n > 0);
		drawChips();
		timeline.draw();
		drawList();
	}

	function compare() {
		if (state.capture) {
			set({ against: !state.against });
			loadProfile();
			return;
		}
		const [from, to] = state.chosen || state.times();
		set({ base: state.base ? null : [from - (to - from), from], chosen: state.base ? state.chosen : [from, to] });
		loadProfile();
	}

	function addFilter(text) {
		const m = /^\s*([a-z_]+)\s*[=:]\s*(.+?)\s*$/.exec(text), key = m && Everprof.LABELS.includes(m[1]) ? m[1] : state.by, pattern = m && Everprof.LABELS.includes(m[1]) ? m[2] : text.trim();
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
		Everprof.sessions.dialog([...new Set(["cpu", ...events])], (more) => state.parameters(more), state.filters.length ? `of ${state.filters.map((f) => f.join(" ")).join(", ")}` : "of the whole machine", look);
	}

	async function copyLink() {
		const link = location.origin + location.pathname + state.write(true);
		history.replaceState(null, "", state.write(true));
		try {
			await navigator.clipboard.writeText(link);
			ui.link.textContent = "Copied";
		} catch (e) {
			ui.link.textContent = "It is in the address bar";
		}
		setTimeout(() => { ui.link.textContent = "Copy link"; }, 2500);
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
		ui.by = select("list by", Everprof.GROUPS.map((g) => [g, "by " + g]), () => { set({ by: ui.by.value }); loadSeries(); if (!state.group) loadProfile(); });
		ui.group = select("group the graph", [[Everprof.AS_LISTED, "graph as listed"], [Everprof.UNGROUPED, "one graph"], ...Everprof.LABELS.map((g) => [g, "graph by " + g])], () => { set({ group: ui.group.value }); loadProfile(); });
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
		ui.link = E("button", { onclick: copyLink, title: "a link to exactly this, to send to somebody" }, "Copy link");
		timeline = new Everprof.Timeline({ state: () => state, lanes, functionShown: () => chosenFunction, choose, open: (c) => openCapture(c, null, false),
			showEvent: (event) => { set({ event }); load(); } });
		ui.ran = E("div", { class: "ran" });
		ui.viewer = E("div", { id: "viewer" });
		ui.message = E("div", { class: "message", hidden: true });
		page.append(E("div", { class: "top" }, E("h1", {}, "everprof", ui.host), ui.range, ui.event, ui.by, ui.group, ui.filter,
			E("label", { title: "follow the clock" }, ui.live, "live"), E("label", { title: "show waits of threads that only wait for work" }, ui.idle, "idle"), E("span", { class: "gap" }),
			ui.compare, E("button", { title: "what was kept when something was wrong", onclick: () => Everprof.captures.dialog(state.filters, openCapture) }, "Captures"), ui.rules, E("button", { title: "record the next seconds", onclick: record }, "Record"), E("button", { title: "what every process uses now", onclick: Everprof.live.processes }, "Now"), E("button", { title: "what profiling costs and loses", onclick: Everprof.live.agent }, "Agent"), ui.link),
			...timeline.parts, E("div", { class: "said" }, timeline.hint, ui.chips), E("div", { class: "below" }, ui.ran, ui.viewer));
		ui.viewer.append(ui.message);
		const file = (text, format, more) => ({ text, href: () => state.profileUrl(format, { download: "1", ...more }) });
		viewer = new Everprof.Viewer(ui.viewer, {
			exports: [file("pprof", "pprof"), file("Page (HTML)", "html", { threshold: "0.02%" }), file("Picture (SVG)", "svg", { threshold: "0.02%" }), file("Speedscope", "speedscope")],
			onState: (s) => {
				set({ view: s });
				loadFunction(false);
			},
		});
		window.addEventListener("resize", () => timeline.draw());
		window.addEventListener("everprof-theme", paint);
		window.addEventListener("hashchange", () => { state = Everprof.State.read(location.hash); start(); });
	}

	async function tick() {
		if (!document.hidden && !document.querySelector("dialog[open]")) {
			await loadSeries();
			if (state.live && !state.chosen && !state.base && !timeline.dragging && !(state.view.zoom || []).length)
				await loadProfile(true);
		}
		setTimeout(tick, state.live ? 10000 : 30000);
	}

	Everprof.theme.start();
	build();
	timeline.build();
	paint();
	// a link to a list, for whoever is told of an alert; the address is another once the page has started
	const opened = new URLSearchParams(location.hash.slice(1)).get("open");
	start().then(() => setTimeout(tick, 10000));
	if (opened === "captures")
		Everprof.captures.dialog(state.filters, openCapture);
	else if (opened === "rules")
		Everprof.rules.dialog(openCaptureId);
})();
