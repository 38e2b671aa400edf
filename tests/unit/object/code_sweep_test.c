// SPDX-License-Identifier: Apache-2.0
/*
 * Code as the assembler makes it, lying in this program as data. Expectations are written as labels and the depth of the stack there.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/object/code_sweep.h"
#include "user/object/noreturn.h"

#define CODE(name, text)                                                                                \
	__asm__(".pushsection .rodata\n.balign 64\n" #name ":\n" text "\n" #name "_end:\n.popsection"); \
	extern const uint8_t name[] __attribute__((visibility("hidden")));                              \
	extern const uint8_t name##_end[] __attribute__((visibility("hidden")))
#define LABEL(name) extern const uint8_t name[] __attribute__((visibility("hidden")))

#define UNKNOWN 0
#define MOVED   (-1)

static struct code_sweep *sweep;

static bool read_memory(void *ctx, uint64_t vaddr, void *to, size_t len)
{
	(void)ctx;
	memcpy(to, (const void *)(uintptr_t)vaddr, len);
	return true;
}

static uint64_t address(const uint8_t *at)
{
	return (uint64_t)(uintptr_t)at;
}

static void begin_with(const uint8_t *code, const uint8_t *end, const struct code_memory *memory,
		       unsigned int habits)
{
	assert_int_equal(code_sweep__new(code, end - code, address(code), memory, habits, &sweep), 0);
	code_sweep__allow(sweep, address(code), address(end));
}

static void begin(const uint8_t *code, const uint8_t *end, const struct code_memory *memory)
{
	begin_with(code, end, memory, 0);
}

/* The depth before the instruction at the label. */
static void expect(const char *name, const uint8_t *at, int depth)
{
	uint8_t len;
	const struct stack_state *s = code_sweep__find(sweep, address(at), &len);
	int found = !s ? UNKNOWN : s->sp_kind == STACK_SP_KNOWN ? s->sp : MOVED;

	if (found != depth)
		fail_msg("%s: %d, wanted %d", name, found, depth);
}
#define EXPECT(label, depth) expect(#label, label, depth)

static int done(void **state)
{
	(void)state;
	code_sweep__free(sweep);
	sweep = NULL;
	return 0;
}

CODE(branches, "push %rbx; test %rdi,%rdi; jne b_deep; b_flat: pop %rbx; ret; b_after: nop\n"
	       "b_deep: sub $32,%rsp; b_loop: dec %rdi; jne b_loop; b_out: add $32,%rsp; jmp b_flat");
LABEL(b_flat);
LABEL(b_after);
LABEL(b_deep);
LABEL(b_loop);
LABEL(b_out);

static void both_ways_of_a_branch_are_followed(void **state)
{
	(void)state;
	begin(branches, branches_end, NULL);
	code_sweep__add_start(sweep, address(branches));
	code_sweep__run(sweep);
	EXPECT(branches, 1);
	EXPECT(b_flat, 2);
	EXPECT(b_deep, 2);
	EXPECT(b_loop, 6);
	EXPECT(b_out, 6);
	EXPECT(b_after, UNKNOWN);
	/* in the middle of an instruction is nothing */
	expect("inside", branches + 2, UNKNOWN);
	expect("behind", branches_end, UNKNOWN);
}

CODE(contradiction, "test %rdi,%rdi; je c_both; push %rax; c_both: nop; ret");
LABEL(c_both);

static void ways_that_contradict_each_other_leave_nothing(void **state)
{
	(void)state;
	begin(contradiction, contradiction_end, NULL);
	code_sweep__add_start(sweep, address(contradiction));
	code_sweep__run(sweep);
	EXPECT(c_both, MOVED);
}

CODE(no_return, "push %rbx; test %rdi,%rdi; je n_fine; sub $16,%rsp; call n_abort; n_fine: pop %rbx; ret\n"
		".balign 16\n n_abort: hlt\n"
		".balign 16\n n_calls_last: push %rax; call n_abort\n.balign 16\n n_next: push %rbx; nop; "
		"n_in: pop %rbx; ret");
