// SPDX-License-Identifier: Apache-2.0
//
// The tree of calls as flat typed arrays in preorder: a node, then all below it. `end[i]` is the first node that is not below i, so a walk that
// finds a node too narrow to see jumps over everything below it; that is what keeps a hundred thousand functions at sixty frames a second.
"use strict";
var Everprof = Everprof || {};

Everprof.KIND = { USER: 0, KERNEL: 1, JIT: 2, INLINED: 3, LABEL: 4, TRUNCATED: 5, FOLDED: 6 };
Everprof.KIND_NAMES = ["user", "kernel", "JIT", "inlined", "label", "cut short", "folded"];

Everprof.Tree = class {
	// frames: {names, binaries, kinds} shared by all trees that are made of one profile
	constructor(frames, depth, frame, self, base) {
		const n = depth.length;
		this.n = n;
		this.frames = frames;
		this.depth = depth;
		this.frame = frame;
		this.self = self;
		this.base = base;
		this.parent = new Int32Array(n);
		this.end = new Uint32Array(n);
		this.total = new Float64Array(self);
		this.baseTotal = base ? new Float64Array(base) : null;
		this.maxDepth = 0;
		const last = [];
		for (let i = 0; i < n; i++) {
			const d = depth[i];
			last[d] = i;
			this.parent[i] = d ? last[d - 1] : -1;
			this.end[i] = i + 1;
			if (d > this.maxDepth)
				this.maxDepth = d;
		}
		for (let i = n - 1; i > 0; i--) {
			const p = this.parent[i];
			this.total[p] += this.total[i];
			if (base)
				this.baseTotal[p] += this.baseTotal[i];
			if (this.end[i] > this.end[p])
				this.end[p] = this.end[i];
		}
		this.layOut();
	}

	// Width of a node: its value; in a difference the mean of its shares of both sides, so that what is gone can be seen as well as what is new.
	layOut() {
		const n = this.n, a = this.total[0] || 1, b = this.base ? this.baseTotal[0] || 1 : 1;
		this.width = this.base ? new Float64Array(n) : this.total;
		for (let i = 0; this.base && i < n; i++)
			this.width[i] = (this.total[i] / a + this.baseTotal[i] / b) / 2;
		this.start = new Float64Array(n);
		const cursor = new Float64Array(this.maxDepth + 2);
		for (let i = 0; i < n; i++) {
			const d = this.depth[i];
			this.start[i] = cursor[d];
			cursor[d] += this.width[i];
			cursor[d + 1] = this.start[i];
		}
	}

	static fromJson(d) {
		const n = d.frames.length / 3, frames = { names: new Array(n), binaries: new Array(n), kinds: new Uint8Array(n), n };
		for (let i = 0; i < n; i++) {
			frames.names[i] = d.texts[d.frames[3 * i]];
			frames.binaries[i] = d.texts[d.frames[3 * i + 1]];
			frames.kinds[i] = d.frames[3 * i + 2];
		}
		const tree = new Everprof.Tree(frames, new Uint32Array(d.depth), new Uint32Array(d.frame), new Float64Array(d.self),
			d.base ? new Float64Array(d.base) : null);
		// of branches that are folded away only the sender knows the functions
		if (d.rows)
			tree.rows = Array.from({ length: d.rows.length / 5 }, (_, i) => {
				const [frame, self, total, base, baseTotal] = d.rows.slice(5 * i, 5 * i + 5);
				return { frame, self, total, base, baseTotal };
			});
		tree.rowsFolded = d.rows_folded || 0;
		return tree;
	}

	name(i) { return this.frames.names[this.frame[i]]; }

	// fn(node, outermost) for each node, where outermost says that no node above has the same frame: recursion counts once.
	walk(fn) {
		const path = [], count = new Uint32Array(this.frames.n);
		for (let i = 0; i < this.n; i++) {
			while (path.length > this.depth[i])
				count[path.pop()]--;
			const f = this.frame[i];
			fn(i, count[f] === 0);
			count[f]++;
			path.push(f);
		}
	}

	// Rows of the table: one a frame.
	functions() {
		if (this.rows)
			return this.rows;
		const rows = new Map();
		this.walk((i, outermost) => {
			if (!i)
				return;
			let r = rows.get(this.frame[i]);
			if (!r)
				rows.set(this.frame[i], r = { frame: this.frame[i], self: 0, total: 0, base: 0, baseTotal: 0 });
			r.self += this.self[i];
			if (outermost)
				r.total += this.total[i];
			if (this.base) {
				r.base += this.base[i];
				if (outermost)
					r.baseTotal += this.baseTotal[i];
			}
		});
		return this.rows = [...rows.values()];
	}

	// What a frame calls (down), or who calls it (up), merged over all places where it stands.
	around(frame, up) {
		const grown = new Everprof.Growing(this);
		this.walk((i, outermost) => {
			if (this.frame[i] !== frame || !outermost)
				return;
			if (up) {
				let at = grown.root(frame);
				for (let p = this.parent[i]; p > 0; p = this.parent[p])
					at = grown.child(at, this.frame[p]);
				grown.add(at, this.total[i], this.base ? this.baseTotal[i] : 0);
				return;
			}
			const place = [grown.root(frame)];
			for (let j = i; j < this.end[i]; j++) {
				const d = this.depth[j] - this.depth[i];
				if (d)
					place[d] = grown.child(place[d - 1], this.frame[j]);
				grown.add(place[d], this.self[j], this.base ? this.base[j] : 0);
			}
		});
		return grown.finish();
	}

	// Share of the whole that lies in or below nodes for which hit[frame] is set.
	matched(hit) {
		let sum = 0;
		for (let i = 0; i < this.n;) {
			if (hit[this.frame[i]]) {
				sum += this.width[i];
				i = this.end[i];
			} else {
				i++;
			}
		}
		return this.width[0] ? sum / this.width[0] : 0;
	}

	// The names from the root to a node, and back: how a link tells where it was zoomed.
	path(i) {
		const names = [];
		for (; i > 0; i = this.parent[i])
			names.unshift(this.name(i));
		return names;
	}

	find(names) {
		let at = 0;
		for (const name of names) {
			let next = -1;
			for (let c = at + 1; c < this.end[at]; c = this.end[c])
				if (this.name(c) === name && (next < 0 || this.width[c] > this.width[next]))
					next = c;
			if (next < 0)
				return at;
			at = next;
		}
		return at;
	}

	folded() {
		const lines = [], path = [];
		for (let i = 1; i < this.n; i++) {
			const kind = this.frames.kinds[this.frame[i]];
			path.length = this.depth[i] - 1;
			path.push(this.name(i).replace(/;/g, ":") + (kind === Everprof.KIND.KERNEL ? "_[k]" : kind === Everprof.KIND.INLINED ? "_[i]" : ""));
			const v = this.self[i] - (this.base ? this.base[i] : 0);
			if (v)
				lines.push(path.join(";") + " " + v);
		}
		return lines.join("\n") + "\n";
	}
};

