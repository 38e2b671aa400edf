/* SPDX-License-Identifier: Apache-2.0 */
/*
 * e2e - what all end-to-end tests begin with, in the order that cmocka wants.
 *
 * Owns: nothing. Thread: one. Limit: none. Errors: none.
 */
#ifndef EVERPROF_TESTS_E2E_E2E_H
#define EVERPROF_TESTS_E2E_E2E_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/cpu_track.h"
#include "tests/support/expect.h"
#include "tests/support/recording.h"
#include "user/profile/profile.h"

/* A workload and its arguments. */
#define ARGS(...) ((const char *[]){__VA_ARGS__, NULL})

/* From main to the root of a program of the GNU C library: two of its own frames, whose names need its symbol table. */
#define TO_ROOT ";main;*;*;_start"

/* Nearly all samples; the rest is for a page fault at the start, or an interrupt. */
#define NEARLY_ALL 0.97
#define COMPLETE   0.99

#define e2e_test(fn) cmocka_unit_test_setup_teardown(fn, recording__setup, recording__teardown)

/* $TEST_FILTER: the one test to run, * and ? as in file names. */
__attribute__((constructor)) static void e2e__filter(void)
{
	const char *filter = getenv("TEST_FILTER");

	if (filter)
		cmocka_set_test_filter(filter);
}

#endif
