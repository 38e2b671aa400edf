// SPDX-License-Identifier: Apache-2.0
/*
 * collector_threads - every thread's stack, now: where all stand, who holds what others wait for, and who waits in a circle.
 *
 * Problem: a picture of all threads that agrees with itself needs them to stand still, and nothing may be stopped.
 * Idea: the pass over all threads (bpf/waiting.bpf.c) tells the kernel's frames and the registers of each; the user stack, and what a futex says of its
 *   holder, are read from outside right then. A second pass tells how often each thread has left its CPU since its start: where that is the number of
 *   before, it has not run, and what was read in between is what it stands in. Only those that have run are read again, a few times.
 *   So all that is sure was true at one moment: when the first pass had ended. A circle of threads that are sure, each waiting without a
 *   timeout for a lock that the next holds, can not come apart by itself: that is a deadlock, and not a snapshot of one that looks like it.
 * Layout: threads in an array with an index by tid, their words one after the other; what a stack had before it was read again stays unused until the end.
 * Cost: 2 us a thread and pass, 20 us a stack; in a pid namespace a file of /proc more for each thread of a process in which one waits for a lock whose holder is known.
 * What it does not do: tell where a thread stands that runs on another CPU all the while; its stack is one frame that says so. See locks that do not say who
 *   holds them (user/process/futex).
 */
#include "user/pipeline/event_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/walk.h"
#include "user/base/hashmap.h"
#include "user/base/intern.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "user/kernel/task_list.h"
#include "user/pipeline/collector_impl.h"
#include "user/pipeline/deadlock.h"
#include "user/pipeline/lock_holders.h"
#include "user/pipeline/thread_stack.h"
#include "user/process/futex.h"
#include "user/process/proc_dir.h"

#define ROUNDS    4 /* passes at most: the first, and what comes after to be sure */
#define WORDS_MAX (4u << 20)

_Static_assert(LOCK_HOLDERS_NOBODY == DEADLOCK_NOBODY, "holders are handed on as they are found");

struct told {
	struct task_key key;
	uint64_t start_ns;
	uint64_t lock;   /* address of the futex that it waits for; 0: for none */
	uint32_t holder; /* of that, as its pid namespace has it; 0: not known */
	uint32_t tid, switches, round;
	uint32_t first_word, n_words;
	int16_t syscall;
	uint8_t state, end;
	bool has_stack, is_sure; /* it has not run since before that was read */
	bool waits_forever, is_derived;
	char comm[COMM_LEN + 1];
};

struct dump {
	struct collector *c;
	struct told *threads;
	uint64_t *words;
	uint32_t n, cap, n_words, cap_words;
	struct hashmap by_tid;
	uint32_t pid, round; /* pid 0: all */
	uint32_t n_unsure;
};

static bool told__eq(uint32_t index, const void *key, const void *owner)
{
	const struct told *t = &((const struct dump *)owner)->threads[index];

	return t->tid == *(const uint32_t *)key;
}

static uint32_t dump__find(const struct dump *d, uint32_t tid)
{
	return hashmap__find(&d->by_tid, hash_u64(tid), told__eq, &tid, d);
}

static int dump__grow(void *array, uint32_t *cap, uint32_t needed, size_t size)
{
	uint32_t more = *cap ? *cap : 1024;
	void *grown;

	if (needed <= *cap)
		return 0;
	while (more < needed)
		more *= 2;
	grown = realloc(*(void **)array, more * size);
	if (!grown)
		return -ENOMEM;
	*(void **)array = grown;
	*cap = more;
	return 0;
}

/* The entry of a thread, one for it if there is none; NULL: no room. */
static struct told *dump__told(struct dump *d, const struct thread_record *r)
{
	uint32_t at = dump__find(d, r->tid);
	struct told *t;

	if (at == HASHMAP_NONE) {
		if (dump__grow(&d->threads, &d->cap, d->n + 1, sizeof(*d->threads)) ||
		    hashmap__add(&d->by_tid, hash_u64(r->tid), d->n))
			return NULL;
		at = d->n++;
		d->threads[at] = (struct told){};
	}
	t = &d->threads[at];
	if (t->start_ns != r->start_ns) /* new, or the tid was used again */
		*t = (struct told){.start_ns = r->start_ns, .tid = r->tid};
	t->key = r->key;
	t->state = r->state == WAIT_PREEMPTED ? WAIT_RUNNABLE : r->state; /* or woken: that is not told */
	t->syscall = r->syscall;
	t->round = d->round;
	memcpy(t->comm, r->comm, COMM_LEN);
	return t;
}

