/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name_search - is this name one that is searched for? The language of the page's own search (exporters/format/viewer/match.js): text as it is, * for
 * anything between, | for one or the other, ^ at the beginning, $ at the end; small letters of ASCII stand for both.
 *
 * No regular expression on purpose: it comes out of links that anybody may send, and one like ((a{1,255}){1,255}){1,255} takes all memory before it has matched anything.
 * Each piece is looked for once, from left to right.
 *
 * Owns: a copy of the name in small letters. Thread: one owner. Limit: NAME_SEARCH_MAX characters. Errors: none.
 */
#ifndef EVERPROF_QUERY_NAME_SEARCH_H
#define EVERPROF_QUERY_NAME_SEARCH_H

#include <stdbool.h>

#include "user/base/buf.h"

#define NAME_SEARCH_MAX 200

struct name_search {
	const char *text;
	bool is_exact; /* has a capital letter */
	struct buf lower;
};

/* Borrows the text. */
void name_search__init(struct name_search *s, const char *text);
void name_search__done(struct name_search *s);
/* All do where the text has nothing to look for. */
bool name_search__matches(struct name_search *s, const char *name);

#endif
