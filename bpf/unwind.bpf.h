/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * unwind - one step up a user stack, for x86-64.
 *
 * Problem: optimised code keeps no frame pointers, so the caller's frame is found by the rules that the compiler left in the file
 *   (bpf/row.h), except in code that has no such rules and does keep frame pointers (JITs, Go, some of chromium).
 * Idea: a step classifies the PC once, mapping -> row -> rule, and each way to end has a name. Nothing is guessed: a PC that no table
 *   covers is followed by its frame pointer only where that is a plausible one, and the end says so if it is not.
 *   A rule that was made from instructions (ROW_DERIVED) may be wrong, which mostly shows at once: what it takes for the return address does not stand
 *   behind a call.
 * Invariants: SP grows with every step, except that a signal frame or a frame pointer may lead to another stack; a walk is bounded
 *   by WALK_FRAMES_MAX in any case. A frame that has to wait for user space (no process, mapping or rows yet) leaves the state before that frame,
 *   so that the walk can be taken up there. PC is looked up as it is in an interrupted frame, and less one in a calling frame: the
 *   return address of a call that never returns already belongs to the next function.
 * Cost: one mapping (mostly the last frame's), one memo slot or two searches, one or two words of the stack. At a hundred samples a second the code itself is
 *   cold: what most frames do is kept short and in one place, what few do is called.
 * What it does not do: callee-saved registers other than RBP above the leaf and its caller, but for RBX where a file needs it (ROW_RBX); tell a stale return
 *   address from a live one.
 *
 * Compiled for the kernel and, over other ports, for the host: whoever includes this provides, before,
 *
 *   static int unwind_read(struct walk *w, void *to, __u32 len, __u64 addr);          0, or END_STACK_READ / END_STACK_COPY
 *   static int unwind_find_mapping(struct walk *w, __u64 pc);    fills w->mapping; 0, or END_NO_MAPPING / END_NO_PROCESS
 *   static int unwind_find_row(struct walk *w, __u64 word, struct unwind_row *row);   0, or END_NO_ROWS
 *   static int unwind_read_code(struct walk *w, void *to, __u32 len, __u64 pc);       code of w->mapping; 0, or it cannot be read
 *
 * Reference: System V ABI AMD64 sections 3.2 and 3.7; DWARF 5 section 6.4; arch/x86/include/uapi/asm/sigcontext.h for the signal frame.
 */
#ifndef EVERPROF_BPF_UNWIND_BPF_H
#define EVERPROF_BPF_UNWIND_BPF_H

#include "bpf/code_pages.h"
#include "bpf/walk.h"

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

#ifndef __noinline
#define __noinline __attribute__((noinline))
#endif

#define USER_ADDRESS_MAX (1ull << 56) /* with five-level page tables */
/* A frame pointer further up than this is not one. */
#define FP_STEP_MAX (1ull << 24)
/* Of compiled Java: how far above SP its caller's frame may begin, and how close together all of its code lies, so that calls reach. */
#define METHOD_FRAME_MAX (1ull << 16)
#define METHOD_HEAPS_MAX (1ull << 31)

/* struct ucontext begins at SP in the sigreturn trampoline; its registers r8..r15 rdi rsi rbp rbx rdx rax rcx rsp rip follow at 40. */
#define UCONTEXT_REGS 40
#define UCONTEXT_RBP  10
#define UCONTEXT_RSP  15
#define UCONTEXT_RIP  16

/* so far below FP HotSpot's interpreter has its Method: frame::interpreter_frame_method_offset */
#define INTERPRETED_METHOD 24

#define UNWIND_CONTINUE (-1) /* what a step returns while the walk goes on; else an end reason */

#define CALL_BYTES_MAX 7

/* Do these bytes end in a call? Its opcode is followed by what it calls, of up to 6 bytes. */
static __always_inline int unwind__ends_in_call(const __u8 *b)
{
	if (b[2] == 0xe8)
		return 1;
	return (b[5] == 0xff && (b[6] & 0x38) == 0x10) || (b[4] == 0xff && (b[5] & 0x38) == 0x10) ||
	       (b[3] == 0xff && (b[4] & 0x38) == 0x10) || (b[1] == 0xff && (b[2] & 0x38) == 0x10) ||
	       (b[0] == 0xff && (b[1] & 0x38) == 0x10);
}

/* Does pc stand behind a call? `if_unread` where that cannot be told. */
static __noinline int unwind__is_behind_call(struct walk *w, __u64 pc, int if_unread)
{
	__u8 code[8];

	if (unwind_read_code(w, code, CALL_BYTES_MAX, pc - CALL_BYTES_MAX))
		return if_unread;
	return unwind__ends_in_call(code);
}

/* Is what a derived row gave for the return address one? Code that cannot be read is given the benefit of the doubt. */
static __always_inline int unwind__is_return_address(struct walk *w)
{
	w->unchecked = 0;
	return unwind__is_behind_call(w, w->pc, 1);
}

/*
 * Follows RBP: [FP] is the caller's FP, [FP + 8] the return address. Where the function is known to have left its stack for another one, the
 * frame may lie anywhere.
 */
static __always_inline int unwind__by_frame_pointer(struct walk *w, int if_not_one, int may_switch)
{
	__u64 saved[2];
	int end;

	if (w->fp_unknown)
		return if_not_one;
	if (w->fp == 0)
		return END_FP_ZERO;
	if (w->fp & 7)
		return if_not_one;
	if (!may_switch && (w->fp < w->sp || w->fp - w->sp > FP_STEP_MAX))
		return if_not_one;
	end = unwind_read(w, saved, sizeof(saved), w->fp);
	if (end)
		return end;
	if (!saved[1])
		return END_BAD_PC;
	w->sp = w->fp + 16;
	w->fp = saved[0];
	w->pc = saved[1];
	w->leaf = w->near_leaf = 0;
	w->rbx_known = 0;
	return UNWIND_CONTINUE;
}

/* May this be the SP of an interpreter's caller? One word below the frame's end it may be: what leads to a method handle's target takes its last argument off. */
static __always_inline int unwind__is_sender_sp(const struct walk *w, __u64 sp)
{
	return sp + 8 >= w->sp && sp + 8 - w->sp <= FP_STEP_MAX && !(sp & 7);
}

/*
 * Where a method that is interpreted begins it has no frame yet: the return address is the last word at `sp`, FP is the caller's, and the caller's SP is in
 * R13. `end` where it is not so.
 */
static __always_inline int unwind__by_interpreters_entry(struct walk *w, __u64 sp, __u64 fp, int end)
{
	__u64 ra;

	if (unwind_read(w, &ra, sizeof(ra), sp) || !unwind__is_behind_call(w, ra, 0))
		return end;
	w->sp = sp + 8;
	if (unwind__is_sender_sp(w, w->regs[ROW_REG_R13]))
		w->sp = w->regs[ROW_REG_R13];
	w->fp = fp;
	w->pc = ra;
	w->leaf = w->near_leaf = 0;
	w->rbx_known = 0;
	w->derived = 1;
	return UNWIND_CONTINUE;
}

/* Between a caller and the interpreter's frame may lie what was made room for there: SP as the caller left it is kept below FP. */
static __always_inline int unwind__by_interpreter(struct walk *w)
{
	__u64 sp = w->sp, fp = w->fp, sender_sp;
	int leaf = w->leaf, end = unwind__by_frame_pointer(w, END_BAD_FP, 0);

	if (end == UNWIND_CONTINUE) {
		end = unwind_read(w, &sender_sp, sizeof(sender_sp), fp - 8);
		if (!end && unwind__is_sender_sp(w, sender_sp)) {
			if (sender_sp > w->sp)
				w->sp = sender_sp;
			return UNWIND_CONTINUE;
		}
		if (!end)
			end = END_BAD_SP;
	}
	return leaf ? unwind__by_interpreters_entry(w, sp, fp, end) : end;
}

/* Out of a signal handler: the kernel saved every register on the stack. */
static __noinline int unwind__by_signal_frame(struct walk *w)
{
	int end = unwind_read(w, w->signal_frame, sizeof(w->signal_frame), w->sp + UCONTEXT_REGS);
	const __u64 *f = w->signal_frame;

	if (end)
		return end;
	w->regs[0] = f[13]; /* rax */
	w->regs[1] = f[12]; /* rdx */
	w->regs[2] = f[14]; /* rcx */
	w->regs[3] = f[11]; /* rbx */
	w->regs[4] = f[9];  /* rsi */
	w->regs[5] = f[8];  /* rdi */
	w->regs[6] = f[UCONTEXT_RBP];
	w->regs[7] = f[UCONTEXT_RSP];
	w->regs[8] = f[0]; /* r8 … r15 */
	w->regs[9] = f[1];
	w->regs[10] = f[2];
	w->regs[11] = f[3];
	w->regs[12] = f[4];
	w->regs[13] = f[5];
	w->regs[14] = f[6];
	w->regs[15] = f[7];
	w->fp = f[UCONTEXT_RBP];
	w->sp = f[UCONTEXT_RSP];
	w->pc = f[UCONTEXT_RIP];
	w->fp_unknown = 0;
	w->leaf = 1;
	return UNWIND_CONTINUE;
}

/*
 * Code written in assembler calls helpers that leave its registers alone, whatever they are in the ABI, and rules that a person wrote for it build on that (libcrypto's AES-GCM). So what
 * called a leaf may have a register of the leaf's; that it does shows in what is found to be the return address.
 */
static __noinline __u64 unwind__leafs_register(struct walk *w, __u32 base)
{
	if (!w->near_leaf)
		return 0;
	w->unchecked = w->derived = 1;
	return w->regs[base & (REGS_N - 1)];
}

/* The value of the register that the CFA is computed from; 0 where it is not known. */
static __always_inline __u64 unwind__base(struct walk *w, __u32 base)
{
	if (base == ROW_REG_RSP)
		return w->sp;
	if (base == ROW_REG_RBP)
		return w->fp_unknown ? 0 : w->fp;
	return w->leaf || (base == ROW_REG_RBX && w->rbx_known) ? w->regs[base & (REGS_N - 1)]
								: unwind__leafs_register(w, base);
}

static __always_inline int unwind__cfa(struct walk *w, const struct unwind_row *row, __u64 *ret_cfa)
{
	__u32 base = ROW_CFA_BASE(row->cfa);
	__u64 cfa;
	int end;

	if (base == ROW_CFA_PLT) {
		*ret_cfa = w->sp + 8 + ((w->pc & 15) >= (__u64)row->cfa_off ? 8 : 0);
		return 0;
	}
	cfa = unwind__base(w, base);
	if (!cfa)
		return base == ROW_REG_RBP ? END_BAD_FP : END_LEAF_REGISTER;
	cfa += unwind_row__cfa_bytes(row);
	if (__builtin_expect(row->cfa & ROW_CFA_DEREF, 0)) {
		end = unwind_read(w, &cfa, sizeof(cfa), cfa);
		if (end)
			return end;
		cfa += (row->cfa >> ROW_DEREF_ADD_SHIFT) * 8;
		if (unwind_row__is_derived(row))
			w->unchecked = w->derived = 1;
	}
	*ret_cfa = cfa;
	return 0;
}

/* The caller's RBX, in a file that needs it. */
static __noinline int unwind__follow_rbx(struct walk *w, const struct unwind_row *row, __u64 cfa)
{
	__s64 at = unwind_row__rbx_bytes(row);

	w->rbx_known |= w->leaf;
	if (!at)
		return 0;
	w->rbx_known = 1;
	return unwind_read(w, &w->regs[ROW_REG_RBX], sizeof(w->regs[0]), cfa + at);
}

/* By a rule that computes the CFA. */
static __always_inline int unwind__by_rule(struct walk *w, const struct unwind_row *row)
{
	__u32 fp_rule = ROW_FP_RULE(row->saved);
	__u64 saved[2]; /* the caller's FP and the return address, where they lie side by side */
	__u64 cfa = 0;
	int end;

	end = unwind__cfa(w, row, &cfa);
	if (end)
		return end;
	if (cfa < w->sp || (cfa == w->sp && !(row->saved & ROW_RA_REG)) || (cfa & 7))
		return END_BAD_SP;

	if (row->saved & ROW_RA_REG) {
		if (!w->leaf)
			return END_LEAF_REGISTER;
		saved[1] = w->regs[(row->saved >> ROW_RA_REG_SHIFT) & (REGS_N - 1)];
	} else if (fp_rule == ROW_FP_AT_CFA && unwind_row__fp_bytes(row) == -16) {
		end = unwind_read(w, saved, sizeof(saved), cfa - 16);
		if (end)
			return end;
		w->fp = saved[0];
		w->fp_unknown = 0;
		goto moved;
	} else {
		end = unwind_read(w, &saved[1], sizeof(saved[1]), cfa - 8);
		if (end)
			return end;
	}
	if (fp_rule == ROW_FP_AT_CFA || (fp_rule == ROW_FP_AT_FP && !w->fp_unknown)) {
		__u64 at = (fp_rule == ROW_FP_AT_CFA ? cfa : w->fp) + unwind_row__fp_bytes(row);

		end = unwind_read(w, &saved[0], sizeof(saved[0]), at);
		if (end)
			return end;
		w->fp = saved[0];
		w->fp_unknown = 0;
	} else if (fp_rule == ROW_FP_UNKNOWN) {
		w->fp_unknown = 1;
	}
moved:
	if (__builtin_expect(!(row->saved & ROW_RBX), 1)) {
		w->rbx_known = 0;
	} else {
		end = unwind__follow_rbx(w, row, cfa);
		if (end)
			return end;
	}
	if ((row->cfa & (ROW_CFA_DEREF | ROW_DERIVED)) == ROW_DERIVED)
		w->unchecked = w->derived = 1;
	w->sp = cfa;
	w->pc = saved[1];
	w->near_leaf = w->leaf;
	w->leaf = 0;
	return UNWIND_CONTINUE;
}

/* A frame of the interpreter is the method's that it is at, as its frame says. */
static __noinline __u64 unwind__interpreted(struct walk *w, __u64 word)
{
	__u64 method;

	if (w->fp_unknown || w->fp < w->sp || w->fp - w->sp > FP_STEP_MAX || w->fp & 7 ||
	    unwind_read(w, &method, sizeof(method), w->fp - INTERPRETED_METHOD))
		return word;
	return method < 4096 || method >= USER_ADDRESS_MAX || method & 7 ? word : frame_of_method(method);
}

/* By what is no rule for the CFA. Away from the steps that most frames take: code that is not run is not fetched. */
static __noinline int unwind__otherwise(struct walk *w, __u32 base)
{
	switch (base) {
	case ROW_CFA_END:
		return END_END_MARK;
	case ROW_CFA_SIGNAL:
		return unwind__by_signal_frame(w);
	case ROW_CFA_INTERPRETER:
		return unwind__by_interpreter(w);
	case ROW_CFA_NONE:
	case ROW_CFA_FRAME_POINTER:
	case ROW_CFA_SWITCH:
		return unwind__by_frame_pointer(w, base == ROW_CFA_NONE ? END_NOT_COVERED : END_BAD_FP,
						base == ROW_CFA_SWITCH);
	default:
		return END_UNSUPPORTED_RULE;
	}
}

/* Bytes from before an instruction of a method: is it where its frame is gone already? */
static __always_inline int unwind__is_behind_pop(const __u8 *b)
{
	enum { AT = 8, RET = 0xc3, POP_RBP = 0x5d };

	if (b[AT] == RET)
		return 1;
	/* the safepoint poll before the return: cmp n(%r15),%rsp, of 4 or 7 bytes; ja */
	if (b[AT - 1] == POP_RBP && b[AT] == 0x49 && b[AT + 1] == 0x3b)
		return 1;
	if (b[AT] != 0x0f || b[AT + 1] != 0x87)
		return 0;
	return (b[AT - 5] == POP_RBP && b[AT - 4] == 0x49 && b[AT - 3] == 0x3b) ||
	       (b[AT - 8] == POP_RBP && b[AT - 7] == 0x49 && b[AT - 6] == 0x3b);
}

/*
 * Where a method returns to: behind a call, or into the interpreter, which puts down itself where it wants to go on, and jumps. A saved RBP leads to the caller's frame,
 * where what looks like a call may stand before it as well.
 */
static __noinline int unwind__is_method_return(struct walk *w, __u32 number, __u64 ra)
{
	struct unwind_row row;

	if (ra - w->sp < METHOD_FRAME_MAX && ra - w->mapping.start >= w->mapping.end - w->mapping.start)
		return 0;
	if (unwind__is_behind_call(w, ra, 0))
		return 1;
	return ra - w->mapping.start + METHOD_HEAPS_MAX < 2 * METHOD_HEAPS_MAX &&
	       !unwind_find_row(w, frame_of_object(number, ra), &row) && row.cfa == ROW_CFA_INTERPRETER;
}

/*
 * Where an interrupted method takes its frame down is seen by its code, which is running and therefore there. Else its frame may be a word deeper: what compares
 * strings pushes one, and only what then is a return address tells.
 */
static __noinline void unwind__look_at_method(struct walk *w, __u32 number, struct unwind_row *row)
{
	__u64 ra[2];
	__u8 b[16];

	if (unwind_read_code(w, b, sizeof(b), w->pc - 8))
		return;
	if (b[8] == 0x5d) {
		row->cfa_off = 2;
	} else if (unwind__is_behind_pop(b)) {
		*row = (struct unwind_row){.cfa = ROW_REG_RSP, .cfa_off = 1};
	} else if (!unwind_read(w, ra, sizeof(ra), w->sp + (__u64)row->cfa_off * 8 - 8) &&
		   !unwind__is_method_return(w, number, ra[0]) &&
		   unwind__is_method_return(w, number, ra[1])) {
		row->cfa_off++;
		w->derived = 1;
	}
}

/* The row of code that is in no file, but has pages. Where they say nothing is code that is newer, which user space may learn of. */
static __noinline int unwind__row_of_pages(struct walk *w, __u64 pc, struct unwind_row *row)
{
	__u32 number = code_pages__number(row);
	int end = unwind_find_row(w, frame_of_object(number, pc), row);

	if (end)
		return end;
	if (row->cfa == ROW_CFA_NONE)
		return END_NO_ROWS;
	if (w->leaf && row->cfa == ROW_REG_RSP && row->cfa_off > 1)
		unwind__look_at_method(w, number, row);
	return 0;
}

/*
 * Where all that comes behind the call is `add $n,%rsp; ret`, that is what will be done next, and the rule, whatever RBP is: CPython's perf trampolines, which lie between
 * frames that keep no frame pointer.
 */
static __noinline int unwind__look_behind_call(struct walk *w, struct unwind_row *row)
{
	__u8 b[5];

	if (w->leaf || unwind_read_code(w, b, sizeof(b), w->pc))
		return 0;
	if (b[0] == 0x48 && b[1] == 0x83 && b[2] == 0xc4 && !(b[3] & 0x87) && b[4] == 0xc3)
		*row = (struct unwind_row){.cfa = ROW_REG_RSP, .cfa_off = b[3] / 8 + 1};
	return 0;
}

/* In code of no file: by its pages, or the one rule that its JIT tells for all of it (user/runtime/jit_rule.c), else by what stands behind a call, or frame pointers. */
static __always_inline int unwind__anonymous_row(struct walk *w, __u64 pc, struct unwind_row *row)
{
	*row = (struct unwind_row){.cfa = ROW_CFA_FRAME_POINTER};
	if (w->mapping.bias)
		__builtin_memcpy(row, &w->mapping.bias, sizeof(*row));
	if (row->cfa == ROW_CFA_PAGES)
		return unwind__row_of_pages(w, pc, row);
	return row->cfa == ROW_CFA_FRAME_POINTER ? unwind__look_behind_call(w, row) : 0;
}

/*
 * There is no code there. A return address of zero is what who makes a stack by hand puts where it begins (fibers of Ruby, libco, …), and where libgcc's unwinder, which throws
 * exceptions through these stacks, ends as well. It is believed where all rules up to there are the files' own, and not of the leaf: of a null pointer that was called that is the pc.
 */
static __noinline int unwind__without_code(const struct walk *w)
{
	return w->pc == 0 && !w->leaf && !w->derived && w->mapping.object && w->n_words > w->n_kernel + 1u
		       ? END_END_MARK
		       : END_BAD_PC;
}

/* Records the frame at w->pc and moves to its caller. UNWIND_CONTINUE, or the end reason. */
static __always_inline int unwind__step(struct walk *w)
{
	__u64 pc = w->leaf ? w->pc : w->pc - 1;
	struct unwind_row row;
	__u64 word;
	__u32 base;
	int end;

	if (w->pc < 4096 || w->pc >= USER_ADDRESS_MAX)
		return unwind__without_code(w);
	if (pc < w->mapping.start || pc >= w->mapping.end) {
		end = unwind_find_mapping(w, pc);
		if (end)
			return end;
	}
	if (w->mapping.object == 0) {
		word = frame_of_raw(pc);
		end = unwind__anonymous_row(w, pc, &row);
	} else {
		word = frame_of_object(w->mapping.object, pc - w->mapping.bias);
		end = unwind_find_row(w, word, &row);
	}
	if (end)
		return end;
	/* nobody calls the trampoline that a signal handler returns to */
	if (w->unchecked && row.cfa != ROW_CFA_SIGNAL && !unwind__is_return_address(w))
		return END_NO_CALL;
	w->unchecked = 0;
	base = ROW_CFA_BASE(row.cfa);
	if (__builtin_expect(base == ROW_CFA_INTERPRETER, 0))
		word = unwind__interpreted(w, word);
	walk__push(w, word);
	if (base <= ROW_CFA_PLT)
		return unwind__by_rule(w, &row);
	w->derived |= base == ROW_CFA_SWITCH && row.cfa & ROW_DERIVED;
	return unwind__otherwise(w, base);
}

#endif
