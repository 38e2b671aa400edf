/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sleepers - threads whose sleep the kernel takes for a wait for a CPU just now, as passes over all threads meet them (user/process/false_queue.h). They are few.
 *
 * Owns: what is known of each. Thread: one. Limit: SLEEPERS_MAX threads, others are believed. Errors: none; where there is no memory, likewise.
 */
#ifndef EVERPROF_PIPELINE_SLEEPERS_H
#define EVERPROF_PIPELINE_SLEEPERS_H

#include "user/base/hashmap.h"
#include "user/process/false_queue.h"

#define SLEEPERS_MAX 16384

struct usage_record;

struct sleeper {
	uint64_t start_ns; /* of its process */
	uint32_t tid;
	uint32_t pass; /* in which it was met last */
	struct false_queue queue;
};

struct sleepers {
	struct sleeper *all;
	uint32_t n, cap;
	struct hashmap by_tid;
};

void sleepers__init(struct sleepers *s);
void sleepers__done(struct sleepers *s);
/* How much of what the thread is said to have waited for a CPU since the last pass was sleep. */
uint64_t sleepers__note(struct sleepers *s, const struct usage_record *r, uint32_t pass);
/* Forgets those that the pass did not meet: they have ended. */
void sleepers__end_pass(struct sleepers *s, uint32_t pass);

#endif
