/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jvms - the last reading of each JVM that was asked for its code.
 *
 * Owns: a reference on each reading, and descriptors. Thread: one owner. Limit: JVMS_MAX, JVMS_BYTES_MAX. Errors: -E2BIG no room.
 */
#ifndef EVERPROF_PIPELINE_JVMS_H
#define EVERPROF_PIPELINE_JVMS_H

#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"

#define JVMS_MAX       64
#define JVMS_BYTES_MAX (64u << 20) /* of readings that are held */

struct jvm;

struct jvms_entry {
	struct task_key key;
	struct jvm *jvm;
	int mem_fd;      /* its memory (process_memory__open); FD_CLOSED: not to be had */
	uint32_t number; /* of its pages of rows: above CODE_PAGES_UNTOLD */
};

struct jvms {
	struct jvms_entry entries[JVMS_MAX];
	uint32_t n, n_numbers;
};

void jvms__done(struct jvms *s);
/* Borrowed until the next change; NULL where it is none, or was not asked. */
const struct jvms_entry *jvms__find(const struct jvms *s, const struct task_key *key);
const struct jvms_entry *jvms__find_number(const struct jvms *s, uint32_t number);
/* Takes a reference on the reading, in place of the process's last one, and the descriptor, also on failure. It has a new number. */
int jvms__put(struct jvms *s, const struct task_key *key, struct jvm *jvm, int mem_fd, uint32_t *ret_number);
void jvms__remove(struct jvms *s, const struct task_key *key);

#endif
