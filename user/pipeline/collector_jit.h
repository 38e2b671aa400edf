/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collector_jit - asks programs that have code in no file what it looks like: when they are seen, and again when a stack ends in it, which waits for the answer.
 *
 * Owns: the asker, readings of JVMs, stacks that wait for an answer. Thread: the collector's. Limit: JIT_METHODS_MAX names that are waited for; JIT_ASKS_MAX questions a process
 * that are not answered, and of a JVM's answers a fiftieth of a CPU; one at a time; a stack waits for JIT_HOLD_NS at most, and no more of them than held_stacks has room for.
 * Errors: none; without an answer stacks go by frame pointers, and where there are none they are cut, and say so.
 */
#ifndef EVERPROF_PIPELINE_COLLECTOR_JIT_H
#define EVERPROF_PIPELINE_COLLECTOR_JIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "user/base/clock.h"
#include "user/pipeline/held_stacks.h"
#include "user/pipeline/jit_asker.h"
#include "user/pipeline/jvms.h"

struct code_rule;
struct collector;
struct loop_source;
struct process;
struct unfinished_record;
struct unwind_row;
struct window_sample;

/* after 10, 20, 40 … ms, a JVM after five times that: a program tells when its JIT is ready */
#define JIT_ASKS_MAX  15
#define JIT_ASKS_HELD 6 /* from this one on no stack waits for the answer */
#define JIT_HOLD_NS   (2 * NS_PER_SEC)

/* A Method that the interpreter of a process was met at, and whose name is not known yet. */
struct jit_method {
	struct task_key key;
	uint64_t at;
};

struct collector_jit {
	struct jit_asker *asker; /* NULL: nobody had to be asked yet */
	struct jvms jvms;        /* those that were asked … */
	struct held_stacks held; /* … and what waits for their answers */
	struct jit_method methods[JIT_METHODS_MAX];
	size_t n_methods;
	bool is_releasing; /* what waited is finished with what is known now, and does not wait again */
	uint64_t asked_ns; /* the question that is under way; 0: none */
	uint64_t due_ns;   /* what the timer stands at; UINT64_MAX: nothing is due */
	struct loop_source *timer;
};

int collector_jit__start(struct collector *c);
void collector_jit__done(struct collector_jit *j);
/* What holds of a program's code in no file before it was asked: its stacks go to user space. */
struct code_rule collector_jit__first_rule(void);
/* The process has code in no file. */
void collector__meet_jit(struct collector *c, struct process *p);
/* A sample was counted: if its stack ended in code of no file, its program is asked. */
void collector__look_at_jit(struct collector *c, const struct task_key *key, const struct window_sample *s);
/* What code of no file is called, of a process (window_name_fn). A Method whose name is not known is asked for. */
const char *collector__jit_name(void *ctx, const struct task_key *key, uint64_t addr);
/* Pages of rows of a JVM's code; for tables__set_build. */
int collector__build_jit_page(void *ctx, uint32_t number, uint64_t vaddr, struct unwind_row *rows,
			      uint32_t max, uint32_t *ret_n);
/* Bytes of a JVM's code; -ENOENT: it is none, or not known as one. */
int collector__read_jit(struct collector *c, const struct task_key *key, uint64_t addr, void *to, size_t len);
/* The walk of this record ended in c->walk. True: in code that its process is asked about; it is counted when the answer is there, or JIT_HOLD_NS have passed.
 * Where nobody answers or there is no room it is walked once more, by frame pointers. */
bool collector__hold_for_jit(struct collector *c, struct unfinished_record *r, size_t size);
/* Counts what has waited until then, and asks for the rest if that is due. */
void collector__release_held(struct collector *c, uint64_t now_ns);
/* Lets go of what was read of JVMs that are known no longer. */
void collector__retire_jvms(struct collector *c);

#endif
