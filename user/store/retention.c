// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. The store must stay within an age and a size, while the agent runs and when it starts, and what it gives up first should be
 *   what is missed least.
 *
 * Idea. Age is a promise: whatever ended before now - retention goes, roll-up or not; and windows whose hour holds them go earlier, an hour at a time, when that
 *   ended before now - window_retention. Size is a budget, and resolution is given up before time: first the parts that a roll-up covers, oldest first (those minutes stay visible as their hour, those hours as
 *   their day), then the oldest files of all.
 *
 *       oldest                                                         newest
 *       [day][day][hour][hour][hour][....windows....][....windows....]
 *         3    4    5     6     7     1: covered       2: covered         and no more than the budget asks for
 *
 * Invariants. Parts of one roll-up go together, so that a reader finds all of them or none (age alone takes them one by one, at the edge
 *   that has expired anyway). A file that is being written has a temporary name and is not in the index: it cannot be deleted. What
 *   cannot be deleted stays in the index and is counted, so that `bytes` never lies.
 *
 * Cost. One pass over the index a pass of deletion; no system call when nothing is to go, apart from the folder of a day that became
 *   empty.
 *
 * What it does not do. Captures are not counted and not deleted: they have limits of their own. A clock that jumps ahead makes
 *   files look old, and they go: the store cannot tell that from a machine that was off.
 */
#include <errno.h>
#include <string.h>

#include "user/base/clock.h"
#include "user/store/store_impl.h"

/* deletions that fail before a pass gives up: the disk is read-only, not one file immutable */
#define FAILURES_MAX 16

/* Deletes one file after the other and, behind them, the folders of the days that this empties. */
struct reaper {
	struct store *s;
	uint64_t day_s;
	bool has_day;
	uint32_t n_gone, n_failed;
};

static void reaper__day(struct reaper *r, uint64_t day_s)
{
	if (r->has_day && r->day_s != day_s)
		store_dir__remove_day(&r->s->dir, r->day_s);
	r->day_s = day_s;
	r->has_day = true;
}

static void reaper__finish(struct reaper *r)
{
	if (!r->has_day)
		return;
	store_dir__remove_day(&r->s->dir, r->day_s);
	pthread_mutex_lock(&r->s->index_lock);
	store_index__sweep(&r->s->index);
	pthread_mutex_unlock(&r->s->index_lock);
}

static void reaper__take(struct reaper *r, uint32_t i, enum store_deletion why)
{
	struct store *s = r->s;
	const struct store_entry *e = &s->index.entries[i];
	int rc = store_dir__unlink(&s->dir, &e->name);

	pthread_mutex_lock(&s->index_lock);
	if (rc && rc != -ENOENT) {
		s->stats.n_delete_errors++;
		r->n_failed++;
	} else {
		if (!rc) {
			s->stats.n_deleted[why]++;
			s->stats.deleted_bytes += e->bytes;
		}
		store_index__kill(&s->index, i);
		r->n_gone++;
	}
	pthread_mutex_unlock(&s->index_lock);
	if (!rc || rc == -ENOENT)
		reaper__day(r, e->name.start_s - e->name.start_s % STORE_DAY_SECONDS);
}

static void reap_old(struct store *s)
{
	uint64_t now_ns = store__real_ns(s), kept_from_s;
	struct reaper r = {s};

	if (!s->opts.retention_ns || now_ns < s->opts.retention_ns)
		return;
	kept_from_s = (now_ns - s->opts.retention_ns) / NS_PER_SEC;
	for (uint32_t i = 0;
	     i < s->index.n && s->index.entries[i].name.start_s < kept_from_s && r.n_failed < FAILURES_MAX;
	     i++) {
		const struct store_entry *e = &s->index.entries[i];

		if (!e->is_dead && store_name__end_s(&e->name) <= kept_from_s)
			reaper__take(&r, i, STORE_DELETED_AGE);
	}
	reaper__finish(&r);
}

static void reap_parts(struct reaper *r, const struct store_name *rollup, enum store_deletion why)
{
	const struct store_index *ix = &r->s->index;

	for (uint32_t i = store_index__lower_bound(ix, rollup->start_s);
	     i < ix->n && ix->entries[i].name.start_s < store_name__end_s(rollup); i++)
		if (!ix->entries[i].is_dead && store_name__is_within(&ix->entries[i].name, rollup))
			reaper__take(r, i, why);
}

