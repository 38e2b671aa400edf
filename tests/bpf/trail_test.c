// SPDX-License-Identifier: Apache-2.0
/* The slots that a stack went through are fetched before the next walk of its process, and of no other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bpf/shim.h"

#include "bpf/trail.bpf.h"

#define TGID 42

static int setup(void **state)
{
	(void)state;
	shim__open(&row_memo, SHIM_ARRAY, 4, sizeof(struct row_memo), ROW_MEMO_SLOTS);
	shim__open(&row_trails, SHIM_ARRAY, 4, sizeof(struct row_trail), ROW_TRAILS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	shim__close(&row_memo);
	shim__close(&row_trails);
	return 0;
}

static struct walk walk_of(__u32 tgid, __u16 n_kernel, __u32 n_user)
{
	struct walk w = {.n_kernel = n_kernel, .n_words = n_kernel + n_user};

	w.process.key.tgid = tgid;
	for (__u32 i = 0; i < w.n_words; i++)
		w.words[i] = frame_of_object(7, 0x1000 + i * 0x321);
	return w;
}

/* How many slots a walk of that process fetches. */
static __u64 fetched(__u32 tgid)
{
	struct walk w = walk_of(tgid, 0, 0);
	__u64 before = row_memo.n_lookups;

	trail__fetch(&w);
	return row_memo.n_lookups - before;
}

static void the_slots_of_the_last_stack_are_fetched(void **state)
{
	struct walk w = walk_of(TGID, 5, 20);
	const struct row_trail *t;

	(void)state;
	trail__keep(&w);
	t = trail__of(&w);
	assert_int_equal(t->n, 20);
	for (__u32 i = 0; i < t->n; i++)
		assert_int_equal(t->slots[i],
				 row_memo__slot(w.words[5 + i])); /* the kernel's frames have none */
	assert_int_equal(fetched(TGID), 20);
	w = walk_of(TGID, 0, 3);
	trail__keep(&w);
	assert_int_equal(fetched(TGID), 3);
}

static void another_process_fetches_none_of_them(void **state)
{
	struct walk w = walk_of(TGID, 0, 20);

	(void)state;
	assert_int_equal(fetched(TGID), 0);
	trail__keep(&w);
	assert_int_equal(fetched(TGID + 1), 0);
	assert_int_equal(fetched(TGID + ROW_TRAILS), 0); /* the same place */
	w = walk_of(TGID + ROW_TRAILS, 0, 4);
	trail__keep(&w);
	assert_int_equal(fetched(TGID), 0);
	assert_int_equal(fetched(TGID + ROW_TRAILS), 4);
}

static void of_a_deep_stack_the_innermost_are(void **state)
{
	struct walk w = walk_of(TGID, KERNEL_FRAMES_MAX, STACK_WORDS_MAX - KERNEL_FRAMES_MAX);
	const struct row_trail *t = trail__of(&w);

	(void)state;
	trail__keep(&w);
	assert_int_equal(fetched(TGID), ROW_TRAIL_MAX);
	assert_int_equal(t->slots[ROW_TRAIL_MAX - 1],
			 row_memo__slot(w.words[KERNEL_FRAMES_MAX + ROW_TRAIL_MAX - 1]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_slots_of_the_last_stack_are_fetched, setup, teardown),
		cmocka_unit_test_setup_teardown(another_process_fetches_none_of_them, setup, teardown),
		cmocka_unit_test_setup_teardown(of_a_deep_stack_the_innermost_are, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
