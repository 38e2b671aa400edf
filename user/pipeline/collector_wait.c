// SPDX-License-Identifier: Apache-2.0
/*
 * collector_wait - off-CPU time: the waits that have not ended, and all of it held against what the kernel accounts.
 *
 * Problem: the hook on switches (bpf/off_cpu.bpf.c) tells of waits when they end, and of a sample of them. A thread that sleeps for an hour belongs into
 *   each window of that hour, and the sum over a thread's waits should be the time that it did not run, not about that time.
 * Idea: once a slice a pass over all threads (bpf/waiting.bpf.c) tells of each what the kernel accounts, and of those that have waited for long where they
 *   wait. Their time so far is taken: the slot's `since_ns` is moved forward by exchange, in memory that the kernel writes, too; who loses that race
 *   leaves it to the switch. The user stack is read from outside and walked with the host's build of the unwinder. It is walked once for a wait and
 *   window; after that the thread's row is known, and a pass adds to it.
 *   When the window ends, each thread's samples are scaled so that they add up to the kernel's account, waiting for a CPU and for
 *   something else apart; a thread of which nothing was taken gets a row that says so.
 * Where there is no hook (no task work, or too many switches for the budget), what a thread waited between two passes is given to the stack in which
 *   the second one meets it, and how long it waited for a CPU each time is the mean of that time (pass_queues).
 * Invariants: time is claimed after the stack was read, so a stack never stands for a wait that began later. What is not told for want of tokens is not
 *   claimed, and comes with the next pass.
 * Cost: some 0.5 us a thread and pass; 20 to 40 us a stack.
 */
#include "user/pipeline/collector_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/walk.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/intern.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "user/kernel/call_cost.h"
#include "user/kernel/task_list.h"
#include "user/pipeline/collector_lock.h"
#include "user/pipeline/thread_stack.h"
#include "user/pipeline/wait_account.h"
#include "user/process/host_stat.h"

/*
 * In a switch, the call of a program and the program find less in the CPU's caches than where they come again and again. What a switch cost beside what the hook measures of itself was
 * 2.2 to 2.9 times such a call (tests/results/bench.md).
 */
#define CALL_IN_A_SWITCH 3

#define WAIT_MIN_NS (50 * NS_PER_MS) /* shorter ones are left to the hook */
_Static_assert(WAIT_MIN_NS > 2 * WAIT_SHORT_NS, "however far the clocks of two CPUs are apart");
#define PASS_TOKENS 256
#define SAY_HOW_NS  (600 * NS_PER_SEC)
#define PASS_ROUNDS 64 /* at a window's end: until all are told */
#define ROW_NONE    UINT32_MAX

struct wait_base {
	uint64_t intervals, squares; /* of all clocks of waits (bpf/wait_slot.h), when the window began */
};

static struct wait_base *base_of(const struct collector *c)
{
	return c->source_state[EVENT_OFFCPU];
}

/* When the record was read, on the clock of waits (bpf/off_cpu.bpf.c). */
static uint64_t wait_now(const struct collector *c, const struct thread_record *r)
{
	return r->now_ns - __atomic_load_n(&c->maps->gate->wait_clock_ns, __ATOMIC_RELAXED);
}

/* What it has waited for a CPU, as it stands in a slot. */
static uint32_t delay_of(const struct thread_record *r)
{
	return (uint32_t)(r->run_delay_ns >> DELAY_SHIFT);
}

static struct wait_slot *slot_of(const struct collector *c, uint32_t tid)
{
	const struct kernel_maps *m = c->maps;
	struct wait_slot *s = &m->waits[wait_place(tid, 0, m->n_wait_slots)];

	if (s->tid != tid)
		s = &m->waits[wait_place(tid, 1, m->n_wait_slots)];
	return s->tid == tid ? s : NULL;
}

