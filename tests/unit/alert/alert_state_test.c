// SPDX-License-Identifier: Apache-2.0
/* The state machine: a table of (state, outcome) -> (state, step), and random series against what the rules say in so many words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/alert/alert_state.h"

#define S    1000000000ull
#define NOW  (1000 * S)
#define HIT  OUTCOME_HIT
#define MISS OUTCOME_MISS
#define MID  OUTCOME_BETWEEN
#define LOST OUTCOME_UNKNOWN

static const struct alert_timing ten = {.duration_ns = 10 * S, .keep_ns = 30 * S};

/* since and last: seconds before now */
static const struct {
	enum alert_phase before;
	uint64_t since, last, known;
	enum outcome outcome;
	enum alert_phase after;
	enum alert_step step;
} table[] = {
	{ALERT_INACTIVE, 0, 1, 1, HIT, ALERT_PENDING, ALERT_BEGINS},
	{ALERT_INACTIVE, 0, 1, 1, MISS, ALERT_INACTIVE, ALERT_STAYS},
	{ALERT_INACTIVE, 0, 1, 1, MID, ALERT_INACTIVE, ALERT_STAYS},
	{ALERT_INACTIVE, 0, 1, 1, LOST, ALERT_INACTIVE, ALERT_STAYS},
	{ALERT_PENDING, 5, 1, 1, HIT, ALERT_PENDING, ALERT_STAYS},
	{ALERT_PENDING, 10, 1, 1, HIT, ALERT_PENDING, ALERT_READY},
	{ALERT_PENDING, 99, 1, 1, HIT, ALERT_PENDING, ALERT_READY},
	{ALERT_PENDING, 99, 11, 11, HIT, ALERT_PENDING, ALERT_BEGINS}, /* nobody looked for 11 s */
	{ALERT_PENDING, 99, 1, 1, MISS, ALERT_INACTIVE, ALERT_DROPS},
	{ALERT_PENDING, 99, 1, 1, MID, ALERT_INACTIVE, ALERT_DROPS},
	{ALERT_PENDING, 99, 1, 1, LOST, ALERT_INACTIVE, ALERT_DROPS},
	{ALERT_FIRING, 99, 1, 1, HIT, ALERT_FIRING, ALERT_STAYS},
	{ALERT_FIRING, 99, 1, 1, MID, ALERT_FIRING, ALERT_STAYS},
	{ALERT_FIRING, 99, 1, 9, LOST, ALERT_FIRING, ALERT_STAYS},
	{ALERT_FIRING, 99, 1, 10, LOST, ALERT_KEPT, ALERT_OVER},
	{ALERT_FIRING, 99, 1, 1, MISS, ALERT_KEPT, ALERT_OVER},
	{ALERT_KEPT, 29, 1, 1, MISS, ALERT_KEPT, ALERT_STAYS},
	{ALERT_KEPT, 29, 1, 1, MID, ALERT_KEPT, ALERT_STAYS},
	{ALERT_KEPT, 29, 1, 1, LOST, ALERT_KEPT, ALERT_STAYS},
	{ALERT_KEPT, 29, 1, 1, HIT, ALERT_FIRING, ALERT_RESUMES},
	{ALERT_KEPT, 30, 1, 1, MISS, ALERT_INACTIVE, ALERT_RESOLVES},
	{ALERT_KEPT, 30, 1, 1, MID, ALERT_INACTIVE, ALERT_RESOLVES},
	{ALERT_KEPT, 30, 1, 1, LOST, ALERT_INACTIVE, ALERT_RESOLVES},
	{ALERT_KEPT, 99, 1, 1, HIT, ALERT_FIRING, ALERT_RESUMES},
};

