// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: what a thread waits for stands in its stack, in names that differ from kernel to kernel; and the same few thousand stacks come again in each row.
 *
 * Idea: each function is judged once (wait_kind), each stack once: from the leaf on, the first function with the highest role decides. Whether a stack
 *   has a function of some list of patterns is remembered too, for each node of the tree of stacks: a node has it where its frame or its caller's node has it.
 *
 * Cost: a byte or two a function and stack node, and for each list of functions in the idle patterns one more a node, made when it is first asked.
 *
 * What it does not do: guess from user space what a futex is. Its stack tells.
 */
#include "user/pipeline/wait_label.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/frame.h"
#include "bpf/wait.h"
#include "user/base/syscall_name.h"
#include "user/config/wait_kind.h"
#include "user/pipeline/idle_match.h"
#include "user/pipeline/window.h"
#include "user/profile/profile.h"

enum answer { UNASKED, NO, YES };

struct stack_kind {
	uint32_t leaf; /* frame + 1 */
	uint8_t kind;  /* enum wait_kind */
	uint8_t is_asked;
};

struct wait_labels {
	const struct window *w;
	const struct profile *p;
	const uint32_t *locations;
	struct idle_match *idle;
	struct wait_function *functions; /* by frame */
	uint8_t *is_judged;              /* by frame */
	struct stack_kind *stacks;       /* by node */
	uint8_t **in_set;                /* [set][node]: enum answer; NULL: not asked yet */
	uint32_t n_sets;
};

static const char *const states[WAIT_MAX] = {
#define STATE_NAME(id, name, for_cpu, text) [WAIT_##id] = name,
	WAIT_STATES(STATE_NAME)
#undef STATE_NAME
};

static const bool waits_for_cpu[WAIT_MAX] = {
#define STATE_FOR_CPU(id, name, for_cpu, text) [WAIT_##id] = for_cpu,
	WAIT_STATES(STATE_FOR_CPU)
#undef STATE_FOR_CPU
};

int wait_labels__new(const struct window *w, const struct profile *p, const uint32_t *locations,
		     struct idle_match *idle, struct wait_labels **ret)
{
	struct wait_labels *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	*l = (struct wait_labels){.w = w, .p = p, .locations = locations, .idle = idle};
	l->n_sets = idle ? idle_match__n_sets(idle) : 0;
	l->functions = calloc(w->n_frames + 1, sizeof(*l->functions));
	l->is_judged = calloc(w->n_frames + 1, sizeof(*l->is_judged));
	l->stacks = calloc(stack_table__count(&w->stacks) + 1, sizeof(*l->stacks));
	l->in_set = calloc(l->n_sets + 1, sizeof(*l->in_set));
	if (!l->functions || !l->is_judged || !l->stacks || !l->in_set) {
		wait_labels__free(l);
		return -ENOMEM;
	}
	*ret = l;
	return 0;
}

void wait_labels__free(struct wait_labels *l)
{
	if (!l)
		return;
	for (uint32_t i = 0; l->in_set && i < l->n_sets; i++)
		free(l->in_set[i]);
	free(l->in_set);
	free(l->stacks);
	free(l->is_judged);
	free(l->functions);
	free(l);
}

/* The name of the n-th function at a frame: the innermost of inlined ones is the first. NULL past the last. */
static const char *function_name(const struct wait_labels *l, uint32_t frame, uint32_t n)
{
	const struct location *loc = profile__get_location(l->p, l->locations[frame]);

	if (n >= loc->n_lines)
		return NULL;
	return profile__str(l->p, profile__get_function(l->p, profile__lines(l->p, loc)[n].function)->name);
}

static struct wait_function judge(struct wait_labels *l, uint32_t frame)
{
	const char *name;

	if (!l->is_judged[frame]) {
		name = function_name(l, frame, 0);
		if (name)
			l->functions[frame] = wait_kind__of_function(name);
		l->is_judged[frame] = true;
	}
	return l->functions[frame];
}

