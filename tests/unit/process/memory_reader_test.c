/* SPDX-License-Identifier: Apache-2.0 */
/* The reader over a system call that does not come back for some processes until the test lets it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/clock.h"
#include "user/process/memory_reader.h"
#include "user/process/process_memory.h"

#define SOUND 7
#define PIECE 16

/* Whoever is not the sound one keeps who reads. */
static uint32_t stuck[ASIDE_LEFT_MAX + 1];
static sem_t may_go;
static atomic_int n_calls, n_back;
static _Atomic(time_t) later_s;

/* Instead of the system's. Every byte is the process's number. */
ssize_t process_vm_readv(pid_t pid, const struct iovec *to, unsigned long n_to, const struct iovec *from,
			 unsigned long n_from, unsigned long flags)
{
	size_t len = 0;

	(void)flags;
	assert_int_equal(n_to, 1);
	for (unsigned long i = 0; i < n_from; i++)
		len += from[i].iov_len;
	assert_true(len <= to->iov_len);
	atomic_fetch_add(&n_calls, 1);
	if (pid != SOUND)
		sem_wait(&may_go);
	memset(to->iov_base, pid, len);
	atomic_fetch_add(&n_back, pid != SOUND);
	return (ssize_t)len;
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int err = (int)syscall(SYS_clock_gettime, clock, ret);

	ret->tv_sec += atomic_load(&later_s);
	return err;
}

static int read_piece(uint32_t pid, uint8_t to[PIECE])
{
	return process_memory__read(pid, 4096, to, PIECE);
}

static void expect_sound(uint32_t pid)
{
	uint8_t bytes[PIECE] = {0};

	assert_int_equal(read_piece(pid, bytes), 0);
	for (int i = 0; i < PIECE; i++)
		assert_int_equal(bytes[i], (uint8_t)pid);
}

/* Without a call: nobody waits. */
static void expect_refused(uint32_t pid)
{
	uint8_t bytes[PIECE] = {0};
	int before = atomic_load(&n_calls);

	assert_int_equal(read_piece(pid, bytes), -ETIMEDOUT);
	assert_int_equal(atomic_load(&n_calls), before);
}

/* Keeps a thread; what comes later goes nowhere that is seen. */
static void expect_left(uint32_t pid, uint8_t bytes[PIECE])
{
	uint64_t began = clock__mono_ns();
	int before = atomic_load(&n_calls);

	assert_int_equal(read_piece(pid, bytes), -ETIMEDOUT);
	assert_int_equal(atomic_load(&n_calls), before + 1);
	assert_true(clock__mono_ns() - began >= ASIDE_PATIENCE_NS);
}

static void let_go(int n)
{
	int want = atomic_load(&n_back) + n;

	for (int i = 0; i < n; i++)
		sem_post(&may_go);
	for (int i = 0; i < 5000 && atomic_load(&n_back) < want; i++)
		usleep(1000);
	assert_int_equal(atomic_load(&n_back), want);
}

/* The thread has still to say that it is back. */
static void expect_sound_again(uint32_t pid)
{
	uint8_t bytes[PIECE];

	for (int i = 0; i < 5000 && read_piece(pid, bytes); i++)
		usleep(1000);
	expect_sound(pid);
}

static void wait_out_the_respite(void)
{
	atomic_fetch_add(&later_s, (time_t)(ASIDE_RESPITE_NS / NS_PER_SEC) + 1);
}

static void a_process_that_keeps_the_reader_is_given_up_and_no_other(void **state)
{
	uint8_t bytes[PIECE] = {0};

	(void)state;
	expect_sound(SOUND);
	expect_left(stuck[0], bytes);
	expect_refused(stuck[0]);
	expect_sound(SOUND);
	wait_out_the_respite();
	expect_refused(stuck[0]); /* it has the thread still */
	let_go(1);
	for (int i = 0; i < PIECE; i++)
		assert_int_equal(bytes[i], 0); /* not written behind the asker's back */
	sem_post(&may_go);
	sem_post(&may_go);
	expect_sound_again(stuck[0]); /* in time, now */
	expect_sound(SOUND);
}

