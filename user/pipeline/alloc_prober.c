// SPDX-License-Identifier: Apache-2.0
/*
 * alloc_prober - windows on allocations.
 *
 * Problem: a probe on malloc costs a program up to ninety-nine hundredths of its speed while it is there.
 * Idea: time is cut into stretches, and in each, at a time drawn evenly, the probes are in place for a millisecond. What is seen in it, times stretch over
 *   window, is an estimate of the stretch that is right on average, whatever the programs' rhythm is. How long a stretch must be follows from what
 *   the last window cost (alloc_control): so the budget holds for each thread, not only for the machine.
 *   One call of the kernel for each file, with all its places. Putting them in place waits for a grace period before the first trap is written, and
 *   taking away waits after the last one is gone: only what lies between costs anybody anything. Files are taken away side by side, because each waits.
 * A thread is seen for the window less what it spent in probes (bpf/alloc.bpf.c), and what it did weighs more for that. Windows are all of one length: one that
 *   lasted longer for who was met would end by what it saw. What was counted in one, and the CPU time of processes in it, goes into the estimate (alloc_estimate) as soon as
 *   it is over; its samples come later, and are only scaled.
 * Invariants: links are descriptors of processes that outlive us by a moment (uprobe_holder): whatever ends us, the probes are taken away. The gate is closed before links are.
 * Cost: some 1 ms of CPU time a window for sixty processes; a millisecond or two of those that do nothing but allocate.
 * Rejected: probes by perf events (the trap stays for some 30 ms around a window of 1 ms).
 * What it does not do: see programs that allocate without a symbol (stripped static ones), or kernels before 6.6.
 */
#include "user/pipeline/alloc_prober.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/kernel/loader.h"
#include "user/pipeline/alloc_cost.h"

#define THREAD_STACK (256 * 1024)
/* Probes are there before the window opens and after it is closed; measured: 0.1 to 0.5 ms. */
#define AROUND_NS 300000ull
/* A correction that is not worth its place. */
#define NEGLIGIBLE 0.005
/* A window says little of a time that is longer past. */
#define OWED_MAX_NS (10.0 * NS_PER_SEC)
#define NEVER       UINT64_MAX
/* A tick of most kernels (CONFIG_HZ=250); less than a grace period, so that the one that was waited for still counts. */
#define TICK_NS (4.0 * NS_PER_MS)
/* Whose code is read as data: between two looks, and in all */
#define READERS_WAIT_MIN_NS  (5 * NS_PER_MS)
#define READERS_WAIT_LONG_NS (100 * NS_PER_MS)
#define READERS_WAIT_MAX_NS  (2 * NS_PER_SEC)
/* Windows that are so many times as far apart as was said last are told. */
#define TELL_TIMES 4

struct alloc_prober {
	struct alloc_prober_opts opts;
	pthread_t thread;
	bool is_started, is_stopping;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct probed_files *files;
	struct alloc_rounds rounds;
	struct alloc_control control;
	struct alloc_clocks clocks;
	struct alloc_estimate estimate;
	struct alloc_prober_stats stats;
	struct alloc_cost cost;
	uint64_t samples_before, holders_ns;
	uint64_t abandoned_ns; /* what windows took that were given up: the next one pays for them */
	uint64_t told_stretch_ns;
	uint64_t random;
};

/* In [0, 1). */
static double draw(struct alloc_prober *p)
{
	p->random += 0x9e3779b97f4a7c15ull;
	uint64_t z = p->random;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

int alloc_prober__new(const struct alloc_prober_opts *opts, struct alloc_prober **ret)
{
	struct alloc_prober *p = calloc(1, sizeof(*p));
	pthread_condattr_t attr;
	int err;

	if (!p)
		return -ENOMEM;
	err = probed_files__new(opts->prog_fd, opts->reader_fd, &p->files);
	if (err) {
		free(p);
		return err;
	}
	p->opts = *opts;
	alloc_rounds__init(&p->rounds, opts->maps->alloc_gate);
	p->random = clock__mono_ns() ^ clock__real_ns() << 20;
	alloc_control__init(&p->control, opts->budget_ppm, opts->n_cpus);
	p->told_stretch_ns = p->control.stretch_ns;
	alloc_estimate__init(&p->estimate);
	err = alloc_clocks__init(&p->clocks, opts->cpu_fd, opts->maps->alloc_cpu);
	if (err)
		log_warn("alloc: this kernel does not tell how much CPU time programs use of a window (%s): "
			 "what they allocate is known "
			 "less exactly",
			 strerror(-err));
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->wake, &attr);
	pthread_condattr_destroy(&attr);
	*ret = p;
	return 0;
}

