// SPDX-License-Identifier: Apache-2.0
//
// Drawing on a canvas: icicles and flames (rows), and the sunburst (rings). Only what can be seen is visited: a node narrower than a pixel is one grey
// line for itself and all below it.
"use strict";

Everprof.ROW = 18;
Everprof.CHAR = 6.62; // of the monospace font at 11 pixels; measured at the first drawing

// Colours of frames, each computed when it is first drawn: of a hundred thousand functions a few thousand can be seen.
Everprof.Palette = class {
	constructor(tree, mode, dark) {
		this.frames = tree.frames;
		this.mode = mode;
		this.dark = dark;
		this.known = new Array(tree.frames.n);
		this.grey = dark ? "#3a3f47" : "#d5d8dd";
		this.text = dark ? "#f2f4f7" : "#14171c";
		this.edge = dark ? "#16191e" : "#ffffff";
		this.hit = "#d631d6";
	}

	// Hue, saturation, lightness of each kind. Every two of them lie at least 24 apart (CIE 1976, and so for the three kinds of colour blindness), which by hue
	// alone cannot be had: lightness does it. A name may move it by two.
	static KINDS = {
		light: { KERNEL: [28, 75, 62], JIT: [54, 75, 80], INLINED: [205, 60, 86], USER: [215, 50, 66] },
		dark: { KERNEL: [24, 62, 30], JIT: [52, 60, 35], INLINED: [205, 38, 48], USER: [222, 50, 30] },
	};

	ofKind(kind, shade = 0) {
		const [hue, saturation, lightness] = Everprof.Palette.KINDS[this.dark ? "dark" : "light"][kind];
		return `hsl(${hue} ${saturation}% ${lightness + shade}%)`;
	}

	fill(frame) {
		return this.known[frame] || (this.known[frame] = this.compute(frame));
	}

	compute(i) {
		const K = Everprof.KIND, f = this.frames, kind = f.kinds[i], name = f.names[i], shade = Everprof.hash(name) % 9 - 4;
		let hue;
		if (kind === K.LABEL)
			return this.dark ? "#46505e" : "#c3ccd9";
		if (kind === K.TRUNCATED || kind === K.FOLDED)
			return this.grey;
		if (this.mode === "kind")
			return this.ofKind(Object.keys(K).find((name) => K[name] === kind), shade / 2);
		if (this.mode === "package")
			hue = Everprof.hash(Everprof.packageOf(name, f.binaries[i])) % 360;
		else if (kind === K.KERNEL)
			hue = 28; // the kernel keeps its colour among the binaries
		else
			hue = 60 + Everprof.hash(f.binaries[i] || "jit") % 270;
		return `hsl(${hue} ${kind === K.KERNEL ? 62 : 46}% ${(this.dark ? 34 : 74) + shade}%)`;
	}

	// Less is blue, more is orange: told apart by every kind of eye.
	static difference(tree, i, dark) {
		const a = tree.total[i] / (tree.total[0] || 1), b = tree.baseTotal[i] / (tree.baseTotal[0] || 1);
		const d = a + b ? (a - b) / Math.max(a, b) : 0, t = Math.round(Math.abs(d) * 10) / 10;
		const light = dark ? 30 + 14 * t : 90 - 34 * t;
		return d >= 0 ? `hsl(28 ${Math.round(95 * t)}% ${light}%)` : `hsl(212 ${Math.round(85 * t)}% ${light}%)`;
	}
};

Everprof.hash = function (s) {
	let h = 0x811c9dc5;
	for (let i = 0; i < s.length; i++)
		h = Math.imul(h ^ s.charCodeAt(i), 0x01000193);
	return (h ^ (h >>> 15)) >>> 0;
};

Everprof.packageOf = function (name, binary) {
	const m = /^((?:[\w.~<>-]+(?:::|\/))+)/.exec(name) || /^([\w-]+)\.[\w.]/.exec(name);
	return m ? m[1] : binary;
};

