// SPDX-License-Identifier: Apache-2.0
/* Samples of windows whose truth is known: are totals right, and is the stated error the one that totals have? */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/pipeline/alloc_control.h"
#include "user/pipeline/alloc_cost.h"
#include "user/pipeline/alloc_estimate.h"

#define assert_near(a, b, most) assert_true(fabs((a) - (b)) < (most))

static const struct task_key first = {.start_ns = 1, .tgid = 100}, second = {.start_ns = 2, .tgid = 200};

static const struct alloc_weight plain = {.low = 1, .high = 1};
static const struct alloc_length as_it_is = {1, 1}, half_more = {1.5, 1};

static void add_window(struct alloc_estimate *e, const struct task_key *key, double objects, double bytes,
		       const struct alloc_weight *w, double scale)
{
	assert_int_equal(alloc_estimate__add_thread(e, key, objects, bytes, 0, w), 0);
	alloc_estimate__end_window(e, scale, 1);
}

static void totals_are_sums_by_process_and_in_all(void **state)
{
	struct alloc_estimate e;
	struct alloc_total t;

	(void)state;
	alloc_estimate__init(&e);
	assert_int_equal(alloc_estimate__add_thread(&e, &first, 5, 500, 0, &plain), 0);
	assert_int_equal(alloc_estimate__add_thread(&e, &first, 5, 500, 0, &plain), 0);
	add_window(&e, &second, 5, 50, &plain, 1);
	add_window(&e, &first, 10, 1000, &plain, 2);
	t = alloc_estimate__total(&e.all, 2);
	assert_near(t.objects, 35, 1e-9);
	assert_near(t.bytes, 3050, 1e-9);
	t = alloc_estimate__total(&alloc_estimate__find(&e, &first)->moments, 2);
	assert_near(t.objects, 30, 1e-9);
	/* two windows of 10 and 20: their sum is known to sqrt(2) * the standard deviation of 7.07, which two windows do not tell well; and one more might have been met */
	assert_near(t.objects_error, hypot(10 * 1.64, 500.0 / 30 * sqrt(1 - 0.9)), 1e-9);
	alloc_estimate__sort(&e);
	assert_int_equal(e.n, 2);
	alloc_estimate__done(&e);
}

/* A thousand profiles of a program that is seen in one window of three: two thirds are within a standard error. */
static void the_error_is_the_one_that_totals_have(void **state)
{
	enum { PROFILES = 1000, WINDOWS = 100 };
	const double truth = WINDOWS * 300.0 / 3;
	int within = 0;

	(void)state;
	srand48(7);
	for (int i = 0; i < PROFILES; i++) {
		struct alloc_estimate e;
		struct alloc_total t;

		alloc_estimate__init(&e);
		for (uint32_t round = 1; round <= WINDOWS; round++)
			if (drand48() < 1.0 / 3)
				add_window(&e, &first, 300, 0, &plain, 1);
		t = alloc_estimate__total(&e.all, WINDOWS);
		within += fabs(t.objects - truth) < t.objects_error;
		alloc_estimate__done(&e);
	}
	assert_in_range(within, PROFILES * 63 / 100, PROFILES * 73 / 100);
}

static struct alloc_total of_fifty(const struct alloc_weight *w, double scale)
{
	struct alloc_estimate e;
	struct alloc_total t;

	alloc_estimate__init(&e);
	for (uint32_t round = 1; round <= 50; round++)
		add_window(&e, &first, 10, 10, w, scale);
	t = alloc_estimate__total(&e.all, 50);
	alloc_estimate__done(&e);
	return t;
}

static void what_is_not_known_of_a_thread_is_part_of_the_error(void **state)
{
	struct alloc_total t;

	(void)state;
	t = of_fifty(&(struct alloc_weight){.low = 1, .high = 1, .doubt = 0.2}, 1);
	assert_near(t.objects, 500, 1e-6);
	assert_near(t.objects_error, 100, 1e-6);
	/* it was seen for a whole window or for half of one */
	t = of_fifty(&(struct alloc_weight){.low = 1, .high = 2}, 3);
	assert_near(t.objects, 2250, 1e-6);
	assert_near(t.objects_error, 1500 / 2.0, 1e-6);
}

