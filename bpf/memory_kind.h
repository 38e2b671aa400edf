/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* memory_kind - what a page fault may bring, as data: one list gives the enum, the values of the label `memory` and the tables of the documents. */
#ifndef EVERPROF_BPF_MEMORY_KIND_H
#define EVERPROF_BPF_MEMORY_KIND_H

/* enum, name, part of the process's resident set as the kernel counts it, what it is */
#define MEMORY_KINDS(X)                                                                                    \
	X(ANONYMOUS, "anonymous", 1, "memory of the process alone, by its first write")                    \
	X(STACK, "stack", 1, "the same, of a thread's stack")                                              \
	X(FILE, "file", 1, "pages of a file, mapped; fault-around included")                               \
	X(SHARED, "shared", 1, "memory that is shared: shared anonymous mappings, memfd, tmpfs, System V") \
	X(SWAPPED, "swapped", 1, "brought back from swap")                                                 \
	X(COPIED, "copied", 0,                                                                             \
	  "a private copy of a page that was shared until then: after a fork, of a file")                  \
	X(HUGETLB, "hugetlb", 0, "of the pool of huge pages")

enum memory_kind {
#define X(id, name, in_rss, text) MEMORY_##id,
	MEMORY_KINDS(X)
#undef X
		MEMORY_KIND_MAX
};

#endif
