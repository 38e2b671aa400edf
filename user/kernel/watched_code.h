/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watched_code - pages of a file that are not to be changed while somebody reads them as data, or keeps the lock that this takes (bpf/code_reader.bpf.c).
 *
 * Owns: a mapping of the file's first page, by which the kernel knows the file. Thread: one asks at a time. Limit: none. Errors: -errno.
 */
#ifndef EVERPROF_KERNEL_WATCHED_CODE_H
#define EVERPROF_KERNEL_WATCHED_CODE_H

#include <stdint.h>

#include "bpf/code_reader.h"

struct watched_code {
	void *page;
	uint64_t tree; /* the kernel's, of its mappings; 0: not asked for yet */
	uint64_t first_page, last_page;
};

/* Offsets in the file, the last one included. The descriptor is the caller's. */
int watched_code__init(struct watched_code *w, int file_fd, uint64_t first_offset, uint64_t last_offset);
void watched_code__done(struct watched_code *w);
/* Who reads it now? kind CODE_READER_NONE: nobody. answer->held goes in, too. */
int watched_code__ask(struct watched_code *w, int prog_fd, struct code_reader *answer);

#endif
