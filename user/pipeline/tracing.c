// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/tracing.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "exporters/format/trace.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/hashmap.h"
#include "user/base/intern.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "user/base/loop.h"
#include "user/base/memfd.h"
#include "user/kernel/trace_ring.h"
#include "user/pipeline/collector.h"
#include "user/process/process.h"

#define TICK_NS   (250 * NS_PER_MS)
#define TEXTS_MAX ((size_t)8 << 20)
#define ROLL_MAX  (128u * 1024)

struct ask {
	uint64_t id, from_ns, to_ns;
	tracing_done_fn done;
	void *ctx;
	bool is_used, is_cancelled;
	struct buf records; /* struct trace_record */
	uint64_t lost_before, cut_ns;
};

struct tracing {
	struct loop *loop;
	struct collector *collector;
	struct loop_source *timer, *ring_source;
	struct trace_ring *ring; /* NULL: nobody asks */
	struct ask asks[TRACING_ASKS_MAX];
	uint32_t n_asks;
};

/* -- the table of threads of a trace that is complete -- */

struct roll {
	struct trace_thread *threads;
	uint32_t n, cap;
	struct hashmap by_tid;
	struct buf texts;
	struct intern *known; /* texts by their index here … */
	uint32_t *offsets;    /* … to where they begin in texts */
	uint32_t cap_offsets;
};

static bool has_tid(uint32_t index, const void *key, const void *owner)
{
	return ((const struct roll *)owner)->threads[index].tid == *(const uint32_t *)key;
}

/* Where the text begins; 0 for "" and where there is no room. */
static uint32_t roll__text(struct roll *r, const char *s)
{
	size_t len = s ? strlen(s) : 0;
	uint32_t id, n = intern__count(r->known);

	if (!len || intern__add(r->known, s, len, &id))
		return 0;
	if (id >= r->cap_offsets) {
		uint32_t cap = (id + 64) * 2;
		uint32_t *more = realloc(r->offsets, cap * sizeof(*more));

		if (!more)
			return 0;
		r->offsets = more;
		r->cap_offsets = cap;
	}
	if (id >= n) {
		r->offsets[id] = (uint32_t)r->texts.len;
		buf__append(&r->texts, s, len + 1);
		if (buf__err(&r->texts))
			r->offsets[id] = 0;
	}
	return r->offsets[id];
}

/* The thread, new where it is met for the first time. NULL: no room. */
static struct trace_thread *roll__thread(struct roll *r, uint32_t tid, uint32_t tgid)
{
	uint32_t i = hashmap__find(&r->by_tid, hash_u64(tid), has_tid, &tid, r);

	if (i != HASHMAP_NONE)
		return &r->threads[i];
	if (r->n == ROLL_MAX)
		return NULL;
	if (r->n == r->cap) {
		uint32_t cap = r->cap ? r->cap * 2 : 256;
		struct trace_thread *more = realloc(r->threads, cap * sizeof(*more));

		if (!more)
			return NULL;
		r->threads = more;
		r->cap = cap;
	}
	if (hashmap__add(&r->by_tid, hash_u64(tid), r->n))
		return NULL;
	r->threads[r->n] = (struct trace_thread){.tid = tid, .tgid = tgid};
	return &r->threads[r->n++];
}

static void roll__note(struct roll *r, uint32_t tid, uint32_t tgid, const char comm[TRACE_COMM_LEN])
{
	struct trace_thread *t = tid ? roll__thread(r, tid, tgid) : NULL;
	char name[TRACE_COMM_LEN + 1] = "";

	if (!t || !comm)
		return;
	memcpy(name, comm, TRACE_COMM_LEN);
	t->comm = roll__text(r, name); /* the last one: a thread is named after it was made */
}

/* It never came to a CPU, only left one: the kernel still knows its name, or nobody does. */
static void roll__ask_name(struct roll *r, struct trace_thread *t)
{
	char path[64];
	struct buf b;

	snprintf(path, sizeof(path), "/proc/%u/task/%u/comm", t->tgid, t->tid);
	buf__init(&b, 64);
	if (!io__read_at(-1, path, 64, &b)) {
		char *name = (char *)buf__str(&b);

		name[strcspn(name, "\n")] = '\0';
		t->comm = roll__text(r, name);
	}
	buf__done(&b);
}

static void roll__label(struct roll *r, struct collector *c)
{
	for (uint32_t i = 0; i < r->n; i++) {
		struct trace_thread *t = &r->threads[i];
		struct process_labels l;

		if (!t->comm)
			roll__ask_name(r, t);
		if (!collector__labels(c, t->tgid, &l))
			continue;
		t->process = roll__text(r, l.process);
		t->exe = roll__text(r, l.exe);
		t->cgroup = roll__text(r, l.cgroup);
		t->unit = roll__text(r, l.unit);
		t->container = roll__text(r, l.container);
		t->pod = roll__text(r, l.pod);
	}
}

static int roll__init(struct roll *r)
{
	*r = (struct roll){0};
	hashmap__init(&r->by_tid);
	buf__init(&r->texts, TEXTS_MAX);
	buf__append_char(&r->texts, '\0');
	r->known = intern__new(TEXTS_MAX);
	return r->known ? buf__err(&r->texts) : -ENOMEM;
}

static void roll__done(struct roll *r)
{
	hashmap__done(&r->by_tid);
	buf__done(&r->texts);
	intern__free(r->known);
	free(r->offsets);
	free(r->threads);
}

/* -- asks -- */

