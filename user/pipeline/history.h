/* SPDX-License-Identifier: Apache-2.0 */
/*
 * history - the closed windows of the last minutes, for who wants to look back.
 *
 * Owns: a reference on each window. Thread: one owner. Limit: age and bytes, the oldest goes first and is counted when bytes made it go; for want of bytes none goes
 * before HISTORY_TAKEN_NS are over: who asks for a range that is still to come (live.h) takes a window after it has ended, and whoever writes it has it as long, mostly. Errors: none.
 */
#ifndef EVERPROF_PIPELINE_HISTORY_H
#define EVERPROF_PIPELINE_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "user/base/clock.h"

#define HISTORY_WINDOWS_MAX 512
#define HISTORY_TAKEN_NS    (5 * NS_PER_SEC)

struct window;

struct history {
	struct window *windows[HISTORY_WINDOWS_MAX]; /* a ring */
	uint32_t first, n;
	uint64_t age_ns;
	size_t limit_bytes, bytes;
	uint64_t n_evicted;
};

void history__init(struct history *h, uint64_t age_ns, size_t limit_bytes);
void history__done(struct history *h);
/* Takes the caller's reference. */
void history__add(struct history *h, struct window *w);
/* Drops what is older than the age at now_ns or over the limit. */
void history__trim(struct history *h, uint64_t now_ns);
/* The i-th oldest, borrowed; NULL past the end. */
struct window *history__get(const struct history *h, uint32_t i);

#endif
