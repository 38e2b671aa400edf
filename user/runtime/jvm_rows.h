/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jvm_rows - the unwind rows of a HotSpot JVM's code, page by page, from what was read of it.
 *
 * Owns: nothing. Thread: any. Limit: the rows that there is room for. Errors: -ENOENT no code there, -E2BIG more rows than fit.
 */
#ifndef EVERPROF_RUNTIME_JVM_ROWS_H
#define EVERPROF_RUNTIME_JVM_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/row.h"
#include "user/runtime/jvm_code.h"

/* Most of the instructions before frame_complete that are looked at. */
#define JVM_PROLOGUE_BYTES 64

/* Pure: where a method sets up its frame, from the `len` bytes that end where it is complete. */
struct jvm_prologue jvm_prologue__parse(const uint8_t *bytes, size_t len);

/* The rows of the page of ROW_PAGE_SIZE that holds vaddr: an address, or its bits that a frame has (FRAME_VADDR_MASK). Otherwise as unwind_table__build_page. */
int jvm_rows__build(const struct jvm_code *code, uint64_t vaddr, struct unwind_row *rows, uint32_t max,
		    uint32_t *ret_n);

#endif
