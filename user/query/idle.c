// SPDX-License-Identifier: Apache-2.0
#include "user/query/idle.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/profile/amount.h"
#include "user/profile/merge.h"
#include "user/profile/profile.h"
#include "user/profile/saturate.h"
#include "user/query/printable.h"

#define NAMES_SHOWN 4

static void count(struct idle_hidden *h, const char *name, int64_t value)
{
	uint32_t i = 0;

	h->total = saturated_add(h->total, value);
	while (i < h->n && strcmp(h->by_name[i].name, name))
		i++;
	if (i == h->n && h->n == IDLE_NAMES_MAX)
		return;
	if (i == h->n)
		h->by_name[h->n++].name = name;
	h->by_name[i].value = saturated_add(h->by_name[i].value, value);
}

static void sort(struct idle_hidden *h)
{
	for (uint32_t i = 1; i < h->n; i++)
		for (uint32_t k = i; k && h->by_name[k].value > h->by_name[k - 1].value; k--) {
			__typeof__(h->by_name[0]) swap = h->by_name[k];

			h->by_name[k] = h->by_name[k - 1];
			h->by_name[k - 1] = swap;
		}
}

int idle__hide(const struct profile *p, const char *type, struct profile **ret_shown,
	       struct idle_hidden *ret_hidden)
{
	static const struct profile_merge_opts opts = {.without_label = IDLE_LABEL};
	struct idle_hidden h = {.unit = ""};
	struct profile *shown;
	uint32_t t, n_idle = 0;
	int err;

	*ret_shown = NULL;
	*ret_hidden = h;
	if (profile__find_type(p, type, &t) && profile__find_type(p, NULL, &t))
		return 0;
	h.unit = profile__str(p, profile__type(p, t).unit);
	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);
		const struct label *l = profile__find_label(p, s->labels, IDLE_LABEL);

		n_idle += l != NULL;
		if (l)
			count(&h, profile__str(p, l->str), s->values[t]);
	}
	if (!n_idle)
		return 0;
	shown = profile__new(NULL);
	err = shown ? profile__merge_as(shown, p, &opts) : -ENOMEM;
	if (!err)
		err = profile__seal(shown);
	if (err) {
		profile__free(shown);
		return err;
	}
	sort(&h);
	*ret_shown = shown;
	*ret_hidden = h;
	return 0;
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
