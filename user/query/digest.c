/* SPDX-License-Identifier: Apache-2.0 */
#include "user/query/digest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/hashmap.h"
#include "user/base/intern.h"
#include "user/profile/saturate.h"
#include "user/query/function_match.h"

#define TEXTS_LIMIT ((size_t)64 << 20)

static const char *const keys[DIGEST_KEYS] = {"process",   "pid", "comm",   "exe",   "unit",
					      "container", "pod", "cgroup", "state", "idle"};

struct digest {
	struct intern *texts;
	struct digest_row *rows;
	uint32_t n, cap;
	uint32_t n_types, default_type;
	uint32_t types[PROFILE_VALUES_MAX], units[PROFILE_VALUES_MAX]; /* texts */
};

int digest__key(const char *label)
{
	for (int i = 0; i < DIGEST_KEYS; i++)
		if (!strcmp(keys[i], label))
			return i;
	return -1;
}

static int keep_text(struct digest *d, const char *s, uint32_t *ret)
{
	return intern__add(d->texts, s, strlen(s), ret);
}

static int fill_row(struct digest *d, const struct profile *p, uint32_t labels, struct digest_row *row)
{
	char number[SELECTION_TEXT_MAX];
	int err = 0;

	memset(row, 0, sizeof(*row));
	for (int i = 0; i < DIGEST_KEYS && !err; i++) {
		const struct label *l = profile__find_label(p, labels, keys[i]);

		if (!l)
			continue;
		snprintf(number, sizeof(number), "%" PRId64, l->num);
		err = keep_text(d, l->str ? profile__str(p, l->str) : number, &row->texts[i]);
	}
	return err;
}

static bool same_texts(uint32_t index, const void *key, const void *owner)
{
	const struct digest *d = owner;

	return !memcmp(d->rows[index].texts, key, sizeof(d->rows->texts));
}

/* The row of a label set; label sets that differ in what is not kept share one. */
static int row_of(struct digest *d, struct hashmap *m, const struct profile *p, uint32_t labels,
		  uint32_t *ret)
{
	struct digest_row row;
	int err = fill_row(d, p, labels, &row);
	uint64_t hash = hash_bytes(row.texts, sizeof(row.texts));
	uint32_t at = err ? HASHMAP_NONE : hashmap__find(m, hash, same_texts, row.texts, d);

	if (err || at != HASHMAP_NONE) {
		*ret = at;
		return err;
	}
	if (d->n == d->cap) {
		uint32_t cap = d->cap + d->cap / 2 + 32;
		struct digest_row *rows = realloc(d->rows, cap * sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		d->rows = rows;
		d->cap = cap;
	}
	err = hashmap__add(m, hash, d->n);
	if (!err) {
		d->rows[d->n] = row;
		*ret = d->n++;
	}
	return err;
}

static int add_up(struct digest *d, const struct profile *p, struct function_match *within)
{
	uint32_t n_sets = profile__n_label_sets(p), *rows = calloc((size_t)n_sets + 1, sizeof(*rows)), row;
	struct hashmap m;
	int err = rows ? 0 : -ENOMEM;

	hashmap__init(&m);
	for (uint32_t i = 0; !err && i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);

		if (within && !function_match__has(within, s->stack))
			continue;
		if (!rows[s->labels]) {
			err = row_of(d, &m, p, s->labels, &row);
			if (err)
				break;
			rows[s->labels] = row + 1;
		}
		row = rows[s->labels] - 1;
		for (uint32_t v = 0; v < d->n_types; v++)
			d->rows[row].values[v] = saturated_add(d->rows[row].values[v], s->values[v]);
	}
	hashmap__done(&m);
	free(rows);
	return err;
}

int digest__new(const struct profile *p, const char *function, struct digest **ret)
{
	struct function_match *within = NULL;
	struct digest *d;
	int err = 0;

	if (!profile__sealed(p))
		return -EINVAL;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->texts = intern__new(TEXTS_LIMIT);
	d->n_types = profile__n_types(p);
	err = d->texts ? profile__find_type(p, NULL, &d->default_type) : -ENOMEM;
	for (uint32_t i = 0; !err && i < d->n_types; i++) {
		err = keep_text(d, profile__str(p, profile__type(p, i).type), &d->types[i]);
		if (!err)
			err = keep_text(d, profile__str(p, profile__type(p, i).unit), &d->units[i]);
	}
	if (!err && function)
		err = function_match__new(p, function, &within);
	if (!err)
		err = add_up(d, p, within);
	function_match__free(within);
	if (err)
		digest__free(d);
	else
		*ret = d;
	return err;
}

void digest__free(struct digest *d)
{
	if (!d)
		return;
	intern__free(d->texts);
	free(d->rows);
	free(d);
}

size_t digest__bytes(const struct digest *d)
{
	return sizeof(*d) + d->cap * sizeof(*d->rows) + intern__bytes(d->texts);
}

uint32_t digest__n_rows(const struct digest *d)
{
	return d->n;
}

const struct digest_row *digest__row(const struct digest *d, uint32_t i)
{
	return &d->rows[i];
}

uint32_t digest__n_types(const struct digest *d)
{
	return d->n_types;
}

const char *digest__type(const struct digest *d, uint32_t i)
{
	return intern__str(d->texts, d->types[i], NULL);
}

const char *digest__unit(const struct digest *d, uint32_t i)
{
	return intern__str(d->texts, d->units[i], NULL);
}

uint32_t digest__default_type(const struct digest *d)
{
	return d->default_type;
}

const char *digest__text(const struct digest *d, const struct digest_row *row, int key)
{
	return row->texts[key] ? intern__str(d->texts, row->texts[key], NULL) : NULL;
}

const char *digest__label_text(const void *row, const char *key, char number[SELECTION_TEXT_MAX],
			       const void *ctx)
{
	int at = digest__key(key);

	(void)number;
	return at < 0 ? NULL : digest__text(ctx, row, at);
}
