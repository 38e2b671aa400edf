// SPDX-License-Identifier: Apache-2.0
/*
 * governor - Problem: a profiler that is always on must never be what takes a machine down, and cannot know beforehand how many processes, binaries and
 *   stacks it will meet. A fixed size for each part wastes most of it on most machines, and the sum still holds on none that is unusual.
 * Idea: each part starts with a share of the limit (governor__budgets) that is plenty for an ordinary machine. What is really taken is read every few
 *   seconds; over the limit, parts are given up in the order in which they are missed least, and taken back in the opposite one.
 *
 *      memory   history -> symbols of files -> unwind rows of binaries that are walked rarely -> room of the open window -> budgets -> frequency
 *      CPU      stacks finished in user space -> budgets of events -> frequency: 99 -> 49 -> 19 -> 7 -> following processes
 *
 *   Memory has exact prices: over the upper mark, just the excess over the lower one is taken from part after part. CPU time goes by rungs, and by a forecast:
 *   what each kind took lately says how many of them bring it below the limit, and after a while what is true. A frequency only changes with a window, and what a
 *   tick is worth with it, so that the values of each stay true.
 * Invariants: a share grows back only as far as the memory that it could then take stays below the lower mark, and a rung is taken back only
 *   where the cost that it could have then does. So a step back alone never causes the next one forth; where the machine does, right after, the wait
 *   before the next try doubles.
 * Cost: some comparisons every few seconds.
 * What it does not do: give up what has no price list, such as tables of processes: where they alone are over the limit it says so.
 */
#include "user/pipeline/governor.h"

#include <stdio.h>

#include "bpf/abi.h"
#include "user/base/buf.h"

#define MIB             ((uint64_t)1 << 20)
#define SEGMENT         ((uint64_t)ROW_SEGMENT_BYTES)
#define PPM             1000000ull
#define UNLIMITED_BYTES (4096 * MIB)
#define FIXED_BYTES     (24 * MIB) /* code, maps and tables of processes on a small machine */
#define SYMBOL_FLOOR    MIB
#define WINDOW_FLOOR    MIB
#define SEGMENTS_FLOOR  8
#define DEFER_RUNGS     2
#define BUDGET_RUNGS    2 /* a quarter each, likewise */
#define RUNG_SHIFT      2 /* a rung is a quarter of the one above */
#define RELAPSES_MAX    5

/* Prime or nearly, out of step with timers of round periods. */
static const uint32_t lower_hz[] = {499, 199, 99, 49, 19, 7};

