// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/profile_text.h"
#include "user/query/go_waits.h"

static void a_process_in_which_one_sleeps_does_not_stand_still(void **state)
{
	struct profile *p = text_profile("goroutines", "count", NULL, NULL);
	struct go_waits w[GO_WAITS_MAX];

	(void)state;
	put(p, "main;a", "pid=7 id,process=stuck,state=waiting,wait=chan receive", 5, 0);
	put(p, "main;b", "pid=7 id,process=stuck,state=waiting,wait=sync.Mutex.Lock", 2, 0);
	put(p, "os/signal.loop;os/signal.signal_recv", "pid=7 id,process=stuck,state=syscall", 1, 0);
	put(p, "main;a", "pid=8 id,process=alive,state=waiting,wait=chan receive", 5, 0);
	put(p, "main;c", "pid=8 id,process=alive,state=waiting,wait=sleep", 1, 0);
	put(p, "main;d", "pid=8 id,process=alive,state=running", 1, 0);
	put(p, "main;a", "pid=9 id,process=small,state=waiting,wait=select", 1, 0);
	assert_int_equal(profile__seal(p), 0);
	assert_int_equal(go_waits__of(p, w), 3);
	for (int i = 0; i < 3; i++) {
		int64_t sum = 0;

		for (uint32_t r = 0; r < GO_WAITS_REASONS; r++)
			sum += w[i].by_reason[r];
		assert_int_equal(sum, w[i].n_for_another);
		if (w[i].pid == 7) {
			assert_string_equal(w[i].process, "stuck");
			assert_int_equal(w[i].total, 7);
			assert_true(go_waits__all_stand(&w[i]));
		} else {
			assert_int_equal(w[i].n_for_another, w[i].pid == 8 ? 5 : 1);
			assert_false(go_waits__all_stand(&w[i]));
		}
	}
	profile__free(p);
}

static void other_profiles_have_none(void **state)
{
	struct profile *p = text_profile("samples", "count", "cpu", "nanoseconds");
	struct go_waits w[GO_WAITS_MAX];

	(void)state;
	put(p, "main;a", "pid=7 id,wait=select", 1, 1);
	assert_int_equal(profile__seal(p), 0);
	assert_int_equal(go_waits__of(p, w), 0);
	profile__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_in_which_one_sleeps_does_not_stand_still),
		cmocka_unit_test(other_profiles_have_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
