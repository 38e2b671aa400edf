/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "user/pipeline/frequency.h"

static void it_is_the_configured_one_where_nobody_asks_for_another(void **state)
{
	const uint32_t raised_hz[2] = {0, 50};

	(void)state;
	assert_int_equal(frequency__allowed(99, UINT32_MAX, raised_hz, 2), 99);
	assert_int_equal(frequency__allowed(99, 99, raised_hz, 2), 99);
	assert_int_equal(frequency__allowed(99, 49, raised_hz, 2), 49);
}

/* The governor's orders always name one: the configured one where it gave up something else, or nothing any more. */
static void a_raised_one_yields_to_a_lowered_one_alone(void **state)
{
	const uint32_t raised_hz[2] = {198, 150};

	(void)state;
	assert_int_equal(frequency__allowed(99, UINT32_MAX, raised_hz, 2), 198);
	assert_int_equal(frequency__allowed(99, 99, raised_hz, 2), 198);
	assert_int_equal(frequency__allowed(99, 49, raised_hz, 2), 49);
	assert_int_equal(frequency__allowed(49, 99, raised_hz, 2),
			 198); /* configured anew: the next order will be of that */
	assert_int_equal(frequency__allowed(199, 99, raised_hz, 2), 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_the_configured_one_where_nobody_asks_for_another),
		cmocka_unit_test(a_raised_one_yields_to_a_lowered_one_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
