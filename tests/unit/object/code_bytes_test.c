// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/object/code_bytes.h"

#define TRAMPOLINE       0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05
#define SHORT_TRAMPOLINE 0xb8, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05

static void trampolines_are_found_in_both_forms(void **state)
{
	static const uint8_t code[] = {0x0f, 0x05, 0x90, TRAMPOLINE, 0xcc, SHORT_TRAMPOLINE};
	size_t at = 0;

	(void)state;
	assert_true(code_bytes__match_sigreturn(code, sizeof(code), sizeof(code), &at));
	assert_int_equal(at, 3);
	assert_true(code_bytes__match_sigreturn(code + 4, sizeof(code) - 4, sizeof(code) - 4, &at));
	assert_int_equal(at, 9);
	/* must start before `last`, and be whole */
	assert_false(code_bytes__match_sigreturn(code, sizeof(code), 3, &at));
	assert_true(code_bytes__match_sigreturn(code, sizeof(code), 4, &at));
	assert_false(code_bytes__match_sigreturn(code + 4, sizeof(code) - 5, sizeof(code), &at));
	assert_false(code_bytes__match_sigreturn(code, 0, 0, &at));
}

static void other_system_calls_are_no_trampoline(void **state)
{
	static const uint8_t exit_call[] = {0xb8, 0x3c, 0x00, 0x00, 0x00, 0x0f, 0x05};
	static const uint8_t in_ecx[] = {0xb9, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};
	size_t at;

	(void)state;
	assert_false(code_bytes__match_sigreturn(exit_call, sizeof(exit_call), sizeof(exit_call), &at));
	assert_false(code_bytes__match_sigreturn(in_ecx, sizeof(in_ecx), sizeof(in_ecx), &at));
}

/* glibc 2.36's, and as it is built with indirect branch tracking. */
static void what_contexts_return_to_is_known(void **state)
{
	static const uint8_t code[] = {0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x89, 0xdc, 0x48, 0x8b, 0x3c,
				       0x24, 0x48, 0x85, 0xff, 0x74, 0x08, 0xe8, 0x0f, 0xf6, 0xfe,
				       0xff, 0x48, 0x89, 0xc7, 0xe8, 0xa7, 0xcc, 0xfe, 0xff, 0xf4};
	uint8_t other[sizeof(code)];

	(void)state;
	assert_true(code_bytes__is_context(code, sizeof(code)));
	assert_true(code_bytes__is_context(code + 4, sizeof(code) - 4));
	for (size_t len = 0; len < sizeof(code); len++)
		assert_false(code_bytes__is_context(code, len));
	memcpy(other, code, sizeof(code));
	other[6] = 0xec; /* mov %rbp,%rsp, as functions end */
	assert_false(code_bytes__is_context(other, sizeof(other)));
}

static void entry_points_of_known_libraries_end_with_their_call(void **state)
{
	/* musl's and glibc's (without CFI); operands are full of call opcodes on purpose */
	static const uint8_t musl[] = {0x48, 0x31, 0xed, 0x48, 0x89, 0xe7, 0x48, 0x8d, 0x35, 0xe8, 0xe8, 0xe8,
				       0xe8, 0x48, 0x83, 0xe4, 0xf0, 0xe8, 1,    2,    3,    4,    0x90};
	static const uint8_t glibc[] = {0xf3, 0x0f, 0x1e, 0xfa, 0x31, 0xed, 0x49, 0x89, 0xd1, 0x5e,
					0x48, 0x89, 0xe2, 0x48, 0x83, 0xe4, 0xf0, 0x50, 0x54, 0x45,
					0x31, 0xc0, 0x31, 0xc9, 0x48, 0xc7, 0xc7, 0xe8, 0xe8, 0xe8,
					0xe8, 0xff, 0x15, 1,    2,    3,    4,    0xf4};
	size_t len = 0;

	(void)state;
	assert_true(code_bytes__match_entry(musl, sizeof(musl), &len));
	assert_int_equal(len, 22);
	assert_true(code_bytes__match_entry(glibc, sizeof(glibc), &len));
	assert_int_equal(len, 37);
	for (size_t cut = 0; cut < 22; cut++)
		assert_false(code_bytes__match_entry(musl, cut, &len));
}

/* As assemblers of other languages write them; the first of a library is a function like others. */
static void entry_points_are_told_from_functions(void **state)
{
	static const uint8_t pascal[] = {0x4c, 0x8d, 0x15, 1,    2,    3,    0,    0x5e, 0x41, 0x89, 0x72,
					 0x38, 0x49, 0x89, 0x62, 0x40, 0x48, 0x83, 0xe4, 0xf0, 0x4c, 0x89,
					 0xd7, 0x48, 0x31, 0xed, 0xe8, 1,    2,    3,    4,    0xc3};
	static const uint8_t function[] = {0x55, 0x48, 0x89, 0xe5, 0x31, 0xed, 0xe8, 1, 2, 3, 4};
	static const uint8_t with_frame[] = {0x48, 0x89, 0xe5, 0xe8, 1, 2, 3, 4};
	static const uint8_t plain[] = {0x48, 0x83, 0xec, 0x08, 0xe8, 1, 2, 3, 4};
	size_t len = 0;

	(void)state;
	assert_true(code_bytes__match_entry(pascal, sizeof(pascal), &len));
	assert_int_equal(len, sizeof(pascal) - 1);
	assert_false(code_bytes__match_entry(function, sizeof(function), &len));
	assert_false(code_bytes__match_entry(with_frame, sizeof(with_frame), &len));
	assert_false(code_bytes__match_entry(plain, sizeof(plain), &len));
}

