/* SPDX-License-Identifier: Apache-2.0 */
/*
 * page_layout - finds out how page tables are read on this machine (bpf/page_table.bpf.h).
 *
 * Owns: nothing. Thread: any. Limit: memory up to PAGE_LAYOUT_GIB. Errors: -EOPNOTSUPP: the program is not loaded here, or no layout leads to what is
 * known to be there.
 */
#ifndef EVERPROF_KERNEL_PAGE_LAYOUT_H
#define EVERPROF_KERNEL_PAGE_LAYOUT_H

#include "bpf/page_layout.h"

#define PAGE_LAYOUT_GIB 16384

int page_layout__find(int prog_fd, struct page_layout *ret);

#endif
