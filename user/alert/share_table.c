// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. "More than a quarter of the CPU goes into json_*": of each of hundreds of processes and control groups, for some dozens of patterns, out of a
 * profile of ten thousand samples.
 *
 * Idea. A pattern is compared once with each function and each file. What matches becomes a bit; bits run down the tree of stacks in one pass, as a caller's
 * node comes before those of its callees. Samples are then added up by set of labels, of which there are few, and those by target.
 *
 *      functions, files ─> bits of locations ─> bits of stacks (caller's | own) ─> sums of label sets ─> rows {want, target}
 *
 * Invariants. A stack counts once for a want, however often the function is in it. A control group has all that is below it. Shares are of CPU time, the
 * interval is of the number of samples.
 *
 * Cost. 8 ms for 64 patterns and 10,000 functions, once a window, on the thread that names it.
 */
#include "user/alert/share_table.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "user/profile/profile.h"

/* ---- rows ------------------------------------------------------------------------------------------------------------- */

static uint64_t key_of_total(void)
{
	return hash_u64(1);
}

static uint64_t key_of_want(enum metric_id metric, bool is_self, const char *of)
{
	return hash_pair(hash_u64(2 + 2 * (uint64_t)metric + is_self), hash_bytes(of, strlen(of)));
}

static uint64_t key_of_text(enum scope scope, const char *text, size_t len)
{
	return hash_pair(scope, hash_bytes(text, len));
}

static bool is_same(uint32_t index, const void *key, const void *owner)
{
	return ((const struct share_table *)owner)->rows[index].key == *(const uint64_t *)key;
}

static const struct share_row *find_row(const struct share_table *t, uint64_t key)
{
	uint32_t i = hashmap__find(&t->by_key, key, is_same, &key, t);

	return i == HASHMAP_NONE ? NULL : &t->rows[i];
}

static int row_of(struct share_table *t, uint64_t key, struct share_row **ret)
{
	uint32_t i = hashmap__find(&t->by_key, key, is_same, &key, t);
	int err;

	if (i == HASHMAP_NONE) {
		if (t->n == SHARE_ROWS_MAX)
			return -E2BIG;
		if (t->n == t->cap) {
			uint32_t cap = t->cap ? t->cap * 2 : 256;
			struct share_row *more = realloc(t->rows, cap * sizeof(*more));

			if (!more)
				return -ENOMEM;
			t->rows = more;
			t->cap = cap;
		}
		err = hashmap__add(&t->by_key, key, t->n);
		if (err)
			return err;
		i = t->n++;
		t->rows[i] = (struct share_row){.key = key};
	}
	*ret = &t->rows[i];
	return 0;
}

static int add(struct share_table *t, uint64_t want, uint64_t target, double ns, uint64_t n)
{
	struct share_row *row;
	int err = row_of(t, hash_pair(want, target), &row);

	if (!err) {
		row->ns += ns;
		row->n += n;
	}
	return err == -E2BIG ? 0 : err;
}

void share_table__init(struct share_table *t)
{
	*t = (struct share_table){0};
	hashmap__init(&t->by_key);
}

void share_table__done(struct share_table *t)
{
	hashmap__done(&t->by_key);
	free(t->rows);
	*t = (struct share_table){0};
}

/* ---- what matches ----------------------------------------------------------------------------------------------------- */

struct marks {
	uint64_t *functions, *mappings, *selfs, *stacks; /* a bit for each want */
};

static void marks__done(struct marks *m)
{
	free(m->functions);
	free(m->mappings);
	free(m->selfs);
	free(m->stacks);
}

static bool names_file(const char *pattern, const char *path)
{
	const char *slash = strrchr(path, '/');

	return !fnmatch(pattern, path, 0) || (slash && !fnmatch(pattern, slash + 1, 0));
}

static void mark_names(const struct profile *p, const struct share_want *wants, uint32_t n_wants,
		       struct marks *m)
{
	for (uint32_t w = 0; w < n_wants; w++) {
		uint64_t bit = 1ull << w;

		for (uint32_t i = 1; wants[w].metric == METRIC_function_share && i <= profile__n_functions(p);
		     i++)
			if (!fnmatch(wants[w].of, profile__str(p, profile__get_function(p, i)->name), 0))
				m->functions[i] |= bit;
		for (uint32_t i = 1; wants[w].metric == METRIC_library_share && i <= profile__n_mappings(p);
		     i++)
			if (names_file(wants[w].of, profile__str(p, profile__get_mapping(p, i)->filename)))
				m->mappings[i] |= bit;
	}
}

/* Bits of each stack, and of its leaf's innermost function alone. */
static void mark_stacks(const struct profile *p, struct marks *m)
{
	for (uint32_t id = 1; id <= profile__n_stacks(p); id++) {
		uint32_t location, parent;
		const struct location *l;
		const struct line *lines;
		uint64_t bits;

		profile__get_stack_node(p, id, &location, &parent);
		l = profile__get_location(p, location);
		lines = profile__lines(p, l);
		bits = m->mappings[l->mapping];
		m->selfs[id] = bits | (l->n_lines ? m->functions[lines[0].function] : 0);
		for (uint32_t i = 0; i < l->n_lines; i++)
			bits |= m->functions[lines[i].function];
		m->stacks[id] = m->stacks[parent] | bits;
	}
}

static int marks__make(const struct profile *p, const struct share_want *wants, uint32_t n_wants,
		       struct marks *m)
{
	*m = (struct marks){.functions = calloc(profile__n_functions(p) + 1, sizeof(uint64_t)),
			    .mappings = calloc(profile__n_mappings(p) + 1, sizeof(uint64_t)),
			    .selfs = calloc(profile__n_stacks(p) + 1, sizeof(uint64_t)),
			    .stacks = calloc(profile__n_stacks(p) + 1, sizeof(uint64_t))};
	if (!m->functions || !m->mappings || !m->selfs || !m->stacks) {
		marks__done(m);
		return -ENOMEM;
	}
	mark_names(p, wants, n_wants, m);
	mark_stacks(p, m);
	return 0;
}

/* ---- sums ------------------------------------------------------------------------------------------------------------- */

struct sum {
	double ns;
	uint64_t n;
};

/* One group and all around it. */
static int add_groups(struct share_table *t, uint64_t want, const char *path, const struct sum *s)
{
	int err = 0;

	for (size_t len = strlen(path); len && !err; len--)
		if (!path[len] || path[len] == '/')
			err = add(t, want, key_of_text(SCOPE_CGROUP, path, len), s->ns, s->n);
	return err;
}

static int add_set(struct share_table *t, const struct profile *p, uint32_t labels, uint32_t scopes,
		   uint64_t want, const struct sum *s)
{
	const struct label *pid = profile__find_label(p, labels, "pid");
	const struct label *group = profile__find_label(p, labels, "cgroup");
	const struct label *container = profile__find_label(p, labels, "container");
	int err = 0;

	if (scopes & 1u << SCOPE_SYSTEM)
		err = add(t, want, SCOPE_SYSTEM, s->ns, s->n);
	if (!err && pid && scopes & 1u << SCOPE_PROCESS)
		err = add(t, want, hash_pair(SCOPE_PROCESS, (uint64_t)pid->num), s->ns, s->n);
	if (!err && group && scopes & 1u << SCOPE_CGROUP)
		err = add_groups(t, want, profile__str(p, group->str), s);
	if (!err && container && scopes & 1u << SCOPE_CONTAINER) {
		const char *text = profile__str(p, container->str);

		err = add(t, want, key_of_text(SCOPE_CONTAINER, text, strlen(text)), s->ns, s->n);
	}
	return err;
}

/* bits NULL: all samples; else those whose stack has the bit. */
static int add_samples(struct share_table *t, const struct profile *p, uint32_t scopes, uint64_t want,
		       const uint64_t *bits, uint64_t bit)
{
	struct sum *sums = calloc(profile__n_label_sets(p) + 1, sizeof(*sums));
	uint32_t type = 0;
	int err = sums ? profile__find_type(p, NULL, &type) : -ENOMEM;

	for (uint32_t i = 0; !err && i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);

		if (bits && !(bits[s->stack] & bit))
			continue;
		sums[s->labels].ns += (double)s->values[type];
		sums[s->labels].n += s->values[0] > 0 ? (uint64_t)s->values[0] : 0;
	}
	for (uint32_t id = 0; !err && id <= profile__n_label_sets(p); id++)
		if (sums[id].ns > 0)
			err = add_set(t, p, id, scopes, want, &sums[id]);
	free(sums);
	return err;
}

