/* SPDX-License-Identifier: Apache-2.0 */
/* A process whose stacks, or whose files, keep whoever reads them: its own loss, and nobody else's. */
#include <signal.h>

#include "tests/e2e/e2e.h"
#include "tests/support/agent.h"
#include "user/base/clock.h"

#define N_STUCK   3
#define N_CROWD   50
#define IN_TIME_S 10

static uint64_t count_of(const struct profile *p, long long pid, const char *comm, const char *stack)
{
	struct expect_sum sum;

	expect__sum(p, &(struct expect_filter){.pid = pid, .comm = comm, .stack = stack}, &sum);
	return sum.samples;
}

/* It ends when it is asked to, and all is there that lay in the stacks. */
static void expect_unharmed(struct recording *r)
{
	char line[64];
	int status = -1;

	assert_int_equal(kill((pid_t)r->pid, SIGTERM), 0);
	assert_int_equal(run__wait_line(&r->workload, "unharmed", 10000, line, sizeof(line)), 0);
	assert_int_equal(run__wait(&r->workload, 10000, &status), 0);
	assert_int_equal(status, 0);
}

static void threads_of_others_are_read(void **state)
{
	struct recording *r = *state;
	struct run crowd = {0};
	char standstill[4096];
	long long crowd_pid;
	uint64_t began;

	recording__start(r, ARGS("unserved", RECORDING_LONG));
	run__path_workload("standstill", standstill);
	assert_int_equal(run__start(&crowd, ARGS(standstill, "crowd")), 0);
	assert_int_equal(run__wait_number(&crowd, "ready ", 10000, &crowd_pid), 0);
	began = clock__mono_ns();
	recording__record(r, 0, ARGS("-e", "threads"));
	assert_true(clock__mono_ns() - began < IN_TIME_S * NS_PER_SEC);
	assert_int_equal(count_of(r->profile, r->pid, "stuck", NULL), N_STUCK);
	assert_int_equal(count_of(r->profile, r->pid, "stuck", "**;[[]truncated: stack_read[]]"), N_STUCK);
	assert_int_equal(count_of(r->profile, crowd_pid, "sleeper", "**;sleep;rest;**"), N_CROWD);
	run__done(&crowd);
	expect_unharmed(r);
}

/* Waits are read again and again, for as long as the process stands. */
static void an_agent_goes_on_and_ends(void **state)
{
	struct recording *r = *state;
	struct agent_files files;
	char text[1024];

	recording__start(r, ARGS("unserved", RECORDING_LONG));
	snprintf(text, sizeof(text),
		 "profiling:\n  window: 1s\n  cpu: {frequency: 999}\n  memory: {enabled: false}\n"
		 "  alloc: {enabled: false}\n  output: {directory: %s/store}\nserver: {listen: 'off'}\n",
		 r->dir);
	agent__write_config(r, text);
	agent__start(r);
	agent__expect_n_files(r, 4, &files);
	r->profile = expect_profile(files.path[files.n - 1]);
	assert_true(count_of(r->profile, r->pid, NULL, "spin" TO_ROOT) > 0);
	agent__expect_end(r);
	expect_unharmed(r);
}

/* Neither while it looks for what runs, nor when it names it; nor does a thread that cannot be killed keep it from ending. */
static void files_of_a_file_system_that_does_not_answer_are_left_alone(void **state)
{
	struct recording *r = *state;
	struct run other = {0};
	char calltree[4096], line[64];
	long long other_pid;
	uint64_t began;

	recording__start(r, ARGS("far", RECORDING_LONG));
	run__path_workload("calltree", calltree);
	assert_int_equal(run__start(&other, ARGS(calltree, RECORDING_LONG)), 0);
	assert_int_equal(run__wait_number(&other, "ready ", 10000, &other_pid), 0);
	assert_int_equal(kill(r->workload.pid, SIGUSR1), 0);
	assert_int_equal(run__wait_line(&r->workload, "silent", 10000, line, sizeof(line)), 0);
	began = clock__mono_ns();
	recording__record(r, 0, ARGS("-d", "1s"));
	assert_true(clock__mono_ns() - began < IN_TIME_S * NS_PER_SEC);
	assert_true(count_of(r->profile, r->pid, NULL, NULL) > 0);
	assert_int_equal(count_of(r->profile, r->pid, NULL, "**far_spin**"),
			 0); /* a name would have been read */
	assert_true(count_of(r->profile, other_pid, NULL, "**" TO_ROOT) > 0);
	run__done(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(threads_of_others_are_read),
		e2e_test(an_agent_goes_on_and_ends),
		e2e_test(files_of_a_file_system_that_does_not_answer_are_left_alone),
	};

	return cmocka_run_group_tests_name("unserved", tests, NULL, NULL);
}
