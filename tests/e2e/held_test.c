/* SPDX-License-Identifier: Apache-2.0 */
/* A process that keeps a lock of its own for ever, and with it whoever asks the kernel for what that guards: its own loss, and nobody else's. */
#include <errno.h>
#include <signal.h>

#include "tests/e2e/e2e.h"
#include "tests/support/agent.h"

#define AT_MOST_S "40" /* then it lets go by itself */

static uint64_t count_of(const struct profile *p, long long pid, const char *stack)
{
	struct expect_sum sum;

	expect__sum(p, &(struct expect_filter){.pid = pid, .stack = stack}, &sum);
	return sum.samples;
}

static void start_other(struct run *other, long long *ret_pid)
{
	char calltree[4096];

	run__path_workload("calltree", calltree);
	assert_int_equal(run__start(other, ARGS(calltree, RECORDING_LONG)), 0);
	assert_int_equal(run__wait_number(other, "ready ", 10000, ret_pid), 0);
}

static void hold(struct recording *r)
{
	char line[64];

	assert_int_equal(kill(r->workload.pid, SIGUSR1), 0);
	assert_int_equal(run__wait_line(&r->workload, "held", 10000, line, sizeof(line)), 0);
}

/* Whatever was done meanwhile did not wait for it. */
static void expect_still_held(struct recording *r)
{
	assert_int_equal(run__wait(&r->workload, 0, &(int){0}), -ETIMEDOUT);
}

/* It is there before anything is known of it. */
static void expect_recorded(struct recording *r, const char *lock)
{
	struct run other = {0};
	long long other_pid;

	recording__start(r, ARGS("held", AT_MOST_S, lock));
	start_other(&other, &other_pid);
	hold(r);
	recording__record(r, 0, ARGS("-d", "1s"));
	expect_still_held(r);
	assert_true(count_of(r->profile, other_pid, NULL) > 0);
	assert_int_equal(count_of(r->profile, other_pid, "**" TO_ROOT),
			 count_of(r->profile, other_pid, NULL));
	assert_non_null(expect__comment(r->profile, "lost process_held: "));
	run__done(&other);
}

static void others_are_recorded_beside_one_that_waits_for_a_page(void **state)
{
	expect_recorded(*state, "fault");
}

static void others_are_recorded_beside_one_that_waits_in_an_exec(void **state)
{
	expect_recorded(*state, "exec");
}

static void start_agent(struct recording *r, const char *events)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "profiling:\n  window: 1s\n  cpu: {frequency: 999}\n%s  output: {directory: %s/store}\n"
		 "server: {listen: 'off'}\n",
		 events, r->dir);
	agent__write_config(r, text);
	agent__start(r);
}

/* While it is held: another program starts, its windows are whole, and the agent ends. */
static void expect_agent_unharmed(struct recording *r)
{
	struct run other = {0};
	struct agent_files files;
	long long other_pid;

	start_other(&other, &other_pid);
	agent__expect_n_files(r, 6, &files);
	r->profile = expect_profile(files.path[files.n - 1]);
	assert_true(count_of(r->profile, other_pid, "**" TO_ROOT) > 0);
	run__done(&other);
	agent__expect_end(r);
	expect_still_held(r);
}

/* It is known already, and what comes later is not. */
static void expect_unharmed_beside(struct recording *r, const char *lock)
{
	recording__start(r, ARGS("held", AT_MOST_S, lock));
	start_agent(r, "  memory: {enabled: false}\n  alloc: {enabled: false}\n");
	hold(r);
	expect_agent_unharmed(r);
}

static void an_agent_goes_on_and_ends_beside_one_that_waits_for_a_page(void **state)
{
	expect_unharmed_beside(*state, "fault");
}

static void an_agent_goes_on_and_ends_beside_one_that_waits_in_an_exec(void **state)
{
	expect_unharmed_beside(*state, "exec");
}

/*
 * To put probes in place the kernel takes the lock of each process that has the file mapped, and has all forks of the machine wait meanwhile. It is held from before the first window: what
 * becomes so within one is not to be known.
 */
static void probes_wait_for_no_lock(void **state)
{
	struct recording *r = *state;

	recording__start(r, ARGS("held", AT_MOST_S, "fault"));
	hold(r);
	start_agent(r, "  alloc: {budget: 10%}\n");
	expect_agent_unharmed(r);
	assert_non_null(strstr(run__errors(&r->everprof), "keeps the lock of its memory"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(others_are_recorded_beside_one_that_waits_for_a_page),
		e2e_test(others_are_recorded_beside_one_that_waits_in_an_exec),
		e2e_test(an_agent_goes_on_and_ends_beside_one_that_waits_for_a_page),
		e2e_test(an_agent_goes_on_and_ends_beside_one_that_waits_in_an_exec),
		e2e_test(probes_wait_for_no_lock),
	};

	return cmocka_run_group_tests_name("held", tests, NULL, NULL);
}
