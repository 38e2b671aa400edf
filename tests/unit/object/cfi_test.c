// SPDX-License-Identifier: Apache-2.0
/*
 * The comparison of tests/validate/cfi on a handful of files, and a proof that its evaluator notices each field of a row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/validate/cfi_answer.h"
#include "tests/validate/cfi_compare.h"

static void expect_agreement(const char *path, uint64_t fdes_min)
{
	struct cfi_comparison c = {0};
	int err = cfi_compare__file(path, &c, stderr);

	if (err)
		fail_msg("%s: %s", path, strerror(-err));
	assert_int_equal(cfi_comparison__n_disagreed(&c), 0);
	assert_int_equal(c.explained[CFI_EXPLAINED_DAMAGED], 0);
	assert_true(c.fdes >= fdes_min);
	assert_true(c.agreed >= c.fdes);
}

static void rows_of_the_c_library_are_what_libdw_says(void **state)
{
	(void)state;
	expect_agreement("/lib/x86_64-linux-gnu/libc.so.6", 1000);
}

static void rows_of_the_loader_and_of_libelf_are_what_libdw_says(void **state)
{
	(void)state;
	expect_agreement("/lib64/ld-linux-x86-64.so.2", 100);
	expect_agreement("/usr/lib/x86_64-linux-gnu/libelf.so.1", 100);
	expect_agreement("/usr/lib/x86_64-linux-gnu/libdw.so.1", 100);
}

static void rows_of_programs_are_what_libdw_says(void **state)
{
	(void)state;
	expect_agreement("/bin/sh", 10);
	expect_agreement("/bin/bash", 1000);
	expect_agreement("/proc/self/exe", 20);
}

static void rows_of_openssl_with_its_assembler_are_what_libdw_says(void **state)
{
	(void)state;
	if (access("/usr/lib/x86_64-linux-gnu/libcrypto.so.3", R_OK))
		skip();
	expect_agreement("/usr/lib/x86_64-linux-gnu/libcrypto.so.3", 1000);
}

/* Each field of a row changes what the row means: the evaluator, which the comparison rests on, sees every one. */
static void a_row_that_is_wrong_by_one_unit_gives_another_answer(void **state)
{
	static const struct unwind_row right = {
		.cfa = ROW_REG_RSP, .cfa_off = 3, .saved = ROW_FP_AT_CFA, .fp_off = -2};
	struct unwind_row wrong[6];
	struct answer a = answer__of_row(&right, 0x1234), b;

	(void)state;
	for (size_t i = 0; i < 6; i++)
		wrong[i] = right;
	wrong[0].cfa_off = 4;
	wrong[1].cfa = ROW_REG_RBP;
	wrong[2].cfa |= ROW_CFA_DEREF;
	wrong[3].fp_off = -3;
	wrong[4].saved = ROW_FP_AT_FP;
	wrong[5].saved |= ROW_RA_REG;
	for (size_t i = 0; i < 6; i++) {
		b = answer__of_row(&wrong[i], 0x1234);
		assert_true(a.cfa.v != b.cfa.v || a.fp.v != b.fp.v || a.ra.v != b.ra.v);
	}
	b = answer__of_row(&right, 0x9999);
	assert_true(a.cfa.v == b.cfa.v && a.fp.v == b.fp.v && a.ra.v == b.ra.v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_of_the_c_library_are_what_libdw_says),
		cmocka_unit_test(rows_of_the_loader_and_of_libelf_are_what_libdw_says),
		cmocka_unit_test(rows_of_programs_are_what_libdw_says),
		cmocka_unit_test(rows_of_openssl_with_its_assembler_are_what_libdw_says),
		cmocka_unit_test(a_row_that_is_wrong_by_one_unit_gives_another_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
