/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jit_asker - asks processes what they tell of their JIT's code, one after the other, on a thread of its own: one rule for all of it, or a JVM's table of it.
 *
 * It is found by the program's symbols, of which there may be many, in a file that may lie on a file system which never answers: nothing that the
 * collector's thread should wait for. Meanwhile others are refused, and nothing else waits. (Memory is given up in time: process_memory.)
 *
 * Owns: the thread of a question, and its descriptor. Thread: that of its loop. Limit: one question at a time. Errors: -EBUSY; -errno.
 */
#ifndef EVERPROF_PIPELINE_JIT_ASKER_H
#define EVERPROF_PIPELINE_JIT_ASKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "user/runtime/jit_rule.h"

#define JIT_METHODS_MAX 2048

struct jit_asker;
struct jvm;
struct loop;

struct jit_question {
	struct task_key key;
	int fd; /* of the file whose symbols lead there: the program, or its libjvm. Taken, also on failure */
	uint64_t bias; /* where it is loaded */
	bool is_jvm;
	struct jvm *last;                  /* what was read of it before, or NULL; a reference, taken, too */
	uint64_t methods[JIT_METHODS_MAX]; /* that its interpreter was met at since then */
	size_t n_methods;
};

struct jit_answer {
	int err;
	struct jit_rule rule;
	struct jvm *jvm;   /* of a JVM; who keeps it takes a reference */
	uint64_t began_ns; /* CLOCK_MONOTONIC */
	uint64_t cpu_ns;   /* that it took */
};

typedef void (*jit_asker_fn)(void *ctx, const struct jit_question *q, const struct jit_answer *answer);

int jit_asker__new(struct loop *loop, jit_asker_fn fn, void *ctx, struct jit_asker **ret_asker);
void jit_asker__free(struct jit_asker *a);
int jit_asker__ask(struct jit_asker *a, const struct jit_question *q);

#endif