LABEL(n_fine);
LABEL(n_abort);
LABEL(n_calls_last);
LABEL(n_next);
LABEL(n_in);

static void a_call_that_does_not_return_is_noticed(void **state)
{
	(void)state;
	begin(no_return, no_return_end, NULL);
	code_sweep__add_start(sweep, address(no_return));
	code_sweep__find_starts(sweep, no_return, no_return_end - no_return, address(no_return));
	code_sweep__run(sweep);
	EXPECT(n_fine, 2);
	EXPECT(n_abort, 1); /* it is called */
	EXPECT(n_calls_last, UNKNOWN);
	code_sweep__run_rest(sweep);
	EXPECT(n_calls_last, 1);
	EXPECT(n_next, 1);
	EXPECT(n_in, 2);
}

CODE(by_name, "push %rbx; call w_throw; w_after: pop %rax; ret\n.balign 16\n w_throw: hlt");
LABEL(w_after);
LABEL(w_throw);

static void what_follows_a_call_that_is_known_not_to_return_is_not_reached(void **state)
{
	uint64_t vaddr = address(w_throw);
	const struct noreturn noreturn = {.vaddrs = &vaddr, .n = 1};

	(void)state;
	begin(by_name, by_name_end, NULL);
	code_sweep__add_start(sweep, address(by_name));
	code_sweep__run(sweep);
	EXPECT(w_after, 2);
	begin(by_name, by_name_end, NULL);
	code_sweep__set_noreturn(sweep, &noreturn);
	code_sweep__add_start(sweep, address(by_name));
	code_sweep__run(sweep);
	EXPECT(w_after, UNKNOWN);
}

/* As compilers write it for exceptions: not called, entered by the unwinder with the function's stack. */
CODE(landing, "push %rbx; sub $16,%rsp; call l_f; add $16,%rsp; pop %rbx; ret\n"
	      "l_pad: endbr64; mov %rax,%rdi; jmp l_cold\n"
	      ".balign 16\n l_own: mov 8(%rbx),%rdi; ret\n"
	      ".balign 16\n l_f: endbr64; push %rbp; l_in: mov %rsp,%rbp; pop %rbp; ret\n"
	      ".balign 16\n l_saves: push %rbx; mov %rdi,%rbx; mov (%rbx),%rax; l_late: pop %rbx; ret\n"
	      ".balign 16\n nop; l_cold: nop");
LABEL(l_pad);
LABEL(l_own);
LABEL(l_f);
LABEL(l_in);
LABEL(l_saves);
LABEL(l_late);
LABEL(l_cold);

static void a_landing_pad_is_no_function(void **state)
{
	(void)state;
	begin(landing, landing_end, NULL);
	code_sweep__add_start(sweep, address(landing));
	code_sweep__run(sweep);
	code_sweep__run_rest(sweep);
	EXPECT(l_pad, UNKNOWN);
	EXPECT(l_cold, UNKNOWN);
	EXPECT(l_own, UNKNOWN); /* takes what its caller has in rbx */
	EXPECT(l_f, 1);
	EXPECT(l_in, 2);
	EXPECT(l_saves, 1);
	EXPECT(l_late, 2);
}

/* A position-independent table as compilers write it, and one of addresses. */
CODE(table,
     "push %rbx; cmp $2,%edi; ja t_default; lea t_entries(%rip),%rdx; movslq (%rdx,%rdi,4),%rax; add "
     "%rdx,%rax; "
     "notrack jmp *%rax\n"
     ".balign 16\n t_0: sub $8,%rsp; t_0b: add $8,%rsp; pop %rbx; ret\n t_1: nop; t_default: pop %rbx; ret\n"
     ".balign 16\n t_2: push %rcx; t_2b: pop %rcx; jmp t_default");
