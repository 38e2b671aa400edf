/* SPDX-License-Identifier: Apache-2.0 */
/* Waits of programs with known answers: for how long, why, for what, who ended them, and whether that was idling. */
#include <fcntl.h>
#include <math.h>

#include "tests/e2e/e2e.h"
#include "tests/support/waits.h"

/* -- waiting for something -- */
static void a_sleeper_sleeps_and_idles(void **state)
{
	waits__expect_way(*state, "sleep", NULL, "sleeper", "blocked", "clock_nanosleep", "sleep", "timer");
}

static void a_mutex_is_waited_for_as_long_as_it_is_held(void **state)
{
	struct recording *r = *state;

	waits__expect_way(r, "mutex", NULL, "waiter", "blocked", "futex", "futex", "");
	/* the holder sleeps, and seldom finds the lock taken by the other */
	waits__expect_kind(r->profile, "holder", "blocked", "clock_nanosleep", "sleep", "timer", 0.85);
}

static void a_condition_variable_is_a_futex(void **state)
{
	waits__expect_way(*state, "cond", NULL, "waiter", "blocked", "futex", "futex", "");
}

static void a_semaphore_is_a_futex(void **state)
{
	waits__expect_way(*state, "sem", NULL, "waiter", "blocked", "futex", "futex", "");
}

static void a_rwlock_is_a_futex(void **state)
{
	waits__expect_way(*state, "rwlock", NULL, "waiter", "blocked", "futex", "futex", "");
}

static void a_slow_pipe_blocks_its_reader(void **state)
{
	waits__expect_way(*state, "pipe", NULL, "waiter", "blocked", "read", "pipe", "");
}

/* Going there is a wait, too: for a thread of the kernel that moves it. */
static void a_thread_that_wakes_on_another_cpu_each_time_is_counted_once(void **state)
{
	struct recording *r = *state;
	struct bill truth;

	waits__record(r, "migrate", SECONDS, NULL);
	truth = waits__truth(r, "nomad");
	assert_other(r, (&(struct part){.comm = "nomad", .for_other = true}), truth);
	assert_amount_slack(r->profile, (&(struct part){.comm = "nomad", .for_cpu = true}), truth.delay_ns,
			    WAITS_TOLERANCE * truth.waited_ns);
	waits__expect_kind(r->profile, "nomad", "blocked", "clock_nanosleep", "sleep", "timer", 0.85);
}

static void reads_past_the_cache_wait_for_the_disk(void **state)
{
	struct recording *r = *state;
	const char *path = recording__file(r, "blocks");
	char block[4096] = "x";
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	for (int i = 0; i < 2048; i++)
		assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
	fsync(fd);
	close(fd);
	fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		skip(); /* a file system without it */
	close(fd);
	waits__expect_way(r, "disk", path, "reader", "disk", "pread64", "file", "");
}

/* -- whose waits -- */
/* The rest of the machine sleeps all the while. */
static void a_command_has_its_own_waits_only(void **state)
{
	struct recording *r = *state;

	waits__record(r, "sleep", "2", NULL);
	for (uint32_t i = 0; i < profile__n_samples(r->profile); i++) {
		const char *comm = waits__label(r->profile, profile__get_sample(r->profile, i), "comm");

		if (strcmp(comm, "sleeper") && strcmp(comm, "waits") && strcmp(comm, "everprof"))
			fail_msg("a sample of '%s'", comm);
	}
}

/* -- threads that come and go -- */
static void waits_of_threads_that_are_gone_are_there(void **state)
{
	struct recording *r = *state;

	waits__record(r, "exiting", SECONDS, NULL);
	assert_other(r, (&(struct part){.comm = "brief", .state = "blocked"}), waits__truth(r, "brief"));
}

