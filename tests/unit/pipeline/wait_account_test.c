// SPDX-License-Identifier: Apache-2.0
/* After settling, each thread's waits add up to what the kernel accounts of it, each kind apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/base/clock.h"
#include "user/pipeline/wait_account.h"

static const struct task_key key = {.start_ns = 5, .tgid = 10};

struct known {
	struct window *w;
	struct thread_table threads;
	uint32_t process;
};

static int setup(void **state)
{
	const struct window_opts opts = {.event = EVENT_OFFCPU, .limit_bytes = 16 << 20};
	static struct known k;
	const char *const labels[WL_MAX] = {[WL_NAME] = "server"};

	assert_int_equal(window__new(&opts, &k.w), 0);
	assert_int_equal(window__begin_slice(k.w, 0), 0);
	assert_int_equal(window__add_process(k.w, &key, labels, &k.process), 0);
	thread_table__init(&k.threads);
	thread_table__begin_pass(&k.threads);
	*state = &k;
	return 0;
}

static int teardown(void **state)
{
	struct known *k = *state;

	window__unref(k->w);
	thread_table__done(&k->threads);
	return 0;
}

static void account_away(struct known *k, uint32_t tid, uint64_t now, uint64_t ran, uint64_t delay,
			 uint64_t away)
{
	const struct thread_record r = {.key = key,
					.tid = tid,
					.start_ns = 1,
					.now_ns = now,
					.run_ns = ran,
					.run_delay_ns = delay,
					.away_ns = away,
					.comm = "t"};
	struct thread_sums before;
	struct thread *t;

	assert_int_equal(thread_table__note(&k->threads, &r, &t, &before), 0);
}

static void account(struct known *k, uint32_t tid, uint64_t now, uint64_t ran, uint64_t delay)
{
	account_away(k, tid, now, ran, delay, 0);
}

/* One sample that stands for n waits. */
static void sample_of(struct known *k, uint32_t tid, uint8_t state, uint64_t word, uint64_t n, uint64_t value)
{
	struct window_sample s = {.process = k->process,
				  .tid = tid,
				  .comm = "t",
				  .words = &word,
				  .n_words = 1,
				  .end = END_END_MARK,
				  .tag = {.event = EVENT_OFFCPU, .state = state, .syscall = SYSCALL_NONE},
				  .count = n,
				  .value = value};

	assert_int_equal(window__add(k->w, &s, NULL, NULL), 0);
}

static void sample(struct known *k, uint32_t tid, uint8_t state, uint64_t word, uint64_t value)
{
	sample_of(k, tid, state, word, 1, value);
}

static uint64_t sum(const struct known *k, uint32_t tid, uint8_t state)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < k->w->n_entries; i++) {
		const struct window_row *row = &k->w->rows[k->w->entries[i].row];

		if (row->tid == tid && row->tag.state == state)
			n += k->w->entries[i].value;
	}
	return n;
}

static int process(void *ctx, struct window *w, const struct thread *t, uint32_t *ret_index)
{
	(void)ctx;
	return t->tid == 99 ? -1 : window__find_process(w, &t->key, ret_index);
}

static struct wait_account settle_stolen(struct known *k, uint64_t stolen_ns)
{
	const struct wait_account_ports ports = {.process = process};
	struct wait_account a;

	assert_int_equal(wait_account__settle(k->w, &k->threads, stolen_ns, &ports, &a), 0);
	return a;
}

static struct wait_account settle(struct known *k)
{
	return settle_stolen(k, 0);
}

/* The hook told of each what was taken of its CPU: that is neither run nor wait. */
static void what_was_taken_of_a_thread_s_cpu_is_no_wait(void **state)
{
	struct known *k = *state;
	struct wait_account a;

	account(k, 11, 1000, 0, 0);
	assert_int_equal(thread_table__begin(&k->threads, 1000), 0);
	account_away(k, 11, 11000, 6000, 1000, 500);
	sample(k, 11, WAIT_BLOCKED, 0x1000, 3500);
	a = settle(k);
	assert_int_equal(a.run_ns, 6000);
	assert_int_equal(a.away_ns, 500);
	assert_int_equal(sum(k, 11, WAIT_BLOCKED), 2500);
	assert_int_equal(k->w->threads[0].times.away_ns, 500);
}

