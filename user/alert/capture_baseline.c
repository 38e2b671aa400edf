// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: a profile of something gone wrong shows what it does; what of that is wrong, only another profile tells.
 *
 * Idea: the store has the minutes before. The hour before the condition began to hold is closest in everything but the fault; where that hour is not there (a fresh
 * start), the same hour of the day before. Sums over an hour are scaled to the length of the capture, so that a value beside a value means something.
 *
 * A process that has just been started again has no hour before, but its program has: the same executable under the same name, in the same unit. Of a program that runs
 * in many processes the mean of one is taken, else a worker would be compared with all of them.
 *
 * Invariants: the baseline ends before the condition began to hold, and before `before` begins. Files from before a process's start are not observed time of it.
 *
 * Cost: reading BASELINE_FILES_MAX files at most, on the thread that may wait; one of them in memory beside the sum.
 *
 * Rejected: a moving average kept in memory (costs all processes something all the time, for a capture that may never come).
 */
#include "user/alert/capture_baseline.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/format/pprof.h"
#include "user/alert/capture_case.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/profile/merge.h"
#include "user/profile/profile.h"
#include "user/store/store.h"

#define HOUR_NS       (3600 * NS_PER_SEC)
#define DAY_NS        (24 * HOUR_NS)
#define GAP_NS        (10 * NS_PER_SEC) /* what leads to a fault begins before it is measured */
#define FILE_MAX      ((size_t)256 << 20)
#define FILES_CAP     4096
#define PROCESSES_MAX 256

struct range {
	const char *kind;
	uint64_t from_ns, to_ns;
	bool is_by_program;
};

struct files {
	struct store_name names[FILES_CAP];
	uint32_t n;
	uint64_t not_before_ns, not_after_ns;
};

static int add_file(const struct store_file *f, void *ctx)
{
	struct files *l = ctx;

	if (l->n < FILES_CAP && f->name.start_s * NS_PER_SEC >= l->not_before_ns &&
	    store_name__end_s(&f->name) * NS_PER_SEC <= l->not_after_ns)
		l->names[l->n++] = f->name;
	return 0;
}

static int decode_file(struct store *store, const struct store_name *name, struct profile **ret)
{
	struct buf b;
	int err;

	buf__init(&b, FILE_MAX);
	err = store__read(store, name, FILE_MAX, &b);
	if (!err)
		err = pprof__decode(b.data, b.len, NULL, ret, NULL);
	buf__done(&b);
	return err;
}

static bool is_label(const struct profile *p, uint32_t labels, const char *key, const char *text)
{
	const struct label *l = profile__find_label(p, labels, key);

	return !strcmp(l && l->str ? profile__str(p, l->str) : "", text ? text : "");
}

static bool keeps_program(const struct profile *p, uint32_t labels, void *ctx)
{
	const struct metric_target *t = &((const struct capture_case *)ctx)->request.target;

	return is_label(p, labels, "exe", t->exe) && is_label(p, labels, "process", t->comm) &&
	       is_label(p, labels, "unit", t->unit);
}

/* Processes of the program that the file has samples of. */
static uint32_t count_processes(const struct profile *p, const struct capture_case *c)
{
	int64_t pids[PROCESSES_MAX];
	uint32_t n = 0, at;

	for (uint32_t id = 1; id <= profile__n_label_sets(p); id++) {
		const struct label *pid = profile__find_label(p, id, "pid");

		if (!pid || !keeps_program(p, id, (void *)c))
			continue;
		for (at = 0; at < n && pids[at] != pid->num; at++)
			;
		if (at == n && n < PROCESSES_MAX)
			pids[n++] = pid->num;
	}
	return n;
}

