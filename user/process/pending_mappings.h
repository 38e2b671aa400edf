/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pending_mappings - what a young program has mapped, as its events told it, until somebody wants to know what that is.
 *
 * Owns: its elements and their paths. Thread: one owner. Limit: PENDING_MAPPINGS_MAX, and MAPS_PATH_MAX bytes a path.
 * Errors: -E2BIG, -ENOMEM.
 */
#ifndef EVERPROF_PROCESS_PENDING_MAPPINGS_H
#define EVERPROF_PROCESS_PENDING_MAPPINGS_H

#include <stdint.h>

#define PENDING_MAPPINGS_MAX 64

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
};

void pending_mappings__init(struct pending_mappings *l);
void pending_mappings__done(struct pending_mappings *l); /* is empty afterwards */
int pending_mappings__add(struct pending_mappings *l, const struct process_mmap *m);

#endif