/* Two ran, the one three times as long as the other: so is what is told as taken of theirs, and no wait has it. */
static void what_is_stolen_is_shared_out_and_no_wait(void **state)
{
	struct known *k = *state;
	struct wait_account a;

	account(k, 11, 1000, 0, 0);
	account(k, 12, 1000, 0, 0);
	assert_int_equal(thread_table__begin(&k->threads, 1000), 0);
	account(k, 11, 11000, 6000, 0);
	account(k, 12, 11000, 2000, 1000);
	sample(k, 11, WAIT_BLOCKED, 0x1000, 3500);
	sample(k, 12, WAIT_BLOCKED, 0x1000, 6900);
	sample(k, 12, WAIT_RUNNABLE, 0x2000, 900);
	a = settle_stolen(k, 800);
	assert_int_equal(a.away_ns, 800);
	assert_int_equal(a.run_ns, 8000);
	assert_int_equal(sum(k, 11, WAIT_BLOCKED), 3400);
	assert_int_equal(sum(k, 12, WAIT_BLOCKED), 6800);
	assert_int_equal(sum(k, 12, WAIT_RUNNABLE), 1000);
	for (uint32_t i = 0; i < k->w->n_threads; i++)
		assert_int_equal(k->w->threads[i].times.away_ns, k->w->threads[i].tid == 11 ? 600 : 200);
}

/* Never more than it was neither running nor waiting for a CPU. */
static void no_more_is_stolen_than_there_is(void **state)
{
	struct known *k = *state;
	struct wait_account a;

	account(k, 11, 1000, 0, 0);
	assert_int_equal(thread_table__begin(&k->threads, 1000), 0);
	account(k, 11, 11000, 9000, 500);
	a = settle_stolen(k, 5000);
	assert_int_equal(a.away_ns, 500);
	assert_int_equal(a.exact_ns[0], 0);
	assert_int_equal(a.exact_ns[1], 500);
}

static void samples_are_scaled_to_the_account_each_kind_apart(void **state)
{
	struct known *k = *state;
	struct wait_account a;

	account(k, 11, 1000, 0, 0);
	assert_int_equal(thread_table__begin(&k->threads, 1000), 0);
	account(k, 11, 11000, 2000,
		500); /* of 10000: ran 2000, waited for a CPU 500, for other things 7500 */
	sample(k, 11, WAIT_BLOCKED, 0x1000, 4000);
	sample(k, 11, WAIT_DISK, 0x2000, 1000);
	sample(k, 11, WAIT_RUNNABLE, 0x1000, 600);
	sample(k, 11, WAIT_PREEMPTED, 0x3000, 400);
	a = settle(k);
	assert_int_equal(sum(k, 11, WAIT_BLOCKED), 6000);
	assert_int_equal(sum(k, 11, WAIT_DISK), 1500);
	assert_int_equal(sum(k, 11, WAIT_RUNNABLE), 300);
	assert_int_equal(sum(k, 11, WAIT_PREEMPTED), 200);
	assert_int_equal(a.exact_ns[0], 7500);
	assert_int_equal(a.sampled_ns[0], 5000);
	assert_int_equal(a.exact_ns[1], 500);
	assert_int_equal(a.sampled_ns[1], 1000);
	assert_int_equal(a.unsampled_ns[0] + a.unsampled_ns[1], 0);
	assert_int_equal(k->w->n_threads, 1);
	assert_int_equal(k->w->threads[0].times.wall_ns, 10000);
}

