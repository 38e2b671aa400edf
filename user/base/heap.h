/* SPDX-License-Identifier: Apache-2.0 */
/*
 * heap - makes malloc give memory back.
 *
 * A window's symbols are megabytes for a tenth of a second. By default glibc learns from that to keep such blocks, and gives each thread
 * an arena of its own to keep them in.
 *
 * Owns: malloc's settings. Thread: heap__keep_small and heap__keep_warm before others start; heap__give_back any. Limit: none. Errors: none.
 */
#ifndef EVERPROF_BASE_HEAP_H
#define EVERPROF_BASE_HEAP_H

void heap__keep_small(void);
/* For one that takes and frees megabytes dozens of times in a second, and then calls heap__give_back: pages need not come from the kernel each time. */
void heap__keep_warm(void);
/* After large temporary use. */
void heap__give_back(void);

#endif
