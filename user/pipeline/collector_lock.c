// SPDX-License-Identifier: Apache-2.0
/*
 * collector_lock - waits for locks: those of the kernel as it counts them (bpf/lock.bpf.c), and those of user space out of the waits that are recorded anyway.
 *
 * Problem: a lock of user space is had without the kernel; all that there is of it is a wait in futex.
 * Idea: such waits are sampled already, unbiased, by the hook on switches and the passes over all threads. While locks are recorded, waits are, too, in a window
 *   that nobody keeps if nobody asked for it, and each sample of a wait in futex is counted a second time, in the window of locks. So
 *   both agree by construction, and locks of user space cost nothing of their own. When the window of waits ends, they are made to agree with the kernel's account of
 *   each thread, and so are these. Time that was waited for a CPU after the wake-up is not the lock's.
 *   Who held it is who woke: that thread released it. Of a wait that goes on, the lock itself is asked (user/process/futex).
 * Invariants: a wait that goes on is added to the row of its stack in both windows, by pairs of rows; a new window of either has none, and its first pass
 *   tells all stacks anew.
 * What it does not do: tell mutexes, condition variables and semaphores of user space apart: their functions stand in the stack.
 */
#include "user/pipeline/collector_lock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/lock.h"
#include "user/base/hashmap.h"
#include "user/base/intern.h"
#include "user/base/io.h"
#include "user/base/buf.h"
#include "user/base/log.h"
#include "user/pipeline/collector_impl.h"
#include "user/pipeline/event_source.h"
#include "user/pipeline/wait_account.h"
#include "user/pipeline/wait_count.h"

#define INTERVAL_START_NS  1000000u
#define INTERVAL_MIN_NS    1000u
#define INTERVAL_MAX_NS    1000000000u
#define TAKEN_A_CPU        100 /* a second: a thousandth of its time */
#define COMMS              256
#define KERNEL_THREAD_COMM 64 /* in /proc, workers have longer names */

static const char *const kinds[LOCK_KIND_N] = {
#define KIND_NAME(id, name) [LOCK_##id] = name,
	LOCK_KINDS(KIND_NAME)
#undef KIND_NAME
};

/* A thread's name as of some slice: one that has ended keeps it. */
struct known_comm {
	uint32_t tid;
	uint32_t slice; /* in which it was read */
	char comm[COMM_LEN + 1];
};

/* What the samples of a thread's waits for futexes have to be multiplied by. */
struct futex_factor {
	uint64_t start_ns; /* of its process */
	uint32_t tid;
	double factor;
};

struct lock_state {
	struct futex_factor *factors; /* of the last window of waits */
	uint32_t n_factors, cap_factors;
	uint64_t period_ns;
	struct hashmap factor_of_thread;
	uint64_t n_taken; /* as of the last slice */
	uint32_t slice;
	struct known_comm comms[COMMS]; /* by tid; the next one with the same place takes it */
};

static struct lock_state *state_of(const struct collector *c)
{
	return c->source_state[EVENT_LOCK];
}

/* The thread's name, "" where it is gone and was never asked for. */
static const char *comm_of(struct collector *c, uint32_t tid)
{
	struct lock_state *state = state_of(c);
	struct known_comm *k = &state->comms[tid % COMMS];
	char path[32];
	struct buf b;

	if (k->tid == tid && k->slice == state->slice)
		return k->comm;
	if (k->tid != tid)
		k->comm[0] = '\0';
	k->tid = tid;
	k->slice = state->slice;
	snprintf(path, sizeof(path), "%u/comm", tid);
	buf__init(&b, KERNEL_THREAD_COMM);
	if (!io__read_at(c->proc_fd, path, KERNEL_THREAD_COMM, &b)) {
		snprintf(k->comm, sizeof(k->comm), "%s", buf__str(&b));
		k->comm[strcspn(k->comm, "\n")] = '\0';
	}
	buf__done(&b);
	return k->comm;
}

/* Lines of key=value as a string of the window, for naming: who, as `role`, after what is there already. */
static uint32_t describe(struct collector *c, struct window *w, const char *lock, const char *role,
			 uint32_t tid)
{
	char text[160] = "";
	uint32_t id = 0;
	size_t n = 0;

	if (lock)
		n += (size_t)snprintf(text, sizeof(text), "lock=%s\n", lock);
	if (tid == WAKER_INTERRUPT)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s=[interrupt]\n", role);
	else if (tid)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s=%s\n%s_tid=%u\n", role, comm_of(c, tid),
				      role, tid);
	if (n)
		intern__add(w->strings, text, n, &id);
	return id;
}

