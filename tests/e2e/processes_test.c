/* SPDX-License-Identifier: Apache-2.0 */
/* Processes as they come and go: threads, forks, execs, short lives, libraries that come late, namespaces. */
#include <errno.h>

#include "tests/e2e/e2e.h"

#define TREE_ROOT ";tree_round" TO_ROOT

static void threads_have_their_names_and_shares(void **state)
{
	struct recording *r = *state;
	struct expect_sum all, one;
	static const struct {
		const char *comm;
		double share;
	} threads[] = {{"five", 0.5}, {"three", 0.3}, {"two", 0.2}};

	recording__of(r, ARGS("threads", RECORDING_LONG));
	expect__sum(r->profile, &(struct expect_filter){.pid = r->pid}, &all);
	for (int i = 0; i < 3; i++) {
		struct expect_filter thread = {.pid = r->pid, .comm = threads[i].comm};
		double got, off;

		expect__sum(r->profile, &thread, &one);
		got = expect__share(&one, &all);
		off = got > threads[i].share ? got - threads[i].share : threads[i].share - got;
		if (off > expect__tolerance(threads[i].share, all.samples)) {
			expect__print(r->profile, NULL);
			fail_msg("thread '%s' has the share %.3f, expected %.2f", threads[i].comm, got,
				 threads[i].share);
		}
		/* the thread's start in the C library: two frames, the last of which is the end mark */
		expect_at_least(r->profile, &thread, "thread_leaf;thread_body;*;*", 0.95);
	}
	expect_complete(r->profile, &(struct expect_filter){.pid = r->pid}, COMPLETE);
}

/* The number behind "child_cpu_ns PID ". */
static uint64_t child_cpu(struct recording *r, long long pid)
{
	char prefix[64];
	long long ns;

	snprintf(prefix, sizeof(prefix), "child_cpu_ns %lld ", pid);
	if (run__wait_number(&r->everprof, prefix, 0, &ns))
		fail_msg("child %lld did not say what it used: %s", pid, run__out(&r->everprof));
	return (uint64_t)ns;
}

static void children_that_never_exec_have_whole_stacks_and_their_own_time(void **state)
{
	struct recording *r = *state;
	char program[4096], *line, *rest;
	int n = 0;

	run__path_workload("prefork", program);
	recording__record(r, 0, ARGS("--", program, "2", "3"));
	line = strdup(run__out(&r->everprof));
	assert_non_null(line);
	for (char *word = strtok_r(line, "\n", &rest); word; word = strtok_r(NULL, "\n", &rest)) {
		/* by the name that it gave itself, without an exec */
		struct expect_filter child = {.process = "worker"};

		if (sscanf(word, "child %lld", &child.pid) != 1)
			continue;
		n++;
		/* three children on however many CPUs: each was seen as long as the kernel says */
		expect_total(r->profile, &child, child_cpu(r, child.pid), 2000000000, RECORDING_HZ);
		expect_share(r->profile, &child, "top1;c1;b1;a1;tree_round;prefork_child" TO_ROOT, 0.5);
		expect_share(r->profile, &child, "top2;b2;a1;tree_round;prefork_child" TO_ROOT, 0.3);
		expect_complete(r->profile, &child, COMPLETE);
	}
	free(line);
	assert_int_equal(n, 3);
}

static void vfork_child_stands_on_its_parents_stack(void **state)
{
	struct recording *r = *state;
	char program[4096];

	run__path_workload("vfork_child", program);
	recording__record(r, 0, ARGS("--", program, "1.5"));
	expect_at_least(r->profile, &(struct expect_filter){.process = "vfork_child"},
			"vfork_spin;vfork_user" TO_ROOT, 0.95);
	expect_complete(r->profile, &(struct expect_filter){.process = "vfork_child"}, COMPLETE);
}

