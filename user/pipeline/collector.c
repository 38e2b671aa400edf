// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/collector.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "user/base/aside.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/heap.h"
#include "user/base/intern.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "bpf/walk.h"
#include "user/pipeline/collector_impl.h"
#include "user/pipeline/frequency.h"
#include "user/runtime/go_programs.h"
#include "user/symbolize/jit_maps.h"

/* Events of processes that nobody samples can wait; a sample that needs them reads them itself. */
#define EVENTS_NS (250 * NS_PER_MS)
/* stacks come at once; a second is for those that overtake each other */
#define UNFINISHED_LATE_NS NS_PER_SEC
/* Stacks that may be finished a slice: as many as so many CPUs have samples, at this frequency at least */
#define DEFER_CPUS     4
#define DEFER_FULL_HZ  100
#define UPKEEP_NS      (5 * NS_PER_SEC)
#define RESCAN_NS      (50 * NS_PER_MS) /* CPU time an upkeep for mappings that could not be followed */
#define COLLECTOR_NICE (-10)
/* Processes that are looked for at an upkeep: did they end unseen? None should, but where events were lost or are not followed. */
#define VERIFY_FEW  4
#define VERIFY_MANY 64
/* Perf maps of JIT code */
#define JIT_PROCESSES_MAX 32
#define JIT_REFRESH_NS    NS_PER_SEC

#define NAMING_NS (60 * NS_PER_SEC) /* in which a window that was closed or copied is named */

/* Losses of the slice, by event: what the kernel counted since the last one, and what we did. */
static void collector__slice_losses(struct collector *c, struct losses ret[EVENT_N])
{
	uint64_t sideband = sideband__n_lost(c->sideband);
	struct losses now[EVENT_N + 1], all = c->lost_here, since, here[EVENT_N];
	/* mostly nothing was lost, and nothing has to be read; what cannot be read now is in the next difference */
	bool is_read = !losses__take(c->maps->losses_fd, c->maps->has_lost, now);

	all.n[LOSS_SIDEBAND] += sideband - c->sideband_lost;
	c->sideband_lost = sideband;
	c->lost_here = (struct losses){};
	memcpy(here, c->lost_of, sizeof(here));
	memset(c->lost_of, 0, sizeof(c->lost_of));
	if (is_read) {
		losses__since(&now[EVENT_N], &c->lost_before[EVENT_N], &since);
		losses__add(&all, &since);
	}
	losses__add(&c->stats.lost, &all);
	for (int ev = 0; ev < EVENT_N; ev++) {
		ret[ev] = all;
		losses__add(&ret[ev], &here[ev]);
		losses__add(&c->stats.lost, &here[ev]);
		if (!is_read)
			continue;
		losses__since(&now[ev], &c->lost_before[ev], &since);
		losses__add(&ret[ev], &since);
		losses__add(&c->stats.lost, &since);
	}
	if (is_read)
		memcpy(c->lost_before, now, sizeof(now));
}

/*
 * More than a small machine samples, a bound on a large one. Whoever asked for more samples asked for these, too: where processes live for a few milliseconds each is such a one.
 */
static uint32_t collector__defer_tokens(const struct collector *c)
{
	uint32_t hz = c->frequency_hz < DEFER_FULL_HZ ? DEFER_FULL_HZ : c->frequency_hz;

	return DEFER_CPUS * hz >> c->orders.defer_shift;
}

/* Those, and processes that may be read for the slice's samples. */
static void collector__give_tokens(struct collector *c)
{
	uint32_t tokens = collector__defer_tokens(c);

	c->scans_left = c->orders.scans;
	__atomic_store_n(&c->maps->gate->defer_kept, tokens / 2, __ATOMIC_RELAXED);
	__atomic_store_n(&c->maps->gate->defer_tokens, tokens, __ATOMIC_RELAXED);
}

static void collector__tell_held(struct collector *c)
{
	uint32_t pid;
	uint64_t n = aside__n_left(&pid);

	if (n == c->n_held)
		return;
	c->lost_here.n[LOSS_PROCESS_HELD] += n - c->n_held;
	c->n_held = n;
	log_warn("collector: process %u keeps whoever looks at it waiting: left alone for a minute", pid);
}

/*
 * Ends the slice: what is in the kernel comes into the windows. Samples go into the half until it is turned over; what a source tells by itself is as of its look.
 */