/* As describe() begins. */
static bool is_of_kind(const struct window *w, const struct window_row *row, enum lock_kind kind)
{
	const char *text = row->tag.arg ? window__str(w, row->tag.arg) : "";
	size_t len = strlen(kinds[kind]);

	return !strncmp(text, "lock=", 5) && !strncmp(text + 5, kinds[kind], len) && text[5 + len] == '\n';
}

void collector__count_futex(struct collector *c, const struct task_key *key, const struct window_sample *s,
			    uint32_t holder, uint32_t *ret_row)
{
	struct window *w = c->windows[EVENT_LOCK];
	struct window_sample lock = *s;

	if (!w || !c->is_recording[EVENT_LOCK] || !wait_account__is_futex(&s->tag))
		return;
	if (holder == WAKER_INTERRUPT)
		holder = 0; /* its time was over: nobody gave it */
	lock.tag.event = EVENT_LOCK;
	lock.tag.arg = describe(c, w, kinds[LOCK_FUTEX], "holder", holder);
	if (!collector__count(c, key, &lock) && ret_row)
		*ret_row = lock.row + 1;
}

void collector__count_lock(struct collector *c, const struct task_key *key, struct window_sample *s)
{
	struct window *w = c->windows[EVENT_LOCK];
	uint8_t kind = s->tag.state < LOCK_KIND_N ? s->tag.state : LOCK_OTHER;

	if (!w)
		return;
	s->tag.state = LOCK_SPINS(kind) ? THREAD_RUNS : WAIT_BLOCKED;
	s->tag.arg = describe(c, w, kinds[kind], "holder", s->tag.arg);
	collector__count(c, key, s);
}

void collector__name_waker(struct collector *c, struct window_sample *s)
{
	struct window *w = c->windows[EVENT_OFFCPU];
	uint32_t waker = s->tag.arg;

	s->tag.arg = w && waker && c->opts.wakers ? describe(c, w, NULL, "waker", waker) : 0;
}

const uint64_t *collector__hide_away(const struct window_sample *s, uint64_t to[STACK_WORDS_MAX])
{
	uint32_t at = 0;

	while (at < s->n_words && s->words[at] != FRAME_WOKEN_BY_AWAY)
		at++;
	if (at == s->n_words || s->n_words > STACK_WORDS_MAX)
		return s->words;
	for (uint32_t i = 0; i < s->n_words; i++)
		to[i] = i > at && FRAME_KIND(s->words[i]) == FRAME_RAW ? FRAME_AWAY : s->words[i];
	return to;
}

void collector__pair_lock_row(struct collector *c, uint32_t wait_row, uint32_t lock_row)
{
	uint32_t cap = c->cap_lock_rows ? c->cap_lock_rows : 1024;
	uint32_t *grown;

	if (wait_row >= c->cap_lock_rows) {
		if (!lock_row)
			return;
		while (cap <= wait_row)
			cap *= 2;
		grown = realloc(c->lock_rows, cap * sizeof(*grown));
		if (!grown)
			return; /* what it waits further is missing among locks */
		memset(grown + c->cap_lock_rows, 0, (cap - c->cap_lock_rows) * sizeof(*grown));
		c->lock_rows = grown;
		c->cap_lock_rows = cap;
	}
	c->lock_rows[wait_row] = lock_row;
}

void collector__count_more_of_lock(struct collector *c, uint32_t wait_row, uint64_t n, uint64_t ns)
{
	if (wait_row < c->cap_lock_rows && c->lock_rows[wait_row] && c->windows[EVENT_LOCK])
		window__add_more(c->windows[EVENT_LOCK], c->lock_rows[wait_row] - 1, n, ns);
}

void collector__forget_lock_rows(struct collector *c)
{
	if (c->lock_rows)
		memset(c->lock_rows, 0, c->cap_lock_rows * sizeof(*c->lock_rows));
}

/* ---- what they are made to add up to ---- */

static bool is_of_thread(uint32_t index, const void *key, const void *owner)
{
	const struct futex_factor *of = &((const struct lock_state *)owner)->factors[index], *wanted = key;

	return of->tid == wanted->tid && of->start_ns == wanted->start_ns;
}

void collector__begin_futexes(struct collector *c, uint64_t period_ns)
{
	struct lock_state *state = state_of(c);

	state->period_ns = period_ns;
	state->n_factors = 0;
	hashmap__clear(&state->factor_of_thread);
}

