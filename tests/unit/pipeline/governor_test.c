// SPDX-License-Identifier: Apache-2.0
/* A machine of two lines: what it takes follows from the orders, and time passes at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bpf/abi.h"
#include "user/pipeline/governor.h"

#define MIB   ((uint64_t)1 << 20)
#define EVERY (5 * NS_PER_SEC)

struct machine {
	struct governor g;
	struct governor_orders orders;
	struct governor_reading r;
	uint64_t cpu_ppm_a_hz;              /* cost of sampling, of the machine */
	uint64_t cpu_ppm_base;              /* of everything else */
	uint64_t finish_ppm;                /* of finishing stacks, at all tokens */
	uint64_t budget_ppm;                /* of events, at their whole budgets */
	uint64_t event_ns, events_a_second; /* of processes */
	uint64_t fixed_bytes;
	uint64_t wants_history, wants_symbols, wants_rows, wants_window;
	uint32_t n_changes;
	uint64_t changed_ns, least_gap_ns;
};

static uint64_t at_most(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void machine__init(struct machine *m, uint64_t memory, uint64_t cpu_ppm, uint32_t hz)
{
	const struct governor_opts opts = {.memory_bytes = memory, .cpu_ppm = cpu_ppm, .frequency_hz = hz};

	*m = (struct machine){.r = {.now_ns = 1000 * NS_PER_SEC, .n_cpus = 2}, .least_gap_ns = UINT64_MAX};
	governor__init(&m->g, &opts);
	m->orders = m->g.orders;
}

/* Five seconds on, by the orders there are. */
static bool machine__step(struct machine *m)
{
	const struct governor_orders *o = &m->orders;
	uint64_t finish = m->finish_ppm >> o->defer_shift;
	uint64_t budget = m->budget_ppm >> o->budget_shift;
	uint64_t follow_ns = o->unfollowed ? 0 : m->event_ns * m->events_a_second * (EVERY / NS_PER_SEC);
	uint64_t ppm = m->cpu_ppm_base + m->cpu_ppm_a_hz * o->frequency_hz + finish + budget;
	bool changed;

	m->r.now_ns += EVERY;
	m->r.cpu_ns += ppm * m->r.n_cpus * (EVERY / 1000000) + follow_ns;
	m->r.budget_ns += budget * m->r.n_cpus * (EVERY / 1000000);
	m->r.follow_ns += follow_ns;
	m->r.n_events += m->events_a_second * (EVERY / NS_PER_SEC);
	m->r.sample_ns += (m->cpu_ppm_a_hz * o->frequency_hz + finish) * m->r.n_cpus * (EVERY / 1000000);
	m->r.finish_ns += finish * m->r.n_cpus * (EVERY / 1000000);
	m->r.history_bytes = at_most(m->wants_history, o->history_bytes);
	m->r.symbol_bytes = at_most(m->wants_symbols, o->symbol_bytes);
	m->r.row_bytes = at_most(m->wants_rows, o->row_segments * (uint64_t)ROW_SEGMENT_BYTES);
	m->r.window_bytes = at_most(m->wants_window, o->window_bytes);
	m->r.memory_bytes =
		m->fixed_bytes + m->r.history_bytes + m->r.symbol_bytes + m->r.row_bytes + m->r.window_bytes;
	changed = governor__judge(&m->g, &m->r, &m->orders);
	if (changed) {
		if (m->n_changes++)
			m->least_gap_ns = at_most(m->least_gap_ns, m->r.now_ns - m->changed_ns);
		m->changed_ns = m->r.now_ns;
	}
	return changed;
}

static void machine__run(struct machine *m, uint64_t seconds)
{
	for (uint64_t s = 0; s < seconds; s += EVERY / NS_PER_SEC)
		machine__step(m);
}

static void nothing_is_given_up_below_the_limits(void **state)
{
	char text[GOVERNOR_TEXT_MAX];
	struct machine m;

	(void)state;
	machine__init(&m, 128 * MIB, 10000, 99);
	m.cpu_ppm_a_hz = 90;
	m.fixed_bytes = 40 * MIB;
	m.wants_history = 20 * MIB;
	machine__run(&m, 3600);
	assert_int_equal(m.n_changes, 0);
	assert_int_equal(m.orders.frequency_hz, 99);
	assert_int_equal(m.orders.defer_shift, 0);
	governor__text(&m.g, text);
	assert_string_equal(text, "");
}

static void budgets_and_what_is_fixed_fit_the_limit(void **state)
{
	(void)state;
	for (uint64_t mib = 32; mib <= 65536; mib += mib / 8) {
		struct governor_budgets b;
		uint64_t sum;

		governor__budgets(mib * MIB, &b);
		sum = b.history_bytes + b.window_bytes + b.symbol_bytes + b.count_bytes + b.jit_bytes +
		      b.row_segments * (uint64_t)ROW_SEGMENT_BYTES;
		assert_true(sum + at_most(24 * MIB, mib * MIB * 5 / 8) <= mib * MIB);
		assert_true(b.window_bytes >= MIB && b.symbol_bytes >= MIB && b.row_segments >= 8);
	}
}

static void history_goes_first_and_no_more_than_has_to(void **state)
{
	struct machine m;

	(void)state;
	machine__init(&m, 400 * MIB, 10000, 99);
	m.fixed_bytes = 250 * MIB;
	m.wants_history = 45 * MIB;
	m.wants_symbols = 6 * MIB;
	assert_true(machine__step(&m)); /* 301 of 400 MiB, the marks are 300 and 260 */
	assert_in_range(m.orders.history_bytes, 4 * MIB - 1, 4 * MIB + 100);
	assert_int_equal(m.orders.symbol_bytes, m.g.budgets.symbol_bytes);
	assert_int_equal(m.orders.row_segments, m.g.budgets.row_segments);
	assert_int_equal(m.orders.frequency_hz, 99);
	assert_false(machine__step(&m));
	assert_in_range(m.r.memory_bytes, 260 * MIB - 100, 260 * MIB + 100);
}

static void the_order_is_history_symbols_rows_window_frequency(void **state)
{
	struct machine m;

	(void)state;
	machine__init(&m, 100 * MIB, 0, 99);
	m.wants_history = m.wants_symbols = m.wants_rows = m.wants_window = 5 * MIB;
	m.fixed_bytes = 60 * MIB;
	machine__run(&m, 20); /* 80: 15 MiB over the lower mark */
	assert_int_equal(m.orders.history_bytes, 0);
	assert_int_equal(m.orders.symbol_bytes, MIB);
	assert_int_equal(m.orders.row_segments, 8);
	assert_int_equal(m.orders.window_bytes, MIB);
	assert_int_equal(m.orders.frequency_hz, 99);
	m.fixed_bytes = 95 * MIB; /* 101 with the floors */
	machine__run(&m, 20);
	assert_int_equal(m.orders.frequency_hz, 49);
	machine__run(&m, 60);
	assert_int_equal(m.orders.frequency_hz, 19);
	machine__run(&m, 200);
	assert_int_equal(m.orders.frequency_hz, 7);
	assert_true(m.g.memory_stuck);
	assert_int_equal(m.orders.history_bytes, 0);
}

static void what_was_freed_has_time_to_show(void **state)
{
	struct machine m;

	(void)state;
	machine__init(&m, 400 * MIB, 0, 99);
	m.fixed_bytes = 260 * MIB;
	m.wants_history = 45 * MIB;
	assert_true(machine__step(&m));
	m.wants_symbols = 45 * MIB;
	assert_false(machine__step(&m)); /* over the mark, but five seconds later */
	assert_true(machine__step(&m));
}

static void partly_full_parts_are_not_asked_for_more_than_they_hold(void **state)
{
	struct machine m;

	(void)state;
	machine__init(&m, 100 * MIB, 0, 99);
	m.fixed_bytes = 75 * MIB;
	m.wants_history = 2 * MIB;
	m.wants_rows = 9 * MIB;
	machine__step(&m); /* 86 of 100: 21 too many, 2 + 5 of them to be had */
	assert_int_equal(m.orders.history_bytes, 0);
	assert_int_equal(m.orders.row_segments, 8);
	machine__step(&m);
	assert_int_equal(m.r.memory_bytes, 79 * MIB);
	assert_false(m.g.memory_stuck);
	assert_int_equal(m.orders.frequency_hz, 99);
}

static void what_was_given_up_comes_back_after_quiet_and_with_room(void **state)
{
	char text[GOVERNOR_TEXT_MAX];
	struct machine m;

	(void)state;
	machine__init(&m, 100 * MIB, 0, 99);
	m.wants_history = 5 * MIB;
	m.wants_symbols = 5 * MIB;
	m.fixed_bytes = 70 * MIB;
	machine__run(&m, 15);
	assert_int_equal(m.orders.history_bytes, 0);
	m.fixed_bytes = 30 * MIB;
	machine__run(&m, 100);
	assert_int_equal(m.orders.history_bytes, 0); /* too soon */
	machine__run(&m, 1200);
	governor__text(&m.g, text);
	assert_string_equal(text, "");
	assert_int_equal(m.orders.history_bytes, m.g.budgets.history_bytes);
	assert_true(m.least_gap_ns >= GOVERNOR_MEMORY_SETTLE_NS);
}

static void a_part_grows_back_only_into_memory_that_is_there(void **state)
{
	struct machine m;

	(void)state;
	machine__init(&m, 400 * MIB, 0, 99);
	m.wants_history = 47 * MIB;
	m.fixed_bytes = 256 * MIB;
	machine__run(&m, 7200); /* 303 MiB wanted: what fits below the lower mark is kept, for hours */
	assert_int_equal(m.n_changes, 1);
	assert_true(m.r.memory_bytes <= 260 * MIB + 100);
	assert_true(m.r.history_bytes >= 4 * MIB);
	m.fixed_bytes = 246 * MIB; /* ten less */
	machine__run(&m, 200);
	assert_in_range(m.r.history_bytes, 14 * MIB - 100, 14 * MIB + 100);
}

static void cost_over_the_limit_lowers_the_frequency_as_far_as_it_takes(void **state)
{
	struct machine m;

	(void)state;
	machine__init(&m, 0, 2000, 99);
	m.cpu_ppm_a_hz = 80; /* 0.8 % of the machine at 99 Hz, 0.39 % at 49, 0.15 % at 19 */
	machine__run(&m, 55);
	assert_int_equal(m.orders.frequency_hz, 99); /* the start is not judged */
	machine__run(&m, 10);
	assert_int_equal(m.orders.frequency_hz, 19); /* 49 would not do, and is not tried first */
	assert_int_equal(m.orders.defer_shift, 0);   /* not what costs */
	machine__run(&m, 7200);
	assert_int_equal(m.orders.frequency_hz, 19); /* 49 would not fit: not even tried */
	assert_int_equal(m.n_changes, 1);
}

/* Forecasts are not exact: what would only just hold is not relied on where more can be given up, and is taken where nothing can. */
static void a_step_leaves_room_where_it_can(void **state)
{
	struct machine m;

	(void)state;
	machine__init(&m, 0, 5000, 99);
	m.cpu_ppm_base = 500;
	m.cpu_ppm_a_hz = 90; /* 0.49 % at 49 Hz, 0.22 % at 19 */
	machine__run(&m, 65);
	assert_int_equal(m.orders.frequency_hz, 19);
	machine__init(&m, 0, 5000, 99);
	m.cpu_ppm_base = 4500;
	m.cpu_ppm_a_hz = 50; /* 0.485 % at 7 Hz */
	machine__run(&m, 65);
	assert_int_equal(m.orders.frequency_hz, 7);
	assert_false(m.g.cpu_stuck);
}

static void finishing_stacks_is_given_up_before_the_frequency_where_it_costs(void **state)
{
	char text[GOVERNOR_TEXT_MAX];
	struct machine m;

	(void)state;
	machine__init(&m, 0, 10000, 99);
	m.cpu_ppm_a_hz = 50;
	m.finish_ppm = 8000;
	machine__run(&m, 300);
	assert_int_equal(m.orders.defer_shift, 2);
	assert_int_equal(m.orders.frequency_hz, 99);
	governor__text(&m.g, text);
	assert_string_equal(text, "unfinished stacks 1/4 (limits.cpu)");
	m.finish_ppm = 0;
	machine__run(&m, 600);
	assert_int_equal(m.orders.defer_shift, 0);
}

static void budgets_go_before_the_frequency_and_come_back_after_it(void **state)
{
	char text[GOVERNOR_TEXT_MAX];
	struct machine m;

	(void)state;
	machine__init(&m, 0, 10000, 99);
	m.cpu_ppm_a_hz = 60;
	m.budget_ppm = 8000; /* 1.4 % */
	machine__run(&m, 65);
	assert_int_equal(m.orders.budget_shift, 2);
	assert_int_equal(m.orders.frequency_hz, 99);
	governor__text(&m.g, text);
	assert_string_equal(text, "budgets of events 1/4 (limits.cpu)");
	m.cpu_ppm_a_hz = 200; /* 2 % and more: the rest of the budgets would not do, and is left */
	machine__run(&m, 600);
	assert_int_equal(m.orders.budget_shift, 2);
	assert_int_equal(m.orders.frequency_hz, 19);
	m.cpu_ppm_a_hz = 20;
	m.budget_ppm = 3000;
	machine__run(&m, 3600);
	assert_int_equal(m.orders.budget_shift, 0);
	assert_int_equal(m.orders.frequency_hz, 99);
}

/* 1,000 processes a second of 60 us each are 3 % of two CPUs whatever the frequency. */
static void following_processes_is_given_up_last_and_returns_when_they_are_few(void **state)
{
	char text[GOVERNOR_TEXT_MAX];
	struct machine m;

	(void)state;
	machine__init(&m, 0, 5000, 99);
	m.cpu_ppm_a_hz = 30;
	m.event_ns = 20000;
	m.events_a_second = 3000;
	machine__run(&m, 1200);
	assert_true(m.orders.unfollowed);
	assert_false(m.g.cpu_stuck);
	governor__text(&m.g, text);
	assert_non_null(strstr(text, "processes are known from their samples only (limits.cpu)"));
	machine__run(&m, 3600);
	assert_true(m.orders.unfollowed); /* as many still begin: not even tried */
	m.events_a_second = 30;
	machine__run(&m, 3600);
	governor__text(&m.g, text);
	assert_string_equal(text, "");
}

/* Whatever else is given up, 3 % of processes stay far above 0.5 %: they go, and nothing else has to. */
static void following_that_has_to_go_anyway_goes_alone(void **state)
{
	struct machine m;

	(void)state;
	machine__init(&m, 0, 5000, 99);
	m.cpu_ppm_a_hz = 30;
	m.event_ns = 20000;
	m.events_a_second = 3000;
	assert_int_equal(m.orders.scans, UINT32_MAX);
	while (!m.n_changes)
		machine__step(&m);
	assert_true(m.orders.unfollowed);
	assert_int_equal(m.orders.scans, GOVERNOR_SCANS);
	assert_int_equal(m.orders.frequency_hz, 99);
	/* as far over the limit by what sampling takes alone, nothing of following is touched */
	machine__init(&m, 0, 5000, 99);
	m.cpu_ppm_a_hz = 300;
	m.event_ns = 20000;
	m.events_a_second = 60;
	machine__run(&m, 1200);
	assert_int_equal(m.orders.frequency_hz, 7);
	assert_false(m.orders.unfollowed);
}

/* Half over the limit, of four kinds a part each: one step, and no more of any than it takes. */
static void as_many_kinds_as_it_takes_go_at_once(void **state)
{
	struct machine m;

	(void)state;
	machine__init(&m, 0, 5000, 99);
	m.cpu_ppm_base = 800;
	m.cpu_ppm_a_hz = 20; /* 0.20 %; 0.10 at 49 Hz */
	m.finish_ppm = 1500;
	m.budget_ppm = 3000;
	machine__run(&m, 65);
	assert_int_equal(m.n_changes, 1);
	/* 0.08 + 0.2 + 0.15 / 4 + 0.3 / 4 is below four fifths; all of finishing would be over */
	assert_int_equal(m.orders.budget_shift, 2);
	assert_int_equal(m.orders.defer_shift, 2);
	assert_int_equal(m.orders.frequency_hz, 99);
	assert_false(m.orders.unfollowed);
	machine__run(&m, 3600);
	assert_int_equal(m.n_changes, 1);
}

static void memory_takes_from_budgets_before_the_frequency(void **state)
{
	struct machine m;

	(void)state;
	machine__init(&m, 100 * MIB, 0, 99);
	m.budget_ppm = 1000;
	m.fixed_bytes = 101 * MIB;
	machine__run(&m, 50);
	assert_int_equal(m.orders.budget_shift, 2);
	machine__run(&m, 60);
	assert_int_equal(m.orders.budget_shift, 4);
	assert_int_equal(m.orders.frequency_hz, 99);
	machine__run(&m, 200);
	assert_int_equal(m.orders.frequency_hz, 7);
	m.fixed_bytes = 20 * MIB;
	machine__run(&m, 3600);
	assert_int_equal(m.orders.budget_shift, 0);
	assert_int_equal(m.orders.frequency_hz, 99);
}

static void a_burst_gives_way_and_the_frequency_returns(void **state)
{
	char text[GOVERNOR_TEXT_MAX];
	struct machine m;

	(void)state;
	machine__init(&m, 0, 5000, 99);
	m.cpu_ppm_a_hz = 60;
	m.cpu_ppm_base = 20000;
	machine__run(&m, 600);
	assert_int_equal(m.orders.frequency_hz, 7);
	assert_true(m.g.cpu_stuck); /* 2 % whatever the frequency */
	governor__text(&m.g, text);
	assert_string_equal(text, "frequency 7 of 99 Hz (limits.cpu)");
	m.cpu_ppm_base = 100;
	m.cpu_ppm_a_hz = 30;
	machine__run(&m, 1800);
	assert_int_equal(m.orders.frequency_hz, 99);
	assert_int_equal(m.orders.defer_shift, 0);
	assert_false(m.g.cpu_stuck);
}

/* Five minutes heavy, five light, for a day: each relapse doubles the wait, so that steps become rare instead of following the load. */
static void a_load_that_comes_and_goes_is_not_followed(void **state)
{
	uint32_t first_hours, last_hours;
	struct machine m;

	(void)state;
	machine__init(&m, 0, 5000, 99);
	for (int i = 0; i < 24; i++) {
		m.cpu_ppm_a_hz = i % 2 ? 5 : 90;
		machine__run(&m, 300);
	}
	first_hours = m.n_changes;
	for (int i = 0; i < 24 * 5; i++) {
		m.cpu_ppm_a_hz = i % 2 ? 5 : 90;
		machine__run(&m, 300);
	}
	last_hours = m.n_changes - first_hours;
	assert_true(first_hours > 0);
	assert_true(last_hours / 5 <= first_hours);
	assert_true(m.least_gap_ns >= GOVERNOR_CPU_SETTLE_NS);
}

static void what_would_not_help_is_not_given_up(void **state)
{
	struct machine m;

	(void)state;
	machine__init(&m, 0, 1000, 99);
	m.cpu_ppm_base = 50000; /* not from samples */
	m.cpu_ppm_a_hz = 1;
	machine__run(&m, 3600);
	assert_int_equal(m.n_changes, 0);
	assert_true(m.g.cpu_stuck);
	m.cpu_ppm_base = 10;
	machine__run(&m, 65);
	assert_false(m.g.cpu_stuck);
}

/* At 99 Hz a sample costs ten times what it does below, which no forecast can know. */
static void each_relapse_doubles_the_wait(void **state)
{
	struct machine m;

	(void)state;
	machine__init(&m, 0, 5000, 99);
	for (int i = 0; i < 10 * 3600 / 5; i++) {
		m.cpu_ppm_a_hz = m.orders.frequency_hz == 99 ? 200 : 20;
		machine__step(&m);
	}
	/* in ten hours; without doubling, 200. From 99 Hz down to 19 at once, and back by way of 49 */
	assert_in_range(m.g.n_back, 10, 20);
	assert_in_range(m.g.n_shed, m.g.n_back / 2, m.g.n_back / 2 + 1);
}

static void a_frequency_has_its_own_rungs_below_it(void **state)
{
	static const uint32_t steps[] = {1000, 499, 199, 99, 49, 19, 7};
	struct machine m;

	(void)state;
	machine__init(&m, 0, 1000, 5);
	m.cpu_ppm_a_hz = 2000;
	machine__run(&m, 3600);
	assert_int_equal(m.orders.frequency_hz, 5);
	assert_true(m.g.cpu_stuck);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		machine__init(&m, 0, 100000, 1000);
		m.cpu_ppm_a_hz =
			79999 / steps[i]; /* at this one it is what is aimed at, and at the one above not */
		machine__run(&m, 65);
		assert_int_equal(m.orders.frequency_hz, steps[i]);
	}
}

