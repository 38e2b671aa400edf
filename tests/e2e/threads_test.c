/* SPDX-License-Identifier: Apache-2.0 */
/* Every thread's stack, now: none is missing and none twice, each is where it is known to be, and threads that wait for each other are found. */
#include "tests/e2e/e2e.h"

#define N_CROWD 52 /* 50 sleepers, one that spins, and main */

static void record_standstill(struct recording *r, const char *way)
{
	char pid[16];

	recording__start(r, ARGS("standstill", way));
	snprintf(pid, sizeof(pid), "%lld", r->pid);
	recording__record(r, 0, ARGS("-e", "threads", "-p", pid));
}

static const char *label(const struct profile *p, const struct sample *s, const char *key)
{
	const struct label *l = profile__find_label(p, s->labels, key);

	return l ? profile__str(p, l->str) : "";
}

static int64_t number(const struct profile *p, const struct sample *s, const char *key)
{
	const struct label *l = profile__find_label(p, s->labels, key);

	return l ? l->num : 0;
}

/* The one thread of that name. */
static const struct sample *thread_of(const struct profile *p, const char *comm)
{
	const struct sample *found = NULL;

	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);

		if (strcmp(label(p, s, "comm"), comm))
			continue;
		assert_null(found);
		found = s;
	}
	if (!found)
		fail_msg("no thread '%s'", comm);
	return found;
}

static uint64_t count_of(const struct profile *p, const char *comm, const char *stack)
{
	struct expect_sum sum;

	expect__sum(p, &(struct expect_filter){.comm = comm, .stack = stack}, &sum);
	return sum.samples;
}

static long long threads_by_proc(long long pid)
{
	char path[64], line[256];
	long long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%lld/status", pid);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "Threads: %lld", &n);
	fclose(f);
	return n;
}

static long long child_of(long long pid)
{
	char path[64];
	long long child = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%lld/task/%lld/children", pid, pid);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lld", &child), 1);
	fclose(f);
	return child;
}

static void expect_text(const struct recording *r, const char *text)
{
	if (!strstr(run__errors(&r->everprof), text))
		fail_msg("'%s' is not in:\n%s", text, run__errors(&r->everprof));
}

/* -- who is there -- */
static void every_thread_is_there_once_where_it_waits(void **state)
{
	struct recording *r = *state;
	const struct sample *spinner;

	record_standstill(r, "crowd");
	assert_int_equal(threads_by_proc(r->pid), N_CROWD);
	assert_int_equal(count_of(r->profile, NULL, NULL), N_CROWD);
	assert_int_equal(count_of(r->profile, "sleeper", "**;sleep;rest;**"), N_CROWD - 2);
	assert_int_equal(count_of(r->profile, "standstill", "pause;main;*;*;_start"), 1);
	spinner = thread_of(r->profile, "spinner");
	/* where it is depends on whether it had a CPU just then */
	if (!strcmp(label(r->profile, spinner, "state"), "running")) {
		assert_int_equal(count_of(r->profile, "spinner", "[[]truncated: running[]]"), 1);
	} else {
		assert_string_equal(label(r->profile, spinner, "state"), "runnable");
		assert_int_equal(count_of(r->profile, "spinner", "spin;**"), 1);
	}
}

static void a_sleeper_says_what_it_waits_in(void **state)
{
	struct recording *r = *state;
	const struct sample *s;

	record_standstill(r, "chain");
	s = thread_of(r->profile, "holder");
	assert_string_equal(label(r->profile, s, "state"), "blocked");
	assert_string_equal(label(r->profile, s, "syscall"), "clock_nanosleep");
	assert_string_equal(label(r->profile, s, "wait"), "sleep");
	s = thread_of(r->profile, "waiter");
	assert_string_equal(label(r->profile, s, "syscall"), "futex");
	assert_string_equal(label(r->profile, s, "wait"), "futex");
}

