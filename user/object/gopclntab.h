/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gopclntab - functions, files and lines of Go code, from the table that the Go runtime itself needs: stripping
 * does not remove it.
 *
 * Versions 1.2, 1.16, 1.18 and 1.20 (used up to 1.26 and later), told apart by the table's magic.
 *
 * Owns: the bytes that it has read; the file's descriptor stays the caller's, who takes it away with attach.
 * Thread: one owner (a lookup may read the file). Limit: GOPCLNTAB_FUNCTIONS_MAX, GOPCLNTAB_STEPS_MAX of a
 * program, LAZY_BYTES_MAX. Errors: -ENOENT no such table, or nothing there, -EBADMSG damaged, -EOPNOTSUPP a 32-bit
 * or unknown one, -E2BIG, -ENOMEM.
 */
#ifndef EVERPROF_OBJECT_GOPCLNTAB_H
#define EVERPROF_OBJECT_GOPCLNTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf;
struct gopclntab;

#define GOPCLNTAB_FUNCTIONS_MAX (4u << 20)
#define GOPCLNTAB_STEPS_MAX     (1u << 16)
#define GOPCLNTAB_STRING_MAX    16384 /* a longer name or path counts as damaged */

struct gopclntab_function {
	uint64_t start, end;
	const char *name;    /* borrowed */
	uint32_t start_line; /* 0: not known (before Go 1.20) */
};

struct gopclntab_line {
	const char *file; /* borrowed */
	uint32_t line;
};

/* The table in `bytes`, which must outlive it; pure. text_start: what offsets are relative to, 0: the header
 * says it (Go 1.18 to 1.25). */
int gopclntab__parse(const void *bytes, size_t len, uint64_t text_start, struct gopclntab **ret_table);
/* The table of a file, to be read as it is touched from the elf's descriptor; limit_bytes of its size, 0: none.
 * -ENOENT where the file is not Go's. */
int gopclntab__load(const struct elf *e, size_t limit_bytes, struct gopclntab **ret_table);
void gopclntab__free(struct gopclntab *t);
/* Another descriptor of the same file to read from, or FD_CLOSED: then only what was read is known. */
void gopclntab__attach(struct gopclntab *t, int fd);
/* All of it was read: no descriptor is needed any more. */
bool gopclntab__is_whole(const struct gopclntab *t);

/* The function that holds the address; -ENOENT. */
int gopclntab__find(const struct gopclntab *t, uint64_t vaddr, struct gopclntab_function *ret_function);
/* File and line of the instruction at the address, as the compiler saw it: of the innermost inlined function
 * there; -ENOENT. */
int gopclntab__line(const struct gopclntab *t, uint64_t vaddr, struct gopclntab_line *ret_line);
/* Index of the function that holds the address, else of the first one after it; the count where there is none. */
uint32_t gopclntab__first(const struct gopclntab *t, uint64_t vaddr);
/* Was it written in assembler? */
bool gopclntab__is_assembly(const struct gopclntab *t, uint32_t i);
/* How far the stack pointer is below where it was on entry, in [start, end), for all of function i in ascending order. -ENOENT: not told. */
typedef void (*gopclntab_sp_fn)(uint64_t start, uint64_t end, int32_t delta, void *ctx);
int gopclntab__sp_deltas(const struct gopclntab *t, uint32_t i, gopclntab_sp_fn emit, void *ctx);
uint32_t gopclntab__count(const struct gopclntab *t);
/* Function i in the table's order; -EBADMSG. */
int gopclntab__get(const struct gopclntab *t, uint32_t i, struct gopclntab_function *ret_function);
/* Memory that it takes; grows with what is touched. */
size_t gopclntab__bytes(const struct gopclntab *t);

#endif
