// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: a profile of samples cannot be proved by itself. The kernel accounts for each thread how long it ran and how long it waited for a CPU, exactly; what
 *   is missing between samples and account is what the profiler got wrong.
 *
 * Idea: add up all three by the same key, and judge the difference by what chance allows. A count of n ticks of v/n each has the variance v^2/n. A wait of
 *   length d that was recorded with probability p = 1-exp(-d/R), and stands for d/p then, has the variance d^2 (1-p)/p, which is R*d*x/(e^x-1) with x = d/R:
 *   R for each nanosecond of short waits, nothing for long ones. R is the period of the file; without one, each row is taken for one of its mean length whose chance
 *   was small, which allows more. Where nothing was sampled, what should have been takes its place.
 *
 * Invariants: on_cpu + runnable + blocked = wall in the account, which whoever writes it has to see to; a row whose own parts do not add up does not hold.
 *
 * Cost: one pass over the samples of the three.
 *
 * What it does not do: blame. Which state is wrong, the columns show.
 */
#include "user/query/wall.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/base/hashmap.h"
#include "user/base/intern.h"
#include "user/config/event.h"
#include "user/profile/profile.h"
#include "user/profile/saturate.h"

#define NAMES_LIMIT ((size_t)256 << 20)

static const struct {
	const char *name;
	bool for_cpu;
} states[WAIT_MAX] = {
#define STATE_ROW(id, name_, for_cpu_, text) [WAIT_##id] = {name_, for_cpu_},
	WAIT_STATES(STATE_ROW)
#undef STATE_ROW
};

static const char *const account_types[] = {"on_cpu", "runnable", "blocked", "wall"};

struct reader {
	struct wall *w;
	const char *id_label, *name_label; /* id_label NULL: the text of name_label is the key */
	struct hashmap by_key;             /* of rows */
	uint32_t cap_rows;
};

int wall__kind_of(const struct profile *p, enum wall_kind *ret_kind)
{
	uint32_t type;

	for (size_t i = 0; i < sizeof(account_types) / sizeof(*account_types); i++) {
		if (profile__find_type(p, account_types[i], &type))
			break;
		*ret_kind = WALL_ACCOUNT;
		if (i == 3)
			return 0;
	}
	if (!profile__find_type(p, event__added(EVENT_OFFCPU), &type))
		*ret_kind = WALL_OFFCPU;
	else if (!profile__find_type(p, event__added(EVENT_CPU), &type))
		*ret_kind = WALL_CPU;
	else
		return -EINVAL;
	return 0;
}

static uint64_t reader__key(const struct reader *r, uint64_t id, uint32_t name)
{
	return r->id_label ? id : name;
}

static bool row_has_key(uint32_t index, const void *key, const void *owner)
{
	const struct reader *r = owner;
	const struct wall_row *row = &r->w->rows[index];

	return reader__key(r, row->id, row->name) == *(const uint64_t *)key;
}

/* The row of (id, name): by the id where there is one, else by the name. */
static int reader__row(struct reader *r, uint64_t id, uint32_t name, struct wall_row **ret_row)
{
	uint64_t key = reader__key(r, id, name);
	uint32_t at = hashmap__find(&r->by_key, hash_u64(key), row_has_key, &key, r);
	struct wall *w = r->w;
	int err;

	if (at == HASHMAP_NONE) {
		if (w->n == r->cap_rows) {
			uint32_t cap = r->cap_rows + r->cap_rows / 2 + 64;
			struct wall_row *rows = realloc(w->rows, (size_t)cap * sizeof(*rows));

			if (!rows)
				return -ENOMEM;
			w->rows = rows;
			r->cap_rows = cap;
		}
		at = w->n;
		err = hashmap__add(&r->by_key, hash_u64(key), at);
		if (err)
			return err;
		w->rows[w->n++] = (struct wall_row){.id = id, .name = name};
	}
	*ret_row = &w->rows[at];
	return 0;
}

static int reader__row_of_sample(struct reader *r, const struct profile *p, const struct sample *s,
				 struct wall_row **ret_row)
{
	const struct label *id = r->id_label ? profile__find_label(p, s->labels, r->id_label) : NULL;
	const struct label *l = profile__find_label(p, s->labels, r->name_label);
	char none[32];
	const char *text = l ? profile__str(p, l->str) : none;
	uint32_t name;
	int err;

	if (!l)
		snprintf(none, sizeof(none), PROFILE_NO_LABEL, r->name_label);
	err = intern__add(r->w->names, text, strlen(text), &name);

	return err ? err : reader__row(r, id ? (uint64_t)id->num : 0, name, ret_row);
}

