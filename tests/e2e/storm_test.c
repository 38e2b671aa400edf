/* SPDX-License-Identifier: Apache-2.0 */
/* Storms in short: the long ones, with their figures, are tests/validate/storms. */
#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/e2e/e2e.h"
#include "tests/support/agent.h"

/* Of a few samples that come while everything changes. */
#define NEARLY_NONE 0.01

static int count_fds(pid_t pid)
{
	char path[64];
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void run_to_end(const char *const *argv)
{
	char program[4096];
	const char *args[RUN_ARGS_MAX] = {program};
	struct run run = {};
	int status = -1, err;

	run__path_workload(argv[0], program);
	for (int i = 1; i < RUN_ARGS_MAX - 1 && argv[i]; i++)
		args[i] = argv[i];
	err = run__to_end(&run, 60000, &status, args);
	if (err || status)
		fail_msg("%s: %s, status %d: %s", argv[0], err ? strerror(-err) : "ended", status,
			 run__errors(&run));
	run__done(&run);
}

/* All windows that began after `from` files were there, added up. */
static struct expect_sum sum_since(const struct recording *r, int from, const struct expect_filter *f,
				   uint64_t *ret_lost)
{
	struct agent_files files;
	struct expect_sum sum = {}, one;

	*ret_lost = 0;
	agent__expect_files(r, &files);
	for (int i = from; i < files.n; i++) {
		struct profile *p = expect_profile(files.path[i]);
		const char *lost = expect__comment(p, "lost in all: ");

		assert_non_null(lost);
		*ret_lost += strtoull(lost, NULL, 10);
		expect__sum(p, f, &one);
		sum.ns += one.ns;
		sum.samples += one.samples;
		profile__free(p);
	}
	return sum;
}

static void short_processes_by_the_thousand_are_named_and_leave_nothing(void **state)
{
	const struct expect_filter all = {.process = "storm_brief*"};
	const struct expect_filter whole = {.process = "storm_brief*", .stack = "**;main;*;*;_start"};
	const struct expect_filter fork = {.process = "storm_spawn",
					   .stack = "storm_fork_leaf;storm_fork;**"};
	const struct expect_filter mixed = {.process = "storm_brief*", .stack = "**;storm_fork;**"};
	struct recording *r = *state;
	char program[4096];
	struct agent_files files;
	uint64_t lost;
	int before;

	run__path_workload("storm_brief_static", program);
	agent__configure(r, "1s");
	agent__start(r);
	run_to_end(ARGS("storm_spawn", "1", "300", "exec", program)); /* what grows once */
	before = count_fds(r->everprof.pid);
	run_to_end(ARGS("storm_spawn", "3", "500", "exec", program));
	run_to_end(ARGS("storm_spawn", "2", "500", "fork"));
	agent__expect_files(r, &files);
	agent__expect_n_files(r, files.n + 2, &files);
	assert_true(count_fds(r->everprof.pid) <= before + 64);
	agent__expect_end(r);
	struct expect_sum of_all = sum_since(r, 0, &all, &lost), of_whole = sum_since(r, 0, &whole, &lost);
	struct expect_sum of_fork = sum_since(r, 0, &fork, &lost), of_mixed = sum_since(r, 0, &mixed, &lost);

	/* 1,500 of them for a fifth of a millisecond and more, at 999 Hz; most of a process is being made and ended, in the kernel */
	if (of_all.samples < 100 || of_whole.samples < 20 || of_fork.samples < 100)
		fail_msg("%llu samples of short processes, %llu with their main; %llu of forks",
			 (unsigned long long)of_all.samples, (unsigned long long)of_whole.samples,
			 (unsigned long long)of_fork.samples);
	assert_int_equal(of_mixed.samples, 0);
}

static void libraries_at_one_address_are_told_apart(void **state)
{
	struct recording *r = *state;
	char a[4096], b[4096], pid[32];
	struct expect_sum right, wrong, other;
	struct expect_filter f = {};

	run__path_workload("liblate_a.so", a);
	run__path_workload("liblate_b.so", b);
	recording__start(r, ARGS("storm_dlopen", RECORDING_LONG, "60", a, b));
	f.pid = r->pid;
	snprintf(pid, sizeof(pid), "%lld", r->pid);
	recording__record(r, 0, ARGS("-d", "4s", "-p", pid));
	f.stack = "late_@(a|b)_leaf;**";
	expect__sum(r->profile, &f, &right);
	f.stack = "late_b_leaf;late_b_entry;call_a;**";
	expect__sum(r->profile, &f, &wrong);
	f.stack = "late_a_leaf;late_a_entry;call_b;**";
	expect__sum(r->profile, &f, &other);
	assert_true(right.samples > 200);
	if ((double)(wrong.samples + other.samples) > NEARLY_NONE * (double)right.samples) {
		expect__print(r->profile, &f);
		fail_msg("%llu of %llu samples are of the other library",
			 (unsigned long long)(wrong.samples + other.samples),
			 (unsigned long long)right.samples);
	}
}

static void a_program_that_deletes_itself_is_whole(void **state)
{
	const struct expect_filter mine = {.process = "storm_gone"};
	struct recording *r = *state;
	char program[4096], copy[4096];

	run__path_workload("storm_brief", program);
	snprintf(copy, sizeof(copy), "%s", recording__file(r, "storm_gone"));
	recording__copy(program, copy);
	recording__record(r, 0, ARGS("--", copy, "300", "delete"));
	expect_at_least(r->profile, &mine, "**;brief_run" TO_ROOT, 0.95);
}

static void an_agent_that_stood_still_goes_on_and_tells_what_it_missed(void **state)
{
	const struct expect_filter work = {.process = "calltree"};
	struct recording *r = *state;
	struct agent_files files;
	struct expect_sum sum;
	uint64_t lost;
	int before;

	recording__start(r, ARGS("calltree", RECORDING_LONG));
	agent__configure(r, "1s");
	agent__start(r);
	agent__expect_files(r, &files);
	before = files.n;
	agent__signal(r, SIGSTOP);
	sleep(4);
	agent__signal(r, SIGCONT);
	agent__expect_n_files(r, before + 4, &files);
	agent__expect_end(r);
	sum = sum_since(r, before, &work, &lost);
	assert_true(sum.samples > 500);
	assert_true(lost >= 3); /* slices that were not closed in time, if nothing else */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(short_processes_by_the_thousand_are_named_and_leave_nothing),
		e2e_test(libraries_at_one_address_are_told_apart),
		e2e_test(a_program_that_deletes_itself_is_whole),
		e2e_test(an_agent_that_stood_still_goes_on_and_tells_what_it_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
