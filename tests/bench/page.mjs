// SPDX-License-Identifier: Apache-2.0
//
// page.mjs NAME URL FRAMES: opens a page with a profile of at least so many distinct functions five times, and drags it about. Prints from the start of the
// navigation to the first picture of that profile, which leaves out what is narrower than half a pixel, to the picture with all of it, and how long frames took
// while that one moved.
import { Browser } from "../support/browser.mjs";

const [name, url, frames] = process.argv.slice(2), LOADS = 5, PAN_MS = 2000;

// Runs before the page's own scripts: says when the first picture with the profile was handed to the screen.
const WATCH = `window.addEventListener("DOMContentLoaded", () => {
	if (!window.Everprof)
		return; // the empty page that a browser begins with
	const draw = Everprof.Rows.prototype.draw;
	window.works = [];
	Everprof.Rows.prototype.draw = function () {
		const begun = performance.now();
		draw.call(this);
		window.works.push(performance.now() - begun);
		const name = this.tree.frames.n >= ${frames} ? "whole" : "painted";
		if (window[name] || this.tree.n < 2)
			return;
		window.rows = this;
		const channel = new MessageChannel();
		channel.port1.onmessage = () => { window[name] = performance.now(); };
		channel.port2.postMessage(0); // after this frame's rendering
	};
});`;

// Moves a little each frame, as a finger does, at the whole and at two depths of zoom: [interval between frames, ms of script that draws] of each.
const PAN = `new Promise((resolve) => {
	const intervals = [], rows = window.rows, begun = performance.now();
	window.works = [];
	let last = 0, n = 0;
	const step = (now) => {
		if (last)
			intervals.push(now - last);
		last = now;
		if (n % 40 === 39)
			rows.scale(n % 120 === 119 ? 16 : 0.25, 300);
		rows.pan(n++ % 80 < 40 ? -9 : 9, n % 80 < 40 ? -5 : 5);
		if (performance.now() - begun < ${PAN_MS})
			requestAnimationFrame(step);
		else
			resolve({ intervals, works: window.works });
	};
	requestAnimationFrame(step);
})`;

const quantile = (list, q) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * q))];

const browser = await Browser.start();
try {
	await browser.before(WATCH);
	for (let i = 1; i <= LOADS; i++) {
		await browser.open(url);
		await browser.until("window.whole > 0", 60000);
		console.log(`${name}.load.${i}.painted_ms`, await browser.run("window.painted || window.whole"));
		console.log(`${name}.load.${i}.whole_ms`, await browser.run("window.whole"));
		if (i === 1)
			console.log(`${name}.frames`, await browser.run("window.rows.tree.frames.n"), `\n${name}.nodes`, await browser.run("window.rows.tree.n"));
	}
	const { intervals, works } = await browser.run(PAN);
	for (const [what, list] of [["interval", intervals], ["script", works]])
		for (const q of [0.5, 0.95])
			console.log(`${name}.pan.${what}_ms_p${q * 100}`, quantile(list, q));
	console.log(`${name}.pan.frames_a_second`, 1000 / (intervals.reduce((a, b) => a + b, 0) / intervals.length));
	if (browser.problems.length)
		throw new Error(browser.problems.join("\n"));
} finally {
	await browser.end();
}
process.exit(0);
