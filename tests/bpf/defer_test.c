// SPDX-License-Identifier: Apache-2.0
/* Which pages of a stack go to user space, where they lie in the record, and what is left out where the ring has little room. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bpf/shim_ring.h"
#include "tests/bpf/shim_user.h"

#include "bpf/defer.bpf.h"

#define PAGE 4096ull
#define BASE 0x7f0000000000ull
#define HEAD offsetof(struct unfinished_record, stack)

/* User memory: so many pages at BASE, each word of which is its own address. */
#define PAGES 300
static __u64 memory[PAGES * PAGE / 8];
static struct walk w;
static struct task_struct task;
static struct task_sample sample;

static int setup(void **state)
{
	(void)state;
	for (__u64 i = 0; i < PAGES * PAGE / 8; i++)
		memory[i] = BASE + i * 8;
	shim_user = (struct shim_user){.bytes = (const __u8 *)memory, .at = BASE, .len = sizeof(memory)};
	shim__open(&losses, SHIM_ARRAY, 4, 8, LOSS_KEYS);
	shim_ring__open(UNFINISHED_BYTES);
	gate = (struct gate){.defer_tokens = 100};
	w = (struct walk){.end = END_NO_PROCESS, .leaf = 1};
	/* nothing is known of where a stack begins */
	task = (struct task_struct){.own_start = ~0ull, .stack_start = ~0ull};
	sample = (struct task_sample){.task = &task, .tag = {.event = EVENT_CPU}, .count = 1};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	shim_ring__close();
	shim__close(&losses);
	return 0;
}

/* The record that was sent last; its pieces hold what lies at their addresses, or zeros where that cannot be read. */
static const struct unfinished_record *sent(void)
{
	const struct unfinished_record *r = (const struct unfinished_record *)unfinished.last;
	const __u8 *root = r->stack + r->stack_bytes;
	__u64 word, want;

	assert_non_null(r);
	assert_int_equal(unfinished.last_bytes, unfinished_record__bytes(r));
	for (__u32 i = 0; i < r->stack_bytes; i += 8) {
		memcpy(&word, r->stack + i, 8);
		want = r->stack_at + i - BASE < sizeof(memory) ? r->stack_at + i : 0;
		assert_int_equal(word, want);
	}
	for (__u32 i = 0; i < r->root_bytes; i += 8) {
		memcpy(&word, root + i, 8);
		assert_int_equal(word, r->root_at + i);
	}
	return r;
}

static const struct unfinished_record *send(__u64 sp)
{
	w.sp = sp;
	assert_int_equal(defer__send(&w, &sample), 0);
	return sent();
}

static void a_stack_goes_whole_and_takes_no_more_room_than_it_has_pages(void **state)
{
	const struct unfinished_record *r;

	(void)state;
	task.stack_start = BASE + 3 * PAGE + 400;
	r = send(BASE + PAGE + 1000);
	assert_int_equal(r->stack_at, BASE + PAGE);
	assert_int_equal(r->stack_bytes, 3 * PAGE);
	assert_int_equal(r->root_bytes, 0);
	/* below SP is the red zone, here on the page before */
	r = send(BASE + PAGE + 100);
	assert_int_equal(r->stack_at, BASE);
	assert_int_equal(r->stack_bytes, 4 * PAGE);
	/* as long as STACK_WHOLE_MAX all of it is one piece */
	task.stack_start = BASE + STACK_WHOLE_MAX;
	r = send(BASE + 128);
	assert_int_equal(r->stack_bytes, STACK_WHOLE_MAX);
	assert_int_equal(r->root_bytes, 0);
}

static void of_a_deeper_stack_both_ends_go(void **state)
{
	const struct unfinished_record *r;

	(void)state;
	task.stack_start = BASE + STACK_WHOLE_MAX + 8;
	r = send(BASE + 128);
	assert_int_equal(r->stack_at, BASE);
	assert_int_equal(r->stack_bytes, STACK_COPY_MAX + PAGE);
	assert_int_equal(r->root_bytes, STACK_ROOT_MAX);
	assert_int_equal(r->root_at + r->root_bytes, BASE + STACK_WHOLE_MAX + PAGE);
}

static void a_stack_of_which_nobody_knows_the_end_goes_as_far_as_it_can_be_read(void **state)
{
	const struct unfinished_record *r;

	(void)state;
	r = send(BASE + (PAGES - 5) * PAGE + 200);
	assert_int_equal(r->stack_bytes, 5 * PAGE);
	r = send(BASE + 200);
	assert_int_equal(r->stack_bytes, STACK_COPY_MAX + PAGE);
	/* the page below SP need not be there */
	r = send(BASE);
	assert_int_equal(r->stack_at, BASE - PAGE);
	assert_int_equal(r->stack_bytes, STACK_COPY_MAX + PAGE);
	/* one that is said to begin far up is another one */
	task.stack_start = BASE + (16 << 20);
	r = send(BASE + (PAGES - 5) * PAGE + 200);
	assert_int_equal(r->stack_bytes, 5 * PAGE);
}

static void pages_that_nobody_wrote_to_are_zeros(void **state)
{
	const struct unfinished_record *r;

	(void)state;
	task.stack_start = BASE + (PAGES + 3) * PAGE;
	r = send(BASE + (PAGES - 2) * PAGE + 200);
	assert_int_equal(r->stack_bytes, 5 * PAGE);
}