static int dump__keep_stack(struct dump *d, struct told *t, const uint64_t *words, uint32_t n, uint8_t end)
{
	uint64_t no_room = frame_of_cut(END_NO_ROOM);

	if (d->n_words + n > WORDS_MAX ||
	    dump__grow(&d->words, &d->cap_words, d->n_words + n, sizeof(*d->words))) {
		if (d->n_words == d->cap_words)
			return -ENOMEM;
		words = &no_room;
		n = 1;
		end = END_NO_ROOM;
	}
	t->first_word = d->n_words;
	t->n_words = n;
	t->end = end;
	memcpy(d->words + d->n_words, words, n * sizeof(*words));
	d->n_words += n;
	return 0;
}

/* Where there is nothing to show: a frame that says why. */
static int dump__keep_end(struct dump *d, struct told *t, uint8_t end)
{
	uint64_t word = frame_of_cut(end);

	return dump__keep_stack(d, t, &word, 1, end);
}

static void look_at_lock(struct told *t, const struct thread_record *r)
{
	struct futex_wait w = {0};

	t->holder = collector__read_holder(r, &w);
	t->lock = w.addr;
	t->waits_forever = !w.has_timeout;
}

/* What can be read of it now. */
static int dump__read(struct dump *d, struct told *t, const struct thread_record *r)
{
	struct walk *w = d->c->walk;

	t->switches = r->switches;
	t->is_sure = false;
	t->has_stack = r->has_stack;
	d->n_unsure += r->state < THREAD_RUNS;
	if (!r->has_stack)
		return dump__keep_end(d, t, r->state == THREAD_ENDED ? END_EXITING : END_RUNNING);
	collector__walk_thread(d->c, r);
	t->is_derived = collector__take_doubt(d->c);
	look_at_lock(t, r);
	if (!w->n_words)
		return dump__keep_end(d, t, w->end);
	return dump__keep_stack(d, t, (const uint64_t *)w->words, w->n_words, w->end);
}

static bool is_wanted(const struct dump *d, const struct thread_record *r)
{
	const struct collector *c = d->c;
	char comm[COMM_LEN + 1] = "";

	if (d->pid && r->key.tgid != d->pid)
		return false;
	if (c->opts.selector.only_tree && !(r->flags & THREAD_IS_INCLUDED))
		return false;
	memcpy(comm, r->comm, COMM_LEN);
	return collector__wants(d->c, &r->key, comm);
}

static int on_told(const struct thread_record *r, void *ctx)
{
	struct dump *d = ctx;
	bool stood;
	struct told *t;

	if (!is_wanted(d, r))
		return 0;
	t = dump__told(d, r);
	if (!t)
		return -ENOMEM;
	stood = t->n_words && t->has_stack && t->switches == r->switches && r->state != THREAD_RUNS;
	if (stood || (t->n_words && r->state == THREAD_ENDED)) {
		t->is_sure = true;
		return 0;
	}
	return dump__read(d, t, r);
}

/* Those that were not met in the last pass have ended meanwhile. */
static void dump__drop_gone(struct dump *d)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < d->n; i++)
		if (d->threads[i].round == d->round)
			d->threads[n++] = d->threads[i];
	if (n == d->n)
		return;
	d->n = n;
	hashmap__clear(&d->by_tid);
	for (uint32_t i = 0; i < n; i++)
		hashmap__add(&d->by_tid, hash_u64(d->threads[i].tid), i); /* room was there before */
}

static int dump__take(struct dump *d)
{
	struct gate *gate = d->c->maps->gate;
	int err = 0;

	gate->dump = 1;
	while (!err && d->round < ROUNDS) {
		d->round++;
		d->n_unsure = 0;
		err = task_list__threads(d->c->loader, on_told, d);
		if (!d->n_unsure)
			break;
	}
	gate->dump = 0;
	if (!err)
		dump__drop_gone(d);
	return err;
}

/* ---- who holds what ---- */

