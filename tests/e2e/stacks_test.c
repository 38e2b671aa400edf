/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks of native code, frame by frame, in the cases that real binaries bring. */
#include "tests/e2e/e2e.h"

#define TREE_ROOT ";tree_round" TO_ROOT

static void tree_has_its_shares(const struct recording *r)
{
	struct expect_filter mine = {.pid = r->pid};

	expect_share(r->profile, &mine, "top1;c1;b1;a1" TREE_ROOT, 0.5);
	expect_share(r->profile, &mine, "top2;b2;a1" TREE_ROOT, 0.3);
	expect_share(r->profile, &mine, "top3;c1;a2" TREE_ROOT, 0.2);
	expect_share(r->profile, &mine, "**;a1;**", 0.8);
	expect_share(r->profile, &mine, "**;c1;**", 0.7);
	expect_complete(r->profile, &mine, COMPLETE);
}

static void fixed_tree_without_frame_pointers_has_its_shares(void **state)
{
	struct recording *r = *state;

	recording__of(r, ARGS("calltree", RECORDING_LONG));
	tree_has_its_shares(r);
}

static void fixed_tree_with_frame_pointers_has_its_shares(void **state)
{
	struct recording *r = *state;

	recording__of(r, ARGS("calltree_fp", RECORDING_LONG));
	tree_has_its_shares(r);
}

static void fixed_tree_of_clang_has_its_shares(void **state)
{
	struct recording *r = *state;

	recording__of(r, ARGS("calltree_clang", RECORDING_LONG));
	tree_has_its_shares(r);
}

/* `bottom` below n frames of `recurse`, then `rest`. */
static const char *recursion(int n, const char *rest)
{
	static char pattern[16 * 1024];
	size_t len = (size_t)snprintf(pattern, sizeof(pattern), "bottom");

	for (int i = 0; i < n; i++)
		len += (size_t)snprintf(pattern + len, sizeof(pattern) - len, ";recurse");
	snprintf(pattern + len, sizeof(pattern) - len, "%s", rest);
	return pattern;
}

static void recursion_below_the_limit_is_whole(void **state)
{
	struct recording *r = *state;

	recording__of(r, ARGS("recursion", RECORDING_LONG, "180"));
	expect_at_least(r->profile, &(struct expect_filter){.pid = r->pid}, recursion(180, TO_ROOT),
			NEARLY_ALL);
	expect_complete(r->profile, &(struct expect_filter){.pid = r->pid}, COMPLETE);
}

static void recursion_past_the_limit_is_cut_after_200_frames_or_more_and_says_so(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine;

	recording__of(r, ARGS("recursion", RECORDING_LONG, "5000"));
	mine = (struct expect_filter){.pid = r->pid};
	expect_at_least(r->profile, &mine, recursion(199, ";**;\\[truncated: depth]"), NEARLY_ALL);
	expect_share(r->profile, &mine, "**;main;**", 0);
}

static void handler_stands_on_the_stack_it_interrupted(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine;

	recording__of(r, ARGS("signal_handler", RECORDING_LONG));
	mine = (struct expect_filter){.pid = r->pid};
	expect_at_least(r->profile, &mine, "handler_leaf;handler;*;interrupted;outer" TO_ROOT, 0.95);
	expect_complete(r->profile, &mine, COMPLETE);
}

static void handler_on_its_own_stack_stands_on_the_stack_it_interrupted(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine;

	recording__of(r, ARGS("signal_handler", RECORDING_LONG, "altstack"));
	mine = (struct expect_filter){.pid = r->pid};
	expect_at_least(r->profile, &mine, "handler_leaf;handler;*;interrupted;outer" TO_ROOT, 0.95);
	expect_complete(r->profile, &mine, COMPLETE);
}

static void coroutines_of_makecontext_end_where_they_begin(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine;

	recording__of(r, ARGS("coroutines", RECORDING_LONG));
	mine = (struct expect_filter){.pid = r->pid};
	expect_at_least(r->profile, &mine, "turn_leaf;turn;turns;*", 0.9);
	expect_complete(r->profile, &mine, COMPLETE);
}