/* One of io_uring's waits for more to do. It never was in the program: it has neither a stack there nor a system call that it is in. */
static void a_worker_of_the_kernel_is_whole(void **state)
{
	struct recording *r = *state;
	const struct sample *worker;

	record_standstill(r, "worker");
	if (threads_by_proc(r->pid) == 1) {
		print_message("no io_uring here\n");
		return;
	}
	assert_int_equal(count_of(r->profile, "iou-wrk-*", NULL), 1);
	expect_complete(r->profile, &(struct expect_filter){.comm = "iou-wrk-*"}, 1);
	for (uint32_t i = 0; i < profile__n_samples(r->profile); i++) {
		worker = profile__get_sample(r->profile, i);
		if (!strncmp(label(r->profile, worker, "comm"), "iou-wrk-", 8))
			assert_string_equal(label(r->profile, worker, "syscall"), "");
	}
}

/* Threads that a command has a moment after its start. */
static void a_command_has_its_own_threads_only(void **state)
{
	struct recording *r = *state;
	char program[4096];

	run__path_workload("waits", program);
	recording__record(r, 0, ARGS("-e", "threads", "--", program, "mutex", "2"));
	assert_int_equal(count_of(r->profile, NULL, NULL), 3);
	assert_int_equal(count_of(r->profile, "waiter", NULL), 1);
}

static void wait_until_it_pauses(long long pid)
{
	char path[64], line[64] = "";

	snprintf(path, sizeof(path), "/proc/%lld/syscall", pid);
	for (int i = 0; i < 1000 && strncmp(line, "34 ", 3) != 0; i++) {
		FILE *f = fopen(path, "r");

		assert_non_null(f);
		if (!fgets(line, sizeof(line), f))
			line[0] = '\0';
		fclose(f);
		usleep(10000);
	}
	assert_memory_equal(line, "34 ", 3);
}

/* It waits in a function that tells no rule for its frame. */
static void a_stack_by_rules_made_from_instructions_is_in_doubt(void **state)
{
	struct recording *r = *state;
	char pid[16];

	recording__start(r, ARGS("asm_frames", "60", "pause"));
	wait_until_it_pauses(r->pid);
	snprintf(pid, sizeof(pid), "%lld", r->pid);
	recording__record(r, 0, ARGS("-e", "threads", "-p", pid));
	assert_int_equal(count_of(r->profile, "asm_frames", "asm_pause;asm_caller;main;*;*;_start"), 1);
	expect_text(r, "in doubt: 1 derived_rules");
}

/* -- who waits for whom -- */
static void expect_waits_for(const struct profile *p, const char *waiter, const char *holder,
			     const char *circle)
{
	const struct sample *s = thread_of(p, waiter);

	assert_string_equal(label(p, s, "holder"), holder);
	assert_int_equal(number(p, s, "holder_tid"), number(p, thread_of(p, holder), "tid"));
	assert_string_equal(label(p, s, "deadlock"), circle);
}

/* The circle is named by the smallest tid, which is that of the first thread. */
static const char *circle_of(const struct profile *p, char text[24])
{
	snprintf(text, 24, "%lld", (long long)number(p, thread_of(p, "knot_a"), "tid"));
	return text;
}

static void two_threads_that_wait_for_each_other_are_a_deadlock(void **state)
{
	struct recording *r = *state;
	char circle[24];

	record_standstill(r, "two");
	expect_waits_for(r->profile, "knot_a", "knot_b", circle_of(r->profile, circle));
	expect_waits_for(r->profile, "knot_b", "knot_a", circle);
	expect_text(r, "deadlock: 2 threads of process ");
	expect_text(r, "'knot_a' waits for the lock at 0x");
	expect_text(r, "\n        wait_for\n        knot\n");
	assert_int_equal(count_of(r->profile, "knot_?", "**;*pthread_mutex_lock*;wait_for;knot;**"), 2);
}