/* Who was met in one window of fifty may as well have been met in none or two. */
static void what_few_windows_met_is_hardly_known(void **state)
{
	struct alloc_estimate e;
	struct alloc_total t;

	(void)state;
	alloc_estimate__init(&e);
	add_window(&e, &first, 10, 10, &plain, 1);
	t = alloc_estimate__total(&e.all, 50);
	assert_true(t.objects_error > 1.3 * t.objects);
	alloc_estimate__done(&e);
}

static void processes_past_the_limit_are_in_the_total(void **state)
{
	struct alloc_estimate e;
	struct task_key key = {.start_ns = 1};

	(void)state;
	alloc_estimate__init(&e);
	for (key.tgid = 1; key.tgid <= ALLOC_ESTIMATES_MAX; key.tgid++)
		assert_int_equal(alloc_estimate__add_thread(&e, &key, 1, 1, 0, &plain), 0);
	assert_int_not_equal(alloc_estimate__add_thread(&e, &key, 1, 1, 0, &plain), 0);
	alloc_estimate__end_window(&e, 1, 1);
	assert_int_equal(e.n_left_out, 1);
	assert_near(alloc_estimate__total(&e.all, 1).objects, ALLOC_ESTIMATES_MAX + 1, 1e-9);
	alloc_estimate__clear(&e);
	add_window(&e, &key, 1, 1, &plain, 1);
	assert_near(alloc_estimate__total(&e.all, 1).objects, 1, 1e-9);
	alloc_estimate__done(&e);
}

static bool knows_cpu(void *ctx, const struct task_key *key, struct alloc_aids *ret)
{
	(void)key;
	*ret = (struct alloc_aids){{*(double *)ctx}};
	return ret->by[ALLOC_BY_CPU] > 0;
}

static void add_cpu(struct alloc_estimate *e, double cpu_ns)
{
	alloc_estimate__add_aids(e, &first, &(struct alloc_aids){{cpu_ns}}, 0);
}

/*
 * A program that is at work in one window of four, and allocates by how much it works; and windows that come when it is at work twice as often as they should.
 * By windows it has twice of what it has; by CPU time it is right, and known ten times as well.
 */
static void what_is_known_by_cpu_time_is_not_left_to_chance(void **state)
{
	enum { PROFILES = 400, WINDOWS = 100 };
	const double truth = WINDOWS * 0.25 * 300;
	double cpu_ns = WINDOWS * 0.25 * 1e6, error = 0, by_windows = 0;
	int within = 0;

	(void)state;
	srand48(11);
	for (int i = 0; i < PROFILES; i++) {
		struct alloc_estimate e;
		struct alloc_total t;

		alloc_estimate__init(&e);
		/* it is known once it was seen */
		add_window(&e, &first, 1e-9, 1e-9, &plain, 1);
		for (uint32_t round = 1; round <= WINDOWS; round++) {
			bool is_met = drand48() < 0.5;
			double part = is_met ? 0.2 + 1.6 * drand48() : 0; /* 1 on average */

			if (is_met)
				alloc_estimate__add_thread(&e, &first, 300 * part * (0.8 + 0.4 * drand48()),
							   1, 0, &plain);
			add_cpu(&e, part * 1e6);
			alloc_estimate__end_window(&e, 1, 1);
		}
		alloc_estimate__settle(&e, WINDOWS, &as_it_is, knows_cpu, &cpu_ns);
		t = alloc_estimate__find(&e, &first)->total;
		within += fabs(t.objects - truth) < t.objects_error;
		error += t.objects_error / truth / PROFILES;
		by_windows += e.all.sum[0] / truth / PROFILES;
		assert_near(t.objects, alloc_estimate__find(&e, &first)->factor[0] * e.all.sum[0], 1e-6);
		assert_near(e.total.objects, t.objects, 1e-6);
		alloc_estimate__done(&e);
	}
	assert_in_range(within, PROFILES * 60 / 100, PROFILES);
	assert_true(error < 0.06);
	assert_near(by_windows, 2, 0.05);
}

/*
 * Two windows of three leave out the file that a program uses: the third stands for all of them, by windows and by CPU time, whether it met the program or not. Another program,
 * which uses another file, has each.
 */
