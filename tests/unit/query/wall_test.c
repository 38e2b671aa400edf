// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/profile_text.h"
#include "user/base/err.h"
#include "user/query/wall.h"

#define MS 1000000ll

struct three {
	struct profile *p[WALL_KIND_N];
};

static int setup(void **state)
{
	struct three *t = calloc(1, sizeof(*t));

	t->p[WALL_CPU] = text_profile("samples", "count", "cpu", "nanoseconds");
	t->p[WALL_OFFCPU] = text_profile("events", "count", "off_cpu", "nanoseconds");
	t->p[WALL_ACCOUNT] = text_profile("on_cpu", "nanoseconds", "runnable", "nanoseconds");
	assert_int_equal(profile__add_type(t->p[WALL_ACCOUNT], "blocked", "nanoseconds"), 0);
	assert_int_equal(profile__add_type(t->p[WALL_ACCOUNT], "wall", "nanoseconds"), 0);
	profile__meta_mut(t->p[WALL_CPU])->period = 10 * MS;
	profile__meta_mut(t->p[WALL_OFFCPU])->period = 20 * MS;
	profile__meta_mut(t->p[WALL_ACCOUNT])->duration_ns = 10000 * MS;
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	struct three *t = *state;

	for (int k = 0; k < WALL_KIND_N; k++)
		profile__free(t->p[k]);
	free(t);
	return 0;
}

static void account(struct three *t, const char *labels, int64_t on_ms, int64_t for_cpu_ms,
		    int64_t waiting_ms, int64_t wall_ms)
{
	struct profile *p = t->p[WALL_ACCOUNT];
	const int64_t values[] = {on_ms * MS, for_cpu_ms * MS, waiting_ms * MS, wall_ms * MS};

	assert_int_equal(profile__add(p, 0, text_labels(p, labels), values), 0);
}

static struct wall *add_up(struct three *t, const char *by)
{
	struct wall *w = NULL;
	struct err e = {""};

	for (int k = 0; k < WALL_KIND_N; k++)
		if (!profile__sealed(t->p[k]))
			assert_int_equal(profile__seal(t->p[k]), 0);
	if (wall__new((const struct profile *const *)t->p, by, &w, &e))
		fail_msg("%s", e.text);
	return w;
}

/* Ten seconds of two threads, one at work and one that sleeps; 7 runs a CPU's tick over. */
static void two_threads(struct three *t)
{
	account(t, "pid=7 id,tid=7 id,comm=work,process=app", 6000, 1000, 3000, 10000);
	account(t, "pid=7 id,tid=8 id,comm=sleep,process=app", 10, 0, 9990, 10000);
	put(t->p[WALL_CPU], "main;work", "pid=7 id,tid=7 id,comm=work,process=app", 601, 6010 * MS);
	put(t->p[WALL_CPU], "main;sleep", "pid=7 id,tid=8 id,comm=sleep,process=app", 1, 10 * MS);
	put(t->p[WALL_OFFCPU], "main;read", "pid=7 id,tid=7 id,comm=work,process=app,state=disk", 30,
	    3000 * MS);
	put(t->p[WALL_OFFCPU], "main", "pid=7 id,tid=7 id,comm=work,process=app,state=runnable", 100,
	    400 * MS);
	put(t->p[WALL_OFFCPU], "main", "pid=7 id,tid=7 id,comm=work,process=app,state=preempted", 100,
	    590 * MS);
	put(t->p[WALL_OFFCPU], "main;nanosleep", "pid=7 id,tid=8 id,comm=sleep,process=app,state=blocked", 10,
	    9990 * MS);
}

static void samples_and_account_meet_in_one_row_a_thread(void **state)
{
	struct three *t = *state;
	struct wall *w;
	struct buf b;

	two_threads(t);
	assert_int_equal(profile__comment(t->p[WALL_OFFCPU], "host x"), 0);
	assert_int_equal(profile__comment(t->p[WALL_OFFCPU], "waits by switch, one taken in 20 ms"), 0);
	w = add_up(t, "thread");
	assert_int_equal(w->n, 2);
	assert_true(wall__holds(w));
	buf__init(&b, 1 << 16);
	wall__print(w, t->p[WALL_OFFCPU], &(struct wall_print_opts){0}, &b);
	assert_string_equal(
		buf__str(&b),
		"Wall time by thread: 20.00s of 2 rows in 10.00s. wall, on-CPU, stolen, waiting "
		"and for a CPU are as the "
		"kernel accounts them; residual is what was sampled, less that\n"
		"waits by switch, one taken in 20 ms\n"
		"      wall     on-CPU    sampled     stolen    waiting    sampled    blocked       disk    "
		"stopped  for a CPU    "
		"sampled   runnable  preempted  throttled   residual  of wall   thread\n"
		"    10.00s    10.00ms    10.00ms          0      9.99s      9.99s      9.99s          0    "
		"      0          0    "
		"      0          0          0          0          0    0.00%   sleep (8)\n"
		"    10.00s      6.00s      6.01s          0      3.00s      3.00s          0      3.00s    "
		"      0      1.00s   "
		"990.00ms   400.00ms   590.00ms          0          0    0.00%   work (7)\n"
		"    20.00s      6.01s      6.02s          0     12.99s     12.99s      9.99s      3.00s    "
		"      0      1.00s   "
		"990.00ms   400.00ms   590.00ms          0          0    0.00%   all\n"
		"The identity holds\n");
	buf__done(&b);
	wall__free(w);
}

