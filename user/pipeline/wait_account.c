// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/wait_account.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/frame.h"
#include "bpf/lock.h"
#include "bpf/wait.h"
#include "user/pipeline/wait_count.h"

enum { FOR_OTHER, FOR_CPU, KINDS };

/* What is counted apart: whoever waits for something else is woken, and waits for a CPU then. */
enum { COUNT_OTHER, COUNT_RUNNABLE, COUNT_PREEMPTED, COUNTS };

#define UNSAMPLED_SHARE 0.1 /* of a thread's waits: fewer are not worth a row */

bool wait_account__is_futex(const struct sample_tag *tag)
{
	return tag->state == WAIT_BLOCKED && IS_FUTEX(tag->syscall);
}

static int kind_of(uint8_t state)
{
	static const uint8_t for_cpu[WAIT_MAX] = {
#define X(id, name, for_cpu_, text) [WAIT_##id] = for_cpu_,
		WAIT_STATES(X)
#undef X
	};

	return state < WAIT_MAX && for_cpu[state] ? FOR_CPU : FOR_OTHER;
}

static int count_of(uint8_t state)
{
	return kind_of(state) == FOR_OTHER ? COUNT_OTHER
	       : state == WAIT_RUNNABLE    ? COUNT_RUNNABLE
					   : COUNT_PREEMPTED;
}

/* Of one thread: what its samples say, and what the kernel does. */
struct settled {
	struct thread_times times;
	uint64_t sampled_ns[KINDS], exact_ns[KINDS];
	double uncertain_ns[KINDS]; /* how much of the samples is a matter of chance */
	uint64_t futex_sampled_ns, futex_settled_ns;
	struct wait_count counts[COUNTS];
	double unsampled; /* waits for something else, of which none was taken */
};

/* Index + 1 of each row's thread in the table; 0: not known. */
static void find_threads(const struct window *w, const struct thread_table *threads, uint32_t *ret)
{
	for (uint32_t i = 0; i < w->n_rows; i++) {
		const struct window_row *row = &w->rows[i];
		const struct thread *t =
			thread_table__find(threads, w->processes[row->process].key.start_ns, row->tid);

		ret[i] = t ? (uint32_t)(t - threads->threads) + 1 : 0;
	}
}

static void sum_samples(const struct window *w, const uint32_t *thread_of_row, struct settled *settled)
{
	for (uint32_t i = 0; i < w->n_entries; i++) {
		const struct window_entry *e = &w->entries[i];
		uint32_t t = thread_of_row[e->row];

		if (t)
			settled[t - 1].sampled_ns[kind_of(w->rows[e->row].tag.state)] += e->value;
	}
}

/* How much was stolen beside each nanosecond that a thread ran. */
static double stolen_share(const struct settled *settled, uint32_t n, uint64_t stolen_ns)
{
	double run_ns = 0;

	for (uint32_t i = 0; i < n; i++)
		run_ns += (double)settled[i].times.run_ns;
	return run_ns > 0 ? (double)stolen_ns / run_ns : 0;
}

static void sum_exact(struct settled *s, double stolen)
{
	struct thread_times *times = &s->times;
	uint64_t off = times->wall_ns > times->run_ns ? times->wall_ns - times->run_ns : 0;
	double most = off > times->run_delay_ns ? (double)(off - times->run_delay_ns) : 0;

	times->away_ns = (uint64_t)fmin((double)times->away_ns + (double)times->run_ns * stolen, most);
	off -= times->away_ns;
	s->exact_ns[FOR_CPU] = times->run_delay_ns < off ? times->run_delay_ns : off;
	s->exact_ns[FOR_OTHER] = off - s->exact_ns[FOR_CPU];
}

/*
 * How far chance may have moved an entry, beside others of its thread: 1 for waits that are short against the mean interval of what is taken, hardly anything for
 * those much longer, which are taken whatever comes, and for those that passes told as they went on.
 */
