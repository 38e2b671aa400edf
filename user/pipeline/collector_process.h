/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collector_process - the collector's table of processes, in step with the kernel.
 *
 * Owns: nothing; its state is the collector's. Thread: the collector's. Limit: the table's. Errors: -errno.
 */
#ifndef EVERPROF_PIPELINE_COLLECTOR_PROCESS_H
#define EVERPROF_PIPELINE_COLLECTOR_PROCESS_H

#include "bpf/abi.h"
#include "user/kernel/sideband.h"
#include "user/pipeline/selector.h"
#include "user/process/process.h"

struct collector;

extern const struct life_handler collector_life_handler;

int collector__learn_all(struct collector *c);
/* Reads all events and pushes what they changed. */
void collector__read_events(struct collector *c);
/* Finishes the stacks that wait, each with what was true at its time, then the same. */
void collector__catch_up(struct collector *c);
/* Reads the mappings of processes that map faster than they are followed, as far as the CPU time lasts, and one at least; the next call goes on from there. */
void collector__rescan_stale(struct collector *c, uint64_t budget_ns);
/* The process of a sample: known, or learnt now as well as that still goes. NULL where it cannot be, or not as many more in this slice. */
struct process *collector__process(struct collector *c, const struct task_key *key);
void collector__push_dirty(struct collector *c);
/* The kernel did not know this process: will be pushed again if we do. */
void collector__show(struct collector *c, const struct task_key *key);
/* The patterns changed: every process's verdict anew. */
void collector__push_verdicts(struct collector *c);
void collector__mark_dirty(struct collector *c, const struct process *p);
/* The name of its leader as it is now: it may have changed since its exec (prctl, /proc/PID/comm), and no event tells that. */
void collector__rename(struct collector *c, struct process *p, const char *comm);
void collector__forget(struct collector *c, const struct process *p);
/* Long after its end. The kernel forgot it by itself, but not what was pushed between that and our learning of it. */
void collector__forget_verdict(struct collector *c, const struct process *p);
enum verdict collector__verdict(const struct collector *c, const struct process *p);

#endif
