// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. The same minutes lie on the disk up to three times: as windows, in an hour, in a day. Whoever adds up a range must take
 *   each of them once; whoever makes room must know what can go without losing a minute.
 *
 * Idea. A roll-up's name is a function of event and time, so "is there a roll-up over this window?" is one binary search in a sorted
 *   array, and nothing has to be remembered about which file went into which. That holds because the set of parts is closed when a roll-up
 *   begins: what comes later is named `late` and stays outside for good.
 *
 *       day    |------------------------------------- D -------------------------------------|
 *       hour   |-- h0 --|-- h1 --|-- h2 --| ...
 *       window |.|.|.|..|.|.|.|..|  gone  |          range   [-----------------)
 *                                                    h1 as a whole, h0's windows, h2 as a whole and told to be cut
 *
 * Invariants. Sorted by store_name__compare, without equals, dead ones included. `bytes` is the sum over the live.
 *   For any set of files and any range, select gives no window together with a roll-up that holds it, and nothing twice.
 *
 * Cost. 48 bytes a file. Adding at the end, where new windows go, is O(1); elsewhere a memmove. select is O(n log n) in the
 *   files of the range. Which roll-up is due is asked every second: it looks at hours that ended since, and at what an add or a deletion
 *   unsettled, not at all files (90 ms a second with half a million of them).
 *
 * What it does not do. It cannot tell a part that was deleted from one that never was; therefore the store deletes covered
 *   parts a whole roll-up at a time. A kill in the milliseconds in between leaves some of them, and a range that cuts that roll-up
 *   then gets those only.
 */
#include "user/store/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/bisect.h"
#include "user/base/clock.h"

void store_index__init(struct store_index *ix, uint32_t limit)
{
	*ix = (struct store_index){.limit = limit ? limit : STORE_FILES_MAX};
}

void store_index__done(struct store_index *ix)
{
	if (!ix)
		return;
	free(ix->entries);
	*ix = (struct store_index){.limit = ix->limit};
}

void store_index__clear(struct store_index *ix)
{
	ix->n = 0;
	ix->bytes = 0;
	memset(ix->settled_s, 0, sizeof(ix->settled_s));
}