static void an_exec_is_a_new_program_under_the_same_pid(void **state)
{
	struct recording *r = *state;
	char program[4096], next[4096];
	struct expect_sum before, after, all;
	struct expect_filter first = {.process = "exec_in_place"}, second = {.process = "calltree"};
	long long pid;

	run__path_workload("exec_in_place", program);
	run__path_workload("calltree", next);
	recording__record(r, 0, ARGS("--", program, "3", next));
	assert_int_equal(run__wait_number(&r->everprof, "ready ", 0, &pid), 0);
	first.pid = second.pid = pid;
	expect_at_least(r->profile, &first, "before_leaf;before_exec" TO_ROOT, 0.95);
	expect_share(r->profile, &second, "top1;c1;b1;a1" TREE_ROOT, 0.5);
	expect__sum(r->profile, &(struct expect_filter){.pid = pid}, &all);
	expect__sum(r->profile, &(struct expect_filter){.pid = pid, .stack = "**;before_exec;**"}, &before);
	expect__sum(r->profile, &(struct expect_filter){.pid = pid, .stack = "**;tree_round;**"}, &after);
	if (!before.ns || !after.ns || (double)(before.ns + after.ns) < 0.95 * (double)all.ns) {
		expect__print(r->profile, NULL);
		fail_msg("the two lives of pid %lld do not add up", pid);
	}
	/* no frame of one life under the name of the other */
	expect_share(r->profile, &second, "**;before_exec;**", 0);
	expect_complete(r->profile, &(struct expect_filter){.pid = pid}, COMPLETE);
}

static void short_lives_are_counted_whole(void **state)
{
	struct recording *r = *state;
	char program[4096], line[128];
	unsigned long long n, cpu_ns;
	struct expect_filter mine = {.process = "short_lived"};

	run__path_workload("short_lived", program);
	recording__record(r, 0, ARGS("--", program, "3", "50"));
	assert_int_equal(run__wait_line(&r->everprof, "children ", 0, line, sizeof(line)), 0);
	assert_int_equal(sscanf(line, "%llu %llu", &n, &cpu_ns), 2);
	assert_true(n >= 5);
	expect_total(r->profile, NULL, cpu_ns, 3000000000, RECORDING_HZ);
	expect_at_least(r->profile, &mine, "**;short_child" TO_ROOT, 0.9);
	expect_complete(r->profile, &mine, 0.98);
}

/* They are gone before the kernel's side knows them, and what nobody wrote to lies between the two ends of their stacks. */
static void short_processes_with_a_large_array_are_whole(void **state)
{
	const struct expect_filter mine = {.process = "short_lived"};
	struct recording *r = *state;
	char program[4096];

	run__path_workload("short_lived", program);
	recording__record(r, 0, ARGS("--", program, "3", "9", "array"));
	expect_at_least(r->profile, &mine, "**;short_child;short_array" TO_ROOT, 0.2);
	expect_at_least(r->profile, &mine, "**;short_child;short_array;short_thread;*;*", 0.2);
	expect_at_least(r->profile, &mine, "**;short_child;short_hole;short_thread;*;*", 0.1);
	/* the ring holds some dozen of these, and beside much other work it is emptied late */
	expect_complete(r->profile, &mine, 0.9);
}

/* More than the two ends of a stack. */
static void short_processes_deep_in_recursion_are_whole(void **state)
{
	const struct expect_filter mine = {.process = "short_lived"};
	struct recording *r = *state;
	char program[4096];

	run__path_workload("short_lived", program);
	recording__record(r, 0, ARGS("--", program, "3", "9", "deep"));
	expect_at_least(r->profile, &mine, "**;short_child;short_deep;**;short_deep" TO_ROOT, 0.6);
	/* the ring holds half a dozen of these, and beside much other work it is emptied late */
	expect_complete(r->profile, &mine, 0.9);
}