static void coroutines_made_by_hand_end_where_they_begin(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine;

	recording__of(r, ARGS("coroutines", RECORDING_LONG, "byhand"));
	mine = (struct expect_filter){.pid = r->pid};
	expect_at_least(r->profile, &mine, "turn_leaf;turn;turns_by_hand", NEARLY_ALL);
	expect_complete(r->profile, &mine, COMPLETE);
}

static void plt_entries_have_their_callers(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine;

	recording__of(r, ARGS("plt_spin", RECORDING_LONG));
	mine = (struct expect_filter){.pid = r->pid};
	expect_at_least(r->profile, &mine, "**;plt_caller" TO_ROOT, NEARLY_ALL);
	/* a third to two thirds, by the processor, in the entry and the empty function: exactly one frame above plt_caller */
	expect_at_least(r->profile, &mine, "plt_target@plt;plt_caller" TO_ROOT, 0.03);
	expect_at_least(r->profile, &mine, "plt_target;plt_caller" TO_ROOT, 0.03);
	expect_complete(r->profile, &mine, COMPLETE);
}

/*
 * The dynamic linker's resolver realigns its stack and keeps the old stack pointer in rbx, which a walk knows in the leaf frame only: with the resolver as
 * the leaf the stack is whole, below it the stack ends there and says why. What must not be is any third thing.
 */
static void lazy_binding_is_walked_or_says_why_not(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine;
	struct expect_sum all, whole, cut;

	recording__of(r, ARGS("plt_lazy", RECORDING_LONG, "lazy"));
	mine = (struct expect_filter){.pid = r->pid};
	expect_at_least(r->profile, &mine, "_dl_runtime_resolve*;plt_caller" TO_ROOT, 0.15);
	expect__sum(r->profile, &mine, &all);
	mine.stack = "**;plt_caller" TO_ROOT;
	expect__sum(r->profile, &mine, &whole);
	mine.stack = "**;_dl_runtime_resolve*;\\[truncated: leaf_register]";
	expect__sum(r->profile, &mine, &cut);
	if ((double)(whole.ns + cut.ns) < NEARLY_ALL * (double)all.ns) {
		mine.stack = NULL;
		expect__print(r->profile, &mine);
		fail_msg("%.1f %% whole, %.1f %% cut at the resolver", 100 * expect__share(&whole, &all),
			 100 * expect__share(&cut, &all));
	}
}

static void realigned_stacks_are_walked(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine;

	recording__of(r, ARGS("realign", RECORDING_LONG));
	mine = (struct expect_filter){.pid = r->pid};
	expect_at_least(r->profile, &mine, "realign_leaf;realigned;realigned_alloca;plain" TO_ROOT,
			NEARLY_ALL);
	expect_complete(r->profile, &mine, COMPLETE);
}

static void cfa_read_from_memory_is_followed(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine;

	recording__of(r, ARGS("asm_frames", RECORDING_LONG, "deref"));
	mine = (struct expect_filter){.pid = r->pid};
	expect_at_least(r->profile, &mine, "asm_leaf;asm_deref;asm_caller" TO_ROOT, NEARLY_ALL);
	expect_complete(r->profile, &mine, COMPLETE);
}

static void return_address_in_a_register_is_followed(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine;

	recording__of(r, ARGS("asm_frames", RECORDING_LONG, "ra_register"));
	mine = (struct expect_filter){.pid = r->pid};
	expect_at_least(r->profile, &mine, "asm_ra_register;asm_caller" TO_ROOT, NEARLY_ALL);
	expect_complete(r->profile, &mine, COMPLETE);
}

static void code_without_cfi_is_walked_by_its_frame_pointer(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine;

	recording__of(r, ARGS("asm_frames", RECORDING_LONG, "fp_only"));
	mine = (struct expect_filter){.pid = r->pid};
	expect_at_least(r->profile, &mine, "asm_fp_only;asm_caller" TO_ROOT, NEARLY_ALL);
}

/* Neither tables nor a frame pointer: its instructions say where the return address is. */
static void code_without_cfi_and_frame_pointer_is_walked_by_its_instructions(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine;

	recording__of(r, ARGS("asm_frames", RECORDING_LONG, "nothing"));
	mine = (struct expect_filter){.pid = r->pid};
	expect_at_least(r->profile, &mine, "asm_nothing;asm_caller" TO_ROOT, NEARLY_ALL);
}