static void collector__end_slice(struct collector *c, bool all)
{
	uint64_t began = c->slice_ns = clock__mono_ns(), took,
		 cpu = clock__thread_cpu_ns() - c->stats.finish_ns - c->stats.follow_ns;
	struct losses lost[EVENT_N];
	bool is_turned;

	perf_clocks__keep_pace(c->clocks, c->maps->cpu_ticks_fd); /* or they keep the one they have */
	collector__catch_up(c);
	c->looked_ns = clock__mono_ns();
	event_sources__look(c, all);
	is_turned = !drain__turn(&c->drain);
	collector__catch_up(c); /* stacks that came until then are of this slice, too */
	if (is_turned)
		drain__read(&c->drain, collector__on_row, c);
	else
		c->lost_here.n[LOSS_DRAIN_LATE]++;
	collector__give_tokens(c);
	collector__tell_held(c);
	collector__slice_losses(c, lost);
	for (enum event ev = 0; ev < EVENT_N; ev++)
		if (c->windows[ev])
			window__end_slice(c->windows[ev],
					  event_source__of(ev)->look ? c->looked_ns : c->drain.turned_ns,
					  &lost[ev]);
	c->stats.slices++;
	took = clock__mono_ns() - began;
	c->stats.drain_ns += clock__thread_cpu_ns() - c->stats.finish_ns - c->stats.follow_ns - cpu;
	if (took > c->stats.drain_max_ns)
		c->stats.drain_max_ns = took;
}

int collector__flush(struct collector *c)
{
	collector__catch_up(c);
	collector__release_held(c, UINT64_MAX);
	collector__end_slice(c, true);
	return collector__turn_windows(c, true);
}

static int on_slice(uint64_t n_expired, void *ctx)
{
	struct collector *c = ctx;

	c->lost_here.n[LOSS_DRAIN_LATE] += n_expired - 1; /* slices that went by while we were not running */
	collector__end_slice(c, false);
	event_sources__control(c);
	return collector__turn_windows(c, false);
}

static int on_events(uint64_t n_expired, void *ctx)
{
	struct collector *c = ctx;

	(void)n_expired;
	collector__catch_up(c);
	collector__release_held(c, clock__mono_ns());
	process_table__learn_places(c->processes);
	process_table__drop_mappings(c->processes, clock__mono_ns() - UNFINISHED_LATE_NS);
	return 0;
}

static int on_ring_fd(int fd, uint32_t events, void *ctx)
{
	struct collector *c = ctx;

	(void)fd, (void)events;
	collector__catch_up(c);
	return 0;
}

/* After a loss all are looked for once, some with each upkeep. */
static void collector__verify(struct collector *c, uint64_t now)
{
	struct process_table_stats stats;
	uint32_t budget;

	if (sideband__take_lost(c->sideband)) {
		collector__learn_all(c);
		process_table__stats(c->processes, &stats);
		c->n_doubtful = (uint32_t)stats.processes;
	}
	budget = c->n_doubtful || c->orders.unfollowed ? VERIFY_MANY : VERIFY_FEW;
	process_table__verify(c->processes, now, budget);
	c->n_doubtful -= c->n_doubtful < budget ? c->n_doubtful : budget;
}

/* Things that may be late: CPUs that came, processes that ended unseen, what nobody needs any more. */
static int on_upkeep(uint64_t n_expired, void *ctx)
{
	struct collector *c = ctx;
	uint64_t now = clock__mono_ns();
	struct err err;

	(void)n_expired;
	if (c->started && perf_clocks__attach(c->clocks, loader__on_cpu_fd(c->loader), &err))
		log_warn("%s, ignoring", err__text(&err, 0));
	if (sideband__refresh_cpus(c->sideband, &err))
		log_warn("%s, ignoring", err__text(&err, 0));
	collector__verify(c, now);
	collector__rescan_stale(c, RESCAN_NS);
	/* what ended before the last slice was read has no samples to come */
	process_table__retire(c->processes, c->slice_ns);
	collector__retire_jvms(c);
	object_cache__retire(c->objects, now);
	history__trim(&c->history, now);
	collector__push_dirty(c);
	return 0;
}

static int on_duty(uint64_t n_expired, void *ctx)
{
	struct collector *c = ctx;
	uint64_t next;

	(void)n_expired;
	c->duty_is_on = !c->duty_is_on;
	next = c->duty_is_on ? c->opts.duty_on_ns : c->opts.duty_every_ns - c->opts.duty_on_ns;
	c->maps->gate->resumed_ns = clock__mono_ns();
	perf_clocks__enable(c->clocks, c->duty_is_on);
	return loop__set_timer(c->duty_timer, next, 0);
}

