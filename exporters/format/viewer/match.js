// SPDX-License-Identifier: Apache-2.0
//
// Search in names: text as it is, * for anything between, | for one or the other, ^ at the beginning, $ at the end; small letters stand for both.
// No regular expression on purpose: text comes out of links that anybody may send and runs over a hundred thousand names that other programs chose, and one
// like (a+)+$ would never end. This looks for each piece once, from left to right. A name that holds * or .* itself is found by its own text all the same.
"use strict";
var Everprof = Everprof || {};

Everprof.SEARCH_MAX = 200; // characters that count

// A function that says whether a name matches; null where there is nothing to look for.
Everprof.matcher = function (text) {
	const cut = text.slice(0, Everprof.SEARCH_MAX), isExact = cut !== cut.toLowerCase();
	const wanted = cut.split("|").map((one) => {
		const isStart = one.startsWith("^"), isEnd = one.length > 1 && one.endsWith("$");
		return { isStart, isEnd, pieces: one.slice(isStart ? 1 : 0, isEnd ? -1 : undefined).split(/\.?\*/) };
	}).filter((one) => one.pieces.some((piece) => piece));
	const matches = (name, { isStart, isEnd, pieces }) => {
		let at = 0;
		for (const [i, piece] of pieces.entries()) {
			const found = isStart && !i ? (name.startsWith(piece) ? 0 : -1) : isEnd && i === pieces.length - 1 ? (name.endsWith(piece) ? name.length - piece.length : -1)
				: name.indexOf(piece, at);
			if (found < at)
				return false;
			at = found + piece.length;
		}
		return !isEnd || at === name.length;
	};
	if (!wanted.length)
		return null;
	return (given) => {
		const name = isExact ? given : given.toLowerCase();
		return wanted.some((one) => matches(name, one));
	};
};
