// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/support/profile_text.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/query/deadlocks.h"

static struct profile *fresh(void)
{
	return text_profile("contentions", "count", NULL, NULL);
}

static void a_circle_is_told_from_the_thread_that_it_is_named_by(void **state)
{
	struct profile *p = fresh();
	struct buf b;

	(void)state;
	put(p, "main;b",
	    "pid=7 id,tid=9 id,process=knot,comm=two,holder=one,holder_tid=8 "
	    "id,lock_address=0x20,deadlock='8",
	    1, 0);
	put(p, "main;a",
	    "pid=7 id,tid=8 id,process=knot,comm=one,holder=two,holder_tid=9 "
	    "id,lock_address=0x10,deadlock='8",
	    1, 0);
	/* another window's, merged: the same thread at another place */
	put(p, "main;c",
	    "pid=7 id,tid=8 id,process=knot,comm=one,holder=two,holder_tid=9 "
	    "id,lock_address=0x10,deadlock='8",
	    1, 0);
	/* a thread of that number that waits for nobody in the circle */
	put(p, "main;d", "pid=6 id,tid=8 id,process=other,comm=one", 1, 0);
	put(p, "main;e",
	    "pid=5 id,tid=3 id,process=self,comm=only,holder=only,holder_tid=3 "
	    "id,lock_address=0x30,deadlock='3",
	    1, 0);
	assert_int_equal(profile__seal(p), 0);
	buf__init(&b, 4096);
	assert_int_equal(deadlocks__print(p, &b), 2);
	assert_string_equal(buf__str(&b),
			    "deadlock: 2 threads of process 7 'knot' wait for each other\n"
			    "    thread 8 'one' waits for the lock at 0x10, which thread 9 'two' holds\n"
			    "        a\n        main\n"
			    "    thread 9 'two' waits for the lock at 0x20, which thread 8 'one' holds\n"
			    "        b\n        main\n"
			    "deadlock: 1 thread of process 5 'self' waits for itself\n"
			    "    thread 3 'only' waits for the lock at 0x30, which thread 3 'only' holds\n"
			    "        e\n        main\n");
	buf__done(&b);
	profile__free(p);
}

/* Anybody's file may be opened: each sample a circle of its own, or all in one. */
static void the_time_grows_with_the_samples_and_not_with_their_square(void **state)
{
	enum { N = 60000 };
	const uint64_t limit_ns =
		5 * NS_PER_SEC; /* it takes a hundredth of it, and their square ten times as much */

	(void)state;
	for (int apart = 0; apart < 2; apart++) {
		struct profile *p = fresh();
		uint64_t start;
		char labels[128];

		for (int i = 1; i <= N; i++) {
			snprintf(labels, sizeof(labels), "tid=%d id,holder_tid=%d id,deadlock='%d", i,
				 i % N + 1, apart ? i : 1);
			put(p, "main", labels, 1, 0);
		}
		assert_int_equal(profile__seal(p), 0);
		start = clock__thread_cpu_ns();
		assert_int_equal(deadlocks__each(p, NULL, NULL), apart ? N : 1);
		assert_true(clock__thread_cpu_ns() - start < limit_ns);
		profile__free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_circle_is_told_from_the_thread_that_it_is_named_by),
		cmocka_unit_test(the_time_grows_with_the_samples_and_not_with_their_square),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
