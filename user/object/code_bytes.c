// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. Some places end or turn a walk and have no CFI: the trampoline that returns from a signal handler (musl, Go), the entry point
 * of the program, and the calls of main and of a thread's function (all of musl's C library is built without). Without a rule for
 * them every stack of such a program counts as cut short.
 *
 * Idea. They are tiny and hardly change. The trampoline is one system call with the number 15. The entry point
 * is a straight line that ends in a call which never returns. What tells it from a function is that it does what no function may: before anything is
 * pushed it clears the frame pointer (the mark of the outermost frame, as the ABI has it), or takes the stack pointer for the address of its arguments.
 * A loader's first call does return, with the address of the program that it jumps to in the end: all of it up to there is the entry point.
 *
 *      xor %ebp,%ebp │ mov %rsp,%rdi │ lea …(%rip),%rsi │ and $-16,%rsp │ call …
 *      [entry ───────────────────────────────────────────────────────── end)
 *
 * A root is a call through a pointer whose result becomes the first argument of what ends the process or the thread:
 *
 *      call *%rbx     │ mov %eax,%edi │ call exit, and no code after it                main
 *      mov 8(%rbx),%rdi; call *(%rbx) │ mov %rax,%rdi │ call pthread_exit               a thread's function and its argument
 *      call *%r9      │ mov %eax,%edi │ xor %eax,%eax │ mov $60,%al │ syscall           clone's child
 *
 * and what contexts of Boost's end in, whose trampoline leaves its address as the one to return to:
 *
 *      push %rbp │ jmp *%rbx │ xor %rdi,%rdi │ call _exit │ hlt
 *
 * Roots are looked for where no CFI is, only: elsewhere the CFI says where a stack ends. It does not for the function to which contexts of glibc's makecontext return:
 *
 *      mov %rbx,%rsp │ mov (%rsp),%rdi │ test %rdi,%rdi │ je 1f │ … call setcontext │ mov %rax,%rdi │ 1: call exit │ hlt
 *
 * Invariants. The bytes are read once into our memory, then matched.
 *
 * Cost. A pread of the range asked for and one search in it.
 *
 * What it does not do. Follow jumps, or the stack: that is code_sweep's.
 *
 * Reference. Intel SDM volume 2 (encodings); arch/x86/entry/syscalls/syscall_64.tbl (rt_sigreturn is 15).
 */
#include <elf.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/object/code_bytes.h"
#include "user/object/elf.h"
#include "user/object/x86_insn.h"

/* mov $15,%rax; syscall and mov $15,%eax; syscall */
static const uint8_t sigreturn_long[SIGRETURN_BYTES] = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};
static const uint8_t sigreturn_short[] = {0xb8, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};

#define CALL_BYTES  5 /* call rel32 */
#define FRAMES_READ (16u << 10)

static bool ends_with(const uint8_t *bytes, size_t len, const uint8_t *what, size_t what_len)
{
	return len >= what_len && !memcmp(bytes + len - what_len, what, what_len);
}

/* Looks for the last byte, which is a rare one in code: memchr is many times faster than a search for the whole. */
bool code_bytes__match_sigreturn(const uint8_t *bytes, size_t len, size_t last, size_t *ret_offset)
{
	const uint8_t *found = bytes, *end = bytes + len;

	while ((found = memchr(found, sigreturn_long[SIGRETURN_BYTES - 1], end - found)) != NULL) {
		size_t start, stop = ++found - bytes;

		if (ends_with(bytes, stop, sigreturn_long, sizeof(sigreturn_long)))
			start = stop - sizeof(sigreturn_long);
		else if (ends_with(bytes, stop, sigreturn_short, sizeof(sigreturn_short)))
			start = stop - sizeof(sigreturn_short);
		else
			continue;
		*ret_offset = start;
		return start < last;
	}
	return false;
}

