// SPDX-License-Identifier: Apache-2.0
//
// walk.mjs URL [SECONDS]: uses the page of an agent that has recorded for so long (1800; 360 at least), and says what does not hold: hostile links, searches that could hang, drags that
// are broken off, back, keys, that a link restores what was looked at, lists that are sorted, the time of one function, what is saved, recordings, captures, links of notices, panels. Fails where
// one does not, or where the page throws. It takes a capture, and deletes it.
//   node --experimental-websocket tests/validate/walk.mjs http://127.0.0.1:9909/
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { Browser, sleep } from "../support/browser.mjs";

const url = process.argv[2], seconds = Number(process.argv[3] ?? 1800), browser = await Browser.start(), saved = mkdtempSync(join(tmpdir(), "everprof-walk.")), SHIFT = 8;
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
	await open(`#range=${seconds}`);
	for (const text of ["(a+)+$", "(.*.*)*x".repeat(25), "a*".repeat(100), "^", "|", "\\"]) {
		const begun = Date.now();
		await search(text);
		expect("search " + text.slice(0, 20), Date.now() - begun < 3000, `took ${Date.now() - begun} ms`);
	}
	await search("^main$");
	expect("a search tells its share", /^[\d.]+ % matched$/.test(await texts(".ev-matched")), await texts(".ev-matched"));
}

async function walkTimeline() {
	await open(`#range=${seconds}`);
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
	const third = Math.floor(seconds / 3);
	await open(`#range=${now - seconds}-${now - 60}&at=${now - third}-${now - 60}&base=${now - 2 * third}-${now - third - 60}`);
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
	await open(`#range=${seconds}`);
	for (const [key, view] of [["2", "Flame"], ["3", "Sunburst"], ["4", "Sandwich"], ["5", "Table"], ["1", "Icicle"]]) {
		await browser.key(key);
		expect("key " + key, await texts(".ev-tabs [aria-selected=true]") === view);
	}
	await browser.key("?");
	expect("help", (await texts("dialog[open] h2")) === "Keys and pointer");
}

const isSorted = (list, descending) => list.every((x, i) => !i || (descending ? list[i - 1] >= x : list[i - 1] <= x));
const numbers = async (selector) => (await texts(selector)).split("|").map(parseFloat);

async function walkLists() {
	await open(`#range=${seconds}&by=process`);
	const names = async () => (await texts(".ran tbody tr[tabindex] .name")).split("|"), shares = () => numbers(".ran tbody tr[tabindex] .sum small");
	expect("what ran: the most first", isSorted(await shares(), true) && (await names()).length > 1, await texts(".ran tbody"));
	await press("process");
	expect("what ran: by name", isSorted((await names()).map((x) => x.toLowerCase()), false), await names());
	const bySum = () => browser.run(`document.querySelectorAll(".ran th button")[1].click()`);
	await bySum();
	await bySum();
	expect("what ran: the least first", isSorted(await shares(), false), await texts(".ran tbody"));
	await browser.key("5");
	const column = (n) => numbers(`.ev-table tbody tr[data-frame] td:nth-child(${n}) small`);
	expect("table: by self", isSorted(await column(1), true), await column(1));
	await press("Total");
	expect("table: by total", isSorted(await column(2), true) && !isSorted(await column(1), true), await column(2));
	await press("Total");
	expect("table: the least first", isSorted(await column(2), false), await column(2));
}

// The middle of a canvas in device pixels: how many of them are nearly black.
const black = () => browser.run(`(() => { const c = document.querySelector("${main}"), d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data; let n = 0;
	for (let i = 0; i < d.length; i += 4) n += d[i + 3] > 200 && d[i] < 60 && d[i + 1] < 60 && d[i + 2] < 60; return n; })()`);

async function walkFunction() {
	await open(`#range=${seconds}`);
	const before = await black();
	await browser.key("4");
	await browser.run(`document.querySelector(".ev-side tbody tr[data-frame]").click()`);
	await sleep(1500);
	const title = await texts(".ev-title"), row = await texts(".ev-side tbody tr[aria-selected=true] .ev-name");
	expect("a function is chosen", row && title.startsWith(row), `${title} / ${row}`);
	expect("its time is on the timeline", await black() > before + 20, `${before} and ${await black()} black pixels`);
}

// The one file that comes, as text; gone then.
async function savedFile(name) {
	for (let i = 0; i < 100; i++) {
		const [file] = readdirSync(saved).filter((f) => !f.endsWith(".crdownload"));
		if (file) {
			const bytes = readFileSync(join(saved, file));
			rmSync(join(saved, file));
			return { file, bytes };
		}
		await sleep(100);
	}
	expect("saved: " + name, false, "nothing came");
	return { file: "", bytes: Buffer.alloc(0) };
}

