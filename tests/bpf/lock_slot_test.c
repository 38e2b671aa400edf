// SPDX-License-Identifier: Apache-2.0
/* Waits for locks whose end, or begin, is not told: what they leave behind is no part of what comes later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bpf/shim.h"

#include "bpf/lock_slot.bpf.h"

#define HOUR   3600000000000ull
#define LOCK_A 0xffff888000001000ull
#define LOCK_B 0xffff888000002000ull
#define NONE   (~0ull)

/* What a CPU has, and what two threads that share places have. */
static struct lock_spins spins;
static struct lock_slot slept[2];

static int setup(void **state)
{
	(void)state;
	memset(&spins, 0, sizeof(spins));
	memset(slept, 0, sizeof(slept));
	gate = (struct gate){.locks_on = 1};
	shim__open(&losses, SHIM_ARRAY, 4, 8, LOSS_KEYS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	shim__close(&losses);
	return 0;
}

static uint64_t n_lost(void)
{
	return ((__u64 *)losses.values)[EVENT_LOCK * LOSS_MAX + LOSS_WAIT_SLOTS];
}

/* As the two programs of lock.bpf.c do it. */
static void begin(uint64_t lock, uint32_t tid, uint32_t kind, uint64_t now)
{
	struct lock_slot *s = LOCK_SPINS(kind) ? lock_spins__claim(&spins, lock)
					       : lock_slept__claim(&slept[0], &slept[1], tid);

	lock_slot__begin(s, lock, tid, kind, now);
}

/* For how long it has waited, or NONE. */
static uint64_t end(uint64_t lock, uint32_t tid, uint64_t now)
{
	struct lock_slot *s = lock_spins__find(&spins, lock, tid);

	if (!s)
		s = lock_slept__find(&slept[0], &slept[1], lock, tid);
	if (!s)
		return NONE;
	s->lock = 0;
	return now - s->since_ns;
}

static void interrupts_wait_within_what_they_interrupted(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < LOCK_SPUN; i++)
		begin(LOCK_A + i, 7, LOCK_SPIN, 100 + 100 * i);
	for (uint64_t i = LOCK_SPUN; i-- > 0;)
		assert_int_equal(end(LOCK_A + i, 7, 1000), 900 - 100 * i);
	assert_int_equal(end(LOCK_A, 7, 1000), NONE);
	assert_int_equal(n_lost(), 0);
}

static void places_whose_ends_were_missed_are_used_again(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 3 * LOCK_SPUN; i++)
		begin(LOCK_A + i, 7, LOCK_SPIN, i);
	assert_int_equal(n_lost(), 2 * LOCK_SPUN);
	/* the oldest goes first: what waits now stays */
	begin(LOCK_B, 8, LOCK_SPIN, HOUR);
	begin(LOCK_B + 1, 8, LOCK_SPIN, HOUR + 10);
	assert_int_equal(end(LOCK_B + 1, 8, HOUR + 30), 20);
	assert_int_equal(end(LOCK_B, 8, HOUR + 50), 50);
}

static void what_never_ended_hides_no_wait_of_another_thread(void **state)
{
	(void)state;
	begin(LOCK_A, 7, LOCK_SPIN, 10);
	begin(LOCK_A, 8, LOCK_SPIN, HOUR);
	assert_int_equal(end(LOCK_A, 7, HOUR + 4000), NONE);
	assert_int_equal(end(LOCK_A, 8, HOUR + 5000), 5000);
	assert_int_equal(n_lost(), 1);
	/* nor among those that sleep, where another thread that has the first place waits for the same one */
	begin(LOCK_A, 7, LOCK_RWSEM_READ, 0);
	begin(LOCK_A, 8, LOCK_RWSEM_READ, HOUR);
	assert_int_equal(end(LOCK_A, 8, HOUR + 5000), 5000);
	assert_int_equal(end(LOCK_A, 7, HOUR + 6000), HOUR + 6000);
	assert_int_equal(n_lost(), 1);
}

static void a_wait_never_begins_with_one_that_did_not_end(void **state)
{
	static const uint32_t kinds[] = {LOCK_SPIN, LOCK_RWLOCK_READ, LOCK_RWSEM_WRITE, LOCK_RT};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		begin(LOCK_A, 7, kinds[i], 10);
		begin(LOCK_A, 7, kinds[i], HOUR);
		assert_int_equal(end(LOCK_A, 7, HOUR + 5000), 5000);
		assert_int_equal(n_lost(), i + 1);
	}
}

static void a_mutex_that_is_spun_for_first_counts_from_there(void **state)
{
	(void)state;
	begin(LOCK_A, 7, LOCK_MUTEX, 100);
	begin(LOCK_A, 7, LOCK_MUTEX, 300);
	assert_int_equal(end(LOCK_A, 7, 1000), 900);
	assert_int_equal(end(LOCK_A, 7, 1000), NONE);
	assert_int_equal(n_lost(), 0);
}

/* Else the one in the second place would be found an hour later. */
static void a_thread_has_one_place(void **state)
{
	(void)state;
	begin(LOCK_B, 8, LOCK_MUTEX, 0);
	begin(LOCK_A, 7, LOCK_MUTEX, 100);
	assert_int_equal(end(LOCK_B, 8, 200), 200);
	begin(LOCK_A, 7, LOCK_MUTEX, 300); /* the first place is free by now */
	assert_int_equal(end(LOCK_A, 7, 1000), 900);
	begin(LOCK_B, 8, LOCK_MUTEX, HOUR);
	begin(LOCK_A, 7, LOCK_MUTEX, HOUR);
	assert_int_equal(end(LOCK_A, 7, HOUR + 5000), 5000);
	assert_int_equal(n_lost(), 0);
}

/* Who waited when it stopped was not seen to go on; once it is recorded again that is nobody's time. */
static void what_waited_when_recording_stopped_counts_no_more(void **state)
{
	(void)state;
	begin(LOCK_A, 7, LOCK_MUTEX, 100);
	begin(LOCK_A, 8, LOCK_RWSEM_READ, 100);
	for (uint64_t i = 0; i < LOCK_SPUN; i++)
		begin(LOCK_A + i, 9, LOCK_SPIN, 100);
	gate.lock_round++;
	/* a wait that had begun before */
	assert_int_equal(end(LOCK_A, 8, HOUR), NONE);
	assert_int_equal(end(LOCK_A + 1, 9, HOUR), NONE);
	begin(LOCK_A, 7, LOCK_MUTEX, HOUR);
	begin(LOCK_B, 10, LOCK_MUTEX, HOUR);
	for (uint64_t i = 0; i < LOCK_SPUN; i++)
		begin(LOCK_B + i, 9, LOCK_SPIN, HOUR);
	for (uint64_t i = 0; i < LOCK_SPUN; i++)
		assert_int_equal(end(LOCK_B + i, 9, HOUR + 5000), 5000);
	assert_int_equal(end(LOCK_A, 7, HOUR + 5000), 5000);
	assert_int_equal(end(LOCK_B, 10, HOUR + 5000), 5000);
	assert_int_equal(n_lost(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(interrupts_wait_within_what_they_interrupted),
		TEST(places_whose_ends_were_missed_are_used_again),
		TEST(what_never_ended_hides_no_wait_of_another_thread),
		TEST(a_wait_never_begins_with_one_that_did_not_end),
		TEST(a_mutex_that_is_spun_for_first_counts_from_there),
		TEST(a_thread_has_one_place),
		TEST(what_waited_when_recording_stopped_counts_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