/* It never wakes: its program is replaced, after 2 s. */
/* What is left of a process until somebody waits for it does not wait for anything. */
static void a_zombie_waits_for_nothing(void **state)
{
	struct recording *r = *state;

	recording__record(r, 0, ARGS("-e", "offcpu", "--", "sh", "-c", "(exit 0) & exec sleep 3"));
	assert_true(waits__sum(r->profile, &(struct part){.comm = "sleep"}).ns > 2000 * MS);
	if (waits__sum(r->profile, &(struct part){.comm = "sh"}).ns > 1000 * MS) {
		waits__print(r->profile);
		fail_msg("what has ended waits");
	}
}

static void a_wait_that_an_exec_ends_is_counted_once(void **state)
{
	struct recording *r = *state;

	waits__record(r, "exec", SECONDS, NULL);
	assert_amount_slack(r->profile, (&(struct part){.comm = "blocker", .state = "blocked"}),
			    waits__truth(r, "blocker").waited_ns, 20 * MS);
	waits__expect_kind(r->profile, "sleeper", "blocked", "clock_nanosleep", "sleep", "timer", 0.97);
}

/* -- waiting for a CPU -- */
static void who_starves_waits_for_a_cpu(void **state)
{
	struct recording *r = *state;
	struct bill truth;

	waits__record(r, "starve", SECONDS, NULL);
	truth = waits__truth(r, "hog");
	assert_amount_slack(r->profile, (&(struct part){.comm = "hog", .for_cpu = true}), truth.delay_ns,
			    10 * MS);
	/* they have work all the time */
	assert_amount_slack(r->profile, (&(struct part){.comm = "hog", .state = "preempted"}), truth.delay_ns,
			    50 * MS);
	assert_amount_slack(r->profile, (&(struct part){.comm = "hog", .wait = "cpu"}), truth.delay_ns,
			    10 * MS);
}

/* -- what it costs -- */
static void what_the_kernel_takes_to_call_the_hook_is_known(void **state)
{
	struct recording *r = *state;
	const char *told;
	unsigned ns = 0;

	recording__record(r, 0, ARGS("-v", "-e", "offcpu", "-d", "200ms"));
	told = strstr(run__errors(&r->everprof), "the kernel takes ");
	assert_non_null(told);
	assert_int_equal(sscanf(told, "the kernel takes %u ns to call a program", &ns), 1);
	assert_in_range(ns, 1, 20000);
}

/* -- locks -- */
/* All that it waits for is a lock of user space, and of that it waits for no CPU; given by `holder`. */
static void assert_lock(struct recording *r, const char *way)
{
	struct part held = {.comm = "waiter", .lock = "futex", .holder = "holder"};
	struct part all = {.comm = "waiter", .lock = "futex", .state = "blocked"};
	char program[4096];

	run__path_workload("waits", program);
	recording__record(r, 0, ARGS("-e", "lock", "--", program, way, SECONDS));
	assert_other(r, &all, waits__truth(r, "waiter"));
	if (waits__sum(r->profile, &held).ns < 0.95 * waits__sum(r->profile, &all).ns) {
		waits__print(r->profile);
		fail_msg("%.3f of %.3f ms are said to be held", waits__sum(r->profile, &held).ns / MS,
			 waits__sum(r->profile, &all).ns / MS);
	}
}

static void a_mutex_is_a_lock_that_its_holder_gives(void **state)
{
	assert_lock(*state, "mutex");
}

static void a_condition_variable_is_a_lock(void **state)
{
	assert_lock(*state, "cond");
}

static void a_semaphore_is_a_lock(void **state)
{
	assert_lock(*state, "sem");
}

static void a_rwlock_is_a_lock(void **state)
{
	assert_lock(*state, "rwlock");
}

