/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "user/base/buf.h"
#include "user/query/printable.h"

static void names_cannot_move_the_cursor(void **state)
{
	struct buf b;

	(void)state;
	buf__init(&b, 100);
	printable__append(&b, "a\033[2Jb\nc\x7f \xc2\x9b"
			      "1m na\xc3\xafve");
	assert_string_equal(buf__str(&b), "a?[2Jb?c? ?1m na\xc3\xafve");
	buf__done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_cannot_move_the_cursor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