/* Of a sampled value: n events that were counted, `mean` each, of which each nanosecond stands for R. */
static double variance_of_waits(double value, double n, double mean_interval)
{
	double x = n > 0 && mean_interval > 0 ? value / n / mean_interval : 0;

	if (mean_interval <= 0)
		return n > 0 ? value * value / n : 0;
	return value * mean_interval * (x > 0 ? x / expm1(x) : 1);
}

static int state_of(const struct profile *p, const struct sample *s)
{
	const struct label *l = profile__find_label(p, s->labels, "state");

	for (int i = 0; l && i < WAIT_MAX; i++)
		if (!strcmp(profile__str(p, l->str), states[i].name))
			return i;
	return WAIT_BLOCKED;
}

static void add_cpu(struct wall_row *row, int64_t n, int64_t value)
{
	row->cpu = saturated_add(row->cpu, value);
	row->variance[WALL_ON_CPU] += n > 0 ? (double)value * (double)value / (double)n : 0;
}

static void add_wait(struct wall_row *row, int state, int64_t n, int64_t value, double mean_interval)
{
	row->states[state] = saturated_add(row->states[state], value);
	row->variance[states[state].for_cpu ? WALL_FOR_CPU : WALL_WAITING] +=
		variance_of_waits((double)value, (double)n, mean_interval);
}

static void add_account(struct wall_row *row, const struct profile *p, const struct sample *s)
{
	const struct label *state = profile__find_label(p, s->labels, "state");
	uint32_t types[4] = {0};

	for (size_t i = 0; i < 4; i++)
		(void)profile__find_type(p, account_types[i], &types[i]);
	row->wall = saturated_add(row->wall, s->values[types[3]]);
	row->is_accounted = true;
	if (state && !strcmp(profile__str(p, state->str), STATE_STOLEN)) {
		row->stolen = saturated_add(row->stolen, s->values[types[0]]);
		return;
	}
	for (int i = 0; i < WALL_PART_N; i++)
		row->exact[i] = saturated_add(row->exact[i], s->values[types[i]]);
}

static int reader__add(struct reader *r, const struct profile *p, enum wall_kind kind)
{
	const char *added = event__added(kind == WALL_CPU ? EVENT_CPU : EVENT_OFFCPU);
	const char *counted = event__counted(kind == WALL_CPU ? EVENT_CPU : EVENT_OFFCPU);
	uint32_t value = 0, count = 0;
	int err = 0;

	if (kind != WALL_ACCOUNT &&
	    (profile__find_type(p, added, &value) || profile__find_type(p, counted, &count)))
		return -EINVAL;
	for (uint32_t i = 0; i < profile__n_samples(p) && !err; i++) {
		const struct sample *s = profile__get_sample(p, i);
		struct wall_row *row;

		err = reader__row_of_sample(r, p, s, &row);
		if (err)
			break;
		if (kind == WALL_CPU)
			add_cpu(row, s->values[count], s->values[value]);
		else if (kind == WALL_OFFCPU)
			add_wait(row, state_of(p, s), s->values[count], s->values[value],
				 (double)profile__meta(p)->period);
		else
			add_account(row, p, s);
	}
	return err;
}

int64_t wall_row__sampled(const struct wall_row *r, enum wall_part part)
{
	int64_t sum = part == WALL_ON_CPU ? r->cpu : 0;

	for (int i = 0; i < WAIT_MAX && part != WALL_ON_CPU; i++)
		if (states[i].for_cpu == (part == WALL_FOR_CPU))
			sum = saturated_add(sum, r->states[i]);
	return sum;
}

int64_t wall_row__residual(const struct wall_row *r)
{
	double sum = 0;

	for (int i = 0; i < WALL_PART_N; i++)
		sum += (double)wall_row__sampled(r, (enum wall_part)i) - (double)r->exact[i];
	return (int64_t)sum;
}

bool wall_row__holds(const struct wall_row *r)
{
	double allowed = WALL_TOLERANCE * (double)r->wall, parts = (double)r->stolen;

	for (int i = 0; i < WALL_PART_N; i++) {
		double off = fabs((double)wall_row__sampled(r, (enum wall_part)i) - (double)r->exact[i]);

		parts += (double)r->exact[i];
		if (off > allowed && off * off > 9 * r->variance[i])
			return false;
	}
	return fabs(parts - (double)r->wall) <= allowed;
}

bool wall__holds(const struct wall *w)
{
	double unheld = 0;

	for (uint32_t i = 0; i < w->n; i++)
		if (!wall_row__holds(&w->rows[i]))
			unheld += (double)(w->rows[i].wall ? w->rows[i].wall
							   : -wall_row__residual(&w->rows[i]));
	return wall_row__holds(&w->all) && fabs(unheld) <= WALL_UNHELD_MAX * (double)w->all.wall;
}

