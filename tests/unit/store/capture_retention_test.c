// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/base/clock.h"
#include "user/store/capture_retention.h"

#define NOW 1000000ull

static uint32_t choose(struct capture_standing *c, uint32_t n, struct capture_limits limits)
{
	uint32_t n_going = 0, seen = 0;

	assert_int_equal(capture_retention__choose(c, n, NOW, &limits, &n_going), 0);
	for (uint32_t i = 0; i < n; i++)
		seen += c[i].goes;
	assert_int_equal(seen, n_going);
	return n_going;
}

/* "--x-x": which of them go. */
static void assert_goes(const struct capture_standing *c, uint32_t n, const char *expected)
{
	char got[64];

	for (uint32_t i = 0; i < n; i++)
		got[i] = c[i].goes ? 'x' : '-';
	got[n] = '\0';
	assert_string_equal(got, expected);
}

static void a_long_episode_keeps_how_it_began_and_how_bad_it_got(void **state)
{
	struct capture_standing c[] = {
		{.time_ms = 1, .episode = 7, .severity = 80, .bytes = 10},
		{.time_ms = 2, .episode = 7, .severity = 85, .bytes = 10},
		{.time_ms = 3, .episode = 7, .severity = 99, .bytes = 10},
		{.time_ms = 4, .episode = 7, .severity = 90, .bytes = 10},
		{.time_ms = 5, .episode = 7, .severity = 81, .bytes = 10},
	};

	(void)state;
	choose(c, 5, (struct capture_limits){.max_per_rule = 3});
	assert_goes(c, 5, "-x-x-");
	/* when only those are left, the oldest, but never the newest of all */
	choose(c, 5, (struct capture_limits){.max_per_rule = 2});
	assert_goes(c, 5, "xx-x-");
	choose(c, 5, (struct capture_limits){.max_bytes = 10});
	assert_goes(c, 5, "xxxx-");
}

static void a_pinned_one_counts_in_bytes_and_never_goes(void **state)
{
	struct capture_standing c[] = {
		{.time_ms = 1, .episode = 1, .bytes = 100, .is_pinned = true},
		{.time_ms = 2, .episode = 2, .bytes = 10},
		{.time_ms = 3, .episode = 3, .bytes = 10},
	};

	(void)state;
	choose(c, 3, (struct capture_limits){.max_bytes = 110});
	assert_goes(c, 3, "-x-");
	choose(c, 3, (struct capture_limits){.max_bytes = 1, .age_ms = 10, .max_per_rule = 1});
	assert_goes(c, 3, "-xx");
}

static void the_number_is_each_rule_s_own(void **state)
{
	struct capture_standing c[] = {
		{.time_ms = 1, .episode = 1, .rule = 0}, {.time_ms = 2, .episode = 2, .rule = 1},
		{.time_ms = 3, .episode = 3, .rule = 1}, {.time_ms = 4, .episode = 4, .rule = 0},
		{.time_ms = 5, .episode = 5, .rule = 1},
	};

	(void)state;
	choose(c, 5, (struct capture_limits){.max_per_rule = 2});
	assert_goes(c, 5, "-x---");
}

static void no_limit_deletes_nothing(void **state)
{
	struct capture_standing c[2] = {{.time_ms = 1}, {.time_ms = 2}};

	(void)state;
	assert_int_equal(choose(c, 2, (struct capture_limits){0}), 0);
	assert_int_equal(choose(NULL, 0, (struct capture_limits){.max_bytes = 1}), 0);
}

static bool is_telling(const struct capture_standing *c, uint32_t n, uint32_t i)
{
	bool first = true, worst = true;

	for (uint32_t j = 0; j < n; j++) {
		if (c[j].rule != c[i].rule || c[j].episode != c[i].episode)
			continue;
		first = first && j >= i;
		worst = worst &&
			(c[j].severity < c[i].severity || (c[j].severity == c[i].severity && j >= i));
	}
	return first || worst;
}