static void port_forked(void *ctx, const struct process *parent, const struct process *child)
{
	(void)parent;
	collector__mark_dirty(ctx, child);
}

static void port_mappings_changed(void *ctx, const struct process *p)
{
	collector__mark_dirty(ctx, p);
}

static void port_ended(void *ctx, const struct process *p)
{
	collector__forget(ctx, p);
}

static void port_retired(void *ctx, const struct process *p)
{
	collector__forget_verdict(ctx, p);
}

static void port_object_retired(void *ctx, uint32_t id)
{
	struct collector *c = ctx;

	if (c->tables)
		tables__forget(c->tables, id);
}

/* How long after its last use an object may be asked for: as long as a sample of it may be in a window, or in one that is kept. */
static uint64_t collector__longest_ns(const struct collector_opts *opts)
{
	uint64_t longest_ns = 0;

	for (int ev = 0; ev < EVENT_N; ev++) {
		if (opts->events[ev].on && !opts->events[ev].window_ns)
			return UINT64_MAX;
		if (opts->events[ev].window_ns > longest_ns)
			longest_ns = opts->events[ev].window_ns;
	}
	return longest_ns + opts->history_ns + NAMING_NS;
}

static int collector__new_tables(struct collector *c)
{
	const struct jit_maps_opts jit = {.max_processes = JIT_PROCESSES_MAX,
					  .map_bytes = c->opts.budgets.jit_map_bytes,
					  .total_bytes = c->opts.budgets.jit_bytes,
					  .refresh_ns = JIT_REFRESH_NS};
	const struct object_cache_opts objects = {
		.proc_root_fd = c->proc_fd, .retired = port_object_retired, .ctx = c};
	struct process_table_opts processes = {
		.proc_root_fd = c->proc_fd,
		.rule = collector_jit__first_rule(),
		.port = {.ctx = c,
			 .forked = port_forked,
			 .mappings_changed = port_mappings_changed,
			 .ended = port_ended,
			 .retired = port_retired},
	};

	int err;

	if (c->proc_fd < 0)
		return -ENOENT;
	err = object_cache__new(&objects, &c->objects);
	if (err)
		return err;
	object_cache__keep(c->objects, collector__longest_ns(&c->opts));
	processes.objects = c->objects;
	err = process_table__new(&processes, &c->processes);
	if (!err)
		err = mapping_store__new(c->maps, &c->mappings);
	if (!err)
		err = tables__new(c->maps, c->objects, c->opts.budgets.row_segments, &c->tables);
	if (!err)
		tables__set_build(c->tables, collector__build_jit_page, c);
	if (!err && c->opts.perf_maps) {
		c->jit_maps = jit_maps__new(&jit);
		err = c->jit_maps ? 0 : -ENOMEM;
	}
	return err;
}

static uint32_t collector__possible_events(const struct collector_opts *o)
{
	uint32_t events = o->may_change ? 1u << EVENT_N : 0;

	for (int ev = 0; ev < EVENT_N; ev++)
		if (o->events[ev].on || (o->may_change && collector__can_record((enum event)ev)))
			events |= 1u << ev;
	if (events & 1u << EVENT_LOCK)
		events |= 1u << EVENT_OFFCPU;
	return events;
}

static int collector__new_kernel(struct collector *c, struct err *err)
{
	static uint32_t cpus[CPUS_MAX];
	struct loader_opts opts = {.slice_ns = COLLECTOR_SLICE_NS,
				   .kernel_stacks = true,
				   .events = collector__possible_events(&c->opts),
				   .count_bytes = c->opts.budgets.count_bytes};
	int ret;

	ret = perf_clocks__new(c->opts.clock, c->opts.frequency_hz, &c->clocks, err);
	if (ret)
		return ret;
	ret = cpus__online(cpus, CPUS_MAX);
	opts.n_cpus = ret > 0 ? (uint32_t)ret : 1;
	opts.period_ns = perf_clocks__period_ns(c->clocks);
	c->stats.n_cpus = opts.n_cpus;
	c->max_frequency_hz =
		c->opts.frequency_hz * 2; /* loader__open sizes for a late drain: twice a slice */
	ret = loader__open(&opts, &c->loader, err);
	if (ret)
		return ret;
	c->maps = loader__maps(c->loader);
	c->maps->gate->kernel_stacks = c->opts.kernel_stacks;
	c->maps->gate->filter = selector__kernel_only_included(&c->opts.selector);
	collector__give_tokens(c);
	c->maps->gate->is_timer = perf_clocks__kind(c->clocks) == CLOCK_CPU;
	drain__init(&c->drain, c->maps);
	ret = event_sources__init(c, err);
	if (ret)
		return ret;
	c->unfinished = ring_buffer__new(c->maps->unfinished_fd, collector__on_unfinished, c, NULL);
	if (!c->unfinished)
		return err__set(err, -errno, "kernel: cannot map the ring of unfinished stacks: %s",
				strerror(errno));
	return 0;
}