int store_index__reserve(struct store_index *ix, uint32_t extra)
{
	struct store_entry *entries;
	uint64_t cap = ix->cap ? ix->cap : 256;

	if ((uint64_t)ix->n + extra > ix->limit)
		return -E2BIG;
	if (ix->n + extra <= ix->cap)
		return 0;
	while (cap < (uint64_t)ix->n + extra)
		cap += cap / 2;
	entries = reallocarray(ix->entries, cap, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	ix->entries = entries;
	ix->cap = (uint32_t)cap;
	return 0;
}

/* The first entry that is not before `name`. */
static uint32_t position(const struct store_index *ix, const struct store_name *name)
{
	return bisect__count(ix->n, i, store_name__compare(&ix->entries[i].name, name) < 0);
}

uint32_t store_index__lower_bound(const struct store_index *ix, uint64_t start_s)
{
	/* Nothing is longer than this, and the longer come first. */
	struct store_name first = {.start_s = start_s, .seconds = UINT32_MAX};

	return position(ix, &first);
}

const struct store_entry *store_index__find(const struct store_index *ix, const struct store_name *name)
{
	uint32_t i = position(ix, name);

	if (i == ix->n || ix->entries[i].is_dead || store_name__compare(&ix->entries[i].name, name) != 0)
		return NULL;
	return &ix->entries[i];
}

/* The roll-up of that level over this time is to be looked at again. */
static void unsettle(struct store_index *ix, enum store_level level, uint64_t start_s)
{
	uint64_t from_s = store_name__rollup("", start_s, level).start_s;

	if (ix->settled_s[level] > from_s)
		ix->settled_s[level] = from_s;
}

int store_index__insert(struct store_index *ix, const struct store_name *name, uint64_t bytes)
{
	uint32_t i = position(ix, name);
	enum store_level level = store_name__level(name);
	struct store_entry *e;
	int rc;

	if (level < STORE_DAY && !name->is_late)
		unsettle(ix, level + 1, name->start_s);
	if (i < ix->n && store_name__compare(&ix->entries[i].name, name) == 0) {
		e = &ix->entries[i];
		if (!e->is_dead)
			return -EEXIST;
		*e = (struct store_entry){.name = *name, .bytes = bytes};
		ix->bytes += bytes;
		return 0;
	}
	rc = store_index__reserve(ix, 1);
	if (rc)
		return rc;
	memmove(&ix->entries[i + 1], &ix->entries[i], (ix->n - i) * sizeof(*ix->entries));
	ix->entries[i] = (struct store_entry){.name = *name, .bytes = bytes};
	ix->n++;
	ix->bytes += bytes;
	return 0;
}

int store_index__append(struct store_index *ix, const struct store_name *name, uint64_t bytes)
{
	int rc = store_index__reserve(ix, 1);

	if (rc)
		return rc;
	ix->entries[ix->n++] = (struct store_entry){.name = *name, .bytes = bytes};
	ix->bytes += bytes;
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	const struct store_entry *x = a, *y = b;

	return store_name__compare(&x->name, &y->name);
}

void store_index__sort(struct store_index *ix)
{
	if (ix->n)
		qsort(ix->entries, ix->n, sizeof(*ix->entries), compare_entries);
}

void store_index__kill(struct store_index *ix, uint32_t i)
{
	struct store_entry *e = &ix->entries[i];

	if (e->is_dead)
		return;
	/* a day does not wait for windows that are gone, and roll-ups that are gone may be due once more; parts of one that is there change nothing */
	if (!store_index__is_covered(ix, &e->name) && !e->name.is_late) {
		unsettle(ix, STORE_HOUR, e->name.start_s);
		unsettle(ix, STORE_DAY, e->name.start_s);
	}
	e->is_dead = true;
	ix->bytes -= e->bytes;
}

void store_index__sweep(struct store_index *ix)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < ix->n; i++)
		if (!ix->entries[i].is_dead)
			ix->entries[kept++] = ix->entries[i];
	ix->n = kept;
}

static bool has_rollup(const struct store_index *ix, const struct store_name *name, enum store_level level)
{
	struct store_name rollup = store_name__rollup(name->event, name->start_s, level);

	return store_index__find(ix, &rollup) != NULL;
}

bool store_index__is_covered(const struct store_index *ix, const struct store_name *name)
{
	enum store_level level = store_name__level(name);

	if (name->is_late || level == STORE_DAY)
		return false;
	return (level == STORE_WINDOW && has_rollup(ix, name, STORE_HOUR)) || has_rollup(ix, name, STORE_DAY);
}

/* ---- select ---------------------------------------------------------------------------------------------------------- */

struct range {
	uint64_t from_ns, to_ns;
	bool of_windows; /* a roll-up that lies in it gives way to its parts, too */
};

static bool starts_in(const struct range *r, const struct store_name *n)
{
	return n->start_s * NS_PER_SEC >= r->from_ns && n->start_s * NS_PER_SEC < r->to_ns;
}

static bool overlaps(const struct range *r, const struct store_name *n)
{
	return n->start_s * NS_PER_SEC < r->to_ns && store_name__end_s(n) * NS_PER_SEC > r->from_ns;
}

static bool contains(const struct range *r, const struct store_name *n)
{
	return n->start_s * NS_PER_SEC >= r->from_ns && store_name__end_s(n) * NS_PER_SEC <= r->to_ns;
}

