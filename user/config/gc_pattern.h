/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gc_pattern - whose garbage collector a function, or a thread, belongs to: the label `gc` of samples.
 *
 *      go       the workers that mark, what allocations have to do for them, sweeping, scavenging, write barriers that run over
 *      jvm      threads of the collectors by their names (G1, Parallel, Shenandoah, ZGC); with symbols also what the VM thread does of it (Serial)
 *      v8       scavenges, marking, sweeping, compaction, on the main thread and on workers; cppgc
 *      cpython  the cycle collector; counting references is no part of it
 *
 * A stack is the collector's where any of its functions is, so that what collectors call counts as well. Where a runtime has no symbols, its functions are not
 * recognised: threads of the JVM are still.
 *
 * Owns: nothing. Thread: any. Limit: none. Errors: none.
 */
#ifndef EVERPROF_CONFIG_GC_PATTERN_H
#define EVERPROF_CONFIG_GC_PATTERN_H

#include <stdint.h>

#define GC_LABEL "gc"

enum gc_runtime { GC_NONE, GC_GO, GC_JVM, GC_V8, GC_CPYTHON, GC_N };

/* "" for none. */
const char *gc_runtime__name(enum gc_runtime r);
enum gc_runtime gc_pattern__of_function(const char *name);
/* By the thread's name alone: who asks has seen that it runs that runtime's code. */
enum gc_runtime gc_pattern__of_thread(const char *comm);
/* Is that file the runtime whose threads are told by name? */
enum gc_runtime gc_pattern__of_binary(const char *path);

#endif