struct probed_files *alloc_prober__files(struct alloc_prober *p)
{
	return p->files;
}

void alloc_prober__free(struct alloc_prober *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->is_stopping = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	if (p->is_started)
		pthread_join(p->thread, NULL);
	probed_files__free(p->files);
	alloc_clocks__done(&p->clocks);
	alloc_estimate__done(&p->estimate);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* ---- the gate ---- */

static void close_gate(struct alloc_gate *g)
{
	__atomic_store_n(&g->end_ns, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&g->begin_ns, NEVER, __ATOMIC_SEQ_CST);
}

static void open_gate(struct alloc_gate *g, uint64_t now)
{
	__atomic_store_n(&g->end_ns, now + ALLOC_WINDOW_NS, __ATOMIC_SEQ_CST);
	__atomic_store_n(&g->begin_ns, now, __ATOMIC_SEQ_CST);
}

static void sleep_until(uint64_t at_ns)
{
	const struct timespec at = {.tv_sec = (time_t)(at_ns / NS_PER_SEC),
				    .tv_nsec = (long)(at_ns % NS_PER_SEC)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
		;
}

/* ---- a window ---- */

/* Opens the round's window: from here on rows of it may come. When it was opened. */
static uint64_t begin_round(struct alloc_prober *p, double scale)
{
	uint64_t now;

	pthread_mutex_lock(&p->lock);
	alloc_rounds__begin_window(&p->rounds, scale);
	alloc_clocks__prepare(&p->clocks);
	now = clock__mono_ns();
	open_gate(p->opts.maps->alloc_gate, now);
	alloc_clocks__read(&p->clocks, 0);
	pthread_mutex_unlock(&p->lock);
	return now;
}

static bool is_of(const struct alloc_thread *t, uint32_t round)
{
	return __atomic_load_n(&t->owner, __ATOMIC_RELAXED) >> 32 == round;
}

/* Who was in the window, and what it cost them. */
static void take_threads(struct alloc_prober *p, struct alloc_bill *bill, double stretch_ns)
{
	const struct alloc_thread *threads = p->opts.maps->alloc_threads;
	uint64_t now = clock__mono_ns();

	for (uint32_t i = 0; i < ALLOC_THREADS; i++) {
		const struct alloc_thread *t = &threads[i];
		struct alloc_weight w;
		double part, weight, beside_ns, inside_ns;
		uint64_t spent_ns, files;

		if (!is_of(t, alloc_rounds__number(&p->rounds)))
			continue;
		beside_ns = alloc_cost__beside_ns(&p->cost, t, (double)p->opts.maps->alloc_gate->cost_ns);
		inside_ns = t->inside_ns + beside_ns;
		spent_ns = (uint64_t)(t->spent_ns + beside_ns);
		bill->n_hits += t->hits;
		bill->probes_ns += spent_ns;
		if (spent_ns > bill->worst_ns)
			bill->worst_ns = spent_ns;
		if (!t->is_wanted || !t->inside_ns)
			continue;
		part = alloc_clocks__part(&p->clocks, t->place);
		w = alloc_weight__of(t, inside_ns, part);
		p->stats.n_saturated += w.debt_ns > (1 - ALLOC_SATURATED) * ALLOC_WINDOW_NS;
		weight = (w.low + w.high) / 2 * part;
		if (fabs(weight - 1) >= NEGLIGIBLE)
			alloc_rounds__correct(&p->rounds, (uint32_t)t->owner, weight);
		files = probed_files__bit(t->site);
		w.longer = probed_files__longer(p->files, files, stretch_ns);
		alloc_estimate__add_thread(&p->estimate, &t->process, t->calls * part,
					   (double)t->bytes * part, inside_ns * part, &w);
		alloc_clocks__follow(&p->clocks, &t->process, files, now);
	}
}

/* Who uses a file that was left out is not known, though it was at work. */
static void take_clocks(struct alloc_prober *p, double stretch_ns)
{
	struct alloc_aids aids;

	for (uint32_t i = 0; i < ALLOC_FOLLOWED; i++) {
		const struct alloc_followed *f = &p->clocks.followed[i];
		double part;

		if (!alloc_clocks__window(&p->clocks, i, &aids) || probed_files__miss(p->files, f->files))
			continue;
		part = alloc_clocks__part(&p->clocks, i);
		for (int k = 0; k < ALLOC_N_AIDS; k++)
			aids.by[k] *= part;
		alloc_estimate__add_aids(&p->estimate, &f->key, &aids,
					 probed_files__longer(p->files, f->files, stretch_ns));
	}
}

static void take_window(struct alloc_prober *p, struct alloc_bill *bill, uint32_t groups, double stretch_ns)
{
	pthread_mutex_lock(&p->lock);
	take_threads(p, bill, stretch_ns);
	take_clocks(p, stretch_ns);
	alloc_estimate__end_window(&p->estimate, alloc_rounds__last_scale(&p->rounds), groups);
	pthread_mutex_unlock(&p->lock);
}

static uint64_t samples_so_far(const struct alloc_prober *p)
{
	int n = libbpf_num_possible_cpus();
	struct alloc_clock *clocks = n > 0 ? calloc((size_t)n, sizeof(*clocks)) : NULL;
	uint64_t sum = 0;
	uint32_t zero = 0;

	if (clocks && !bpf_map_lookup_elem(p->opts.maps->alloc_clocks_fd, &zero, clocks))
		for (int i = 0; i < n; i++)
			sum += clocks[i].n_samples;
	free(clocks);
	return sum;
}

/* What the budget decides: in the metrics and files it is always; here where it has become another. */
static void tell(struct alloc_prober *p)
{
	uint64_t stretch = p->control.stretch_ns;

	if (stretch < p->told_stretch_ns * TELL_TIMES && stretch * TELL_TIMES > p->told_stretch_ns)
		return;
	p->told_stretch_ns = stretch;
	log_info("alloc: a window costs %.1f ms: the next is within %.3g s, to keep profiling.alloc.budget",
		 (double)p->control.cost_ns / 1e6, (double)stretch / 1e9);
}

/* What the window cost, and so when the next one may be. */
static void settle(struct alloc_prober *p, struct alloc_bill *bill, double stretch_ns)
{
	uint64_t samples = samples_so_far(p);

	bill->n_samples = (uint32_t)(samples - p->samples_before);
	log_debug("alloc: window %u: in place %llu us, %llu hits, worst thread %llu us, all %llu us, own "
		  "%llu us, "
		  "%u samples",
		  alloc_rounds__number(&p->rounds), (unsigned long long)bill->in_place_ns / 1000,
		  (unsigned long long)bill->n_hits, (unsigned long long)bill->worst_ns / 1000,
		  (unsigned long long)bill->probes_ns / 1000, (unsigned long long)bill->own_ns / 1000,
		  bill->n_samples);
	pthread_mutex_lock(&p->lock);
	alloc_control__judge(&p->control, bill);
	p->stats.n_windows++;
	p->stats.n_hits += bill->n_hits;
	p->stats.n_samples += bill->n_samples;
	p->stats.stretch_ns += (uint64_t)stretch_ns;
	p->stats.in_place_ns += bill->in_place_ns;
	p->stats.probes_ns += bill->probes_ns;
	p->stats.own_ns += bill->own_ns;
	p->stats.holders_ns = p->holders_ns;
	pthread_mutex_unlock(&p->lock);
	tell(p);
}

/* Between opening and closing the gate. */
static void watch(struct alloc_prober *p, double scale, struct alloc_bill *bill)
{
	uint64_t opened = begin_round(p, scale);

	sleep_until(opened + ALLOC_WINDOW_NS);
	alloc_clocks__read(&p->clocks, 1);
	close_gate(p->opts.maps->alloc_gate);
	bill->in_place_ns = clock__mono_ns() - opened + AROUND_NS;
}

/* Before the first probe that others meet. */
static void begin_calls(struct alloc_prober *p)
{
	struct alloc_gate *g = p->opts.maps->alloc_gate;

	alloc_rounds__next(&p->rounds);
	g->interval = p->control.interval;
	g->cost_ns = (uint64_t)alloc_cost__ns(&p->cost);
}

static void measure_cost(struct alloc_prober *p)
{
	alloc_rounds__next(&p->rounds);
	alloc_cost__measure(&p->cost, p->opts.maps->alloc_gate, p->opts.maps->alloc_threads);
}

static int attach_own(struct alloc_prober *p, uint64_t *cpu_ns)
{
	struct uprobe_place place;
	int err = alloc_cost__own_place(&place);

	return err ? err : probed_files__attach_own(p->files, &place, cpu_ns);
}

/* True: to be ended. */
static bool wait_until(struct alloc_prober *p, uint64_t at_ns)
{
	const struct timespec at = {.tv_sec = (time_t)(at_ns / NS_PER_SEC),
				    .tv_nsec = (long)(at_ns % NS_PER_SEC)};
	bool is_stopping;
	int err = 0;

	pthread_mutex_lock(&p->lock);
	while (!p->is_stopping && err != ETIMEDOUT)
		err = pthread_cond_timedwait(&p->wake, &p->lock, &at);
	is_stopping = p->is_stopping;
	pthread_mutex_unlock(&p->lock);
	return is_stopping;
}

/*
 * A window without a file says nothing of those who use it, and the next one stands for both (probed_files__longer); the sooner that comes, the more it says. Linkers read the C library as
 * data for some 50 ms each, beside a build half of the time: a window that waits stands for the same stretch. Who reads for longer, as an emulator does, has the file left out.
 */
static void await_readers(struct alloc_prober *p)
{
	uint64_t wait_ns = READERS_WAIT_MIN_NS, end_ns = clock__mono_ns() + READERS_WAIT_MAX_NS;

	while (!probed_files__are_free(p->files) && clock__mono_ns() < end_ns) {
		if (wait_until(p, clock__mono_ns() + (uint64_t)((0.5 + draw(p)) * (double)wait_ns)))
			return;
		if (wait_ns < READERS_WAIT_LONG_NS)
			wait_ns *= 2;
	}
}

/*
 * Puts probes on the chosen files, unless somebody reads their code, and looks once more when they are there. The first link of some time makes the kernel wait for a
 * grace period: that is one of our own, so that only some 0.1 ms a file are between the first look and the second. It ends with a tick; windows that always began just behind
 * one would meet the same place of each program that is woken by ticks, too: so some part of a tick is waited for. Returns how many files have probes.
 */
static uint32_t attach(struct alloc_prober *p, uint64_t *cpu_ns)
{
	uint32_t n;

	if (!attach_own(p, cpu_ns)) /* without it the looks are further apart */
		measure_cost(p);
	sleep_until(clock__mono_ns() + (uint64_t)(draw(p) * TICK_NS));
	await_readers(p);
	begin_calls(p);
	n = probed_files__spare(p->files) ? probed_files__attach(p->files, cpu_ns) : 0;
	if (n && !probed_files__are_read(p->files))
		return n;
	probed_files__detach(p->files, cpu_ns);
	return 0;
}

/* A window that stands for so much time. False: there was nothing to probe, or it had to be left alone. */
static bool look(struct alloc_prober *p, double stretch_ns)
{
	struct alloc_gate *g = p->opts.maps->alloc_gate;
	uint64_t cpu = clock__thread_cpu_ns();
	uint32_t groups = 0, n = probed_files__choose(p->files, draw(p), &groups), n_attached;
	struct alloc_bill bill = {0};

	if (!n || probed_files__are_stuck(p->files))
		return false;
	p->samples_before = samples_so_far(p);
	close_gate(g);
	n_attached = attach(p, &bill.own_ns);
	if (n_attached) {
		watch(p, stretch_ns / ALLOC_WINDOW_NS * groups, &bill);
		probed_files__detach(p->files, &bill.own_ns);
	}
	p->holders_ns += bill.own_ns;
	if (!n_attached) {
		p->abandoned_ns += bill.own_ns + clock__thread_cpu_ns() - cpu;
		return false;
	}
	take_window(p, &bill, groups, stretch_ns);
	probed_files__end_window(p->files, stretch_ns);
	bill.own_ns += clock__thread_cpu_ns() - cpu + p->abandoned_ns;
	p->abandoned_ns = 0;
	settle(p, &bill, stretch_ns);
	return true;
}

/* Nobody's probes shall stay while we wait for a CPU. */
static void hurry(void)
{
	const struct sched_param param = {.sched_priority = 1};

	prctl(PR_SET_NAME, "everprof-alloc");
	prctl(PR_SET_TIMERSLACK, 1UL);
	if (sched_setscheduler(0, SCHED_FIFO, &param))
		setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), -20);
}