static void beside_the_stack_of_a_handler_goes_that_of_its_thread(void **state)
{
	const struct unfinished_record *r;

	(void)state;
	task.other_end = BASE + 10 * PAGE;
	task.own_start = BASE + 100 * PAGE + 8;
	r = send(BASE + 8 * PAGE + 200);
	assert_int_equal(r->stack_at, BASE + 8 * PAGE);
	assert_int_equal(r->stack_bytes, 2 * PAGE);
	assert_int_equal(r->root_bytes, STACK_ROOT_MAX);
	assert_int_equal(r->root_at + r->root_bytes, BASE + 101 * PAGE);
	/* as far down as it is there */
	task.own_start = BASE + 2 * PAGE;
	r = send(BASE + 8 * PAGE + 200);
	assert_int_equal(r->root_bytes, 2 * PAGE);
	/* of one that is nowhere, nothing */
	task.own_start = 0;
	r = send(BASE + 8 * PAGE + 200);
	assert_int_equal(r->stack_bytes, 2 * PAGE);
	assert_int_equal(r->root_bytes, 0);
}

static void deep_stacks_leave_half_of_the_ring_to_others(void **state)
{
	const struct unfinished_record *r;

	(void)state;
	task.stack_start = BASE + 200 * PAGE;
	shim_ring__take(UNFINISHED_BYTES / 2 + 8);
	r = send(BASE + 100 * PAGE + 128);
	assert_int_equal(r->stack_bytes, STACK_COPY_MAX + PAGE);
	assert_int_equal(r->root_bytes, 0);
	/* two pieces that are short are no deep stack */
	task.other_end = BASE + 10 * PAGE;
	task.own_start = BASE + 2 * PAGE;
	r = send(BASE + 8 * PAGE + 200);
	assert_int_equal(r->root_bytes, 2 * PAGE);
	task.other_end = 0;
	/* where that finds no room either, its innermost pages */
	shim_ring__take(UNFINISHED_BYTES - HEAD - 5 * PAGE);
	r = send(BASE + 100 * PAGE + 128);
	assert_int_equal(r->stack_bytes, STACK_COPY_SMALL);
	shim_ring__take(UNFINISHED_BYTES - HEAD - PAGE);
	assert_int_equal(defer__send(&w, &sample), -1);
	assert_int_equal(shim__lost(LOSS_DEFER_RING), 1);
	assert_int_equal(unfinished.n_open, 0); /* all that was tried was given back */
}

static void deep_stacks_are_paid_for_by_their_length(void **state)
{
	(void)state;
	task.stack_start = BASE + 3 * PAGE;
	send(BASE + 200);
	assert_int_equal(gate.defer_tokens, 99);
	task.stack_start = BASE + STACK_WHOLE_MAX;
	send(BASE + 200);
	assert_int_equal(gate.defer_tokens, 99 - 1 - STACK_WHOLE_MAX / (STACK_COPY_MAX + PAGE));
	gate.defer_tokens = 0;
	assert_int_equal(defer__send(&w, &sample), -1);
	assert_int_equal(shim__lost(LOSS_DEFER_RATE), 1);
	/* other events leave some of them to samples of CPU time */
	gate.defer_tokens = gate.defer_kept = 5;
	sample.tag.event = EVENT_MEMORY;
	assert_int_equal(defer__send(&w, &sample), -1);
	sample.tag.event = EVENT_CPU;
	send(BASE + 200);
}

static void the_state_of_the_walk_goes_along(void **state)
{
	const struct unfinished_record *r;

	(void)state;
	w.pc = 1;
	w.fp = 2;
	w.n_kernel = 1;
	w.n_words = 3;
	w.n_outer = 7;
	w.words[2] = 77;
	w.regs[3] = 33;
	w.outer[6] = 66;
	w.unchecked = w.derived = w.rbx_known = w.fp_unknown = 1;
	memcpy(task.comm, "name", 5);
	sample.value = 12;
	r = send(BASE + 200);
	assert_int_equal(r->type, RECORD_UNFINISHED);
	assert_int_equal(r->pc, 1);
	assert_int_equal(r->sp, BASE + 200);
	assert_int_equal(r->fp, 2);
	assert_int_equal(r->n_kernel, 1);
	assert_int_equal(r->n_user, 2);
	assert_int_equal(r->n_outer, 7);
	assert_int_equal(r->words[2], 77);
	assert_int_equal(r->regs[3], 33);
	assert_int_equal(r->outer[6], 66);
	assert_int_equal(r->leaf + r->unchecked + r->derived + r->rbx_known + r->fp_unknown, 5);
	assert_int_equal(r->end, END_NO_PROCESS);
	assert_int_equal(r->value, 12);
	assert_string_equal(r->comm, "name");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_stack_goes_whole_and_takes_no_more_room_than_it_has_pages),
		TEST(of_a_deeper_stack_both_ends_go),
		TEST(a_stack_of_which_nobody_knows_the_end_goes_as_far_as_it_can_be_read),
		TEST(pages_that_nobody_wrote_to_are_zeros),
		TEST(beside_the_stack_of_a_handler_goes_that_of_its_thread),
		TEST(deep_stacks_leave_half_of_the_ring_to_others),
		TEST(deep_stacks_are_paid_for_by_their_length),
		TEST(the_state_of_the_walk_goes_along),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
