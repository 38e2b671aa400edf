// SPDX-License-Identifier: Apache-2.0
/* Shares of functions and libraries, of each kind of target, and how sure they are. */
#include "tests/unit/alert/profiles.h"
#include "user/alert/share_table.h"

#define ALL (1u << SCOPE_SYSTEM | 1u << SCOPE_CGROUP | 1u << SCOPE_CONTAINER | 1u << SCOPE_PROCESS)

static const struct share_want wants[] = {
	{METRIC_function_share, false, "json_*"},
	{METRIC_function_share, true, "json_*"},
	{METRIC_library_share, false, "libz.so*"},
	{METRIC_library_share, true, "/lib/libz.so.1"},
};

/* 1 s each: of pid 7 in json_parse, below it in memcpy, in neither; of pid 8 in inflate, and inlined in json_get. */
static struct profile *some_profile(void)
{
	struct profile *p = text_profile("samples", "count", "cpu", "nanoseconds");
	const char *seven = "pid=7 id,cgroup=/a/b,container=c1", *eight = "pid=8 id,cgroup=/a/bc";

	put(p, "main@/bin/x;json_parse@/bin/x", seven, 100, 1000000000);
	put(p, "main@/bin/x;json_parse@/bin/x;json_value@/bin/x;memcpy@/lib/libc.so", seven, 100, 1000000000);
	put(p, "main@/bin/x;idle@/bin/x", seven, 200, 2000000000);
	put(p, "main@/bin/y;gz@/lib/libz.so.1;read@[kernel.kallsyms]", eight, 100, 1000000000);
	put(p, "main@/bin/y;walk~json_get@/bin/y", eight, 100, 1000000000);
	assert_int_equal(profile__seal(p), 0);
	return p;
}

static struct profile_value share(const struct share_table *t, int want, const struct metric_target *target)
{
	const struct condition c = {
		.metric = wants[want].metric, .is_self = wants[want].is_self, .of = wants[want].of};
	struct profile_value v = {.value = -1};

	share_table__find(t, &c, target, &v);
	return v;
}

static void each_target_has_its_own_share(void **state)
{
	const struct metric_target system = {.scope = SCOPE_SYSTEM},
				   seven = {.scope = SCOPE_PROCESS, .pid = 7},
				   eight = {.scope = SCOPE_PROCESS, .pid = 8},
				   a = {.scope = SCOPE_CGROUP, .cgroup = "/a"},
				   ab = {.scope = SCOPE_CGROUP, .cgroup = "/a/b"},
				   c1 = {.scope = SCOPE_CONTAINER, .container = "c1"},
				   nine = {.scope = SCOPE_PROCESS, .pid = 9};
	struct profile *p = some_profile();
	struct share_table t;

	(void)state;
	share_table__init(&t);
	assert_int_equal(share_table__fill(&t, p, wants, 4, ALL), 0);
	/* below it, once a stack however often it is in there, and where it was inlined */
	assert_true(share(&t, 0, &seven).value == 50 && share(&t, 0, &eight).value == 50);
	assert_true(share(&t, 0, &system).value == 50 && share(&t, 0, &a).value == 50);
	assert_true(share(&t, 0, &ab).value == 50 && share(&t, 0, &c1).value == 50);
	assert_int_equal(share(&t, 0, &seven).n, 400);
	assert_int_equal(share(&t, 0, &system).n, 600);
	/* in it alone */
	assert_true(share(&t, 1, &seven).value == 25 && share(&t, 1, &eight).value == 50);
	/* by name, by path; "/a/b" does not hold "/a/bc" */
	assert_true(share(&t, 2, &eight).value == 50 && share(&t, 2, &ab).value == 0);
	assert_true(share(&t, 3, &eight).value == 0);
	/* who has no sample has no share, not one of 0 */
	assert_true(share(&t, 0, &nine).value == -1);
	share_table__done(&t);
	profile__free(p);
}

/* Wilson's interval of 95 %, as in any table of it. */
static void few_samples_are_less_sure_than_many(void **state)
{
	struct profile_value v = profile_value__of_share(0.5, 10);

	(void)state;
	assert_true(fabs(v.low - 23.66) < 0.01 && fabs(v.high - 76.34) < 0.01);
	v = profile_value__of_share(0.5, 1000);
	assert_true(fabs(v.low - 46.91) < 0.01 && fabs(v.high - 53.09) < 0.01);
	v = profile_value__of_share(0, 100);
	assert_true(v.low == 0 && fabs(v.high - 3.70) < 0.01);
	v = profile_value__of_share(1, 100);
	assert_true(fabs(v.low - 96.30) < 0.01 && v.high > 99.999);
}

/* Of a share that is at the threshold, the lower bound is above it once in forty times: chance alone seldom fires. */
static void chance_alone_is_above_the_bound_as_seldom_as_it_says(void **state)
{
	int above = 0, runs = 4000;

	(void)state;
	srand(12);
	for (int run = 0; run < runs; run++) {
		int hits = 0;

		for (int i = 0; i < 300; i++)
			hits += rand() % 100 < 30;
		above += profile_value__of_share(hits / 300.0, 300).low > 30;
	}
	if (above > runs * 4 / 100 || above < runs / 200)
		fail_msg("%d of %d", above, runs);
}

static void rows_that_have_no_room_are_not_known(void **state)
{
	const struct share_want one = {METRIC_function_share, false, "f"};
	struct profile *p = text_profile("samples", "count", "cpu", "nanoseconds");
	struct share_table t;
	char labels[32];

	(void)state;
	for (int i = 1; i <= SHARE_ROWS_MAX / 2 + 100; i++) {
		snprintf(labels, sizeof(labels), "pid=%d id", i);
		put(p, "f@/bin/x", labels, 1, 10);
	}
	assert_int_equal(profile__seal(p), 0);
	share_table__init(&t);
	assert_int_equal(share_table__fill(&t, p, &one, 1, 1u << SCOPE_PROCESS), 0);
	assert_int_equal(t.n, SHARE_ROWS_MAX);
	share_table__done(&t);
	profile__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_target_has_its_own_share),
		cmocka_unit_test(few_samples_are_less_sure_than_many),
		cmocka_unit_test(chance_alone_is_above_the_bound_as_seldom_as_it_says),
		cmocka_unit_test(rows_that_have_no_room_are_not_known),
	};

	return cmocka_run_group_tests_name("share_table", tests, NULL, NULL);
}