/* Before the first window. */
static void calibrate(struct alloc_prober *p)
{
	int err = attach_own(p, &p->holders_ns);

	if (err)
		log_warn("alloc: measure the cost of a probe: %s, %u ns are assumed", strerror(-err),
			 ALLOC_COST_ASSUMED_NS);
	for (int i = 0; i < ALLOC_COST_KEPT && !err; i++)
		measure_cost(p);
	probed_files__detach(p->files, &p->holders_ns);
}

static void *run(void *ctx)
{
	struct alloc_prober *p = ctx;
	uint64_t begin = clock__mono_ns(), now;
	double owed_ns = 0; /* stretches that had no window */

	hurry();
	calibrate(p);
	for (;;) {
		uint64_t stretch = p->control.stretch_ns;

		if (wait_until(p, begin + (uint64_t)(draw(p) * (double)stretch)))
			return NULL;
		owed_ns = look(p, (double)stretch + owed_ns) ? 0 : owed_ns + (double)stretch;
		owed_ns = fmin(owed_ns, fmax(OWED_MAX_NS, (double)stretch));
		begin += stretch;
		now = clock__mono_ns();
		if (now > begin + stretch) { /* we were late: what went by belongs to the next one */
			owed_ns += (double)(now - begin);
			begin = now;
		}
	}
}