static void a_window_stands_for_those_that_left_a_file_out(void **state)
{
	const struct alloc_weight after = {.low = 1, .high = 1, .longer = 2};
	double cpu_ns = 0;
	struct alloc_estimate e;
	const struct alloc_process *p;

	(void)state;
	alloc_estimate__init(&e);
	for (uint32_t round = 0; round < 90; round++) {
		alloc_estimate__add_thread(&e, &second, 7, 70, 0, &plain);
		if (round % 3 == 2)
			alloc_estimate__add_aids(&e, &first, &(struct alloc_aids){{round % 2 * 1e6}}, 2);
		if (round % 6 == 5)
			alloc_estimate__add_thread(&e, &first, 300, 3000, 0, &after);
		alloc_estimate__end_window(&e, 1, 1);
	}
	assert_near(alloc_estimate__find(&e, &first)->moments.sum[0], 15 * 300 * 3, 1e-6);
	assert_near(alloc_estimate__find(&e, &first)->moments.aids[ALLOC_BY_CPU].sum, 15 * 3e6, 1e-3);
	assert_near(e.all.sum[0], 90 * 7 + 15 * 300 * 3, 1e-6);
	alloc_estimate__settle(&e, 90, &as_it_is, knows_cpu, &cpu_ns);
	p = alloc_estimate__find(&e, &first);
	assert_near(p->total.bytes, 15 * 3000 * 3, 1e-6);
	assert_near(e.total.objects, 90 * 7 + 15 * 300 * 3, 1e-6);
	alloc_estimate__done(&e);
}

/* Bursts: windows of which two have nearly all there is are not more than two. And what a window says of a program that was met in one is half as much again, or as little. */
static void windows_count_by_the_cpu_time_that_they_have(void **state)
{
	struct alloc_estimate e;
	const struct alloc_process *p;
	double cpu_ns = 20e6;

	(void)state;
	alloc_estimate__init(&e);
	for (uint32_t round = 1; round <= 40; round++) {
		bool is_burst = round == 10 || round == 30;

		alloc_estimate__add_thread(&e, &first, is_burst ? 300 : 0, 1, 0, &plain);
		add_cpu(&e, is_burst ? 1e6 : 1);
		alloc_estimate__end_window(&e, 1, 1);
	}
	alloc_estimate__settle(&e, 40, &as_it_is, knows_cpu, &cpu_ns);
	p = alloc_estimate__find(&e, &first);
	assert_near(p->total.objects, 6000, 1);
	assert_true(p->total.objects_error > 0.35 * 6000 && p->total.objects_error < 0.5 * 6000);
	alloc_estimate__done(&e);
}

/*
 * A program that allocates 1.2 times a microsecond for half of its time, and hardly for the other half; phases are longer than windows, a probe costs a microsecond. It is at work in a sixth of all windows, which meet it twice as often as they should. Where calls are dense
 * a window sees less of the program: all calls by all CPU time of its own would be a third too little.
 */
static void phases_count_by_their_time_and_not_by_what_was_seen_of_them(void **state)
{
	enum { PROFILES = 300, WINDOWS = 360 };
	const double rates[] = {1.2e-3, 0.02e-3}, truth = 5e9 * (1.2e-3 + 0.02e-3) / 2;
	double mean = 0;
	int within = 0;

	(void)state;
	srand48(13);
	for (int i = 0; i < PROFILES; i++) {
		double cpu_ns = 5e9;
		struct alloc_estimate e;

		alloc_estimate__init(&e);
		for (uint32_t round = 1; round <= WINDOWS; round++) {
			double rate = rates[drand48() < 0.5], own = 1e6 / (1 + rate * 1000);
			const struct alloc_weight w = {.low = 1e6 / own,
						       .high = 1e6 / own,
						       .doubt = ALLOC_COST_ERROR * (1e6 - own) / own};

			if (drand48() < 1.0 / 6) {
				alloc_estimate__add_thread(&e, &first, rate * own, 1, 1e6 - own, &w);
				cpu_ns += 1e6 - own;
				add_cpu(&e, 1e6);
			}
			alloc_estimate__end_window(&e, 2 * 5e9 / 1e6 / (WINDOWS / 6), 1);
		}
		alloc_estimate__settle(&e, WINDOWS, &as_it_is, knows_cpu, &cpu_ns);
		mean += e.total.objects / PROFILES;
		within += fabs(e.total.objects - truth) < e.total.objects_error;
		alloc_estimate__done(&e);
	}
	assert_near(mean / truth, 1, 0.03);
	assert_in_range(within, PROFILES * 63 / 100, PROFILES * 95 / 100);
}

