// SPDX-License-Identifier: Apache-2.0
/*
 * The distance counts an inserted, a left-out, a wrong and two swapped neighbouring letters as one error each (optimal string
 * alignment), case aside. One error in three letters is taken as a slip; more is another word. Where there is no slip, the one word that what was written is
 * a part of (`cpu_usage` of `cpu_usage_percent`) is meant; where there are more, all are told.
 *
 * Cost: SUGGEST_WORD_MAX squared steps for each word offered, on the way to an error only.
 */
#include "user/config/suggest.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define PART_MIN 3

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return m < c ? m : c;
}

static unsigned int distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
	unsigned int rows[3][SUGGEST_WORD_MAX + 1];
	unsigned int *two = rows[0], *one = rows[1], *now = rows[2], *spare;

	for (size_t j = 0; j <= n_b; j++)
		one[j] = j;
	for (size_t i = 1; i <= n_a; i++) {
		now[0] = i;
		for (size_t j = 1; j <= n_b; j++) {
			int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);

			now[j] = min3(one[j] + 1, now[j - 1] + 1, one[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
			    y == tolower((unsigned char)a[i - 2]) && two[j - 2] + 1 < now[j])
				now[j] = two[j - 2] + 1;
		}
		spare = two;
		two = one;
		one = now;
		now = spare;
	}
	return one[n_b];
}

void suggest__init(struct suggest *s, const char *wrong)
{
	*s = (struct suggest){.wrong = wrong};
}

void suggest__offer(struct suggest *s, const char *word)
{
	size_t n_wrong = strlen(s->wrong), n = strlen(word);
	unsigned int d, most = n / 3 > 1 ? n / 3 : 1;

	if (!s->full && s->list_len + n + 2 <= SUGGEST_LIST_MAX) {
		s->list_len += sprintf(s->list + s->list_len, "%s%s", s->list_len ? ", " : "", word);
	} else if (!s->full) {
		s->list_len += sprintf(s->list + s->list_len, ", …");
		s->full = true;
	}
	if (n > SUGGEST_WORD_MAX || n_wrong > SUGGEST_WORD_MAX)
		return;
	d = distance(s->wrong, n_wrong, word, n);
	if (d <= most && (!s->best || d < s->best_distance)) {
		s->best = word;
		s->best_distance = d;
	}
	if (n_wrong >= PART_MIN && strcasestr(word, s->wrong)) {
		s->whole = word;
		s->n_wholes++;
	}
}

const char *suggest__text(struct suggest *s)
{
	const char *meant = s->best ?: s->n_wholes == 1 ? s->whole : NULL;

	s->text[0] = '\0';
	if (meant)
		snprintf(s->text, sizeof(s->text), ", did you mean '%s'?", meant);
	else if (s->list_len)
		snprintf(s->text, sizeof(s->text), "; known here: %s", s->list);
	return s->text;
}