/* One part is enough: retention takes all of them or none. A range before the first of them is one in which nothing was profiled. */
static bool has_parts(const struct store_index *ix, const struct store_name *rollup)
{
	for (uint32_t i = store_index__lower_bound(ix, rollup->start_s); i < ix->n; i++) {
		const struct store_entry *e = &ix->entries[i];

		if (e->name.start_s >= store_name__end_s(rollup))
			break;
		if (!e->is_dead && store_name__is_within(&e->name, rollup))
			return true;
	}
	return false;
}

/* Does this roll-up, if it is there, stand for its parts in the range? */
static bool stands(const struct store_index *ix, const struct range *r, const struct store_name *rollup)
{
	if (!store_index__find(ix, rollup) || !overlaps(r, rollup))
		return false;
	return (contains(r, rollup) && !r->of_windows) || !has_parts(ix, rollup);
}

static bool is_selected(const struct store_index *ix, const struct range *r, const struct store_name *n)
{
	struct store_name hour = store_name__rollup(n->event, n->start_s, STORE_HOUR);
	struct store_name day = store_name__rollup(n->event, n->start_s, STORE_DAY);

	if (n->is_late)
		return starts_in(r, n);
	switch (store_name__level(n)) {
	case STORE_DAY:
		return stands(ix, r, n);
	case STORE_HOUR:
		return stands(ix, r, n) && !stands(ix, r, &day);
	default:
		return starts_in(r, n) && !stands(ix, r, &hour) && !stands(ix, r, &day);
	}
}

static int select_files(const struct store_index *ix, const char *event, const struct range *r,
			struct store_file **ret_files, uint32_t *ret_n)
{
	uint64_t from_s = r->from_ns / NS_PER_SEC;
	struct store_file *files = NULL, *grown;
	uint32_t n = 0, cap = 0;

	/* A day that began up to a day earlier may reach into the range. */
	for (uint32_t i = store_index__lower_bound(ix, from_s > STORE_DAY_SECONDS ? from_s - STORE_DAY_SECONDS
										  : 0);
	     i < ix->n && ix->entries[i].name.start_s * NS_PER_SEC < r->to_ns; i++) {
		const struct store_entry *e = &ix->entries[i];

		if (e->is_dead || (event && strcmp(event, e->name.event) != 0) ||
		    !is_selected(ix, r, &e->name))
			continue;
		if (n == cap) {
			cap = cap ? cap * 2 : 64;
			grown = reallocarray(files, cap, sizeof(*files));
			if (!grown) {
				free(files);
				return -ENOMEM;
			}
			files = grown;
		}
		files[n++] = (struct store_file){
			.name = e->name,
			.bytes = e->bytes,
			.is_cut = store_name__level(&e->name) != STORE_WINDOW && !contains(r, &e->name),
		};
	}
	*ret_files = files;
	*ret_n = n;
	return 0;
}

int store_index__select(const struct store_index *ix, const char *event, uint64_t from_ns, uint64_t to_ns,
			struct store_file **ret_files, uint32_t *ret_n)
{
	const struct range r = {.from_ns = from_ns, .to_ns = to_ns};

	return select_files(ix, event, &r, ret_files, ret_n);
}

int store_index__select_windows(const struct store_index *ix, const char *event, uint64_t from_ns,
				uint64_t to_ns, struct store_file **ret_files, uint32_t *ret_n)
{
	const struct range r = {.from_ns = from_ns, .to_ns = to_ns, .of_windows = true};

	return select_files(ix, event, &r, ret_files, ret_n);
}

void store_files__turn(struct store_file *files, uint32_t n)
{
	for (uint32_t i = 0; i < n / 2; i++) {
		struct store_file first = files[i];

		files[i] = files[n - 1 - i];
		files[n - 1 - i] = first;
	}
}

/* ---- roll-ups -------------------------------------------------------------------------------------------------------- */

static bool is_part(const struct store_name *n, const struct store_name *rollup)
{
	return store_name__is_within(n, rollup) &&
	       (int)store_name__level(n) + 1 == (int)store_name__level(rollup);
}