/* Dense phases are told apart from denser ones: together, half a millisecond of the one would stand for a sixth of the other. */
static void denser_phases_are_told_apart_from_dense_ones(void **state)
{
	enum { WINDOWS = 40 };
	const double rates[] = {5e-3, 5e-3, 1.3e-3, 0.02e-3},
		     truth = 5e9 * (5e-3 + 5e-3 + 1.3e-3 + 0.02e-3) / 4;
	double cpu_ns = 5e9;
	struct alloc_estimate e;

	(void)state;
	alloc_estimate__init(&e);
	for (uint32_t round = 0; round < WINDOWS; round++) {
		double rate = rates[round % 4], own = 1e6 / (1 + rate * 1000);
		const struct alloc_weight w = {.low = 1e6 / own, .high = 1e6 / own, .doubt = 10};

		alloc_estimate__add_thread(&e, &first, rate * own, 1, 1e6 - own, &w);
		cpu_ns += 1e6 - own;
		add_cpu(&e, 1e6);
		alloc_estimate__end_window(&e, 5e9 / 1e6 / WINDOWS, 1);
	}
	alloc_estimate__settle(&e, WINDOWS, &as_it_is, knows_cpu, &cpu_ns);
	assert_near(e.total.objects / truth, 1, 0.1);
	/* what is not known of a probe's cost is most of what is not known */
	assert_true(e.total.objects_error > 0.25 * truth && e.total.objects_error < 0.6 * truth);
	alloc_estimate__done(&e);
}

/* Near 0 on average, near 1 as a rule. */
struct errors {
	double sum, squares;
	int n, within;
};

static void add_error(struct errors *z, const struct alloc_total *t, double truth)
{
	double off = log(t->objects / truth) / (t->objects_error / t->objects);

	z->sum += off;
	z->squares += off * off;
	z->within += fabs(off) < 1;
	z->n++;
}

/*
 * Twenty calls a microsecond, of which a window sees one a microsecond, because each takes another one in a probe; more or less of it than is thought. A twentieth of the window is the
 * program's own, which is less than what is not known of the rest: there is an order of magnitude, and an error that says so.
 */
static void what_is_nearly_all_probes_is_known_to_an_order_of_magnitude(void **state)
{
	enum { PROFILES = 2000, WINDOWS = 15 };
	const double told_ns = 1000, apart_ns = 50, truth = 1.5e9 / apart_ns;
	struct errors z = {0};

	(void)state;
	srand48(17);
	for (int i = 0; i < PROFILES; i++) {
		double normal = sqrt(-2 * log(1 - drand48())) * cos(2 * M_PI * drand48());
		double calls = 1e6 / (told_ns * (1 + ALLOC_COST_ERROR * normal) + apart_ns);
		double cpu_ns = 1.5e9 + WINDOWS * calls * told_ns;
		struct alloc_estimate e;

		alloc_estimate__init(&e);
		for (uint32_t round = 0; round < WINDOWS; round++) {
			alloc_estimate__add_thread(&e, &first, calls, 1, calls * told_ns,
						   &(struct alloc_weight){.low = 20, .high = 20, .doubt = 2});
			add_cpu(&e, 1e6);
			alloc_estimate__end_window(&e, 100, 1);
		}
		alloc_estimate__settle(&e, WINDOWS, &as_it_is, knows_cpu, &cpu_ns);
		add_error(&z, &e.total, truth);
		alloc_estimate__done(&e);
	}
	assert_true(fabs(z.sum / z.n) < 0.5 && z.squares / z.n < 1.2);
	assert_in_range(z.within, PROFILES * 60 / 100, PROFILES * 85 / 100);
}