/* One sample in 10000 ns: of the short waits nobody knows how many there were to a third, of the long one, which is taken whatever comes, all. */
static void what_is_missing_was_where_chance_is(void **state)
{
	struct known *k = *state;

	k->w->period_ns = 10000;
	account(k, 11, 1000, 0, 0);
	account(k, 12, 1000, 0, 0);
	assert_int_equal(thread_table__begin(&k->threads, 1000), 0);
	account(k, 11, 1701000, 500000, 0); /* waited 1200000 for something */
	account(k, 12, 1701000, 0, 0);
	for (int i = 0; i < 10; i++)
		sample_of(k, 11, WAIT_BLOCKED, 0x1000, 100, 10000);
	sample(k, 11, WAIT_DISK, 0x2000, 1000000);
	sample_of(k, 12, WAIT_BLOCKED, 0x1000, 100, 10000);
	sample(k, 12, WAIT_DISK, 0x2000, 1000000);
	settle(k);
	/* twice 100000 is no wonder */
	assert_int_equal(sum(k, 11, WAIT_BLOCKED) + sum(k, 11, WAIT_DISK), 1200000);
	assert_in_range(sum(k, 11, WAIT_BLOCKED), 180000, 200000);
	/* 70 times 10000 is: there is something else than chance, and nobody knows where */
	assert_int_equal(sum(k, 12, WAIT_BLOCKED) + sum(k, 12, WAIT_DISK), 1700000);
	assert_in_range(sum(k, 12, WAIT_BLOCKED), 20000, 35000);
}

static uint64_t count_in(const struct known *k, uint32_t tid, uint8_t state)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < k->w->n_entries; i++) {
		const struct window_row *row = &k->w->rows[k->w->entries[i].row];

		if (row->tid == tid && row->tag.state == state)
			n += k->w->entries[i].count;
	}
	return n;
}

/* From now on it left its CPU so often, in all. */
static void account_switches(struct known *k, uint32_t tid, uint64_t now, uint64_t ran, uint32_t blocked,
			     uint32_t preempted, uint8_t ended)
{
	const struct thread_record r = {.key = key,
					.tid = tid,
					.start_ns = 1,
					.now_ns = now,
					.run_ns = ran,
					.switches = blocked + preempted,
					.blocked = blocked,
					.ended = ended,
					.comm = "t"};
	struct thread_sums before;
	struct thread *t;

	assert_int_equal(thread_table__note(&k->threads, &r, &t, &before), 0);
}

/* What is taken stands for more or less of them than there were; the kernel has counted. What is left over of a count is not lost. */
static void there_were_as_many_waits_as_the_thread_left_its_cpu(void **state)
{
	struct known *k = *state;

	k->w->period_ns = 10000;
	account_switches(k, 11, 1000, 0, 70, 7, 0);
	account_switches(k, 12, 1000, 0, 0, 0, 0);
	account_switches(k, 13, 1000, 0, 0, 0, 0);
	account_switches(k, 14, 1000, 0, 0, 0, 0);
	assert_int_equal(thread_table__begin(&k->threads, 1000), 0);
	account_switches(k, 11, 101000, 20000, 70 + 800, 7 + 50, 0);
	account_switches(k, 12, 101000, 91000, 27, 0, 0);
	account_switches(k, 13, 101000, 0, 0, 0, 0);
	account_switches(k, 14, 101000, 90000, 501, 0, THREAD_GONE);
	sample_of(k, 11, WAIT_BLOCKED, 0x1000, 1000, 60000);
	sample_of(k, 11, WAIT_RUNNABLE, 0x1000, 1300, 10000);
	sample_of(k, 11, WAIT_PREEMPTED, 0x1000, 20, 10000);
	for (uint64_t i = 0; i < 10; i++)
		sample_of(k, 12, WAIT_BLOCKED, 0x1000 + i * 16, 3, 1000);
	sample_of(k, 13, WAIT_BLOCKED, 0x1000, 0, 100000); /* it goes on: none has ended */
	sample_of(k, 14, WAIT_DISK, 0x1000, 1000, 10000);
	settle(k);
	assert_in_range(count_in(k, 11, WAIT_BLOCKED), 799, 801);
	assert_in_range(count_in(k, 11, WAIT_RUNNABLE), 799, 801);
	assert_in_range(count_in(k, 11, WAIT_PREEMPTED), 49, 51);
	assert_in_range(count_in(k, 12, WAIT_BLOCKED), 26, 28);
	assert_int_equal(count_in(k, 13, WAIT_BLOCKED), 0);
	assert_in_range(count_in(k, 14, WAIT_DISK), 499, 501); /* from its last switch it did not come back */
}