/* What must hold of any choice, whatever the captures and the limits are. */
static void check(const struct capture_standing *c, uint32_t n, const struct capture_limits *l)
{
	uint64_t bytes = 0;
	uint32_t left[4] = {0}, ordinary[4] = {0}, going_telling[4] = {0}, n_movable = 0;

	for (uint32_t i = 0; i < n; i++) {
		bool is_old = l->age_ms && c[i].time_ms < NOW - l->age_ms;
		bool is_last = i + 1 == n;

		if (c[i].is_pinned)
			assert_false(c[i].goes);
		else if (is_old)
			assert_true(c[i].goes);
		else if (is_last)
			assert_false(c[i].goes);
		bytes += c[i].goes ? 0 : c[i].bytes;
		left[c[i].rule] += !c[i].goes && !c[i].is_pinned;
		if (!c[i].goes && !c[i].is_pinned && !is_last) {
			n_movable++;
			ordinary[c[i].rule] += !is_telling(c, n, i);
		}
		if (c[i].goes && !is_old && is_telling(c, n, i))
			going_telling[c[i].rule]++;
	}
	if (l->max_bytes && bytes > l->max_bytes)
		assert_int_equal(n_movable, 0);
	for (int r = 0; r < 4; r++) {
		if (l->max_per_rule)
			assert_true(left[r] <= l->max_per_rule);
		/* the first and the worst only after all others */
		if (going_telling[r])
			assert_int_equal(ordinary[r], 0);
	}
}

static void any_choice_keeps_its_promises(void **state)
{
	uint32_t seed = 42;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		struct capture_standing c[24] = {{0}};
		struct capture_limits l = {0};
		uint32_t n, time = 1;

#define RANDOM(below) ((seed = seed * 1664525 + 1013904223) >> 8) % (below)
		n = RANDOM(25);
		for (uint32_t i = 0; i < n; i++) {
			time += RANDOM(80000);
			c[i] = (struct capture_standing){.time_ms = time,
							 .bytes = RANDOM(100),
							 .rule = RANDOM(4),
							 .episode = RANDOM(5),
							 .severity = RANDOM(6),
							 .is_pinned = RANDOM(8) == 0};
		}
		l.age_ms = RANDOM(3) ? 0 : RANDOM(900000) + 1;
		l.max_bytes = RANDOM(2) ? 0 : RANDOM(1000) + 1;
		l.max_per_rule = RANDOM(2) ? 0 : RANDOM(6) + 1;
#undef RANDOM
		choose(c, n, l);
		check(c, n, &l);
	}
}

/* They are all there, however many: who keeps 10,000 of each rule has them. */
static void the_time_grows_with_the_captures_and_not_with_their_square(void **state)
{
	enum { N = 200000 };
	const uint64_t limit_ns =
		5 * NS_PER_SEC; /* it takes a fiftieth of it, and their square several times as much */
	struct capture_standing *c = calloc(N, sizeof(*c));
	uint64_t start;

	(void)state;
	assert_non_null(c);
	for (uint32_t i = 0; i < N; i++)
		c[i] = (struct capture_standing){.time_ms = i, .rule = i % 1000, .episode = i, .bytes = 1};
	start = clock__thread_cpu_ns();
	assert_int_equal(choose(c, N, (struct capture_limits){.max_per_rule = 150, .max_bytes = 100000}),
			 N - 100000);
	assert_true(clock__thread_cpu_ns() - start < limit_ns);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_long_episode_keeps_how_it_began_and_how_bad_it_got),
		cmocka_unit_test(a_pinned_one_counts_in_bytes_and_never_goes),
		cmocka_unit_test(the_number_is_each_rule_s_own),
		cmocka_unit_test(no_limit_deletes_nothing),
		cmocka_unit_test(any_choice_keeps_its_promises),
		cmocka_unit_test(the_time_grows_with_the_captures_and_not_with_their_square),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
