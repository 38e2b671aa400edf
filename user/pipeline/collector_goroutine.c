// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: what a Go program waits for, and what it forgot, stands in no thread: ten thousand goroutines may share four of them, which sleep. Only the
 * runtime's own list has them.
 *
 * Idea: the list is read out of the process's memory (runtime/goroutine.h), each goroutine's stack is walked from where it would go on by the very code that
 * finishes stacks of samples, and behind the last frame comes the go statement that made it:
 *
 *      runtime.gopark · runtime.chanrecv · main.worker · runtime.goexit · main.leak       the last: line of the go statement
 *
 * So all goroutines of a leak are below one frame, whatever they wait for. Equal stacks with the same state and reason are one row with their number.
 *
 * Invariants: the counts are whole: a goroutine whose stack could not be had is counted all the same, with its function and its origin.
 *
 * Cost: 2 us a goroutine, on the collector's thread; above EXACT_MAX of a process every n-th is read and counts n times. Nothing while nobody asks, and no
 * probe ever.
 *
 * What it does not do: show where a goroutine that runs is: the profile of on-CPU time does. Goroutines of the runtime itself are left out, as the
 * runtime's own profile leaves them out.
 */
#include "user/pipeline/collector_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/walk.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/intern.h"
#include "user/base/io.h"
#include "user/pipeline/event_source.h"
#include "user/process/mapping_set.h"
#include "user/process/proc_dir.h"
#include "user/runtime/go_program.h"
#include "user/runtime/go_programs.h"
#include "user/runtime/goroutine.h"

#define EXACT_MAX       131072
#define COUNT_EXACT_MAX 8192 /* of more, that many say how many live */
#define ANCESTORS       64
#define MAIN_ID         1
#define NOTE_MAX        160

struct goroutine_source_state {
	struct go_programs *programs;
	struct unfinished_record *record; /* scratch */
};

/* What one process's goroutines go into. */
struct telling {
	struct collector *c;
	const struct process *process;
	struct go_process go;
	struct goroutine_source_state *state;
	uint64_t n_running;
};

static struct goroutine_source_state *state_of(const struct collector *c)
{
	return c->source_state[EVENT_GOROUTINE];
}

/* The table of files is not there yet when sources are made. */
static int make_ready(struct collector *c)
{
	struct goroutine_source_state *s = state_of(c);

	if (!s->record)
		s->record = malloc(sizeof(*s->record));
	if (!s->record)
		return -ENOMEM;
	return s->programs ? 0 : go_programs__new(c->objects, &s->programs);
}

static void lose(struct collector *c, enum loss loss, uint64_t n)
{
	c->windows[EVENT_GOROUTINE]->lost.n[loss] += n;
	c->stats.lost.n[loss] += n;
}

/* -- one goroutine -- */

/* The word of an address inside a call, as of all callers. */
static uint64_t word_of(const struct telling *t, uint64_t address)
{
	const struct code_mapping *m = mapping_set__find(t->process->mappings, address);

	return m && m->object ? frame_of_object(m->object, address - m->bias) : frame_of_raw(address);
}

/* Walks it from where it goes on; its words and their number, or false. */
static bool walk_stack(struct telling *t, const struct goroutine *g, const uint8_t *stack, size_t len)
{
	struct unfinished_record *r = t->state->record;

	memset(r, 0, offsetof(struct unfinished_record, stack));
	r->key = t->process->key;
	r->pc = g->pc;
	r->sp = g->sp;
	r->fp = g->fp;
	r->fp_unknown = !g->fp_known;
	/* one that never ran stands at the first instruction of its function, all others behind a call */
	r->leaf = g->pc == g->start_pc;
	r->stack_at = g->sp;
	r->stack_bytes = (uint32_t)len;
	memcpy(r->stack, stack, len);
	return !collector__walk(t->c, r, offsetof(struct unfinished_record, stack) + len);
}

static uint32_t reason_string(const struct telling *t, const struct goroutine *g)
{
	const char *text = go_process__reason(&t->go, g->reason);
	struct window *w = t->c->windows[EVENT_GOROUTINE];
	uint32_t id = 0;

	return *text && !intern__add(w->strings, text, strlen(text), &id) ? id : 0;
}

static void on_goroutine(void *ctx, const struct goroutine *g, uint32_t count, const uint8_t *stack,
			 size_t len)
{
	uint64_t words[STACK_WORDS_MAX + 2];
	struct telling *t = ctx;
	struct window_sample s = {
		.comm = t->process->comm,
		.words = words,
		.end = END_RUNNING,
		.tag = {.event = EVENT_GOROUTINE,
			.state = (uint8_t)g->state,
			.syscall = SYSCALL_NONE,
			.arg = reason_string(t, g)},
		.count = count,
	};

	if (stack && walk_stack(t, g, stack, len)) {
		s.n_words = t->c->walk->n_words;
		s.end = t->c->walk->end;
		memcpy(words, t->c->walk->words, s.n_words * sizeof(*words));
	} else {
		words[s.n_words++] = frame_of_cut(END_RUNNING);
		words[s.n_words++] = word_of(t, g->start_pc);
	}
	if (g->created_pc && g->id != MAIN_ID) /* the runtime made that one */
		words[s.n_words++] = word_of(t, g->created_pc - 1);
	collector__count(t->c, &t->process->key, &s);
}