/* "3 of 5 seconds": the seconds before that hit, the last one in bit 0. */
static const struct {
	enum alert_phase before;
	uint64_t seconds;
	enum outcome outcome;
	enum alert_phase after;
	enum alert_step step;
} hits_table[] = {
	{ALERT_INACTIVE, 0x0, HIT, ALERT_PENDING, ALERT_BEGINS},
	{ALERT_INACTIVE, 0x0, MISS, ALERT_INACTIVE, ALERT_STAYS},
	{ALERT_PENDING, 0x1, HIT, ALERT_PENDING, ALERT_STAYS},
	{ALERT_PENDING, 0x5, HIT, ALERT_PENDING, ALERT_READY},
	{ALERT_PENDING, 0x9, HIT, ALERT_PENDING, ALERT_READY},
	{ALERT_PENDING, 0x11, HIT, ALERT_PENDING, ALERT_STAYS}, /* one is five seconds ago by now */
	{ALERT_PENDING, 0x7, MISS, ALERT_PENDING, ALERT_STAYS}, /* three were, but not now */
	{ALERT_PENDING, 0x7, LOST, ALERT_PENDING, ALERT_STAYS},
	{ALERT_PENDING, 0x10, MISS, ALERT_INACTIVE, ALERT_DROPS},
	{ALERT_PENDING, 0x10, MID, ALERT_INACTIVE, ALERT_DROPS},
	{ALERT_FIRING, 0x7, MISS, ALERT_FIRING, ALERT_STAYS},
	{ALERT_FIRING, 0x3, MISS, ALERT_KEPT, ALERT_OVER},
	{ALERT_FIRING, 0x3, MID, ALERT_FIRING, ALERT_STAYS},
	{ALERT_FIRING, 0x0, HIT, ALERT_FIRING, ALERT_STAYS},
	{ALERT_KEPT, 0x0, HIT, ALERT_FIRING, ALERT_RESUMES},
	{ALERT_KEPT, 0x7, MISS, ALERT_KEPT, ALERT_STAYS},
};

static void hits_in_seconds_lead_where_their_table_says(void **state)
{
	static const struct alert_timing t = {.hits = 3, .seconds = 5, .keep_ns = 30 * S};

	(void)state;
	for (size_t i = 0; i < sizeof(hits_table) / sizeof(*hits_table); i++) {
		struct alert_state s = {.phase = hits_table[i].before,
					.since_ns = NOW - 9 * S,
					.last_ns = NOW - S,
					.known_ns = NOW - S,
					.seconds = {hits_table[i].seconds}};
		enum alert_step step = alert_state__step(&s, &t, hits_table[i].outcome, NOW);

		if (step != hits_table[i].step || s.phase != hits_table[i].after)
			fail_msg("row %zu: step %d, phase %s", i, step, alert_phase__name(s.phase));
	}
}

/* What does not come of a value: a limit lets it through, its target is gone. */
static void from_every_state_it_may_be_let_through_and_may_end(void **state)
{
	(void)state;
	for (int phase = 0; phase < ALERT_PHASE_N; phase++) {
		struct alert_state s = {
			.phase = (enum alert_phase)phase, .since_ns = NOW - 9 * S, .last_ns = NOW - S};

		assert_int_equal(alert_state__is_told(&s), phase == ALERT_FIRING || phase == ALERT_KEPT);
		alert_state__fire(&s, NOW);
		assert_int_equal(s.phase, ALERT_FIRING);
		assert_true(s.since_ns == NOW && s.fired_ns == NOW);
		s.phase = (enum alert_phase)phase;
		alert_state__end(&s);
		assert_int_equal(s.phase, ALERT_INACTIVE);
		assert_int_equal(alert_state__step(&s, &ten, MISS, NOW + S), ALERT_STAYS);
	}
}

static void each_state_and_outcome_leads_where_the_table_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct alert_state s = {.phase = table[i].before,
					.since_ns = NOW - table[i].since * S,
					.fired_ns = NOW - 99 * S,
					.last_ns = NOW - table[i].last * S,
					.known_ns = NOW - table[i].known * S};
		enum alert_step step = alert_state__step(&s, &ten, table[i].outcome, NOW);

		if (step != table[i].step || s.phase != table[i].after)
			fail_msg("row %zu: step %d, phase %s", i, step, alert_phase__name(s.phase));
	}
}

