// SPDX-License-Identifier: Apache-2.0
//
// browser - a headless Chromium, driven over its own debugging protocol: opens pages, runs what a test asks for, takes pictures. Node is needed with
// --experimental-websocket; nothing else is.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// The port of the debugger, which Chromium says on standard error; it takes a free one.
function debuggerPort(chromium) {
	return new Promise((resolve, reject) => {
		let said = "";
		chromium.stderr.on("data", (piece) => {
			const m = /ws:\/\/127\.0\.0\.1:(\d+)\//.exec(said += piece);
			if (m)
				resolve(m[1]);
		});
		chromium.on("exit", () => reject(new Error("chromium ended: " + said)));
		chromium.on("error", reject);
	});
}

async function pageOf(port) {
	for (let i = 0; i < 200; i++) {
		const targets = await (await fetch(`http://127.0.0.1:${port}/json`)).json();
		const page = targets.find((t) => t.type === "page");
		if (page)
			return page.webSocketDebuggerUrl;
		await sleep(50);
	}
	throw new Error("chromium has no page");
}

export class Browser {
	static async start(width = 1400, height = 900) {
		const b = new Browser();
		b.folder = mkdtempSync(join(tmpdir(), "everprof-browser."));
		b.process = spawn("chromium", ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", `--user-data-dir=${b.folder}`, "about:blank"],
			{ stdio: ["ignore", "ignore", "pipe"] });
		b.problems = []; // what pages threw, and what their policy forbade
		b.waiting = new Map();
		b.listeners = new Map();
		b.last = 0;
		b.socket = new WebSocket(await pageOf(await debuggerPort(b.process)));
		await new Promise((resolve) => { b.socket.onopen = resolve; });
		b.socket.onmessage = (m) => b.heard(JSON.parse(m.data));
		for (const domain of ["Runtime", "Log", "Page"])
			await b.send(domain + ".enable");
		await b.resize(width, height);
		return b;
	}

	heard(m) {
		if (m.id) {
			const [resolve, reject] = this.waiting.get(m.id);
			this.waiting.delete(m.id);
			return m.error ? reject(new Error(m.error.message)) : resolve(m.result);
		}
		if (m.method === "Runtime.exceptionThrown")
			this.problems.push(m.params.exceptionDetails.exception?.description || m.params.exceptionDetails.text);
		else if (m.method === "Log.entryAdded")
			this.problems.push(`${m.params.entry.text} ${m.params.entry.url || ""}`);
		(this.listeners.get(m.method) || []).splice(0).forEach((resolve) => resolve(m.params));
		return undefined;
	}

	send(method, params = {}) {
		const id = ++this.last;
		return new Promise((resolve, reject) => {
			this.waiting.set(id, [resolve, reject]);
			this.socket.send(JSON.stringify({ id, method, params }));
		});
	}

	next(event) {
		return new Promise((resolve) => this.listeners.set(event, [...(this.listeners.get(event) || []), resolve]));
	}

	resize(width, height) {
		return this.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 600 });
	}

	dark(isDark) {
		return this.send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: isDark ? "dark" : "light" }] });
	}

	// A page anew, even where only what stands behind the # differs.
	async open(url) {
		await this.send("Page.navigate", { url: "about:blank" });
		const loaded = this.next("Page.loadEventFired");
		await this.send("Page.navigate", { url });
		await loaded;
	}

	// What the page saves goes into this folder.
	downloads(folder) {
		return this.send("Page.setDownloadBehavior", { behavior: "allow", downloadPath: folder });
	}

	before(script) {
		return this.send("Page.addScriptToEvaluateOnNewDocument", { source: script });
	}

	async run(expression) {
		const r = await this.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
		if (r.exceptionDetails)
			throw new Error(r.exceptionDetails.exception?.description || r.exceptionDetails.text);
		return r.result.value;
	}

	// Until the expression is true.
	async until(expression, ms = 20000) {
		for (const end = Date.now() + ms; Date.now() < end; await sleep(50))
			if (await this.run(expression))
				return;
		throw new Error(`not within ${ms} ms: ${expression}`);
	}

	async key(key, modifiers = 0) {
		const text = key.length === 1 ? key : key === "Enter" ? "\r" : undefined;
		await this.send("Input.dispatchKeyEvent", { type: "keyDown", key, text, modifiers, windowsVirtualKeyCode: { Tab: 9, Enter: 13, Escape: 27 }[key] });
		await this.send("Input.dispatchKeyEvent", { type: "keyUp", key, modifiers });
	}

	mouse(type, x, y, more = {}) {
		return this.send("Input.dispatchMouseEvent", { type, x, y, button: "left", clickCount: 1, ...more });
	}

	async drag(x0, x1, y, modifiers = 0) {
		await this.mouse("mousePressed", x0, y, { modifiers });
		for (let i = 1; i <= 4; i++)
			await this.mouse("mouseMoved", x0 + (x1 - x0) * i / 4, y, { modifiers, buttons: 1 });
		await this.mouse("mouseReleased", x1, y, { modifiers });
	}

	async picture(path) {
		writeFileSync(path, Buffer.from((await this.send("Page.captureScreenshot", { format: "png" })).data, "base64"));
	}

	async end() {
		const ended = new Promise((resolve) => this.process.once("close", resolve));
		this.process.kill("SIGKILL");
		await ended;
		rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
	}
}
