/* SPDX-License-Identifier: Apache-2.0 */
/*
 * row_page - packs the rows of a page into the form of bpf/row_page.h.
 *
 * Owns: nothing. Thread: any. Limit: what the caller gives room for. Errors: -E2BIG where that is not enough, -EINVAL for rows that no walk could use.
 */
#ifndef EVERPROF_KERNEL_ROW_PAGE_H
#define EVERPROF_KERNEL_ROW_PAGE_H

#include <stdint.h>

#include "bpf/row_page.h"

struct row_page_size {
	uint32_t rows;  /* that are left: one that says the same as the one before it is not kept */
	uint32_t cells; /* a multiple of ROW_PAGE_ALIGN */
};

/* n (not 0) sorted rows, the first with pc 0. */
int row_page__pack(const struct unwind_row *rows, uint32_t n, uint32_t *cells, uint32_t max_cells,
		   struct row_page_size *ret);

#endif