/* Who holds what it waits for, where locks are recorded and it has ids of this host; 0: not known. */
static uint32_t futex_holder(struct collector *c, const struct thread_record *r)
{
	struct process *p;
	uint32_t holder, ns_pid;

	if (!c->windows[EVENT_LOCK])
		return 0;
	holder = collector__read_holder(r, NULL);
	p = holder ? collector__process(c, &r->key) : NULL;
	ns_pid = p ? process_table__ns_pid(c->processes, p) : 0;
	return ns_pid == r->key.tgid ? holder : 0;
}

/* A sample of the stack that was walked last. -errno where it was not counted. */
static int count(struct collector *c, const struct thread_record *r, uint8_t state, uint64_t n,
		 uint64_t value, uint32_t *ret_row)
{
	char comm[COMM_LEN + 1] = "";
	struct window_sample s = {
		.tid = r->tid,
		.tag = {.event = EVENT_OFFCPU, .state = state, .syscall = r->syscall},
		.comm = comm,
		.words = (const uint64_t *)c->walk->words,
		.n_words = c->walk->n_words,
		.end = c->walk->end,
		.is_derived = collector__take_doubt(c),
		.count = n,
		.value = value,
	};
	uint32_t lock_row = 0;
	int err;

	memcpy(comm, r->comm, COMM_LEN);
	collector__count_futex(c, &r->key, &s, futex_holder(c, r), &lock_row);
	err = collector__count(c, &r->key, &s);
	*ret_row = s.row;
	if (!err)
		collector__pair_lock_row(c, s.row, lock_row);
	return err;
}

static uint32_t *row_of(const struct collector *c, const struct wait_slot *slot)
{
	return &c->wait_rows[slot - c->maps->waits];
}

/* Where its wait is counted in this window, so that the next pass need not tell its stack again. */
static void note_row(const struct collector *c, const struct thread_record *r, struct wait_slot *slot,
		     uint32_t row)
{
	*row_of(c, slot) = row;
	slot->switches = r->switches;
	__atomic_store_n(&slot->round, (uint16_t)c->maps->gate->wait_round, __ATOMIC_RELEASE);
}

/* Time that is the pass's now, in the stack that it told. */
static void tell(struct collector *c, const struct thread_record *r, struct wait_slot *slot, uint8_t state,
		 uint64_t n, uint64_t waited_ns, uint64_t for_cpu_ns)
{
	uint32_t row = 0, ignored;

	if (for_cpu_ns > waited_ns)
		for_cpu_ns = waited_ns;
	if (for_cpu_ns && state < WAIT_RUNNABLE)
		count(c, r, WAIT_RUNNABLE, n, for_cpu_ns, &ignored);
	else
		for_cpu_ns = 0;
	if (count(c, r, state, n, waited_ns - for_cpu_ns, &row) || for_cpu_ns || !slot)
		return;
	note_row(c, r, slot, row);
}

/* More of a wait whose stack was told already. */
static void add_more(struct collector *c, uint32_t row, uint64_t n, uint64_t ns)
{
	window__add_more(c->windows[EVENT_OFFCPU], row, n, ns);
	collector__count_more_of_lock(c, row, n, ns);
}

static bool is_known(const struct collector *c, const struct wait_slot *slot, const struct thread_record *r)
{
	return slot->round == (uint16_t)c->maps->gate->wait_round && slot->switches == r->switches &&
	       *row_of(c, slot) != ROW_NONE;
}

/* The hook is new: those that wait already left their CPU before it, so their waits begin here. If one goes on just now, the switch sets it right. */
static void adopt(struct collector *c, const struct thread_record *r)
{
	struct wait_slot *slot = &c->maps->waits[wait_place(r->tid, 0, c->maps->n_wait_slots)];
	__u64 none = 0;

	if (r->state >= WAIT_MAX || slot->tid)
		return;
	slot->tid = r->tid;
	slot->state = r->state;
	slot->delay = delay_of(r);
	__atomic_compare_exchange_n(&slot->since_ns, &none, wait_now(c, r), false, __ATOMIC_ACQ_REL,
				    __ATOMIC_RELAXED);
}