static double chance_of(const struct window *w, const struct window_entry *e)
{
	const double least = 0.01; /* no clock is better */
	double x;

	if (!w->period_ns)
		return 1;
	if (!e->count)
		return least;
	x = (double)e->value / e->count / (double)w->period_ns;
	return x > 0 ? x / expm1(x) + least : 1;
}

static void sum_uncertain(const struct window *w, const uint32_t *thread_of_row, struct settled *settled)
{
	for (uint32_t i = 0; i < w->n_entries; i++) {
		const struct window_entry *e = &w->entries[i];
		uint32_t t = thread_of_row[e->row];

		if (t)
			settled[t - 1].uncertain_ns[kind_of(w->rows[e->row].tag.state)] +=
				(double)e->value * chance_of(w, e);
	}
}

/* What its samples have to be multiplied by. */
static double factor_of(const struct window *w, const struct window_entry *e, const struct settled *s,
			int kind)
{
	double sampled = (double)s->sampled_ns[kind], exact = (double)s->exact_ns[kind];
	double uncertain = s->uncertain_ns[kind];
	double chance = fmin(fmax(exact - sampled, -0.9 * uncertain), uncertain);

	return (1 + chance_of(w, e) * chance / uncertain) * exact / (sampled + chance);
}

/* How many there were of each kind. */
static void exact_counts(const struct thread_times *t, double ret[COUNTS])
{
	ret[COUNT_OTHER] = ret[COUNT_RUNNABLE] = t->n_blocked;
	ret[COUNT_PREEMPTED] = t->n_preempted;
}

static struct wait_entry entry_of(const struct window *w, const struct window_entry *e)
{
	return (struct wait_entry){.count = e->count, .value = e->value, .period_ns = w->period_ns};
}

/* How entries are made to add up to how often threads left their CPUs. What they say of time is not settled yet. */
static void settle_counts(const struct window *w, const uint32_t *thread_of_row, struct settled *settled,
			  uint32_t n_threads)
{
	double exact[COUNTS];

	for (int again = 0; again < 2; again++) {
		for (uint32_t i = 0; i < w->n_entries; i++) {
			const struct wait_entry e = entry_of(w, &w->entries[i]);
			uint32_t row = w->entries[i].row, t = thread_of_row[row];

			if (t)
				(again ? wait_count__see_moved : wait_count__see)(
					&settled[t - 1].counts[count_of(w->rows[row].tag.state)], &e);
		}
		for (uint32_t i = 0; i < n_threads; i++) {
			struct wait_count *counts = settled[i].counts;
			double few;

			exact_counts(&settled[i].times, exact);
			for (int k = 0; k < COUNTS && !again; k++)
				wait_count__move(&counts[k], exact[k]);
			if (!again)
				continue;
			/* those that get no row of their own are the others' */
			few = UNSAMPLED_SHARE * exact[COUNT_OTHER];
			settled[i].unsampled =
				wait_count__settle(&counts[COUNT_OTHER], exact[COUNT_OTHER],
						   exact[COUNT_OTHER] - counts[COUNT_OTHER].moved < few);
			wait_count__settle(&counts[COUNT_RUNNABLE], exact[COUNT_RUNNABLE], true);
			wait_count__settle(&counts[COUNT_PREEMPTED], exact[COUNT_PREEMPTED], true);
		}
	}
}

/*
 * The entries of a thread are made to add up. What is missing or too much is chance first: each takes of it by how far chance may have moved it, at most to twice or a
 * tenth of what it was. What then is left nobody explains, and all take of it alike.
 */
