/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that a program makes resident in a known way, held against what the kernel counts of it (smaps): how much, of which kind, by which function.
 *
 * A sample stands for all faults since the one before, some dozens; how many on average the profile says itself, and from that follows how far its sums
 * may be off.
 */
#include <math.h>

#include "tests/e2e/e2e.h"

#define MIB        1048576.0
#define MIBS       "64"
#define BYTES      (64 * MIB)
#define ERROR_MOST 0.35 /* of a total: past that a test says nothing */

#define SHORT_PROGRAMS 20

struct truth {
	double bytes, faults, huge;
};

struct amount {
	double faults, bytes;
	uint64_t rows;
};

static struct truth truth_of(const struct recording *r)
{
	const char *line = strstr(run__out(&r->everprof), "truth ");
	struct truth t;

	if (!line || sscanf(line, "truth %lf %lf %lf", &t.bytes, &t.faults, &t.huge) != 3)
		fail_msg("no truth: %s", run__out(&r->everprof));
	return t;
}

/* Of the rows of a kind, or of all. */
static struct amount sum_kind(const struct profile *p, const char *kind)
{
	struct amount a = {0};

	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);
		const struct label *l = profile__find_label(p, s->labels, "memory");

		assert_non_null(l);
		if (kind && strcmp(profile__str(p, l->str), kind))
			continue;
		a.faults += (double)s->values[0];
		a.bytes += (double)s->values[1];
		a.rows++;
	}
	return a;
}

static struct amount sum_function(const struct profile *p, const char *function)
{
	struct expect_sum sum;
	char pattern[256];

	snprintf(pattern, sizeof(pattern), "**;%s;**", function);
	expect__sum(p, &(struct expect_filter){.stack = pattern}, &sum);
	return (struct amount){(double)sum.samples, (double)sum.ns, sum.rows};
}

static void print_rows(const struct profile *p)
{
	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);

		print_message("%12lld bytes %8lld faults  %s\n", (long long)s->values[1],
			      (long long)s->values[0],
			      profile__str(p, profile__find_label(p, s->labels, "memory")->str));
	}
	for (uint32_t i = 0; i < profile__n_comments(p); i++)
		print_message("%s\n", profile__get_comment(p, i));
}

/* How many faults a sample stands for, on average, by what the profile says of itself. */
static double weight_of(const struct profile *p)
{
	const char *note = expect__comment(p, "memory: ");
	unsigned long long faults, taken;
	unsigned int low, high;

	assert_non_null(note);
	if (sscanf(note, "one page fault in %u to %u of all that are sampled; %llu faults, %llu with a stack",
		   &low, &high, &faults, &taken) != 4 ||
	    !taken)
		fail_msg("no figures: %s", note);
	return (double)faults / (double)taken;
}

/* The standard error of a sum of `faults` faults, as a share of it; weights are not all the same, so half as much again. */
static double error_of(const struct profile *p, double faults)
{
	return 1.5 * sqrt(weight_of(p) / faults);
}

static void assert_amount_(const struct profile *p, const char *what, double got, double want, double error,
			   int line)
{
	print_message("%-12s %10.2f MiB, truth %10.2f MiB, standard error %.1f %%\n", what, got / MIB,
		      want / MIB, 100 * error);
	if (fabs(got - want) <= 3 * error * want && error <= ERROR_MOST)
		return;
	print_rows(p);
	fail_msg("line %d: %s: %.2f MiB, truth %.2f MiB, standard error %.1f %%", line, what, got / MIB,
		 want / MIB, 100 * error);
}
#define assert_amount(p, what, got, want, error) assert_amount_(p, what, got, want, error, __LINE__)

static void record_way(struct recording *r, const char *way, const char *mibs, bool with_file)
{
	char program[4096];

	run__path_workload("touch", program);
	recording__record(r, 0,
			  ARGS("-e", "memory", "--", program, way, mibs,
			       with_file ? recording__file(r, "pages") : NULL));
	assert_int_equal(profile__n_types(r->profile), 2);
}

