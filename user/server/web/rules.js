// SPDX-License-Identifier: Apache-2.0
//
// Rules: what each one waits for, what it measured last, what fired and why not; and alerts that are under way, on the timeline.
(function () {
	"use strict";
	const E = Everprof.element, HEIGHT = 4, STATES = { firing: "firing", pending: "pending", inactive: "quiet" };
	let alerts = [], resolved = [];

	const seconds = (text) => Date.parse(text) / 1000, since = (a) => seconds(a.firedAt || a.activeAt);
	const when = (text) => new Date(text).toLocaleString("sv");
	const of = (a) => {
		const l = a.labels;
		return l.scope === "system" ? "the whole machine" : l.container ? `container ${l.container.slice(0, 12)}` : l.pid ? `${l.comm || "?"} (${l.pid})` : l.unit || l.cgroup || l.scope;
	};
	const about = (a) => `${a.labels.alertname}: ${a.annotations.condition}, is ${a.annotations.value}; ${of(a)}`;
	const firing = () => alerts.filter((a) => a.state === "firing");

	async function load() {
		({ alerts, resolved } = await Everprof.fetchJson("api/v1/alerts").then((d) => d.data, () => ({ alerts: [], resolved: [] })));
	}

	// -- on the timeline: a line along the top for as long as an alert lasts, a paler one for as long as it has lasted -------
	function draw(c, from, to, k, dark) {
		for (const r of resolved) {
			c.fillStyle = dark ? "#9c4a4a" : "#e39a9a";
			c.fillRect((seconds(r.firedAt) - from) * k, 0, Math.max((seconds(r.endedAt) - seconds(r.firedAt)) * k, 2), HEIGHT);
		}
		for (const a of alerts) {
			const x = Math.max((since(a) - from) * k, 0);
			c.fillStyle = a.state === "firing" ? (dark ? "#ff6b6b" : "#c81e1e") : dark ? "#c79a3a" : "#d9a441";
			c.fillRect(x, 0, Math.max((Math.min(Date.now() / 1000, to) - from) * k - x, 2), a.state === "firing" ? HEIGHT : HEIGHT / 2);
		}
	}

	// What lasted at this moment, in words, if the pointer is near the line.
	const at = (t, y) => y > 3 * HEIGHT ? [] : [...firing().filter((a) => since(a) <= t).map(about),
		...resolved.filter((r) => seconds(r.firedAt) <= t + 2 && t <= seconds(r.endedAt) + 2).map((r) => `${r.rule}: ${r.of.split(" ").map(Everprof.brief).join(" ")}, ${r.worst} at worst; over after ${Math.round(seconds(r.endedAt) - seconds(r.firedAt))} s`)];

	// -- the list ---------------------------------------------------------------------------------------------------------
	const badge = (state) => E("span", { class: "state " + state }, STATES[state] || state);

	// open(id): that capture in the page
	function alertRow(a, open) {
		const id = a.annotations.capture;
		return E("tr", { class: "alert" }, E("td", {}, badge(a.state)), E("td", {}, of(a), E("br"), E("small", {}, `since ${when(a.activeAt)}${a.keepFiring ? ", over for now" : ""}`)),
			E("td", {}, a.annotations.value), E("td", {}, id ? E("button", { title: "the profile that was kept", onclick: () => open(id) }, "Open its capture") : a.why));
	}

	function ruleRows(r, open) {
		const counts = [`fired ${r.fired}`, `captured ${r.captures}`, r.refused ? `${r.refused} captures refused` : "", r.leftOut ? `${r.leftOut} left out` : ""].filter((x) => x).join(", ");
		return [E("tr", {}, E("td", {}, badge(r.state)), E("td", {}, E("b", {}, r.name), E("br"), E("code", {}, r.query), ` for ${r.duration} s`),
			E("td", {}, `${r.scope}: ${r.measured} of ${r.targets} measured`, E("br"), E("small", {}, counts)), E("td", {}, r.why)),
			...r.alerts.slice(0, 20).map((a) => alertRow(a, open)),
			...(r.alerts.length > 20 ? [E("tr", { class: "alert" }, E("td", { colspan: "4", class: "ev-quiet" }, `and ${r.alerts.length - 20} more`))] : [])];
	}

	function dialog(open) {
		const table = E("table", {}), text = E("p", { class: "ev-quiet" });
		const refresh = async () => {
			const all = (await Everprof.fetchJson("api/v1/rules")).data.groups.flatMap((g) => g.rules);
			text.textContent = all.length ? "Each is judged once a second. What fires keeps the profile from before that moment on." : "No rules are configured: the section alerts of profiler.yaml has them.";
			if (!table.contains(document.activeElement)) // not away from under a hand
				table.replaceChildren(E("tr", {}, ...["State", "Rule, or what it is about", "Measured", "Why"].map((t) => E("th", {}, t))), ...all.flatMap((r) => ruleRows(r, show)));
		};
		const panel = Everprof.panel("Rules", refresh, text, table);
		const show = (id) => {
			panel.close();
			open(id);
		};
	}

	Everprof.rules = { load, draw, at, firing, dialog };
})();
