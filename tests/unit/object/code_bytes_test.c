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

static void unknown_instructions_are_not_guessed_over(void **state)
{
	static const uint8_t jump_first[] = {0x31, 0xed, 0xeb, 0x10, 0xe8, 1, 2, 3, 4};
	size_t len;

	(void)state;
	assert_false(code_bytes__match_entry(jump_first, sizeof(jump_first), &len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trampolines_are_found_in_both_forms),
		cmocka_unit_test(other_system_calls_are_no_trampoline),
		cmocka_unit_test(entry_points_of_known_libraries_end_with_their_call),
		cmocka_unit_test(unknown_instructions_are_not_guessed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