Everprof.fitCanvas = function (canvas) {
	const ratio = window.devicePixelRatio || 1, w = canvas.clientWidth, h = canvas.clientHeight;
	if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) {
		canvas.width = Math.round(w * ratio);
		canvas.height = Math.round(h * ratio);
	}
	const c = canvas.getContext("2d");
	c.setTransform(ratio, 0, 0, ratio, 0, 0);
	return { c, w, h };
};

Everprof.hatch = function (c, x, y, w, h, colour) {
	c.save();
	c.beginPath();
	c.rect(x, y, w, h);
	c.clip();
	c.strokeStyle = colour;
	c.lineWidth = 1;
	c.beginPath();
	for (let s = x - h; s < x + w; s += 6) {
		c.moveTo(s, y + h);
		c.lineTo(s + h, y);
	}
	c.stroke();
	c.restore();
};

// Rows. `up` draws callers above (flame, or the callers of a sandwich), else below (icicle).
Everprof.Rows = class {
	constructor(canvas, events) {
		this.canvas = canvas;
		this.events = events || {};
		this.up = false;
		this.scroll = 0;
		this.zoomed = 0;
		this.hover = -1;
		this.pointers = new Map();
		this.listen();
	}

	show(tree, palette, zoomed) {
		this.tree = tree;
		this.palette = palette;
		this.zoom(zoomed || 0);
	}

	zoom(i) {
		const t = this.tree;
		this.zoomed = i;
		this.from = t.start[i];
		this.to = t.start[i] + (t.width[i] || 1);
		const rows = Math.floor(this.canvas.clientHeight / Everprof.ROW);
		this.scroll = Math.max(0, (t.depth[i] - Math.max(1, Math.floor(rows / 3))) * Everprof.ROW);
		this.redraw();
	}

	// What is seen, in shares of the whole.
	place() {
		const whole = this.tree.width[0] || 1;
		return { from: this.from / whole, to: this.to / whole, scroll: this.scroll };
	}

	moveTo({ from, to, scroll }) {
		const whole = this.tree.width[0] || 1;
		this.from = from * whole;
		this.to = to * whole;
		this.scroll = scroll;
		this.redraw();
	}

	redraw() {
		if (this.waiting)
			return;
		this.waiting = true;
		requestAnimationFrame(() => {
			this.waiting = false;
			if (this.tree && this.canvas.clientWidth)
				this.draw();
		});
	}

	yOf(depth, h) {
		return this.up ? h - (depth + 1) * Everprof.ROW + this.scroll : depth * Everprof.ROW - this.scroll;
	}

	draw() {
		const t = this.tree, p = this.palette, { c, w, h } = Everprof.fitCanvas(this.canvas);
		const k = w / (this.to - this.from), rowHeight = Everprof.ROW, hit = this.hit;
		const runs = Array.from({ length: t.maxDepth + 1 }, () => ({ from: 0, to: -1, isHit: false }));
		this.drawn = 0;
		c.clearRect(0, 0, w, h);
		c.font = "11px ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";
		c.textBaseline = "middle";
		Everprof.CHAR = c.measureText("mmmmmmmmmm").width / 10;
		for (let i = 0; i < t.n;) {
			const x0 = (t.start[i] - this.from) * k, wide = t.width[i] * k;
			if (x0 >= w || x0 + wide <= 0) {
				i = t.end[i];
				continue;
			}
			const y = this.yOf(t.depth[i], h);
			if (this.up ? y < -rowHeight : y > h) {
				i = t.end[i];
				continue;
			}
			if (wide < 1) {
				// what lies below is narrower still
				this.smear(c, runs[t.depth[i]], Math.floor(x0), y, !!(hit && hit[t.frame[i]]));
				i = t.end[i];
				continue;
			}
			if (y > -rowHeight && y < h)
				this.box(c, i, Math.max(x0, 0), y, Math.min(x0 + wide, w) - Math.max(x0, 0));
			i++;
		}
		for (const run of runs)
			this.smear(c, run, -1, 0, false);
	}

	// Neighbours that are narrower than a pixel are one rectangle a row: there may be tens of thousands. A place before the run ends it.
	smear(c, run, at, y, isHit) {
		if (run.to === at || (run.to === at - 1 && run.isHit === isHit && run.y === y)) {
			run.to = at;
			return;
		}
		if (run.to >= 0) {
			c.fillStyle = run.isHit ? this.palette.hit : this.palette.grey;
			c.fillRect(run.from, run.y, run.to - run.from + 1, Everprof.ROW - 1);
		}
		run.from = run.to = at;
		run.y = y;
		run.isHit = isHit;
	}

	box(c, i, x, y, w) {
		const t = this.tree, p = this.palette, f = t.frame[i], kind = t.frames.kinds[f], K = Everprof.KIND;
		const isHit = this.hit && this.hit[f], height = Everprof.ROW - 1, gap = w > 3 ? 0.7 : 0;
		this.drawn++;
		c.globalAlpha = this.hit && !isHit ? 0.45 : i < this.zoomed && t.end[i] > this.zoomed ? 0.7 : 1;
		c.fillStyle = isHit ? p.hit : t.base ? Everprof.Palette.difference(t, i, p.dark) : p.fill(f);
		c.fillRect(x, y, w - gap, height);
		if (w > 4 && (kind === K.TRUNCATED || kind === K.FOLDED))
			Everprof.hatch(c, x, y, w - gap, height, p.dark ? "#5b626c" : "#aab0b9");
		if (w > 4 && kind === K.INLINED) {
			// inlined: a dotted line where a call's border would be
			c.fillStyle = p.text;
			for (let d = x + 1; d < x + w - 2; d += 4)
				c.fillRect(d, this.up ? y + height - 1 : y, 1.6, 1);
		}
		if (this.hover === i) {
			c.strokeStyle = p.text;
			c.strokeRect(x + 0.5, y + 0.5, w - gap - 1, height - 1);
		}
		const room = Math.floor((w - 7) / Everprof.CHAR);
		if (room >= 3) {
			const name = t.frames.names[f];
			c.fillStyle = isHit ? "#ffffff" : p.text;
			c.fillText(name.length <= room ? name : name.slice(0, room - 1) + "…", x + 3, y + height / 2 + 0.5);
		}
		c.globalAlpha = 1;
	}

	nodeAt(px, py) {
		const t = this.tree, h = this.canvas.clientHeight;
		const depth = Math.floor((this.up ? h - py + this.scroll : py + this.scroll) / Everprof.ROW);
		const v = this.from + px / this.canvas.clientWidth * (this.to - this.from);
		let at = 0;
		if (depth < 0 || depth > t.maxDepth || v < t.start[0] || v > t.start[0] + t.width[0])
			return -1;
		for (let d = 0; d < depth; d++) {
			let next = -1;
			for (let c = at + 1; c < t.end[at]; c = t.end[c])
				if (v >= t.start[c] && v < t.start[c] + t.width[c]) {
					next = c;
					break;
				}
			if (next < 0)
				return -1;
			at = next;
		}
		return at;
	}

	// Zooms by a factor about a place on the screen; never out beyond the whole.
	scale(factor, px) {
		const t = this.tree, share = px / this.canvas.clientWidth, span = this.to - this.from;
		const wide = Math.min(Math.max(span * factor, t.width[0] * 1e-9), t.width[0]);
		const from = this.from + share * (span - wide);
		this.from = Math.min(Math.max(from, t.start[0]), t.start[0] + t.width[0] - wide);
		this.to = this.from + wide;
		this.redraw();
	}

	pan(dx, dy) {
		const t = this.tree, span = this.to - this.from;
		const from = this.from - dx / this.canvas.clientWidth * span;
		this.from = Math.min(Math.max(from, t.start[0]), t.start[0] + t.width[0] - span);
		this.to = this.from + span;
		const deepest = Math.max(0, (t.maxDepth + 2) * Everprof.ROW - this.canvas.clientHeight);
		this.scroll = Math.min(Math.max(this.scroll + (this.up ? dy : -dy), 0), deepest);
		this.redraw();
	}

	listen() {
		const c = this.canvas, at = (e) => [e.offsetX, e.offsetY];
		let moved = 0, pinch = 0;
		c.addEventListener("pointerdown", (e) => {
			this.pointers.set(e.pointerId, [e.clientX, e.clientY]);
			moved = 0;
			pinch = 0;
		});
		c.addEventListener("pointermove", (e) => {
			const was = this.pointers.get(e.pointerId);
			if (!was) {
				const i = this.tree ? this.nodeAt(...at(e)) : -1;
				if (i !== this.hover) {
					this.hover = i;
					this.redraw();
				}
				if (this.events.hover)
					this.events.hover(i, e);
				return;
			}
			const now = [e.clientX, e.clientY];
			this.pointers.set(e.pointerId, now);
			if (this.pointers.size === 2) {
				const [a, b] = [...this.pointers.values()], distance = Math.abs(a[0] - b[0]);
				if (pinch && distance)
					this.scale(pinch / distance, (a[0] + b[0]) / 2 - c.getBoundingClientRect().left);
				pinch = distance;
				moved = 99;
				return;
			}
			moved += Math.abs(now[0] - was[0]) + Math.abs(now[1] - was[1]);
			if (moved > 4) {
				if (c.setPointerCapture)
					c.setPointerCapture(e.pointerId);
				this.pan(now[0] - was[0], now[1] - was[1]);
			}
		});
		const up = (e) => {
			const was = this.pointers.delete(e.pointerId);
			if (was && moved <= 4 && e.type === "pointerup" && e.button === 0 && this.tree) {
				const i = this.nodeAt(...at(e));
				if (i >= 0 && this.events.click)
					this.events.click(i, e);
			}
		};
		c.addEventListener("pointerup", up);
		c.addEventListener("pointercancel", up);
		c.addEventListener("pointerleave", () => {
			this.hover = -1;
			this.redraw();
			if (this.events.hover)
				this.events.hover(-1);
		});
		c.addEventListener("contextmenu", (e) => {
			const i = this.tree ? this.nodeAt(...at(e)) : -1;
			this.pointers.clear();
			if (i >= 0 && this.events.menu) {
				e.preventDefault();
				this.events.menu(i, e);
			}
		});
		c.addEventListener("wheel", (e) => {
			if (!this.tree)
				return;
			e.preventDefault();
			if (e.ctrlKey || e.metaKey)
				this.scale(Math.exp(Math.max(-60, Math.min(60, e.deltaY)) / 150), e.offsetX);
			else
				this.pan(-e.deltaX, this.up ? e.deltaY : -e.deltaY);
		}, { passive: false });
	}
};