/* Length of the instruction `call *%reg` that ends the bytes, or 0. */
static size_t ends_with_call_register(const uint8_t *bytes, size_t len)
{
	if (len < 2 || bytes[len - 2] != 0xff || (bytes[len - 1] & 0xf8) != 0xd0)
		return 0;
	return len > 2 && bytes[len - 3] == 0x41 ? 3 : 2;
}

/* Length of `call *(%reg)` that ends the bytes after `mov 8(%reg),%rdi` of the same register, or 0. Registers that need a longer form are left out. */
static size_t ends_with_call_closure(const uint8_t *bytes, size_t len)
{
	const uint8_t *end = bytes + len;
	size_t n = len > 2 && end[-3] == 0x41 ? 3 : 2;
	uint8_t reg;

	if (len < n + 4 || end[-2] != 0xff || (end[-1] & 0xf8) != 0x10)
		return 0;
	reg = end[-1] & 7;
	end -= n;
	if (reg == 4 || reg == 5 || end[-4] != (n == 3 ? 0x49 : 0x48) || end[-3] != 0x8b ||
	    end[-2] != (0x78 | reg) || end[-1] != 8)
		return 0;
	return n;
}

/* What assemblers fill gaps with, and hlt: nobody gets here. */
static bool is_padding(const uint8_t *bytes, size_t len)
{
	static const uint8_t nops[] = {0x66, 0x2e, 0x0f, 0x1f};

	return len == 0 || bytes[0] == 0x90 || bytes[0] == 0xcc || bytes[0] == 0xf4 ||
	       (len >= 2 && bytes[0] == 0x66 && bytes[1] == 0x90) ||
	       (len >= 2 && !memcmp(bytes, nops + 2, 2)) ||
	       (len >= 3 && bytes[0] == 0x66 && !memcmp(bytes + 1, nops + 2, 2)) ||
	       (len >= 4 && !memcmp(bytes, nops, 4));
}

/* Is the `mov %eax,%edi` (or its 64-bit form) at `at` part of a root? Then its call's length and what follows it, which ends the root. */
static bool is_root(const uint8_t *bytes, size_t len, size_t at, size_t *ret_call, size_t *ret_end)
{
	static const uint8_t exit_thread[] = {0x31, 0xc0, 0xb0, 0x3c, 0x0f, 0x05};
	bool is_wide = at > 0 && bytes[at - 1] == 0x48;
	size_t after = at + 2;

	*ret_call = is_wide ? ends_with_call_closure(bytes, at - 1) : ends_with_call_register(bytes, at);
	if (*ret_call == 0)
		return false;
	*ret_call += is_wide;
	*ret_end = after + CALL_BYTES;
	if (len - after >= CALL_BYTES && bytes[after] == 0xe8)
		return is_wide || is_padding(bytes + *ret_end, len - *ret_end);
	*ret_end = after + sizeof(exit_thread);
	return !is_wide && len - after >= sizeof(exit_thread) &&
	       !memcmp(bytes + after, exit_thread, sizeof(exit_thread));
}

bool code_bytes__match_root(const uint8_t *bytes, size_t len, size_t last, size_t *ret_offset,
			    size_t *ret_len)
{
	const uint8_t *found = bytes, *end = bytes + len;

	/* by the second byte of the move, which is the rarer one */
	while ((found = memchr(found, 0xc7, end - found)) != NULL) {
		size_t at = found++ - bytes, call, stop;

		if (at == 0 || bytes[at - 1] != 0x89 || !is_root(bytes, len, at - 1, &call, &stop))
			continue;
		*ret_offset = at - 1 - call;
		*ret_len = stop - *ret_offset;
		return *ret_offset < last;
	}
	return false;
}

bool code_bytes__match_fiber(const uint8_t *bytes, size_t len, size_t last, size_t *ret_offset,
			     size_t *ret_len)
{
	static const uint8_t code[] = {0x55, 0xff, 0xe3, 0x48, 0x31, 0xff, 0xe8};
	const size_t early = 2, behind = sizeof(code) + 4; /* of what is called */
	const uint8_t *found = bytes;

	while ((found = memmem(found, len - (size_t)(found - bytes), code, sizeof(code))) != NULL) {
		size_t at = (size_t)(found++ - bytes);

		if (len - at <= behind || bytes[at + behind] != 0xf4)
			continue;
		*ret_offset = at + early;
		*ret_len = behind + 1 - early;
		return *ret_offset < last;
	}
	return false;
}