/* A day must wait while one of its hours is still to be rolled up, or could not be. */
static bool day_must_wait(const struct store_index *ix, const struct store_name *day,
			  store_verdict_fn verdict, const void *ctx)
{
	for (uint32_t i = store_index__lower_bound(ix, day->start_s);
	     i < ix->n && ix->entries[i].name.start_s < store_name__end_s(day); i++) {
		const struct store_entry *e = &ix->entries[i];
		struct store_name hour = store_name__rollup(day->event, e->name.start_s, STORE_HOUR);

		if (e->is_dead || !is_part(&e->name, &hour) || store_index__find(ix, &hour))
			continue;
		if (verdict(&hour, ctx) != STORE_ROLL_EMPTY)
			return true;
	}
	return false;
}

/* A roll-up that is over and has parts. */
static bool is_due(const struct store_index *ix, const struct store_name *rollup, store_verdict_fn verdict,
		   const void *ctx)
{
	if (store_index__find(ix, rollup))
		return false;
	if (store_name__level(rollup) == STORE_HOUR) {
		/* An hour whose day is rolled up already lost its file to retention: its windows are in the day. */
		if (has_rollup(ix, rollup, STORE_DAY))
			return false;
	} else if (day_must_wait(ix, rollup, verdict, ctx)) {
		return false;
	}
	return verdict(rollup, ctx) == STORE_ROLL;
}

/* The oldest that is due of what is not settled and is over before end_s, a start of a roll-up of that level. */
static int next_of_level(struct store_index *ix, enum store_level level, uint64_t end_s,
			 store_verdict_fn verdict, const void *ctx, struct store_name *ret_rollup)
{
	for (uint32_t i = store_index__lower_bound(ix, ix->settled_s[level]);
	     i < ix->n && ix->entries[i].name.start_s < end_s; i++) {
		const struct store_entry *e = &ix->entries[i];
		struct store_name rollup;

		if (e->is_dead || e->name.is_late || store_name__level(&e->name) + 1 != level)
			continue;
		rollup = store_name__rollup(e->name.event, e->name.start_s, level);
		if (is_due(ix, &rollup, verdict, ctx)) {
			ix->settled_s[level] = rollup.start_s;
			*ret_rollup = rollup;
			return 0;
		}
	}
	ix->settled_s[level] = end_s;
	return -ENOENT;
}

int store_index__next_rollup(struct store_index *ix, uint64_t now_s, uint64_t grace_s,
			     store_verdict_fn verdict, const void *ctx, struct store_name *ret_rollup)
{
	uint64_t latest_end_s = now_s > grace_s ? now_s - grace_s : 0;
	int rc = -ENOENT;

	for (enum store_level level = STORE_HOUR; rc && level <= STORE_DAY; level++)
		rc = next_of_level(ix, level, store_name__rollup("", latest_end_s, level).start_s, verdict,
				   ctx, ret_rollup);
	return rc;
}

int store_index__parts(const struct store_index *ix, const struct store_name *rollup,
		       struct store_name **ret_parts, uint32_t *ret_n)
{
	uint32_t first = store_index__lower_bound(ix, rollup->start_s), n = 0;
	struct store_name *parts;

	for (uint32_t i = first; i < ix->n && ix->entries[i].name.start_s < store_name__end_s(rollup); i++)
		n += !ix->entries[i].is_dead && is_part(&ix->entries[i].name, rollup);
	parts = calloc(n ? n : 1, sizeof(*parts));
	if (!parts)
		return -ENOMEM;
	n = 0;
	for (uint32_t i = first; i < ix->n && ix->entries[i].name.start_s < store_name__end_s(rollup); i++)
		if (!ix->entries[i].is_dead && is_part(&ix->entries[i].name, rollup))
			parts[n++] = ix->entries[i].name;
	*ret_parts = parts;
	*ret_n = n;
	return 0;
}
