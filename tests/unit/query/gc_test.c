// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/profile_text.h"
#include "user/query/gc.h"

static void the_share_is_of_all_and_by_runtime(void **state)
{
	struct profile *p = text_profile("samples", "count", "cpu", "nanoseconds");
	struct gc_share s = {0};
	struct buf b;

	(void)state;
	put(p, "main;work", "comm=app", 50, 5000000000);
	put(p, "runtime.gcBgMarkWorker;runtime.scanobject", "comm=app,gc=go", 30, 3000000000);
	put(p, "Scavenge", "comm=node,gc=v8", 10, 1000000000);
	put(p, "other", "gc=none of ours", 10, 1000000000);
	assert_int_equal(profile__seal(p), 0);
	assert_int_equal(gc_share__add(&s, p, NULL), 0);
	assert_int_equal(s.total, 4000000000);
	assert_int_equal(s.all, 10000000000);
	assert_int_equal(s.by_runtime[GC_GO], 3000000000);
	buf__init(&b, 1024);
	assert_true(gc_share__print(&s, &b));
	assert_string_equal(buf__str(&b), "4.00s, 40.00% of the total (go 3.00s, v8 1.00s)");
	/* another one as large: twice as much of twice as much */
	assert_int_equal(gc_share__add(&s, p, NULL), 0);
	buf__clear(&b);
	assert_true(gc_share__print(&s, &b));
	assert_string_equal(buf__str(&b), "8.00s, 40.00% of the total (go 6.00s, v8 2.00s)");
	s = (struct gc_share){0};
	assert_int_equal(gc_share__add(&s, p, "samples"), 0);
	assert_int_equal(s.total, 40);
	buf__done(&b);
	profile__free(p);
}

static void without_any_nothing_is_said(void **state)
{
	struct profile *p = text_profile("samples", "count", "cpu", "nanoseconds");
	struct gc_share s = {0};
	struct buf b;

	(void)state;
	put(p, "main;work", "comm=app", 50, 5000000000);
	assert_int_equal(profile__seal(p), 0);
	assert_int_equal(gc_share__add(&s, p, NULL), 0);
	buf__init(&b, 1024);
	assert_false(gc_share__print(&s, &b));
	assert_int_equal(b.len, 0);
	buf__done(&b);
	profile__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_share_is_of_all_and_by_runtime),
		cmocka_unit_test(without_any_nothing_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
