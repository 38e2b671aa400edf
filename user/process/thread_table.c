// SPDX-License-Identifier: Apache-2.0
#include "user/process/thread_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CAP_MIN 256

/* Which thread: pids of threads are unique among the processes of one moment, and processes are told apart by their start. */
struct thread_id {
	uint64_t process_start_ns;
	uint32_t tid;
};

static uint64_t thread_id__hash(const struct thread_id *id)
{
	return hash_pair(id->process_start_ns, id->tid);
}

static bool thread__eq(uint32_t index, const void *key, const void *owner)
{
	const struct thread *t = &((const struct thread_table *)owner)->threads[index];
	const struct thread_id *id = key;

	return t->tid == id->tid && t->key.start_ns == id->process_start_ns;
}

void thread_table__init(struct thread_table *t)
{
	*t = (struct thread_table){};
	hashmap__init(&t->by_tid);
}

void thread_table__done(struct thread_table *t)
{
	free(t->threads);
	hashmap__done(&t->by_tid);
	*t = (struct thread_table){};
}

void thread_table__begin_pass(struct thread_table *t)
{
	t->pass++;
}

/* After a crowd there is room again for as many as there are, and as many more. */
static void thread_table__shrink(struct thread_table *t)
{
	uint32_t cap = t->n * 2 < CAP_MIN ? CAP_MIN : t->n * 2;
	struct thread *fewer;

	if (t->cap / 2 <= cap)
		return;
	fewer = realloc(t->threads, cap * sizeof(*fewer));
	if (!fewer)
		return;
	t->threads = fewer;
	t->cap = cap;
}

int thread_table__begin(struct thread_table *t, uint64_t now_ns)
{
	uint32_t n = 0;
	int err = 0;

	hashmap__clear(&t->by_tid);
	for (uint32_t i = 0; i < t->n; i++) {
		struct thread *th = &t->threads[i];
		struct thread_id id = {.process_start_ns = th->key.start_ns, .tid = th->tid};

		if (th->ended || th->pass != t->pass)
			continue;
		th->base = th->last;
		th->carried = (struct thread_times){};
		t->threads[n] = *th;
		err = hashmap__add(&t->by_tid, thread_id__hash(&id), n);
		if (err)
			break;
		n++;
	}
	t->n = n;
	t->begin_ns = now_ns;
	thread_table__shrink(t);
	return err;
}

static int thread_table__add(struct thread_table *t, const struct thread_id *id, struct thread **ret)
{
	struct thread *grown;
	int err;

	if (t->n == THREADS_MAX)
		return -E2BIG;
	if (t->n == t->cap) {
		uint32_t cap = t->cap ? t->cap + t->cap / 2 : CAP_MIN;

		grown = realloc(t->threads, cap * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		t->threads = grown;
		t->cap = cap;
	}
	err = hashmap__add(&t->by_tid, thread_id__hash(id), t->n);
	if (err)
		return err;
	*ret = &t->threads[t->n++];
	**ret = (struct thread){};
	return 0;
}

static struct thread_sums thread_sums__of(const struct thread_record *r)
{
	return (struct thread_sums){.at_ns = r->now_ns,
				    .run_ns = r->run_ns,
				    .run_delay_ns = r->run_delay_ns,
				    .away_ns = r->away_ns,
				    .switches = r->switches,
				    .blocked = r->blocked};
}

/* Of a thread that began in this window all counts; of one that was there, what comes after this. */
static struct thread_sums thread__base(const struct thread_table *t, const struct thread_record *r)
{
	if (t->begin_ns && r->start_ns >= t->begin_ns)
		return (struct thread_sums){.at_ns = r->start_ns};
	return thread_sums__of(r);
}

/* The tid was used again: what the earlier thread had in this window stays. */
static void thread__carry(struct thread *th)
{
	thread__times(th, &th->carried);
	th->owed_ns = th->owed_delay_ns = 0;
	th->owed_switches = 0;
}

static uint64_t since(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

int thread_table__note(struct thread_table *t, const struct thread_record *r, struct thread **ret,
		       struct thread_sums *ret_before)
{
	const struct thread_id id = {.process_start_ns = r->key.start_ns, .tid = r->tid};
	struct thread *th = thread_table__find(t, id.process_start_ns, id.tid);
	bool is_new = !th;
	int err;

	if (!th) {
		err = thread_table__add(t, &id, &th);
		if (err)
			return err;
		th->tid = r->tid;
	} else if (th->start_ns != r->start_ns) {
		thread__carry(th);
		is_new = true;
	}
	if (is_new) {
		th->start_ns = r->start_ns;
		th->base = th->last = thread__base(t, r);
		th->switches = th->base.run_ns ? r->switches : 0;
		th->queue = (struct false_queue){.delay_ns = r->run_delay_ns};
		th->slept_ns = 0;
	}
	th->key = r->key;
	th->is_kernel_thread = r->flags & THREAD_IS_KERNEL;
	th->is_followed |= !!(r->flags & THREAD_IS_INCLUDED);
	th->ended = r->ended;
	th->pass = t->pass;
	memcpy(th->comm, r->comm, COMM_LEN);
	*ret_before = th->last;
	if (r->now_ns >= th->last.at_ns) {
		th->last = thread_sums__of(r);
		th->slept_ns += false_queue__take(&th->queue, r->run_delay_ns, r->false_queue_ms);
		th->last.run_delay_ns = since(r->run_delay_ns, th->slept_ns);
	}
	*ret = th;
	return 0;
}

struct thread *thread_table__find(const struct thread_table *t, uint64_t process_start_ns, uint32_t tid)
{
	const struct thread_id id = {.process_start_ns = process_start_ns, .tid = tid};
	uint32_t at = hashmap__find(&t->by_tid, thread_id__hash(&id), thread__eq, &id, t);

	return at == HASHMAP_NONE ? NULL : &t->threads[at];
}

uint32_t thread__take_switches(struct thread *t, const struct thread_record *r)
{
	int32_t more = (int32_t)(r->switches - t->switches); /* the count wraps around */

	if (r->now_ns < t->last.at_ns)
		return 0;
	t->switches = r->switches;
	return more > 0 ? (uint32_t)more : 0;
}

/* What was taken of its CPU: a count that goes round, and begins anew where the thread gets another place for it (bpf/wait_slot.h). */
static uint64_t away_since(uint64_t now, uint64_t before, uint64_t wall_ns)
{
	uint64_t more = (now - before) % AWAY_ROUND;

	if (now >= before)
		return now - before;
	return more <= wall_ns ? more : 0;
}

void thread__times(const struct thread *t, struct thread_times *ret)
{
	uint64_t wall_ns;
	uint32_t blocked;

	*ret = t->carried;
	wall_ns = since(t->last.at_ns, t->base.at_ns);
	ret->wall_ns += wall_ns;
	ret->run_ns += since(t->last.run_ns, t->base.run_ns);
	ret->run_delay_ns += since(t->last.run_delay_ns, t->base.run_delay_ns);
	ret->away_ns += away_since(t->last.away_ns, t->base.away_ns, wall_ns);
	blocked = t->last.blocked - t->base.blocked;
	ret->n_preempted += t->last.switches - t->base.switches - blocked;
	/* from its last one nobody comes back */
	ret->n_blocked += blocked - (blocked && t->ended == THREAD_GONE);
}