static void threads_add_up_by_any_label(void **state)
{
	struct three *t = *state;
	struct wall *w;

	two_threads(t);
	w = add_up(t, "process");
	assert_int_equal(w->n, 1);
	assert_int_equal(w->rows[0].id, 7);
	assert_int_equal(w->rows[0].wall, 20000 * MS);
	assert_int_equal(w->rows[0].states[WAIT_BLOCKED], 9990 * MS);
	wall__free(w);
	w = add_up(t, "comm");
	assert_int_equal(w->n, 2);
	assert_int_equal(w->rows[0].id, 0);
	wall__free(w);
}

/* A name that changed in between does not make two of one thread. */
static void a_thread_is_its_id(void **state)
{
	struct three *t = *state;
	struct wall *w;

	account(t, "tid=7 id,comm=new", 0, 0, 10000, 10000);
	put(t->p[WALL_OFFCPU], "main", "tid=7 id,comm=old,state=blocked", 10, 10000 * MS);
	put(t->p[WALL_CPU], "main", "tid=9 id,comm=x", 0, 0);
	w = add_up(t, "thread");
	assert_int_equal(w->n, 1);
	assert_true(wall__holds(w));
	wall__free(w);
}

/* One part is off by what neither two per cent nor chance allow: 1 s of long waits was not seen. */
static void what_is_missing_does_not_hold(void **state)
{
	struct three *t = *state;
	struct wall *w;
	struct buf b;

	account(t, "tid=7 id,comm=a", 5000, 0, 5000, 10000);
	put(t->p[WALL_CPU], "main", "tid=7 id,comm=a", 500, 5000 * MS);
	put(t->p[WALL_OFFCPU], "main", "tid=7 id,comm=a,state=blocked", 8, 4000 * MS);
	w = add_up(t, "thread");
	assert_int_equal(wall_row__residual(&w->rows[0]), -1000 * MS);
	assert_false(wall_row__holds(&w->rows[0]));
	assert_false(wall__holds(w));
	buf__init(&b, 1 << 16);
	wall__print(w, t->p[WALL_OFFCPU], &(struct wall_print_opts){0}, &b);
	assert_non_null(strstr(buf__str(&b), "-1.00s  -10.00% ! a (7)"));
	assert_non_null(strstr(buf__str(&b), "1 rows (!) are off"));
	assert_non_null(strstr(buf__str(&b), "The identity does not hold"));
	buf__done(&b);
	wall__free(w);
}

/* What a hypervisor took while the thread ran is of its wall time, and in no sample. Samples that are missing otherwise are missing all the same. */
static void stolen_time_is_not_missing(void **state)
{
	struct three *t = *state;
	struct wall *w;
	struct buf b;

	account(t, "tid=7 id,comm=a", 5000, 0, 4000, 9000);
	account(t, "tid=7 id,comm=a,state=stolen", 1000, 0, 0, 1000);
	account(t, "tid=8 id,comm=b", 4000, 0, 5000, 9000);
	account(t, "tid=8 id,comm=b,state=stolen", 1000, 0, 0, 1000);
	put(t->p[WALL_CPU], "main", "tid=7 id,comm=a", 500, 5000 * MS);
	put(t->p[WALL_CPU], "main", "tid=8 id,comm=b", 300, 3000 * MS);
	put(t->p[WALL_OFFCPU], "main", "tid=7 id,comm=a,state=blocked", 10, 4000 * MS);
	put(t->p[WALL_OFFCPU], "main", "tid=8 id,comm=b,state=blocked", 10, 5000 * MS);
	w = add_up(t, "thread");
	assert_int_equal(w->n, 2);
	assert_int_equal(w->rows[0].wall, 10000 * MS);
	assert_int_equal(w->rows[0].stolen, 1000 * MS);
	assert_int_equal(wall_row__residual(&w->rows[0]), 0);
	assert_true(wall_row__holds(&w->rows[0]));
	assert_int_equal(wall_row__residual(&w->rows[1]), -1000 * MS);
	assert_false(wall_row__holds(&w->rows[1]));
	assert_int_equal(w->all.stolen, 2000 * MS);
	buf__init(&b, 1 << 16);
	wall__print(w, t->p[WALL_OFFCPU], &(struct wall_print_opts){0}, &b);
	assert_non_null(strstr(buf__str(&b), "10.00s      5.00s      5.00s      1.00s      4.00s"));
	buf__done(&b);
	wall__free(w);
}