// A tree that is being merged: nodes by (parent, frame).
Everprof.Growing = class {
	constructor(from) {
		this.from = from;
		this.nodes = [];
		this.top = -1;
	}

	root(frame) {
		if (this.top < 0) {
			this.top = 0;
			this.nodes.push({ frame, self: 0, base: 0, children: new Map() });
		}
		return 0;
	}

	child(at, frame) {
		const children = this.nodes[at].children;
		let id = children.get(frame);
		if (id === undefined) {
			children.set(frame, id = this.nodes.length);
			this.nodes.push({ frame, self: 0, base: 0, children: new Map() });
		}
		return id;
	}

	add(at, self, base) {
		this.nodes[at].self += self;
		this.nodes[at].base += base;
	}

	finish() {
		const depth = [], frame = [], self = [], base = [], names = this.from.frames.names;
		const stack = this.nodes.length ? [[0, 0]] : [];
		while (stack.length) {
			const [id, d] = stack.pop(), n = this.nodes[id];
			depth.push(d);
			frame.push(n.frame);
			self.push(n.self);
			base.push(n.base);
			const below = [...n.children.values()];
			below.sort((x, y) => names[this.nodes[x].frame] < names[this.nodes[y].frame] ? 1 : -1);
			for (const c of below)
				stack.push([c, d + 1]);
		}
		return new Everprof.Tree(this.from.frames, Uint32Array.from(depth), Uint32Array.from(frame), new Float64Array(self),
			this.from.base ? new Float64Array(base) : null);
	}
};

Everprof.amount = function (v, unit) {
	const sign = v < 0 ? "-" : "", a = Math.abs(v);
	const scale = (steps) => {
		for (const [size, name] of steps)
			if (a >= size)
				return sign + (a / size).toFixed(a / size >= 100 ? 0 : a / size >= 10 ? 1 : 2) + " " + name;
		return sign + a.toFixed(0) + " " + steps[steps.length - 1][1];
	};
	if (unit === "nanoseconds") {
		if (a >= 36e12)
			return sign + (a / 36e11).toFixed(1) + " h";
		if (a >= 1e12)
			return sign + (a / 1e9).toFixed(0) + " s";
		return scale([[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]]);
	}
	if (unit === "bytes")
		return a >= 1e15 ? sign + (a / 1e12).toFixed(0) + " TB" : scale([[1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "B"]]);
	return sign + a.toLocaleString("en") + (unit === "count" || !unit ? "" : " " + unit);
};

// The zone of the times that a browser tells: "UTC", "GMT+9".
Everprof.zone = function (ms) {
	return new Intl.DateTimeFormat("en", { timeZoneName: "short" }).formatToParts(ms).find((p) => p.type === "timeZoneName").value;
};

Everprof.percent = function (part, whole) {
	if (!whole)
		return "–";
	const p = 100 * part / whole;
	return (Math.abs(p) >= 10 ? p.toFixed(1) : p.toFixed(2)) + " %";
};

Everprof.baseName = function (path) {
	return path.slice(path.lastIndexOf("/") + 1) || path;
};