/* Of two errors the smaller one counts; a process whose CPU time in all is not known is told by windows, and one of which nearly all went into probes. */
static void the_way_with_the_smaller_error_counts(void **state)
{
	double cpu_ns = 5e6, none = 0;
	struct alloc_estimate e;
	const struct alloc_process *p;

	(void)state;
	alloc_estimate__init(&e);
	for (uint32_t round = 1; round <= 20; round++) {
		alloc_estimate__add_thread(&e, &first, 5 * round, 500 * round, 0, &plain);
		alloc_estimate__add_thread(&e, &first, 5 * round, 500 * round, 1e6, &plain);
		add_cpu(&e, 1e6 + 1e6 * round);
		alloc_estimate__end_window(&e, 1, 1);
	}
	assert_int_equal(e.n, 1);
	alloc_estimate__settle(&e, 20, &half_more, knows_cpu, &none);
	p = alloc_estimate__find(&e, &first);
	assert_near(p->total.objects, 3150, 1e-6);
	cpu_ns = 420e6; /* of which probes took 20 */
	alloc_estimate__settle(&e, 20, &half_more, knows_cpu, &cpu_ns);
	assert_near(p->total.objects, 4000, 10);
	assert_true(p->total.objects_error > 0.05 * 4000 && p->total.objects_error < 0.06 * 4000);
	/* its clock moved hardly more than by what its probes took */
	for (uint32_t round = 21; round <= 40; round++) {
		alloc_estimate__add_thread(&e, &first, 100, 10000, 1000e6, &plain);
		add_cpu(&e, 1000e6);
		alloc_estimate__end_window(&e, 1, 1);
	}
	alloc_estimate__settle(&e, 40, &as_it_is, knows_cpu, &cpu_ns);
	assert_near(p->total.objects, 2100 + 2000, 1e-6);
	alloc_estimate__done(&e);
}

/* Three of four objects were in samples: rows are multiplied to add up to all; those of few samples keep what they stand for. */
static void rows_add_up_to_what_was_counted(void **state)
{
	double none = 0;
	struct alloc_estimate e;

	(void)state;
	alloc_estimate__init(&e);
	alloc_estimate__add_thread(&e, &second, 10, 10, 0, &plain);
	add_window(&e, &first, 40, 4000, &plain, 10);
	for (int i = 0; i < 10; i++)
		alloc_estimate__add_sample(&e, &first, 30, 5000);
	alloc_estimate__add_sample(&e, &second, 300, 300);
	alloc_estimate__settle(&e, 1, &as_it_is, knows_cpu, &none);
	assert_near(alloc_estimate__find(&e, &first)->factor[0], 400.0 / 300, 1e-9);
	assert_near(alloc_estimate__find(&e, &first)->factor[1], 40000.0 / 50000, 1e-9);
	assert_near(alloc_estimate__find(&e, &second)->factor[0], 1, 1e-9);
	alloc_estimate__done(&e);
}

/* A slice that ends while a window is open brings samples of it before the window is added; and the first of a file may be of a window before. */
static void samples_that_come_before_their_window_are_part_of_it(void **state)
{
	struct task_key met = {.tgid = 1}, before = {.tgid = 2};
	double none = 0;
	struct alloc_estimate e;

	(void)state;
	alloc_estimate__init(&e);
	for (int i = 0; i < 10; i++) {
		alloc_estimate__add_sample(&e, &met, 30, 5000);
		alloc_estimate__add_sample(&e, &before, 30, 5000);
	}
	add_window(&e, &met, 40, 4000, &plain, 10);
	alloc_estimate__settle(&e, 1, &as_it_is, knows_cpu, &none);
	assert_near(alloc_estimate__find(&e, &met)->factor[0], 400.0 / 300, 1e-9);
	assert_near(alloc_estimate__find(&e, &met)->factor[1], 40000.0 / 50000, 1e-9);
	assert_near(alloc_estimate__find(&e, &before)->factor[0], 1, 1e-9);
	assert_near(alloc_estimate__find(&e, &before)->factor[1], 1, 1e-9);
	alloc_estimate__done(&e);
}

static bool knows_all(void *ctx, const struct task_key *key, struct alloc_aids *ret)
{
	(void)key;
	*ret = *(struct alloc_aids *)ctx;
	return true;
}

/* Fifty windows, of which one of `every` meets a round of 300 calls and the sleep after it; where `every` is 1 the program is at work all the time and another thread sleeps by the clock. */
static struct alloc_total of_rounds(uint32_t every, double cpu_ns, double probes_ns,
				    const struct alloc_weight *w, const struct alloc_aids *whole)
{
	struct alloc_estimate e;
	struct alloc_total t;

	alloc_estimate__init(&e);
	for (uint32_t round = 0; round < 50; round++) {
		bool is_met = round % every == 0;

		if (is_met)
			alloc_estimate__add_thread(&e, &first, 300, 3000, probes_ns, w);
		alloc_estimate__add_aids(&e, &first, &(struct alloc_aids){{is_met ? cpu_ns : 0, is_met}}, 0);
		alloc_estimate__end_window(&e, 100, 1);
	}
	alloc_estimate__settle(&e, 50, &as_it_is, knows_all, (void *)(uintptr_t)whole);
	t = e.total;
	alloc_estimate__done(&e);
	return t;
}

