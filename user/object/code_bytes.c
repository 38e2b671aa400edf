// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. Two places end or turn a walk and often have no CFI: the trampoline that returns from a signal handler (musl, Go), and the
 * entry point of the program (musl, static programs). Without a rule for them a whole stack counts as cut short.
 *
 * Idea. Both are tiny and written by hand. The trampoline is one system call with the number 15. The entry point
 * is a straight line of register moves that ends in a call which never returns: read instruction by instruction out of a short list, so that
 * a byte of an operand is never taken for a call. Code with any other instruction is not recognised.
 *
 *      xor %ebp,%ebp │ mov %rsp,%rdi │ lea …(%rip),%rsi │ and $-16,%rsp │ call …
 *      [entry ───────────────────────────────────────────────────────── end)
 *
 * Invariants. The bytes are read once into our memory, then matched.
 *
 * Cost. A pread of the range asked for and one search in it.
 *
 * What it does not do. Follow jumps, decode x86 in general.
 *
 * Reference. Intel SDM volume 2 (encodings); arch/x86/entry/syscalls/syscall_64.tbl (rt_sigreturn is 15).
 */
#include <elf.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/object/code_bytes.h"
#include "user/object/elf.h"

/* mov $15,%rax; syscall and mov $15,%eax; syscall */
static const uint8_t sigreturn_long[SIGRETURN_BYTES] = {0x48, 0xc7, 0xc0, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};
static const uint8_t sigreturn_short[] = {0xb8, 0x0f, 0x00, 0x00, 0x00, 0x0f, 0x05};

/* An instruction by its first bytes; `rest` is what follows them: a displacement or an immediate. */
struct instruction {
	uint8_t n, bytes[4];
	uint8_t rest;
	bool ends; /* a call */
};

static const struct instruction entry_instructions[] = {
	{4, {0xf3, 0x0f, 0x1e, 0xfa}, 0, false}, /* endbr64 */
	{3, {0x48, 0x31, 0xed}, 0, false},       /* xor %rbp,%rbp */
	{2, {0x31, 0xed}, 0, false},             /* xor %ebp,%ebp */
	{3, {0x45, 0x31, 0xc0}, 0, false},       /* xor %r8d,%r8d */
	{2, {0x31, 0xc9}, 0, false},             /* xor %ecx,%ecx */
	{3, {0x48, 0x89, 0xe7}, 0, false},       /* mov %rsp,%rdi */
	{3, {0x48, 0x89, 0xe2}, 0, false},       /* mov %rsp,%rdx */
	{3, {0x48, 0x89, 0xe0}, 0, false},       /* mov %rsp,%rax */
	{3, {0x48, 0x89, 0xc7}, 0, false},       /* mov %rax,%rdi */
	{3, {0x49, 0x89, 0xd1}, 0, false},       /* mov %rdx,%r9 */
	{1, {0x5e}, 0, false},                   /* pop %rsi */
	{1, {0x5f}, 0, false},                   /* pop %rdi */
	{1, {0x50}, 0, false},                   /* push %rax */
	{1, {0x54}, 0, false},                   /* push %rsp */
	{3, {0x48, 0x8d, 0x35}, 4, false},       /* lea …(%rip),%rsi */
	{3, {0x48, 0x8d, 0x3d}, 4, false},       /* lea …(%rip),%rdi */
	{3, {0x48, 0xc7, 0xc6}, 4, false},       /* mov $…,%rsi */
	{3, {0x48, 0xc7, 0xc7}, 4, false},       /* mov $…,%rdi */
	{4, {0x48, 0x83, 0xe4, 0xf0}, 0, false}, /* and $-16,%rsp */
	{1, {0xe8}, 4, true},                    /* call … */
	{2, {0xff, 0x15}, 4, true},              /* call *…(%rip) */
	{2, {0x67, 0xe8}, 4, true},              /* call … as the linker relaxes the one before */
};

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

static const struct instruction *find_instruction(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < sizeof(entry_instructions) / sizeof(entry_instructions[0]); i++) {
		const struct instruction *in = &entry_instructions[i];

		if ((size_t)in->n + in->rest <= len && !memcmp(bytes, in->bytes, in->n))
			return in;
	}
	return NULL;
}

bool code_bytes__match_entry(const uint8_t *bytes, size_t len, size_t *ret_len)
{
	const struct instruction *in;

	for (size_t at = 0; (in = find_instruction(bytes + at, len - at)) != NULL;) {
		at += in->n + in->rest;
		if (in->ends) {
			*ret_len = at;
			return true;
		}
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