bool code_bytes__is_context(const uint8_t *bytes, size_t len)
{
	static const uint8_t endbr[] = {0xf3, 0x0f, 0x1e, 0xfa};
	static const uint8_t begin[] = {0x48, 0x89, 0xdc, 0x48, 0x8b, 0x3c, 0x24, 0x48, 0x85, 0xff, 0x74};
	static const uint8_t failed[] = {0x48, 0x89, 0xc7, 0xe8}; /* and how far to what is called */
	size_t at = len >= sizeof(endbr) && !memcmp(bytes, endbr, sizeof(endbr)) ? sizeof(endbr) : 0;

	return len >= CONTEXT_BYTES_MIN && len - at >= CONTEXT_BYTES_MIN &&
	       !memcmp(bytes + at, begin, sizeof(begin)) && bytes[len - 1] == 0xf4 &&
	       !memcmp(bytes + len - 9, failed, sizeof(failed));
}

static bool is_register_move(const struct x86_insn *in, uint8_t opcode)
{
	return in->encoding == X86_LEGACY && in->map == X86_MAP_ONE && in->opcode == opcode &&
	       in->modrm >= 0xc0;
}

static bool clears_frame_pointer(const struct x86_insn *in)
{
	return (is_register_move(in, 0x31) || is_register_move(in, 0x33)) && x86_insn__reg(in) == X86_RBP &&
	       x86_insn__rm(in) == X86_RBP;
}

/* mov %rsp,… to a register that is not the frame pointer: with that one functions begin, too. */
static bool takes_stack_pointer(const struct x86_insn *in)
{
	return is_register_move(in, 0x89) && x86_insn__is_wide(in) && x86_insn__reg(in) == X86_RSP &&
	       x86_insn__rm(in) != X86_RBP;
}

static bool is_push(const struct x86_insn *in)
{
	return in->encoding == X86_LEGACY && in->map == X86_MAP_ONE && (in->opcode & 0xf8) == 0x50;
}

/*
 * A loader goes on after its first call, with what that returned: the entry point of the program, to which it jumps in the end. Length of
 * what follows the call up to that jump, or 0.
 */
static size_t loader_length(const uint8_t *bytes, size_t len)
{
	struct x86_insn in;
	uint8_t program;
	size_t at;

	if (x86_insn__parse(bytes, len, &in) || !is_register_move(&in, 0x89) || !x86_insn__is_wide(&in) ||
	    x86_insn__reg(&in) != X86_RAX)
		return 0;
	program = x86_insn__rm(&in);
	for (at = in.len; !x86_insn__parse(bytes + at, len - at, &in);) {
		enum x86_flow flow = x86_insn__flow(&in);

		at += in.len;
		if (flow == X86_FLOW_JUMP_INDIRECT && in.modrm >= 0xc0 && x86_insn__rm(&in) == program)
			return at;
		if (flow != X86_FLOW_NEXT && flow != X86_FLOW_CALL && flow != X86_FLOW_BRANCH)
			return 0;
	}
	return 0;
}

bool code_bytes__match_entry(const uint8_t *bytes, size_t len, size_t *ret_len)
{
	bool is_outermost = false;
	struct x86_insn in;

	for (size_t at = 0; !x86_insn__parse(bytes + at, len - at, &in);) {
		enum x86_flow flow = x86_insn__flow(&in);

		at += in.len;
		is_outermost |= clears_frame_pointer(&in) || takes_stack_pointer(&in);
		if (!is_outermost && is_push(&in))
			return false;
		if (flow == X86_FLOW_NEXT)
			continue;
		*ret_len = at + loader_length(bytes + at, len - at);
		return is_outermost && (flow == X86_FLOW_CALL || flow == X86_FLOW_CALL_INDIRECT);
	}
	return false;
}

