/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames as hand-written code makes them. Each function takes a count of work units in rdi (see work__spin) and does them in its own frame,
 * but for asm_deref, which calls asm_leaf.
 */
	.text

	.macro SPIN count
	mov	$3, %eax
	.p2align 6
1:
	imul	%rax, %rax
	imul	%rax, %rax
	imul	%rax, %rax
	imul	%rax, %rax
	imul	%rax, %rax
	imul	%rax, %rax
	imul	%rax, %rax
	imul	%rax, %rax
	dec	\count
	jnz	1b
	.endm

	.globl asm_leaf
	.type asm_leaf, @function
asm_leaf:
	.cfi_startproc
	SPIN	%rdi
	ret
	.cfi_endproc
	.size asm_leaf, . - asm_leaf

	/* The stack is realigned by an unknown amount; the old stack pointer is kept at 56(%rsp): CFA = *(rsp + 56) + 8. */
	.globl asm_deref
	.type asm_deref, @function
asm_deref:
	.cfi_startproc
	mov	%rsp, %rax
	.cfi_def_cfa_register %rax
	sub	$128, %rsp
	and	$-128, %rsp
	mov	%rax, 56(%rsp)
	/* DW_CFA_def_cfa_expression, 6 bytes: breg7(rsp) + 56, deref, plus_uconst 8 */
	.cfi_escape 0x0f, 0x06, 0x77, 0xb8, 0x00, 0x06, 0x23, 0x08
	call	asm_leaf
	mov	56(%rsp), %rax
	.cfi_def_cfa %rax, 8
	mov	%rax, %rsp
	.cfi_def_cfa_register %rsp
	ret
	.cfi_endproc
	.size asm_deref, . - asm_deref

	/* The return address is in a register while the work is done, as in the C library's vfork. */
	.globl asm_ra_register
	.type asm_ra_register, @function
asm_ra_register:
	.cfi_startproc
	mov	%rdi, %rcx
	pop	%rdi
	.cfi_adjust_cfa_offset -8
	.cfi_register %rip, %rdi
	SPIN	%rcx
	push	%rdi
	.cfi_adjust_cfa_offset 8
	.cfi_offset %rip, -8
	ret
	.cfi_endproc
	.size asm_ra_register, . - asm_ra_register

	/* The same as asm_fp_only, and waits: pause() until a signal kills it. */
	.globl asm_pause
	.type asm_pause, @function
asm_pause:
	push	%rbp
	mov	%rsp, %rbp
	mov	$34, %eax
	syscall
	pop	%rbp
	ret
	.size asm_pause, . - asm_pause

	/* No CFI at all, but a frame pointer. */
	.globl asm_fp_only
	.type asm_fp_only, @function
asm_fp_only:
	push	%rbp
	mov	%rsp, %rbp
	SPIN	%rdi
	pop	%rbp
	ret
	.size asm_fp_only, . - asm_fp_only

	/* Neither: nobody can know the caller, and the frame pointer register holds a number that is no address. */
	.globl asm_nothing
	.type asm_nothing, @function
asm_nothing:
	push	%rbp
	sub	$40, %rsp
	mov	$1, %ebp
	SPIN	%rdi
	add	$40, %rsp
	pop	%rbp
	ret
	.size asm_nothing, . - asm_nothing

	/* Code after a gap: so that asm_nothing's neighbour in the table is not taken for it. */
	.globl asm_end
	.type asm_end, @function
asm_end:
	.cfi_startproc
	ret
	.cfi_endproc
	.size asm_end, . - asm_end

	.section .note.GNU-stack, "", @progbits