/* All that the way touches is of one kind, by one function, as much as the kernel says. */
static struct truth assert_way(struct recording *r, const char *way, const char *kind, const char *function,
			       bool with_file)
{
	struct amount of_kind, of_function;
	struct truth t;
	double error;

	record_way(r, way, MIBS, with_file);
	t = truth_of(r);
	error = error_of(r->profile, t.faults);
	of_function = sum_function(r->profile, function);
	of_kind = sum_kind(r->profile, kind);
	assert_amount(r->profile, function, of_function.bytes, t.bytes, error);
	assert_amount(r->profile, kind, of_kind.bytes, t.bytes,
		      error + 0.02); /* the start of a program, too */
	/* nothing of it went elsewhere: to another kind, or to nobody */
	if (of_function.bytes < 0.95 * of_kind.bytes - 4 * MIB)
		fail_msg("%s: %.2f MiB of %.2f MiB of kind %s", function, of_function.bytes / MIB,
			 of_kind.bytes / MIB, kind);
	return t;
}

static void writes_to_new_memory_are_anonymous(void **state)
{
	struct recording *r = *state;
	struct truth t = assert_way(r, "anonymous", "anonymous", "touch_new", false);

	assert_true(t.bytes == BYTES && t.huge == 0);
	assert_amount(r->profile, "faults", sum_function(r->profile, "touch_new").faults * 4096,
		      t.faults * 4096, error_of(r->profile, t.faults));
	expect_complete(r->profile, &(struct expect_filter){.comm = "touch"}, 0.9);
}

static void memory_that_is_given_back_and_touched_again_grows_twice(void **state)
{
	struct truth t = assert_way(*state, "again", "anonymous", "touch_new", false);

	assert_true(t.bytes == 2 * BYTES);
}

static void threads_that_touch_at_once_are_not_taken_for_each_other(void **state)
{
	assert_way(*state, "threads", "anonymous", "touch_new", false);
}

/* More page faults are under way than can be followed, and their threads do not come back: those of others are not lost. */
static void page_faults_that_are_never_handled_hold_up_no_others(void **state)
{
	struct recording *r = *state;
	struct truth t;

	record_way(r, "held_up", MIBS, false);
	t = truth_of(r);
	assert_true(t.bytes == BYTES);
	assert_amount(r->profile, "touch_new", sum_function(r->profile, "touch_new").bytes, BYTES,
		      error_of(r->profile, BYTES / 4096));
	assert_null(expect__comment(r->profile, "lost fault_pending"));
}

/* The kernel writes there for the program: its frames are on top. */
static void memory_that_a_system_call_fills_has_the_kernels_stack(void **state)
{
	struct recording *r = *state;
	struct expect_sum sum;

	assert_way(r, "system_call", "anonymous", "touch_by_read", false);
	expect__sum(r->profile,
		    &(struct expect_filter){.stack = "**;ksys_read;**;touch_by_read;**", .kernel = true},
		    &sum);
	assert_true((double)sum.ns > 0.9 * sum_function(r->profile, "touch_by_read").bytes);
}

/* It has the program's memory, but no stack there, and never goes back to where it came from. */
static void a_worker_of_the_kernel_fills_the_programs_memory(void **state)
{
	struct recording *r = *state;
	struct truth t;

	record_way(r, "worker", MIBS, false);
	t = truth_of(r);
	assert_true(t.bytes == BYTES);
	assert_amount(r->profile, "anonymous", sum_kind(r->profile, "anonymous").bytes, t.bytes,
		      error_of(r->profile, t.faults) + 0.02);
	expect_complete(r->profile, &(struct expect_filter){.process = "touch"}, 0.9);
}

static void a_thread_touches_its_stack(void **state)
{
	assert_way(*state, "stack", "stack", "touch_stack", false);
}

static void shared_memory_is_shared(void **state)
{
	assert_way(*state, "shared", "shared", "touch_new", false);
}

/* One fault brings many pages, as many as the page cache has side by side. */
static void pages_of_a_file_are_counted_however_many_a_fault_brings(void **state)
{
	struct recording *r = *state;
	struct truth t = assert_way(r, "file", "file", "touch_file", true);

	assert_true(t.faults * 4096 * 4 < t.bytes);
	assert_true(sum_function(r->profile, "touch_file").faults < t.faults * 2);
}

