/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert_state - where one rule stands with one target: a state machine without a clock and without I/O.
 *
 *                 hit                    held long enough, and let              miss                        keep_ns later
 *      INACTIVE ───────> PENDING ──────────────────────────────> FIRING ───────────────────> KEPT ───────────────────> INACTIVE (resolved)
 *          <───────────────┘ anything else                          <──────────────────────────┘ hit
 *
 * While what is pending has held long enough each step says READY; whoever owns it may let it fire (alert_state__fire) or keep it waiting for a limit.
 *
 * Owns: nothing. Thread: one owner. Limit: ALERT_SECONDS_MAX of N in "M of N seconds". Errors: none.
 */
#ifndef EVERPROF_ALERT_ALERT_STATE_H
#define EVERPROF_ALERT_ALERT_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "user/config/condition_set.h"

#define ALERT_SECONDS_MAX 600
/* Nobody knows what was in a gap that long: what is pending begins anew, what fires is over. Passes come once a second, late ones included. */
#define ALERT_GAP_NS (10ull * 1000000000)

/*
 * Passes are a second apart, give or take: a rule of two seconds is ready with the third hit, and not with the fourth because that one came a millisecond early. The
 * first hit tells of the second before it, so what is ready this much early has held for longer than was asked for.
 */
#define ALERT_JITTER_NS (100ull * 1000000)

enum alert_phase { ALERT_INACTIVE, ALERT_PENDING, ALERT_FIRING, ALERT_KEPT, ALERT_PHASE_N };

enum alert_step {
	ALERT_STAYS,
	ALERT_BEGINS,   /* pending from now on */
	ALERT_READY,    /* held long enough: may fire */
	ALERT_DROPS,    /* was pending, is not any more */
	ALERT_OVER,     /* was firing, is kept */
	ALERT_RESUMES,  /* was kept, fires on: no new alarm */
	ALERT_RESOLVES, /* … is resolved */
};

struct alert_timing {
	uint64_t duration_ns;
	uint32_t hits, seconds; /* hits > 0: in so many of so many seconds, in the place of duration_ns */
	uint64_t keep_ns;
};

struct alert_state {
	enum alert_phase phase;
	uint64_t since_ns; /* PENDING: of the first hit; FIRING: when it fired; KEPT: since when it is over */
	uint64_t fired_ns;
	uint64_t last_ns;  /* the last step */
	uint64_t known_ns; /* the last step that was measured; in the future: nobody can know before that */
	uint64_t seconds[(ALERT_SECONDS_MAX + 63) / 64]; /* hits, the last second in bit 0 */
};

enum alert_step alert_state__step(struct alert_state *s, const struct alert_timing *t, enum outcome outcome,
				  uint64_t now_ns);
/* After READY, or where an event fires at once. */
void alert_state__fire(struct alert_state *s, uint64_t now_ns);
/* It was firing, or kept, and its target is gone. */
void alert_state__end(struct alert_state *s);
static inline bool alert_state__is_told(const struct alert_state *s)
{
	return s->phase == ALERT_FIRING || s->phase == ALERT_KEPT;
}
/* How long it has held, of what the timing asks: both in nanoseconds, or in seconds that hit. */
void alert_state__held(const struct alert_state *s, const struct alert_timing *t, uint64_t now_ns,
		       uint64_t *ret_held, uint64_t *ret_of);
const char *alert_phase__name(enum alert_phase phase);

#endif
