/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: records say what changed; a timeline is made of what lasted.
 *
 * Idea: one pass over the records in order of time. Each thread is in one of four modes, and every change of mode ends a slice:
 *
 *      UNKNOWN ── comes ──> RUNS ── leaves ──> WAITS (woken_ns: could run since then) ── comes ──> RUNS …
 *         └─────────────────┴── has ended ──> GONE
 *
 * Who leaves a CPU before anybody was seen to come to it has run there since the beginning. What a thread did before it came first is not known, and not
 * shown. There are switches that nobody is told of (lost ones, and those of a hypervisor's agent): where a CPU is left by another than came last, what the two
 * did meanwhile is not shown either, and counted.
 *
 * Reference: "Trace Event Format" (Chromium project): X slices, s and f ends of arrows, M names.
 */
#include "exporters/format/trace_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bpf/tag.h"
#include "bpf/wait.h"
#include "exporters/format/json.h"
#include "user/base/buf.h"
#include "user/base/hashmap.h"
#include "user/base/syscall_name.h"

#define CPU_TRACKS 1024 /* those above are left out */

enum mode { UNKNOWN, RUNS, WAITS, GONE };

struct track {
	enum mode mode;
	bool is_kept;
	uint8_t state;
	int16_t syscall;
	uint16_t cpu;
	uint64_t since_ns;
	uint64_t woken_ns; /* 0: not yet */
	uint32_t waker;    /* index of its thread, HASHMAP_NONE */
	uint64_t arrow;    /* id, 0: none */
};

struct encoder {
	const struct trace *t;
	struct buf *to;
	struct track *tracks;
	struct hashmap by_tid;
	const struct trace_record **order;
	bool keeps_all;
	bool has_events;
	uint64_t n_arrows, n_unseen;
	struct {
		uint64_t since_ns;
		uint32_t thread; /* index; HASHMAP_NONE: idle, or not known */
	} cpus[CPU_TRACKS];
};

static const char *const state_names[] = {
#define STATE_NAME(id, name, for_cpu, text) name,
	WAIT_STATES(STATE_NAME)
#undef STATE_NAME
};

static const bool is_for_cpu[] = {
#define STATE_FOR_CPU(id, name, for_cpu, text) for_cpu,
	WAIT_STATES(STATE_FOR_CPU)
#undef STATE_FOR_CPU
};

static bool has_tid(uint32_t index, const void *key, const void *owner)
{
	return ((const struct trace *)owner)->threads[index].tid == *(const uint32_t *)key;
}

static uint32_t find(const struct encoder *e, uint32_t tid)
{
	return tid ? hashmap__find(&e->by_tid, hash_u64(tid), has_tid, &tid, e->t) : HASHMAP_NONE;
}

/* -- events -- */

static void begin_event(struct encoder *e, const char *phase)
{
	buf__append_str(e->to, e->has_events ? ",\n{\"ph\":\"" : "\n{\"ph\":\"");
	e->has_events = true;
	buf__append_str(e->to, phase);
	buf__append_char(e->to, '"');
}

static void number(struct encoder *e, const char *name, uint64_t v)
{
	buf__append_str(e->to, name);
	json__int(e->to, (int64_t)v);
}

static void time_us(struct encoder *e, const char *name, uint64_t ns)
{
	const char digits[] = {'.', (char)('0' + ns / 100 % 10), (char)('0' + ns / 10 % 10),
			       (char)('0' + ns % 10)};

	number(e, name, ns / 1000);
	buf__append(e->to, digits, sizeof(digits));
}

static void place(struct encoder *e, uint32_t thread)
{
	number(e, ",\"pid\":", e->t->threads[thread].tgid);
	number(e, ",\"tid\":", e->t->threads[thread].tid);
}

/* A stretch of time within the trace. */
static void slice(struct encoder *e, const char *name, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t start = e->t->head->from_ns, end = e->t->head->to_ns;

	from_ns = from_ns < start ? start : from_ns > end ? end : from_ns;
	to_ns = to_ns < from_ns ? from_ns : to_ns > end ? end : to_ns;
	begin_event(e, "X");
	buf__append_str(e->to, ",\"name\":");
	json__string(e->to, name);
	time_us(e, ",\"ts\":", from_ns - start);
	time_us(e, ",\"dur\":", to_ns - from_ns);
}

static void arrow(struct encoder *e, const char *phase, uint64_t id, uint32_t thread, uint64_t at_ns)
{
	begin_event(e, phase);
	buf__append_str(e->to, ",\"cat\":\"wake\",\"name\":\"wakes\"");
	number(e, ",\"id\":", id);
	time_us(e, ",\"ts\":", at_ns > e->t->head->from_ns ? at_ns - e->t->head->from_ns : 0);
	place(e, thread);
	buf__append_char(e->to, '}');
}

static void name_event(struct encoder *e, const char *what, uint32_t pid, uint32_t tid, const char *name)
{
	begin_event(e, "M");
	buf__append_str(e->to, ",\"name\":\"");
	buf__append_str(e->to, what);
	buf__append_char(e->to, '"');
	number(e, ",\"pid\":", pid);
	number(e, ",\"tid\":", tid);
	buf__append_str(e->to, ",\"args\":{\"name\":");
	json__string(e->to, name);
	buf__append_str(e->to, "}}");
}

/* -- what threads did -- */

static void end_run(struct encoder *e, uint32_t i, uint64_t now_ns)
{
	struct track *k = &e->tracks[i];

	if (!k->is_kept)
		return;
	slice(e, "running", k->mode == RUNS ? k->since_ns : e->t->head->from_ns, now_ns);
	place(e, i);
	number(e, ",\"args\":{\"cpu\":", k->cpu);
	buf__append_str(e->to, "}}");
}

static void wait_slice(struct encoder *e, uint32_t i, uint8_t state, uint64_t from_ns, uint64_t to_ns)
{
	const struct track *k = &e->tracks[i];
	const char *call =
		k->syscall == SYSCALL_NONE || is_for_cpu[state] ? NULL : syscall_name__get(k->syscall);

	slice(e, call ? call : state_names[state], from_ns, to_ns);
	place(e, i);
	buf__append_str(e->to, ",\"args\":{\"state\":");
	json__string(e->to, state_names[state]);
	if (k->woken_ns && k->waker != HASHMAP_NONE && state < WAIT_RUNNABLE) {
		const struct trace_thread *waker = &e->t->threads[k->waker];

		buf__append_str(e->to, ",\"woken by\":");
		json__string(e->to, e->t->texts + waker->comm);
		number(e, ",\"waker tid\":", waker->tid);
	}
	buf__append_str(e->to, "}}");
}

/* It comes to a CPU, or the trace ends: what it did since it left. */
static void end_wait(struct encoder *e, uint32_t i, uint64_t now_ns)
{
	const struct track *k = &e->tracks[i];
	uint64_t woken_ns = k->woken_ns ? k->woken_ns : now_ns;

	if (k->mode != WAITS || !k->is_kept)
		return;
	if (is_for_cpu[k->state]) {
		wait_slice(e, i, k->state, k->since_ns, now_ns);
		return;
	}
	wait_slice(e, i, k->state, k->since_ns, woken_ns);
	if (k->woken_ns)
		wait_slice(e, i, WAIT_RUNNABLE, woken_ns, now_ns);
}

/* is_first: nobody was seen to come to this CPU before. */
static void leaves(struct encoder *e, const struct trace_record *r, bool is_first)
{
	uint32_t i = find(e, r->tid);
	struct track *k;

	if (i == HASHMAP_NONE)
		return;
	k = &e->tracks[i];
	if (k->mode == RUNS || is_first) {
		k->cpu = r->cpu;
		end_run(e, i, r->time_ns);
	}
	*k = (struct track){.mode = r->state < WAIT_MAX ? WAITS : GONE,
			    .is_kept = k->is_kept,
			    .state = r->state,
			    .syscall = r->syscall,
			    .since_ns = r->time_ns,
			    .waker = HASHMAP_NONE};
}

static void comes(struct encoder *e, const struct trace_record *r)
{
	uint32_t i = find(e, r->next_tid);
	struct track *k;

	if (i == HASHMAP_NONE)
		return;
	k = &e->tracks[i];
	end_wait(e, i, r->time_ns);
	if (k->arrow && k->is_kept)
		arrow(e, "f\",\"bp\":\"e", k->arrow, i, r->time_ns);
	*k = (struct track){.mode = RUNS,
			    .is_kept = k->is_kept,
			    .cpu = r->cpu,
			    .since_ns = r->time_ns,
			    .waker = HASHMAP_NONE};
}

static void wakes(struct encoder *e, const struct trace_record *r)
{
	uint32_t i = find(e, r->next_tid), waker = find(e, r->tid);
	struct track *k;

	if (i == HASHMAP_NONE || (k = &e->tracks[i])->mode != WAITS || k->woken_ns)
		return;
	k->woken_ns = r->time_ns;
	k->waker = waker;
	if (waker == HASHMAP_NONE || !k->is_kept || !e->tracks[waker].is_kept)
		return;
	k->arrow = ++e->n_arrows;
	arrow(e, "s", k->arrow, waker, r->time_ns);
}

/* Is it the first switch on this CPU? Its own track: who was on it. */
static bool on_cpu(struct encoder *e, const struct trace_record *r)
{
	uint32_t came, left = find(e, r->tid);
	bool is_first;

	if (r->cpu >= CPU_TRACKS)
		return false;
	is_first = !e->cpus[r->cpu].since_ns;
	came = is_first ? left : e->cpus[r->cpu].thread;
	if (came != left) {
		e->n_unseen++;
		if (came != HASHMAP_NONE && e->tracks[came].mode == RUNS && e->tracks[came].cpu == r->cpu)
			e->tracks[came].mode = UNKNOWN;
	} else if (e->keeps_all && left != HASHMAP_NONE) {
		slice(e, e->t->texts + e->t->threads[left].comm,
		      is_first ? e->t->head->from_ns : e->cpus[r->cpu].since_ns, r->time_ns);
		number(e, ",\"pid\":0,\"tid\":", r->cpu);
		number(e, ",\"args\":{\"tid\":", r->tid);
		buf__append_str(e->to, "}}");
	}
	e->cpus[r->cpu].since_ns = r->time_ns;
	e->cpus[r->cpu].thread = find(e, r->next_tid);
	return is_first;
}

static void finish(struct encoder *e)
{
	uint64_t end = e->t->head->cut_ns ? e->t->head->cut_ns : e->t->head->to_ns;

	for (uint32_t i = 0; i < e->t->head->n_threads; i++) {
		if (e->tracks[i].mode == RUNS)
			end_run(e, i, end);
		else
			end_wait(e, i, end);
	}
	for (uint32_t cpu = 0; cpu < CPU_TRACKS; cpu++) {
		if (!e->cpus[cpu].since_ns || !e->keeps_all)
			continue;
		if (e->cpus[cpu].thread != HASHMAP_NONE) {
			slice(e, e->t->texts + e->t->threads[e->cpus[cpu].thread].comm, e->cpus[cpu].since_ns,
			      end);
			number(e, ",\"pid\":0,\"tid\":", cpu);
			buf__append_char(e->to, '}');
		}
	}
}

static void names(struct encoder *e)
{
	char cpu_name[32];

	for (uint32_t i = 0; i < e->t->head->n_threads; i++) {
		const struct trace_thread *h = &e->t->threads[i];

		if (!e->tracks[i].is_kept)
			continue;
		name_event(e, "process_name", h->tgid, h->tid,
			   e->t->texts + (h->process ? h->process : h->comm));
		name_event(e, "thread_name", h->tgid, h->tid, e->t->texts + h->comm);
	}
	for (uint32_t cpu = 0; cpu < CPU_TRACKS; cpu++) {
		if (!e->cpus[cpu].since_ns || !e->keeps_all)
			continue;
		snprintf(cpu_name, sizeof(cpu_name), "CPU %u", cpu);
		name_event(e, "process_name", 0, cpu, "CPUs");
		name_event(e, "thread_name", 0, cpu, cpu_name);
	}
}

/* -- the whole -- */

/* By time; of one time those of one CPU stay in the order in which they were read. */
static int compare_records(const void *a, const void *b)
{
	const struct trace_record *x = *(const struct trace_record *const *)a,
				  *y = *(const struct trace_record *const *)b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return x < y ? -1 : x > y;
}

static int prepare(struct encoder *e,
		   bool (*keeps)(const struct trace *, const struct trace_thread *, void *), void *ctx)
{
	const struct trace_head *h = e->t->head;

	e->tracks = calloc((size_t)h->n_threads + 1, sizeof(*e->tracks));
	e->order = malloc(((size_t)h->n_records + 1) * sizeof(*e->order));
	if (!e->tracks || !e->order)
		return -ENOMEM;
	for (uint32_t i = 0; i < h->n_threads; i++) {
		int err = find(e, e->t->threads[i].tid) == HASHMAP_NONE
				  ? hashmap__add(&e->by_tid, hash_u64(e->t->threads[i].tid), i)
				  : 0;

		if (err)
			return err;
		e->tracks[i].is_kept = !keeps || keeps(e->t, &e->t->threads[i], ctx);
		e->tracks[i].waker = HASHMAP_NONE;
	}
	for (uint32_t i = 0; i < h->n_records; i++)
		e->order[i] = &e->t->records[i];
	if (h->n_records)
		qsort(e->order, h->n_records, sizeof(*e->order), compare_records);
	return 0;
}

/* What is true of the whole stands last: some of it is counted on the way. */
static void tail(struct encoder *e)
{
	const struct trace_head *h = e->t->head;

	buf__append_str(e->to, "\n],\"displayTimeUnit\":\"ms\",\"otherData\":{\"made by\":\"everprof\"");
	number(e, ",\"start, ns since 1970\":\"", h->real_ns);
	number(e, "\",\"records lost\":", h->lost);
	if (h->cut_ns)
		time_us(e, ",\"ends early, at us\":", h->cut_ns - h->from_ns);
	number(e, ",\"switches not seen\":", e->n_unseen);
	buf__append_str(e->to, "}}\n");
}

int trace_json__encode(const struct trace *t,
		       bool (*keeps)(const struct trace *, const struct trace_thread *, void *), void *ctx,
		       struct buf *to)
{
	struct encoder *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return -ENOMEM;
	e->t = t;
	e->to = to;
	e->keeps_all = !keeps;
	hashmap__init(&e->by_tid);
	err = prepare(e, keeps, ctx);
	if (!err)
		buf__append_str(to, "{\"traceEvents\":[");
	for (uint32_t i = 0; !err && i < t->head->n_records; i++) {
		const struct trace_record *r = e->order[i];

		if (r->kind == TRACE_SWITCH) {
			leaves(e, r, on_cpu(e, r));
			comes(e, r);
		} else {
			wakes(e, r);
		}
	}
	if (!err) {
		finish(e);
		names(e);
		tail(e);
	}
	hashmap__done(&e->by_tid);
	free(e->tracks);
	free(e->order);
	free(e);
	return err ? err : buf__err(to);
}
