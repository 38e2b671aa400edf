/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_index - the process table's entries: by incarnation, and by pid, newest incarnation first.
 *
 * Owns: its slots, not the processes. Thread: that of its process_table. Limit: how many is the table's to say.
 * Errors: -ENOMEM.
 */
#ifndef EVERPROF_PROCESS_PROCESS_INDEX_H
#define EVERPROF_PROCESS_PROCESS_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "user/base/hashmap.h"
#include "user/base/slots.h"
#include "user/process/process.h"

/* How far back the incarnations of one pid are looked through: a program that execs in a loop has thousands. */
#define PROCESS_INCARNATIONS_LOOKED_AT 64

struct process_index {
	struct hashmap by_key, by_tgid;
	struct slots slots;
};

void process_index__init(struct process_index *x);
void process_index__done(struct process_index *x);
/* Puts the process among the others of its pid: older, newer and slot are set. */
int process_index__add(struct process_index *x, struct process *p);
void process_index__remove(struct process_index *x, struct process *p);
struct process *process_index__find(const struct process_index *x, const struct task_key *key); /* or NULL */
struct process *process_index__newest(const struct process_index *x, uint32_t tgid);            /* or NULL */
struct process *process_index__next(const struct process_index *x, uint32_t *cursor);
size_t process_index__bytes(const struct process_index *x);

#endif