static void one_that_is_too_late_is_refused_for_a_while(void **state)
{
	uint8_t bytes[PIECE] = {0};

	(void)state;
	expect_left(stuck[0], bytes);
	let_go(1);
	expect_refused(stuck[0]);
	wait_out_the_respite();
	sem_post(&may_go);
	sem_post(&may_go);
	expect_sound_again(stuck[0]);
}

static void threads_of_one_process_are_given_up_together(void **state)
{
	struct memory_span span = {.addr = 4096, .len = PIECE};
	uint8_t bytes[PIECE] = {0};
	int before;

	(void)state;
	span.to = bytes;
	assert_int_equal(process_memory__read_thread(stuck[0], stuck[0] + 1, &span, 1), -ETIMEDOUT);
	before = atomic_load(&n_calls);
	assert_int_equal(process_memory__read_thread(stuck[0], stuck[0] + 2, &span, 1), -ETIMEDOUT);
	assert_int_equal(atomic_load(&n_calls), before);
	assert_false(span.is_read);
	let_go(1);
	wait_out_the_respite();
}

/* Its memory is another one, and so are its habits. */
static void what_comes_after_it_under_its_pid_is_not_refused(void **state)
{
	uint8_t bytes[PIECE] = {0};
	char two[2] = "ab";
	int to[2], from[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(to, O_CLOEXEC) + pipe2(from, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		if (read(0, two, 1) == 1)
			execlp("cat", "cat", NULL);
		_exit(1);
	}
	assert_true(pid != SOUND);
	expect_left((uint32_t)pid, bytes);
	expect_refused((uint32_t)pid);
	assert_int_equal(write(to[1], two, 2), 2);
	assert_int_equal(read(from[0], two, 1), 1); /* it is another program now */
	expect_refused((uint32_t)pid);
	aside__forget((uint32_t)pid);
	expect_left((uint32_t)pid, bytes);
	expect_refused((uint32_t)pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	for (int i = 0; i < 2; i++) {
		close(to[i]);
		close(from[i]);
	}
	let_go(2);
	wait_out_the_respite();
}

static void no_more_threads_than_the_limit_are_left(void **state)
{
	uint8_t bytes[PIECE] = {0};

	(void)state;
	if (geteuid()) /* root alone may have all places */
		skip();
	for (uint32_t i = 0; i < ASIDE_LEFT_MAX; i++) {
		expect_sound(SOUND);
		expect_left(stuck[i], bytes);
	}
	expect_refused(stuck[ASIDE_LEFT_MAX]);
	expect_refused(SOUND);
	let_go(1);
	expect_refused(SOUND); /* it may come again at once */
	wait_out_the_respite();
	expect_sound_again(SOUND);
	let_go(ASIDE_LEFT_MAX - 1);
}

static int start_processes(void **state)
{
	(void)state;
	for (int i = 0; i <= ASIDE_LEFT_MAX; i++) {
		pid_t pid = fork();

		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			for (;;)
				pause();
		}
		if (pid < 0)
			return -1;
		stuck[i] = (uint32_t)pid;
	}
	return 0;
}

static int end_processes(void **state)
{
	(void)state;
	for (int i = 0; i <= ASIDE_LEFT_MAX; i++) {
		kill((pid_t)stuck[i], SIGKILL);
		waitpid((pid_t)stuck[i], NULL, 0);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_that_keeps_the_reader_is_given_up_and_no_other),
		cmocka_unit_test(one_that_is_too_late_is_refused_for_a_while),
		cmocka_unit_test(threads_of_one_process_are_given_up_together),
		cmocka_unit_test(what_comes_after_it_under_its_pid_is_not_refused),
		cmocka_unit_test(no_more_threads_than_the_limit_are_left),
	};

	sem_init(&may_go, 0, 0);
	return cmocka_run_group_tests_name("memory_reader", tests, start_processes, end_processes);
}