static void short_processes_in_a_handler_with_a_stack_of_its_own_are_whole(void **state)
{
	const struct expect_filter mine = {.process = "short_lived"};
	struct recording *r = *state;
	char program[4096];

	run__path_workload("short_lived", program);
	recording__record(r, 0, ARGS("--", program, "3", "5", "handler"));
	expect_at_least(r->profile, &mine, "**;short_child;short_handler;*;**;short_raiser" TO_ROOT, 0.2);
	expect_at_least(r->profile, &mine, "**;short_child;short_handler;*;**;short_raiser;short_thread;*;*",
			0.2);
	expect_complete(r->profile, &mine, 0.98);
}

static void short_processes_with_an_empty_page_at_the_end_of_their_stack_are_whole(void **state)
{
	const struct expect_filter mine = {.process = "short_lived"};
	struct recording *r = *state;
	char program[4096];

	run__path_workload("short_lived", program);
	recording__record(r, 0, ARGS("--", program, "3", "5", "bare"));
	expect_at_least(r->profile, &mine, "**;short_bare;short_thread;*;*", 0.4);
	expect_complete(r->profile, &mine, 0.98);
}

/* Who gives back much memory at its end works for it in the kernel, after what tells of that end. */
static void what_a_process_does_at_its_end_is_its_own(void **state)
{
	const struct expect_filter mine = {.process = "short_lived", .kernel = true};
	struct recording *r = *state;
	char program[4096];

	run__path_workload("short_lived", program);
	recording__record(r, 0, ARGS("--", program, "3", "0", "exit"));
	expect_at_least(r->profile, &mine, "**;do_exit;**", 0.03);
}

/* Each of the two libraries that come after each other: as much time of the clock as it had, of which others may have had a part. */
static void each_library_has(struct recording *r, const struct expect_filter *mine, double share)
{
	expect_at_least(r->profile, mine, "late_a_leaf;late_a_entry;late_caller;run_in" TO_ROOT, share);
	expect_at_least(r->profile, mine, "late_b_leaf;late_b_entry;late_caller;run_in" TO_ROOT, share);
	expect_at_least(r->profile, mine, "late_@(a|b)_leaf;late_@(a|b)_entry;late_caller;run_in" TO_ROOT,
			NEARLY_ALL);
	expect_share(r->profile, mine, "late_a_leaf;late_b_entry;**", 0);
	expect_share(r->profile, mine, "late_b_leaf;late_a_entry;**", 0);
	expect_complete(r->profile, mine, COMPLETE);
}

static void libraries_that_take_each_others_place_are_told_apart(void **state)
{
	struct recording *r = *state;
	char program[4096], a[4096], b[4096];
	long long same;

	run__path_workload("dlopen_late", program);
	run__path_workload("liblate_a.so", a);
	run__path_workload("liblate_b.so", b);
	recording__record(r, 0, ARGS("--", program, "3", a, b));
	assert_int_equal(run__wait_number(&r->everprof, "same_address ", 0, &same), 0);
	assert_int_equal(same, 1);
	each_library_has(r, &(struct expect_filter){.process = "dlopen_late"}, 0.25);
}

/* Of a process that ran before: what it had mapped then is read, what comes later is told. */
static void a_library_loaded_while_recording_is_named(void **state)
{
	struct recording *r = *state;
	char a[4096], b[4096], pid[32];

	run__path_workload("liblate_a.so", a);
	run__path_workload("liblate_b.so", b);
	/* four seconds in either: long enough that the recording begins in the first on a busy machine, and ends in the second */
	recording__start(r, ARGS("dlopen_late", "8", a, b));
	snprintf(pid, sizeof(pid), "%lld", r->pid);
	recording__record(r, 0, ARGS("-d", "6s", "-p", pid));
	each_library_has(r, &(struct expect_filter){.pid = r->pid}, 0.1);
}