bool code_bytes__read(const struct elf *e, uint64_t from, uint64_t to, struct buf *bytes, uint64_t *ret_start)
{
	for (uint32_t i = 0; i < elf__n_segments(e); i++) {
		const struct elf_segment *p = elf__segment(e, i);
		uint64_t start, end;

		if (p->type != PT_LOAD || !(p->flags & PF_X) || p->filesz > UINT64_MAX - p->vaddr)
			continue;
		start = p->vaddr > from ? p->vaddr : from;
		end = p->vaddr + p->filesz < to ? p->vaddr + p->filesz : to;
		if (start >= end)
			continue;
		*ret_start = start;
		return !elf__read_vaddr(e, start, end - start, bytes);
	}
	return false;
}

bool code_bytes__find_sigreturn(const struct elf *e, uint64_t from, uint64_t to, uint64_t *ret_at)
{
	struct buf bytes;
	uint64_t start;
	size_t offset;
	bool found;

	if (from >= to || to - from > CODE_BYTES_MAX)
		return false;
	buf__init(&bytes, CODE_BYTES_MAX + SIGRETURN_BYTES);
	found = code_bytes__read(e, from, to + SIGRETURN_BYTES - 1, &bytes, &start) && start < to &&
		code_bytes__match_sigreturn(bytes.data, bytes.len, to - start, &offset);
	if (found)
		*ret_at = start + offset;
	buf__done(&bytes);
	return found;
}

/* Compilers write the move in one of two ways. */
static size_t count_frames(const uint8_t *bytes, size_t len, size_t enough)
{
	static const uint8_t frames[][4] = {{0x55, 0x48, 0x89, 0xe5}, {0x55, 0x48, 0x8b, 0xec}};
	const uint8_t *found = bytes, *end = bytes + len;
	size_t n = 0;

	while (n < enough && (found = memchr(found, frames[0][0], (size_t)(end - found))) != NULL &&
	       end - found >= 4) {
		n += !memcmp(found, frames[0], 4) || !memcmp(found, frames[1], 4);
		found++;
	}
	return n;
}

/* One that lies on the edge of two reads is not counted. */
bool code_bytes__has_frames(const struct elf *e, uint64_t from, uint64_t to, size_t enough)
{
	struct buf bytes;
	uint64_t at;
	size_t n = 0;

	buf__init(&bytes, FRAMES_READ);
	for (; from < to && n < enough; from += FRAMES_READ) {
		uint64_t end = to - from > FRAMES_READ ? from + FRAMES_READ : to;

		buf__clear(&bytes);
		if (code_bytes__read(e, from, end, &bytes, &at))
			n += count_frames(bytes.data, bytes.len, enough - n);
	}
	buf__done(&bytes);
	return n >= enough;
}

bool code_bytes__starts_context(const struct elf *e, uint64_t start, uint64_t end)
{
	struct buf bytes;
	uint64_t read_at;
	bool is;

	if (end - start < CONTEXT_BYTES_MIN || end - start > CONTEXT_BYTES_MAX)
		return false;
	buf__init(&bytes, CONTEXT_BYTES_MAX);
	is = code_bytes__read(e, start, end, &bytes, &read_at) && read_at == start &&
	     code_bytes__is_context(bytes.data, bytes.len);
	buf__done(&bytes);
	return is;
}

bool code_bytes__entry_end(const struct elf *e, uint64_t entry, uint64_t *ret_end)
{
	struct buf bytes;
	uint64_t start;
	size_t len;
	bool found;

	buf__init(&bytes, ENTRY_BYTES_MAX);
	found = code_bytes__read(e, entry, entry + ENTRY_BYTES_MAX, &bytes, &start) && start == entry &&
		code_bytes__match_entry(bytes.data, bytes.len, &len);
	if (found)
		*ret_end = entry + len;
	buf__done(&bytes);
	return found;
}