/* One sample of 1000 stands for ten; beside it 60 of 50000 each, which all are taken, and of 990 more none was. */
static void short_waits_of_which_none_was_taken_are_no_long_ones(void **state)
{
	struct known *k = *state;

	k->w->period_ns = 10000;
	account_switches(k, 11, 1000, 0, 0, 0, 0);
	account_switches(k, 12, 1000, 0, 0, 0, 0);
	assert_int_equal(thread_table__begin(&k->threads, 1000), 0);
	account_switches(k, 11, 3102000, 0, 60 + 20, 0, 0);
	account_switches(k, 12, 3102000, 0, 60 + 1000, 0, 0);
	for (uint32_t tid = 11; tid < 13; tid++) {
		sample_of(k, tid, WAIT_BLOCKED, 0x1000, 10, 10000);
		sample_of(k, tid, WAIT_DISK, 0x2000, 60, 3000000);
	}
	settle(k);
	assert_in_range(count_in(k, 11, WAIT_BLOCKED), 19, 21);
	assert_in_range(count_in(k, 11, WAIT_DISK), 59, 61);
	assert_in_range(count_in(k, 12, WAIT_DISK), 59, 62);
	assert_in_range(count_in(k, 12, WAIT_BLOCKED), 998, 1001);
	for (uint32_t i = 0; i < k->w->n_entries; i++) {
		const struct window_row *row = &k->w->rows[k->w->entries[i].row];

		if (row->tid == 12 && row->tag.state == WAIT_BLOCKED && k->w->entries[i].value)
			assert_in_range(k->w->entries[i].count, 35,
					41); /* the rest is in a row that says so */
	}
	assert_int_equal(k->w->ends[END_NOT_SAMPLED], 0); /* of no sample */
}

/* One that is far shorter than all others may be a matter of chance more than they, and takes no more than it may. What then is missing, less than a row is made for, is the others'. */
static void few_that_are_missing_are_not_lost_for_a_very_short_one(void **state)
{
	struct known *k = *state;

	k->w->period_ns = 10000;
	account_switches(k, 11, 1000, 0, 0, 0, 0);
	assert_int_equal(thread_table__begin(&k->threads, 1000), 0);
	account_switches(k, 11, 951000, 0, 2000, 0, 0);
	sample_of(k, 11, WAIT_BLOCKED, 0x1000, 1900, 950000);
	sample_of(k, 11, WAIT_BLOCKED, 0x2000, 1, 1);
	settle(k);
	assert_in_range(count_in(k, 11, WAIT_BLOCKED), 1999, 2001);
}

static struct {
	uint64_t sampled_ns, settled_ns;
	int n;
} told;

static void tell_futexes(void *ctx, const struct thread *t, uint64_t sampled_ns, uint64_t settled_ns)
{
	(void)ctx;
	assert_int_equal(t->tid, 11);
	told.sampled_ns = sampled_ns;
	told.settled_ns = settled_ns;
	told.n++;
}

static void add_syscall(struct known *k, uint32_t tid, uint8_t state, int16_t syscall, uint64_t value)
{
	const uint64_t word = 0x1000;
	struct window_sample s = {.process = k->process,
				  .tid = tid,
				  .comm = "t",
				  .words = &word,
				  .n_words = 1,
				  .tag = {.event = EVENT_OFFCPU, .state = state, .syscall = syscall},
				  .count = 1,
				  .value = value};

	assert_int_equal(window__add(k->w, &s, NULL, NULL), 0);
}

