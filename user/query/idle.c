// SPDX-License-Identifier: Apache-2.0
#include "user/query/idle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/profile/amount.h"
#include "user/profile/merge.h"
#include "user/profile/profile.h"
#include "user/profile/saturate.h"
#include "user/query/printable.h"

#define NAMES_SHOWN 4

/* Moves a row up to where it belongs: the largest first. */
static void raise(struct idle_hidden *h, uint32_t i)
{
	for (; i && h->by_name[i].value > h->by_name[i - 1].value; i--) {
		__typeof__(h->by_name[0]) swap = h->by_name[i];

		h->by_name[i] = h->by_name[i - 1];
		h->by_name[i - 1] = swap;
	}
}

static void count(struct idle_hidden *h, const char *name, int64_t value)
{
	uint32_t i = 0;

	h->total = saturated_add(h->total, value);
	while (i < h->n && strncmp(h->by_name[i].name, name, IDLE_NAME_MAX - 1))
		i++;
	if (i == h->n && h->n == IDLE_NAMES_MAX)
		return;
	if (i == h->n)
		snprintf(h->by_name[h->n++].name, IDLE_NAME_MAX, "%s", name);
	h->by_name[i].value = saturated_add(h->by_name[i].value, value);
}

static void count_samples(struct idle_hidden *h, const struct profile *p, uint32_t type,
			  const struct label *const *by_set)
{
	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);
		const struct label *l = by_set[s->labels];

		if (l)
			count(h, profile__str(p, l->str), s->values[type]);
	}
	for (uint32_t i = 1; i < h->n; i++)
		raise(h, i);
}

int idle_hidden__add(struct idle_hidden *h, const struct profile *p, const char *type, bool *ret_has)
{
	uint32_t t, n_sets = profile__n_label_sets(p);
	const struct label **by_set;

	*ret_has = false;
	if (profile__find_type(p, type, &t) && profile__find_type(p, NULL, &t))
		return 0;
	by_set = calloc((size_t)n_sets + 1, sizeof(*by_set));
	if (!by_set)
		return -ENOMEM;
	for (uint32_t set = 1; set <= n_sets; set++) {
		by_set[set] = profile__find_label(p, set, IDLE_LABEL);
		*ret_has |= by_set[set] != NULL;
	}
	if (*ret_has) {
		snprintf(h->unit, sizeof(h->unit), "%s", profile__str(p, profile__type(p, t).unit));
		count_samples(h, p, t, by_set);
	}
	free(by_set);
	return 0;
}

int idle__hide(const struct profile *p, const char *type, struct profile **ret_shown,
	       struct idle_hidden *ret_hidden)
{
	static const struct profile_merge_opts opts = {.without_label = IDLE_LABEL};
	struct idle_hidden h = {0};
	struct profile *shown;
	bool has_any;
	int err = idle_hidden__add(&h, p, type, &has_any);

	*ret_shown = NULL;
	*ret_hidden = h;
	if (err || !has_any)
		return err;
	shown = profile__new(NULL);
	err = shown ? profile__merge_as(shown, p, &opts) : -ENOMEM;
	return profile__finish(shown, err, ret_shown);
}

void idle_hidden__print(const struct idle_hidden *h, struct buf *to)
{
	buf__printf(to, "%s of idle waits", amount__format(h->total, h->unit).text);
	for (uint32_t i = 0; i < h->n && i < NAMES_SHOWN; i++) {
		buf__append_str(to, i ? ", " : " (");
		printable__append(to, h->by_name[i].name);
		buf__printf(to, " %s", amount__format(h->by_name[i].value, h->unit).text);
	}
	buf__append_str(to, h->n > NAMES_SHOWN ? ", …)" : h->n ? ")" : "");
}
