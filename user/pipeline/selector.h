/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selector - which processes and threads are counted.
 *
 * Exclusion beats inclusion; an empty inclusion is everything. `comm` patterns are about threads (or their process's name), all others about
 * processes. A process's verdict goes into the kernel, where a tick of an unwanted process ends at once; what depends on a thread's name
 * is decided when the slice is read.
 *
 * Owns: nothing; patterns are borrowed. Thread: any. Limit: none. Errors: none.
 */
#ifndef EVERPROF_PIPELINE_SELECTOR_H
#define EVERPROF_PIPELINE_SELECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "user/config/target.h"
#include "user/process/process.h"

struct selector {
	const struct target_set *include, *exclude;
	bool only_tree; /* nothing but processes that were included by hand, and their children */
};

/* UNKNOWN: the process had gone before anything was learnt that patterns could be about. */
enum verdict { VERDICT_NONE, VERDICT_INCLUDE, VERDICT_EXCLUDE, VERDICT_UNKNOWN };

/* What the patterns say of a process; VERDICT_NONE: no pattern is about it. */
enum verdict selector__process(const struct selector *s, uint32_t tgid, const struct process_labels *labels);
/* Is a sample of this thread wanted, given its process's verdict? */
bool selector__thread(const struct selector *s, enum verdict process, const char *comm);
/* May the kernel drop processes that have no verdict? */
bool selector__kernel_only_included(const struct selector *s);
bool selector__is_everything(const struct selector *s);

#endif
