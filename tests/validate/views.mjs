// SPDX-License-Identifier: Apache-2.0
//
// views.mjs URL FOLDER [VIEW...]: takes a picture of every view of an agent's page (or of those named), light, dark and as narrow as a phone, to be looked at. Fails where a view
// throws, breaks the page's policy, is empty, or is wider than the window.
//   node --experimental-websocket tests/validate/views.mjs http://127.0.0.1:9909/ /tmp/pictures
import { mkdirSync } from "node:fs";
import { Browser, sleep } from "../support/browser.mjs";

const [url, folder, ...only] = process.argv.slice(2);
const hash = (more, view) => "#" + new URLSearchParams({ range: "1800", ...more, ...(view ? { view: JSON.stringify(view) } : {}) });
const click = (text) => `[...document.querySelectorAll("button")].find((b) => b.textContent.startsWith(${JSON.stringify(text)})).click()`;
const VIEWS = {
	icicle: [hash({})],
	flame: [hash({}, { view: "flame" })],
	sunburst: [hash({}, { view: "sunburst" })],
	sandwich: [hash({}, { view: "sandwich" })],
	table: [hash({}, { view: "table" })],
	search: [hash({}, { search: "json" })],
	kinds: [hash({}, { colour: "kind" })],
	containers: [hash({ by: "container", group: "container" })],
	waiting: [hash({ event: "offcpu" })],
	memory: [hash({ event: "memory" })],
	difference: [hash({ base: `${Math.floor(Date.now() / 1000) - 900}-${Math.floor(Date.now() / 1000) - 480}`, at: `${Math.floor(Date.now() / 1000) - 420}-${Math.floor(Date.now() / 1000) - 60}` })],
	nothing: [hash({ only: "process=not there" })],
	now: [hash({}), click("Now")],
	captures: [hash({}), click("Captures")],
	rules: [hash({}), click("Rules")],
	record: [hash({}), click("Record")],
	agent: [hash({}), click("Agent")],
	help: [hash({}), click("?")],
};
const SHAPES = [["light", 1400, 900, false], ["dark", 1400, 900, true], ["narrow", 390, 844, false]];

mkdirSync(folder, { recursive: true });
const browser = await Browser.start();
let failed = 0;
try {
	for (const [shape, width, height, dark] of SHAPES) {
		await browser.resize(width, height);
		await browser.dark(dark);
		for (const [name, [where, action]] of Object.entries(VIEWS)) {
			if (only.length && !only.includes(name))
				continue;
			try {
				await browser.open(url + where);
				await browser.until(`document.querySelector(".ev-note")?.textContent || document.querySelector(".message:not([hidden])")?.textContent`, 60000);
				await browser.until(`!document.querySelector(".busy")`, 60000);
				if (action)
					await browser.run(action);
				await sleep(1000);
				const over = await browser.run("document.documentElement.scrollWidth - window.innerWidth");
				if (over > 0)
					browser.problems.push(`${over} pixels wider than the window`);
			} catch (e) {
				browser.problems.push(e.message);
			}
			await browser.picture(`${folder}/${name}.${shape}.png`);
			const problems = browser.problems.splice(0);
			failed += problems.length > 0;
			console.log(problems.length ? "FAIL" : "ok  ", name, shape, problems.join("; "));
		}
	}
} finally {
	await browser.end();
}
console.log(failed ? `${failed} failed` : "all views are there");
process.exit(failed ? 1 : 0);