/* What the frames of the kernel tell, and the first that is not the scheduler's own. */
static const struct stack_kind *stack_kind(struct wait_labels *l, uint32_t stack)
{
	struct stack_kind *s = &l->stacks[stack];
	enum wait_role best = WAIT_ROLE_PLUMBING;
	const struct stack_node *node;
	bool in_semaphore = false; /* a per-CPU one: its caller tells what that is */

	if (s->is_asked)
		return s;
	s->is_asked = true;
	for (uint32_t id = stack; id; id = node->parent) {
		struct wait_function f;
		bool is_kernel;

		node = stack_table__node(&l->w->stacks, id);
		is_kernel = FRAME_KIND(l->w->frames[node->item].word) == FRAME_KERNEL;
		if (!is_kernel && s->leaf)
			break;
		f = is_kernel ? judge(l, node->item) : (struct wait_function){0};
		if (f.role == WAIT_ROLE_PLUMBING)
			continue;
		/* outside of its own sleep, a thread of the kernel is at work */
		if (f.kind == WAIT_KIND_KERNEL_THREAD && s->leaf)
			f.role = WAIT_ROLE_NONE;
		if (f.role == WAIT_ROLE_LOCKER && s->leaf)
			f.role = WAIT_ROLE_NONE;
		if (!s->leaf)
			s->leaf = node->item + 1;
		if (in_semaphore && f.is_writer)
			f = (struct wait_function){.role = WAIT_ROLE_LOCK, .kind = WAIT_KIND_FREEZER};
		in_semaphore = f.role == WAIT_ROLE_PURPOSE && f.kind == WAIT_KIND_KERNEL_LOCK;
		if (f.role > best) {
			best = f.role;
			s->kind = (uint8_t)f.kind;
		}
	}
	return s;
}

static enum answer frame_in_set(const struct wait_labels *l, uint32_t frame, uint32_t set)
{
	const char *name;

	for (uint32_t i = 0; (name = function_name(l, frame, i)); i++)
		if (idle_match__is_in_set(l->idle, set, name))
			return YES;
	return NO;
}

static bool is_waker_mark(uint64_t word)
{
	return word == FRAME_WOKEN_BY || word == FRAME_WOKEN_BY_AWAY;
}

/* All nodes of the tree at once: a caller's id is below its callees'. No memory is "no such function": the wait is shown then. */
static bool set_is_ready(struct wait_labels *l, uint32_t set)
{
	uint32_t n = stack_table__count(&l->w->stacks);
	uint8_t *answers, *frames;

	if (l->in_set[set])
		return true;
	answers = calloc(n + 1, 1);
	frames = calloc(l->w->n_frames + 1, 1);
	for (uint32_t id = 1; answers && frames && id <= n; id++) {
		const struct stack_node *node = stack_table__node(&l->w->stacks, id);

		if (frames[node->item] == UNASKED)
			frames[node->item] = frame_in_set(l, node->item, set);
		answers[id] = answers[node->parent] == YES ? YES : frames[node->item];
		if (is_waker_mark(l->w->frames[node->item].word)) /* below it another thread works */
			answers[id] = NO;
	}
	if (!frames) {
		free(answers);
		answers = NULL;
	}
	free(frames);
	l->in_set[set] = answers;
	return answers != NULL;
}

struct asked {
	struct wait_labels *l;
	uint32_t stack;
};

static bool has_function(void *ctx, uint32_t set)
{
	const struct asked *a = ctx;

	return a->stack && set_is_ready(a->l, set) && a->l->in_set[set][a->stack] == YES;
}

static const char *idle_name(struct wait_labels *l, const struct window_row *row,
			     const struct wait_label *label, uint32_t leaf_frame)
{
	struct asked asked = {.l = l, .stack = row->stack};
	const struct window_process *process = &l->w->processes[row->process];
	struct idle_wait w = {
		.syscall = label->syscall,
		.wait = label->wait,
		.leaf = leaf_frame ? function_name(l, leaf_frame - 1, 0) : "",
		.comm = window__str(l->w, row->comm),
		.process = window__str(l->w, process->name),
		.exe = window__str(l->w, process->exe),
		.has_function = has_function,
		.ctx = &asked,
	};
	const char *name;

	if (!w.leaf)
		w.leaf = "";
	name = idle_match__find(l->idle, &w);
	return name ? name : "";
}

struct wait_label wait_labels__of(struct wait_labels *l, const struct window_row *row)
{
	struct wait_label label = {.state = "", .syscall = "", .wait = "", .idle = ""};
	const struct stack_kind *s = stack_kind(l, row->stack);
	enum wait_kind kind = (enum wait_kind)s->kind;
	const char *syscall = syscall_name__get(row->tag.syscall);

	if (row->tag.state >= WAIT_MAX) {
		label.state = row->tag.state == THREAD_RUNS ? "running" : "exited";
		return label;
	}
	label.state = states[row->tag.state];
	label.syscall = syscall ? syscall : "";
	if (waits_for_cpu[row->tag.state])
		kind = WAIT_KIND_CPU;
	else if (kind == WAIT_KIND_NONE && row->tag.state == WAIT_BLOCKED)
		kind = wait_kind__of_syscall(label.syscall);
	label.wait = wait_kind__name(kind);
	if (row->tag.state == WAIT_BLOCKED && l->idle)
		label.idle = idle_name(l, row, &label, s->leaf);
	return label;
}