/* Both are made to agree with the kernel's account of the thread, to the nanosecond of each row. */
static void what_is_waited_for_locks_is_what_waits_say(void **state)
{
	const struct part wait = {.comm = "waiter", .state = "blocked", .syscall = "futex"},
			  lock = {.comm = "waiter", .lock = "futex"};
	struct recording *r = *state;
	char program[4096], everprof[4096], command[16384];
	struct profile *waits, *locks;
	struct amount a, b;

	if (geteuid())
		skip();
	run__path_workload("waits", program);
	run__path_everprof(everprof);
	snprintf(command, sizeof(command), "'%s' record -q -e offcpu,lock -o both -- '%s' mutex 3", everprof,
		 program);
	assert_int_equal(recording__shell(r, command), 0);
	waits = expect_profile(recording__file(r, "both/offcpu.pb.gz"));
	locks = expect_profile(recording__file(r, "both/lock.pb.gz"));
	a = waits__sum(waits, &wait);
	b = waits__sum(locks, &lock);
	print_message("waits %.6f ms, locks %.6f ms\n", a.ns / MS, b.ns / MS);
	assert_true(a.ns > 1000 * MS);
	assert_true(fabs(a.ns - b.ns) < 1000);
	profile__free(waits);
	profile__free(locks);
}

static void expect_number(struct recording *r, const struct part *part)
{
	double want = (double)waits__truth(r, part->comm).n;
	struct amount a = waits__sum(r->profile, part);

	print_message("%lld waits of %.0f, %.3f ms\n", a.n, want, a.ns / MS);
	if (fabs((double)a.n - want) <= 0.005 * want + 6)
		return;
	waits__print(r->profile);
	fail_msg("there were %.0f waits", want);
}

/* One of them is taken in a hundred or more: by that alone their number would be some ten percent off, either way. Their time is known of each thread, and so is how many they were. */
static void short_waits_are_as_many_as_there_were(void **state)
{
	struct recording *r = *state;
	char program[4096];

	run__path_workload("waits", program);
	recording__record(r, 0, ARGS("-e", "lock", "--", program, "contend", SECONDS));
	expect_number(r, &(struct part){.comm = "contender", .lock = "futex"});
	waits__record(r, "contend", SECONDS, NULL);
	expect_number(r, &(struct part){.comm = "contender", .for_other = true});
}

/* Two that will wait for each other for ever: no wait ends while it is recorded, and all of it is told. */
static void a_wait_for_a_lock_that_goes_on_is_told(void **state)
{
	struct recording *r = *state;
	char pid[32];
	double span;

	recording__start(r, ARGS("standstill", "two"));
	snprintf(pid, sizeof(pid), "%lld", r->pid);
	recording__record(r, 0, ARGS("-e", "lock", "-d", "3s", "-p", pid));
	span = (double)profile__meta(r->profile)->duration_ns;
	assert_amount_slack(r->profile,
			    (&(struct part){.comm = "knot_a", .lock = "futex", .holder = "knot_b"}), span,
			    50 * MS);
	assert_amount_slack(r->profile,
			    (&(struct part){.comm = "knot_b", .lock = "futex", .holder = "knot_a"}), span,
			    50 * MS);
}

/* -- who ends it -- */
static void expect_waker(const struct recording *r, const char *comm, const char *waker, double share)
{
	struct part all = {.comm = comm, .state = "blocked", .has_ended = true},
		    by = {.comm = comm, .state = "blocked", .waker = waker, .has_ended = true};

	if (waits__sum(r->profile, &by).ns >= share * waits__sum(r->profile, &all).ns &&
	    waits__sum(r->profile, &all).ns > 0)
		return;
	waits__print(r->profile);
	fail_msg("%s: %.3f of %.3f ms are ended by %s", comm, waits__sum(r->profile, &by).ns / MS,
		 waits__sum(r->profile, &all).ns / MS, waker);
}

/* A thread gives to the other; it itself is woken by its timer. */
static void who_ends_a_wait_is_told_on_request(void **state)
{
	struct recording *r = *state;
	char program[4096];

	run__path_workload("waits", program);
	recording__record(r, 0, ARGS("-e", "offcpu", "--waker", "--", program, "pipe", SECONDS));
	expect_waker(r, "waiter", "holder", 0.95);
	expect_waker(r, "holder", "[interrupt]", 0.95);
	recording__record(r, 0, ARGS("-e", "offcpu", "--", program, "pipe", "1"));
	expect_waker(r, "waiter", "", 1);
}