/* Windows met ten rounds in 50 ms, and there are 500 in 5 s: half of what the windows say, however little is known of the probes' cost. */
static void rounds_are_told_by_the_sleeps_between_them(void **state)
{
	const struct alloc_aids whole = {{500 * 50e3, 500}};
	struct alloc_total t = of_rounds(5, 345e3, 300e3, &plain, &whole);

	(void)state;
	assert_near(t.objects, 500 * 300, 1e-3);
	assert_near(t.objects_error / t.objects, hypot(pow(10, -1.5), 0.05), 1e-3);
}

/* What sleeps by the clock while the probes keep others from their work says too little: that is in the error, and so another way is taken. */
static void sleeps_say_little_of_a_program_that_is_always_at_work(void **state)
{
	const struct alloc_aids whole = {{5e9, 5000}};
	const struct alloc_weight half = {.low = 2, .high = 2, .doubt = 0.2};
	struct alloc_total t = of_rounds(1, 1e6, 500e3, &half, &whole);

	(void)state;
	/* by CPU time: 300 in half a millisecond */
	assert_near(t.objects / (300 * (5e9 - 50 * 500e3) / 500e3), 1, 0.01);
	assert_true(t.objects_error > 0.06 * t.objects);
}

/* A process that is followed and has not allocated counts from then on: what it had of windows in which it did not is not forgotten. */
static void windows_before_the_first_call_count(void **state)
{
	double cpu_ns = 40e6;
	struct alloc_estimate e;

	(void)state;
	alloc_estimate__init(&e);
	for (uint32_t round = 0; round < 40; round++) {
		add_cpu(&e, 1e6);
		if (round % 4 == 3)
			alloc_estimate__add_thread(&e, &first, 100, 100, 0, &plain);
		alloc_estimate__end_window(&e, 1, 1);
	}
	alloc_estimate__settle(&e, 40, &as_it_is, knows_cpu, &cpu_ns);
	assert_near(e.total.objects, 1000, 1e-6);
	alloc_estimate__done(&e);
}

/* A third of all allocators has its turn in a window: CPU time is seen in each. */
static void where_files_take_turns_cpu_time_does_not(void **state)
{
	struct alloc_estimate e;
	double cpu_ns = 3000e6;

	(void)state;
	alloc_estimate__init(&e);
	for (uint32_t round = 0; round < 30; round++) {
		alloc_estimate__add_thread(&e, &first, round % 3 ? 0 : 100, 1, 0, &plain);
		add_cpu(&e, 1e6);
		alloc_estimate__end_window(&e, 300, 3);
	}
	alloc_estimate__settle(&e, 30, &as_it_is, knows_cpu, &cpu_ns);
	assert_near(alloc_estimate__find(&e, &first)->total.objects, 300000, 1e-3);
	alloc_estimate__done(&e);
}

#define FILE_NS 1e9

/*
 * A file of a second of a program that is always at work and gives 1,000 objects in a window; one window in each stretch, anywhere in it, and stretches that began at any time. Each third one is
 * half as long again, as after a window that cost more.
 */
static double objects_of_file(double stretch_ns, bool has_aids)
{
	double cpu_ns = has_aids ? FILE_NS : 0, covered_ns = 0, total, ns;
	struct alloc_length length;
	struct alloc_estimate e;
	uint32_t n = 0;

	alloc_estimate__init(&e);
	for (double begin_ns = -drand48() * 3.5 * stretch_ns - 3.5 * stretch_ns, k = 0; begin_ns < FILE_NS;
	     begin_ns += ns, k++) {
		double at_ns;

		ns = fmod(k, 3) == 0 ? 1.5 * stretch_ns : stretch_ns;
		at_ns = begin_ns + drand48() * ns;
		if (at_ns < 0 || at_ns >= FILE_NS)
			continue;
		alloc_estimate__add_thread(&e, &first, 1000, 1000, 0, &plain);
		add_cpu(&e, ALLOC_WINDOW_NS);
		alloc_estimate__end_window(&e, ns / ALLOC_WINDOW_NS, 1);
		covered_ns += ns;
		n++;
	}
	length = alloc_length__of(FILE_NS, covered_ns, n, false);
	alloc_estimate__settle(&e, n, &length, knows_cpu, &cpu_ns);
	total = e.total.objects;
	alloc_estimate__done(&e);
	return total;
}