static void reap_old_windows(struct store *s)
{
	uint64_t now_ns = store__real_ns(s), kept_from_s;
	struct reaper r = {s};

	if (!s->opts.window_retention_ns || now_ns < s->opts.window_retention_ns)
		return;
	kept_from_s = (now_ns - s->opts.window_retention_ns) / NS_PER_SEC;
	for (uint32_t i = 0;
	     i < s->index.n && s->index.entries[i].name.start_s < kept_from_s && r.n_failed < FAILURES_MAX;
	     i++) {
		const struct store_entry *e = &s->index.entries[i];
		struct store_name hour = store_name__rollup(e->name.event, e->name.start_s, STORE_HOUR);

		if (!e->is_dead && !e->name.is_late && store_name__level(&e->name) == STORE_WINDOW &&
		    store_name__end_s(&hour) <= kept_from_s && store_index__find(&s->index, &hour))
			reap_parts(&r, &hour, STORE_DELETED_ROLLED);
	}
	reaper__finish(&r);
}

/* All parts of the roll-up that covers entry i. */
static void reap_covered(struct reaper *r, uint32_t i)
{
	const struct store_index *ix = &r->s->index;
	struct store_name of = ix->entries[i].name;
	struct store_name rollup = store_name__rollup(of.event, of.start_s, STORE_HOUR);

	if (store_name__level(&of) == STORE_HOUR || !store_index__find(ix, &rollup))
		rollup = store_name__rollup(of.event, of.start_s, STORE_DAY);
	reap_parts(r, &rollup, STORE_DELETED_COVERED);
}

struct target {
	uint64_t bytes;
	uint32_t files;
};

static bool is_over(const struct reaper *r, const struct target *t)
{
	const struct store_index *ix = &r->s->index;

	return (ix->bytes > t->bytes || ix->n - r->n_gone > t->files) && r->n_failed < FAILURES_MAX;
}

static void reap_down_to(struct store *s, struct target target, enum store_deletion why)
{
	const struct store_index *ix = &s->index;
	struct reaper r = {s};

	if (!is_over(&r, &target))
		return;
	for (uint32_t i = 0; i < ix->n && is_over(&r, &target); i++)
		if (!ix->entries[i].is_dead && store_index__is_covered(ix, &ix->entries[i].name))
			reap_covered(&r, i);
	for (uint32_t i = 0; i < ix->n && is_over(&r, &target); i++)
		if (!ix->entries[i].is_dead)
			reaper__take(&r, i, why);
	reaper__finish(&r);
}

int store__apply_retention(struct store *s)
{
	uint64_t max_bytes = s->opts.max_bytes ? s->opts.max_bytes : UINT64_MAX;
	uint64_t errors_before = s->stats.n_delete_errors;

	reap_old(s);
	reap_old_windows(s);
	reap_down_to(s, (struct target){max_bytes, s->index.limit}, STORE_DELETED_BYTES);
	return s->stats.n_delete_errors == errors_before ? 0 : -EIO;
}

void store__make_room(struct store *s, uint64_t need_bytes)
{
	uint64_t bytes = s->index.bytes;

	if (need_bytes > bytes / 2)
		return;
	reap_down_to(s, (struct target){bytes - need_bytes, s->index.limit}, STORE_DELETED_FULL);
}

int store__reserve_slot(struct store *s)
{
	int rc;

	if (s->index.n >= s->index.limit)
		reap_down_to(s, (struct target){UINT64_MAX, s->index.limit - 1}, STORE_DELETED_FILES);
	pthread_mutex_lock(&s->index_lock);
	rc = store_index__reserve(&s->index, 1);
	pthread_mutex_unlock(&s->index_lock);
	return rc;
}

void store__delete_over(const struct store_name *name, void *store)
{
	struct store *s = store;
	int rc = store_dir__unlink(&s->dir, name);

	pthread_mutex_lock(&s->index_lock);
	if (!rc)
		s->stats.n_deleted[STORE_DELETED_FILES]++;
	else
		s->stats.n_delete_errors++;
	pthread_mutex_unlock(&s->index_lock);
}