/* Where each process is a new one, all stacks are for user space to finish: more than it has time for. */
static void programs_that_end_at_once_are_whole(void **state)
{
	struct recording *r = *state;
	char program[4096], script[8192];
	struct truth all = {0}, t;
	const char *line;
	double error;

	run__path_workload("touch", program);
	snprintf(script, sizeof(script), "for i in $(seq %d); do '%s' file 4 '%s'; done", SHORT_PROGRAMS,
		 program, recording__file(r, "pages"));
	recording__record(r, 0, ARGS("-e", "memory", "--", "sh", "-c", script));
	for (line = run__out(&r->everprof); (line = strstr(line, "truth ")); line++) {
		assert_int_equal(sscanf(line, "truth %lf %lf %lf", &t.bytes, &t.faults, &t.huge), 3);
		all.bytes += t.bytes;
		all.faults += t.faults;
	}
	assert_true(all.bytes == SHORT_PROGRAMS * 64 * 4 * MIB);
	expect_complete(r->profile, &(struct expect_filter){.comm = "touch"}, 0.95);
	/* of the stacks of a slice that are for user space to finish some stand for up to eight; measured, all in all: 9 % */
	error = error_of(r->profile, all.faults) + 0.06;
	assert_amount(r->profile, "touch_file", sum_function(r->profile, "touch_file").bytes, all.bytes,
		      error);
}

static void a_file_written_to_privately_is_memory_of_its_own(void **state)
{
	assert_way(*state, "own_file", "anonymous", "touch_file", true);
}

/* The resident set does not grow by it, the machine's memory does. */
static void what_was_read_and_is_written_to_is_copied(void **state)
{
	struct recording *r = *state;
	struct truth t;

	record_way(r, "file_copy", MIBS, true);
	t = truth_of(r);
	assert_true(t.bytes == BYTES);
	assert_amount(r->profile, "copied", sum_kind(r->profile, "copied").bytes, BYTES,
		      error_of(r->profile, t.faults) + 0.02);
}

static void what_a_child_writes_to_is_copied(void **state)
{
	assert_way(*state, "fork", "copied", "touch_copy", false);
}

static void the_page_of_zeroes_is_no_memory(void **state)
{
	struct recording *r = *state;

	record_way(r, "zeroes", MIBS, false);
	assert_true(truth_of(r).bytes == 0 && truth_of(r).faults > 16000);
	assert_true(sum_function(r->profile, "touch_new").bytes <= MIB);
}

static void huge_pages_are_counted_as_what_they_are(void **state)
{
	struct recording *r = *state;
	struct truth t;

	record_way(r, "huge", MIBS, false);
	t = truth_of(r);
	if (t.huge < 0.9 * t.bytes)
		skip(); /* transparent huge pages are off here, or memory has none left */
	assert_amount(r->profile, "huge", sum_kind(r->profile, "anonymous").bytes, t.bytes,
		      error_of(r->profile, t.faults));
	assert_true(sum_function(r->profile, "touch_new").bytes >
		    0.95 * sum_kind(r->profile, "anonymous").bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(writes_to_new_memory_are_anonymous),
		e2e_test(memory_that_is_given_back_and_touched_again_grows_twice),
		e2e_test(threads_that_touch_at_once_are_not_taken_for_each_other),
		e2e_test(page_faults_that_are_never_handled_hold_up_no_others),
		e2e_test(memory_that_a_system_call_fills_has_the_kernels_stack),
		e2e_test(a_worker_of_the_kernel_fills_the_programs_memory),
		e2e_test(a_thread_touches_its_stack),
		e2e_test(shared_memory_is_shared),
		e2e_test(pages_of_a_file_are_counted_however_many_a_fault_brings),
		e2e_test(programs_that_end_at_once_are_whole),
		e2e_test(a_file_written_to_privately_is_memory_of_its_own),
		e2e_test(what_was_read_and_is_written_to_is_copied),
		e2e_test(what_a_child_writes_to_is_copied),
		e2e_test(the_page_of_zeroes_is_no_memory),
		e2e_test(huge_pages_are_counted_as_what_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