static void without_a_duration_the_first_hit_is_ready(void **state)
{
	const struct alert_timing at_once = {0}, one_of_five = {.hits = 1, .seconds = 5};
	struct alert_state s = {0};

	(void)state;
	assert_int_equal(alert_state__step(&s, &at_once, HIT, NOW), ALERT_READY);
	s = (struct alert_state){0};
	assert_int_equal(alert_state__step(&s, &one_of_five, HIT, NOW), ALERT_READY);
}

/* Each pass is late by something else: a hold of two seconds is three hits all the same, and never two. */
static void what_passes_are_late_by_costs_no_further_pass(void **state)
{
	const struct alert_timing t = {.duration_ns = 2 * S};

	(void)state;
	srand(5);
	for (int i = 0; i < 1000; i++) {
		struct alert_state s = {0};
		uint64_t late[3];

		for (int k = 0; k < 3; k++)
			late[k] = (uint64_t)rand() % ALERT_JITTER_NS;
		assert_int_equal(alert_state__step(&s, &t, HIT, NOW + late[0]), ALERT_BEGINS);
		assert_int_equal(alert_state__step(&s, &t, HIT, NOW + S + late[1]), ALERT_STAYS);
		assert_int_equal(alert_state__step(&s, &t, HIT, NOW + 2 * S + late[2]), ALERT_READY);
	}
}

static void without_keep_firing_a_miss_resolves_at_once(void **state)
{
	const struct alert_timing t = {.duration_ns = S};
	struct alert_state s = {0};

	(void)state;
	alert_state__step(&s, &t, HIT, NOW);
	assert_int_equal(alert_state__step(&s, &t, HIT, NOW + S), ALERT_READY);
	alert_state__fire(&s, NOW + S);
	assert_int_equal(alert_state__step(&s, &t, MISS, NOW + 2 * S), ALERT_RESOLVES);
	assert_int_equal(s.phase, ALERT_INACTIVE);
}

static void what_is_not_let_through_stays_ready_as_long_as_it_holds(void **state)
{
	struct alert_state s = {0};

	(void)state;
	for (uint64_t t = 0; t <= 100; t++) {
		enum alert_step step = alert_state__step(&s, &ten, HIT, NOW + t * S);

		assert_int_equal(step, t == 0 ? ALERT_BEGINS : t < 10 ? ALERT_STAYS : ALERT_READY);
	}
}

static void values_that_hover_are_one_alarm(void **state)
{
	struct alert_state s = {0};
	int fired = 0, resolved = 0;

	(void)state;
	for (uint64_t t = 0; t < 600; t++) {
		/* ten seconds above, ten just below the clear threshold */
		enum alert_step step = alert_state__step(&s, &ten, t / 11 % 2 ? MISS : HIT, NOW + t * S);

		if (step == ALERT_READY) {
			alert_state__fire(&s, NOW + t * S);
			fired++;
		}
		resolved += step == ALERT_RESOLVES;
	}
	assert_int_equal(fired, 1);
	assert_int_equal(resolved, 0);
}

/* ---- random series ---------------------------------------------------------------------------------------------------- */

#define SERIES 400

struct series {
	uint64_t at[SERIES];
	enum outcome outcome[SERIES];
	struct alert_timing timing;
};

static struct series random_series(void)
{
	static const enum outcome outcomes[] = {HIT, HIT, HIT, HIT, HIT, HIT, MISS, MID, LOST};
	struct series r = {.timing = {.duration_ns = (uint64_t)(rand() % 20) * S,
				      .keep_ns = (uint64_t)(rand() % 10) * S}};
	int stickiness = rand() % 30;
	uint64_t now = NOW + (uint64_t)rand() % S;

	if (rand() % 2) {
		r.timing.seconds = 1 + (uint32_t)(rand() % 100);
		r.timing.hits = 1 + (uint32_t)rand() % r.timing.seconds;
		r.timing.duration_ns = 0;
	}
	for (int i = 0; i < SERIES; i++) {
		/* mostly a second, sometimes late, seldom very late */
		now += rand() % 50 ? S + (uint64_t)(rand() % 200000000) - 100000000
				   : (uint64_t)(rand() % 15) * S + S;
		r.at[i] = now;
		r.outcome[i] = i && rand() % 30 < stickiness ? r.outcome[i - 1] : outcomes[rand() % 9];
	}
	return r;
}