__asm__(".pushsection .rodata\n.balign 4\nt_entries: .long "
	"t_0-t_entries,t_1-t_entries,t_2-t_entries,0x40000000\n.popsection");
LABEL(t_0);
LABEL(t_0b);
LABEL(t_1);
LABEL(t_2);
LABEL(t_2b);
LABEL(t_default);

static void a_jump_through_a_table_leads_to_all_its_entries(void **state)
{
	static const struct code_memory memory = {.read = read_memory};

	(void)state;
	begin(table, table_end, &memory);
	code_sweep__add_start(sweep, address(table));
	code_sweep__run(sweep);
	EXPECT(t_0, 2);
	EXPECT(t_0b, 3);
	EXPECT(t_1, 2);
	EXPECT(t_2, 2);
	EXPECT(t_2b, 3);
	EXPECT(t_default, 2);
}

static void without_the_table_its_targets_are_not_taken_for_functions(void **state)
{
	(void)state;
	begin(table, table_end, NULL);
	code_sweep__add_start(sweep, address(table));
	code_sweep__run(sweep);
	code_sweep__run_rest(sweep);
	EXPECT(t_0, UNKNOWN); /* aligned as a function would be */
	EXPECT(t_2, UNKNOWN);
	EXPECT(t_default, 2);
}

CODE(stubs,
     "stub_0: pushq 8(%rip); jmp *16(%rip)\n.balign 16\n stub_1: jmp *64(%rip); s_push: .byte 0x68; .long 0; "
     "s_jump: jmp stub_0\n"
     ".balign 16\n stub_2: jmp *64(%rip); pushq $1; jmp stub_0");
LABEL(stub_0);
LABEL(stub_1);
LABEL(stub_2);
LABEL(s_push);
LABEL(s_jump);

static void stubs_of_a_linkage_table_are_understood(void **state)
{
	(void)state;
	begin(stubs, stubs_end, NULL);
	code_sweep__run_rest(sweep);
	EXPECT(stub_1, 1);
	EXPECT(s_push, 1);
	EXPECT(s_jump, 2);
	EXPECT(stub_2, 1);
}

CODE(odd, "call odd_target; nop; ret\n.balign 16\n odd_target: ret");
LABEL(odd_target);

static void what_would_call_with_an_odd_stack_is_no_entry(void **state)
{
	(void)state;
	begin(odd, odd_end, NULL);
	code_sweep__run_rest(sweep);
	EXPECT(odd, UNKNOWN);
	EXPECT(odd_target, 1);
}

static void sweep_with(const uint8_t *code, const uint8_t *end, unsigned int habits)
{
	code_sweep__free(sweep);
	begin_with(code, end, NULL, habits);
	code_sweep__add_start(sweep, address(code));
	code_sweep__run(sweep);
	code_sweep__run_rest(sweep);
}

/* As in GMP's squaring and dav1d: the table of what it jumps to is not understood. What is aligned and takes no registers of others may be another function. */
CODE(led,
     "push %rbx; movzwl (%r10,%rcx,2),%ecx; add %r10,%rcx; jmp *%rcx; d_first: mov %rbx,%rax; pop %rbx; ret\n"
     "d_second: mov %rbx,%rcx; pop %rbx; d_out: ret; .balign 16; d_aligned: xor %eax,%eax; ret\n"
     ".balign 16; d_inner: mov %rbx,%rax; pop %rbx; ret");
LABEL(d_first);
LABEL(d_second);
LABEL(d_out);
LABEL(d_aligned);
LABEL(d_inner);

static void in_assembler_what_nobody_reaches_is_where_the_jump_leads(void **state)
{
	(void)state;
	sweep_with(led, led_end, STACK_HABIT_ASSEMBLER);
	EXPECT(d_first, 2);
	EXPECT(d_second, 2);
	EXPECT(d_out, 1);
	EXPECT(d_aligned, UNKNOWN);
	EXPECT(d_inner, 2);
	sweep_with(led, led_end, 0);
	EXPECT(d_first, UNKNOWN);
	EXPECT(d_second, UNKNOWN);
	EXPECT(d_inner, UNKNOWN);
}