int share_table__fill(struct share_table *t, const struct profile *p, const struct share_want *wants,
		      uint32_t n_wants, uint32_t scopes)
{
	struct marks m;
	int err;

	if (n_wants > SHARE_WANTS_MAX)
		n_wants = SHARE_WANTS_MAX;
	err = marks__make(p, wants, n_wants, &m);
	if (err)
		return err;
	err = add_samples(t, p, scopes, key_of_total(), NULL, 0);
	for (uint32_t w = 0; w < n_wants && !err; w++)
		err = add_samples(t, p, scopes, key_of_want(wants[w].metric, wants[w].is_self, wants[w].of),
				  wants[w].is_self ? m.selfs : m.stacks, 1ull << w);
	marks__done(&m);
	return err;
}

int share_table__set_drift(struct share_table *t, uint32_t pid, const struct profile_value *v)
{
	uint64_t want = key_of_want(METRIC_profile_drift, false, "");
	struct share_row *row;
	int err = row_of(t, hash_pair(want, hash_pair(SCOPE_PROCESS, pid)), &row);

	if (!err)
		*row = (struct share_row){row->key, v->value, v->low, v->high, v->n};
	return err;
}

/* ---- finding ---------------------------------------------------------------------------------------------------------- */

static bool key_of_target(const struct metric_target *t, uint64_t *ret)
{
	const char *text = t->scope == SCOPE_CGROUP ? t->cgroup : t->container;

	switch (t->scope) {
	case SCOPE_SYSTEM:
		*ret = SCOPE_SYSTEM;
		return true;
	case SCOPE_PROCESS:
		*ret = hash_pair(SCOPE_PROCESS, t->pid);
		return true;
	default:
		if (text)
			*ret = key_of_text(t->scope, text, strlen(text));
		return text != NULL;
	}
}

bool share_table__find(const struct share_table *t, const struct condition *c,
		       const struct metric_target *target, struct profile_value *ret)
{
	const struct share_row *all, *part;
	uint64_t key;

	if (!key_of_target(target, &key))
		return false;
	part = find_row(t, hash_pair(key_of_want(c->metric, c->is_self, c->of ? c->of : ""), key));
	if (c->metric == METRIC_profile_drift) {
		if (part)
			*ret = (struct profile_value){part->ns, part->low, part->high, part->n};
		return part != NULL;
	}
	all = find_row(t, hash_pair(key_of_total(), key));
	if (!all || all->ns <= 0)
		return false;
	*ret = profile_value__of_share(part ? fmin(part->ns / all->ns, 1) : 0, all->n);
	return true;
}
