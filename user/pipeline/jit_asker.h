/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jit_asker - asks processes for the rule of their JIT's code, one after the other, on a thread of its own.
 *
 * The rule is found by the program's symbols, of which there may be many, in a file that may lie on a file system which never answers: nothing that the
 * collector's thread should wait for. Meanwhile others are refused, and nothing else waits. (Memory is given up in time: process_memory.)
 *
 * Owns: the thread of a question, and its descriptor. Thread: that of its loop. Limit: one question at a time. Errors: -EBUSY; -errno.
 */
#ifndef EVERPROF_PIPELINE_JIT_ASKER_H
#define EVERPROF_PIPELINE_JIT_ASKER_H

#include <stdint.h>

#include "bpf/abi.h"
#include "user/runtime/jit_rule.h"

struct jit_asker;
struct loop;

/* rule: with err 0. */
typedef void (*jit_asker_fn)(void *ctx, const struct task_key *key, int err, const struct jit_rule *rule);

int jit_asker__new(struct loop *loop, jit_asker_fn fn, void *ctx, struct jit_asker **ret_asker);
void jit_asker__free(struct jit_asker *a);
/* program_fd: of the program that runs there; taken, also on failure. */
int jit_asker__ask(struct jit_asker *a, const struct task_key *key, int program_fd, uint64_t bias);

#endif