/* -- a process -- */

static void note_stride(struct telling *t, const struct goroutine_stats *stats)
{
	struct window *w = t->c->windows[EVENT_GOROUTINE];
	char text[NOTE_MAX];
	int n;

	if (stats->stride == 1)
		return;
	n = snprintf(text, sizeof(text),
		     "goroutines of process %u: every %u. of %llu was read and counts %u times",
		     t->process->key.tgid, stats->stride, (unsigned long long)stats->n_listed, stats->stride);
	intern__add(w->strings, text, (size_t)n, &w->note);
}

static int dump_process(struct collector *c, struct process *p)
{
	struct telling t = {.c = c, .process = p, .state = state_of(c)};
	const struct goroutine_read read = {.exact_max = EXACT_MAX, .found = on_goroutine, .ctx = &t};
	struct goroutine_stats stats = {0};
	int dir_fd = FD_CLOSED, err;
	struct proc_stat stat;

	process_table__settle(c->processes, p);
	/* the folder is this process's for ever: that it can still be read afterwards says whose memory it was */
	if (proc_dir__open(c->proc_fd, p->key.tgid, p->key.start_ns, &dir_fd, &stat))
		return -ESRCH;
	err = go_programs__find(t.state->programs, p->key.tgid, p->mappings, &t.go);
	if (!err)
		err = goroutines__read(&t.go, &read, &stats);
	if (t.go.program)
		go_program__rest(t.go.program);
	if (err && err != -ENOENT && !read_proc_stat(dir_fd, &stat))
		lose(c, LOSS_GO_UNKNOWN, 1);
	if (!err)
		note_stride(&t, &stats);
	lose(c, LOSS_GO_DAMAGED, stats.n_damaged);
	io__close(&dir_fd);
	return err;
}

static bool is_in_tree(const struct collector *c, const struct process *p)
{
	for (int i = 0; p && i < ANCESTORS; i++) {
		if (p->key.tgid == c->tree_pid)
			return true;
		p = p->ppid ? process_table__find_pid(c->processes, p->ppid, clock__mono_ns()) : NULL;
	}
	return false;
}

static bool is_wanted(struct collector *c, const struct process *p)
{
	if (p->flags & (PROCESS_KERNEL_THREAD | PROCESS_UNLEARNT | PROCESS_ENDED))
		return false;
	if (c->opts.selector.only_tree && !is_in_tree(c, p))
		return false;
	return collector__wants(c, &p->key, p->comm);
}

static int goroutine_dump(struct collector *c, uint32_t pid)
{
	uint32_t cursor = 0;
	struct process *p;
	int err = make_ready(c);

	/* reading one changes nothing in the table */
	while (!err && (p = process_table__next(c->processes, &cursor))) {
		if ((pid && p->key.tgid != pid) || !is_wanted(c, p))
			continue;
		if (dump_process(c, p) == -ENOMEM)
			err = -ENOMEM;
	}
	return err;
}

int collector__goroutines(struct collector *c, const struct task_key *key, uint64_t *ret_n)
{
	struct process *p = process_table__find(c->processes, key);
	struct go_process go;
	int err = make_ready(c);

	if (err || !p || p->flags & (PROCESS_KERNEL_THREAD | PROCESS_UNLEARNT | PROCESS_ENDED))
		return err ? err : -ENOENT;
	process_table__settle(c->processes, p);
	err = go_programs__find(state_of(c)->programs, p->key.tgid, p->mappings, &go);
	if (err)
		return err;
	err = goroutines__count(&go, COUNT_EXACT_MAX, ret_n);
	go_program__rest(go.program);
	return err;
}

/* -- life -- */

static void goroutine_done(struct collector *c)
{
	struct goroutine_source_state *s = state_of(c);

	if (!s)
		return;
	go_programs__free(s->programs);
	free(s->record);
	free(s);
	c->source_state[EVENT_GOROUTINE] = NULL;
}

static int goroutine_init(struct collector *c, struct err *err)
{
	struct goroutine_source_state *s = calloc(1, sizeof(*s));

	if (!s)
		return err__set(err, -ENOMEM, "goroutine: out of memory");
	c->source_state[EVENT_GOROUTINE] = s;
	return 0;
}

const struct event_source goroutine_source = {
	.init = goroutine_init,
	.dump = goroutine_dump,
	.done = goroutine_done,
};