void collector__note_futexes(void *collector, const struct thread *t, uint64_t sampled_ns,
			     uint64_t settled_ns)
{
	struct lock_state *state = state_of(collector);
	uint32_t cap = state->cap_factors ? state->cap_factors * 2 : 256;
	struct futex_factor *grown = state->factors;

	if (state->n_factors == state->cap_factors) {
		grown = realloc(grown, cap * sizeof(*grown));
		if (!grown)
			return; /* they stay as they were sampled */
		state->factors = grown;
		state->cap_factors = cap;
	}
	grown[state->n_factors] = (struct futex_factor){.start_ns = t->key.start_ns,
							.tid = t->tid,
							.factor = (double)settled_ns / (double)sampled_ns};
	if (!hashmap__add(&state->factor_of_thread, hash_pair(t->key.start_ns, t->tid), state->n_factors))
		state->n_factors++;
}

static double factor_of(const struct lock_state *state, const struct window *w, const struct window_row *row)
{
	const struct futex_factor key = {.start_ns = w->processes[row->process].key.start_ns,
					 .tid = row->tid};
	uint32_t at = hashmap__find(&state->factor_of_thread, hash_pair(key.start_ns, key.tid), is_of_thread,
				    &key, state);

	return at == HASHMAP_NONE ? 1 : state->factors[at].factor;
}

/* Index of the thread's place among those where wake-ups counted (bpf/waking.bpf.c); n_futex_counts: it has none. */
static uint32_t counted_at(const struct kernel_maps *m, uint32_t tid)
{
	for (int n = 0; n < 2; n++) {
		uint32_t at = wait_place(tid, n, m->n_futex_counts);

		if (m->futex_counts[at].tid == tid)
			return at;
	}
	return m->n_futex_counts;
}

static struct wait_entry entry_of(const struct lock_state *state, const struct window_entry *e)
{
	return (struct wait_entry){.count = e->count, .value = e->value, .period_ns = state->period_ns};
}

/* How the samples of each thread are made to add up to how often it was woken; one that has no place stays as it was sampled. */
static void settle_counts(const struct collector *c, const struct window *w, struct wait_count *counts)
{
	const struct kernel_maps *m = c->maps;

	for (int again = 0; again < 2; again++) {
		for (uint32_t i = 0; i < w->n_entries; i++) {
			const struct wait_entry e = entry_of(state_of(c), &w->entries[i]);
			const struct window_row *row = &w->rows[w->entries[i].row];
			uint32_t at =
				is_of_kind(w, row, LOCK_FUTEX) ? counted_at(m, row->tid) : m->n_futex_counts;

			if (at < m->n_futex_counts)
				(again ? wait_count__see_moved : wait_count__see)(&counts[at], &e);
		}
		for (uint32_t i = 0; i < m->n_futex_counts; i++) {
			if (again)
				wait_count__settle(&counts[i], m->futex_counts[i].n, true);
			else
				wait_count__move(&counts[i], m->futex_counts[i].n);
		}
	}
}

/* Those of user space: of the kernel's own locks nothing is known but what was sampled. */
static void scale_futexes(const struct collector *c, struct window *w)
{
	/* the last one stays as it is: of those that were not counted */
	struct wait_count *counts = calloc(c->maps->n_futex_counts + 1, sizeof(*counts));
	double left = 0;

	if (!counts) {
		log_warn("collector: no memory for the number of waits for locks, they stay as they were "
			 "sampled");
		return;
	}
	settle_counts(c, w, counts);
	for (uint32_t i = 0; i < w->n_entries; i++) {
		struct window_entry *e = &w->entries[i];
		const struct window_row *row = &w->rows[e->row];
		const struct wait_entry sampled = entry_of(state_of(c), e);

		if (!is_of_kind(w, row, LOCK_FUTEX))
			continue;
		e->value = (uint64_t)((double)e->value * factor_of(state_of(c), w, row) + 0.5);
		e->count = wait_count__whole(
			e->count, wait_count__of(&counts[counted_at(c->maps, row->tid)], &sampled), &left);
	}
	free(counts);
}

/* ---- when ---- */

static void settle_locks(struct collector *c, struct window *w)
{
	char text[128];

	scale_futexes(c, w);
	if (state_of(c)->period_ns)
		w->period_ns = state_of(c)->period_ns; /* of the waits among which they are */
	snprintf(text, sizeof(text),
		 "waits for locks: of user space one taken in %.3g ms, of the kernel in %.3g ms",
		 (double)w->period_ns / 1e6, (double)c->maps->gate->lock_interval_ns / 1e6);
	intern__add(w->strings, text, strlen(text), &w->note);
}

