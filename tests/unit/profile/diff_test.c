/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/profile_dump.h"
#include "tests/support/profile_text.h"
#include "user/profile/diff.h"

static void the_base_is_negated_and_marked(void **state)
{
	struct profile *base = text_profile("samples", "count", "cpu", "nanoseconds");
	struct profile *other = text_profile("samples", "count", "cpu", "nanoseconds");
	struct profile *want = text_profile("samples", "count", "cpu", "nanoseconds"), *diff;
	char *x, *y;

	(void)state;
	put(base, "main;gone", "comm=a", 3, 30);
	put(base, "main;same", "", 2, 20);
	put(other, "main;same", "", 5, 50);
	put(other, "main;new", "comm=a", 1, 10);
	profile__meta_mut(base)->time_ns = 1000;
	profile__meta_mut(other)->time_ns = 5000;
	profile__meta_mut(other)->duration_ns = 70;
	put(want, "main;gone", "comm=a,pprof::base=true", -3, -30);
	put(want, "main;same", "pprof::base=true", -2, -20);
	put(want, "main;same", "", 5, 50);
	put(want, "main;new", "comm=a", 1, 10);
	profile__meta_mut(want)->time_ns = 5000;
	profile__meta_mut(want)->duration_ns = 70;

	assert_int_equal(profile__diff(base, other, NULL, &diff), 0);
	assert_true(profile__sealed(diff));
	x = profile_text(diff);
	y = profile_text(want);
	assert_string_equal(x, y);
	free(x);
	free(y);
	profile__free(base);
	profile__free(other);
	profile__free(want);
	profile__free(diff);
}

static void a_profile_against_itself_sums_to_zero(void **state)
{
	struct profile *p = text_profile("samples", "count", "cpu", "nanoseconds"), *diff;
	int64_t sum = 0;

	(void)state;
	put(p, "main;a", "comm=a", 3, 30);
	put(p, "main;b", "comm=b,pprof::base=old", 2, 20);
	assert_int_equal(profile__diff(p, p, NULL, &diff), 0);
	assert_int_equal(profile__n_samples(diff), 4);
	for (uint32_t i = 0; i < 4; i++)
		sum += profile__get_sample(diff, i)->values[1];
	assert_int_equal(sum, 0);
	profile__free(p);
	profile__free(diff);
}

/* Twice as long at the same rate, to the last nanosecond, is no difference. */
static void by_time_a_rate_is_held_against_a_rate(void **state)
{
	static const struct diff_opts by_time = {.by_time = true};
	struct profile *base = text_profile("samples", "count", "cpu", "nanoseconds");
	struct profile *other = text_profile("samples", "count", "cpu", "nanoseconds"), *diff;
	int64_t sum[2] = {0, 0};

	(void)state;
	put(base, "main;same", "", 3, 31);
	put(base, "main;less", "", 5, 51);
	put(other, "main;same", "", 6, 62);
	put(other, "main;less", "", 4, 40);
	profile__meta_mut(base)->duration_ns = 1000;
	profile__meta_mut(other)->duration_ns = 2000;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(profile__diff(base, other, i ? &by_time : NULL, &diff), 0);
		for (uint32_t k = 0; k < profile__n_samples(diff); k++)
			sum[i] += profile__get_sample(diff, k)->values[1];
		profile__free(diff);
	}
	assert_int_equal(sum[0], 20);
	assert_int_equal(sum[1], -62);
	/* a profile that does not say how long it lasted is taken as it is */
	profile__meta_mut(base)->duration_ns = 0;
	assert_int_equal(profile__diff(base, other, &by_time, &diff), 0);
	for (uint32_t k = 0; k < profile__n_samples(diff); k++)
		sum[0] -= profile__get_sample(diff, k)->values[1];
	assert_int_equal(sum[0], 0);
	profile__free(diff);
	profile__free(base);
	profile__free(other);
}

static void profiles_of_different_events_have_no_difference(void **state)
{
	struct profile *base = text_profile("samples", "count", "cpu", "nanoseconds");
	struct profile *other = text_profile("faults", "count", "resident", "bytes"), *diff = NULL;

	(void)state;
	assert_int_equal(profile__diff(base, other, NULL, &diff), -EINVAL);
	assert_null(diff);
	profile__free(base);
	profile__free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_base_is_negated_and_marked),
		cmocka_unit_test(a_profile_against_itself_sums_to_zero),
		cmocka_unit_test(by_time_a_rate_is_held_against_a_rate),
		cmocka_unit_test(profiles_of_different_events_have_no_difference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
