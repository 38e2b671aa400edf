/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jit_names - names of code in no file, taken down while its process is there to tell.
 *
 * Owns: the perf maps of the processes that were asked for last. Thread: one owner. Limit: JIT_PROCESSES_MAX processes; a map is looked at again at most
 * once in JIT_REFRESH_NS. Errors: no name.
 */
#ifndef EVERPROF_PIPELINE_JIT_NAMES_H
#define EVERPROF_PIPELINE_JIT_NAMES_H

#include <stdint.h>

#define JIT_PROCESSES_MAX 64
#define JIT_REFRESH_NS (500ull * 1000 * 1000)

struct jit_names;
struct process;
struct process_table;

struct jit_names *jit_names__new(void);
void jit_names__free(struct jit_names *j);
/* NULL where there is none; borrowed until the next call. */
const char *jit_names__find(struct jit_names *j, struct process_table *t, struct process *p, uint64_t addr);

#endif