static uint64_t at_most(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t at_least(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void governor__budgets(uint64_t memory_bytes, struct governor_budgets *ret)
{
	uint64_t all = memory_bytes ? memory_bytes : UNLIMITED_BYTES;
	uint64_t room = all - at_most(FIXED_BYTES, all * 5 / 8);
	/* too few cost the most, in CPU time; more than the busy binaries of a host have serve nobody */
	uint64_t rows = at_most(room * 3 / 8, at_least(room / 6, 6 * MIB));

	*ret = (struct governor_budgets){
		.history_bytes = room / 8,
		.window_bytes = at_least(room / 6, WINDOW_FLOOR),
		.symbol_bytes = at_most(at_least(room / 8, SYMBOL_FLOOR), 256 * MIB),
		.section_bytes = at_most(room / 8, 128 * MIB),
		.jit_bytes = room / 16,
		.jit_map_bytes = at_most(room / 16, 4 * MIB),
		.count_bytes = at_most(room / 16, 64 * MIB),
		.row_segments = (uint32_t)at_most(at_least(rows / SEGMENT, SEGMENTS_FLOOR), ROW_SEGMENTS_MAX),
	};
}

/* -- orders ------------------------------------------------------------------------------------------------------ */

static void governor__order_rates(struct governor *g)
{
	g->orders.frequency_hz = g->rungs_hz[at_least(g->cpu_rung, g->memory_rung)];
	g->orders.defer_shift = RUNG_SHIFT * g->defer_rung;
	g->orders.budget_shift = RUNG_SHIFT * (uint32_t)at_least(g->cpu_budget_rung, g->memory_budget_rung);
	g->orders.unfollowed = g->unfollowed;
	g->orders.scans = g->unfollowed ? GOVERNOR_SCANS : UINT32_MAX;
}

void governor__init(struct governor *g, const struct governor_opts *opts)
{
	*g = (struct governor){.opts = *opts};
	governor__budgets(opts->memory_bytes, &g->budgets);
	g->orders = (struct governor_orders){
		.history_bytes = g->budgets.history_bytes,
		.symbol_bytes = g->budgets.symbol_bytes,
		.window_bytes = g->budgets.window_bytes,
		.row_segments = g->budgets.row_segments,
	};
	g->rungs_hz[g->n_rungs++] = opts->frequency_hz;
	for (size_t i = 0; i < sizeof(lower_hz) / sizeof(*lower_hz); i++)
		if (lower_hz[i] * 4 < opts->frequency_hz * 3)
			g->rungs_hz[g->n_rungs++] = lower_hz[i];
	governor__order_rates(g);
}

void governor__set_opts(struct governor *g, const struct governor_opts *opts)
{
	uint64_t n_shed = g->n_shed, n_back = g->n_back;

	if (g->opts.memory_bytes == opts->memory_bytes && g->opts.cpu_ppm == opts->cpu_ppm &&
	    g->opts.frequency_hz == opts->frequency_hz)
		return;
	governor__init(g, opts);
	g->n_shed = n_shed;
	g->n_back = n_back;
}

static bool orders__eq(const struct governor_orders *a, const struct governor_orders *b)
{
	return a->history_bytes == b->history_bytes && a->symbol_bytes == b->symbol_bytes &&
	       a->window_bytes == b->window_bytes && a->row_segments == b->row_segments &&
	       a->defer_shift == b->defer_shift && a->frequency_hz == b->frequency_hz &&
	       a->budget_shift == b->budget_shift && a->unfollowed == b->unfollowed;
}

/* How long to wait before a step back. */
static uint64_t quiet_ns(uint32_t relapses)
{
	return GOVERNOR_QUIET_NS << relapses;
}

/* Something has to be given up again soon after it was taken back: the next try waits longer. Sets back_ns to 0: told once. */
static void note_relapse(uint64_t now, uint64_t *back_ns, uint32_t *relapses)
{
	if (!*back_ns)
		return;
	if (now - *back_ns > 2 * quiet_ns(*relapses))
		*relapses = 0;
	else if (*relapses < RELAPSES_MAX)
		++*relapses;
	*back_ns = 0;
}

/* -- CPU time ---------------------------------------------------------------------------------------------------- */

/* What has been measured was of another rung. */
static void governor__forget_readings(struct governor *g)
{
	g->first = g->n_readings = 0;
}

static const struct governor_reading *governor__reading(const struct governor *g, uint32_t i)
{
	return &g->readings[(g->first + i) % GOVERNOR_READINGS];
}

/* Keeps readings so that the oldest is one span back, and no closer to each other than there is room for. */
static void governor__keep(struct governor *g, const struct governor_reading *r)
{
	const uint64_t step = GOVERNOR_SPAN_NS / (GOVERNOR_READINGS - 2);

	while (g->n_readings > 1 && governor__reading(g, 1)->now_ns + GOVERNOR_SPAN_NS <= r->now_ns) {
		g->first = (g->first + 1) % GOVERNOR_READINGS;
		g->n_readings--;
	}
	if (g->n_readings == GOVERNOR_READINGS ||
	    (g->n_readings && r->now_ns < governor__reading(g, g->n_readings - 1)->now_ns + step))
		return;
	g->readings[(g->first + g->n_readings++) % GOVERNOR_READINGS] = *r;
}

static uint64_t share_ppm(uint64_t busy_ns, uint64_t span_ns, uint32_t n_cpus)
{
	return (uint64_t)((double)busy_ns * PPM / ((double)span_ns * (n_cpus ? n_cpus : 1)));
}

/* Shares of the machine, in ppm. */
struct cpu_shares {
	uint64_t all, sample, finish, budget, follow;
};

/* Where each kind stands: how far down, 0 as wanted. */
struct cpu_rungs {
	uint32_t defer, budget, frequency;
	bool unfollowed;
};

static struct cpu_rungs governor__rungs(const struct governor *g)
{
	return (struct cpu_rungs){.defer = g->defer_rung,
				  .budget = (uint32_t)at_least(g->cpu_budget_rung, g->memory_budget_rung),
				  .frequency = (uint32_t)at_least(g->cpu_rung, g->memory_rung),
				  .unfollowed = g->unfollowed};
}

/* What everything would take by these rungs, which lie below the present ones: by what was measured by those. */
static struct cpu_shares governor__forecast(const struct governor *g, const struct cpu_shares *s,
					    const struct cpu_rungs *r)
{
	struct cpu_rungs now = governor__rungs(g);
	uint64_t hz = g->rungs_hz[r->frequency], now_hz = g->rungs_hz[now.frequency];
	struct cpu_shares then = {
		.finish = (s->finish >> RUNG_SHIFT * (r->defer - now.defer)) * hz / now_hz,
		.budget = s->budget >> RUNG_SHIFT * (r->budget - now.budget),
		.follow = r->unfollowed ? 0 : s->follow,
	};

	then.sample = (s->sample - at_most(s->sample, s->finish)) * hz / now_hz + then.finish;
	then.all = s->all - at_most(s->all, s->sample + s->budget + (now.unfollowed ? 0 : s->follow));
	then.all += then.sample + then.budget + then.follow;
	return then;
}

/* What a step aims at: forecasts are not exact, and what was not enough shows after another span only. */
static uint64_t governor__aim(const struct governor *g)
{
	return g->opts.cpu_ppm * 4 / 5;
}

/* The least that brings it there: of what is missed most as little as can be, and of the others no more than it then takes. */
static bool governor__find_rungs(const struct governor *g, const struct cpu_shares *s, uint64_t aim,
				 struct cpu_rungs *r)
{
	const struct cpu_rungs now = governor__rungs(g);

	for (int unfollowed = now.unfollowed; unfollowed < 2; unfollowed++)
		for (uint32_t f = now.frequency; f < g->n_rungs; f++)
			for (uint32_t b = now.budget; b <= BUDGET_RUNGS; b++)
				for (uint32_t d = now.defer; d <= DEFER_RUNGS; d++) {
					*r = (struct cpu_rungs){d, b, f, unfollowed};
					if (governor__forecast(g, s, r).all <= aim)
						return true;
				}
	return false;
}

/* Nothing will do: each kind goes as far down as it is a part of the trouble. */
static struct cpu_rungs governor__last_rungs(const struct governor *g, const struct cpu_shares *s)
{
	struct cpu_rungs r = governor__rungs(g);
	uint64_t matters = g->opts.cpu_ppm / 8;

	while (r.defer < DEFER_RUNGS && governor__forecast(g, s, &r).finish > matters)
		r.defer++;
	while (r.budget < BUDGET_RUNGS && governor__forecast(g, s, &r).budget > matters)
		r.budget++;
	while (r.frequency + 1 < g->n_rungs && governor__forecast(g, s, &r).sample > matters)
		r.frequency++;
	r.unfollowed |= s->follow > matters;
	return r;
}

static bool governor__shed_cpu(struct governor *g, const struct cpu_shares *s)
{
	const struct cpu_rungs now = governor__rungs(g);
	struct cpu_rungs r;

	if (!governor__find_rungs(g, s, governor__aim(g), &r) &&
	    !governor__find_rungs(g, s, g->opts.cpu_ppm, &r))
		r = governor__last_rungs(g, s);
	g->defer_rung = r.defer;
	if (r.budget > now.budget)
		g->cpu_budget_rung = r.budget;
	if (r.frequency > now.frequency)
		g->cpu_rung = r.frequency;
	g->unfollowed = r.unfollowed;
	return r.defer > now.defer || r.budget > now.budget || r.frequency > now.frequency ||
	       r.unfollowed > now.unfollowed;
}

/* Up one rung, where what it could cost then leaves room. */
static bool governor__back_cpu(struct governor *g, const struct cpu_shares *s)
{
	const uint64_t more = (1u << RUNG_SHIFT) - 1;
	uint64_t then = s->all;

	if (g->unfollowed)
		then += s->follow;
	else if (g->cpu_rung)
		then += s->sample * g->rungs_hz[g->cpu_rung - 1] / g->rungs_hz[g->cpu_rung] - s->sample;
	else if (g->cpu_budget_rung)
		then += s->budget * more;
	else if (g->defer_rung)
		then += s->finish * more;
	else
		return false;
	if (then > governor__aim(g))
		return false;
	if (g->unfollowed)
		g->unfollowed = false;
	else if (g->cpu_rung)
		g->cpu_rung--;
	else if (g->cpu_budget_rung)
		g->cpu_budget_rung--;
	else
		g->defer_rung--;
	return true;
}

/* What following takes, or would take of what happens now. */
static uint64_t governor__follow_ns(struct governor *g, const struct governor_reading *from,
				    const struct governor_reading *to)
{
	uint64_t n = to->n_events - from->n_events, ns = to->follow_ns - from->follow_ns;

	if (g->unfollowed)
		return (uint64_t)(g->event_ns * (double)n);
	g->event_ns = n ? (double)ns / (double)n : 0;
	return ns;
}

static void governor__judge_cpu(struct governor *g, const struct governor_reading *r)
{
	const struct governor_reading *from;
	uint64_t span, limit = g->opts.cpu_ppm;
	struct cpu_shares s;
	bool soon, full;

	governor__keep(g, r);
	from = governor__reading(g, 0);
	span = r->now_ns - from->now_ns;
	if (!limit || !span)
		return;
	s.all = share_ppm(r->cpu_ns - from->cpu_ns, span, r->n_cpus);
	s.sample = share_ppm(r->sample_ns - from->sample_ns, span, r->n_cpus);
	s.finish = share_ppm(r->finish_ns - from->finish_ns, span, r->n_cpus);
	s.budget = share_ppm(r->budget_ns - from->budget_ns, span, r->n_cpus);
	s.follow = share_ppm(governor__follow_ns(g, from, r), span, r->n_cpus);
	g->cpu_ppm = s.all;
	full = span >= GOVERNOR_SPAN_NS;
	/* the start has much to learn and is not judged by its first seconds */
	soon = g->cpu_step_ns && span >= GOVERNOR_CPU_SETTLE_NS && s.all > 2 * limit;
	if (s.all > limit && (full || soon)) {
		g->cpu_stuck = !governor__shed_cpu(g, &s);
		if (g->cpu_stuck)
			return;
		g->n_shed++;
		note_relapse(r->now_ns, &g->cpu_back_ns, &g->cpu_relapses);
	} else if (full && r->now_ns - g->cpu_step_ns >= quiet_ns(g->cpu_relapses) &&
		   governor__back_cpu(g, &s)) {
		g->n_back++;
		g->cpu_back_ns = r->now_ns;
	} else {
		g->cpu_stuck = g->cpu_stuck && s.all > limit;
		return;
	}
	g->cpu_step_ns = r->now_ns;
	governor__forget_readings(g);
	governor__keep(g, r);
}

/* -- memory ------------------------------------------------------------------------------------------------------ */

/* Lowers a part to what it holds less the excess, down to its floor; returns what that frees. */
static uint64_t give_up(uint64_t *limit, uint64_t holds, uint64_t floor, uint64_t excess)
{
	uint64_t freed = holds > floor ? at_most(holds - floor, excess) : 0;

	*limit = at_most(*limit, at_least(holds - freed, floor));
	return freed;
}

static bool governor__shed_memory(struct governor *g, const struct governor_reading *r, uint64_t excess)
{
	struct governor_orders before = g->orders;
	struct {
		uint64_t limit, holds, floor;
	} parts[] = {
		{g->orders.history_bytes, r->history_bytes, 0},
		{g->orders.symbol_bytes, r->symbol_bytes, SYMBOL_FLOOR},
		{g->orders.row_segments * SEGMENT, r->row_bytes, SEGMENTS_FLOOR * SEGMENT},
		{g->orders.window_bytes, r->window_bytes, WINDOW_FLOOR},
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts) && excess; i++)
		excess -= give_up(&parts[i].limit, parts[i].holds, parts[i].floor, excess);
	g->orders.history_bytes = parts[0].limit;
	g->orders.symbol_bytes = parts[1].limit;
	g->orders.row_segments = (uint32_t)(parts[2].limit / SEGMENT);
	g->orders.window_bytes = parts[3].limit;
	return !orders__eq(&before, &g->orders);
}

/* The last resort: fewer samples make fewer stacks. Slow, because it shows with the next window only. */
static bool governor__shed_memory_rung(struct governor *g, const struct governor_reading *r)
{
	uint32_t rung = (uint32_t)at_least(g->cpu_rung, g->memory_rung);
	uint32_t budget_rung = (uint32_t)at_least(g->cpu_budget_rung, g->memory_budget_rung);

	if (g->memory_rung_ns && r->now_ns - g->memory_rung_ns < GOVERNOR_SPAN_NS)
		return false;
	if (r->budget_ns && budget_rung < BUDGET_RUNGS)
		g->memory_budget_rung = budget_rung + 1;
	else if (rung + 1 < g->n_rungs)
		g->memory_rung = rung + 1;
	else
		return false;
	g->memory_rung_ns = r->now_ns;
	governor__forget_readings(g);
	return true;
}

/* Raises a part as far as the memory that it does not hold yet is there; by a MiB at least, or to its budget. */
static bool take_back(uint64_t *limit, uint64_t budget, uint64_t holds, uint64_t spare)
{
	uint64_t to = at_most(budget, holds + spare);

	if (to <= *limit || (to < budget && to < *limit + MIB))
		return false;
	*limit = to;
	return true;
}

static bool governor__back_memory(struct governor *g, const struct governor_reading *r, uint64_t spare)
{
	uint64_t window = g->orders.window_bytes, rows = g->orders.row_segments * SEGMENT,
		 symbols = g->orders.symbol_bytes, history = g->orders.history_bytes;
	bool any;

	if (g->memory_rung || g->memory_budget_rung) {
		if (r->window_bytes * 2 > spare)
			return false;
		if (g->memory_rung)
			g->memory_rung--;
		else
			g->memory_budget_rung--;
		g->memory_rung_ns = r->now_ns;
		governor__forget_readings(g);
		return true;
	}
	any = take_back(&window, g->budgets.window_bytes, r->window_bytes, spare) ||
	      take_back(&rows, g->budgets.row_segments * SEGMENT, r->row_bytes, spare) ||
	      take_back(&symbols, g->budgets.symbol_bytes, r->symbol_bytes, spare) ||
	      take_back(&history, g->budgets.history_bytes, r->history_bytes, spare);
	g->orders.window_bytes = window;
	g->orders.row_segments = (uint32_t)(rows / SEGMENT);
	g->orders.symbol_bytes = symbols;
	g->orders.history_bytes = history;
	return any;
}

/*
 * Reading the symbols of a file takes, for some milliseconds between two readings, its symbols, its strings and the table that is made of them. That much
 * stays free, within reason.
 */
static uint64_t upper_mark(const struct governor *g)
{
	uint64_t limit = g->opts.memory_bytes;

	return limit - at_most(at_least(g->budgets.section_bytes * 3, limit / 10), limit / 4);
}

static void governor__judge_memory(struct governor *g, const struct governor_reading *r)
{
	uint64_t limit = g->opts.memory_bytes, upper = upper_mark(g), lower = upper - limit / 10;
	uint64_t since = r->now_ns - g->memory_step_ns;

	g->memory_bytes = r->memory_bytes;
	if (!limit)
		return;
	if (r->memory_bytes > upper) {
		if (g->memory_step_ns && since < GOVERNOR_MEMORY_SETTLE_NS)
			return;
		if (!governor__shed_memory(g, r, r->memory_bytes - lower) &&
		    (r->memory_bytes <= limit || !governor__shed_memory_rung(g, r))) {
			g->memory_stuck = r->memory_bytes > limit;
			return;
		}
		g->n_shed++;
		note_relapse(r->now_ns, &g->memory_back_ns, &g->memory_relapses);
	} else {
		if (r->memory_bytes >= lower || !g->memory_step_ns || since < quiet_ns(g->memory_relapses) ||
		    !governor__back_memory(g, r, lower - r->memory_bytes))
			goto out;
		g->n_back++;
		g->memory_back_ns = r->now_ns;
	}
	g->memory_step_ns = r->now_ns;
out:
	g->memory_stuck = false;
}

/* ---------------------------------------------------------------------------------------------------------------- */

bool governor__judge(struct governor *g, const struct governor_reading *r, struct governor_orders *ret)
{
	struct governor_orders before = g->orders;

	governor__judge_cpu(g, r);
	governor__judge_memory(g, r);
	governor__order_rates(g);
	*ret = g->orders;
	return !orders__eq(&before, &g->orders);
}

static void say_bytes(struct buf *b, const char *what, uint64_t now, uint64_t budget)
{
	if (now < budget)
		buf__printf(b, "%s%s %.1f of %.1f MiB (limits.memory)", b->len ? ", " : "", what,
			    (double)now / MIB, (double)budget / MIB);
}

void governor__text(const struct governor *g, char ret_text[GOVERNOR_TEXT_MAX])
{
	const struct governor_orders *o = &g->orders;
	struct buf b;

	buf__init(&b, 4096);
	if (o->frequency_hz < g->opts.frequency_hz)
		buf__printf(&b, "frequency %u of %u Hz (%s)", o->frequency_hz, g->opts.frequency_hz,
			    g->cpu_rung >= g->memory_rung ? "limits.cpu" : "limits.memory");
	if (o->defer_shift)
		buf__printf(&b, "%sunfinished stacks 1/%u (limits.cpu)", b.len ? ", " : "",
			    1u << o->defer_shift);
	if (o->budget_shift)
		buf__printf(&b, "%sbudgets of events 1/%u (%s)", b.len ? ", " : "", 1u << o->budget_shift,
			    g->cpu_budget_rung >= g->memory_budget_rung ? "limits.cpu" : "limits.memory");
	if (o->unfollowed)
		buf__printf(&b, "%sprocesses are known from their samples only (limits.cpu)",
			    b.len ? ", " : "");
	say_bytes(&b, "window", o->window_bytes, g->budgets.window_bytes);
	say_bytes(&b, "unwind rows", o->row_segments * SEGMENT, g->budgets.row_segments * SEGMENT);
	say_bytes(&b, "symbols", o->symbol_bytes, g->budgets.symbol_bytes);
	say_bytes(&b, "history", o->history_bytes, g->budgets.history_bytes);
	snprintf(ret_text, GOVERNOR_TEXT_MAX, "%s", buf__str(&b));
	buf__done(&b);
}