static int collector__add_sources(struct collector *c)
{
	uint64_t to_next_second = NS_PER_SEC - clock__real_ns() % NS_PER_SEC;
	int err = loop__add_timer(c->loop, to_next_second, COLLECTOR_SLICE_NS, on_slice, c, &c->slice_timer);

	if (!err)
		err = loop__add_timer(c->loop, EVENTS_NS, EVENTS_NS, on_events, c, &c->events_timer);
	if (!err)
		err = loop__add_timer(c->loop, UPKEEP_NS, UPKEEP_NS, on_upkeep, c, &c->upkeep_timer);
	if (!err)
		err = loop__add_fd(c->loop, ring_buffer__epoll_fd(c->unfinished), EPOLLIN, on_ring_fd, c,
				   &c->unfinished_source);
	if (!err)
		err = loop__add_fd(c->loop, sideband__epoll_fd(c->sideband), EPOLLIN, on_ring_fd, c,
				   &c->mappings_source);
	if (!err)
		err = loop__add_timer(c->loop, LOOP_TIMER_OFF, 0, on_duty, c, &c->duty_timer);
	if (!err)
		err = collector_jit__start(c);
	return err;
}

static uint64_t clock_period(const struct collector *c)
{
	return perf_clocks__period_ns(c->clocks);
}

static int start_cpu(struct collector *c)
{
	c->maps->gate->enabled = 1;
	return 0;
}

static void stop_cpu(struct collector *c)
{
	c->maps->gate->enabled = 0;
}

const struct event_source cpu_source = {.start = start_cpu, .stop = stop_cpu, .period = clock_period};

/*
 * On a machine that is overloaded this thread is late like all others, and the rings of process events and unfinished stacks run over when they are needed
 * most: of 800 short processes a second with ten runnable threads a CPU, a third of the stacks were cut. It uses little (limits.cpu) and gets it at once. Not if
 * somebody chose a priority; and not before children were started (record), who would inherit it. Its start is the most of it: a third of a second of loading programs, in which a
 * recording beside nine busy threads was seconds late.
 */
static void collector__hurry(void)
{
	errno = 0;
	if (getpriority(PRIO_PROCESS, 0) == 0 && !errno)
		setpriority(PRIO_PROCESS, 0,
			    COLLECTOR_NICE); /* refused without CAP_SYS_NICE, and then it is as it was */
}

int collector__new(const struct collector_opts *opts, const struct collector_ports *ports, struct loop *loop,
		   struct collector **ret, struct err *err)
{
	struct life_handler handler = collector_life_handler;
	struct collector *c = calloc(1, sizeof(*c));
	int code = -ENOMEM;

	heap__keep_small();
	if (!c)
		return -ENOMEM;
	collector__hurry(); /* first: whoever waits for a CPU from here on is late with what follows */
	handler.ctx = c;
	c->opts = *opts;
	c->ports = *ports;
	c->loop = loop;
	c->frequency_hz = opts->frequency_hz;
	c->orders = (struct governor_orders){
		.history_bytes = opts->budgets.history_bytes,
		.window_bytes = opts->budgets.window_bytes,
		.symbol_bytes = opts->budgets.symbol_bytes,
		.row_segments = opts->budgets.row_segments,
		.frequency_hz = UINT32_MAX,
		.scans = UINT32_MAX,
	};
	c->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	history__init(&c->history, opts->history_ns, opts->budgets.history_bytes);
	c->scratch = malloc(MAPPINGS_MAX * sizeof(*c->scratch));
	c->walk = malloc(sizeof(*c->walk));
	if (!c->scratch || !c->walk)
		goto out;
	code = collector__new_kernel(c, err);
	if (!code)
		code = sideband__open(c->maps, &handler, &c->sideband, err);
	if (code)
		goto out;
	code = collector__new_tables(c);
	if (!code)
		code = collector__learn_all(c);
	if (!code)
		code = collector__open_windows(c, clock__mono_ns());
	if (code) {
		err__set(err, code, "collector: cannot start: %s", strerror(-code));
		goto out;
	}
	*ret = c;
	return 0;
out:
	collector__free(c);
	return code;
}

