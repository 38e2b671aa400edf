// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/profile_text.h"
#include "user/query/idle.h"

static struct profile *waits(void)
{
	struct profile *p = text_profile("events", "count", "off_cpu", "nanoseconds");

	put(p, "main;serve;epoll_wait", "wait=epoll,idle=event loop", 10, 8000000000);
	put(p, "main;serve;read", "wait=pipe", 3, 2000000000);
	put(p, "main;loop;sleep", "wait=sleep,idle=timer", 5, 500000000);
	put(p, "main;loop;epoll_wait", "wait=epoll,idle=event loop", 1, 1000000000);
	assert_int_equal(profile__seal(p), 0);
	return p;
}

static void what_is_left_has_no_idle_waits_and_the_rest_is_counted(void **state)
{
	struct profile *p = waits(), *shown = NULL;
	struct idle_hidden h;
	struct buf b;

	(void)state;
	assert_int_equal(idle__hide(p, NULL, &shown, &h), 0);
	assert_non_null(shown);
	assert_true(profile__sealed(shown));
	assert_int_equal(profile__n_samples(shown), 1);
	assert_int_equal(profile__get_sample(shown, 0)->values[1], 2000000000);
	assert_int_equal(profile__n_stacks(shown), 3);
	assert_int_equal(profile__n_samples(p), 4);
	assert_int_equal(h.total, 9500000000);
	assert_int_equal(h.n, 2);
	buf__init(&b, 1024);
	idle_hidden__print(&h, &b);
	assert_string_equal(buf__str(&b), "9.50s of idle waits (event loop 9.00s, timer 500.00ms)");
	buf__done(&b);
	profile__free(shown);
	profile__free(p);
}

static void amounts_are_of_the_sample_type_that_is_shown(void **state)
{
	struct profile *p = waits(), *shown = NULL;
	struct idle_hidden h;

	(void)state;
	assert_int_equal(idle__hide(p, "events", &shown, &h), 0);
	assert_int_equal(h.total, 16);
	assert_string_equal(h.unit, "count");
	profile__free(shown);
	profile__free(p);
}

static void a_profile_without_idle_waits_stays_as_it_is(void **state)
{
	struct profile *p = text_profile("samples", "count", "cpu", "nanoseconds"), *shown = NULL;
	struct idle_hidden h;

	(void)state;
	put(p, "main", "comm=idle", 1, 1);
	assert_int_equal(profile__seal(p), 0);
	assert_int_equal(idle__hide(p, NULL, &shown, &h), 0);
	assert_null(shown);
	assert_int_equal(h.total, 0);
	profile__free(p);
}

static void more_names_than_are_told_apart_are_in_the_total(void **state)
{
	struct profile *p = text_profile("events", "count", "off_cpu", "nanoseconds"), *shown = NULL;
	struct idle_hidden h;
	char labels[32];

	(void)state;
	for (int i = 0; i < IDLE_NAMES_MAX + 10; i++) {
		snprintf(labels, sizeof(labels), "idle=n%d", i);
		put(p, "main", labels, 1, i + 1);
	}
	assert_int_equal(profile__seal(p), 0);
	assert_int_equal(idle__hide(p, NULL, &shown, &h), 0);
	assert_int_equal(profile__n_samples(shown), 0);
	assert_int_equal(h.n, IDLE_NAMES_MAX);
	assert_int_equal(h.total, (IDLE_NAMES_MAX + 10) * (IDLE_NAMES_MAX + 11) / 2);
	for (uint32_t i = 1; i < h.n; i++)
		assert_true(h.by_name[i - 1].value >= h.by_name[i].value);
	profile__free(shown);
	profile__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_left_has_no_idle_waits_and_the_rest_is_counted),
		cmocka_unit_test(amounts_are_of_the_sample_type_that_is_shown),
		cmocka_unit_test(a_profile_without_idle_waits_stays_as_it_is),
		cmocka_unit_test(more_names_than_are_told_apart_are_in_the_total),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