static void jumps_are_not_followed(void **state)
{
	static const uint8_t jump_first[] = {0x31, 0xed, 0xeb, 0x10, 0xe8, 1, 2, 3, 4};
	size_t len;

	(void)state;
	assert_false(code_bytes__match_entry(jump_first, sizeof(jump_first), &len));
}

/* call through a pointer; the result is the argument of what ends the process or the thread */
static void roots_are_found_in_each_shape(void **state)
{
	static const uint8_t main_call[] = {0x90, 0xff, 0xd3, 0x89, 0xc7, 0xe8, 1,   2,
					    3,    4,    0x66, 0x2e, 0x0f, 0x1f, 0x84};
	static const uint8_t main_r12[] = {0x41, 0xff, 0xd4, 0x89, 0xc7, 0xe8, 1, 2, 3, 4, 0xf4};
	static const uint8_t thread[] = {0x48, 0x8b, 0x7b, 0x08, 0xff, 0x13, 0x48, 0x89,
					 0xc7, 0xe8, 1,    2,    3,    4,    0xb9};
	static const uint8_t thread_r14[] = {0x49, 0x8b, 0x7e, 0x08, 0x41, 0xff, 0x16, 0x48,
					     0x89, 0xc7, 0xe8, 1,    2,    3,    4};
	static const uint8_t clone[] = {0x41, 0xff, 0xd1, 0x89, 0xc7, 0x31,
					0xc0, 0xb0, 0x3c, 0x0f, 0x05, 0xf4};
	size_t at, len;

	(void)state;
	assert_true(code_bytes__match_root(main_call, sizeof(main_call), sizeof(main_call), &at, &len));
	assert_int_equal(at, 1);
	assert_int_equal(len, 9);
	assert_true(code_bytes__match_root(main_r12, sizeof(main_r12), 1, &at, &len));
	assert_int_equal(at, 0);
	assert_int_equal(len, 10);
	assert_true(code_bytes__match_root(thread, sizeof(thread), sizeof(thread), &at, &len));
	assert_int_equal(at, 4);
	assert_int_equal(len, 10);
	assert_true(code_bytes__match_root(thread_r14, sizeof(thread_r14), sizeof(thread_r14), &at, &len));
	assert_int_equal(at, 4);
	assert_int_equal(len, 11);
	assert_true(code_bytes__match_root(clone, sizeof(clone), sizeof(clone), &at, &len));
	assert_int_equal(at, 0);
	assert_int_equal(len, 11);
	for (size_t cut = 0; cut < 11; cut++)
		assert_false(code_bytes__match_root(clone, cut, cut, &at, &len));
}

static void calls_that_come_back_are_no_roots(void **state)
{
	/* code goes on behind the second call; a direct call; another register's closure; another system call */
	static const uint8_t goes_on[] = {0xff, 0xd3, 0x89, 0xc7, 0xe8, 1, 2, 3, 4, 0x48, 0x89, 0xd8};
	static const uint8_t direct[] = {0xe8, 1, 2, 3, 4, 0x89, 0xc7, 0xe8, 1, 2, 3, 4, 0xf4};
	static const uint8_t mixed[] = {0x48, 0x8b, 0x7b, 0x08, 0xff, 0x10, 0x48, 0x89,
					0xc7, 0xe8, 1,    2,    3,    4,    0xf4};
	static const uint8_t write_call[] = {0x41, 0xff, 0xd1, 0x89, 0xc7, 0x31,
					     0xc0, 0xb0, 0x01, 0x0f, 0x05};
	size_t at, len;

	(void)state;
	assert_false(code_bytes__match_root(goes_on, sizeof(goes_on), sizeof(goes_on), &at, &len));
	assert_false(code_bytes__match_root(direct, sizeof(direct), sizeof(direct), &at, &len));
	assert_false(code_bytes__match_root(mixed, sizeof(mixed), sizeof(mixed), &at, &len));
	assert_false(code_bytes__match_root(write_call, sizeof(write_call), sizeof(write_call), &at, &len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trampolines_are_found_in_both_forms),
		cmocka_unit_test(other_system_calls_are_no_trampoline),
		cmocka_unit_test(what_contexts_return_to_is_known),
		cmocka_unit_test(entry_points_of_known_libraries_end_with_their_call),
		cmocka_unit_test(entry_points_are_told_from_functions),
		cmocka_unit_test(roots_are_found_in_each_shape),
		cmocka_unit_test(calls_that_come_back_are_no_roots),
		cmocka_unit_test(jumps_are_not_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
