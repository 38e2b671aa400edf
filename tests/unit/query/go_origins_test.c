// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/profile_text.h"
#include "user/query/go_origins.h"

static void the_go_statement_of_most_is_first(void **state)
{
	struct profile *p = text_profile("goroutines", "count", NULL, NULL);
	struct buf b;

	(void)state;
	put(p, "main.serve;runtime.goexit;main.handle;runtime.gopark", "state=waiting,wait=select", 30, 0);
	put(p, "main.leak;runtime.goexit;main.lost;main.deep;runtime.gopark",
	    "state=waiting,wait=chan receive", 900, 0);
	put(p, "main.leak;runtime.goexit;main.lost;runtime.gopark", "state=waiting,wait=sleep", 10, 0);
	put(p, "main.leak;runtime.goexit;main.other;runtime.gopark", "state=waiting,wait=sleep", 9, 0);
	put(p, "main.spin;main.busy;[truncated: running]", "state=running", 50, 0);
	/* nobody's go statement made the main one */
	put(p, "runtime.goexit;runtime.main;main.main;runtime.gopark", "state=waiting,wait=sleep", 1, 0);
	assert_int_equal(profile__seal(p), 0);
	buf__init(&b, 65536);
	assert_true(go_origins__print(p, &b));
	assert_string_equal(buf__str(&b),
			    "Goroutines by the go statement that made them\n"
			    "       910   91.00%  main.leak main.leak.c:11: main.lost, chan receive 900\n"
			    "        50    5.00%  main.spin main.spin.c:11: main.busy, running\n"
			    "        30    3.00%  main.serve main.serve.c:11: main.handle, select\n"
			    "         9    0.90%  main.leak main.leak.c:11: main.other, sleep\n");
	buf__done(&b);
	profile__free(p);
}

static void nothing_is_said_of_other_profiles(void **state)
{
	struct profile *p = text_profile("samples", "count", "cpu", "nanoseconds");
	struct buf b;

	(void)state;
	put(p, "main.leak;runtime.goexit;main.lost;runtime.gopark", "comm=x", 1, 1);
	assert_int_equal(profile__seal(p), 0);
	buf__init(&b, 1024);
	assert_false(go_origins__print(p, &b));
	assert_int_equal(b.len, 0);
	buf__done(&b);
	profile__free(p);
}

static void of_many_the_first_are_shown(void **state)
{
	struct profile *p = text_profile("goroutines", "count", NULL, NULL);
	char stack[64];
	struct buf b;

	(void)state;
	for (int i = 0; i < GO_ORIGINS_SHOWN + 3; i++) {
		snprintf(stack, sizeof(stack), "main.f%d;runtime.goexit;main.g;runtime.gopark", i);
		put(p, stack, "state=waiting", 100 - i, 0);
	}
	assert_int_equal(profile__seal(p), 0);
	buf__init(&b, 65536);
	assert_true(go_origins__print(p, &b));
	assert_non_null(strstr(buf__str(&b), "main.f0 "));
	assert_null(strstr(buf__str(&b), "main.f10 "));
	assert_non_null(strstr(buf__str(&b), "  and 3 more\n"));
	buf__done(&b);
	profile__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_go_statement_of_most_is_first),
		cmocka_unit_test(nothing_is_said_of_other_profiles),
		cmocka_unit_test(of_many_the_first_are_shown),
	};

	return cmocka_run_group_tests_name("go_origins", tests, NULL, NULL);
}
