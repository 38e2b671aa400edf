// SPDX-License-Identifier: Apache-2.0
//
// walk.mjs URL: uses the page of an agent that has recorded for some minutes, and says what does not hold: hostile links, searches that could hang, drags that
// are broken off, back, keys, and that a link restores what was looked at. Fails where one does not, or where the page throws.
//   node --experimental-websocket tests/validate/walk.mjs http://127.0.0.1:9909/
import { Browser, sleep } from "../support/browser.mjs";

const url = process.argv[2], browser = await Browser.start(), SHIFT = 8;
let failed = 0;

const texts = (selector) => browser.run(`[...document.querySelectorAll(${JSON.stringify(selector)})].map((e) => e.textContent).join("|")`);
const address = () => browser.run("decodeURIComponent(location.hash)");
const press = (text) => browser.run(`[...document.querySelectorAll("button")].find((b) => b.textContent.startsWith(${JSON.stringify(text)})).click()`);
const search = (text) => browser.run(`(() => { const s = document.querySelector("input[type=search]"); s.value = ${JSON.stringify(text)}; s.dispatchEvent(new Event("input")); })()`);
const main = ".lane.main canvas", focusLane = () => browser.run(`document.querySelector("${main}").focus()`);

function expect(name, isGood, more = "") {
	failed += !isGood;
	console.log(isGood ? "ok  " : "FAIL", name, isGood ? "" : more);
}

async function shown() {
	await browser.until(`document.querySelector(".ev-note")?.textContent || document.querySelector(".message:not([hidden])")?.textContent`, 60000);
	await browser.until(`!document.querySelector(".busy")`, 60000);
	await sleep(300);
}

async function open(hash) {
	await browser.open(url + hash);
	await shown();
}

async function walkLinks() {
	const view = (x) => "#view=" + encodeURIComponent(x);
	for (const hash of [view('{"view":"__proto__","colour":"x","zoom":[1,{}],"search":{"a":1},"sort":"s","frame":["<img src=x onerror=alert(1)>"]}'), "#view=[1,2", view("null"), view('"abc"'),
		"#range=-5&at=9-1&event=../../x&by=evil&only=x=y&capture=../..", "#range=1e99", "#capture=%3Cscript%3E", "#%ff"]) {
		await open(hash);
		expect("hostile link " + hash.slice(0, 40), !browser.problems.length, browser.problems.splice(0).join("; "));
	}
}

async function walkSearches() {
	await open("#range=1800");
	for (const text of ["(a+)+$", "(.*.*)*x".repeat(25), "a*".repeat(100), "^", "|", "\\"]) {
		const begun = Date.now();
		await search(text);
		expect("search " + text.slice(0, 20), Date.now() - begun < 3000, `took ${Date.now() - begun} ms`);
	}
	await search("^main$");
	expect("a search tells its share", /^[\d.]+ % matched$/.test(await texts(".ev-matched")), await texts(".ev-matched"));
}

async function walkTimeline() {
	await open("#range=1800");
	const [left, top, width] = await browser.run(`(() => { const r = document.querySelector("${main}").getBoundingClientRect(); return [r.left, r.top, r.width]; })()`);
	const x = (share) => left + share * width, y = top + 50;
	const begin = async () => {
		await browser.mouse("mousePressed", x(0.7), y);
		await browser.mouse("mouseMoved", x(0.8), y, { buttons: 1 });
	};
	await begin();
	await browser.run(`document.querySelector("${main}").dispatchEvent(new PointerEvent("pointercancel"))`);
	await browser.mouse("mouseReleased", x(0.8), y);
	expect("a drag that the system ends chooses nothing", !(await address()).includes("at="), await address());
	await begin();
	await focusLane();
	await browser.key("Escape");
	await browser.mouse("mouseReleased", x(0.8), y);
	expect("Escape ends a drag", !(await address()).includes("at="), await address());
	await browser.drag(x(0.8), x(0.97), y);
	await shown();
	expect("a drag chooses", (await address()).includes("at="), await address());
	await browser.drag(x(0.6), x(0.75), y, SHIFT);
	await shown();
	expect("with Shift it compares", (await address()).includes("base=") && (await texts(".ev-note")).includes("difference"), await texts(".ev-note"));
	await browser.run("history.back()");
	await shown();
	expect("back ends the comparison", !(await address()).includes("base="), await address());
	await browser.run("history.back()");
	await shown();
	expect("back again shows all", !(await address()).includes("at="), await address());
	await focusLane();
	for (const modifiers of [0, SHIFT]) {
		await browser.send("Input.dispatchKeyEvent", { type: "keyDown", key: "ArrowLeft", modifiers });
		await shown();
	}
	expect("arrows choose", (await address()).includes("at="), await address());
	await browser.key("Escape");
	await shown();
	expect("Escape shows all", !(await address()).includes("at="), await address());
}

// What is recorded at the end of the range may still grow: a minute ago nothing does.
async function walkLink() {
	const now = Math.floor(Date.now() / 60000) * 60;
	await open(`#range=${now - 1800}-${now - 60}&at=${now - 600}-${now - 60}&base=${now - 1200}-${now - 660}`);
	await browser.run(`document.querySelector(".ran tbody tr[tabindex]").click()`);
	await shown();
	await browser.mouse("mousePressed", 700, 530);
	await browser.mouse("mouseReleased", 700, 530);
	await browser.key("c");
	await browser.key("2");
	await search("a");
	await press("Copy link");
	await sleep(300);
	await browser.mouse("mouseMoved", 5, 5);
	await sleep(200);
	const parts = ".ev-note, .ev-matched, .hint b, .chip, [aria-selected=true], .ev-legend", was = await texts(parts), link = await browser.run("location.href");
	const picture = "document.querySelector('.ev-canvas').toDataURL()", drawn = await browser.run(picture);
	await browser.open(link);
	await shown();
	expect("a link restores what is said", await texts(parts) === was, `${link}\n${was}\n${await texts(parts)}`);
	expect("a link restores the picture", await browser.run(picture) === drawn, link);
}

async function walkKeys() {
	await open("#range=1800");
	for (const [key, view] of [["2", "Flame"], ["3", "Sunburst"], ["4", "Sandwich"], ["5", "Table"], ["1", "Icicle"]]) {
		await browser.key(key);
		expect("key " + key, await texts(".ev-tabs [aria-selected=true]") === view);
	}
	await browser.key("?");
	expect("help", (await texts("dialog[open] h2")) === "Keys and pointer");
}

try {
	await walkLinks();
	await walkSearches();
	await walkTimeline();
	await walkLink();
	await walkKeys();
} finally {
	await browser.end();
}
if (browser.problems.length)
	expect("the page throws nothing", false, browser.problems.join("\n"));
console.log(failed ? `${failed} failed` : "all holds");
process.exit(failed ? 1 : 0);