static void vdso_has_its_callers(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine;

	recording__of(r, ARGS("vdso_spin", RECORDING_LONG));
	mine = (struct expect_filter){.pid = r->pid};
	expect_at_least(r->profile, &mine, "**;ask_time" TO_ROOT, NEARLY_ALL);
	/* the vDSO has two names for it, the C library has one of them too */
	expect_at_least(r->profile, &mine, "**;@(__vdso_|)clock_gettime;clock_gettime*;ask_time" TO_ROOT,
			0.7);
	expect_complete(r->profile, &mine, COMPLETE);
}

static void kernel_frames_stand_on_the_user_stack_that_called(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine;

	recording__of(r, ARGS("syscall_heavy", RECORDING_LONG));
	mine = (struct expect_filter){.pid = r->pid, .kernel = true};
	expect_at_least(r->profile, &mine, "**;read_zeros" TO_ROOT, NEARLY_ALL);
	expect_at_least(r->profile, &mine, "**;vfs_read;ksys_read;**;read_zeros" TO_ROOT, 0.7);
	expect_complete(r->profile, &mine, COMPLETE);
}

static void cheap_system_calls_have_their_kernel_entry_and_their_caller(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine;

	recording__of(r, ARGS("syscall_heavy", RECORDING_LONG, "getppid"));
	mine = (struct expect_filter){.pid = r->pid, .kernel = true};
	expect_at_least(r->profile, &mine, "**;ask_parent" TO_ROOT, NEARLY_ALL);
	expect_at_least(r->profile, &mine, "**;entry_SYSCALL_64*;*;ask_parent" TO_ROOT, 0.2);
	expect_complete(r->profile, &mine, COMPLETE);
}

static void stacks_of_a_thrown_exception_are_whole(void **state)
{
	struct recording *r = *state;
	struct expect_filter mine;

	recording__of(r, ARGS("cpp", RECORDING_LONG, "throw"));
	mine = (struct expect_filter){.pid = r->pid};
	/* the unwinder's second phase has replaced some of the throwing frames already: one is left at least while it searches */
	expect_at_least(r->profile, &mine, "**;shop::catcher*" TO_ROOT, NEARLY_ALL);
	expect_at_least(r->profile, &mine,
			"**;shop::thrower*;shop::thrower*;shop::thrower*;shop::catcher*" TO_ROOT, 0.5);
	expect_complete(r->profile, &mine, COMPLETE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(fixed_tree_without_frame_pointers_has_its_shares),
		e2e_test(fixed_tree_with_frame_pointers_has_its_shares),
		e2e_test(fixed_tree_of_clang_has_its_shares),
		e2e_test(recursion_below_the_limit_is_whole),
		e2e_test(recursion_past_the_limit_is_cut_after_200_frames_or_more_and_says_so),
		e2e_test(handler_stands_on_the_stack_it_interrupted),
		e2e_test(handler_on_its_own_stack_stands_on_the_stack_it_interrupted),
		e2e_test(coroutines_of_makecontext_end_where_they_begin),
		e2e_test(coroutines_made_by_hand_end_where_they_begin),
		e2e_test(plt_entries_have_their_callers),
		e2e_test(lazy_binding_is_walked_or_says_why_not),
		e2e_test(realigned_stacks_are_walked),
		e2e_test(cfa_read_from_memory_is_followed),
		e2e_test(return_address_in_a_register_is_followed),
		e2e_test(code_without_cfi_is_walked_by_its_frame_pointer),
		e2e_test(code_without_cfi_and_frame_pointer_is_walked_by_its_instructions),
		e2e_test(vdso_has_its_callers),
		e2e_test(kernel_frames_stand_on_the_user_stack_that_called),
		e2e_test(cheap_system_calls_have_their_kernel_entry_and_their_caller),
		e2e_test(stacks_of_a_thrown_exception_are_whole),
	};

	return cmocka_run_group_tests_name("stacks", tests, NULL, NULL);
}