async function walkExports() {
	await open(`#range=${seconds}`);
	const whole = await texts(".ev-note b"), choose = (text) => browser.run(`[...document.querySelectorAll(".ev-menu a")].find((a) => a.textContent === ${JSON.stringify(text)}).click()`);
	const isRight = {
		pprof: ({ bytes }) => gunzipSync(bytes).includes("nanoseconds"),
		"Page (HTML)": ({ bytes }) => bytes.includes("Everprof.Viewer") && !/(?:src|href)="?https?:/.test(bytes),
		"Picture (SVG)": ({ bytes }) => bytes.subarray(0, 200).includes("<svg") && bytes.includes("</svg>"),
		Speedscope: ({ bytes }) => { const o = JSON.parse(bytes); return o.shared.frames.length > 10 && o.profiles.every((p) => p.samples.length === p.weights.length && p.samples.length); },
		"Folded stacks": ({ bytes }) => { const lines = bytes.toString().trim().split("\n"); return lines.length > 10 && lines.every((l) => / \d+$/.test(l)); },
		"Picture (PNG)": ({ bytes }) => bytes.subarray(1, 4).toString() === "PNG" && bytes.length > 5000,
	};
	for (const [name, check] of Object.entries(isRight)) {
		await choose(name);
		const file = await savedFile(name);
		let good = false;
		try {
			good = check(file);
		} catch (e) {
			console.log(e.message);
		}
		expect("saved: " + name, good, `${file.file}, ${file.bytes.length} bytes`);
	}
	expect("saving leaves the page as it was", await texts(".ev-note b") === whole, await texts(".ev-note b"));
}

async function walkRecordings() {
	const begin = (time) => browser.run(`document.querySelector("dialog.panel input[aria-label=duration]").value = "${time}"`).then(() => press("Start"));
	const row = (status) => `[...document.querySelectorAll("dialog.panel tr")].find((r) => r.children[3]?.textContent.startsWith("${status}") || r.querySelector("${status}"))`;
	await open(`#range=${seconds}&only=process%3Dpython3*`);
	await press("Record");
	await begin("60s");
	await browser.until(`${row("progress")}?.querySelector("progress").value > 0`);
	await press("Cancel");
	await browser.until(row("cancelled"));
	const told = await browser.run(`${row("cancelled")}.children[3].textContent`);
	expect("a recording that is cancelled tells how far it came", /^cancelled at \d\d? %$/.test(told), told);
	await begin("3s");
	await browser.until(row("done"), 30000);
	await browser.run(`${row("done")}.querySelector("a").click()`);
	const { bytes } = await savedFile("a recording");
	expect("a recording is saved", bytes.length > 100 && gunzipSync(bytes).includes("nanoseconds"), `${bytes.length} bytes`);
	await begin("3 apples");
	await sleep(500);
	expect("a wrong duration is answered", (await texts("dialog.panel .ev-warn")).includes("duration"), await texts("dialog.panel .ev-warn"));
	browser.problems.splice(0); // the browser logs each answer that is none of 200
	await press("Look at it");
	await shown();
	expect("a recording is looked at", (await address()).includes("at=") && !(await texts("dialog.panel")), await address());
}

async function walkCaptures() {
	await open(`#range=${seconds}`);
	const known = async () => (await browser.run(`fetch("api/v1/captures").then((r) => r.json())`)).captures.map((c) => c.id);
	const before = await known();
	await press("Captures");
	await press("Keep what is recorded");
	let id = "";
	for (let i = 0; i < 240 && !id; i++, await sleep(500))
		id = (await known()).find((x) => !before.includes(x)) || "";
	expect("a capture is taken", id, "none came");
	const row = `[...document.querySelectorAll("dialog.panel tr")].find((r) => r.textContent.includes("asked for on the page"))`;
	await browser.until(row);
	const button = (text) => browser.run(`[...${row}.querySelectorAll("button")].find((b) => b.textContent === ${JSON.stringify(text)}).click()`);
	await button("Summary and files");
	await browser.until(`${row}.nextElementSibling.querySelector(".summary")`);
	expect("its summary", (await browser.run(`${row}.nextElementSibling.querySelector(".summary").textContent`)).includes("IN SHORT"));
	await browser.run(`[...${row}.nextElementSibling.querySelectorAll("a")].find((a) => a.textContent === "cpu.pb.gz").click()`);
	const { bytes } = await savedFile("a capture's profile");
	expect("a file of a capture is saved", bytes.length > 100 && gunzipSync(bytes).includes("nanoseconds"), `${bytes.length} bytes`);
	for (const [act, now] of [["Pin", true], ["Unpin", false]]) {
		await button(act);
		await browser.until(`${row}?.classList.contains("pinned") === ${now}`);
		expect(act, true);
	}
	await button("Compare");
	await shown();
	expect("compared with what is normal", (await texts(".chip")).includes("against normal") && (await texts(".ev-note, .message:not([hidden])")).match(/difference|normal/), await texts(".chip, .ev-note, .message"));
	browser.problems.splice(0); // where nothing was recorded before it, there is no normal, and that is said by a status, too
	await open(`#capture=${id}`);
	expect("a link opens it", (await texts(".chip")).includes("capture") && (await texts(".ev-note")).includes("cpu"), await texts(".chip, .ev-note"));
	await press("Captures");
	await browser.until(row);
	await browser.run("window.confirm = () => true");
	await button("Delete");
	await browser.until(`fetch("api/v1/captures").then((r) => r.json()).then((d) => !d.captures.some((c) => c.id === "${id}"))`);
	expect("Delete", true);
}