// Rings: the zoomed node in the middle, what it calls around it.
Everprof.Sunburst = class {
	constructor(canvas, events) {
		this.canvas = canvas;
		this.events = events;
		this.hover = -1;
		canvas.addEventListener("pointermove", (e) => {
			const i = this.tree ? this.nodeAt(e.offsetX, e.offsetY) : -1;
			if (i !== this.hover) {
				this.hover = i;
				this.draw();
			}
			events.hover(i, e);
		});
		canvas.addEventListener("click", (e) => {
			const i = this.nodeAt(e.offsetX, e.offsetY);
			if (i >= 0)
				events.click(i === this.zoomed ? Math.max(this.tree.parent[i], 0) : i, e);
		});
		canvas.addEventListener("contextmenu", (e) => {
			const i = this.nodeAt(e.offsetX, e.offsetY);
			if (i >= 0) {
				e.preventDefault();
				events.menu(i, e);
			}
		});
	}

	show(tree, palette, zoomed) {
		this.tree = tree;
		this.palette = palette;
		this.zoomed = zoomed;
		this.draw();
	}

	measure() {
		const { c, w, h } = Everprof.fitCanvas(this.canvas), t = this.tree, z = this.zoomed;
		let deepest = 1;
		for (let i = z; i < t.end[z]; i++)
			deepest = Math.max(deepest, t.depth[i] - t.depth[z] + 1);
		// no more of them than leave room for names: what lies further out is a click away
		const radius = Math.min(w, h) / 2 - 8, rings = Math.min(deepest, Math.max(4, Math.floor(radius / 32)));
		return { c, w, h, rings, ring: radius / (rings + 0.6) };
	}

	draw() {
		const t = this.tree, z = this.zoomed, p = this.palette, { c, w, h, rings, ring } = this.measure();
		const angle = 2 * Math.PI / (t.width[z] || 1);
		c.clearRect(0, 0, w, h);
		for (let i = z; i < t.end[z];) {
			const d = t.depth[i] - t.depth[z], wide = t.width[i] * angle, outer = (d + 1.6) * ring;
			if (d >= rings || wide * outer < 0.7) {
				i = t.end[i];
				continue;
			}
			const from = (t.start[i] - t.start[z]) * angle - Math.PI / 2, f = t.frame[i], isHit = this.hit && this.hit[f];
			c.globalAlpha = this.hit && !isHit ? 0.45 : 1;
			c.beginPath();
			if (d === 0) {
				c.arc(w / 2, h / 2, outer, 0, 2 * Math.PI);
			} else {
				c.arc(w / 2, h / 2, outer - 0.7, from, from + wide);
				c.arc(w / 2, h / 2, outer - ring, from + wide, from, true);
			}
			c.closePath();
			c.fillStyle = isHit ? p.hit : t.base ? Everprof.Palette.difference(t, i, p.dark) : p.fill(f);
			c.fill();
			c.strokeStyle = this.hover === i ? p.text : p.edge;
			c.lineWidth = this.hover === i ? 1.6 : 0.6;
			c.stroke();
			i++;
		}
		c.globalAlpha = 1;
		this.labels(c, w, h, rings, ring, angle);
	}

	labels(c, w, h, rings, ring, angle) {
		const t = this.tree, z = this.zoomed, room = Math.floor(ring * 0.92 / 6);
		c.font = "10px ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace";
		c.fillStyle = this.palette.text;
		c.textBaseline = "middle";
		c.textAlign = "center";
		const cut = (s, n) => s.length <= n ? s : s.slice(0, Math.max(n - 1, 1)) + "…";
		c.fillText(cut(t.name(z), Math.floor(ring * 3 / 6)), w / 2, h / 2);
		for (let i = z + 1; i < t.end[z];) {
			const d = t.depth[i] - t.depth[z], wide = t.width[i] * angle, middle = (d + 1.1) * ring;
			if (d >= rings || wide * middle < 12) {
				i = t.end[i];
				continue;
			}
			if (room >= 3) {
				const a = (t.start[i] - t.start[z] + t.width[i] / 2) * angle - Math.PI / 2, left = Math.cos(a) < 0;
				c.save();
				c.translate(w / 2 + Math.cos(a) * middle, h / 2 + Math.sin(a) * middle);
				c.rotate(left ? a + Math.PI : a);
				c.fillText(cut(t.name(i), room), 0, 0);
				c.restore();
			}
			i++;
		}
		c.textAlign = "left";
	}

	nodeAt(px, py) {
		const t = this.tree, z = this.zoomed, { w, h, rings, ring } = this.measure();
		const x = px - w / 2, y = py - h / 2, r = Math.hypot(x, y), depth = Math.floor(r / ring - 0.6);
		if (r < 1.6 * ring)
			return z;
		if (depth >= rings)
			return -1;
		const turn = (Math.atan2(y, x) + Math.PI / 2 + 2 * Math.PI) % (2 * Math.PI);
		const v = t.start[z] + turn / (2 * Math.PI) * t.width[z];
		let at = z;
		for (let d = 0; d < depth; d++) {
			let next = -1;
			for (let c = at + 1; c < t.end[at] && next < 0; c = t.end[c])
				if (v >= t.start[c] && v < t.start[c] + t.width[c])
					next = c;
			if (next < 0)
				return -1;
			at = next;
		}
		return at;
	}
};