/* Duty cycle: where none is wanted the clocks are simply on. */
static int collector__start_duty(struct collector *c)
{
	bool wanted = c->opts.duty_every_ns > c->opts.duty_on_ns && c->opts.duty_on_ns;

	c->duty_is_on = true;
	c->maps->gate->resumed_ns = clock__mono_ns();
	perf_clocks__enable(c->clocks, true);
	return loop__set_timer(c->duty_timer, wanted ? c->opts.duty_on_ns : LOOP_TIMER_OFF, 0);
}

int collector__start(struct collector *c, struct err *err)
{
	uint64_t now;
	int code;

	collector__read_events(c);
	code = perf_clocks__attach(c->clocks, loader__on_cpu_fd(c->loader), err);
	if (code)
		return code;
	code = collector__add_sources(c);
	if (!code)
		code = collector__start_duty(c);
	/* windows begin with the clocks: before, there are no ticks */
	now = c->maps->gate->resumed_ns;
	for (int ev = 0; ev < EVENT_N; ev++)
		if (c->windows[ev])
			window__start(c->windows[ev], now, now + (uint64_t)clock__mono_to_real_ns());
	if (!code)
		code = event_sources__follow(c);
	c->started = true;
	return code ? err__set(err, code, "collector: cannot start: %s", strerror(-code)) : 0;
}

static void collector__remove_sources(struct collector *c)
{
	struct loop_source *const sources[] = {c->slice_timer, c->events_timer,      c->upkeep_timer,
					       c->duty_timer,  c->unfinished_source, c->mappings_source,
					       c->jit.timer};

	for (size_t i = 0; i < sizeof(sources) / sizeof(*sources); i++)
		if (sources[i])
			loop__remove(c->loop, sources[i]);
}

void collector__free(struct collector *c)
{
	if (!c)
		return;
	perf_clocks__free(c->clocks); /* first: no tick after this */
	collector__remove_sources(c);
	for (int ev = 0; ev < EVENT_N; ev++)
		window__unref(c->windows[ev]);
	history__done(&c->history);
	jit_maps__free(c->jit_maps);
	go_programs__free(c->go_programs);
	collector_jit__done(&c->jit);
	process_table__free(c->processes);
	mapping_store__free(c->mappings);
	tables__free(c->tables);
	c->tables = NULL;
	object_cache__free(c->objects);
	sideband__close(c->sideband);
	ring_buffer__free(c->unfinished);
	event_sources__done(c);
	loader__close(c->loader);
	io__close(&c->proc_fd);
	free(c->dirty);
	free(c->scratch);
	free(c->walk);
	free(c->thread_record);
	free(c);
}

int collector__include_tree(struct collector *c, uint32_t pid)
{
	const struct process *p = process_table__find_pid(c->processes, pid, clock__mono_ns());
	struct target t = {.verdict = TARGET_INCLUDE};
	int err;

	if (!p)
		return -ESRCH;
	t.start_ns = p->key.start_ns;
	err = bpf_map_update_elem(c->maps->targets_fd, &pid, &t, BPF_ANY);
	kernel_maps__changed(c->maps);
	return err;
}

/* A window has one period: another begins one. */
static int collector__set_frequency(struct collector *c, uint32_t configured_hz)
{
	uint32_t hz = frequency__allowed(configured_hz, c->orders.frequency_hz, c->raised_hz, RAISED_N);
	int err;

	if (hz == c->frequency_hz)
		return 0;
	err = collector__flush(c);
	if (err)
		return err;
	perf_clocks__set_frequency(c->clocks, hz);
	c->frequency_hz = hz;
	c->maps->gate->period_ns = perf_clocks__period_ns(c->clocks);
	if (c->windows[EVENT_CPU])
		c->windows[EVENT_CPU]->period_ns = c->maps->gate->period_ns;
	return 0;
}

uint32_t collector__raise(struct collector *c, enum raised_by by, uint32_t frequency_hz)
{
	c->raised_hz[by] = frequency_hz < c->max_frequency_hz ? frequency_hz : c->max_frequency_hz;
	if (collector__set_frequency(c, c->opts.frequency_hz))
		log_warn("collector: cannot begin a window at another frequency, ignoring");
	return c->frequency_hz;
}