/* The hook keeps slots: takes what has passed of a wait that goes on. */
static void on_waiting(struct collector *c, const struct thread_record *r)
{
	struct wait_slot *slot = slot_of(c, r->tid);
	__u64 since = slot ? __atomic_load_n(&slot->since_ns, __ATOMIC_ACQUIRE) : 0;
	uint64_t now = wait_now(c, r), for_cpu;
	uint8_t state;

	if (r->state >= WAIT_MAX || !since || since + c->maps->gate->wait_min_ns > now)
		return;
	state = slot->state < WAIT_MAX ? slot->state : WAIT_BLOCKED;
	if (state == WAIT_BLOCKED && r->state == WAIT_STOPPED)
		state = WAIT_STOPPED; /* a switch is not asked whether it is frozen */
	if (!r->has_stack && !is_known(c, slot, r))
		return;
	if (r->has_stack)
		collector__walk_thread(c, r);
	for_cpu = (uint64_t)(uint32_t)(delay_of(r) - slot->delay) << DELAY_SHIFT;
	/* before the exchange: after it the switch may read them */
	slot->told = r->state < WAIT_RUNNABLE ? WAIT_TOLD_ASLEEP : WAIT_TOLD_QUEUED;
	if (!__atomic_compare_exchange_n(&slot->since_ns, &since, now, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return; /* it runs again, and the switch has accounted it */
	if (r->has_stack)
		tell(c, r, slot, state, 0, now - since, for_cpu);
	else
		add_more(c, *row_of(c, slot), 0, now - since);
}

/* A slot for the tid, where only passes use them: whoever was there before is told anew. */
static struct wait_slot *slot_for(struct collector *c, const struct thread_record *r)
{
	struct wait_slot *slot = &c->maps->waits[wait_place(r->tid, 0, c->maps->n_wait_slots)];

	if (slot->tid != r->tid)
		*slot = (struct wait_slot){.tid = r->tid, .round = (uint16_t)(c->maps->gate->wait_round - 1)};
	return slot;
}

/* No hook: what it waited since the last pass is owed to the stack in which it is met. */
static void on_pass_only(struct collector *c, const struct thread_record *r, struct thread *t,
			 const struct thread_sums *before, uint32_t switches)
{
	uint64_t wall = t->last.at_ns - before->at_ns, ran = t->last.run_ns - before->run_ns;
	uint64_t delay = t->last.run_delay_ns - before->run_delay_ns, for_cpu;
	struct wait_slot *slot = slot_for(c, r);

	t->owed_ns += wall > ran ? wall - ran : 0;
	t->owed_delay_ns += delay;
	t->owed_switches += switches;
	if (r->state >= WAIT_MAX || !t->owed_ns)
		return;
	for_cpu = t->owed_delay_ns < t->owed_ns ? t->owed_delay_ns : t->owed_ns;
	if (!r->has_stack && is_known(c, slot, r) && !for_cpu) {
		add_more(c, *row_of(c, slot), t->owed_switches, t->owed_ns);
	} else if (r->has_stack) {
		collector__walk_thread(c, r);
		tell(c, r, slot, r->state, t->owed_switches, t->owed_ns, for_cpu);
	} else {
		return; /* no tokens: it stays owed */
	}
	t->owed_ns = t->owed_delay_ns = 0;
	t->owed_switches = 0;
}

/* Its stack came for nothing, and would again: what a pass may take is for others. */
static void leave_out(struct collector *c, const struct thread_record *r)
{
	struct wait_slot *slot;

	if (!r->has_stack)
		return;
	slot = c->wait_orders.hook ? slot_of(c, r->tid) : slot_for(c, r);
	if (slot)
		note_row(c, r, slot, ROW_NONE);
}

/* No hook: how long it waited for a CPU. What it waits now was counted up to now, and may come to a little less when that is over. */
static void note_queue(struct collector *c, const struct thread_record *r, const struct thread *t,
		       const struct thread_sums *before, uint32_t switches)
{
	uint64_t now = t->last.run_delay_ns, then = before->run_delay_ns;

	pass_queues__note(&c->pass_queues, r->cgroup, now > then ? now - then : 0, switches);
}

static int on_thread(const struct thread_record *r, void *ctx)
{
	struct collector *c = ctx;
	struct thread_sums before;
	struct thread *t;
	uint32_t switches;
	int err;

	if (r->state == THREAD_ENDED) /* a zombie: its account was told as it ended */
		return 0;
	err = thread_table__note(&c->threads, r, &t, &before);
	if (err == -E2BIG) { /* its waits are samples all the same */
		collector__lose(c, EVENT_OFFCPU, LOSS_THREAD_ACCOUNTS, r->ended == THREAD_EXITS);
		return 0;
	}
	if (err)
		return err;
	switches = thread__take_switches(t, r);
	c->pass_switches += switches;
	if (!c->wait_orders.hook && c->window_has_base)
		note_queue(c, r, t, &before, switches);
	if (!c->windows[EVENT_OFFCPU] || !collector__wants_thread(c, t)) {
		leave_out(c, r);
	} else if (c->wait_orders.hook) {
		if (c->hook_is_new)
			adopt(c, r);
		else
			on_waiting(c, r);
	} else if (c->window_has_base) {
		on_pass_only(c, r, t, &before, switches);
	}
	return 0;
}

static int on_thread_end(void *ctx, void *data, size_t size)
{
	struct thread_record r = {};

	memcpy(&r, data, size < sizeof(r) ? size : sizeof(r));
	r.state = WAIT_MAX;
	r.has_stack = 0;
	return on_thread(&r, ctx);
}

/* One pass over all threads; whether all that wait were told. */
static bool collector__pass(struct collector *c)
{
	struct gate *gate = c->maps->gate;
	uint64_t cpu = clock__thread_cpu_ns();
	int err;

	gate->look_ns = c->looked_ns;
	gate->wait_tokens = PASS_TOKENS;
	gate->wait_left = 0;
	thread_table__begin_pass(&c->threads);
	ring_buffer__consume(c->thread_ends);
	err = task_list__threads(c->loader, on_thread, c);
	if (err)
		log_warn("collector: look at all threads: %s, ignoring", strerror(-err));
	c->hook_is_new = false;
	pass_queues__flush(&c->pass_queues, c->maps->run_queues_fd);
	c->passed_ns = clock__mono_ns();
	c->pass_ns += clock__thread_cpu_ns() - cpu;
	return err || !gate->wait_left;
}

/* At the end of a slice; all: until everything that waits is told. */
static void pass_waits(struct collector *c, bool all)
{
	uint32_t rounds = all ? PASS_ROUNDS : 1;

	if (!all && ++c->slices_since_pass < c->wait_orders.pass_every)
		return;
	c->slices_since_pass = 0;
	while (rounds-- && !collector__pass(c))
		;
}

static struct wait_clock clocks[CPUS_MAX]; /* as read last */
static const uint32_t zero = 0;

/* How many; -errno. */
static int read_clocks(const struct collector *c)
{
	int n = libbpf_num_possible_cpus();

	if (n <= 0 || n > CPUS_MAX || bpf_map_lookup_elem(c->maps->wait_clocks_fd, &zero, clocks))
		return -errno;
	return n;
}

static void interval_sums(const struct collector *c, uint64_t *ret_intervals, uint64_t *ret_squares)
{
	int n = read_clocks(c);

	*ret_intervals = *ret_squares = 0;
	for (int i = 0; i < n; i++) {
		*ret_intervals += clocks[i].intervals;
		*ret_squares += clocks[i].squares;
	}
}

/*
 * What chance took in the window stands for sums that are as uncertain as if the interval had been this all the while: the mean over what was waited, to which each
 * wait that was taken has told its own.
 */
static uint64_t interval_of_window(const struct collector *c)
{
	const struct wait_base *before = base_of(c);
	uint64_t intervals, squares;

	interval_sums(c, &intervals, &squares);
	if (intervals <= before->intervals)
		return c->wait_orders.interval_ns; /* nothing was taken */
	return (uint64_t)((double)(squares - before->squares) / (double)(intervals - before->intervals) *
			  (1 << INTERVAL_SHIFT));
}

/* By a hypervisor, of all CPUs, since the boot; 0: not told. */
static uint64_t stolen_so_far(const struct collector *c)
{
	char text[256]; /* the first line is the sum */
	struct host_cpu cpu;
	uint64_t stolen_ns = 0;
	int fd = openat(c->proc_fd, "stat", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	if (n > 0 && !parse_host_cpu(text, (size_t)n, &cpu))
		stolen_ns = cpu.stolen_ns;
	io__close(&fd);
	return stolen_ns;
}

static void begin_waits(struct collector *c, struct window *w)
{
	(void)w;
	interval_sums(c, &base_of(c)->intervals, &base_of(c)->squares);
	c->stolen_ns = stolen_so_far(c);
	c->maps->gate->wait_round++;
	collector__forget_lock_rows(c);
	collector__follow_wakers(c);
	if (thread_table__begin(&c->threads, clock__mono_ns()))
		log_warn("collector: no memory for the table of threads, ignoring");
	c->window_has_base = true;
}

/* How it was recorded, for the file. */
static void note(struct collector *c, struct window *w, const struct wait_account *a)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "waits by %s, one taken in %.3g ms; of %u threads the kernel accounts: ran %.6f s, waited "
		 "for a CPU "
		 "%.6f s (samples %.6f s), for something else %.6f s (samples %.6f s), none of it sampled "
		 "%.6f s; taken of their CPUs while they ran, by a hypervisor or interrupts, %.6f s",
		 c->wait_orders.hook ? "switch" : "pass", (double)w->period_ns / 1e6, a->n_threads,
		 (double)a->run_ns / 1e9, (double)a->exact_ns[1] / 1e9, (double)a->sampled_ns[1] / 1e9,
		 (double)a->exact_ns[0] / 1e9, (double)a->sampled_ns[0] / 1e9,
		 (double)(a->unsampled_ns[0] + a->unsampled_ns[1]) / 1e9, (double)a->away_ns / 1e9);
	intern__add(w->strings, text, strlen(text), &w->note);
}

/* The window's samples are made to agree with the kernel's account. */
static void settle_waits(struct collector *c, struct window *w)
{
	const struct wait_account_ports ports = {
		.process = collector__thread_process,
		.futexes = c->is_recording[EVENT_LOCK] ? collector__note_futexes : NULL,
		.ctx = c,
	};
	uint64_t stolen_ns = c->wait_orders.hook ? 0 : stolen_so_far(c);
	struct wait_account account;
	int err;

	stolen_ns = stolen_ns > c->stolen_ns ? stolen_ns - c->stolen_ns : 0;
	w->period_ns = interval_of_window(c);
	collector__begin_futexes(c, w->period_ns);
	err = wait_account__settle(w, &c->threads, stolen_ns, &ports, &account);
	if (err)
		log_warn("collector: hold waits against the kernel's account: %s, they stay as they were "
			 "sampled",
			 strerror(-err));
	else
		note(c, w, &account);
}

/* ---- the budget ---- */

/* Before the hook is in place: what was taken of CPUs since it was there last was taken of nobody that it knows. */
static void forget_away(const struct collector *c)
{
	int n = read_clocks(c);

	for (int i = 0; i < n; i++)
		clocks[i].away_ns = AWAY_UNKNOWN;
	if (n < 0 || bpf_map_update_elem(c->maps->wait_clocks_fd, &zero, clocks, BPF_ANY))
		log_warn("collector: clocks of waits: %s, ignoring", strerror(errno));
}

static int read_wait_clocks(const struct collector *c, struct wait_stats *ret)
{
	int n = read_clocks(c);

	if (n < 0)
		return n;
	ret->run_queue = c->pass_queues.all;
	for (int i = 0; i < n; i++) {
		ret->n_switches += clocks[i].n_switches;
		ret->n_taken += clocks[i].n_taken;
		ret->cost_ns += clocks[i].cost_ns;
		for (int k = 0; k < RUN_QUEUE_BUCKETS; k++)
			ret->run_queue.n[k] += clocks[i].run_queue.n[k];
	}
	return 0;
}

/* As long as it is open, a window says the most that one sample stood for: how certain its sums are depends on that. */
static void widen_period(struct window *w, uint64_t interval_ns)
{
	if (w && w->period_ns < interval_ns)
		w->period_ns = interval_ns;
}

/* Where the load is at the edge it changes twice a minute: the metric and each profile tell, the log is for the first of many. */
static void say_how(struct collector *c)
{
	const char *how = c->wait_orders.hook ? "a hook on switches again"
					      : "passes over all threads: a hook on switches would cost more "
						"than profiling.offcpu.budget";
	uint64_t now = clock__mono_ns();

	if (c->waits_said_ns && now - c->waits_said_ns < SAY_HOW_NS) {
		log_debug("collector: waits are sampled by %s", how);
		return;
	}
	log_info("collector: waits are sampled by %s", how);
	if (c->wait_orders.hook) /* both ways were said */
		c->waits_said_ns = now;
}

static void obey_waits(struct collector *c, const struct wait_orders *orders, bool is_first)
{
	struct gate *gate = c->maps->gate;
	bool changes = orders->hook != c->wait_orders.hook || is_first;
	int err;

	gate->wait_interval_ns = orders->interval_ns;
	gate->wait_told = orders->told;
	gate->run_queue_every = orders->run_queue_every;
	gate->wait_min_ns = WAIT_MIN_NS;
	c->wait_orders = *orders;
	widen_period(c->windows[EVENT_OFFCPU], orders->interval_ns);
	widen_period(c->windows[EVENT_LOCK], orders->interval_ns); /* those of user space are waits */
	if (!changes)
		return;
	gate->wait_clock_ns = 0;
	if (orders->hook)
		forget_away(c);
	err = loader__hook(c->loader, HOOK_off_cpu, orders->hook);
	if (err) {
		log_warn("collector: cannot look at switches: %s; waits are sampled by passes over all "
			 "threads",
			 strerror(-err));
		c->wait_orders.hook = false;
	} else if (!is_first) {
		say_how(c);
	}
	/* a switch tells the clock of waits, by which those are adopted that wait already: here is one */
	if (c->wait_orders.hook)
		nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
	/* slots of the other way mean nothing in this one */
	memset(c->maps->waits, 0, c->maps->n_wait_slots * sizeof(*c->maps->waits));
	gate->wait_round++;
	gate->waits_by_pass = !c->wait_orders.hook;
	c->hook_is_new = c->wait_orders.hook;
}

/* The longest interval by which a CPU drew in this slice, of those whose clocks were read. */
static uint64_t interval_used(const struct collector *c)
{
	uint64_t used_ns = 0;

	for (int i = 0; i < CPUS_MAX; i++)
		if (clocks[i].slice == c->maps->gate->wait_slice && clocks[i].interval_ns > used_ns)
			used_ns = clocks[i].interval_ns;
	return used_ns;
}

/* Once a slice: keeps to the budget. */
static void control_waits(struct collector *c)
{
	struct wait_stats s = {};
	struct wait_reading r;
	struct wait_orders orders;

	if (read_wait_clocks(c, &s))
		return;
	r = (struct wait_reading){
		.now_ns = clock__mono_ns(),
		.n_switches = s.n_switches,
		.n_passed = c->pass_switches,
		.passed_ns = c->passed_ns,
		.n_taken = s.n_taken,
		.cost_ns = s.cost_ns,
		.pass_ns = c->pass_ns,
		.used_ns = interval_used(c),
	};
	c->maps->gate->wait_slice++;
	c->wait_control.budget_ppm = collector__budget_ppm(c, EVENT_OFFCPU);
	if (wait_control__judge(&c->wait_control, &r, &orders))
		obey_waits(c, &orders, false);
}

void collector__wait_stats(const struct collector *c, struct wait_stats *ret)
{
	*ret = (struct wait_stats){
		.on = c->is_recording[EVENT_OFFCPU],
		.by_hook = c->wait_orders.hook,
		.interval_ns = c->wait_orders.interval_ns,
		.pass_ns = c->pass_ns,
	};
	if (c->is_recording[EVENT_OFFCPU])
		read_wait_clocks(c, ret); /* what cannot be read stays 0 */
}

int collector__run_queues(struct collector *c, run_queue_fn fn, void *ctx)
{
	/* where the hierarchies are the old ones, the unified one stands beside them or nowhere */
	static const char *const roots[] = {"/sys/fs/cgroup/unified", "/sys/fs/cgroup"};
	bool is_hybrid = !access(roots[0], F_OK);

	return c->is_recording[EVENT_OFFCPU]
		       ? run_queues__read(c->maps->run_queues_fd, roots[!is_hybrid], fn, ctx)
		       : 0;
}

/* Once: it is the machine's. */
static void learn_call_cost(const struct collector *c)
{
	uint32_t ns;

	if (c->maps->gate->switch_call_ns)
		return;
	ns = call_cost__measure(c->loader);
	log_debug("collector: the kernel takes %u ns to call a program", ns);
	c->maps->gate->switch_call_ns = CALL_IN_A_SWITCH * ns;
}

static int start_waits(struct collector *c)
{
	wait_control__init(&c->wait_control, collector__budget_ppm(c, EVENT_OFFCPU), c->stats.n_cpus,
			   loader__has_hook(c->loader, HOOK_off_cpu));
	learn_call_cost(c);
	obey_waits(c, &c->wait_control.orders, true);
	c->maps->gate->waits_on = 1;
	collector__pass(c); /* who waits already; then, as of one moment, what every thread has had so far */
	c->looked_ns = clock__mono_ns();
	collector__pass(c);
	if (c->windows[EVENT_OFFCPU])
		window__start(c->windows[EVENT_OFFCPU], c->looked_ns,
			      c->looked_ns + (uint64_t)clock__mono_to_real_ns());
	return 0;
}

static void stop_waits(struct collector *c)
{
	loader__hook(c->loader, HOOK_off_cpu, false);
	collector__follow_wakers(c);
	c->maps->gate->waits_on = 0;
	c->window_has_base = false;
	thread_table__done(&c->threads);
	thread_table__init(&c->threads);
}

/* Threads end faster than slices do. */
static int on_many_ends(int fd, uint32_t events, void *ctx)
{
	struct collector *c = ctx;

	(void)fd, (void)events;
	ring_buffer__consume(c->thread_ends);
	return 0;
}

static int init_waits(struct collector *c, struct err *err)
{
	int code;

	thread_table__init(&c->threads);
	pass_queues__init(&c->pass_queues);
	c->wait_rows = calloc(c->maps->n_wait_slots, sizeof(*c->wait_rows));
	c->source_state[EVENT_OFFCPU] = calloc(1, sizeof(struct wait_base));
	if (!c->wait_rows || !c->source_state[EVENT_OFFCPU])
		return err__set(err, -ENOMEM, "waits: no memory");
	c->thread_ends = ring_buffer__new(c->maps->thread_ends_fd, on_thread_end, c, NULL);
	if (!c->thread_ends)
		return err__set(err, -errno, "kernel: cannot map the ring of threads that end: %s",
				strerror(errno));
	code = loop__add_fd(c->loop, ring_buffer__epoll_fd(c->thread_ends), EPOLLIN, on_many_ends, c,
			    &c->thread_ends_source);
	return code ? err__set(err, code, "kernel: cannot watch the ring of threads that end: %s",
			       strerror(-code))
		    : 0;
}

static void free_waits(struct collector *c)
{
	if (c->thread_ends_source)
		loop__remove(c->loop, c->thread_ends_source);
	thread_table__done(&c->threads);
	pass_queues__done(&c->pass_queues);
	free(c->wait_rows);
	free(c->source_state[EVENT_OFFCPU]);
	ring_buffer__free(c->thread_ends);
}

static uint64_t wait_period(const struct collector *c)
{
	return c->wait_orders.interval_ns;
}

const struct event_source wait_source = {
	.init = init_waits,
	.start = start_waits,
	.begin = begin_waits,
	.look = pass_waits,
	.control = control_waits,
	.settle = settle_waits,
	.stop = stop_waits,
	.done = free_waits,
	.period = wait_period,
};
