/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs that come back, late or never, for processes of several users. What memory_reader_test sees of it is not looked at again. */
#include <errno.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/aside.h"
#include "user/base/clock.h"

#define USER  4711
#define OTHER 4712

static sem_t may_go;
static atomic_int n_run, n_dropped;
static _Atomic(time_t) later_s;

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int err = (int)syscall(SYS_clock_gettime, clock, ret);

	ret->tv_sec += atomic_load(&later_s);
	return err;
}

struct job {
	struct aside_job aside;
	bool stays;
	uint64_t spins_ns;
};

static void job__run(struct aside_job *aside)
{
	struct job *j = (struct job *)aside;
	uint64_t until_ns = clock__mono_ns() + j->spins_ns;

	atomic_fetch_add(&n_run, 1);
	if (j->stays)
		sem_wait(&may_go);
	while (clock__mono_ns() < until_ns)
		;
}

static void job__drop(struct aside_job *aside)
{
	atomic_fetch_add(&n_dropped, 1);
	free(aside);
}

static int run(pid_t pid, bool stays, uint64_t spins_ns)
{
	struct job *j = calloc(1, sizeof(*j));
	int err;

	*j = (struct job){.aside = {job__run, job__drop}, .stays = stays, .spins_ns = spins_ns};
	err = aside__run((uint32_t)pid, &j->aside);
	if (!err)
		free(j);
	return err;
}

static void expect_sound(pid_t pid)
{
	assert_int_equal(run(pid, false, 0), 0);
}

static void expect_refused(pid_t pid)
{
	int ran = atomic_load(&n_run), dropped = atomic_load(&n_dropped);

	assert_int_equal(run(pid, false, 0), -ETIMEDOUT);
	assert_int_equal(atomic_load(&n_run), ran);
	assert_int_equal(atomic_load(&n_dropped), dropped + 1);
}

static void expect_left(pid_t pid)
{
	int dropped = atomic_load(&n_dropped);
	uint32_t last = 0;
	uint64_t n = aside__n_left(&last);

	assert_int_equal(run(pid, true, 0), -ETIMEDOUT);
	assert_int_equal(atomic_load(&n_dropped), dropped); /* the thread has it still */
	assert_int_equal(aside__n_left(&last), n + 1);
	assert_int_equal(last, pid);
}

/* They let go, and are forgotten: a thread says so before it drops its job. */
static void let_all_go(int n)
{
	int want = atomic_load(&n_dropped) + n;

	for (int i = 0; i < n; i++)
		sem_post(&may_go);
	for (int i = 0; i < 5000 && atomic_load(&n_dropped) < want; i++)
		usleep(1000);
	assert_int_equal(atomic_load(&n_dropped), want);
	atomic_fetch_add(&later_s, (time_t)(ASIDE_RESPITE_NS / NS_PER_SEC) + 1);
}

static pid_t process_of(uid_t uid)
{
	int ready[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		if (setuid(uid) || prctl(PR_SET_PDEATHSIG, SIGKILL) || write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void no_user_has_all_places(void **state)
{
	pid_t held[ASIDE_LEFT_PER_USER], next, other;

	(void)state;
	if (geteuid())
		skip();
	next = process_of(USER);
	other = process_of(OTHER);
	for (int i = 0; i < ASIDE_LEFT_PER_USER; i++) {
		held[i] = process_of(USER);
		expect_sound(next);
		expect_left(held[i]);
	}
	expect_refused(next);
	expect_sound(other);
	expect_left(other);
	expect_sound(getpid());
	let_all_go(ASIDE_LEFT_PER_USER + 1);
	expect_sound(next);
	for (int i = 0; i < ASIDE_LEFT_PER_USER; i++)
		expect_sound(held[i]);
	for (int i = 0; i < ASIDE_LEFT_PER_USER; i++)
		end(held[i]);
	end(next);
	end(other);
}

/* Who they were is not known, and may be all the same. */
static void who_is_gone_before_it_is_asked_has_no_more_places(void **state)
{
	pid_t pid;

	(void)state;
	for (int i = 0; i <= ASIDE_LEFT_PER_USER; i++) {
		pid = process_of(getuid());
		end(pid);
		if (i < ASIDE_LEFT_PER_USER)
			expect_left(pid);
	}
	expect_refused(pid);
	expect_sound(getpid());
	let_all_go(ASIDE_LEFT_PER_USER);
	expect_sound(pid);
}

static void what_comes_after_it_under_its_pid_is_not_refused(void **state)
{
	pid_t pid = process_of(getuid());

	(void)state;
	expect_left(pid);
	expect_refused(pid);
	end(pid);
	expect_sound(pid);
	let_all_go(1);
}

static void neither_is_another_program_of_which_was_told(void **state)
{
	pid_t pid = process_of(getuid());

	(void)state;
	expect_left(pid);
	expect_refused(pid);
	aside__forget((uint32_t)pid);
	expect_sound(pid);
	let_all_go(1);
	end(pid);
}

static void who_takes_long_and_does_not_wait_is_waited_for(void **state)
{
	(void)state;
	assert_int_equal(run(getpid(), false, 2 * ASIDE_PATIENCE_NS + ASIDE_PATIENCE_NS / 2), 0);
	expect_sound(getpid());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_user_has_all_places),
		cmocka_unit_test(who_is_gone_before_it_is_asked_has_no_more_places),
		cmocka_unit_test(what_comes_after_it_under_its_pid_is_not_refused),
		cmocka_unit_test(neither_is_another_program_of_which_was_told),
		cmocka_unit_test(who_takes_long_and_does_not_wait_is_waited_for),
	};

	sem_init(&may_go, 0, 0);
	return cmocka_run_group_tests_name("aside", tests, NULL, NULL);
}
