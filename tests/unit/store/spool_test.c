// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "user/store/outage.h"
#include "user/store/spool.h"

static void the_oldest_go_first_and_are_counted(void **state)
{
	struct store_name n = {.seconds = 60, .event = "cpu"};
	uint8_t bytes[40] = {0};
	struct spool s;

	(void)state;
	spool__init(&s, 100);
	for (n.start_s = 1; n.start_s <= 5; n.start_s++) {
		bytes[0] = (uint8_t)n.start_s;
		assert_int_equal(spool__push(&s, &n, bytes, sizeof(bytes)), 0);
		assert_true(s.bytes <= 100);
	}
	assert_int_equal(s.n, 2);
	assert_int_equal(s.n_lost, 3);
	assert_int_equal(s.first->name.start_s, 4);
	assert_int_equal(s.first->bytes[0], 4);
	assert_int_equal(s.last->bytes[0], 5);
	spool__pop(&s);
	assert_int_equal(s.first->bytes[0], 5);
	spool__pop(&s);
	assert_null(s.first);
	assert_null(s.last);
	assert_int_equal(s.bytes, 0);
	spool__pop(&s);
	spool__done(&s);
}

static void a_window_over_the_limit_is_refused_and_pushes_nobody_out(void **state)
{
	struct store_name n = {.seconds = 60, .event = "cpu"};
	uint8_t bytes[101] = {0};
	struct spool s;

	(void)state;
	spool__init(&s, 100);
	assert_int_equal(spool__push(&s, &n, bytes, 60), 0);
	assert_int_equal(spool__push(&s, &n, bytes, 101), -E2BIG);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.n_lost, 1);
	assert_int_equal(spool__push(&s, &n, bytes, 100), 0);
	assert_int_equal(s.n, 1);
	spool__done(&s);
	assert_int_equal(s.n, 0);
}

static void pauses_double_from_a_second_to_a_minute(void **state)
{
	static const uint64_t pauses_s[] = {1, 2, 4, 8, 16, 32, 60, 60};
	uint64_t now = 5000000000ull, length;
	struct outage o = {0};

	(void)state;
	assert_true(outage__may_try(&o, now));
	for (size_t i = 0; i < sizeof(pauses_s) / sizeof(*pauses_s); i++) {
		assert_int_equal(outage__fail(&o, -ENOSPC, now), i == 0);
		now += pauses_s[i] * 1000000000ull;
		assert_false(outage__may_try(&o, now - 1));
		assert_true(outage__may_try(&o, now));
	}
	assert_true(outage__end(&o, now, &length));
	assert_int_equal(length, 183000000000ull);
	assert_false(outage__end(&o, now, &length));
	assert_true(outage__fail(&o, -EROFS, now));
	assert_int_equal(o.pause_ns, OUTAGE_FIRST_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_oldest_go_first_and_are_counted),
		cmocka_unit_test(a_window_over_the_limit_is_refused_and_pushes_nobody_out),
		cmocka_unit_test(pauses_double_from_a_second_to_a_minute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
