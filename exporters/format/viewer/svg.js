// SPDX-License-Identifier: Apache-2.0
// What makes a static flame graph answer: click to zoom, Escape or "reset" back, Ctrl-F or "search" with the share that matches.
// Every box keeps its place of the whole picture in data-x and data-w (pixels); zooming is arithmetic on those.
(function () {
	"use strict";
	var svg = document.documentElement, boxes = [].slice.call(svg.querySelectorAll("g.f"));
	var width = +svg.getAttribute("data-width"), char = +svg.getAttribute("data-char"), pad = 10;
	var line = document.getElementById("line"), found = document.getElementById("found");

	function shape(g) {
		return { x: +g.getAttribute("data-x"), w: +g.getAttribute("data-w"), d: +g.getAttribute("data-d") };
	}
	function place(g, x, w) {
		var rect = g.querySelector("rect"), text = g.querySelector("text"), name = g.getAttribute("data-name") || "";
		var room = Math.floor((w - 6) / char);
		rect.setAttribute("x", x);
		rect.setAttribute("width", Math.max(w - 0.5, 0.1));
		if (!text && room > 2) {
			text = document.createElementNS("http://www.w3.org/2000/svg", "text");
			text.setAttribute("y", +rect.getAttribute("y") + 12);
			g.appendChild(text);
		}
		if (!text)
			return;
		text.setAttribute("x", x + 3);
		text.textContent = room < 3 ? "" : name.length <= room ? name : name.slice(0, room - 2) + "..";
	}
	function zoom(to) {
		var z = to ? shape(to) : { x: 0, w: width, d: 0 }, scale = width / z.w;
		boxes.forEach(function (g) {
			var s = shape(g), x = (s.x - z.x) * scale, w = s.w * scale;
			var above = s.d < z.d && s.x <= z.x + 1e-6 && s.x + s.w >= z.x + z.w - 1e-6;
			var inside = s.d >= z.d && x >= -1e-6 && x + w <= width + 1e-3;
			g.style.display = above || inside ? "" : "none";
			g.style.opacity = above ? 0.6 : 1;
			if (above || inside)
				place(g, pad + (above ? 0 : x), above ? width : w);
		});
	}
	function search(text) {
		var total = 0, end = -1, matches = Everprof.matcher(text);
		boxes.forEach(function (g) {
			var s = shape(g), hit = matches && matches(g.getAttribute("data-name"));
			g.classList.toggle("hit", !!hit);
			// boxes come in preorder: what lies below a hit that is counted already starts before its end
			if (hit && s.x >= end - 1e-6) {
				total += s.w;
				end = s.x + s.w;
			}
		});
		found.textContent = matches ? "matched: " + (100 * total / width).toFixed(1) + " %" : "";
	}
	function ask() {
		var text = prompt("Search for a function (* stands for anything)", "");
		if (text !== null)
			search(text);
	}
	boxes.forEach(function (g) {
		g.addEventListener("click", function () { zoom(g); });
		g.addEventListener("mouseover", function () { line.textContent = g.querySelector("title").textContent.replace(/\n/g, "  "); });
	});
	document.getElementById("reset").addEventListener("click", function () { zoom(null); search(""); });
	document.getElementById("search").addEventListener("click", ask);
	window.addEventListener("keydown", function (e) {
		if (e.key === "Escape")
			zoom(null);
		if ((e.ctrlKey || e.metaKey) && e.key === "f" || e.key === "/") {
			e.preventDefault();
			ask();
		}
	});
})();