/* Two jumps with different stacks: none of them is it. */
CODE(led_twice, "test %edi,%edi; je 1f; jmp *%rcx; 1: push %rbx; jmp *%rdx; t_where: mov %rbx,%rax; ret");
LABEL(t_where);

static void of_jumps_with_different_stacks_none_is_taken(void **state)
{
	(void)state;
	sweep_with(led_twice, led_twice_end, STACK_HABIT_ASSEMBLER);
	EXPECT(t_where, UNKNOWN);
}

/* As in x264's. */
CODE(kept, "mov %rsp,%rcx; and $-32,%rsp; sub $0x60,%rsp; call k_leaf; k_after: call k_leaf; mov %rcx,%rsp; "
	   "k_out: ret; k_leaf: ret");
LABEL(k_after);
LABEL(k_out);

static void in_assembler_calls_leave_the_copy_of_the_stack_pointer(void **state)
{
	(void)state;
	sweep_with(kept, kept_end, STACK_HABIT_ASSEMBLER);
	EXPECT(k_after, MOVED);
	EXPECT(k_out, 1);
	sweep_with(kept, kept_end, 0);
	EXPECT(k_out, MOVED);
}

/* As in libavcodec's transforms: known by pointers that are taken far away, they call others with the stack as they got it. */
CODE(far, "ret; .balign 16,0x90; far_one: mov %rdi,%r9; call far_inner; far_back: ret; .balign 16,0x90; "
	  "far_inner: ret");
LABEL(far_one);
LABEL(far_back);

static void in_assembler_a_function_may_call_with_the_stack_as_it_was(void **state)
{
	(void)state;
	sweep_with(far, far_end, STACK_HABIT_ASSEMBLER);
	EXPECT(far_one, 1);
	EXPECT(far_back, 1);
	sweep_with(far, far_end, 0);
	EXPECT(far_back, UNKNOWN);
}

/* As in GMP's multiplication: where the next row goes on is kept in a register. */
CODE(loops, "push %rbx; push %r14; lea lo_second(%rip),%r14; lo_loop: dec %rbx; jns lo_loop; jmp *%r14\n"
	    ".balign 16,0x90\n lo_second: lea lo_third(%rip),%r14; lea lo_callback(%rip),%rdi; jmp lo_loop\n"
	    "lo_third: pop %r14; lo_out: pop %rbx; ret\n"
	    ".balign 16,0x90\n lo_next: push %rbx; jmp *%rax\n"
	    ".balign 16,0x90\n lo_callback: ret");
LABEL(lo_loop);
LABEL(lo_second);
LABEL(lo_third);
LABEL(lo_out);
LABEL(lo_next);
LABEL(lo_callback);

static void a_jump_through_a_register_leads_to_the_labels_of_its_function(void **state)
{
	(void)state;
	begin(loops, loops_end, NULL);
	code_sweep__add_start(sweep, address(loops));
	code_sweep__add_start(sweep, address(lo_next));
	code_sweep__find_starts(sweep, loops, loops_end - loops, address(loops));
	code_sweep__run(sweep);
	code_sweep__run_rest(sweep);
	EXPECT(lo_loop, 3);
	EXPECT(lo_second, 3);
	EXPECT(lo_third, 3);
	EXPECT(lo_out, 2);
	/* what it takes the address of lies beyond where another one starts, which jumps, too */
	EXPECT(lo_callback, 1);
}

/* x264's sums: pointers to them are taken by code with rules, and they call each other with no look at the stack. */
CODE(sums,
     "ret\n.balign 16,0x90\n su_user: lea su_one(%rip),%rax; ret\n su_user_end: .balign 16,0x90\n"
     "su_one: call su_inner; su_back: jmp su_both; .balign 16,0x90\n su_two: call su_inner; su_both: ret\n"
     ".balign 16,0x90\n su_inner: ret");
