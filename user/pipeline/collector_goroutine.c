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
 * Cost: 4 us a goroutine that is read, half of it the kernel's for the copies, on the collector's thread; above EXACT_MAX of a process every n-th is read and counts n times. Nothing while nobody asks, and no
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
#include "user/base/intern.h"
#include "user/pipeline/collector_go.h"
#include "user/pipeline/event_source.h"
#include "user/process/mapping_set.h"
#include "user/runtime/go_program.h"
#include "user/runtime/goroutine.h"

#define EXACT_MAX 65536
#define MAIN_ID   1
#define NOTE_MAX  160

/* What one process's goroutines go into. */
struct telling {
	struct collector *c;
	const struct process *process;
	struct go_process go;
	struct unfinished_record *record; /* scratch */
};

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
	struct unfinished_record *r = t->record;

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
	return !collector__walk(t->c, r, offsetof(struct unfinished_record, stack) + len, true);
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
		s.is_derived = collector__take_doubt(t->c);
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

static void note_read(struct telling *t, const struct goroutine_stats *stats)
{
	struct window *w = t->c->windows[EVENT_GOROUTINE];
	char text[NOTE_MAX];

	if (stats->stride > 1) {
		snprintf(text, sizeof(text),
			 "goroutines of process %u: every %u. of %llu was read and counts %u times",
			 t->process->key.tgid, stats->stride, (unsigned long long)stats->n_listed,
			 stats->stride);
		window__note(w, text);
	}
	if (stats->n_cut) {
		snprintf(text, sizeof(text),
			 "goroutines of process %u: reading them took too long: %llu of %llu were left out",
			 t->process->key.tgid, (unsigned long long)stats->n_cut,
			 (unsigned long long)stats->n_listed);
		window__note(w, text);
	}
}

static int dump_process(struct collector *c, struct process *p, const struct go_process *go,
			const struct clock_limit *limit, void *ctx)
{
	struct telling t = {.c = c, .process = p, .go = *go, .record = ctx};
	const struct goroutine_read read = {
		.exact_max = EXACT_MAX, .limit = limit, .found = on_goroutine, .ctx = &t};
	struct goroutine_stats stats = {0};
	int err = goroutines__read(&t.go, &read, &stats);

	if (!err)
		note_read(&t, &stats);
	collector__lose(c, EVENT_GOROUTINE, LOSS_GO_DAMAGED, stats.n_damaged + stats.n_cut);
	return err;
}

static int goroutine_dump(struct collector *c, uint32_t pid)
{
	struct unfinished_record *record = malloc(sizeof(*record));
	int err = record ? collector__each_go(c, EVENT_GOROUTINE, pid, dump_process, record) : -ENOMEM;

	free(record);
	return err;
}

const struct event_source goroutine_source = {.dump = goroutine_dump};
