// SPDX-License-Identifier: Apache-2.0
//
// A panel over the page: what it shows is asked for anew every two seconds while it is open, and never otherwise; nor while an answer is still waited for.
"use strict";

Everprof.panel = function (title, refresh, ...parts) {
	const E = Everprof.element, REFRESH_MS = 2000, problem = E("p", { class: "ev-warn", role: "status" });
	const dialog = E("dialog", { class: "panel", "aria-label": title },
		E("div", { class: "head" }, E("h2", {}, title), E("span", { class: "ev-gap" }), E("button", { onclick: () => dialog.close() }, "Close")), problem, ...parts);
	let going = 0;
	const act = async () => {
		going++;
		try {
			await refresh();
			if (problem.dataset.of === "refresh")
				tell("");
		} catch (e) {
			tell(e.message, "refresh");
		} finally {
			going--;
		}
	};
	// A line of text until the next one; what went wrong with refreshing goes when it goes well again.
	const tell = (text, of = "") => {
		problem.textContent = text;
		problem.dataset.of = of;
	};
	document.body.append(dialog);
	dialog.showModal();
	act();
	const timer = setInterval(() => going || act(), REFRESH_MS);
	dialog.addEventListener("close", () => { clearInterval(timer); dialog.remove(); });
	return { refresh: act, tell, close: () => dialog.close() };
};

// A name in few characters: of a container what everybody writes of it, of others the beginning; whoever points at it sees all.
Everprof.brief = (name) => /^[0-9a-f]{64}$/.test(name) ? name.slice(0, 12) : name.length > 40 ? name.slice(0, 39) + "…" : name;

Everprof.fetchJson = (url, signal) => Everprof.readJson(fetch(url, { signal }));

// asked: what fetch gave
Everprof.readJson = async function (asked) {
	const r = await asked;
	if (!r.ok)
		throw new Error((await r.text()).trim() || r.statusText);
	const data = await r.json();
	data.note = r.headers.get("X-Everprof-Note") || "";
	return data;
};

// Does something; what the server says against it, or "".
Everprof.post = async function (url) {
	const r = await fetch(url, { method: "POST" }).catch(() => null);
	return !r ? "the agent does not answer" : r.ok ? "" : (await r.text()).trim();
};
