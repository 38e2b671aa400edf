/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pending_mappings - what a young program has mapped, as its events told it, until somebody wants to know what that is.
 *
 * Owns: its elements and their paths. Thread: one owner. Limit: PENDING_MAPPINGS_MAX, and MAPS_PATH_MAX bytes a path; PENDING_BYTES_MAX of all whose bytes are counted together, which is that of
 * some 5,000 young programs: more come only from somebody who executes programs with long paths as fast as he can. Errors: -E2BIG, -ENOMEM.
 */
#ifndef EVERPROF_PROCESS_PENDING_MAPPINGS_H
#define EVERPROF_PROCESS_PENDING_MAPPINGS_H

#include <stddef.h>
#include <stdint.h>

#define PENDING_MAPPINGS_MAX 64
#define PENDING_BYTES_MAX    (8u << 20)

struct process_mmap {
	uint64_t time_ns;
	uint32_t tgid, prot; /* PROT_* */
	uint64_t addr, len, pgoff;
	const char *path;              /* as in the event: " (deleted)", "//anon", "[vdso]" */
	uint64_t dev, ino, generation; /* of the file, as the kernel tells them; ino 0: not known */
};

struct pending_mapping {
	struct pending_mapping *next;
	struct process_mmap event; /* its path is behind it */
};

struct pending_mappings {
	struct pending_mapping *first, **end; /* in the order of their times */
	uint32_t n;
	size_t bytes, *all_bytes; /* of this list, and of all */
};

/* all_bytes outlives it. */
void pending_mappings__init(struct pending_mappings *l, size_t *all_bytes);
void pending_mappings__done(struct pending_mappings *l); /* is empty afterwards */
int pending_mappings__add(struct pending_mappings *l, const struct process_mmap *m);

#endif