static void two_processes_of_one_program_are_two(void **state)
{
	struct recording *r = *state;
	struct run second = {};
	char program[4096], a[32], b[32];
	struct expect_sum one, two;
	long long pid;
	int err;

	run__path_workload("calltree", program);
	recording__start(r, ARGS("calltree", RECORDING_LONG));
	err = run__start(&second, ARGS(program, RECORDING_LONG));
	if (!err)
		err = run__wait_number(&second, "ready ", 10000, &pid);
	snprintf(a, sizeof(a), "%lld", r->pid);
	snprintf(b, sizeof(b), "%lld", pid);
	recording__record(r, 0, ARGS("-d", RECORDING_SECONDS, "-p", a, "-p", b));
	run__done(&second);
	assert_int_equal(err, 0);
	expect__sum(r->profile, &(struct expect_filter){.pid = r->pid, .stack = "**;tree_round" TO_ROOT},
		    &one);
	expect__sum(r->profile, &(struct expect_filter){.pid = pid, .stack = "**;tree_round" TO_ROOT}, &two);
	if (!one.ns || !two.ns) {
		expect__print(r->profile, NULL);
		fail_msg("one of pids %s and %s is not there", a, b);
	}
	/* one file, one parse, one mapping: both look into the same functions */
	expect_complete(r->profile, NULL, COMPLETE);
}

static void program_in_other_namespaces_has_outer_pid_and_names(void **state)
{
	struct recording *r = *state;
	char program[4096], pid[32];
	struct expect_filter mine;
	long long outer;

	run__path_workload("calltree_static", program);
	recording__start(r, ARGS("contained", program, RECORDING_LONG));
	assert_int_equal(r->pid, 1);
	assert_int_equal(run__wait_number(&r->workload, "outer_pid ", 1000, &outer), 0);
	snprintf(pid, sizeof(pid), "%lld", outer);
	recording__record(r, 0, ARGS("-d", RECORDING_SECONDS, "-p", pid));
	mine = (struct expect_filter){.pid = outer};
	expect_share(r->profile, &mine, "top1;c1;b1;a1" TREE_ROOT, 0.5);
	expect_share(r->profile, &mine, "top2;b2;a1" TREE_ROOT, 0.3);
	expect_complete(r->profile, &mine, COMPLETE);
}

static void perf_map_in_other_namespaces_is_found(void **state)
{
	struct recording *r = *state;
	char program[4096], pid[32];
	long long outer;

	run__path_workload("jit_static", program);
	recording__start(r, ARGS("contained", program, RECORDING_LONG));
	assert_int_equal(run__wait_number(&r->workload, "outer_pid ", 1000, &outer), 0);
	snprintf(pid, sizeof(pid), "%lld", outer);
	recording__record(r, 0, ARGS("-d", RECORDING_SECONDS, "-p", pid));
	expect_at_least(r->profile, &(struct expect_filter){.pid = outer},
			"jit::inner \\(work);jit::outer;jit_call" TO_ROOT, NEARLY_ALL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(threads_have_their_names_and_shares),
		e2e_test(children_that_never_exec_have_whole_stacks_and_their_own_time),
		e2e_test(vfork_child_stands_on_its_parents_stack),
		e2e_test(an_exec_is_a_new_program_under_the_same_pid),
		e2e_test(short_lives_are_counted_whole),
		e2e_test(short_processes_with_a_large_array_are_whole),
		e2e_test(short_processes_deep_in_recursion_are_whole),
		e2e_test(short_processes_in_a_handler_with_a_stack_of_its_own_are_whole),
		e2e_test(short_processes_with_an_empty_page_at_the_end_of_their_stack_are_whole),
		e2e_test(what_a_process_does_at_its_end_is_its_own),
		e2e_test(libraries_that_take_each_others_place_are_told_apart),
		e2e_test(a_library_loaded_while_recording_is_named),
		e2e_test(two_processes_of_one_program_are_two),
		e2e_test(program_in_other_namespaces_has_outer_pid_and_names),
		e2e_test(perf_map_in_other_namespaces_is_found),
	};

	return cmocka_run_group_tests_name("processes", tests, NULL, NULL);
}
