/* SPDX-License-Identifier: Apache-2.0 */
/*
 * target - which processes are meant, by the names that people know them by.
 *
 * Seven kinds of shell patterns (`*`, `?`, `[a-z]`) and process ids. In `targets.include` and `targets.exclude` a process is meant
 * where any pattern of any kind matches it; in a rule's `match` where, of each kind that is given, one does.
 *
 * Owns: nothing, lists are borrowed from the arena of whoever read them. Thread: any. Limit: YAML_ITEMS_MAX of each kind,
 * TARGET_PATTERN_MAX bytes a pattern. Errors: -EINVAL.
 */
#ifndef EVERPROF_CONFIG_TARGET_H
#define EVERPROF_CONFIG_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct buf;
struct err;
struct yaml_node;

#define TARGET_PATTERN_MAX 255
#define TARGET_PID_MAX     (1u << 22) /* PID_MAX_LIMIT of 64-bit kernels */

struct text_list {
	const char *const *items;
	uint32_t n;
};

struct pid_list {
	const uint32_t *items;
	uint32_t n;
};

/* The kinds of pattern, in the order of the members below. */
#define TARGET_PATTERNS(X) X(comm) X(process) X(exe) X(cgroup) X(unit) X(container) X(pod)

struct target_set {
#define TARGET_MEMBER(kind) struct text_list kind;
	TARGET_PATTERNS(TARGET_MEMBER)
#undef TARGET_MEMBER
	struct pid_list pid;
};

bool target_set__is_empty(const struct target_set *t);
/* A list, or one scalar as a list of one; the err tells what was expected, not where. */
int text_list__take(const struct yaml_node *node, struct arena *arena, struct text_list *ret_list,
		    struct err *e);
/* The same with texts of up to max bytes. */
int text_list__take_up_to(size_t max, const struct yaml_node *node, struct arena *arena,
			  struct text_list *ret_list, struct err *e);
int pid_list__take(const struct yaml_node *node, struct arena *arena, struct pid_list *ret_list,
		   struct err *e);
/* As a YAML list on one line, quoted. */
void text_list__format(const struct text_list *l, struct buf *to);
void pid_list__format(const struct pid_list *l, struct buf *to);

#endif