int alloc_prober__start(struct alloc_prober *p)
{
	pthread_attr_t attr;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	err = pthread_create(&p->thread, &attr, run, p);
	pthread_attr_destroy(&attr);
	p->is_started = !err;
	return -err;
}

int alloc_prober__weigh(struct alloc_prober *p, const struct task_key *key, uint32_t round, uint32_t tid,
			double *objects, double *bytes)
{
	double scale;
	int err;

	pthread_mutex_lock(&p->lock);
	err = alloc_rounds__scale(&p->rounds, round, tid, &scale);
	if (!err) {
		*objects *= scale;
		*bytes *= scale;
		alloc_estimate__add_sample(&p->estimate, key, *objects, *bytes);
	}
	pthread_mutex_unlock(&p->lock);
	return err;
}

void alloc_prober__swap_estimate(struct alloc_prober *p, struct alloc_estimate *e)
{
	struct alloc_estimate taken;

	alloc_estimate__clear(e);
	pthread_mutex_lock(&p->lock);
	taken = p->estimate;
	p->estimate = *e;
	pthread_mutex_unlock(&p->lock);
	*e = taken;
}

int alloc_prober__copy_estimate(struct alloc_prober *p, struct alloc_estimate *e)
{
	int err;

	pthread_mutex_lock(&p->lock);
	err = alloc_estimate__copy(&p->estimate, e);
	pthread_mutex_unlock(&p->lock);
	return err;
}

