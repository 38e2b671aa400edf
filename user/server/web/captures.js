// SPDX-License-Identifier: Apache-2.0
//
// Captures: what was kept when something was wrong. A list, marks on the timeline, and what can be done with one; the page shows their profiles.
(function () {
	"use strict";
	const E = Everprof.element, NEAR = 5;
	let list = [];

	const at = (c) => c.fired_unix_ns / 1e9;
	const when = (t) => new Date(t * 1000).toLocaleString("sv");
	const size = (n) => Everprof.amount(n, "bytes");

	// Why it was taken, in a line.
	function why(c) {
		const t = c.trigger || {};
		return t.condition ? `${t.condition}${t.value_text ? `: it was ${t.value_text}` : ""}` : t.cause || "somebody asked";
	}

	const target = (c) => c.target ? c.target.text.split(" ").map(Everprof.brief).join(" ") : "";
	const about = (c) => `${c.rule}: ${target(c)}; ${why(c)}`;

	async function load(from, to) {
		try {
			const r = await fetch(`api/v1/captures?from=${Math.floor(from)}&to=${Math.ceil(to)}`);
			list = r.ok ? (await r.json()).captures : [];
		} catch (e) {
			list = [];
		}
	}

	// -- on the timeline --------------------------------------------------------------------------------------------------
	// isMain: with its mark; on the other lanes a line will do.
	function draw(c, from, k, h, colour, isMain) {
		for (const one of list) {
			const x = Math.round((at(one) - from) * k);
			c.fillStyle = colour;
			c.globalAlpha = isMain ? 0.55 : 0.3;
			c.fillRect(x, 0, 1, h);
			c.globalAlpha = 1;
			if (!isMain)
				continue;
			c.beginPath();
			c.moveTo(x - 5, 0);
			c.lineTo(x + 6, 0);
			c.lineTo(x + 0.5, 8);
			c.fill();
		}
	}

	// The one whose mark is at this place, or null.
	function near(x, from, k) {
		let best = null;
		for (const one of list)
			if (Math.abs((at(one) - from) * k - x) <= NEAR && (!best || Math.abs((at(one) - from) * k - x) < Math.abs((at(best) - from) * k - x)))
				best = one;
		return best;
	}

	// -- the list ---------------------------------------------------------------------------------------------------------
	// All of one: its summary, and its files to save.
	async function details(c, room) {
		const meta = await fetch(`api/v1/captures/${c.id}`).then((r) => r.json()).catch(() => ({}));
		const summary = await fetch(`api/v1/captures/${c.id}/summary.txt`).then((r) => r.ok ? r.text() : "").catch(() => "");
		const files = [...(meta.files || []).map((f) => f.name), "meta.json"];
		room.replaceChildren(E("p", { class: "files" }, ...files.flatMap((name) => [E("a", { href: `api/v1/captures/${c.id}/${name}`, download: `${c.id}.${name}` }, name), " "])),
			E("pre", { class: "summary" }, summary || "There is no summary."));
	}

	// open(capture, event, isDiff): show its profile in the page.
	function row(c, open, act) {
		const room = E("td", { class: "room", colspan: "6" }), more = E("tr", { hidden: true }, room);
		const show = async () => {
			more.hidden = !more.hidden;
			if (!more.hidden)
				await details(c, room);
		};
		const events = c.events.flatMap((event) => [E("button", { title: `the ${event} profile of this capture`, onclick: () => open(c, event, false) }, event), " "]);
		return [E("tr", { class: c.pinned ? "pinned" : "" },
			E("td", { class: "when" }, when(at(c)), E("br"), E("small", {}, `−${c.range ? c.range.before_seconds : "?"} s to +${c.range ? c.range.after_seconds : "?"} s${c.range && c.range.cut_short ? ", cut short" : ""}`)),
			E("td", {}, E("b", {}, c.rule), E("br"), why(c)),
			E("td", { title: c.target ? c.target.text : "" }, target(c)),
			E("td", {}, ...events),
			E("td", { class: "when" }, size(c.bytes)),
			E("td", {},
				c.events.length ? E("button", { title: "against what normal looked like", onclick: () => open(c, c.events[0], true) }, "Compare") : null, " ",
				E("button", { onclick: show }, "Summary and files"), " ",
				E("button", { title: "keep it whatever the limits say", "aria-pressed": String(c.pinned), onclick: () => act(`api/v1/capture/${c.pinned ? "unpin" : "pin"}?id=${c.id}`) }, c.pinned ? "Unpin" : "Pin"), " ",
				c.pinned ? null : E("button", { onclick: () => confirm(`Delete the capture of ${when(at(c))}?`) && act(`api/v1/capture/delete?id=${c.id}`) }, "Delete"))),
			more];
	}

	// filters: [[label, pattern]], what a new one is of.
	function dialog(filters, open) {
		const table = E("table", {});
		let shown = "";
		const refresh = async () => {
			const all = (await Everprof.fetchJson("api/v1/captures")).captures, now = JSON.stringify(all);
			if (now === shown)
				return; // what is unfolded stays
			shown = now;
			table.replaceChildren(E("tr", {}, ...["When", "What fired, and why", "Of", "Open", "Size", ""].map((t) => E("th", {}, t))),
				...(all.length ? all.flatMap((c) => row(c, show, act)) : [E("tr", {}, E("td", { colspan: "6", class: "ev-quiet" }, "Nothing was captured yet."))]));
		};
		const take = async () => {
			const p = new URLSearchParams({ cause: "asked for on the page" });
			for (const [key, pattern] of filters)
				p.append(key, pattern);
			panel.tell(await Everprof.post("api/v1/captures/trigger?" + p) || "It is being taken: what was recorded before now is kept, and the next seconds follow.");
		};
		const panel = Everprof.panel("Captures", refresh, E("form", { onsubmit: (e) => e.preventDefault() },
			E("button", { type: "button", onclick: take }, "Keep what is recorded around now"), filters.length ? `of ${filters.map((f) => f.join(" ")).join(", ")}` : "of the whole machine"), table);
		const show = (c, event, isDiff) => {
			panel.close();
			open(c, event, isDiff);
		};
		const act = async (url) => {
			panel.tell(await Everprof.post(url));
			panel.refresh();
		};
	}

	Everprof.captures = { load, draw, near, about, at, dialog, find: (id) => list.find((c) => c.id === id) };
})();