/* Its locks have the ids of its own namespace in them. */
static void a_deadlock_in_a_pid_namespace_is_one(void **state)
{
	struct recording *r = *state;
	char program[4096], pid[16], circle[24];
	long long outer;

	run__path_workload("standstill", program);
	recording__start(r, ARGS("/usr/bin/unshare", "--pid", "--fork", "--kill-child", program, "two"));
	assert_int_equal(r->pid, 1); /* as it sees itself */
	outer = r->workload.pid;
	snprintf(pid, sizeof(pid), "%lld", child_of(outer));
	recording__record(r, 0, ARGS("-e", "threads", "-p", pid));
	expect_waits_for(r->profile, "knot_a", "knot_b", circle_of(r->profile, circle));
	expect_waits_for(r->profile, "knot_b", "knot_a", circle);
}

static void a_deadlock_of_three_leaves_out_who_waits_behind_it(void **state)
{
	struct recording *r = *state;
	char circle[24];

	record_standstill(r, "three");
	expect_waits_for(r->profile, "knot_a", "knot_b", circle_of(r->profile, circle));
	expect_waits_for(r->profile, "knot_b", "knot_c", circle);
	expect_waits_for(r->profile, "knot_c", "knot_a", circle);
	expect_waits_for(r->profile, "behind", "knot_a", "");
	expect_text(r, "deadlock: 3 threads of process ");
}

static void a_writer_holds_what_others_wait_for(void **state)
{
	struct recording *r = *state;
	char circle[24];

	record_standstill(r, "rwlock");
	expect_waits_for(r->profile, "knot_a", "knot_b", circle_of(r->profile, circle));
	expect_waits_for(r->profile, "knot_b", "knot_a", circle);
}

static void who_waits_for_itself_is_a_deadlock(void **state)
{
	struct recording *r = *state;
	char circle[24];

	record_standstill(r, "self");
	expect_waits_for(r->profile, "knot_a", "knot_a", circle_of(r->profile, circle));
	expect_text(r, "deadlock: 1 thread of process ");
}

static void expect_no_deadlock(struct recording *r)
{
	for (uint32_t i = 0; i < profile__n_samples(r->profile); i++)
		assert_string_equal(label(r->profile, profile__get_sample(r->profile, i), "deadlock"), "");
	assert_null(strstr(run__errors(&r->everprof), "deadlock"));
}

static void who_merely_waits_is_in_no_deadlock(void **state)
{
	struct recording *r = *state;

	record_standstill(r, "chain");
	expect_waits_for(r->profile, "waiter", "holder", "");
	expect_no_deadlock(r);
}

static void a_lock_that_inherits_priority_tells_its_holder(void **state)
{
	struct recording *r = *state;

	record_standstill(r, "pi");
	expect_waits_for(r->profile, "waiter", "holder", "");
	expect_no_deadlock(r);
}

static void who_gives_up_in_time_is_in_no_deadlock(void **state)
{
	struct recording *r = *state;

	record_standstill(r, "timed");
	expect_waits_for(r->profile, "knot_a", "knot_b", "");
	expect_waits_for(r->profile, "knot_b", "knot_a", "");
	expect_no_deadlock(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(every_thread_is_there_once_where_it_waits),
		e2e_test(a_sleeper_says_what_it_waits_in),
		e2e_test(a_command_has_its_own_threads_only),
		e2e_test(a_worker_of_the_kernel_is_whole),
		e2e_test(a_stack_by_rules_made_from_instructions_is_in_doubt),
		e2e_test(two_threads_that_wait_for_each_other_are_a_deadlock),
		e2e_test(a_deadlock_in_a_pid_namespace_is_one),
		e2e_test(a_deadlock_of_three_leaves_out_who_waits_behind_it),
		e2e_test(a_lock_that_inherits_priority_tells_its_holder),
		e2e_test(a_writer_holds_what_others_wait_for),
		e2e_test(who_waits_for_itself_is_a_deadlock),
		e2e_test(who_merely_waits_is_in_no_deadlock),
		e2e_test(who_gives_up_in_time_is_in_no_deadlock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
