/* SPDX-License-Identifier: Apache-2.0 */
/* Threads and processes of a program that makes a known number of them: all are counted, where they were made. */
#include "tests/e2e/e2e.h"

#define THREADS   500
#define PROCESSES 200

static void assert_made(const struct recording *r, const char *stack, uint64_t n)
{
	const struct expect_filter f = {.comm = "maker", .stack = stack, .kernel = true};
	struct expect_sum sum;

	expect__sum(r->profile, &f, &sum);
	print_message("%s: %llu\n", stack ? stack : "all", (unsigned long long)sum.samples);
	assert_int_equal(sum.samples, n);
}

static void every_thread_and_process_is_counted_where_it_was_made(void **state)
{
	struct recording *r = *state;
	char program[4096];

	run__path_workload("creator", program);
	recording__record(r, 0, ARGS("-e", "threadcreate", "--", program, "500", "200"));
	assert_made(r, NULL, THREADS + PROCESSES);
	/* nothing of the tracepoint on top: the agent listens there twice */
	assert_made(r, "kernel_clone;**;thread_maker;main;*;*;_start", THREADS);
	assert_made(r, "kernel_clone;**;process_maker;main;*;*;_start", PROCESSES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(every_thread_and_process_is_counted_where_it_was_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