LABEL(su_user);
LABEL(su_user_end);
LABEL(su_one);
LABEL(su_back);
LABEL(su_both);
LABEL(su_inner);

static void functions_in_assembler_call_each_other_with_any_stack(void **state)
{
	(void)state;
	assert_int_equal(code_sweep__new(sums, sums_end - sums, address(sums), NULL, 0, &sweep), 0);
	code_sweep__allow(sweep, address(su_one), address(sums_end));
	code_sweep__find_starts(sweep, sums, sums_end - sums, address(sums));
	code_sweep__run(sweep);
	EXPECT(su_one, 1);
	EXPECT(su_back, 1);
	EXPECT(su_both, 1);
	EXPECT(su_inner, 1);
}

/* Taken by code without rules, the same address may be a label. */
static void an_address_that_code_without_rules_takes_is_less_sure(void **state)
{
	(void)state;
	begin(sums, sums_end, NULL);
	code_sweep__find_starts(sweep, sums, sums_end - sums, address(sums));
	code_sweep__run(sweep);
	code_sweep__run_rest(sweep);
	EXPECT(su_one, 1);
	EXPECT(su_back, UNKNOWN);
}

/* Linked to 0x400000: mov $0x400008,%edi; nop; ret; then at 8 push %rbx; at 9 pop %rbx; ret; and bytes that are no number. */
static const uint8_t linked[] = {0xbf, 0x08, 0x00, 0x40, 0x00, 0x90, 0xc3, 0x90, 0x53, 0x5b, 0xc3, 0x90,
				 0x48, 0xc7, 0xc7, 0x18, 0x00, 0x40, 0x00, 0xc3, 0x90, 0x90, 0x90, 0x90,
				 0x53, 0x53, 0x5b, 0x5b, 0xc3, 0x81, 0xff, 0x1a, 0x00, 0x40, 0x00, 0xc3};

static void functions_are_known_by_their_addresses_as_numbers(void **state)
{
	const uint64_t base = 0x400000;
	uint8_t len;

	(void)state;
	assert_int_equal(code_sweep__new(linked, sizeof(linked), base, NULL, 0, &sweep), 0);
	code_sweep__allow(sweep, base + 8, base + 12);
	code_sweep__allow(sweep, base + 0x18, base + 0x1d);
	code_sweep__find_constants(sweep, linked, sizeof(linked), base);
	code_sweep__run(sweep);
	assert_non_null(code_sweep__find(sweep, base + 8, &len));
	assert_int_equal(code_sweep__find(sweep, base + 9, &len)->sp, 2);
	assert_int_equal(code_sweep__find(sweep, base + 0x18, &len)->sp, 1);
	/* compared with 0x40001a, which leads nowhere */
	assert_int_equal(code_sweep__find(sweep, base + 0x1a, &len)->sp, 3);
}

/* No comparison, but a mask. */
CODE(masked,
     "push %rbx; and $1,%eax; lea ma_table(%rip),%rdx; movslq (%rdx,%rax,4),%rax; add %rdx,%rax; jmp *%rax\n"
     "ma_0: pop %rbx; ret\n .balign 16\n ma_1: nop; pop %rbx; ret");
LABEL(ma_0);
LABEL(ma_1);
__asm__(".pushsection .rodata\n.balign 4\nma_table: .long ma_0 - ma_table, ma_1 - ma_table\n.popsection");

static void a_table_is_as_long_as_a_mask_allows(void **state)
{
	static const struct code_memory memory = {.read = read_memory};

	(void)state;
	begin(masked, masked_end, &memory);
	code_sweep__add_start(sweep, address(masked));
	code_sweep__run(sweep);
	EXPECT(ma_0, 2);
	EXPECT(ma_1, 2);
}

