/* SPDX-License-Identifier: Apache-2.0 */
/*
 * code_bytes - the few pieces of code that are recognised by their instructions, because no rule describes them.
 *
 * Owns: nothing. Thread: any. Limit: CODE_BYTES_MAX bytes read a call. Errors: none; what cannot be read is not found.
 */
#ifndef EVERPROF_OBJECT_CODE_BYTES_H
#define EVERPROF_OBJECT_CODE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct elf;

#define CODE_BYTES_MAX  (1u << 17)
#define SIGRETURN_BYTES 9 /* the longer of the two forms: mov $15, %rax; syscall */
#define ENTRY_BYTES_MAX 96
/* __start_context; with what a shadow stack needs in it, the longer */
#define CONTEXT_BYTES_MIN 22
#define CONTEXT_BYTES_MAX 128

/* Pure: offset of the first trampoline in the bytes that starts before `last`; false where there is none. */
bool code_bytes__match_sigreturn(const uint8_t *bytes, size_t len, size_t last, size_t *ret_offset);
/*
 * Pure: the first call in the bytes, starting before `last`, of a function that nothing stands behind: its result goes to exit, to the end of
 * the thread, or to the system call that ends it. ret_len counts from the call to the end of what ends the thread.
 */
bool code_bytes__match_root(const uint8_t *bytes, size_t len, size_t last, size_t *ret_offset,
			    size_t *ret_len);
/*
 * Pure: the first place in the bytes, starting before `last`, to which the function of a context of Boost's returns (PHP's fibers have a copy): nobody called it, so the last byte of the
 * jump before it goes with it.
 */
bool code_bytes__match_fiber(const uint8_t *bytes, size_t len, size_t last, size_t *ret_offset,
			     size_t *ret_len);
/* Pure: length of the entry function that starts with the bytes: up to and with its first call, and of a loader up to where it jumps to the program; false where none is seen. */
bool code_bytes__match_entry(const uint8_t *bytes, size_t len, size_t *ret_len);

/*
 * Pure: are the bytes glibc's __start_context? makecontext(3) puts its address where the first function of a context returns to: nobody called it, and its rules lead on into
 * whatever lies there.
 */
bool code_bytes__is_context(const uint8_t *bytes, size_t len);

/* Appends the part of [from, to) that lies in an executable segment (the first one that touches it); false where there is none. */
bool code_bytes__read(const struct elf *e, uint64_t from, uint64_t to, struct buf *bytes,
		      uint64_t *ret_start);
/* First signal trampoline that starts in [from, to), read by itself. */
bool code_bytes__find_sigreturn(const struct elf *e, uint64_t from, uint64_t to, uint64_t *ret_at);
/* Do so many functions in [from, to) begin with `push %rbp; mov %rsp,%rbp`? No more is read than it takes to say so. */
bool code_bytes__has_frames(const struct elf *e, uint64_t from, uint64_t to, size_t enough);
/* Is the function [start, end) the one that contexts return to? */
bool code_bytes__starts_context(const struct elf *e, uint64_t start, uint64_t end);
/* End of the entry function at `entry`. */
bool code_bytes__entry_end(const struct elf *e, uint64_t entry, uint64_t *ret_end);

#endif
