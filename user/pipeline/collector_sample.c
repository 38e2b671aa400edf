// SPDX-License-Identifier: Apache-2.0
/*
 * collector_sample - rows of the closed slice, and stacks that the kernel could not finish, become entries of the open window.
 */
#include "user/pipeline/collector_impl.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "bpf/code_pages.h"
#include "bpf/unfinished.h"
#include "user/base/clock.h"
#include "user/kernel/finish.h"
#include "user/pipeline/collector_lock.h"
#include "user/process/mapping_set.h"

/* The window's number of the process of a thread, with its labels taken down while it lives. */
static int collector__window_process(struct collector *c, struct window *w, const struct task_key *key,
				     uint32_t tid, const char *comm, uint32_t *ret_index,
				     enum verdict *ret_verdict)
{
	struct process *p = collector__process(c, key);
	struct process_labels l = {};
	int err;

	if (p && tid == key->tgid)
		collector__rename(c, p, comm);
	*ret_verdict = p ? collector__verdict(c, p) : VERDICT_UNKNOWN;
	if (*ret_verdict == VERDICT_NONE && p->flags & PROCESS_UNLEARNT)
		*ret_verdict = VERDICT_UNKNOWN;
	err = window__find_process(w, key, ret_index);
	if (!err)
		return p ? window__rename_process(w, *ret_index, p->comm) : 0;
	if (!p || p->flags & PROCESS_UNLEARNT)
		collector__lose(c, w->event, LOSS_UNKNOWN_PROCESS, 1);
	if (p)
		process_table__learn_place(c->processes, p);
	if (p)
		process__labels(p, &l);
	const char *const labels[WL_MAX] = {
		[WL_NAME] = l.process,        [WL_EXE] = l.exe, [WL_CGROUP] = l.cgroup, [WL_UNIT] = l.unit,
		[WL_CONTAINER] = l.container, [WL_POD] = l.pod,
	};

	return window__add_process(w, key, labels, ret_index);
}

int collector__count(struct collector *c, const struct task_key *key, struct window_sample *s)
{
	struct window *w = s->tag.event < EVENT_N ? c->windows[s->tag.event] : NULL;
	enum verdict verdict;
	int err;

	if (!w) /* not recorded any more */
		return -ENOENT;
	if (collector__window_process(c, w, key, s->tid, s->comm, &s->process, &verdict)) {
		collector__lose(c, s->tag.event, LOSS_HISTORY_FULL, s->count);
		return -E2BIG;
	}
	if (!selector__is_everything(&c->opts.selector) &&
	    !selector__thread(&c->opts.selector, verdict, s->comm)) {
		if (verdict == VERDICT_UNKNOWN)
			collector__lose(c, s->tag.event, LOSS_NO_VERDICT, s->count);
		return -ENOENT;
	}
	err = event_sources__weigh(c, key, s);
	if (err)
		return err;
	c->stats.samples[s->tag.event] += s->count;
	if (s->end < END_MAX)
		c->stats.ends[s->end] += s->count;
	if (s->is_derived)
		collector__lose(c, s->tag.event, LOSS_DERIVED_RULES, 1);
	err = window__add(w, s, collector__jit_name, c);
	if (err) /* the window counts it too, for its file */
		c->stats.lost.n[LOSS_HISTORY_FULL] += s->count;
	return err;
}

bool collector__wants(struct collector *c, const struct task_key *key, const char *comm)
{
	const struct process *p;

	if (selector__is_everything(&c->opts.selector))
		return true;
	p = collector__process(c, key);
	return selector__thread(&c->opts.selector, p ? collector__verdict(c, p) : VERDICT_NONE, comm);
}

bool collector__is_in_tree(const struct collector *c, const struct task_key *key)
{
	struct target target;

	return !bpf_map_lookup_elem(c->maps->targets_fd, &key->tgid, &target) &&
	       target.start_ns == key->start_ns && target.verdict == TARGET_INCLUDE;
}

bool collector__wants_thread(struct collector *c, const struct thread *t)
{
	return (!c->opts.selector.only_tree || t->is_followed) && collector__wants(c, &t->key, t->comm);
}

/* A thread's process in the window, for what the kernel accounts of it. */
int collector__thread_process(void *ctx, struct window *w, const struct thread *t, uint32_t *ret_index)
{
	struct collector *c = ctx;
	enum verdict verdict;

	if (!collector__wants_thread(c, t))
		return -ENOENT;
	return collector__window_process(c, w, &t->key, t->tid, t->comm, ret_index, &verdict);
}

/* A name that the kernel filled may lack its NUL. */
static void copy_comm(char to[COMM_LEN + 1], const char *comm)
{
	memcpy(to, comm, COMM_LEN);
	to[COMM_LEN] = '\0';
}

/* What the kernel tells of its samples in numbers gets its words here. */
static void collector__count_kernel(struct collector *c, const struct task_key *key, struct window_sample *s)
{
	uint64_t words[STACK_WORDS_MAX];

	switch (s->tag.event) {
	case EVENT_LOCK:
		collector__count_lock(c, key, s);
		break;
	case EVENT_OFFCPU:
		s->words = collector__hide_away(s, words);
		collector__count_futex(c, key, s, s->tag.arg, NULL);
		collector__name_waker(c, s);
		collector__count(c, key, s);
		break;
	default:
		collector__count(c, key, s);
	}
}

