// SPDX-License-Identifier: Apache-2.0
/* Whose place the stack of a waker is in, however long the wait keeps it; and what a wait stands for that was decided at its wake-up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bpf/shim.h"

static uint32_t shim_random;
static uint32_t bpf_get_prandom_u32(void)
{
	return shim_random;
}

#include "bpf/waker.bpf.h"

#define SECOND 1000000000ull
#define NOW    (1000 * SECOND)

static struct walk w;

static int setup(void **state)
{
	(void)state;
	shim__open(&waker_stacks, SHIM_ARRAY, 4, sizeof(struct waker_stack), WAKER_STACKS);
	shim__open(&losses, SHIM_ARRAY, 4, 8, LOSS_KEYS);
	gate = (struct gate){.wait_told = 1};
	shim_random = 0;
	w = (struct walk){.n_words = 3, .hash = 77};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	shim__close(&waker_stacks);
	shim__close(&losses);
	return 0;
}

static uint64_t n_lost(void)
{
	return ((__u64 *)losses.values)[EVENT_OFFCPU * LOSS_MAX + LOSS_WAKER_STACK];
}

/* As a wake-up does it, for a wait that began a second before; its stack is one word. */
static __u32 wake(__u32 tid, __u64 now, __u64 word)
{
	__u32 at = waker__claim(now);
	struct waker_stack *k = at ? waker__stack(at) : NULL;

	if (!k)
		return 0;
	k->began_ns = now - SECOND;
	k->tid = tid;
	k->d = SECOND;
	k->weight = 4 * SECOND;
	k->words[0] = word;
	k->n_words = 1;
	k->hash = word;
	return at;
}

static void a_wait_has_the_stack_of_who_ended_it(void **state)
{
	__u32 at = wake(7, NOW, 0x111);

	(void)state;
	assert_int_not_equal(at, 0);
	assert_non_null(waker__find(at, 7));
	assert_null(waker__find(at, 8));
	assert_null(waker__find(WAKER_NOT_TAKEN, 7));
	assert_null(waker__find(WAKER_NO_PLACE, 7));
	waker__join(&w, at, NOW, EVENT_OFFCPU);
	assert_int_equal(w.n_words, 4);
	assert_int_equal(w.words[3], 0x111);
	assert_int_equal(w.hash, walk_mix(77, 0x111));
	waker__put(at, NOW);
	assert_null(waker__find(at, 7));
	assert_int_equal(n_lost(), 0);
}

/* Its thread is in the kernel for longer than a place is kept: all are somebody else's by then, one is another wait's of its own. */
static void a_place_that_went_to_another_wait_stays_that_ones(void **state)
{
	__u32 at = wake(7, NOW, 0x111), later[WAKER_STACKS + 1] = {0};
	__u64 then = NOW + WAKER_STALE_NS + 1;

	(void)state;
	for (__u32 i = 0; i < WAKER_STACKS; i++) {
		__u32 its;

		shim_random = i;
		its = wake(i == 5 ? 7 : 100 + i, then, 0x200 + i);
		assert_int_not_equal(its, 0);
		later[its] = i == 5 ? 7 : 100 + i;
	}
	waker__join(&w, at, NOW, EVENT_OFFCPU);
	assert_int_equal(w.n_words, 3);
	assert_int_equal(w.hash, 77);
	assert_int_equal(n_lost(), 1);
	waker__put(at, NOW);
	for (at = 1; at <= WAKER_STACKS; at++) {
		assert_non_null(waker__find(at, later[at]));
		waker__put(at, NOW); /* not even where it is the same thread's */
		assert_non_null(waker__find(at, later[at]));
	}
	/* all are in use, and none is old enough */
	assert_int_equal(waker__claim(then + WAKER_STALE_NS), 0);
	waker__put(0, then);
}

static void a_wait_stands_for_what_was_decided_and_its_queue_for_as_much(void **state)
{
	struct wait_slot slot = {.tid = 7};
	const struct waker_stack *k = waker__find(wake(7, NOW, 0x111), 7);

	(void)state;
	assert_int_equal(waker__weight(k, &slot, NOW - SECOND, SECOND), 4 * SECOND);
	assert_int_equal(waker__weight(k, &slot, NOW - SECOND, SECOND - WAIT_CLOCK_ERROR_NS), 4 * SECOND);
	assert_int_equal(waker__weight(k, &slot, NOW - SECOND, SECOND * 3 / 2), 6 * SECOND);
	/* a pass has told all but the last tenth of it; what was decided is the pass's, mostly */
	slot.told = WAIT_TOLD_ASLEEP;
	assert_int_equal(waker__weight(k, &slot, NOW - SECOND / 10, SECOND / 10), SECOND / 10);
	/* however long it is in the queue then */
	assert_int_equal(waker__weight(k, &slot, NOW - SECOND / 10, 2 * SECOND), 2 * SECOND);
	gate.wait_told = 0;
	assert_int_equal(waker__weight(k, &slot, NOW - SECOND / 10, SECOND / 10), 0);
}

static void a_stack_without_room_is_lost(void **state)
{
	__u32 at = wake(7, NOW, 0x111);

	(void)state;
	w.n_words = STACK_WORDS_MAX - WAKER_WORDS_MAX + 1;
	waker__join(&w, at, NOW, EVENT_OFFCPU);
	assert_int_equal(w.n_words, STACK_WORDS_MAX - WAKER_WORDS_MAX + 1);
	waker__join(&w, 0, NOW, EVENT_OFFCPU);
	assert_int_equal(n_lost(), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_wait_has_the_stack_of_who_ended_it),
		TEST(a_place_that_went_to_another_wait_stays_that_ones),
		TEST(a_wait_stands_for_what_was_decided_and_its_queue_for_as_much),
		TEST(a_stack_without_room_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