int collector__obey(struct collector *c, const struct governor_orders *orders, const char *text)
{
	int err;

	c->orders = *orders;
	snprintf(c->shed_text, sizeof(c->shed_text), "%s", text);
	c->history.limit_bytes = orders->history_bytes;
	history__trim(&c->history, clock__mono_ns());
	tables__shrink(c->tables, orders->row_segments);
	collector__follow_processes(c, !orders->unfollowed);
	err = collector__set_frequency(c, c->opts.frequency_hz);
	collector__note_shed(c); /* after it: a window that ended was still as it says */
	collector__limit_windows(c);
	return err;
}

static void collector__take_opts(struct collector *c, const struct collector_opts *opts)
{
	c->opts = *opts;
	c->history.age_ns = opts->history_ns;
	object_cache__keep(c->objects, collector__longest_ns(opts));
	c->maps->gate->kernel_stacks = opts->kernel_stacks;
	collector__push_verdicts(c);
}

/* Nothing of the new options may stay: their patterns end with them. A window that cannot be opened now is tried again with each slice. */
static void collector__go_back(struct collector *c, const struct collector_opts *old)
{
	int err = collector__set_frequency(c, old->frequency_hz);

	collector__take_opts(c, old);
	if (!err)
		err = collector__choose_windows(c);
	if (!err)
		err = event_sources__follow(c);
	if (err)
		log_warn("collector: go back to the old options: %s, ignoring", strerror(-err));
}

int collector__reconfigure(struct collector *c, const struct collector_opts *opts, struct err *err)
{
	const struct collector_opts old = c->opts;
	struct collector_opts fresh = *opts;
	int ret;

	if (opts->clock != c->opts.clock)
		return err__set(err, -EOPNOTSUPP, "profiling.cpu.clock changes with the next start only");
	if (opts->frequency_hz > c->max_frequency_hz) {
		log_warn("collector: profiling.cpu.frequency of %u needs tables that are made at a start: %u "
			 "until the next",
			 opts->frequency_hz, c->max_frequency_hz);
		fresh.frequency_hz = c->max_frequency_hz;
	}
	ret = collector__set_frequency(c, fresh.frequency_hz);
	if (ret)
		return err__set(err, ret, "cannot begin a window: %s", strerror(-ret));
	collector__take_opts(c, &fresh);
	ret = collector__choose_windows(c);
	if (!ret)
		ret = event_sources__follow(c);
	if (ret)
		err__set(err, ret, "cannot begin to record: %s", strerror(-ret));
	if (!ret) {
		ret = collector__start_duty(c);
		if (ret)
			err__set(err, ret, "cannot set a timer: %s", strerror(-ret));
	}
	if (ret)
		collector__go_back(c, &old);
	return ret;
}

struct object_cache *collector__objects(struct collector *c)
{
	return c->objects;
}

struct loader *collector__loader(struct collector *c)
{
	return c->loader;
}

uint64_t collector__samples(const struct collector *c)
{
	uint64_t n = 0;

	for (int ev = 0; ev < EVENT_N; ev++)
		n += c->stats.samples[ev];
	return n;
}

void collector__stats(struct collector *c, struct collector_stats *ret)
{
	*ret = c->stats;
	ret->clock = perf_clocks__name(c->clocks);
	ret->frequency_hz = c->frequency_hz;
	ret->events = sideband__n_told(c->sideband);
	ret->must_follow = !selector__is_everything(&c->opts.selector);
	ret->process_events = __atomic_load_n(&c->maps->gate->n_life, __ATOMIC_RELAXED);
	for (int ev = 0; ev < EVENT_N; ev++)
		ret->window_bytes += c->windows[ev] ? window__bytes(c->windows[ev]) : 0;
	ret->history_bytes = c->history.bytes;
	ret->history_evicted = c->history.n_evicted;
	tables__stats(c->tables, &ret->tables);
	ret->map_bytes = loader__map_bytes(c->loader) + ret->tables.store.bytes;
	mapping_store__stats(c->mappings, &ret->mappings);
	object_cache__stats(c->objects, &ret->objects);
	process_table__stats(c->processes, &ret->processes);
	collector__wait_stats(c, &ret->waits);
	collector__memory_stats(c, &ret->memory);
	collector__alloc_stats(c, &ret->allocs);
}
