// SPDX-License-Identifier: Apache-2.0
//
// The timeline: a lane for each event, the chosen one large and stacked by what ran, with captures and alerts marked. A drag or a click chooses a part of it,
// always whole windows: what is recorded cannot be cut finer.
"use strict";

Everprof.Timeline = class {
	static WORDS = { cpu: "CPU", offcpu: "waiting", memory: "memory", alloc: "alloc", lock: "locks", threads: "threads" };
	static STEPS = [1, 5, 10, 30, 60, 300, 600, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400]; // between the times of the axis

	// page: state(), lanes(), functionShown(); series: what was loaded, by event; showEvent(event), choose(range, asBase), open(capture)
	constructor(page) {
		const E = Everprof.element;
		this.page = page;
		this.series = {};
		this.dragging = null;
		this.canvases = {};
		this.lanes = E("div", { class: "lanes" });
		this.axis = E("div", { class: "axis", "aria-hidden": "true" });
		this.hint = E("div", { class: "hint", role: "status" });
		this.parts = [this.lanes, this.axis];
	}

	build() {
		const E = Everprof.element, state = this.page.state();
		this.lanes.replaceChildren();
		this.canvases = {};
		for (const event of this.page.lanes()) {
			const canvas = E("canvas", { "aria-label": `timeline of ${event}: arrow keys choose a part, with Shift more of it, Escape all`, role: "img", tabindex: "0" });
			this.canvases[event] = canvas;
			this.lanes.append(E("div", { class: "lane" + (event === state.event ? " main" : "") },
				E("button", { "aria-pressed": String(event === state.event), title: "show " + event, onclick: () => this.page.showEvent(event) }, Everprof.Timeline.WORDS[event] || event),
				E("div", {}, canvas)));
			this.listen(canvas, event);
		}
	}

	draw() {
		for (const event of this.page.lanes())
			this.drawLane(event);
		this.drawAxis();
		this.tell();
	}

	static clock(t, long) {
		return new Date(t * 1000).toLocaleString("sv", long ? {} : { hour: "2-digit", minute: "2-digit", second: "2-digit" });
	}

	static length(seconds) {
		const s = Math.max(Math.round(seconds), 0);
		return s < 90 ? `${s} s` : s < 5400 ? `${Math.round(s / 60)} min` : s < 129600 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} days`;
	}

	static ago(t) {
		return Everprof.Timeline.length(Date.now() / 1000 - t) + " ago";
	}

	// Both ends, with the day of the second one where it is another, and the zone that all times on the page are in.
	static span(from, to) {
		const { clock } = Everprof.Timeline, day = (t) => clock(t, true).split(" ")[0];
		return `${clock(from, true)} – ${clock(to, day(from) !== day(to))} ${Everprof.zone(to * 1000)}`;
	}

	// The same for a name wherever it stands; three shades of a hue keep more of them apart. Who has no such label is grey.
	static colourOf(name) {
		const isDark = Everprof.theme.isDark(), hash = Everprof.hash(name), shades = isDark ? ["42% 46%", "34% 36%", "52% 57%"] : ["55% 62%", "42% 50%", "70% 74%"];
		return /^\(no \w+\)$/.test(name) ? (isDark ? "#66707e" : "#a4adba") : `hsl(${hash % 360} ${shades[(hash >>> 12) % 3]})`;
	}

	// What a value a second means: of CPU time, how many CPUs.
	rate(v, seconds, s, event) {
		const r = v / seconds;
		return s.state ? Everprof.amount(v, s.unit) : s.unit === "nanoseconds" ? (r / 1e9).toFixed(2) + (event === "cpu" ? " CPUs" : " threads")
			: s.unit === "bytes" ? Everprof.amount(r, "bytes") + "/s" : r.toFixed(1) + "/s";
	}

	// -- drawing ----------------------------------------------------------------------------------------------------------
	// Round times, as many as have room.
	drawAxis() {
		const [from, to] = this.page.state().times(), canvas = Object.values(this.canvases)[0], wide = canvas ? canvas.clientWidth : 0, k = wide / (to - from);
		const step = Everprof.Timeline.STEPS.find((s) => s * k >= 110) || 14 * 86400, zone = new Date(from * 1000).getTimezoneOffset() * 60, E = Everprof.element, marks = [];
		for (let t = Math.ceil((from - zone) / step) * step + zone; t <= to && wide; t += step) {
			const [day, time] = Everprof.Timeline.clock(t, true).split(" ");
			marks.push(E("span", { style: `left:${(100 * (t - from) / (to - from)).toFixed(2)}%` }, step >= 86400 ? day : step < 60 ? time : to - from > 86400 ? `${day.slice(5)} ${time.slice(0, 5)}` : time.slice(0, 5)));
		}
		this.axis.replaceChildren(E("div", {}, ...marks));
	}

	drawLane(event) {
		const canvas = this.canvases[event], s = this.series[event], state = this.page.state(), isMain = event === state.event;
		if (!canvas || !canvas.clientWidth)
			return;
		const { c, w, h } = Everprof.fitCanvas(canvas), [from, to] = state.times(), k = w / (to - from), dark = Everprof.theme.isDark();
		c.clearRect(0, 0, w, h);
		if (s && s.times.length)
			this.drawSeries(c, s, event, { from, k, h, dark });
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
		mark(this.dragging && this.dragging.range, dark ? "#ffffff40" : "#00000026");
		if (isMain)
			Everprof.rules.draw(c, from, to, k, dark);
		Everprof.captures.draw(c, from, k, h, dark ? "#ff8a5c" : "#c2410c", isMain);
	}

	// Bars: the whole in grey, before it what ran, one on the other; the function that is looked at in black, over all.
	drawSeries(c, s, event, { from, k, h, dark }) {
		const isMain = event === this.page.state().event, f = isMain ? this.page.functionShown() : null;
		const per = (of, i) => s.state ? 1 : Math.max(of.seconds[i], 1), peak = Math.max(...s.total.map((v, i) => v / per(s, i)), 1e-9);
		const bar = (of, i, value, above) => {
			const height = value / per(of, i) / (peak * 1.08) * (h - 3), wide = of.seconds[i] * k;
			c.fillRect((of.times[i] - from) * k, h - above - height, Math.max(wide - (wide > 3 ? 0.6 : 0), 0.8), height);
			return height;
		};
		for (let i = 0; i < s.times.length; i++) {
			let above = 0;
			c.fillStyle = dark ? "#4a5361" : "#c6ccd6";
			bar(s, i, s.total[i], 0);
			for (const one of isMain ? s.series.slice(0, 40) : []) {
				if (one.values[i] / per(s, i) / peak * h < 0.3)
					continue;
				c.fillStyle = Everprof.Timeline.colourOf(one.name);
				above += bar(s, i, one.values[i], above);
			}
		}
		c.fillStyle = dark ? "#f2f4f8" : "#10151d";
		for (let i = 0; f && f.series && i < f.series.times.length; i++)
			bar(f.series, i, f.series.total[i], 0);
		const sum = (values) => values.reduce((a, v) => a + v, 0);
		c.fillStyle = dark ? "#98a1ae" : "#68707c";
		c.font = "11px system-ui, sans-serif";
		c.textBaseline = "top";
		c.strokeStyle = dark ? "#16191ecc" : "#ffffffcc"; // readable over bars, too
		c.lineWidth = 3;
		const text = `peak ${this.rate(peak, 1, s, event)}` + (f && f.series ? `; ■ ${Everprof.percent(sum(f.series.total), sum(s.total))} in ${f.name}, of any binary` : "");
		c.strokeText(text, 5, 5);
		c.fillText(text, 5, 5);
	}

	// -- pointer and keys -------------------------------------------------------------------------------------------------
	listen(canvas, event) {
		const timeAt = (e) => {
			const [from, to] = this.page.state().times(), box = canvas.getBoundingClientRect();
			return from + Math.min(Math.max((e.clientX - box.left) / box.width, 0), 1) * (to - from);
		};
		const captureAt = (e) => {
			const [from, to] = this.page.state().times(), box = canvas.getBoundingClientRect();
			return Everprof.captures.near(e.clientX - box.left, from, box.width / (to - from));
		};
		canvas.addEventListener("pointerdown", (e) => {
			if (e.button !== 0)
				return;
			canvas.setPointerCapture(e.pointerId);
			this.dragging = { start: timeAt(e), x: e.clientX, range: null, asBase: e.shiftKey };
		});
		canvas.addEventListener("pointermove", (e) => {
			if (this.dragging && Math.abs(e.clientX - this.dragging.x) > 3) {
				const t = timeAt(e);
				this.dragging.range = [Math.min(t, this.dragging.start), Math.max(t, this.dragging.start)];
				this.draw();
			}
			this.point(event, timeAt(e), captureAt(e), e.offsetY);
		});
		canvas.addEventListener("pointerup", (e) => {
			const d = this.dragging;
			this.dragging = null;
			if (!d)
				return;
			if (d.range && d.range[1] - d.range[0] >= 1)
				this.page.choose(this.snap(event, d.range), d.asBase);
			else if (!d.range && captureAt(e))
				this.page.open(captureAt(e));
			else if (!d.range)
				this.page.choose(this.windowAt(event, d.start), d.asBase);
		});
		// a finger that scrolls the page instead, or Escape
		const cancel = () => {
			this.dragging = null;
			this.draw();
		};
		canvas.addEventListener("pointercancel", cancel);
		canvas.addEventListener("keydown", (e) => {
			const by = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
			if (by)
				this.step(event, by, e.shiftKey);
			else if (e.key === "Escape" && this.dragging)
				cancel();
			else if (e.key === "Escape" && this.page.state().chosen)
				this.page.choose(null, false);
			else
				return;
			e.preventDefault();
			e.stopPropagation();
		});
		canvas.addEventListener("dblclick", () => this.page.choose(null, false));
		canvas.addEventListener("pointerleave", () => this.tell());
	}

	// What is dragged over becomes whole windows: one counts if half of it is in.
	snap(event, r) {
		const s = this.series[event];
		let [from, to] = r;
		for (let i = 0; s && i < s.times.length; i++) {
			const end = s.times[i] + s.seconds[i];
			if (s.times[i] < r[0] && end > r[0])
				from = (r[0] - s.times[i]) * 2 < s.seconds[i] ? s.times[i] : end;
			if (s.times[i] < r[1] && end > r[1])
				to = (r[1] - s.times[i]) * 2 < s.seconds[i] ? s.times[i] : end;
		}
		return to > from ? [from, to] : this.windowAt(event, r[0]);
	}

	indexAt(s, t) {
		return s ? s.times.findIndex((from, i) => t >= from && t < from + s.seconds[i]) : -1;
	}

	windowAt(event, t) {
		const s = this.series[event], i = this.indexAt(s, t);
		return i < 0 ? null : [s.times[i], s.times[i] + s.seconds[i]];
	}

	// By keys: the window beside what is chosen, or that one too.
	step(event, by, isLonger) {
		const s = this.series[event], r = this.page.state().chosen, n = s ? s.times.length : 0;
		if (!n)
			return;
		const from = r ? s.times.findIndex((t, i) => t + s.seconds[i] > r[0]) : n, to = r ? s.times.findLastIndex((t) => t < r[1]) : n;
		const i = Math.min(Math.max((by < 0 && isLonger ? from : to) + by, 0), n - 1), one = [s.times[i], s.times[i] + s.seconds[i]];
		this.page.choose(isLonger && r ? [Math.min(r[0], one[0]), Math.max(r[1], one[1])] : one, false);
	}

	// -- the line below it ------------------------------------------------------------------------------------------------
	// What is under the pointer.
	point(event, t, capture, y) {
		const E = Everprof.element, { clock, ago } = Everprof.Timeline, alerts = Everprof.rules.at(t, y), s = this.series[event], i = this.indexAt(s, t);
		if (capture) {
			const at = Everprof.captures.at(capture);
			this.hint.replaceChildren(E("b", {}, `captured ${clock(at, true)}`), ` (${ago(at)})  ${Everprof.captures.about(capture)}  (click opens it)`);
		} else if (alerts.length) {
			this.hint.replaceChildren(E("b", {}, "alert "), alerts.join("   "));
		} else if (i < 0) {
			this.tell();
		} else {
			const largest = s.series.map((x) => [x.name, x.values[i]]).filter((x) => x[1]).sort((a, b) => b[1] - a[1]).slice(0, 5);
			this.hint.replaceChildren(E("b", {}, clock(s.times[i], true)), ` +${s.seconds[i]} s (${ago(s.times[i])})  ${event}: ${this.rate(s.total[i], s.seconds[i], s, event)}  `,
				event === this.page.state().event ? largest.map(([name, v]) => `${Everprof.brief(name)} ${Everprof.percent(v, s.total[i])}`).join("   ") : "");
		}
	}

	// What is shown.
	tell() {
		const state = this.page.state(), [from, to] = state.chosen || state.times(), E = Everprof.element, { span, length, ago } = Everprof.Timeline;
		const base = state.base, isOther = base && Math.abs((base[1] - base[0]) / (to - from) - 1) > 0.05, isState = (this.series[state.event] || {}).state;
		this.hint.replaceChildren("Shown: ", E("b", {}, span(from, to)), ` (${length(to - from)}${state.chosen ? ", " + ago(to) : ""})`,
			base ? `, compared with ${span(...base)}${isOther && !isState ? " as if that were as long" : ""}` : "",
			state.chosen ? "  · double click shows all again" : "  · drag over the timeline to look at a part, with Shift to compare with it");
	}
};
