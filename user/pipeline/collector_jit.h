/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collector_jit - asks programs that have code in no file for its unwind rule: when they are seen, and again when a stack ends in it.
 *
 * Owns: nothing; its state is the collector's. Thread: the collector's. Limit: RULE_ASKS_MAX questions a process, one at a time. Errors: none; without a rule such stacks
 * stay cut, and say so.
 */
#ifndef EVERPROF_PIPELINE_COLLECTOR_JIT_H
#define EVERPROF_PIPELINE_COLLECTOR_JIT_H

#include <stdint.h>

#include "bpf/abi.h"

struct collector;
struct process;
struct window_sample;

#define RULE_ASKS_MAX 6 /* after 1, 2, 4 … seconds: a program tells when its JIT is ready */

/* The process has code in no file. */
void collector__ask_for_rule(struct collector *c, struct process *p);
/* A sample was counted: if its stack ended in code of no file, its program is asked. */
void collector__look_for_rule(struct collector *c, const struct task_key *key, const struct window_sample *s);

#endif
