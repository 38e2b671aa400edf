// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "user/base/slots.h"

static void a_number_stays_until_it_is_given_back(void **state)
{
	static int things[1000];
	struct slots s = {0};
	uint32_t slot, cap;

	(void)state;
	assert_int_equal(slots__bytes(&s), 0);
	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(slots__add(&s, &things[i], &slot), 0);
		assert_int_equal(slot, i);
	}
	for (uint32_t i = 0; i < 1000; i++)
		assert_ptr_equal(s.items[i], &things[i]);
	slots__remove(&s, 7);
	slots__remove(&s, 990);
	assert_null(s.items[7]);
	assert_int_equal(slots__count(&s), 998);
	/* the table does not grow while there are free ones */
	cap = s.cap;
	assert_int_equal(slots__add(&s, &things[990], &slot), 0);
	assert_int_equal(slot, 990);
	assert_int_equal(slots__add(&s, &things[7], &slot), 0);
	assert_int_equal(slot, 7);
	assert_int_equal(s.cap, cap);
	assert_int_equal(slots__count(&s), 1000);
	slots__done(&s);
	assert_int_equal(slots__bytes(&s), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_stays_until_it_is_given_back),
	};

	return cmocka_run_group_tests_name("base/slots", tests, NULL, NULL);
}