/* Nothing sampled is no proof that nothing can be off: what was accounted stands in for it. */
static void allow_for_unsampled(struct wall_row *row, double cpu_period, double mean_interval)
{
	const double units[WALL_PART_N] = {cpu_period, mean_interval, mean_interval};

	for (int i = 0; i < WALL_PART_N; i++) {
		double missing = (double)row->exact[i] - (double)wall_row__sampled(row, (enum wall_part)i);

		if (missing > 0)
			row->variance[i] += missing * units[i];
	}
}

static void add_row(struct wall_row *to, const struct wall_row *r)
{
	for (int i = 0; i < WALL_PART_N; i++) {
		to->exact[i] = saturated_add(to->exact[i], r->exact[i]);
		to->variance[i] += r->variance[i];
	}
	for (int i = 0; i < WAIT_MAX; i++)
		to->states[i] = saturated_add(to->states[i], r->states[i]);
	to->stolen = saturated_add(to->stolen, r->stolen);
	to->wall = saturated_add(to->wall, r->wall);
	to->cpu = saturated_add(to->cpu, r->cpu);
}

static int compare_rows(const void *a, const void *b, void *ctx)
{
	const struct wall_row *x = a, *y = b;
	const struct wall *w = ctx;
	int order;

	if (x->wall != y->wall)
		return x->wall > y->wall ? -1 : 1;
	order = strcmp(intern__str(w->names, x->name, NULL), intern__str(w->names, y->name, NULL));
	return order ? order : x->id < y->id ? -1 : x->id > y->id;
}

/* Do all three say whose their samples are? */
static int check_labels(const struct reader *r, const struct profile *p, const char *which, struct err *e)
{
	const char *label = r->id_label ? r->id_label : r->name_label;

	for (uint32_t set = 1; set <= profile__n_label_sets(p); set++)
		if (profile__find_label(p, set, label))
			return 0;
	if (!profile__n_samples(p))
		return 0;
	return err__set(e, -ENOENT, "no sample of the %s profile has the label '%s'%s", which, label,
			strcmp(label, "tid")
				? ""
				: ": snapshots carry it with labels.tid: true, or take --by process");
}

static int read_all(struct reader *r, const struct profile *const profiles[WALL_KIND_N], struct err *e)
{
	static const char *const which[WALL_KIND_N] = {"cpu", "offcpu", "wall"};
	int err = 0;

	for (int k = 0; k < WALL_KIND_N && !err; k++)
		err = check_labels(r, profiles[k], which[k], e);
	/* the account first: it knows the names */
	for (int k = WALL_KIND_N - 1; k >= 0 && !err; k--)
		err = reader__add(r, profiles[k], (enum wall_kind)k);
	for (uint32_t i = 0; i < r->w->n && !err; i++) {
		allow_for_unsampled(&r->w->rows[i], (double)profile__meta(profiles[WALL_CPU])->period,
				    (double)profile__meta(profiles[WALL_OFFCPU])->period);
		add_row(&r->w->all, &r->w->rows[i]);
	}
	return err;
}

int wall__new(const struct profile *const profiles[WALL_KIND_N], const char *by, struct wall **ret_wall,
	      struct err *e)
{
	struct wall *w = calloc(1, sizeof(*w));
	struct reader r = {
		.w = w,
		.id_label = !strcmp(by, "thread")    ? "tid"
			    : !strcmp(by, "process") ? "pid"
						     : NULL,
		.name_label = !strcmp(by, "thread") ? "comm" : by,
	};
	int err = w ? 0 : -ENOMEM;

	hashmap__init(&r.by_key);
	for (int k = 0; k < WALL_KIND_N && !err; k++)
		err = profile__sealed(profiles[k]) ? 0 : -EINVAL;
	if (!err) {
		w->by = by;
		w->duration_ns = profile__meta(profiles[WALL_ACCOUNT])->duration_ns;
		w->names = intern__new(NAMES_LIMIT);
		err = w->names ? read_all(&r, profiles, e) : -ENOMEM;
	}
	hashmap__done(&r.by_key);
	if (err) {
		wall__free(w);
		return err;
	}
	if (w->n)
		qsort_r(w->rows, w->n, sizeof(*w->rows), compare_rows, w);
	*ret_wall = w;
	return 0;
}

void wall__free(struct wall *w)
{
	if (!w)
		return;
	intern__free(w->names);
	free(w->rows);
	free(w);
}
