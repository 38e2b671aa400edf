// SPDX-License-Identifier: Apache-2.0
/*
 * heap: what is allocated and not yet freed, of programs whose runtime knows it: Go's (runtime/go_memory.h). It is a state, looked at without a probe.
 *
 * A sample has four numbers, a row of a window two: each number is a row, told apart by its tag (enum heap_column), and the namer puts them together again.
 */
#include "user/pipeline/collector_impl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "user/pipeline/collector_go.h"
#include "user/pipeline/event_source.h"
#include "user/process/mapping_set.h"
#include "user/runtime/go_memory.h"
#include "user/runtime/go_program.h"

#define NOTE_MAX 160

/* As the file has them. */
enum heap_column { HEAP_ALLOC_OBJECTS, HEAP_ALLOC_SPACE, HEAP_INUSE_OBJECTS, HEAP_INUSE_SPACE, HEAP_COLUMNS };

struct telling {
	struct collector *c;
	const struct process *process;
};

static void on_allocation(void *ctx, const struct go_allocation *a)
{
	const uint64_t columns[HEAP_COLUMNS] = {a->alloc_objects, a->alloc_bytes, a->live_objects,
						a->live_bytes};
	const struct telling *t = ctx;
	uint64_t words[STACK_WORDS_MAX];
	struct window_sample s = {
		.comm = t->process->comm,
		.words = words,
		.end = END_END_MARK,
		.count = 1,
		.tag = {.event = EVENT_HEAP, .syscall = SYSCALL_NONE},
	};

	/* the outermost ones are cut off, and that is told */
	for (uint32_t i = 0; i < a->n_pcs && s.n_words < STACK_WORDS_MAX - 1; i++) {
		uint64_t pc = a->pcs[i] - 1;
		const struct code_mapping *m = mapping_set__find(t->process->mappings, pc);

		words[s.n_words++] =
			m && m->object ? frame_of_object(m->object, pc - m->bias) : frame_of_raw(pc);
	}
	if (a->n_pcs > s.n_words) {
		words[s.n_words++] = frame_of_cut(END_DEPTH);
		s.end = END_DEPTH;
	}
	for (uint8_t i = 0; i < HEAP_COLUMNS; i++) {
		s.tag.state = i;
		s.value = columns[i];
		if (s.value)
			collector__count(t->c, &t->process->key, &s);
	}
}

static int dump_process(struct collector *c, struct process *p, const struct go_process *go,
			const struct clock_limit *limit, void *ctx)
{
	struct telling t = {.c = c, .process = p};
	struct go_memory_stats stats = {0};
	char text[NOTE_MAX];
	int err = go_memory__read(go, limit, on_allocation, &t, &stats);

	(void)ctx;
	collector__lose(c, EVENT_HEAP, LOSS_GO_DAMAGED, stats.n_damaged);
	if (err == -ENODATA) {
		snprintf(text, sizeof(text),
			 "process %u does not sample its allocations (nothing in it reads memory profiles)",
			 p->key.tgid);
		window__note(c->windows[EVENT_HEAP], text);
		return 0;
	}
	if (!err && stats.is_cut) {
		snprintf(text, sizeof(text),
			 "process %u: reading what it allocated took too long: what is older is missing",
			 p->key.tgid);
		window__note(c->windows[EVENT_HEAP], text);
	}
	if (!err) {
		snprintf(text, sizeof(text), "Go programs sample one allocation in %llu bytes",
			 (unsigned long long)stats.rate);
		window__note(c->windows[EVENT_HEAP], text);
	}
	return err;
}

static int heap_dump(struct collector *c, uint32_t pid)
{
	return collector__each_go(c, EVENT_HEAP, pid, dump_process, NULL);
}

const struct event_source heap_source = {.dump = heap_dump};
