/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/symbolize/symbol.h"

static void fallback_is_binary_and_offset(void **state)
{
	char buf[SYMBOL_FALLBACK_MAX], longest[600];

	(void)state;
	assert_string_equal(symbol__fallback(buf, "/usr/lib/libfoo.so.1", 0x1a2b), "[libfoo.so.1]+0x1a2b");
	assert_string_equal(symbol__fallback(buf, "redis-server", 0), "[redis-server]+0x0");
	assert_string_equal(symbol__fallback(buf, "[vdso]", UINT64_MAX), "[vdso]+0xffffffffffffffff");
	assert_string_equal(symbol__fallback(buf, "", 1), "[]+0x1");
	assert_string_equal(symbol__fallback(buf, "/", 1), "[/]+0x1");
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	symbol__fallback(buf, longest, UINT64_MAX);
	assert_non_null(strstr(buf, "]+0xffffffffffffffff"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fallback_is_binary_and_offset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