/* A step back is judged by what grows with it, not by all that is taken. */
static void other_costs_do_not_keep_the_frequency_down(void **state)
{
	struct machine m;

	(void)state;
	machine__init(&m, 0, 10000, 99);
	m.cpu_ppm_base = 5000;
	m.cpu_ppm_a_hz = 60;
	machine__run(&m, 100);
	assert_int_equal(m.orders.frequency_hz, 49);
	m.cpu_ppm_a_hz = 20;
	machine__run(&m, 400); /* 0.6 % now; doubled it would not fit */
	assert_int_equal(m.orders.frequency_hz, 99);
	machine__run(&m, 3600);
	assert_int_equal(m.n_changes, 2);
}

static void the_same_limits_again_change_nothing_and_others_begin_anew(void **state)
{
	struct governor_opts opts = {.memory_bytes = 100 * MIB, .cpu_ppm = 2000, .frequency_hz = 99};
	struct machine m;

	(void)state;
	machine__init(&m, 100 * MIB, 2000, 99);
	m.cpu_ppm_a_hz = 80;
	machine__run(&m, 70);
	assert_int_equal(m.orders.frequency_hz, 19);
	governor__set_opts(&m.g, &opts);
	assert_int_equal(m.g.orders.frequency_hz, 19);
	opts.cpu_ppm = 10000;
	governor__set_opts(&m.g, &opts);
	assert_int_equal(m.g.orders.frequency_hz, 99);
	assert_int_equal(m.g.n_shed, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_given_up_below_the_limits),
		cmocka_unit_test(budgets_and_what_is_fixed_fit_the_limit),
		cmocka_unit_test(history_goes_first_and_no_more_than_has_to),
		cmocka_unit_test(the_order_is_history_symbols_rows_window_frequency),
		cmocka_unit_test(what_was_freed_has_time_to_show),
		cmocka_unit_test(partly_full_parts_are_not_asked_for_more_than_they_hold),
		cmocka_unit_test(what_was_given_up_comes_back_after_quiet_and_with_room),
		cmocka_unit_test(a_part_grows_back_only_into_memory_that_is_there),
		cmocka_unit_test(cost_over_the_limit_lowers_the_frequency_as_far_as_it_takes),
		cmocka_unit_test(a_step_leaves_room_where_it_can),
		cmocka_unit_test(finishing_stacks_is_given_up_before_the_frequency_where_it_costs),
		cmocka_unit_test(budgets_go_before_the_frequency_and_come_back_after_it),
		cmocka_unit_test(following_processes_is_given_up_last_and_returns_when_they_are_few),
		cmocka_unit_test(following_that_has_to_go_anyway_goes_alone),
		cmocka_unit_test(as_many_kinds_as_it_takes_go_at_once),
		cmocka_unit_test(memory_takes_from_budgets_before_the_frequency),
		cmocka_unit_test(a_burst_gives_way_and_the_frequency_returns),
		cmocka_unit_test(a_load_that_comes_and_goes_is_not_followed),
		cmocka_unit_test(what_would_not_help_is_not_given_up),
		cmocka_unit_test(each_relapse_doubles_the_wait),
		cmocka_unit_test(a_frequency_has_its_own_rungs_below_it),
		cmocka_unit_test(other_costs_do_not_keep_the_frequency_down),
		cmocka_unit_test(the_same_limits_again_change_nothing_and_others_begin_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