static void scale(struct window *w, const uint32_t *thread_of_row, struct settled *settled)
{
	double left = 0;

	for (uint32_t i = 0; i < w->n_entries; i++) {
		struct window_entry *e = &w->entries[i];
		const struct sample_tag *tag = &w->rows[e->row].tag;
		uint32_t t = thread_of_row[e->row];
		int kind = kind_of(tag->state);
		bool is_futex = wait_account__is_futex(tag);
		struct wait_entry count;
		double factor;

		if (!t || !settled[t - 1].sampled_ns[kind])
			continue;
		factor = factor_of(w, e, &settled[t - 1], kind);
		count = entry_of(w, e);
		settled[t - 1].futex_sampled_ns += is_futex ? e->value : 0;
		e->value = (uint64_t)((double)e->value * factor + 0.5);
		e->count = wait_count__whole(
			e->count, wait_count__of(&settled[t - 1].counts[count_of(tag->state)], &count),
			&left);
		settled[t - 1].futex_settled_ns += is_futex ? e->value : 0;
	}
}

static int add_unsampled(struct window *w, const struct thread *t, uint32_t process, int kind, uint64_t n,
			 uint64_t value)
{
	const uint64_t word = frame_of_cut(END_NOT_SAMPLED);
	struct window_sample s = {
		.process = process,
		.tid = t->tid,
		.comm = t->comm,
		.words = &word,
		.n_words = 1,
		.end = END_NOT_SAMPLED,
		.tag = {.event = EVENT_OFFCPU,
			.state = kind == FOR_CPU ? WAIT_RUNNABLE : WAIT_BLOCKED,
			.syscall = SYSCALL_NONE},
		.value = value,
	};
	int err = window__add(w, &s, NULL, NULL);

	return err || !n ? err : window__add_more(w, s.row, n, 0); /* of no sample */
}

static void settle_thread(struct window *w, const struct thread *t, const struct settled *s,
			  const struct wait_account_ports *ports, struct wait_account *sums)
{
	uint32_t process;

	if (ports->process(ports->ctx, w, t, &process))
		return;
	if (ports->futexes && s->futex_sampled_ns)
		ports->futexes(ports->ctx, t, s->futex_sampled_ns, s->futex_settled_ns);
	sums->n_threads++;
	sums->wall_ns += s->times.wall_ns;
	sums->run_ns += s->times.run_ns;
	sums->away_ns += s->times.away_ns;
	for (int kind = 0; kind < KINDS; kind++) {
		uint64_t missing_ns = s->sampled_ns[kind] ? 0 : s->exact_ns[kind];
		double n = kind == FOR_OTHER ? s->unsampled : 0;

		sums->exact_ns[kind] += s->exact_ns[kind];
		sums->sampled_ns[kind] += s->sampled_ns[kind];
		sums->unsampled_ns[kind] += missing_ns;
		if (n < UNSAMPLED_SHARE * s->times.n_blocked)
			n = 0;
		if (missing_ns || n >= 2)
			add_unsampled(w, t, process, kind, (uint64_t)n, missing_ns);
	}
	window__add_thread(w, process, t->tid, t->comm, &s->times); /* without room: the samples stay */
}

int wait_account__settle(struct window *w, const struct thread_table *threads, uint64_t stolen_ns,
			 const struct wait_account_ports *ports, struct wait_account *ret)
{
	uint32_t *thread_of_row = calloc(w->n_rows + 1, sizeof(*thread_of_row));
	struct settled *settled = calloc(threads->n + 1, sizeof(*settled));
	double stolen;
	int err = -ENOMEM;

	*ret = (struct wait_account){};
	if (!thread_of_row || !settled)
		goto out;
	find_threads(w, threads, thread_of_row);
	sum_samples(w, thread_of_row, settled);
	sum_uncertain(w, thread_of_row, settled);
	for (uint32_t i = 0; i < threads->n; i++)
		thread__times(&threads->threads[i], &settled[i].times);
	stolen = stolen_share(settled, threads->n, stolen_ns);
	for (uint32_t i = 0; i < threads->n; i++)
		sum_exact(&settled[i], stolen);
	settle_counts(w, thread_of_row, settled, threads->n);
	scale(w, thread_of_row, settled);
	for (uint32_t i = 0; i < threads->n; i++)
		settle_thread(w, &threads->threads[i], &settled[i], ports, ret);
	err = 0;
out:
	free(thread_of_row);
	free(settled);
	return err;
}
