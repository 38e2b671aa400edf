// SPDX-License-Identifier: Apache-2.0
/* Reads of the user stack by pieces give what reads one by one would, and touch no page that was not asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bpf/shim_user.h"

#include "bpf/user_stack.bpf.h"

#define PAGES 3
#define BASE  0x7ff0000ull

static __u64 memory[PAGES * STACK_PAGE / 8];

static int setup(void **state)
{
	(void)state;
	for (__u64 i = 0; i < PAGES * STACK_PAGE / 8; i++)
		memory[i] = (BASE + i * 8) * 31;
	shim_user = (struct shim_user){.bytes = (const __u8 *)memory, .at = BASE, .len = sizeof(memory)};
	return 0;
}

/* Reads n words at addr both ways. */
static void check(struct walk *w, __u64 addr, __u32 n)
{
	__u64 got[2] = {1, 2}, want[2] = {3, 4};
	int ends, should;

	should = bpf_probe_read_user(want, n * 8, (const void *)addr) ? END_STACK_READ : 0;
	/* the length is a constant in every call of the walk */
	ends = n == 1 ? unwind_read(w, got, 8, addr) : unwind_read(w, got, 16, addr);
	assert_int_equal(ends, should);
	if (!should)
		assert_memory_equal(got, want, n * 8);
}

static void every_word_is_what_it_is(void **state)
{
	(void)state;
	for (__u64 step = 8; step < 2000; step += 72) {
		struct walk w = {.sp = BASE};

		user_stack__begin(&w);
		for (__u64 at = BASE - 64; at < BASE + sizeof(memory) + 64; at += step) {
			check(&w, at, 1);
			check(&w, at - 8, 2);
			check(&w, at - 48, 1); /* registers lie below the return address */
			w.sp = at;
		}
	}
}

static void words_that_are_not_aligned_are_read_too(void **state)
{
	struct walk w = {.sp = BASE + 100};

	(void)state;
	user_stack__begin(&w);
	for (__u64 at = BASE; at < BASE + 600; at++) {
		check(&w, at, 1);
		check(&w, at, 2);
	}
}

static void a_stack_below_is_no_part_of_the_window(void **state)
{
	struct walk w = {.sp = BASE + 4096};

	(void)state;
	user_stack__begin(&w);
	check(&w, BASE + 5000, 1);
	check(&w, BASE + 8, 1);
	check(&w, UINT64_MAX - 15, 2);
	check(&w, 0, 1);
	check(&w, BASE + 5000, 2);
}

static void no_page_is_touched_above_what_is_asked_for(void **state)
{
	struct walk w = {.sp = BASE + STACK_PAGE - 256};
	__u64 word;

	(void)state;
	user_stack__begin(&w);
	assert_int_equal(unwind_read(&w, &word, 8, BASE + STACK_PAGE - 128), 0);
	assert_int_equal(shim_user.highest, BASE + STACK_PAGE);
	assert_true(shim_user.lowest >= BASE);
	assert_int_equal(shim_user.n_reads, 1);
}

static void what_lies_below_an_unreadable_page_is_not_needed(void **state)
{
	struct walk w = {.sp = BASE - 128}; /* not there: SP is in a page that went */
	__u64 word;

	(void)state;
	user_stack__begin(&w);
	assert_int_equal(unwind_read(&w, &word, 8, BASE + 16), 0);
	assert_int_equal(word, memory[2]);
	/* and the start of a piece that a read does not need must not fail it */
	w.sp = BASE - 8 * STACK_PAGE;
	assert_int_equal(unwind_read(&w, &word, 8, BASE), 0);
	assert_int_equal(word, memory[0]);
}

static void a_walk_up_small_frames_reads_once_a_piece(void **state)
{
	struct walk w = {.sp = BASE};
	__u64 saved[2];

	(void)state;
	user_stack__begin(&w);
	for (__u32 i = 0; i < 16; i++) {
		assert_int_equal(unwind_read(&w, saved, 16, BASE + 8 + i * 32), 0);
		w.sp = BASE + 8 + i * 32 + 16;
	}
	assert_int_equal(shim_user.n_reads, 1);
}

static void a_window_is_of_one_walk(void **state)
{
	struct walk w = {.sp = BASE};
	__u64 word;

	(void)state;
	user_stack__begin(&w);
	assert_int_equal(unwind_read(&w, &word, 8, BASE + 8), 0);
	memory[1] = 4711; /* the next sample's stack */
	user_stack__begin(&w);
	assert_int_equal(unwind_read(&w, &word, 8, BASE + 8), 0);
	assert_int_equal(word, 4711);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_word_is_what_it_is),
		TEST(words_that_are_not_aligned_are_read_too),
		TEST(a_stack_below_is_no_part_of_the_window),
		TEST(no_page_is_touched_above_what_is_asked_for),
		TEST(what_lies_below_an_unreadable_page_is_not_needed),
		TEST(a_walk_up_small_frames_reads_once_a_piece),
		TEST(a_window_is_of_one_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
