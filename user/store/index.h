/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index - which files the store has, in memory, in order of time; and the rules that follow from their names alone.
 *
 * Three rules live here, pure, so that the agent that writes and the commands that read agree:
 *   covered   a window whose hour (or day) has a roll-up, an hour whose day has one: it may go first when room is short.
 *   select    which files make up a range of time, so that each span is counted once (see store_index__select).
 *   next      which roll-up is due.
 *
 * Owns: its entries, sorted. Thread: one owner (the store locks around it). Limit: entries, given at init. Errors: -E2BIG, -ENOMEM, -EEXIST.
 */
#ifndef EVERPROF_STORE_INDEX_H
#define EVERPROF_STORE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/store/name.h"

#define STORE_FILES_MAX (1u << 19) /* 120 days of three windows a minute; 48 bytes each */

struct store_entry {
	struct store_name name;
	uint64_t bytes;
	bool is_dead; /* goes at the next store_index__sweep */
};

struct store_index {
	struct store_entry *entries;
	uint32_t n, cap, limit;
	uint64_t bytes; /* of the live ones */
	/* By level, of hours and days: what starts before is rolled up or will not be, unless something changes there. Of store_index__next_rollup's caller. */
	uint64_t settled_s[STORE_DAY + 1];
};

void store_index__init(struct store_index *ix, uint32_t limit);
void store_index__done(struct store_index *ix);
void store_index__clear(struct store_index *ix);
/* Room for `extra` more, so that the next adds cannot fail: -E2BIG, -ENOMEM. */
int store_index__reserve(struct store_index *ix, uint32_t extra);
/* In place: -EEXIST, -E2BIG, -ENOMEM. */
int store_index__insert(struct store_index *ix, const struct store_name *name, uint64_t bytes);
/* At the end, for a scan; store_index__sort comes before anything else is asked. */
int store_index__append(struct store_index *ix, const struct store_name *name, uint64_t bytes);
void store_index__sort(struct store_index *ix);
const struct store_entry *store_index__find(const struct store_index *ix, const struct store_name *name);
/* Marks entry i as gone: its bytes count no more at once, its slot goes at the next sweep. */
void store_index__kill(struct store_index *ix, uint32_t i);
void store_index__sweep(struct store_index *ix);
/* The first entry that does not start before start_s; n if there is none. */
uint32_t store_index__lower_bound(const struct store_index *ix, uint64_t start_s);

/* Has a roll-up that takes this entry in. Late windows have none. */
bool store_index__is_covered(const struct store_index *ix, const struct store_name *name);

/*
 * The files that make up `event` (NULL: every event) in [from_ns, to_ns), in order of time:
 *   - a window belongs to the range in which it starts;
 *   - a roll-up that lies in the range as a whole stands for its parts, a day for its hours too;
 *   - a roll-up that the range cuts gives way to its parts; where none of them is left, it stands in as a whole and is told to be
 *     cut (it holds more than was asked for);
 *   - late windows are part of no roll-up and always count.
 */
struct store_file {
	struct store_name name;
	uint64_t bytes;
	bool is_cut;
};
/* The last one first: what is newest, or all that counts of a state. */
void store_files__turn(struct store_file *files, uint32_t n);
/* An own array (free it); 0 files is success with NULL. */
int store_index__select(const struct store_index *ix, const char *event, uint64_t from_ns, uint64_t to_ns,
			struct store_file **ret_files, uint32_t *ret_n);
/* The same as fine as it is there: any roll-up gives way to its parts, and stands in for them where none is left. */
int store_index__select_windows(const struct store_index *ix, const char *event, uint64_t from_ns,
				uint64_t to_ns, struct store_file **ret_files, uint32_t *ret_n);

enum store_verdict {
	STORE_ROLL,          /* nothing against it */
	STORE_ROLL_EMPTY,    /* tried: none of its parts can be read; there is nothing to wait for */
	STORE_ROLL_REFUSED,  /* tried: it does not fit; neither will a day that needs it */
	STORE_ROLL_NOT_EVENT /* this event's values cannot be added up over time */
};
typedef enum store_verdict (*store_verdict_fn)(const struct store_name *rollup, const void *ctx);
/* The oldest hour, else the oldest day, that ended at least grace_s before now_s, has parts and no roll-up. A day waits for its
 * hours. -ENOENT: none is due. What a verdict was against is not asked for again; STORE_ROLL_EMPTY may follow STORE_ROLL. */
int store_index__next_rollup(struct store_index *ix, uint64_t now_s, uint64_t grace_s,
			     store_verdict_fn verdict, const void *ctx, struct store_name *ret_rollup);
/* Parts of that roll-up: windows of an hour, hours of a day. Own array. */
int store_index__parts(const struct store_index *ix, const struct store_name *rollup,
		       struct store_name **ret_parts, uint32_t *ret_n);

#endif
