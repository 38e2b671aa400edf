/* SPDX-License-Identifier: Apache-2.0 */
/*
 * suggest - "did you mean": the known word that a misspelt one is nearest to.
 *
 * Offer each known word, then ask for the ending of the error line. Words that are too far away are not suggested: then the ending
 * lists what is known, as far as there is room.
 *
 * Owns: nothing; borrows the words offered. Thread: one owner. Limit: SUGGEST_WORD_MAX bytes a word, SUGGEST_LIST_MAX of list.
 * Errors: none.
 */
#ifndef EVERPROF_CONFIG_SUGGEST_H
#define EVERPROF_CONFIG_SUGGEST_H

#include <stdbool.h>
#include <stddef.h>

#define SUGGEST_WORD_MAX 64
#define SUGGEST_LIST_MAX 400

struct suggest {
	const char *wrong;
	const char *best;
	unsigned int best_distance;
	const char *whole; /* the last that has it as a part */
	unsigned int n_wholes;
	char list[SUGGEST_LIST_MAX + 8];
	size_t list_len;
	bool full;
	char text[SUGGEST_LIST_MAX + 64];
};

void suggest__init(struct suggest *s, const char *wrong);
/* `word` stays the caller's and must live until suggest__text. */
void suggest__offer(struct suggest *s, const char *word);
/* ", did you mean 'x'?" or "; known here: a, b, c", or "". Borrowed from s. */
const char *suggest__text(struct suggest *s);

#endif