/* Of that alone, not of what it waited for a CPU there. */
static void what_became_of_waits_for_futexes_is_told(void **state)
{
	const struct wait_account_ports ports = {.process = process, .futexes = tell_futexes};
	struct known *k = *state;
	struct wait_account a;

	memset(&told, 0, sizeof(told));
	account(k, 11, 1000, 0, 0);
	account(k, 12, 1000, 0, 0);
	assert_int_equal(thread_table__begin(&k->threads, 1000), 0);
	account(k, 11, 11000, 1000, 1000);
	account(k, 12, 11000, 1000, 1000);
	add_syscall(k, 11, WAIT_BLOCKED, 202, 1000);
	add_syscall(k, 11, WAIT_BLOCKED, 449, 1000); /* futex_waitv */
	add_syscall(k, 11, WAIT_RUNNABLE, 202, 500);
	add_syscall(k, 11, WAIT_BLOCKED, 0, 2000);
	add_syscall(k, 12, WAIT_BLOCKED, 0, 2000);
	assert_int_equal(wait_account__settle(k->w, &k->threads, 0, &ports, &a), 0);
	assert_int_equal(told.n, 1);
	assert_int_equal(told.sampled_ns, 2000);
	assert_int_equal(told.settled_ns, 4000);
}

static void thread_of_which_nothing_was_taken_gets_a_row_that_says_so(void **state)
{
	struct known *k = *state;
	struct wait_account a;
	uint32_t n_rows;

	account(k, 11, 1000, 0, 0);
	account(k, 12, 1000, 0, 0);
	account(k, 13, 1000, 0, 0);
	assert_int_equal(thread_table__begin(&k->threads, 1000), 0);
	account(k, 11, 2000, 900, 30);
	account(k, 12, 2000, 1000, 0); /* it ran all the time: no row */
	account(k, 13, 2000, 0, 0);
	sample(k, 13, WAIT_BLOCKED, 0x1000, 1000);
	n_rows = k->w->n_rows;
	a = settle(k);
	assert_int_equal(k->w->n_rows, n_rows + 2);
	assert_int_equal(sum(k, 11, WAIT_BLOCKED), 70);
	assert_int_equal(sum(k, 11, WAIT_RUNNABLE), 30);
	assert_int_equal(sum(k, 13, WAIT_BLOCKED), 1000);
	assert_int_equal(a.unsampled_ns[0], 70);
	assert_int_equal(a.unsampled_ns[1], 30);
	assert_int_equal(k->w->ends[END_NOT_SAMPLED], 0); /* of no sample */
}

static void threads_that_are_not_wanted_and_rows_of_nobody_stay_out(void **state)
{
	struct known *k = *state;
	struct wait_account a;

	account(k, 99, 1000, 0, 0);
	assert_int_equal(thread_table__begin(&k->threads, 1000), 0);
	account(k, 99, 2000, 100, 0);
	sample(k, 55, WAIT_BLOCKED, 0x1000, 123); /* the table was full */
	a = settle(k);
	assert_int_equal(a.n_threads, 0);
	assert_int_equal(k->w->n_rows, 1);
	assert_int_equal(sum(k, 55, WAIT_BLOCKED), 123);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(samples_are_scaled_to_the_account_each_kind_apart),
		TEST(what_is_missing_was_where_chance_is),
		TEST(there_were_as_many_waits_as_the_thread_left_its_cpu),
		TEST(short_waits_of_which_none_was_taken_are_no_long_ones),
		TEST(few_that_are_missing_are_not_lost_for_a_very_short_one),
		TEST(what_became_of_waits_for_futexes_is_told),
		TEST(what_was_taken_of_a_thread_s_cpu_is_no_wait),
		TEST(what_is_stolen_is_shared_out_and_no_wait),
		TEST(no_more_is_stolen_than_there_is),
		TEST(thread_of_which_nothing_was_taken_gets_a_row_that_says_so),
		TEST(threads_that_are_not_wanted_and_rows_of_nobody_stay_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