static int add_up(const struct capture_case *c, struct store *store, const struct files *l,
		  const struct range *range, struct profile *sum, struct capture_baseline *b)
{
	const struct profile_merge_opts keep = {
		.keep = range->is_by_program ? keeps_program : capture_case__keeps, .keep_ctx = (void *)c};
	uint32_t step = (l->n + BASELINE_FILES_MAX - 1) / BASELINE_FILES_MAX;
	int err = 0;

	for (uint32_t i = 0; !err && i < l->n; i += step) {
		const struct store_name *name = &l->names[i];
		struct profile *p;
		int64_t duration;

		if (decode_file(store, name, &p)) {
			b->n_damaged++; /* or gone meanwhile */
			continue;
		}
		duration = profile__meta(p)->duration_ns;
		if (range->is_by_program)
			duration *= count_processes(p, c);
		err = profile__merge_as(sum, p, &keep);
		profile__free(p);
		if (err)
			break;
		if (!b->n_files++)
			b->from_ns = name->start_s * NS_PER_SEC;
		b->to_ns = store_name__end_s(name) * NS_PER_SEC;
		b->observed_ns += duration > 0 ? (uint64_t)duration : 0;
	}
	return err;
}

/* The sum as if it had been observed for length_ns. */
static int scale(const struct profile *sum, uint64_t length_ns, struct capture_baseline *b)
{
	const struct profile_merge_opts opts = {.scale_num = length_ns, .scale_den = b->observed_ns};
	struct profile *p = profile__new(NULL);
	int err = p ? profile__merge_as(p, sum, &opts) : -ENOMEM;

	if (!err) {
		profile__meta_mut(p)->duration_ns = (int64_t)length_ns;
		err = profile__comment(p, "baseline: the %s, %u files of %.0f s, scaled to %.0f s", b->kind,
				       b->n_files, (double)b->observed_ns / NS_PER_SEC,
				       (double)length_ns / NS_PER_SEC);
	}
	return profile__finish(p, err, &b->profile);
}

static int load_range(const struct capture_case *c, struct store *store, enum event ev,
		      const struct range *range, uint64_t length_ns, struct capture_baseline *b)
{
	struct files *l = calloc(1, sizeof(*l));
	struct profile *sum = profile__new(NULL);
	const struct metric_target *t = &c->request.target;
	int err = l && sum ? 0 : -ENOMEM;

	if (l) /* a roll-up may end later; the day before it does no harm */
		l->not_after_ns = range->to_ns + HOUR_NS < c->request.fired_real_ns ? range->to_ns + HOUR_NS
										    : range->to_ns;
	if (!err && t->scope == SCOPE_PROCESS && t->start_ns && !range->is_by_program)
		l->not_before_ns = clock__real_ns() - clock__boot_ns() + t->start_ns;
	if (!err)
		err = store__list(store, event__name(ev), range->from_ns, range->to_ns, add_file, l);
	if (!err)
		err = add_up(c, store, l, range, sum, b);
	if (!err && b->observed_ns < BASELINE_LEAST_NS)
		err = -ENODATA;
	if (!err)
		err = scale(sum, length_ns, b);
	profile__free(sum);
	free(l);
	return err;
}

int capture_baseline__load(const struct capture_case *c, struct store *store, enum event ev,
			   uint64_t length_ns, struct capture_baseline *ret)
{
	const struct capture_request *r = &c->request;
	uint64_t back = (r->before_ns > r->held_ns ? r->before_ns : r->held_ns) + GAP_NS;
	uint64_t to_ns = r->fired_real_ns - back;
	const uint64_t day = to_ns - DAY_NS;
	const struct range ranges[] = {
		{"hour before", to_ns - HOUR_NS, to_ns, false},
		{"same hour the day before", day - HOUR_NS / 2, day + HOUR_NS / 2, false},
		{"hour before, its program", to_ns - HOUR_NS, to_ns, true},
		{"same hour the day before, its program", day - HOUR_NS / 2, day + HOUR_NS / 2, true},
	};
	bool has_program = r->target.scope == SCOPE_PROCESS && r->target.exe && !r->selection;
	int err = -ENODATA;

	if (!store || !length_ns || r->fired_real_ns < 2 * DAY_NS + back)
		return -ENODATA;
	for (size_t i = 0; err == -ENODATA && i < sizeof(ranges) / sizeof(*ranges); i++) {
		if (ranges[i].is_by_program && !has_program)
			break;
		*ret = (struct capture_baseline){.kind = ranges[i].kind};
		err = load_range(c, store, ev, &ranges[i], length_ns, ret);
	}
	return err;
}