static void what_has_rules_of_its_own_is_left_alone(void **state)
{
	(void)state;
	assert_int_equal(
		code_sweep__new(branches, branches_end - branches, address(branches), NULL, 0, &sweep), 0);
	code_sweep__allow(sweep, address(branches), address(b_deep));
	code_sweep__add_start(sweep, address(branches));
	code_sweep__run(sweep);
	EXPECT(b_flat, 2);
	EXPECT(b_deep, UNKNOWN);
}

static void too_much_code_is_refused(void **state)
{
	(void)state;
	assert_int_equal(code_sweep__new(branches, CODE_SWEEP_MAX + 1, 0, NULL, 0, &sweep), -E2BIG);
}

/* Whatever the bytes are, it ends. */
CODE(crowded, "push %rbx; .set i, 0; .rept 4000; lea crowded_first + i(%rip),%rcx; .set i, i + 5; .endr\n"
	      "crowded_first: .rept 3999; .byte 0x0f, 0x1f, 0x44, 0, 0; .endr; crowded_last: .byte 0x0f, "
	      "0x1f, 0x44, 0, 0\n"
	      ".rept 8000; jne 1f; jmp *%rax; 1:; .endr; pop %rbx; crowded_ret: ret");
LABEL(crowded_last);
LABEL(crowded_ret);

/* Each of its jumps may lead to each of its labels: 32 million ways, were they all written down. */
static void many_jumps_to_many_labels_take_no_memory(void **state)
{
	struct rlimit before, little;
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	(void)state;
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu", &pages), 1);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
	little = before;
	little.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE) + (32u << 20);
	assert_int_equal(setrlimit(RLIMIT_AS, &little), 0);
	begin_with(crowded, crowded_end, NULL, STACK_HABIT_ASSEMBLER);
	code_sweep__add_start(sweep, address(crowded));
	code_sweep__run(sweep);
	assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
	EXPECT(crowded_last, 2);
	EXPECT(crowded_ret, 1);
}

static void nonsense_ends(void **state)
{
	uint8_t bytes[4096];
	unsigned int seed = 1;

	(void)state;
	for (int run = 0; run < 50; run++) {
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = rand_r(&seed) >> 7;
		assert_int_equal(code_sweep__new(bytes, sizeof(bytes), 0x1000, NULL, 0, &sweep), 0);
		code_sweep__allow(sweep, 0, UINT64_MAX);
		code_sweep__find_starts(sweep, bytes, sizeof(bytes), 0x1000);
		code_sweep__run(sweep);
		code_sweep__run_rest(sweep);
		done(NULL);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, done)
	const struct CMUnitTest tests[] = {
		TEST(both_ways_of_a_branch_are_followed),
		TEST(ways_that_contradict_each_other_leave_nothing),
		TEST(what_follows_a_call_that_is_known_not_to_return_is_not_reached),
		TEST(a_landing_pad_is_no_function),
		TEST(a_call_that_does_not_return_is_noticed),
		TEST(a_jump_through_a_table_leads_to_all_its_entries),
		TEST(without_the_table_its_targets_are_not_taken_for_functions),
		TEST(stubs_of_a_linkage_table_are_understood),
		TEST(what_would_call_with_an_odd_stack_is_no_entry),
		TEST(a_jump_through_a_register_leads_to_the_labels_of_its_function),
		TEST(in_assembler_what_nobody_reaches_is_where_the_jump_leads),
		TEST(of_jumps_with_different_stacks_none_is_taken),
		TEST(in_assembler_calls_leave_the_copy_of_the_stack_pointer),
		TEST(in_assembler_a_function_may_call_with_the_stack_as_it_was),
		TEST(functions_in_assembler_call_each_other_with_any_stack),
		TEST(an_address_that_code_without_rules_takes_is_less_sure),
		TEST(functions_are_known_by_their_addresses_as_numbers),
		TEST(a_table_is_as_long_as_a_mask_allows),
		TEST(what_has_rules_of_its_own_is_left_alone),
		TEST(too_much_code_is_refused),
		TEST(many_jumps_to_many_labels_take_no_memory),
		TEST(nonsense_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