static void expect_chain(const struct recording *r, const char *comm, const char *pattern)
{
	struct expect_filter by = {.comm = comm, .stack = pattern}, all = {.comm = comm};
	struct expect_sum part, whole;

	expect__sum(r->profile, &by, &part);
	expect__sum(r->profile, &all, &whole);
	print_message("%s: %.3f of %.3f ms\n", comm, (double)part.ns / MS, (double)whole.ns / MS);
	if (whole.ns && (double)part.ns >= 0.9 * (double)whole.ns)
		return;
	expect__print(r->profile, &all);
	fail_msg("%s", pattern);
}

/* The first wakes the second, that the third: each wait has the stack that ended it, so who follows them comes to the first. */
static void a_chain_of_wakers_can_be_followed(void **state)
{
	struct recording *r = *state;
	char program[4096];

	run__path_workload("waits", program);
	recording__record(r, 0, ARGS("-e", "offcpu", "--waker", "--", program, "chain", SECONDS));
	expect_chain(r, "third", "**;wait_for_second;**;\\[woken by\\];**;wake_third;step_second;**");
	expect_chain(r, "second", "**;wait_for_first;**;\\[woken by\\];**;wake_second;step_first;**");
	expect_waker(r, "third", "second", 0.9);
	expect_waker(r, "second", "first", 0.9);
	/* decided at the wake-up, what is taken stands for the same time */
	assert_other(r, (&(struct part){.comm = "third", .for_other = true}), waits__truth(r, "third"));
}

/* A worker of io_uring's, which has no stack in the program, or, where there is none, a timer. */
static void a_worker_of_the_kernel_that_ends_a_wait_is_whole(void **state)
{
	struct expect_filter woken = {.comm = "touch", .stack = "**;\\[woken by\\];**"};
	struct recording *r = *state;
	struct expect_sum sum;
	char program[4096];

	run__path_workload("touch", program);
	recording__record(r, 0, ARGS("-e", "offcpu", "--waker", "--", program, "worker", "64"));
	expect__sum(r->profile, &woken, &sum);
	assert_true(sum.rows > 0);
	expect_complete(r->profile, &woken, 0.99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(a_sleeper_sleeps_and_idles),
		e2e_test(a_mutex_is_waited_for_as_long_as_it_is_held),
		e2e_test(a_condition_variable_is_a_futex),
		e2e_test(a_semaphore_is_a_futex),
		e2e_test(a_rwlock_is_a_futex),
		e2e_test(a_slow_pipe_blocks_its_reader),
		e2e_test(a_thread_that_wakes_on_another_cpu_each_time_is_counted_once),
		e2e_test(reads_past_the_cache_wait_for_the_disk),
		e2e_test(a_command_has_its_own_waits_only),
		e2e_test(waits_of_threads_that_are_gone_are_there),
		e2e_test(a_zombie_waits_for_nothing),
		e2e_test(a_wait_that_an_exec_ends_is_counted_once),
		e2e_test(who_starves_waits_for_a_cpu),
		e2e_test(what_the_kernel_takes_to_call_the_hook_is_known),
		e2e_test(a_mutex_is_a_lock_that_its_holder_gives),
		e2e_test(a_condition_variable_is_a_lock),
		e2e_test(a_semaphore_is_a_lock),
		e2e_test(a_rwlock_is_a_lock),
		e2e_test(what_is_waited_for_locks_is_what_waits_say),
		e2e_test(short_waits_are_as_many_as_there_were),
		e2e_test(a_wait_for_a_lock_that_goes_on_is_told),
		e2e_test(who_ends_a_wait_is_told_on_request),
		e2e_test(a_chain_of_wakers_can_be_followed),
		e2e_test(a_worker_of_the_kernel_that_ends_a_wait_is_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