static void begin_locks(struct collector *c, struct window *w)
{
	(void)w;
	collector__forget_lock_rows(c);
	memset(c->maps->futex_counts, 0, c->maps->n_futex_counts * sizeof(*c->maps->futex_counts));
	c->maps->gate->wait_round++;
}

/* Of all waits, or of locks alone. */
void collector__follow_wakers(struct collector *c)
{
	bool wanted = (c->opts.wakers || c->is_recording[EVENT_LOCK]) && c->is_recording[EVENT_OFFCPU];
	int err = loader__hook(c->loader, HOOK_waking, wanted);

	if (err)
		log_warn("collector: cannot look at who wakes whom: %s, ignoring", strerror(-err));
	c->maps->gate->wakers_on = !wanted || err ? 0
						  : WAKERS_NAMES | (c->opts.wakers ? WAKERS_STACKS : 0) |
							    (c->is_recording[EVENT_LOCK] ? WAKERS_FUTEX : 0);
}

static int init_locks(struct collector *c, struct err *err)
{
	(void)err;
	c->source_state[EVENT_LOCK] = calloc(1, sizeof(struct lock_state));
	return c->source_state[EVENT_LOCK] ? 0 : -ENOMEM;
}

/* Without the tracepoints there are those of user space. */
static int start_locks(struct collector *c)
{
	struct gate *gate = c->maps->gate;
	int err;

	c->is_recording[EVENT_LOCK] = true;
	collector__follow_wakers(c);
	gate->lock_interval_ns = INTERVAL_START_NS;
	gate->lock_round++; /* waits that were under way when recording stopped have ended, and nobody saw it */
	err = loader__hook(c->loader, HOOK_lock_end, true);
	if (!err)
		err = loader__hook(c->loader, HOOK_lock_begin, true);
	if (err)
		log_warn("collector: locks of the kernel are not recorded: %s", strerror(-err));
	gate->locks_on = !err;
	return 0;
}

static void stop_locks(struct collector *c)
{
	c->maps->gate->locks_on = 0;
	loader__hook(c->loader, HOOK_lock_begin, false);
	loader__hook(c->loader, HOOK_lock_end, false);
	collector__follow_wakers(c);
}

static int read_taken(const struct collector *c, uint64_t *ret)
{
	static struct wait_clock clocks[CPUS_MAX];
	int n = libbpf_num_possible_cpus();
	uint32_t zero = 0;

	if (n <= 0 || n > CPUS_MAX || bpf_map_lookup_elem(c->maps->lock_clocks_fd, &zero, clocks))
		return -errno;
	*ret = 0;
	for (int i = 0; i < n; i++)
		*ret += clocks[i].n_taken;
	return 0;
}

/* Towards as many as may be taken; as for waits (wait_control). */
static void control_locks(struct collector *c)
{
	double most = TAKEN_A_CPU * (double)c->stats.n_cpus, factor, interval;
	struct lock_state *state = state_of(c);
	uint64_t taken = 0;

	if (read_taken(c, &taken))
		return;
	factor = (double)(taken - state->n_taken + 1) / most;
	state->n_taken = taken;
	state->slice++; /* names may have changed */
	factor = factor < 0.5 ? 0.5 : factor > 8 ? 8 : factor;
	interval = (double)c->maps->gate->lock_interval_ns * factor;
	interval = interval < INTERVAL_MIN_NS   ? INTERVAL_MIN_NS
		   : interval > INTERVAL_MAX_NS ? INTERVAL_MAX_NS
						: interval;
	c->maps->gate->lock_interval_ns = (uint64_t)interval;
}

static void free_locks(struct collector *c)
{
	struct lock_state *state = state_of(c);

	if (state) {
		hashmap__done(&state->factor_of_thread);
		free(state->factors);
	}
	free(state);
	free(c->lock_rows);
}

static uint64_t lock_period(const struct collector *c)
{
	return c->wait_orders.interval_ns; /* of those of user space */
}

const struct event_source lock_source = {
	.init = init_locks,
	.start = start_locks,
	.begin = begin_locks,
	.control = control_locks,
	.settle = settle_locks,
	.stop = stop_locks,
	.done = free_locks,
	.period = lock_period,
};
