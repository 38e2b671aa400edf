// SPDX-License-Identifier: Apache-2.0
//
// What is looked at, and the address that says so: a link opens the same again for whoever gets it. Times in a link that is sent are absolute; those in the
// address bar follow the clock for as long as the page does.
//
// This script stands first and alone, and asks for the profile before the others have even come: the answer is what everybody waits for.
"use strict";
var Everprof = {};

Everprof.GROUPS = ["process", "container", "unit", "pod", "comm", "exe", "cgroup", "pid", "state"];
Everprof.LABELS = ["process", "comm", "container", "unit", "pod", "exe", "cgroup", "pid", "state", "namespace", "runtime", "wait", "syscall", "endpoint"];

// What stands below the root of the graph: the texts of a label, or nothing. As a rule what the list shows, so that a picture of a whole machine has names.
Everprof.AS_LISTED = "";
Everprof.UNGROUPED = "none";

// range: [from, to] in seconds, or a number of seconds up to now; chosen, base: [from, to] or null. view: as the viewer has it, which judges it itself.
Everprof.State = class {
	constructor() {
		Object.assign(this, { range: 3600, chosen: null, base: null, event: "cpu", by: "process", filters: [], group: Everprof.AS_LISTED, live: true, idle: false,
			capture: "", sought: "", against: false, view: {} });
	}

	times() {
		const now = Math.floor(Date.now() / 1000);
		return Array.isArray(this.range) ? this.range : [now - this.range, now];
	}

	// A link may come from anybody: what is not known or of another kind is left out.
	static read(hash) {
		const p = new URLSearchParams(hash.slice(1)), s = new Everprof.State(), pair = (text) => {
			const r = (/^\d{1,10}-\d{1,10}$/.test(text || "") ? text : "1-0").split("-").map(Number);
			return r[0] < r[1] ? r : null;
		};
		s.range = pair(p.get("range")) || Math.min(Math.max(parseInt(p.get("range"), 10) || 3600, 60), 31 * 86400);
		s.chosen = pair(p.get("at"));
		s.base = pair(p.get("base"));
		s.event = /^[a-z0-9]{1,15}$/.test(p.get("event") || "") ? p.get("event") : "cpu";
		s.by = Everprof.GROUPS.includes(p.get("by")) ? p.get("by") : "process";
		s.filters = p.getAll("only").map((f) => [f.slice(0, f.indexOf("=")), f.slice(f.indexOf("=") + 1)]).filter((f) => Everprof.LABELS.includes(f[0]));
		s.group = [Everprof.UNGROUPED, ...Everprof.LABELS].includes(p.get("group")) ? p.get("group") : Everprof.AS_LISTED;
		s.idle = p.get("idle") === "1";
		s.capture = /^[A-Za-z0-9.-]{1,48}$/.test(p.get("capture") || "") ? p.get("capture") : "";
		// whoever is told of an alert gets a link that names its capture alone: when that was, and of what it has a profile, has to be looked up
		if (s.capture && !p.has("event"))
			[s.capture, s.sought] = ["", s.capture];
		s.against = p.get("against") === "baseline";
		s.live = !Array.isArray(s.range) && !s.chosen;
		try {
			s.view = Object(JSON.parse(p.get("view") || "{}"));
		} catch (e) { /* a link that was cut */ }
		return s;
	}

	// isSent: for somebody else, at another time.
	write(isSent) {
		const p = new URLSearchParams(), pair = (r) => r.map((x) => Math.round(x)).join("-"), fresh = new Everprof.State();
		p.set("range", Array.isArray(this.range) || isSent ? pair(this.times()) : this.range);
		for (const [key, value] of [["at", this.chosen], ["base", this.base]])
			if (value)
				p.set(key, pair(value));
		p.set("event", this.event);
		p.set("by", this.by);
		for (const filter of this.filters)
			p.append("only", filter.join("="));
		for (const [key, value] of Object.entries({ group: this.group, idle: this.idle ? "1" : "", capture: this.capture, against: this.capture && this.against ? "baseline" : "" }))
			if (value)
				p.set(key, value);
		if (Object.keys(this.view).length)
			p.set("view", JSON.stringify(this.view));
		return "#" + p.toString();
	}

	// -- what is asked for ------------------------------------------------------------------------------------------------
	parameters(more) {
		const p = new URLSearchParams(more);
		for (const [key, pattern] of this.filters)
			p.append(key, pattern);
		if (this.idle)
			p.set("idle", "1");
		return p;
	}

	profileUrl(format, more) {
		const [from, to] = this.chosen || this.times(), group = this.group === Everprof.UNGROUPED ? {} : { by: this.group || this.by };
		if (this.capture)
			return `api/v1/captures/${this.capture}/${this.event}.pb.gz?` + this.parameters({ event: this.event, format, ...(this.against ? { diff: "baseline" } : {}), ...group, ...more });
		const base = this.base ? { diff_from: Math.floor(this.base[0]), diff_to: Math.ceil(this.base[1]) } : {};
		return "api/v1/query?" + this.parameters({ event: this.event, from: Math.floor(from), to: Math.ceil(to), format, ...base, ...group, ...more });
	}

	// The same twice: first what is as wide as half a pixel, so that a picture is there at once; then what can be zoomed into, searched for and counted.
	profileUrls() {
		const whole = this.profileUrl("json", { threshold: "0.005%" });
		return ["table", "sandwich"].includes(this.view.view) ? [whole] : [this.profileUrl("json", { threshold: (50 / window.innerWidth).toFixed(4) + "%" }), whole];
	}
};

Everprof.first = (() => {
	const state = Everprof.State.read(location.hash), answer = fetch(state.profileUrls()[0]);
	answer.catch(() => {}); // whoever takes it will see
	return { state, answer };
})();
