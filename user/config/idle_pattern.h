/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idle_pattern - which waits are those of threads that only wait for work: `profiling.offcpu.idle`.
 *
 *      [defaults]                                          those that come with everprof
 *      [defaults, "!epoll", {name: mine, …}]               without one of them, and with one more
 *      {name: worker pool, wait: futex, function: "pool_*wait*", process: [api, "api-*"], except: "flush_*"}
 *
 * A pattern has a name, which becomes the label `idle`, and conditions, each a shell pattern or a list of them. All conditions that are given must hold; of a
 * list one does. `except` is the other way round: a stack with such a function is not idle.
 *
 * Owns: nothing, texts live in the arena given. Thread: any. Limit: IDLE_PATTERNS_MAX, YAML's limits. Errors: -EINVAL, -E2BIG, -ENOMEM; the err names
 * the item and what was expected.
 */
#ifndef EVERPROF_CONFIG_IDLE_PATTERN_H
#define EVERPROF_CONFIG_IDLE_PATTERN_H

#include <stdint.h>

#include "user/config/target.h"

struct arena;
struct buf;
struct err;
struct yaml_node;

#define IDLE_PATTERNS_MAX 256
#define IDLE_NAME_MAX     48

/*  member, what it is compared with */
#define IDLE_CONDITIONS(X)                                              \
	X(syscall, "the system call's name")                            \
	X(wait, "the label `wait`")                                     \
	X(leaf, "the innermost function, the scheduler's own left out") \
	X(function, "any function in the stack, kernel and user")       \
	X(comm, "the thread's name")                                    \
	X(process, "its process's name")                                \
	X(exe, "the path of its process's program")                     \
	X(except, "no function in the stack may be such a one")

struct idle_pattern {
	const char *name;
#define IDLE_MEMBER(member, text) struct text_list member;
	IDLE_CONDITIONS(IDLE_MEMBER)
#undef IDLE_MEMBER
};

/* What was written: a word ("defaults", "epoll", "!epoll"), or a pattern (word NULL). */
struct idle_item {
	const char *word;
	struct idle_pattern pattern;
};

struct idle_list {
	const struct idle_item *items; /* as written, for `config show` */
	uint32_t n_items;
	const struct idle_pattern *patterns; /* what is in effect, in the order in which they are asked */
	uint32_t n;
};

int idle_list__take(const struct yaml_node *node, struct arena *arena, struct idle_list *ret_list,
		    struct err *e);
/* As YAML that idle_list__take reads to the same. */
void idle_list__format(const struct idle_list *l, struct buf *to);
void idle_pattern__format(const struct idle_pattern *p, struct buf *to);

#endif
