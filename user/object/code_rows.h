/* SPDX-License-Identifier: Apache-2.0 */
/*
 * code_rows - unwind rows for code that has no rules, from the code itself.
 *
 * Owns: nothing. Thread: one owner. Limit: CODE_SWEEP_MAX bytes of code a call; CODE_ROWS_SYMBOLS_MAX bytes of symbols looked through.
 * Errors: -ENOMEM, -E2BIG.
 */
#ifndef EVERPROF_OBJECT_CODE_ROWS_H
#define EVERPROF_OBJECT_CODE_ROWS_H

#include <stddef.h>
#include <stdint.h>

struct code_sweep;
struct elf;
struct noreturn;
struct row_list;

#define CODE_ROWS_SYMBOLS_MAX (1u << 20)

/* Addresses [from, to) that no rule covers. */
struct code_hole {
	uint64_t from, to;
};

struct code_rows_stats {
	uint32_t rows;  /* that say something */
	uint64_t bytes; /* read from the file */
};

/*
 * Appends rows for [from, to), at most a page: what the holes say, elsewhere ROW_CFA_NONE. Holes ascending; those before and behind the page are there to learn from
 * where functions start. habits: enum stack_habit.
 */
int code_rows__build(const struct elf *e, const struct noreturn *noreturn, unsigned int habits,
		     const struct code_hole *holes, size_t n_holes, uint64_t from, uint64_t to,
		     struct row_list *rows, struct code_rows_stats *ret_stats);

/* Tells the sweep where the file says that functions start in [from, to): sections, symbols, pointers, calls. Returns bytes read. */
uint64_t code_rows__add_starts(const struct elf *e, uint64_t from, uint64_t to, struct code_sweep *sweep);

#endif