static int ask__encode(const struct tracing *t, struct ask *a, int *ret_fd)
{
	const struct trace_record *records = (const void *)a->records.data;
	struct trace_head head = {
		.magic = TRACE_MAGIC,
		.n_records = (uint32_t)(a->records.len / sizeof(*records)),
		.from_ns = a->from_ns,
		.to_ns = a->to_ns,
		.real_ns = a->from_ns + (uint64_t)clock__mono_to_real_ns(),
		.lost = trace_ring__lost(t->ring) - a->lost_before,
		.cut_ns = a->cut_ns,
	};
	struct roll roll;
	struct buf b;
	int err = roll__init(&roll);

	if (head.lost)
		log_warn("trace: %llu switches and wake-ups of %llu had no room in a ring, and are not in it",
			 (unsigned long long)head.lost, (unsigned long long)head.lost + head.n_records);

	buf__init(&b, TRACE_BYTES_MAX);
	for (uint32_t i = 0; !err && i < head.n_records; i++) {
		roll__note(&roll, records[i].tid, records[i].tgid, NULL);
		roll__note(&roll, records[i].next_tid, records[i].next_tgid, records[i].comm);
	}
	if (!err) {
		roll__label(&roll, t->collector);
		head.n_threads = roll.n;
		head.text_bytes = (uint32_t)roll.texts.len;
		buf__append(&b, &head, sizeof(head));
		buf__append(&b, roll.threads, roll.n * sizeof(*roll.threads));
		buf__append(&b, a->records.data, a->records.len);
		buf__append(&b, roll.texts.data, roll.texts.len);
		err = buf__err(&b);
	}
	if (!err)
		err = memfd__new("everprof-trace", b.data, b.len, ret_fd);
	buf__done(&b);
	roll__done(&roll);
	return err;
}

static void tracing__rest(struct tracing *t)
{
	if (t->ring_source)
		loop__remove(t->loop, t->ring_source);
	t->ring_source = NULL;
	trace_ring__close(t->ring);
	t->ring = NULL;
	if (t->timer)
		loop__set_timer(t->timer, LOOP_TIMER_OFF, 0);
}

static void ask__end(struct tracing *t, struct ask *a, int err)
{
	struct ask was = *a;
	int fd = FD_CLOSED;

	if (!err)
		err = ask__encode(t, a, &fd);
	buf__done(&a->records);
	*a = (struct ask){0};
	if (!--t->n_asks)
		tracing__rest(t);
	was.done(was.ctx, was.id, err, fd);
}

static void on_record(const struct trace_record *r, void *ctx)
{
	struct tracing *t = ctx;

	for (int i = 0; i < TRACING_ASKS_MAX; i++) {
		struct ask *a = &t->asks[i];

		if (!a->is_used || a->cut_ns || r->time_ns < a->from_ns || r->time_ns >= a->to_ns)
			continue;
		buf__append(&a->records, r, sizeof(*r));
		if (buf__err(&a->records))
			a->cut_ns = r->time_ns;
	}
}

static int on_ring(int fd, uint32_t events, void *ctx)
{
	(void)fd, (void)events;
	trace_ring__drain(((struct tracing *)ctx)->ring);
	return 0;
}

static int on_tick(uint64_t n_expired, void *ctx)
{
	struct tracing *t = ctx;
	uint64_t now = clock__mono_ns();

	(void)n_expired;
	if (t->ring)
		trace_ring__drain(t->ring);
	for (int i = 0; i < TRACING_ASKS_MAX; i++) {
		struct ask *a = &t->asks[i];

		if (a->is_used && (a->is_cancelled || now >= a->to_ns))
			ask__end(t, a, a->is_cancelled ? -ECANCELED : 0);
	}
	return 0;
}

int tracing__new(struct loop *loop, struct collector *collector, struct tracing **ret)
{
	struct tracing *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	*t = (struct tracing){.loop = loop, .collector = collector};
	err = loop__add_timer(loop, LOOP_TIMER_OFF, 0, on_tick, t, &t->timer);
	if (err)
		free(t);
	else
		*ret = t;
	return err;
}

void tracing__free(struct tracing *t)
{
	if (!t)
		return;
	for (int i = 0; i < TRACING_ASKS_MAX; i++)
		if (t->asks[i].is_used)
			ask__end(t, &t->asks[i], -ECANCELED);
	loop__remove(t->loop, t->timer);
	free(t);
}

static int tracing__begin(struct tracing *t)
{
	int err = trace_ring__open(collector__loader(t->collector), on_record, t, &t->ring);

	if (!err)
		err = loop__add_fd(t->loop, trace_ring__epoll_fd(t->ring), EPOLLIN, on_ring, t,
				   &t->ring_source);
	if (!err)
		err = loop__set_timer(t->timer, TICK_NS, TICK_NS);
	if (err)
		tracing__rest(t);
	return err;
}

int tracing__ask(struct tracing *t, uint64_t id, uint64_t to_ns, tracing_done_fn done, void *ctx)
{
	struct ask *a = NULL;
	int err = 0;

	for (int i = 0; i < TRACING_ASKS_MAX && !a; i++)
		if (!t->asks[i].is_used)
			a = &t->asks[i];
	if (!a)
		return -EAGAIN;
	if (!t->ring)
		err = tracing__begin(t);
	if (err)
		return err;
	*a = (struct ask){.id = id,
			  .from_ns = clock__mono_ns(),
			  .to_ns = to_ns,
			  .done = done,
			  .ctx = ctx,
			  .is_used = true,
			  .lost_before = trace_ring__lost(t->ring)};
	buf__init(&a->records, TRACE_RECORDS_MAX * sizeof(struct trace_record));
	t->n_asks++;
	return 0;
}

void tracing__cancel(struct tracing *t, uint64_t id)
{
	for (int i = 0; i < TRACING_ASKS_MAX; i++)
		if (t->asks[i].is_used && t->asks[i].id == id)
			t->asks[i].is_cancelled = true;
}
