// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include <cmocka.h>

#include "user/base/syscall_name.h"

static void numbers_have_the_names_of_the_kernel(void **state)
{
	(void)state;
	assert_string_equal(syscall_name__get(SYS_read), "read");
	assert_string_equal(syscall_name__get(SYS_futex), "futex");
	assert_string_equal(syscall_name__get(SYS_clock_nanosleep), "clock_nanosleep");
	assert_string_equal(syscall_name__get(SYS_ppoll), "ppoll");
}

static void newer_ones_than_the_build_are_known(void **state)
{
	(void)state;
	assert_string_equal(syscall_name__get(455), "futex_wait");
	assert_string_equal(syscall_name__get(462), "mseal");
}

static void what_is_no_number_has_no_name(void **state)
{
	(void)state;
	assert_null(syscall_name__get(-1));
	assert_null(syscall_name__get(INT16_MIN));
	assert_null(syscall_name__get(INT16_MAX));
	assert_null(syscall_name__get(400)); /* a gap in the table of every architecture with 64 bits */
}

static void names_are_known_and_others_are_not(void **state)
{
	(void)state;
	assert_true(syscall_name__is_known("epoll_pwait2"));
	assert_true(syscall_name__is_known("futex_waitv"));
	assert_true(syscall_name__is_known("cachestat"));
	assert_false(syscall_name__is_known("fuutex"));
	assert_false(syscall_name__is_known(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_have_the_names_of_the_kernel),
		cmocka_unit_test(newer_ones_than_the_build_are_known),
		cmocka_unit_test(what_is_no_number_has_no_name),
		cmocka_unit_test(names_are_known_and_others_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
