/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unwind_table - the unwind rows of one ELF file, made page by page when they are asked for.
 *
 * Opening finds out where the rules are (.eh_frame, .debug_frame, or the tables of Go's runtime); building reads the FDEs of one
 * ROW_PAGE_SIZE page of virtual addresses and runs them, and follows the instructions of code that has none. Nothing built is kept: who wants the rows keeps them, and may close the table
 * and open it again from a descriptor at any time.
 *
 * Owns: a few kilobytes of keys, the marks given, what was touched of Go's tables, at most UNWIND_GO_BYTES_MAX and a page's. Borrows: the elf, which must outlive it. Thread: one owner. Limit: UNWIND_MARKS_MAX marks;
 * those of cfi_source and fde_index; UNWIND_STUBS_MAX pieces of code a page that are known by their bytes.
 * Errors: -EOPNOTSUPP another machine or an object file, -ENOENT no code there, -E2BIG more rows than fit or over a limit, -ENOMEM.
 * Damaged FDEs are no error: they are counted, and their addresses covered by nothing.
 */
#ifndef EVERPROF_OBJECT_UNWIND_TABLE_H
#define EVERPROF_OBJECT_UNWIND_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/object/unwind_row.h"

struct elf;
struct unwind_table;

#define UNWIND_MARKS_MAX    256
#define UNWIND_STUBS_MAX    64
#define UNWIND_GO_BYTES_MAX (16u << 20)

/* Holes between functions of up to this many bytes are padding: the rules before them hold on, for calls that do not return. */
#define UNWIND_PADDING_MAX 15

/* Addresses [start, end). */
struct unwind_mark {
	uint64_t start, end;
};

struct unwind_table_opts {
	/* Functions that nobody called (runtime.goexit, runtime.mstart, …): ROW_CFA_END, whatever the file says of them. Copied. */
	const struct unwind_mark *end_marks;
	uint32_t n_end_marks;
	/* Code that no rule covers keeps frame pointers. Set by the table itself for files of the Go compiler. */
	bool assume_frame_pointers;
	/* What a compressed .debug_frame may take in memory; 0: 16 MiB. */
	size_t debug_frame_limit;
};

/* What a table is made from. */
enum unwind_source {
	UNWIND_SOURCE_EH_FRAME_HDR = 1, /* .eh_frame by its search table */
	UNWIND_SOURCE_EH_FRAME = 2,     /* .eh_frame by an index of ours */
	UNWIND_SOURCE_DEBUG_FRAME = 4,
	UNWIND_SOURCE_FRAME_POINTERS = 8, /* code that no rule covers is taken to keep frame pointers */
	UNWIND_SOURCE_GO = 16,            /* the tables of Go's runtime */
};

/* What building one page met. */
struct unwind_page_stats {
	uint32_t fdes;         /* that overlap the page */
	uint32_t damaged;      /* FDEs that could not be read */
	uint32_t rows;         /* in the page */
	uint32_t derived;      /* rows made from the instructions of code that has no rules */
	uint32_t go_functions; /* that have rows by the tables of Go's runtime */
	uint32_t unsupported[UNWIND_UNSUPPORTED_MAX]; /* ranges whose rule did not fit a row, by reason */
	uint64_t bytes;                               /* read from the file */
};

/* opts may be NULL. A file without any rules opens, too: it has no sources, and its rows say so. */
int unwind_table__open(const struct elf *e, const struct unwind_table_opts *opts,
		       struct unwind_table **ret_table);
void unwind_table__free(struct unwind_table *t);

/* enum unwind_source, or-ed. */
uint32_t unwind_table__sources(const struct unwind_table *t);
/* FDEs in all sources. */
uint64_t unwind_table__n_fdes(const struct unwind_table *t);
/* Memory that the open table takes. */
size_t unwind_table__bytes(const struct unwind_table *t);

/*
 * The rows of virtual addresses [page << ROW_PAGE_BITS, (page + 1) << ROW_PAGE_BITS): sorted, the first with pc 0, neighbours different.
 * -ENOENT where no executable segment touches the page, -E2BIG where there are more than `max`. ret_stats may be NULL.
 */
int unwind_table__build_page(struct unwind_table *t, uint64_t page, struct unwind_row *rows, uint32_t max,
			     uint32_t *ret_n, struct unwind_page_stats *ret_stats);

#endif
