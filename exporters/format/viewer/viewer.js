// SPDX-License-Identifier: Apache-2.0
//
// The viewer of one profile: views, search, menu, keys, export. The page of the agent and the self-contained report are both made of it.
"use strict";

Everprof.element = function (tag, attributes, ...children) {
	const e = document.createElement(tag);
	for (const [k, v] of Object.entries(attributes || {})) {
		if (k.startsWith("on"))
			e.addEventListener(k.slice(2), v);
		else if (k === "style")
			e.style.cssText = v; // not as an attribute: the page's policy forbids those
		else if (v === true)
			e.setAttribute(k, "");
		else if (v !== false && v !== null && v !== undefined)
			e.setAttribute(k, v);
	}
	e.append(...children.filter((c) => c !== null && c !== undefined));
	return e;
};

Everprof.save = function (name, text, type) {
	const url = URL.createObjectURL(new Blob([text], { type }));
	const a = Everprof.element("a", { href: url, download: name });
	document.body.append(a);
	a.click();
	a.remove();
	setTimeout(() => URL.revokeObjectURL(url), 10000);
};

Everprof.theme = {
	isDark() {
		return document.documentElement.dataset.theme === "dark";
	},
	start(asked) {
		let kept = asked;
		try {
			kept = kept || localStorage.getItem("everprof-theme");
		} catch (e) { /* a file, or storage is forbidden: the system's choice will do */ }
		document.documentElement.dataset.theme = kept === "dark" || kept === "light" ? kept
			: matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
	},
	toggle() {
		document.documentElement.dataset.theme = this.isDark() ? "light" : "dark";
		try {
			localStorage.setItem("everprof-theme", document.documentElement.dataset.theme);
		} catch (e) { /* as above */ }
		window.dispatchEvent(new Event("everprof-theme"));
	}
};

Everprof.HELP = [
	["click", "zoom into a box; the boxes above lead back"], ["drag", "move"], ["wheel", "up and down; with Ctrl: zoom where the pointer is"],
	["right click", "menu: callers and callees, search, copy"], ["/", "search: * stands for anything, ^ begins, $ ends, | is or; Enter: the next match"],
	["Esc", "clear the search, then zoom out"], ["1 … 5", "icicle, flame, sunburst, sandwich, table"], ["+ − 0", "zoom in, out, all"],
	["← → ↑ ↓", "move"], ["c", "colour by the next thing"], ["t", "dark or light"], ["?", "this list"],
];