// A notice names a capture alone: its time and a profile that it has are found, and back does not lead to the same again.
async function walkNotices() {
	await open(`#range=${seconds}`);
	const known = async () => (await browser.run(`fetch("api/v1/captures").then((r) => r.json())`)).captures;
	const before = (await known()).map((c) => c.id), found = (await browser.run("Date.now()")) / 1000;
	await browser.run(`fetch("api/v1/captures/trigger?events=offcpu&before=5s&after=1s&rule=notice", { method: "POST" }).then((r) => r.status)`);
	let capture = null;
	for (let i = 0; i < 240 && !capture; i++, await sleep(500))
		capture = (await known()).find((c) => !before.includes(c.id) && c.rule === "notice");
	expect("a capture without cpu", capture && !capture.events.includes("cpu"), JSON.stringify(capture));
	await browser.open(`${url}#capture=${capture.id}`);
	await browser.until(`location.hash.includes("event=")`);
	await browser.until(`document.querySelector(".chip")?.textContent.includes("notice")`);
	await shown();
	const at = /at=(\d+)-(\d+)/.exec(await address()) || [];
	expect("the link of a notice opens what there is", (await address()).includes("event=offcpu") && !(await texts(".message:not([hidden])")) && (await texts(".ev-note")).includes("off_cpu"),
		`${await address()} ${await texts(".message:not([hidden])")} ${await texts(".ev-note")}`);
	expect("… at its time", Math.abs(at[2] - found) < 120, at.join());
	await browser.run("history.back()");
	await browser.until(`!location.hash.includes("capture=")`);
	await sleep(1000);
	expect("back from it is back", !(await address()).includes("capture="), await address());
	await browser.open(`${url}#capture=${"0".repeat(12)}`);
	await browser.until(`document.querySelector(".said")?.textContent.includes("is not there")`);
	expect("a capture that is gone is said to be", !(await texts(".message:not([hidden])")), await texts(".message:not([hidden])"));
	await browser.run(`fetch("api/v1/capture/delete?id=${capture.id}", { method: "POST" })`);
}

async function walkPanels() {
	await open(`#range=${seconds}`);
	await browser.run(`{ const real = window.fetch; window.asked = { now: 0, all: 0, most: 0 };
		window.fetch = async (...of) => {
			if (of[0] !== "api/v1/captures")
				return real(...of);
			asked.all++;
			asked.most = Math.max(asked.most, ++asked.now);
			await new Promise((resolve) => setTimeout(resolve, 5000));
			return real(...of).finally(() => asked.now--);
		}; }`);
	await press("Captures");
	await browser.until("asked.all === 2", 30000);
	expect("a panel waits for a slow answer before it asks again", (await browser.run("asked.most")) === 1, `${await browser.run("asked.most")} at once`);
}

try {
	await browser.downloads(saved);
	await walkLists();
	await walkFunction();
	await walkExports();
	await walkRecordings();
	await walkCaptures();
	await walkNotices();
	await walkLinks();
	await walkSearches();
	await walkTimeline();
	await walkLink();
	await walkKeys();
	await walkPanels();
} finally {
	await browser.end();
	rmSync(saved, { recursive: true, force: true });
}
if (browser.problems.length)
	expect("the page throws nothing", false, browser.problems.join("\n"));
console.log(failed ? `${failed} failed` : "all holds");
process.exit(failed ? 1 : 0);
