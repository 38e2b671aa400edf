/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exporters/format/id_table.h"

static void ids_in_order_cost_no_hash(void **state)
{
	struct id_table t;

	(void)state;
	id_table__init(&t, 1000);
	for (uint32_t i = 1; i <= 1000; i++)
		assert_int_equal(id_table__add(&t, i, 5000 - i), 0);
	for (uint32_t i = 1; i <= 1000; i++)
		assert_int_equal(id_table__find(&t, i), 5000 - i);
	assert_int_equal(t.map.n, 0);
	assert_int_equal(id_table__find(&t, 0), 0);
	assert_int_equal(id_table__find(&t, 1001), 0);
	assert_int_equal(id_table__add(&t, 1001, 1), -E2BIG);
	id_table__done(&t);
}

static void any_ids_in_any_order_are_found(void **state)
{
	static const uint64_t ids[] = {0xffffffffffffffffull, 2, 0x401000, 4, 1, 6, 3, 5, 0x100000001ull};
	struct id_table t;

	(void)state;
	id_table__init(&t, 100);
	for (uint32_t i = 0; i < 9; i++)
		assert_int_equal(id_table__add(&t, ids[i], i + 1), 0);
	for (uint32_t i = 0; i < 9; i++) {
		assert_int_equal(id_table__find(&t, ids[i]), i + 1);
		assert_int_equal(id_table__add(&t, ids[i], 77), -EEXIST);
	}
	assert_int_equal(id_table__find(&t, 7), 0);
	assert_int_equal(id_table__add(&t, 0, 1), -EINVAL);
	id_table__done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_in_order_cost_no_hash),
		cmocka_unit_test(any_ids_in_any_order_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