Everprof.Viewer = class {
	// options: exports [{text, href() | run()}], onState(state): see changed()
	constructor(root, options) {
		this.root = root;
		this.options = options || {};
		this.state = { ...Everprof.Viewer.DEFAULTS };
		this.build();
		new ResizeObserver(() => this.redraw()).observe(this.main); // what stands around it may grow without the window
		window.addEventListener("everprof-theme", () => this.restyle());
		window.addEventListener("keydown", (e) => this.key(e));
	}

	static VIEWS = [["icicle", "Icicle"], ["flame", "Flame"], ["sunburst", "Sunburst"], ["sandwich", "Sandwich"], ["table", "Table"]];
	static COLOURS = [["binary", "by binary"], ["kind", "by kind"], ["package", "by package"]];

	static SORTS = ["self", "total", "name", "binary"];
	static DEFAULTS = Object.freeze({ view: "icicle", colour: "binary", search: "", zoom: Object.freeze([]), frame: "", sort: "self", ascending: false });

	// A state out of a link, which may come from anybody: only what is known, and only of the kind that is expected.
	static checked(given) {
		const isText = (x) => typeof x === "string" && x.length < 4096, ids = (list) => list.map(([id]) => id);
		const rules = { view: (x) => ids(Everprof.Viewer.VIEWS).includes(x), colour: (x) => ids(Everprof.Viewer.COLOURS).includes(x), sort: (x) => Everprof.Viewer.SORTS.includes(x), search: isText, frame: isText,
			zoom: (x) => Array.isArray(x) && x.every(isText), ascending: (x) => typeof x === "boolean" };
		return Object.fromEntries(Object.entries(rules).filter(([key, isGood]) => Object.hasOwn(Object(given), key) && isGood(given[key])).map(([key]) => [key, given[key]]));
	}

	// What a link has to say: all that is not as it is at first.
	changed() {
		return Object.fromEntries(Object.entries(this.state).filter(([key, x]) => String(x) !== String(Everprof.Viewer.DEFAULTS[key])));
	}

	build() {
		const E = Everprof.element;
		this.tabs = E("div", { class: "ev-tabs", role: "tablist" });
		for (const [id, text] of Everprof.Viewer.VIEWS)
			this.tabs.append(E("button", { "data-view": id, role: "tab", onclick: () => this.set({ view: id }) }, text));
		this.colour = E("select", { title: "Colour (c): by kind for eyes that tell few colours apart", "aria-label": "Colour", onchange: () => this.set({ colour: this.colour.value }) });
		for (const [id, text] of Everprof.Viewer.COLOURS)
			this.colour.append(E("option", { value: id }, text));
		this.search = E("input", { type: "search", placeholder: "Search  ( / )", "aria-label": "Search for functions", spellcheck: "false", maxlength: Everprof.SEARCH_MAX });
		this.search.addEventListener("input", () => this.set({ search: this.search.value }));
		this.matched = E("span", { class: "ev-matched", role: "status" });
		this.legend = E("span", { class: "ev-legend" });
		this.reset = E("button", { onclick: () => this.set({ zoom: [] }), title: "Show all again (Esc)" }, "Reset zoom");
		this.exports = E("details", { class: "ev-menu" }, E("summary", {}, "Export"), E("div", {}));
		this.bar = E("div", { class: "ev-bar" }, this.tabs, this.colour, this.legend, this.search, this.matched, this.reset, E("span", { class: "ev-gap" }),
			this.exports, E("button", { onclick: () => Everprof.theme.toggle(), title: "Dark or light (t)", "aria-label": "Dark or light" }, "◐"),
			E("button", { onclick: () => this.help(), title: "Keys (?)", "aria-label": "Help" }, "?"));
		this.note = E("div", { class: "ev-note" });
		this.main = E("div", { class: "ev-main" });
		this.line = E("div", { class: "ev-line", "aria-live": "polite" });
		this.root.classList.add("ev");
		this.root.append(this.bar, this.note, this.main, this.line);
		this.menu = E("div", { class: "ev-context", hidden: true });
		document.body.append(this.menu);
		document.addEventListener("click", (e) => {
			if (!this.menu.contains(e.target))
				this.menu.hidden = true;
			if (!this.exports.contains(e.target))
				this.exports.open = false;
		});
		this.fillExports();
	}

	fillExports() {
		const E = Everprof.element, list = this.exports.lastElementChild, own = [
			{ text: "Folded stacks", run: () => Everprof.save("profile.folded", this.tree.folded(), "text/plain") },
			{ text: "Picture (PNG)", run: () => this.picture() },
		];
		list.replaceChildren();
		for (const x of [...(this.options.exports || []), ...own])
			list.append(x.href ? E("a", { href: "#", onclick: (e) => { e.preventDefault(); location.href = x.href(); } }, x.text)
				: E("a", { href: "#", onclick: (e) => { e.preventDefault(); x.run(); } }, x.text));
	}

	picture() {
		const canvas = this.main.querySelector("canvas");
		if (canvas)
			canvas.toBlob((blob) => blob.arrayBuffer().then((bytes) => Everprof.save("profile.png", bytes, "image/png")));
	}

	// state null: the same profile with more of it; what was moved to stays where it is.
	setData(data, state) {
		const place = state === null && this.rows ? this.rows.place() : null;
		this.data = data;
		this.tree = Everprof.Tree.fromJson(data);
		if (state !== null)
			this.state = { ...Everprof.Viewer.DEFAULTS, ...Everprof.Viewer.checked(state) };
		this.search.value = this.state.search;
		this.tell();
		this.restyle();
		if (place && this.rows)
			this.rows.moveTo(place);
	}

	set(change) {
		Object.assign(this.state, change);
		if (this.options.onState)
			this.options.onState(this.changed());
		if (!this.tree)
			return;
		if ("colour" in change)
			this.restyle();
		else
			this.show();
	}

	restyle() {
		if (!this.tree)
			return;
		const E = Everprof.element, palette = this.palette = new Everprof.Palette(this.tree, this.state.colour, Everprof.theme.isDark());
		this.legend.replaceChildren(...(this.state.colour === "kind" && !this.tree.base ? Object.keys(Everprof.Palette.KINDS.light).map((kind) =>
			E("span", {}, E("i", { class: "ev-dot", style: `background:${palette.ofKind(kind)}` }), Everprof.KIND_NAMES[Everprof.KIND[kind]])) : []));
		this.show();
	}

	// What the picture does not show: losses, stacks cut short, what was folded away.
	tell() {
		const d = this.data, t = this.tree, K = Everprof.KIND, parts = [], E = Everprof.element;
		let cut = 0;
		for (let i = 0; i < t.n; i++)
			if (t.frames.kinds[t.frame[i]] === K.TRUNCATED && (i < 1 || t.frames.kinds[t.frame[t.parent[i]]] !== K.TRUNCATED))
				cut += t.total[i];
		const lost = d.comments.map((c) => /^lost ([^:]+): (\d+)/.exec(c)).filter((m) => m && +m[2] && m[1] !== "in all").map((m) => `${m[2]} ${m[1]}`);
		parts.push(E("b", {}, Everprof.amount(t.total[0], d.unit)), ` ${d.type}`);
		if (d.duration_ns)
			parts.push(` in ${Everprof.amount(d.duration_ns, "nanoseconds")}`);
		if (d.time_ms)
			parts.push(`, from ${new Date(d.time_ms).toLocaleString("sv")} ${Everprof.zone(d.time_ms)}`);
		if (d.diff)
			parts.push(E("span", { class: "ev-diff" }, " difference: ", E("i", { class: "ev-less" }, "less"), " than before, ", E("i", { class: "ev-more" }, "more")));
		if (cut)
			parts.push(E("span", { class: "ev-warn" }, ` ${Everprof.percent(cut, t.total[0])} in stacks cut short`));
		if (lost.length)
			parts.push(E("span", { class: "ev-warn", title: "records that are not in it, by reason; the documents tell what each means" }, ` lost: ${lost.join(", ")}`));
		if (d.folded)
			parts.push(E("span", { class: "ev-quiet" }, ` ${d.folded} branches too small to see are folded away`));
		if (this.options.note)
			parts.push(E("span", { class: "ev-quiet" }, " " + this.options.note()));
		this.note.replaceChildren(...parts);
	}

	find() {
		const matches = Everprof.matcher(this.state.search), names = this.tree.frames.names;
		this.hit = null;
		this.matched.textContent = "";
		if (!matches)
			return;
		this.hit = Uint8Array.from(names, (name) => matches(name) ? 1 : 0);
		this.matched.textContent = Everprof.percent(this.tree.matched(this.hit), 1) + " matched";
	}

	show() {
		const s = this.state;
		for (const b of this.tabs.children)
			b.setAttribute("aria-selected", b.dataset.view === s.view);
		this.colour.value = s.colour;
		this.find();
		this.zoomed = this.tree.find(s.zoom);
		this.reset.disabled = !this.zoomed;
		if (this.shown !== s.view) {
			this.main.replaceChildren();
			this.rows = this.burst = this.callers = this.callees = this.list = null;
			this.shown = s.view;
		}
		this["show_" + s.view]();
	}

	redraw() {
		if (!this.tree)
			return;
		for (const r of [this.rows, this.callers, this.callees])
			if (r)
				r.redraw();
		if (this.burst)
			this.burst.draw();
	}

	events(treeOf) {
		return {
			hover: (i) => this.describe(treeOf(), i),
			click: (i) => this.set({ zoom: this.tree.path(i) }),
			menu: (i, e) => this.openMenu(treeOf(), i, e),
		};
	}

	show_icicle(up) {
		if (!this.rows) {
			const canvas = Everprof.element("canvas", { class: "ev-canvas", tabindex: "0", "aria-label": "flame graph" });
			this.main.append(canvas);
			this.rows = new Everprof.Rows(canvas, this.events(() => this.tree));
		}
		this.rows.up = !!up;
		this.rows.hit = this.hit;
		if (this.rows.tree !== this.tree || this.rows.zoomed !== this.zoomed)
			this.rows.show(this.tree, this.palette, this.zoomed);
		this.rows.palette = this.palette;
		this.rows.redraw();
	}

	show_flame() {
		this.show_icicle(true);
	}

	show_sunburst() {
		if (!this.burst) {
			const canvas = Everprof.element("canvas", { class: "ev-canvas", "aria-label": "sunburst" });
			this.main.append(canvas);
			this.burst = new Everprof.Sunburst(canvas, this.events(() => this.tree));
		}
		this.burst.hit = this.hit;
		this.burst.show(this.tree, this.palette, this.zoomed);
	}

	show_table() {
		if (!this.list) {
			this.list = Everprof.element("div", { class: "ev-table" });
			this.main.append(this.list);
		}
		this.fillList(2000, (r) => this.set({ view: "sandwich", frame: this.tree.frames.names[r.frame] }), null);
	}

	// Only where another one is wanted: a row that is clicked stays where it is, and keeps the focus.
	fillList(limit, act, chosen) {
		const s = this.state, key = JSON.stringify([s.sort, s.ascending, s.search]);
		if (this.list.key !== key || this.list.palette !== this.palette) {
			Object.assign(this.list, { key, palette: this.palette });
			this.list.replaceChildren(this.table(limit, act));
		}
		for (const row of this.list.querySelectorAll("tr[data-frame]"))
			row.setAttribute("aria-selected", String(chosen !== null && +row.dataset.frame === chosen.frame));
	}

	// Functions by self and total; the search filters.
	table(limit, chosen) {
		const E = Everprof.element, t = this.tree, unit = this.data.unit, whole = t.total[0], s = this.state, f = t.frames;
		const value = { self: (r) => r.self - (t.base ? r.base : 0), total: (r) => r.total - (t.base ? r.baseTotal : 0),
			name: (r) => f.names[r.frame], binary: (r) => f.binaries[r.frame] };
		const key = value[s.sort] || value.self, factor = s.ascending ? 1 : -1, text = s.sort === "name" || s.sort === "binary";
		const size = t.base && !text ? (r) => Math.abs(key(r)) : key;
		let rows = t.functions().filter((r) => ![Everprof.KIND.LABEL, Everprof.KIND.FOLDED].includes(f.kinds[r.frame]) && (!this.hit || this.hit[r.frame]));
		rows = rows.sort((a, b) => (size(a) < size(b) ? -factor : size(a) > size(b) ? factor : 0) || (f.names[a.frame] < f.names[b.frame] ? -1 : 1));
		const head = (id, name) => E("th", { "aria-sort": s.sort === id ? (s.ascending ? "ascending" : "descending") : "none" },
			E("button", { onclick: () => this.set({ sort: id, ascending: s.sort === id ? !s.ascending : id === "name" || id === "binary" }) },
				name + (s.sort === id ? (s.ascending ? " ▲" : " ▼") : "")));
		const bar = (v) => E("td", { class: "ev-number", style: `--share:${whole ? Math.min(100, Math.abs(100 * v / whole)).toFixed(2) : 0}%` },
			E("span", {}, (t.base && v > 0 ? "+" : "") + Everprof.amount(v, unit)), E("small", {}, Everprof.percent(v, whole)));
		const body = E("tbody", {});
		for (const r of rows.slice(0, limit)) {
			const name = f.names[r.frame], binary = f.binaries[r.frame];
			body.append(E("tr", { "data-frame": String(r.frame), onclick: () => chosen(r), tabindex: "0", onkeydown: (e) => e.key === "Enter" && chosen(r) }, bar(value.self(r)), bar(value.total(r)),
				E("td", { class: "ev-name", title: name }, E("i", { class: "ev-dot", style: `background:${this.palette.fill(r.frame)}` }), name),
				E("td", { class: "ev-binary", title: binary }, Everprof.baseName(binary) || Everprof.KIND_NAMES[f.kinds[r.frame]])));
		}
		const said = [rows.length > limit ? `and ${rows.length - limit} more: search to find them` : "",
			t.rowsFolded && !this.hit ? `${t.rowsFolded} functions have too little to be listed` : ""].filter((x) => x);
		if (said.length)
			body.append(E("tr", {}, E("td", { colspan: "4", class: "ev-quiet" }, said.join("; "))));
		return E("table", {}, E("thead", {}, E("tr", {}, head("self", "Self"), head("total", "Total"), head("name", "Function"), head("binary", "Binary"))), body);
	}

	show_sandwich() {
		const E = Everprof.element;
		if (!this.list) {
			this.list = E("div", { class: "ev-table ev-side" });
			const up = E("canvas", { class: "ev-canvas", "aria-label": "callers" }), down = E("canvas", { class: "ev-canvas", "aria-label": "callees" });
			this.title = E("div", { class: "ev-title" });
			this.main.append(E("div", { class: "ev-sandwich" }, this.list,
				E("div", { class: "ev-both" }, E("small", {}, "callers"), up, this.title, down, E("small", {}, "callees"))));
			const chosen = (tree) => (i) => this.set({ frame: tree().name(i) });
			this.callers = new Everprof.Rows(up, { ...this.events(() => this.callers.tree), click: chosen(() => this.callers.tree) });
			this.callees = new Everprof.Rows(down, { ...this.events(() => this.callees.tree), click: chosen(() => this.callees.tree) });
			this.callers.up = true;
		}
		const names = this.tree.frames.names, K = Everprof.KIND;
		const hottest = this.tree.functions().filter((r) => ![K.LABEL, K.FOLDED].includes(this.tree.frames.kinds[r.frame])).reduce((a, b) => !a || b.self > a.self ? b : a, null);
		let frame = this.tree.functions().filter((r) => names[r.frame] === this.state.frame).reduce((a, b) => !a || b.total > a.total ? b : a, null);
		frame = frame || hottest;
		this.fillList(300, (r) => this.set({ frame: names[r.frame] }), frame);
		if (!frame)
			return;
		this.title.replaceChildren(E("b", {}, names[frame.frame]), ` self ${Everprof.amount(frame.self, this.data.unit)}, total ${Everprof.amount(frame.total, this.data.unit)}` +
			` (${Everprof.percent(frame.total, this.tree.total[0])})`);
		this.callers.show(this.tree.around(frame.frame, true), this.palette, 0);
		this.callees.show(this.tree.around(frame.frame, false), this.palette, 0);
	}

	describe(t, i) {
		const d = this.data;
		if (i < 0) {
			this.line.textContent = "";
			return;
		}
		const f = t.frame[i], whole = this.tree.total[0], E = Everprof.element, kind = Everprof.KIND_NAMES[t.frames.kinds[f]];
		const parts = [E("b", {}, t.frames.names[f]), t.frames.binaries[f] ? ` ${t.frames.binaries[f]}` : "", E("span", { class: "ev-quiet" }, ` ${kind} `),
			` total ${Everprof.amount(t.total[i], d.unit)} (${Everprof.percent(t.total[i], whole)}), self ${Everprof.amount(t.self[i], d.unit)} (${Everprof.percent(t.self[i], whole)})`];
		if (this.zoomed && t === this.tree)
			parts.push(`, ${Everprof.percent(t.total[i], t.total[this.zoomed])} of what is zoomed`);
		if (t.base)
			parts.push(`; before: ${Everprof.amount(t.baseTotal[i], d.unit)} (${Everprof.percent(t.baseTotal[i], this.tree.baseTotal[0])})`);
		this.line.replaceChildren(...parts);
	}

	openMenu(t, i, e) {
		const E = Everprof.element, name = t.name(i);
		const item = (text, run) => E("button", { onclick: () => { this.menu.hidden = true; run(); } }, text);
		this.menu.replaceChildren(E("b", {}, name), t === this.tree ? item("Zoom here", () => this.set({ zoom: t.path(i) })) : null,
			item("Callers and callees", () => this.set({ view: "sandwich", frame: name })),
			item("Find everywhere", () => { this.search.value = "^" + name + "$"; this.set({ search: this.search.value }); }),
			item("Copy the name", () => navigator.clipboard && navigator.clipboard.writeText(name)),
			...(this.options.menu || []).map((m) => item(m.text, () => m.run(name, t.frames.binaries[t.frame[i]]))));
		this.menu.hidden = false;
		this.menu.style.left = Math.min(e.clientX, innerWidth - this.menu.offsetWidth - 8) + "px";
		this.menu.style.top = Math.min(e.clientY, innerHeight - this.menu.offsetHeight - 8) + "px";
	}

	help() {
		const E = Everprof.element, table = E("table", {}), dialog = E("dialog", { class: "ev-help" }, E("h2", {}, "Keys and pointer"), table,
			E("p", {}, "Orange is the kernel. A dotted edge marks an inlined function, hatching a stack cut short or what is folded away."),
			E("button", { onclick: () => dialog.close() }, "Close"));
		for (const [key, text] of Everprof.HELP)
			table.append(E("tr", {}, E("td", {}, E("kbd", {}, key)), E("td", {}, text)));
		dialog.addEventListener("close", () => dialog.remove());
		document.body.append(dialog);
		dialog.showModal();
	}

	nextMatch() {
		const t = this.tree, from = this.zoomed;
		for (let step = 1; this.hit && step <= t.n; step++) {
			const i = (from + step) % t.n;
			if (this.hit[t.frame[i]] && t.width[i] > t.width[0] * 1e-4)
				return this.set({ zoom: t.path(i) });
		}
	}

	key(e) {
		const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(e.target.tagName), rows = this.rows || this.callees;
		if (!this.tree || document.querySelector("dialog[open]") || e.altKey || this.root.offsetParent === null)
			return;
		if (e.key === "Escape") {
			if (!this.menu.hidden)
				this.menu.hidden = true;
			else if (this.state.search) {
				this.search.value = "";
				this.set({ search: "" });
			} else
				this.set({ zoom: [] });
			this.search.blur();
			return;
		}
		if ((e.ctrlKey || e.metaKey) && e.key === "f") {
			e.preventDefault();
			this.search.focus();
			return;
		}
		if (e.target === this.search && e.key === "Enter")
			this.nextMatch();
		if (typing || e.ctrlKey || e.metaKey)
			return;
		const view = Everprof.Viewer.VIEWS[+e.key - 1], ids = Everprof.Viewer.COLOURS.map((c) => c[0]);
		const step = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 54], ArrowDown: [0, -54] }[e.key];
		if (e.key === "/")
			this.search.focus();
		else if (view)
			this.set({ view: view[0] });
		else if (e.key === "c")
			this.set({ colour: ids[(ids.indexOf(this.state.colour) + 1) % ids.length] });
		else if (e.key === "t")
			Everprof.theme.toggle();
		else if (e.key === "?")
			this.help();
		else if (e.key === "0")
			this.set({ zoom: [] });
		else if (rows && (e.key === "+" || e.key === "-"))
			rows.scale(e.key === "+" ? 0.7 : 1.43, rows.canvas.clientWidth / 2);
		else if (rows && step && e.target.tagName !== "TR")
			rows.pan(...step);
		else
			return;
		e.preventDefault();
	}
};
