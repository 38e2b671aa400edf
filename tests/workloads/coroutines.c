/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coroutines SECONDS [byhand]: four stacks that take turns, each working in
 *
 *      turn_leaf < turn < turns
 *
 * made by makecontext(3), whose first function returns to a place in the C library where nobody came from, or with `byhand` by this program, as libraries of coroutines do it: the
 * first function has nobody to return to.
 */
#include <ucontext.h>

#include "tests/workloads/work.h"

#define TURNS       4
#define STACK_BYTES (64 * 1024)

static struct work work;
static ucontext_t main_context, contexts[TURNS];
static void *main_sp, *sps[TURNS];
static int now;

/* Keeps this stack at *from, goes on with the other one. */
void switch_to(void **from, void *to);
__asm__(".text\n"
	".type switch_to, @function\n"
	"switch_to:\n"
	".cfi_startproc\n"
	"push %rbp\n.cfi_adjust_cfa_offset 8\n"
	"push %rbx\n.cfi_adjust_cfa_offset 8\n"
	"push %r12\n.cfi_adjust_cfa_offset 8\n"
	"push %r13\n.cfi_adjust_cfa_offset 8\n"
	"push %r14\n.cfi_adjust_cfa_offset 8\n"
	"push %r15\n.cfi_adjust_cfa_offset 8\n"
	"mov %rsp, (%rdi)\n"
	"mov %rsi, %rsp\n"
	"pop %r15\n.cfi_adjust_cfa_offset -8\n"
	"pop %r14\n.cfi_adjust_cfa_offset -8\n"
	"pop %r13\n.cfi_adjust_cfa_offset -8\n"
	"pop %r12\n.cfi_adjust_cfa_offset -8\n"
	"pop %rbx\n.cfi_adjust_cfa_offset -8\n"
	"pop %rbp\n.cfi_adjust_cfa_offset -8\n"
	"ret\n"
	".cfi_endproc\n"
	".size switch_to, . - switch_to\n");

static WORK_FN void turn_leaf(void)
{
	work__spin(100 * work.scale);
}

static WORK_FN void turn(int i, bool by_hand)
{
	turn_leaf();
	if (by_hand)
		switch_to(&sps[i], main_sp);
	else
		swapcontext(&contexts[i], &main_context);
	__asm__ volatile("" : : : "memory");
}

static WORK_FN void turns(int i)
{
	for (;;)
		turn(i, false);
}

static WORK_FN void turns_by_hand(void)
{
	int i = now;

	for (;;)
		turn(i, true);
}

static void make_context(int i, char *stack)
{
	getcontext(&contexts[i]);
	contexts[i].uc_stack = (stack_t){.ss_sp = stack, .ss_size = STACK_BYTES};
	contexts[i].uc_link = &main_context;
	makecontext(&contexts[i], (void (*)(void))turns, 1, i);
}

/* From above: nothing, where the first function returns to; that function; six registers. */
static void make_by_hand(int i, char *stack)
{
	void **top = (void **)(stack + STACK_BYTES);

	top[-1] = NULL;
	top[-2] = NULL;
	top[-3] = (void *)turns_by_hand;
	sps[i] = top - 9;
	memset(sps[i], 0, 6 * sizeof(*top));
}

int main(int argc, char **argv)
{
	bool by_hand = argc > 2 && !strcmp(argv[2], "byhand");

	work__init(&work, argc, argv);
	for (int i = 0; i < TURNS; i++) {
		char *stack = aligned_alloc(64, STACK_BYTES);

		if (!stack)
			return 1;
		if (by_hand)
			make_by_hand(i, stack);
		else
			make_context(i, stack);
	}
	work__ready();
	for (; work__go(&work); now = (now + 1) % TURNS) {
		if (by_hand)
			switch_to(&main_sp, sps[now]);
		else
			swapcontext(&main_context, &contexts[now]);
	}
	return work__done();
}
