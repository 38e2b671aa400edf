/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <linux/futex.h>
#include <pthread.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/process/futex.h"

#define ADDR 0x7f0000001000ull

static bool parse(int syscall, uint32_t op, uint64_t timeout, struct futex_wait *ret)
{
	__u64 regs[REGS_N] = {[5] = ADDR, [4] = op, [10] = timeout};

	return futex__parse_wait(syscall, regs, ret);
}

static uint32_t holder_of(bool is_pi, size_t len, const uint32_t words[5])
{
	return futex__parse_holder(&(struct futex_wait){.addr = ADDR, .is_pi = is_pi}, words, len);
}

static void waits_are_told_from_other_calls(void **state)
{
	struct futex_wait w;

	(void)state;
	assert_true(parse(SYS_futex, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME, 0, &w));
	assert_int_equal(w.addr, ADDR);
	assert_false(w.has_timeout);
	assert_false(w.is_pi);
	assert_true(parse(SYS_futex, FUTEX_WAIT, 1, &w));
	assert_true(w.has_timeout);
	assert_true(parse(SYS_futex, FUTEX_LOCK_PI | FUTEX_PRIVATE_FLAG, 0, &w));
	assert_true(w.is_pi);
	assert_false(parse(SYS_futex, FUTEX_WAKE, 0, &w));
	assert_false(parse(SYS_read, FUTEX_WAIT, 0, &w));
	assert_false(parse(SYSCALL_NONE, FUTEX_WAIT, 0, &w));
}

/* The library's own, as it lies in memory: taken by this thread, and marked as waited for. */
static void a_mutex_of_the_library_says_who_has_it(void **state)
{
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	uint32_t words[5];

	(void)state;
	pthread_mutex_lock(&m);
	memcpy(words, &m, sizeof(words));
	assert_int_equal(words[0], 1);
	assert_int_equal(holder_of(false, sizeof(words), words), 0); /* nobody waits: it is no wait of this */
	words[0] = 2;
	assert_int_equal(holder_of(false, sizeof(words), words), (uint32_t)syscall(SYS_gettid));
	assert_int_equal(holder_of(false, 16, words), 0); /* the page ends before all is seen */
	pthread_mutex_unlock(&m);
}

/* Readers wait at the third word, writers at the fourth. */
static void a_rwlock_of_the_library_says_who_writes(void **state)
{
	pthread_rwlock_t l = PTHREAD_RWLOCK_INITIALIZER;
	uint32_t words[10] = {0};

	(void)state;
	pthread_rwlock_wrlock(&l);
	memcpy(words, &l, sizeof(words));
	words[2] |= 2;
	assert_int_equal(holder_of(false, 20, words + 2), (uint32_t)syscall(SYS_gettid));
	words[3] |= 2;
	assert_int_equal(holder_of(false, 20, words + 3), (uint32_t)syscall(SYS_gettid));
	pthread_rwlock_unlock(&l);
}

static void words_that_hold_a_tid_say_it_themselves(void **state)
{
	(void)state;
	assert_int_equal(holder_of(true, 4, (uint32_t[5]){FUTEX_WAITERS | 4711}), 4711);
	assert_int_equal(holder_of(true, 4, (uint32_t[5]){4711}), 4711);
	/* robust */
	assert_int_equal(holder_of(false, 20, (uint32_t[5]){FUTEX_WAITERS | 4711, 0, 4711, 1, 16}), 4711);
	assert_int_equal(holder_of(false, 20, (uint32_t[5]){FUTEX_WAITERS | 4711, 0, 4712, 1, 16}), 0);
}

static void what_only_looks_like_a_lock_has_no_holder(void **state)
{
	(void)state;
	/* a condition variable, a semaphore, a lock of another runtime: no plausible kind, no user, no wait */
	assert_int_equal(holder_of(false, 20, (uint32_t[5]){0, 0, 4711, 1, 0}), 0);
	assert_int_equal(holder_of(false, 20, (uint32_t[5]){2, 0, 4711, 0, 0}), 0);
	assert_int_equal(holder_of(false, 20, (uint32_t[5]){2, 0, 4711, 1, 0x12345}), 0);
	assert_int_equal(holder_of(false, 20, (uint32_t[5]){2, 0, 0xdeadbeef, 1, 0}), 0);
	assert_int_equal(holder_of(false, 20, (uint32_t[5]){2, 1, 0, 1, 5}), 0);
	/* a word of -1, or of a bit and a number of readers */
	assert_int_equal(holder_of(false, 20, (uint32_t[5]){UINT32_MAX, 0, 0, 0, 0}), 0);
	assert_int_equal(holder_of(false, 20, (uint32_t[5]){FUTEX_WAITERS | 1, 0, 1, 1, 0}), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_are_told_from_other_calls),
		cmocka_unit_test(a_mutex_of_the_library_says_who_has_it),
		cmocka_unit_test(a_rwlock_of_the_library_says_who_writes),
		cmocka_unit_test(words_that_hold_a_tid_say_it_themselves),
		cmocka_unit_test(what_only_looks_like_a_lock_has_no_holder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
