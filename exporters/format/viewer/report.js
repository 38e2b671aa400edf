// SPDX-License-Identifier: Apache-2.0
// The self-contained report: one profile, which stands in the page itself.
(function () {
	"use strict";
	const data = JSON.parse(document.getElementById("profile").textContent);
	let state = {};
	try {
		state = JSON.parse(decodeURIComponent(location.hash.slice(1)) || "{}");
	} catch (e) { /* a link that was cut: the whole picture */ }
	Everprof.theme.start();
	const viewer = new Everprof.Viewer(document.getElementById("viewer"), {
		onState: (s) => history.replaceState(null, "", "#" + encodeURIComponent(JSON.stringify(s))),
	});
	viewer.setData(data, state);
	document.title = "everprof " + data.type;
})();
