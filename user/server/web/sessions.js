// SPDX-License-Identifier: Apache-2.0
//
// Recordings of the next seconds: start one, follow it, cancel it, save it, look at it.
(function () {
	"use strict";
	const E = Everprof.element, UNITS = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400 };
	const seconds = (text) => [...text.matchAll(/([\d.]+)(ms|s|m|h|d)/g)].reduce((a, m) => a + m[1] * UNITS[m[2]], 0);

	// look(event, from, to): show that part in the page
	function row(s, panel, look) {
		const from = Date.parse(s.started_at) / 1000, to = from + seconds(s.duration), over = s.status !== "running" && s.status !== "started", url = `api/v1/profiling/${s.type}/`;
		const cancel = async () => {
			panel().tell(await Everprof.post(`${url}cancel/${s.session_id}`));
			panel().refresh();
		};
		return E("tr", {}, E("td", {}, s.type), E("td", {}, new Date(from * 1000).toLocaleString("sv")), E("td", {}, s.duration),
			E("td", {}, over ? s.status + (s.status === "done" ? "" : ` at ${Math.round(100 * s.progress)} %`) + (s.error ? ": " + s.error : "") : E("progress", { max: "1", value: String(s.progress), title: Math.round(100 * s.progress) + " %" })),
			E("td", {}, over ? null : E("button", { onclick: cancel }, "Cancel"),
				...(s.download_url ? [E("a", { class: "button", href: s.download_url.slice(1), download: "" }, "Download"), " ", E("button", { onclick: () => look(s.type, from, to) }, "Look at it")] : [])));
	}

	// events: names of those there are; parameters(more): the page's selectors beside these; of: what they choose, in words
	function dialog(events, parameters, of, look) {
		const table = E("table", {}), duration = E("input", { type: "text", value: "30s", size: "6", "aria-label": "duration" }), rate = E("input", { type: "number", min: "1", max: "10000", placeholder: "as it is", "aria-label": "samples a second" });
		const event = E("select", { "aria-label": "event" }, ...events.map((n) => E("option", { value: n }, n)));
		const start = async (e) => {
			e.preventDefault();
			panel.tell(await Everprof.post(`api/v1/profiling/${event.value}/start?` + parameters({ duration: duration.value, ...(rate.value ? { rate: rate.value } : {}) })));
			panel.refresh();
		};
		const refresh = async () => {
			const list = await Everprof.fetchJson("api/v1/profiling/sessions");
			table.replaceChildren(E("tr", {}, ...["Event", "Started", "For", "Status", ""].map((t) => E("th", {}, t))), ...list.reverse().map((s) => row(s, () => panel, show)), // the newest first
				...(list.length ? [] : [E("tr", {}, E("td", { colspan: "5", class: "ev-quiet" }, "None was started in the last quarter of an hour."))]));
		};
		const panel = Everprof.panel("Recordings", refresh, E("form", { onsubmit: start }, "Record", event, "for", duration, "at", rate, `samples a second, ${of}`, E("button", {}, "Start")), table);
		const show = (...what) => {
			panel.close();
			look(...what);
		};
	}

	Everprof.sessions = { dialog };
})();