/* The thread's id as its own pid namespace has it, from /proc; 0: it is gone. */
static uint32_t ns_tid(void *ctx, uint32_t at)
{
	const struct dump *d = ctx;
	const struct told *t = &d->threads[at];
	struct proc_status status;
	char path[64];
	int fd, err;

	snprintf(path, sizeof(path), "%u/task/%u", t->key.tgid, t->tid);
	fd = openat(d->c->proc_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	err = read_proc_status(fd, &status);
	io__close(&fd);
	return err ? 0 : status.ns_tid;
}

static bool is_in_other_namespace(void *ctx, uint32_t at)
{
	const struct dump *d = ctx;
	const struct told *t = &d->threads[at];
	struct process *p = collector__process(d->c, &t->key);
	uint32_t ns_pid = p ? process_table__ns_pid(d->c->processes, p) : 0;

	return ns_pid && ns_pid != t->key.tgid;
}

static int dump__find_holders(const struct dump *d, uint32_t *ret_holders)
{
	const struct lock_holders_port port = {
		.ctx = (void *)d, .is_apart = is_in_other_namespace, .tid_there = ns_tid};
	struct lock_thread *threads = calloc(d->n + 1, sizeof(*threads));
	int err;

	if (!threads)
		return -ENOMEM;
	for (uint32_t i = 0; i < d->n; i++) {
		const struct told *t = &d->threads[i];

		threads[i] = (struct lock_thread){
			.tgid = t->key.tgid, .tid = t->tid, .holder = t->is_sure ? t->holder : 0};
	}
	err = lock_holders__find(threads, d->n, &port, ret_holders);
	free(threads);
	return err;
}

/* What is said of a row beside its stack, as a string of the window: lines of key=value. 0: nothing. */
static uint32_t describe_wait(const struct dump *d, const struct told *t, uint32_t holder, uint32_t circle)
{
	struct intern *strings = d->c->windows[EVENT_THREADS]->strings;
	const struct told *h;
	uint32_t id = 0;
	char text[160];
	int n;

	if (holder == LOCK_HOLDERS_NOBODY)
		return 0;
	h = &d->threads[holder];
	n = snprintf(text, sizeof(text), "holder=%s", h->comm);
	for (int i = 0; i < n; i++)
		text[i] = text[i] == '\n' ? ' ' : text[i];
	n += snprintf(text + n, sizeof(text) - (size_t)n, "\nholder_tid=%u\nlock_address=0x%llx", h->tid,
		      (unsigned long long)t->lock);
	if (circle)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "\ndeadlock=%u", circle);
	intern__add(strings, text, (size_t)n, &id);
	return id;
}

static void count_thread(const struct dump *d, const struct told *t, uint32_t arg)
{
	struct window_sample s = {
		.tid = t->tid,
		.tag = {.event = EVENT_THREADS, .state = t->state, .syscall = t->syscall, .arg = arg},
		.comm = t->comm,
		.words = d->words + t->first_word,
		.n_words = t->n_words,
		.end = t->end,
		.is_derived = t->is_derived,
		.count = 1,
	};

	collector__count(d->c, &t->key, &s);
}

/* Numbers of circles become the smallest tid of each: that is the same tomorrow, and in another file. */
static int name_circles(const struct dump *d, uint32_t *circles, uint32_t n)
{
	uint32_t *smallest = malloc((n + 1) * sizeof(*smallest));

	if (!smallest)
		return -ENOMEM;
	memset(smallest, 0xff, (n + 1) * sizeof(*smallest));
	smallest[0] = 0; /* in none */
	for (uint32_t i = 0; i < d->n; i++)
		if (d->threads[i].tid < smallest[circles[i]])
			smallest[circles[i]] = d->threads[i].tid;
	for (uint32_t i = 0; i < d->n; i++)
		circles[i] = smallest[circles[i]];
	free(smallest);
	return 0;
}

static int dump__count(const struct dump *d)
{
	uint32_t *holders = calloc(d->n + 1, sizeof(*holders)), *forever = NULL, *circles = NULL, n;
	int err = -ENOMEM;

	forever = calloc(d->n + 1, sizeof(*forever));
	circles = calloc(d->n + 1, sizeof(*circles));
	if (!holders || !forever || !circles)
		goto out;
	err = dump__find_holders(d, holders);
	if (err)
		goto out;
	for (uint32_t i = 0; i < d->n; i++) {
		const struct told *t = &d->threads[i];

		forever[i] = t->waits_forever && t->state == WAIT_BLOCKED ? holders[i] : DEADLOCK_NOBODY;
	}
	n = deadlock__find(forever, d->n, circles);
	err = name_circles(d, circles, n);
	if (err)
		goto out;
	for (uint32_t i = 0; i < d->n; i++)
		count_thread(d, &d->threads[i], describe_wait(d, &d->threads[i], holders[i], circles[i]));
	if (n)
		log_info("collector: %u deadlocks: threads wait for each other in a circle", n);
out:
	free(holders);
	free(forever);
	free(circles);
	return err;
}

static int dump_threads(struct collector *c, uint32_t pid)
{
	struct dump d = {.c = c, .pid = pid};
	int err;

	hashmap__init(&d.by_tid);
	err = dump__take(&d);
	if (!err)
		err = dump__count(&d);
	if (err)
		log_warn("collector: look at all threads: %s", strerror(-err));
	hashmap__done(&d.by_tid);
	free(d.threads);
	free(d.words);
	return err;
}

/* Each one is counted. */
static uint64_t thread_period(const struct collector *c)
{
	(void)c;
	return 1;
}

const struct event_source threads_source = {.dump = dump_threads, .period = thread_period};
