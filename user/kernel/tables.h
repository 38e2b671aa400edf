/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tables - makes the unwind rows of a page when a walk first meets it, and puts them into the kernel.
 *
 * Owns: the row store, a scratch page, a few open tables. Thread: the collector's. Limit: TABLES_OPEN_MAX files open for building, TABLES_BYTES_MAX what they take, the
 * one that was asked for last not counted; the store's segments. Errors: a file that cannot be read gives pages without rows, and is counted; where that passes (io__is_passing),
 * it is tried again after TABLES_RESPITE_NS.
 */
#ifndef EVERPROF_KERNEL_TABLES_H
#define EVERPROF_KERNEL_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/clock.h"
#include "user/kernel/row_store.h"

struct object_cache;
struct tables;

#define TABLES_OPEN_MAX   16
#define TABLES_BYTES_MAX  (16u << 20)
#define TABLES_RESPITE_NS NS_PER_SEC

struct tables_stats {
	struct row_store_stats store;
	uint64_t pages_built, pages_empty; /* empty: no rules there */
	uint64_t files_opened, files_failed;
	uint64_t open_bytes; /* that tables of open files take */
	uint64_t build_ns, build_max_ns;
	uint64_t damaged_fdes, unsupported_rules;
	uint64_t derived_rows; /* made from the instructions of code that has no rules */
	uint64_t go_functions; /* with rows by the tables of Go's runtime */
};

/*
 * Rows of a page of code that is in no file (numbers from CODE_PAGES_FIRST on): as unwind_table__build_page. -ENOENT: nothing is there, or nobody has that number any
 * more.
 */
typedef int (*tables_build_fn)(void *ctx, uint32_t number, uint64_t vaddr, struct unwind_row *rows,
			       uint32_t max, uint32_t *ret_n);

int tables__new(const struct kernel_maps *maps, struct object_cache *objects, uint32_t max_segments,
		struct tables **ret);
void tables__free(struct tables *t);
void tables__set_build(struct tables *t, tables_build_fn fn, void *ctx);
/* The row in force at vaddr; what the page lacks in the kernel is made now and put there. ROW_CFA_NONE: there are no rows. */
void tables__row(struct tables *t, uint32_t object, uint64_t vaddr, struct unwind_row *ret_row);
/* Is the page in the kernel, so that walks met it? */
bool tables__has(const struct tables *t, uint32_t object, uint64_t vaddr);
/* Bytes of the object's code: 0, or -errno of the open or read. */
int tables__code(struct tables *t, uint32_t object, uint64_t vaddr, void *to, size_t len);
/* An object that is no longer mapped anywhere. */
void tables__forget(struct tables *t, uint32_t object);
uint64_t tables__shrink(struct tables *t, uint32_t max_segments);
void tables__stats(const struct tables *t, struct tables_stats *ret);

#endif
