// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. An alarm that comes and goes with every sample is switched off by whoever gets it; one that misses a spike is not worth having. What decides is a
 * few comparisons of times that are easy to get wrong by one.
 *
 * Idea. All that decides is in one pure step function: the state before, what the condition says now, the time. It knows neither limits nor captures: those
 * only decide whether a READY is let through, so they cannot disturb the counting.
 *
 * Rejected. Counting samples instead of time: passes come late when the machine is busy, which is just when rules are to fire. Counting "hits in the
 * window" of the longest rule for all: each rule has its own.
 *
 * Invariants. It is never READY while the condition does not hold at this very step. With a duration, every step since since_ns was a hit, that is the duration
 * ago but for ALERT_JITTER_NS, and no two are further apart than ALERT_GAP_NS; with M of N, M of the last N seconds had a hit. FIRING is entered by alert_state__fire only.
 *
 * Cost. Some tens of nanoseconds; 140 bytes.
 */
#include "user/alert/alert_state.h"

#include <string.h>

#define SECOND_NS 1000000000ull
#define WORDS     (sizeof(((struct alert_state *)0)->seconds) / sizeof(uint64_t))

static const char *const names[ALERT_PHASE_N] = {"inactive", "pending", "firing", "keep-firing"};

const char *alert_phase__name(enum alert_phase phase)
{
	return names[phase];
}

/* ---- M of N seconds --------------------------------------------------------------------------------------------------- */

static void shift(struct alert_state *s, uint64_t by)
{
	if (by >= WORDS * 64) {
		memset(s->seconds, 0, sizeof(s->seconds));
		return;
	}
	for (size_t i = WORDS; i-- > 0;) {
		size_t words = by / 64, bits = by % 64;
		uint64_t v = i >= words ? s->seconds[i - words] << bits : 0;

		if (bits && i > words)
			v |= s->seconds[i - words - 1] >> (64 - bits);
		s->seconds[i] = v;
	}
}

static uint32_t count_hits(const struct alert_state *s, uint32_t n_seconds)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < WORDS && i * 64 < n_seconds; i++) {
		uint32_t left = n_seconds - i * 64;
		uint64_t mask = left >= 64 ? ~0ull : (1ull << left) - 1;

		n += (uint32_t)__builtin_popcountll(s->seconds[i] & mask);
	}
	return n;
}

static void note_second(struct alert_state *s, bool hit, uint64_t now_ns)
{
	if (s->last_ns && now_ns > s->last_ns)
		shift(s, now_ns / SECOND_NS - s->last_ns / SECOND_NS);
	if (hit)
		s->seconds[0] |= 1;
}

/* ---- steps ------------------------------------------------------------------------------------------------------------ */

static enum alert_step enter(struct alert_state *s, enum alert_phase phase, uint64_t now_ns,
			     enum alert_step step)
{
	s->phase = phase;
	s->since_ns = now_ns;
	return step;
}

static enum alert_step step_hits(struct alert_state *s, const struct alert_timing *t, bool hit,
				 uint64_t now_ns)
{
	uint32_t n = count_hits(s, t->seconds);

	if (!n)
		return s->phase == ALERT_PENDING ? enter(s, ALERT_INACTIVE, now_ns, ALERT_DROPS)
						 : ALERT_STAYS;
	if (s->phase == ALERT_INACTIVE) {
		enter(s, ALERT_PENDING, now_ns, ALERT_BEGINS);
		return hit && n >= t->hits ? ALERT_READY : ALERT_BEGINS;
	}
	return hit && n >= t->hits ? ALERT_READY : ALERT_STAYS;
}

static enum alert_step step_quiet(struct alert_state *s, const struct alert_timing *t, bool hit, bool gap,
				  uint64_t now_ns)
{
	bool begins;

	if (t->hits)
		return step_hits(s, t, hit, now_ns);
	if (!hit)
		return s->phase == ALERT_PENDING ? enter(s, ALERT_INACTIVE, now_ns, ALERT_DROPS)
						 : ALERT_STAYS;
	begins = s->phase == ALERT_INACTIVE || gap;
	if (begins)
		enter(s, ALERT_PENDING, now_ns, ALERT_BEGINS);
	if (now_ns - s->since_ns + ALERT_JITTER_NS >= t->duration_ns)
		return ALERT_READY;
	return begins ? ALERT_BEGINS : ALERT_STAYS;
}

static enum alert_step resolve(struct alert_state *s, uint64_t now_ns)
{
	memset(s->seconds, 0, sizeof(s->seconds));
	return enter(s, ALERT_INACTIVE, now_ns, ALERT_RESOLVES);
}

static enum alert_step step_firing(struct alert_state *s, const struct alert_timing *t, enum outcome outcome,
				   uint64_t now_ns)
{
	if (outcome == OUTCOME_HIT || outcome == OUTCOME_BETWEEN)
		return ALERT_STAYS;
	if (outcome == OUTCOME_UNKNOWN && now_ns < s->known_ns + ALERT_GAP_NS)
		return ALERT_STAYS;
	if (t->hits && count_hits(s, t->seconds) >= t->hits)
		return ALERT_STAYS;
	if (t->keep_ns)
		return enter(s, ALERT_KEPT, now_ns, ALERT_OVER);
	return resolve(s, now_ns);
}

static enum alert_step step_kept(struct alert_state *s, const struct alert_timing *t, bool hit,
				 uint64_t now_ns)
{
	if (hit) {
		s->phase = ALERT_FIRING;
		s->since_ns = s->fired_ns;
		return ALERT_RESUMES;
	}
	return now_ns - s->since_ns >= t->keep_ns ? resolve(s, now_ns) : ALERT_STAYS;
}

enum alert_step alert_state__step(struct alert_state *s, const struct alert_timing *t, enum outcome outcome,
				  uint64_t now_ns)
{
	bool hit = outcome == OUTCOME_HIT, gap = s->last_ns && now_ns - s->last_ns > ALERT_GAP_NS;
	enum alert_step step;

	if (t->hits)
		note_second(s, hit, now_ns);
	if (outcome != OUTCOME_UNKNOWN)
		s->known_ns = now_ns;
	switch (s->phase) {
	case ALERT_FIRING:
		step = step_firing(s, t, outcome, now_ns);
		break;
	case ALERT_KEPT:
		step = step_kept(s, t, hit, now_ns);
		break;
	default:
		step = step_quiet(s, t, hit, gap, now_ns);
	}
	s->last_ns = now_ns;
	return step;
}

void alert_state__fire(struct alert_state *s, uint64_t now_ns)
{
	s->phase = ALERT_FIRING;
	s->since_ns = s->fired_ns = s->last_ns = s->known_ns = now_ns;
}

void alert_state__end(struct alert_state *s)
{
	*s = (struct alert_state){.last_ns = s->last_ns};
}

void alert_state__held(const struct alert_state *s, const struct alert_timing *t, uint64_t now_ns,
		       uint64_t *ret_held, uint64_t *ret_of)
{
	*ret_of = t->hits ? t->hits : t->duration_ns;
	*ret_held = 0;
	if (t->hits)
		*ret_held = count_hits(s, t->seconds);
	else if (s->phase == ALERT_PENDING)
		*ret_held = now_ns - s->since_ns;
}
