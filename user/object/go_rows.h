/* SPDX-License-Identifier: Apache-2.0 */
/*
 * go_rows - unwind rows for code of the Go compiler, from what it tells its own runtime.
 *
 * Owns: nothing; borrows the table and the elf. Thread: one owner. Limit: one page a call; GO_ROWS_FOLLOWED_MAX bytes of assembler code a page. Errors: -ENOMEM,
 * -E2BIG a table that has more for the page than code of Go can have: GO_ROWS_ENTRIES_MAX, GO_ROWS_TOUCHED_MAX.
 * A function that the table does not explain keeps the rule that it had.
 */
#ifndef EVERPROF_OBJECT_GO_ROWS_H
#define EVERPROF_OBJECT_GO_ROWS_H

#include <stdint.h>

struct elf;
struct gopclntab;
struct row_list;

#define GO_ROWS_FOLLOWED_MAX (1u << 19)
#define GO_ROWS_ENTRIES_MAX  (1u << 16) /* one for each byte of the page */
#define GO_ROWS_TOUCHED_MAX \
	(8u                 \
	 << 20) /* bytes of the table that are read for the first time; a page of small functions touches some hundred KiB */

struct go_rows_stats {
	uint32_t functions; /* that have rows */
	uint32_t followed;  /* of these, by their instructions */
	uint64_t bytes;     /* of code read */
};

/* Appends rows for virtual addresses [from, to), at most a page; between functions, and where nothing is known, ROW_CFA_NONE. */
int go_rows__build(const struct gopclntab *t, const struct elf *e, uint64_t from, uint64_t to,
		   struct row_list *rows, struct go_rows_stats *ret_stats);

#endif
