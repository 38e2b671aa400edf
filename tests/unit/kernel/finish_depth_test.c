// SPDX-License-Identifier: Apache-2.0
/*
 * Stacks that are deeper than what is kept of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/kernel/finish_world.h"

/* A stack of n frames: n - 2 of one function, each called from another place of it, called by one that is called by the root. */
static void recurse(struct world *w, uint32_t n)
{
	row(w, 0, ROW_REG_RSP, 1, ROW_FP_SAME, 0);
	row(w, 0x8000, ROW_REG_RSP, 1, ROW_FP_SAME, 0);
	row(w, 0x9000, ROW_CFA_END, 0, 0, 0);
	w->record->stack_bytes = STACK_COPY_MAX;
	for (uint32_t i = 0; i < n - 3; i++)
		put(w, STACK + 8 * i, CODE + 0x101 + i % 0x4000);
	put(w, STACK + 8 * (n - 3), CODE + 0x8001);
	put(w, STACK + 8 * (n - 2), CODE + 0x9001);
	w->record->n_kernel = KERNEL_FRAMES_MAX;
	walk(w, CODE + 0x50);
}

static void of_a_deep_stack_both_ends_are_kept(void **state)
{
	struct world *w = *state;
	const uint32_t n = 1000, head = KERNEL_FRAMES_MAX + USER_FRAMES_MAX;
	const __u64 *words = w->walk.words;

	recurse(w, n);
	assert_int_equal(w->walk.end, END_END_MARK);
	assert_int_equal(w->walk.n_words, head + 1 + OUTER_FRAMES_MAX);
	assert_int_equal(words[KERNEL_FRAMES_MAX], FRAME(CODE + 0x50));
	for (uint32_t i = 1; i < USER_FRAMES_MAX; i++)
		assert_int_equal(words[KERNEL_FRAMES_MAX + i], FRAME(CODE + 0x100 + i - 1));
	assert_int_equal(words[head], FRAME_LEFT_OUT);
	for (uint32_t i = 0; i < OUTER_FRAMES_MAX - 2; i++)
		assert_int_equal(words[head + 1 + i], FRAME(CODE + 0x100 + n - 1 - OUTER_FRAMES_MAX + i));
	assert_int_equal(words[head + OUTER_FRAMES_MAX - 1], FRAME(CODE + 0x8000));
	assert_int_equal(words[head + OUTER_FRAMES_MAX], FRAME(CODE + 0x9000));
}

static void a_stack_that_just_fits_is_kept_as_it_is(void **state)
{
	struct world *w = *state;
	const uint32_t n = USER_FRAMES_MAX + OUTER_FRAMES_MAX;

	recurse(w, n);
	assert_int_equal(w->walk.end, END_END_MARK);
	assert_int_equal(w->walk.n_words, KERNEL_FRAMES_MAX + n);
	for (uint32_t i = 1; i < n - 2; i++)
		assert_int_equal(w->walk.words[KERNEL_FRAMES_MAX + i], FRAME(CODE + 0x100 + i - 1));
	assert_int_equal(w->walk.words[KERNEL_FRAMES_MAX + n - 1], FRAME(CODE + 0x9000));
}

/* As where the kernel's part of the walk ended in the middle of the deep part. */
static void a_deep_walk_is_taken_up_where_it_was_left(void **state)
{
	struct world *w = *state;
	struct unfinished_record *r = w->record;
	struct walk whole;

	recurse(w, 1000);
	whole = w->walk;
	memcpy(r->words, whole.words, sizeof(r->words));
	r->n_user = USER_FRAMES_MAX;
	r->n_outer = 400 - USER_FRAMES_MAX; /* the next one is frame 400 */
	for (uint32_t i = 400 - OUTER_FRAMES_MAX; i < 400; i++)
		r->outer[(i - USER_FRAMES_MAX) % OUTER_FRAMES_MAX] = FRAME(CODE + 0x100 + i - 1);
	r->leaf = 0;
	r->sp = STACK + 8 * 400;
	walk(w, CODE + 0x100 + 400);
	assert_int_equal(w->walk.end, END_END_MARK);
	assert_int_equal(w->walk.n_words, whole.n_words);
	assert_memory_equal(w->walk.words, whole.words, whole.n_words * 8);
	assert_int_equal(w->walk.hash, whole.hash);
}

static void endless_recursion_is_cut_at_the_limit(void **state)
{
	struct world *w = *state;
	const uint32_t n = KERNEL_FRAMES_MAX + USER_FRAMES_MAX + 1 + OUTER_FRAMES_MAX;

	row(w, 0, ROW_REG_RSP, 1, ROW_FP_SAME, 0);
	w->record->stack_bytes = STACK_COPY_MAX;
	for (uint64_t at = STACK; at < STACK + STACK_COPY_MAX; at += 8)
		put(w, at, CODE + 0x101);
	w->record->n_kernel = KERNEL_FRAMES_MAX;
	walk(w, CODE + 0x100);
	assert_int_equal(w->walk.end, END_DEPTH);
	assert_int_equal(w->walk.n_words, n + 1);
	assert_int_equal(w->walk.words[n - 1], FRAME(CODE + 0x100));
	assert_int_equal(w->walk.words[n], frame_of_cut(END_DEPTH));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(of_a_deep_stack_both_ends_are_kept),
		TEST(a_stack_that_just_fits_is_kept_as_it_is),
		TEST(a_deep_walk_is_taken_up_where_it_was_left),
		TEST(endless_recursion_is_cut_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