int collector__on_row(const struct count_slot *slot, const uint64_t *words, void *ctx)
{
	const uint64_t no_room = frame_of_cut(END_NO_ROOM);
	struct collector *c = ctx;
	char comm[COMM_LEN + 1];
	struct window_sample s = {
		.tid = slot->tid,
		.tag = slot->tag,
		.comm = comm,
		.words = words ? words : &no_room,
		.n_words = words ? (uint32_t)slot->n_kernel + slot->n_user : 1,
		.end = words ? slot->end : END_NO_ROOM,
		.count = slot->count,
		.value = slot->value,
	};

	copy_comm(comm, slot->comm);
	collector__look_at_jit(c, &slot->key, &s);
	collector__count_kernel(c, &slot->key, &s);
	return 0;
}

/* A walk in user space: what it needs that is not known is learnt, but for what only the process can tell. */
struct finishing {
	struct collector *c;
	bool is_last; /* that is not waited for */
};

static int find_mapping(void *ctx, const struct task_key *key, uint64_t pc, struct walk_mapping *ret)
{
	const struct finishing *f = ctx;
	struct collector *c = f->c;
	struct process *p = collector__process(c, key);
	const struct code_mapping *m;

	if (!p || p->flags & PROCESS_UNLEARNT)
		return END_NO_PROCESS;
	process_table__settle(c->processes, p);
	m = mapping_set__find(p->mappings, pc);
	if (!m) {
		/* code that was made executable later (mprotect) comes with no event */
		if (!process_table__rescan_maps(c->processes, clock__mono_ns(), p, NULL))
			m = mapping_set__find(p->mappings, pc);
		if (!m)
			return END_NO_MAPPING;
	}
	*ret = (struct walk_mapping){.start = m->start, .end = m->end, .bias = m->bias, .object = m->object};
	return 0;
}

static int find_row(void *ctx, uint32_t object, uint64_t vaddr, struct unwind_row *ret_row)
{
	const struct finishing *f = ctx;

	*ret_row = (struct unwind_row){.cfa = ROW_CFA_NONE};
	if (object != CODE_PAGES_UNTOLD)
		tables__row(f->c->tables, object, vaddr, ret_row);
	/* newer code than what was read, or nothing is told: it may keep frame pointers */
	if (f->is_last && object >= CODE_PAGES_FIRST && ret_row->cfa == ROW_CFA_NONE)
		*ret_row = (struct unwind_row){.cfa = ROW_CFA_FRAME_POINTER};
	return 0;
}

static int read_code(void *ctx, const struct task_key *key, uint32_t object, uint64_t vaddr, void *to,
		     size_t len)
{
	const struct finishing *f = ctx;
	struct collector *c = f->c;

	if (!object)
		return collector__read_jit(c, key, vaddr, to, len);
	return tables__code(c->tables, object, vaddr, to, len);
}

int collector__walk(struct collector *c, const struct unfinished_record *r, size_t size, bool is_last)
{
	struct finishing finishing = {.c = c, .is_last = is_last};
	const struct finish_ports ports = {.find_mapping = find_mapping,
					   .find_row = find_row,
					   .read_code = read_code,
					   .ctx = &finishing};

	return finish__walk(r, size, &ports, c->walk);
}

bool collector__take_doubt(struct collector *c)
{
	bool is_derived = c->walk->derived;

	c->walk->derived = 0;
	return is_derived;
}

/* A stack that the kernel could not finish: counted, or held until more is known of its process. */
static void finish(struct collector *c, struct unfinished_record *r, size_t size)
{
	const struct walk *w = c->walk;
	char comm[COMM_LEN + 1];

	if (r->end == END_NO_PROCESS)
		collector__show(c, &r->key);
	if (collector__walk(c, r, size, c->jit.is_releasing)) {
		collector__lose(c, r->tag.event, LOSS_BAD_RECORD, r->count + r->cpu_count);
		return;
	}
	if (collector__hold_for_jit(c, r, size))
		return;
	struct window_sample s = {
		.tid = r->tid,
		.tag = r->tag,
		.comm = comm,
		.words = (const uint64_t *)w->words,
		.n_words = w->n_words,
		.end = w->end,
		.is_derived = collector__take_doubt(c),
		.count = r->count,
		.value = r->value,
	};

	copy_comm(comm, r->comm);
	if (r->tag.event == EVENT_OFFCPU && r->tag.state >= WAIT_MAX)
		return;                /* of who ended a wait: what the walk lacked is learnt now */
	if (r->value || !r->cpu_value) /* of an event that only counts, there is no value */
		collector__count_kernel(c, &r->key, &s);
	if (r->cpu_value) {
		s.is_derived &= !r->value;
		s.tag = r->tag;
		s.tag.state = WAIT_RUNNABLE;
		s.count = r->cpu_count;
		s.value = r->cpu_value;
		collector__count_kernel(c, &r->key, &s);
	}
	c->stats.unfinished++;
	c->stats.finished_whole += end_is_complete(w->end);
}

void collector__finish(struct collector *c, struct unfinished_record *r, size_t size)
{
	uint64_t began = clock__thread_cpu_ns();

	finish(c, r, size);
	c->stats.finish_ns += clock__thread_cpu_ns() - began;
}

int collector__on_unfinished(void *ctx, void *data, size_t size)
{
	struct unfinished_record *r = data;
	struct collector *c = ctx;

	if (size < offsetof(struct unfinished_record, stack) || r->tag.event >= EVENT_N) {
		c->lost_here.n[LOSS_BAD_RECORD]++; /* of which event is not to be told */
		return 0;
	}
	collector__read_sideband(c, r->time_ns); /* an error shows in the reading that follows */
	collector__finish(c, r, size);
	return 0;
}