/* What the rule's words say of the moment i, if nothing fired since `from`. */
static bool holds(const struct series *r, int from, int i)
{
	uint32_t hits = 0;
	uint64_t second = 0, now = r->at[i] / S;

	if (r->outcome[i] != HIT)
		return false;
	if (r->timing.hits) {
		for (int k = from; k <= i; k++) {
			/* each second counts once */
			if (r->outcome[k] == HIT && r->at[k] / S != second &&
			    now - r->at[k] / S < r->timing.seconds) {
				hits++;
				second = r->at[k] / S;
			}
		}
		return hits >= r->timing.hits;
	}
	for (int k = i; k >= from && r->outcome[k] == HIT; k--) {
		if (k < i && r->at[k + 1] - r->at[k] > ALERT_GAP_NS)
			return false;
		if (r->at[i] - r->at[k] + ALERT_JITTER_NS >= r->timing.duration_ns)
			return true;
	}
	return false;
}

static void random_series_fire_when_the_words_say_so_and_never_else(void **state)
{
	int fired = 0, held = 0;

	(void)state;
	srand(4711);
	for (int run = 0; run < 3000; run++) {
		struct series r = random_series();
		struct alert_state s = {0};
		int from = 0;

		for (int i = 0; i < SERIES; i++) {
			bool quiet = s.phase == ALERT_INACTIVE || s.phase == ALERT_PENDING;
			enum alert_step step = alert_state__step(&s, &r.timing, r.outcome[i], r.at[i]);

			if (quiet && (step == ALERT_READY) != holds(&r, from, i))
				fail_msg("run %d, step %d: %s", run, i,
					 step == ALERT_READY ? "fires below" : "misses a hold");
			/* each alarm is let through late at times, as limits do */
			if (step == ALERT_READY && rand() % 3) {
				alert_state__fire(&s, r.at[i]);
				fired++;
			}
			held += step == ALERT_READY;
			if (step == ALERT_RESOLVES)
				from = i + 1;
		}
	}
	assert_true(fired > 3000 && held > fired);
}

/* Between an alarm and the next there is an end, and it was over for keep_ns by then. */
static void random_alarms_end_once_and_not_before_their_time(void **state)
{
	int resolved = 0;

	(void)state;
	srand(815);
	for (int run = 0; run < 3000; run++) {
		struct series r = random_series();
		struct alert_state s = {0};
		bool fires = false;
		int last_hit = 0;

		for (int i = 0; i < SERIES; i++) {
			enum alert_step step = alert_state__step(&s, &r.timing, r.outcome[i], r.at[i]);

			if (step == ALERT_READY) {
				assert_false(fires);
				alert_state__fire(&s, r.at[i]);
				fires = true;
			}
			if (r.outcome[i] == HIT)
				last_hit = i;
			if (step == ALERT_RESOLVES) {
				assert_true(fires);
				assert_true(r.at[i] - r.at[last_hit] >= r.timing.keep_ns);
				fires = false;
				resolved++;
			}
			assert_int_equal(fires, alert_state__is_told(&s));
		}
	}
	assert_true(resolved > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_state_and_outcome_leads_where_the_table_says),
		cmocka_unit_test(hits_in_seconds_lead_where_their_table_says),
		cmocka_unit_test(from_every_state_it_may_be_let_through_and_may_end),
		cmocka_unit_test(without_a_duration_the_first_hit_is_ready),
		cmocka_unit_test(what_passes_are_late_by_costs_no_further_pass),
		cmocka_unit_test(without_keep_firing_a_miss_resolves_at_once),
		cmocka_unit_test(what_is_not_let_through_stays_ready_as_long_as_it_holds),
		cmocka_unit_test(values_that_hover_are_one_alarm),
		cmocka_unit_test(random_series_fire_when_the_words_say_so_and_never_else),
		cmocka_unit_test(random_alarms_end_once_and_not_before_their_time),
	};

	return cmocka_run_group_tests_name("alert_state", tests, NULL, NULL);
}