void alloc_prober__restart_clocks(struct alloc_prober *p)
{
	pthread_mutex_lock(&p->lock);
	alloc_clocks__restart(&p->clocks, clock__mono_ns());
	pthread_mutex_unlock(&p->lock);
}

void alloc_prober__note_lives(struct alloc_prober *p, alloc_life_fn life, void *ctx)
{
	pthread_mutex_lock(&p->lock);
	alloc_clocks__note_lives(&p->clocks, life, ctx);
	pthread_mutex_unlock(&p->lock);
}

bool alloc_prober__aids(struct alloc_prober *p, const struct task_key *key, uint64_t from_ns, uint64_t to_ns,
			struct alloc_aids *ret)
{
	bool is_known;

	pthread_mutex_lock(&p->lock);
	is_known = alloc_clocks__total(&p->clocks, key, from_ns, to_ns, ret);
	pthread_mutex_unlock(&p->lock);
	return is_known;
}

void alloc_prober__stats(struct alloc_prober *p, struct alloc_prober_stats *ret)
{
	pthread_mutex_lock(&p->lock);
	*ret = p->stats;
	ret->next_stretch_ns = p->control.stretch_ns;
	ret->interval = p->control.interval;
	ret->probe_cost_ns = (uint64_t)alloc_cost__ns(&p->cost);
	pthread_mutex_unlock(&p->lock);
	probed_files__stats(p->files, &ret->files);
}

void alloc_prober__set_budget(struct alloc_prober *p, uint64_t budget_ppm)
{
	pthread_mutex_lock(&p->lock);
	p->control.budget_ppm = budget_ppm;
	pthread_mutex_unlock(&p->lock);
}