/* Some say nothing, others more than they had. One that always has a window says what it had. */
static void files_that_are_shorter_than_a_stretch_are_right_together(void **state)
{
	enum { FILES = 4000 };
	static const double stretches[] = {0.2, 0.45, 0.7, 0.95, 1.3, 2, 6};
	const double truth = 1000 * FILE_NS / ALLOC_WINDOW_NS;

	(void)state;
	srand48(23);
	for (size_t i = 0; i < 2 * sizeof(stretches) / sizeof(*stretches); i++) {
		double sum = 0, squares = 0, mean, error;

		for (int k = 0; k < FILES; k++) {
			double of = objects_of_file(stretches[i / 2] * FILE_NS, i % 2) / truth;

			sum += of;
			squares += of * of;
		}
		mean = sum / FILES;
		error = sqrt((squares / FILES - mean * mean) / FILES);
		/* which stretch a file's windows lie in is not known of those without any: it is taken to be like the others' */
		if (fabs(mean - 1) > 4 * error + 0.01)
			fail_msg("files of %.3g of a stretch: %.3g of what they had", 1 / stretches[i / 2],
				 mean);
	}
}

static void a_copy_is_settled_for_itself(void **state)
{
	struct alloc_estimate e, copy;

	(void)state;
	alloc_estimate__init(&e);
	alloc_estimate__init(&copy);
	add_window(&e, &first, 5, 500, &plain, 1);
	add_window(&e, &second, 7, 50, &plain, 1);
	assert_int_equal(alloc_estimate__copy(&e, &copy), 0);
	alloc_estimate__settle(&copy, 2, &half_more, knows_cpu, &(double){0});
	assert_near(copy.total.objects, 18, 1e-9);
	assert_near(alloc_estimate__find(&copy, &second)->total.bytes, 75, 1e-9);
	alloc_estimate__done(&copy);
	add_window(&e, &first, 5, 500, &plain, 1);
	alloc_estimate__settle(&e, 3, &as_it_is, knows_cpu, &(double){0});
	assert_near(e.total.objects, 17, 1e-9);
	alloc_estimate__done(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(totals_are_sums_by_process_and_in_all),
		cmocka_unit_test(the_error_is_the_one_that_totals_have),
		cmocka_unit_test(what_is_not_known_of_a_thread_is_part_of_the_error),
		cmocka_unit_test(what_few_windows_met_is_hardly_known),
		cmocka_unit_test(what_is_known_by_cpu_time_is_not_left_to_chance),
		cmocka_unit_test(a_window_stands_for_those_that_left_a_file_out),
		cmocka_unit_test(windows_count_by_the_cpu_time_that_they_have),
		cmocka_unit_test(phases_count_by_their_time_and_not_by_what_was_seen_of_them),
		cmocka_unit_test(denser_phases_are_told_apart_from_dense_ones),
		cmocka_unit_test(what_is_nearly_all_probes_is_known_to_an_order_of_magnitude),
		cmocka_unit_test(the_way_with_the_smaller_error_counts),
		cmocka_unit_test(rows_add_up_to_what_was_counted),
		cmocka_unit_test(samples_that_come_before_their_window_are_part_of_it),
		cmocka_unit_test(where_files_take_turns_cpu_time_does_not),
		cmocka_unit_test(rounds_are_told_by_the_sleeps_between_them),
		cmocka_unit_test(sleeps_say_little_of_a_program_that_is_always_at_work),
		cmocka_unit_test(windows_before_the_first_call_count),
		cmocka_unit_test(processes_past_the_limit_are_in_the_total),
		cmocka_unit_test(files_that_are_shorter_than_a_stretch_are_right_together),
		cmocka_unit_test(a_copy_is_settled_for_itself),
	};

	return cmocka_run_group_tests_name("alloc_estimate", tests, NULL, NULL);
}