/* Waits that are called something else leave the sum as it is, and are wrong all the same. */
static void a_wait_under_the_wrong_name_does_not_hold(void **state)
{
	struct three *t = *state;
	struct wall *w;

	account(t, "tid=7 id,comm=a", 0, 5000, 5000, 10000);
	put(t->p[WALL_CPU], "main", "tid=7 id,comm=a", 0, 0);
	put(t->p[WALL_OFFCPU], "main", "tid=7 id,comm=a,state=blocked", 100, 10000 * MS);
	w = add_up(t, "thread");
	assert_int_equal(wall_row__residual(&w->rows[0]), 0);
	assert_false(wall_row__holds(&w->rows[0]));
	wall__free(w);
}

/* 400 ms of waits of 1 ms, of which one in twenty is recorded: the standard error is some 90 ms. */
static void chance_is_allowed_for(void **state)
{
	struct three *t = *state;
	struct wall *w;

	account(t, "tid=7 id,comm=a", 0, 0, 1000, 1000);
	put(t->p[WALL_CPU], "main", "tid=7 id,comm=a", 0, 0);
	put(t->p[WALL_OFFCPU], "main", "tid=7 id,comm=a,state=blocked", 800, 800 * MS);
	w = add_up(t, "thread");
	assert_true(wall_row__holds(&w->rows[0]));
	wall__free(w);
	profile__free(t->p[WALL_OFFCPU]);
	t->p[WALL_OFFCPU] = text_profile("events", "count", "off_cpu", "nanoseconds");
	profile__meta_mut(t->p[WALL_OFFCPU])->period = 20 * MS;
	put(t->p[WALL_OFFCPU], "main", "tid=7 id,comm=a,state=blocked", 400, 400 * MS);
	w = add_up(t, "thread");
	assert_false(wall_row__holds(&w->rows[0]));
	wall__free(w);
}

/* A thread that ran for less than a tick is not sampled at all, as a rule. */
static void too_little_to_be_sampled_holds(void **state)
{
	struct three *t = *state;
	struct wall *w;

	account(t, "tid=7 id,comm=brief", 3, 1, 0, 4);
	put(t->p[WALL_CPU], "main", "tid=9 id,comm=x", 0, 0);
	w = add_up(t, "thread");
	assert_true(wall_row__holds(&w->rows[0]));
	wall__free(w);
}

static void an_account_whose_parts_are_not_the_whole_does_not_hold(void **state)
{
	struct three *t = *state;
	struct wall *w;

	account(t, "tid=7 id,comm=a", 0, 0, 5000, 10000);
	put(t->p[WALL_OFFCPU], "main", "tid=7 id,comm=a,state=blocked", 10, 5000 * MS);
	w = add_up(t, "thread");
	assert_false(wall_row__holds(&w->rows[0]));
	wall__free(w);
}

static void profiles_tell_which_they_are(void **state)
{
	struct three *t = *state;
	struct profile *other = text_profile("faults", "count", "resident", "bytes");
	enum wall_kind kind;

	for (int k = 0; k < WALL_KIND_N; k++) {
		assert_int_equal(wall__kind_of(t->p[k], &kind), 0);
		assert_int_equal(kind, k);
	}
	assert_int_equal(wall__kind_of(other, &kind), -EINVAL);
	profile__free(other);
}

static void a_label_that_samples_do_not_have_is_an_error_that_says_what_to_do(void **state)
{
	struct three *t = *state;
	struct wall *w = NULL;
	struct err e = {""};

	account(t, "pid=7 id,tid=7 id,comm=a", 1, 0, 0, 1);
	put(t->p[WALL_CPU], "main", "pid=7 id,comm=a", 1, 10 * MS);
	for (int k = 0; k < WALL_KIND_N; k++)
		assert_int_equal(profile__seal(t->p[k]), 0);
	assert_int_equal(wall__new((const struct profile *const *)t->p, "thread", &w, &e), -ENOENT);
	assert_string_equal(e.text,
			    "no sample of the cpu profile has the label 'tid': snapshots carry it with "
			    "labels.tid: true, or take --by process");
	assert_int_equal(wall__new((const struct profile *const *)t->p, "comm", &w, &e), 0);
	wall__free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		CASE(samples_and_account_meet_in_one_row_a_thread),
		CASE(threads_add_up_by_any_label),
		CASE(a_thread_is_its_id),
		CASE(what_is_missing_does_not_hold),
		CASE(stolen_time_is_not_missing),
		CASE(a_wait_under_the_wrong_name_does_not_hold),
		CASE(chance_is_allowed_for),
		CASE(too_little_to_be_sampled_holds),
		CASE(an_account_whose_parts_are_not_the_whole_does_not_hold),
		CASE(profiles_tell_which_they_are),
		CASE(a_label_that_samples_do_not_have_is_an_error_that_says_what_to_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
