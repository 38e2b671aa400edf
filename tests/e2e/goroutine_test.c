/* SPDX-License-Identifier: Apache-2.0 */
/* Goroutines read from outside, held against what the runtime says of itself, and against what the program is known to do. */
#include "tests/e2e/e2e.h"

#define KINDS_MAX 256
#define LEAK_LINE 71 /* of goroutines.go */

/* Goroutines by stack, as text. */
struct census {
	char *stacks[KINDS_MAX];
	int64_t counts[KINDS_MAX];
	uint32_t n;
};

static void census__add(struct census *s, const char *stack, int64_t count)
{
	uint32_t i = 0;

	while (i < s->n && strcmp(s->stacks[i], stack))
		i++;
	if (i == s->n) {
		assert_true(s->n < KINDS_MAX);
		s->stacks[s->n] = strdup(stack);
		s->counts[s->n++] = 0;
	}
	s->counts[i] += count;
}

static void census__done(struct census *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		free(s->stacks[i]);
}

/* The function whose code it is: of inlined ones the outermost. */
static const char *function_of(const struct profile *p, uint32_t location)
{
	const struct location *l = profile__get_location(p, location);

	if (!l->n_lines)
		return "?";
	return profile__str(p, profile__get_function(p, profile__lines(p, l)[l->n_lines - 1].function)->name);
}

/* Functions leaf first up to the goroutine's own; what made it stands behind runtime.goexit. Goroutines that were made to wait only. */
static void census__take(struct census *s, const struct profile *p)
{
	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *sample = profile__get_sample(p, i);
		uint32_t stack[PROFILE_DEPTH_MAX],
			n = profile__get_stack(p, sample->stack, stack, PROFILE_DEPTH_MAX);
		char text[8192] = "";

		for (uint32_t j = 0; j < n && strcmp(function_of(p, stack[j]), "runtime.goexit"); j++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s;",
				 function_of(p, stack[j]));
		if (!strstr(text, "main.main;"))
			census__add(s, text, sample->values[0]);
	}
}

/* Each stack of the one is in the other, as often. */
static void expect_same_census(const struct recording *r)
{
	struct profile *own = expect_profile(recording__file(r, "runtime.pb"));
	struct census theirs = {0}, ours = {0};

	census__take(&theirs, own);
	census__take(&ours, r->profile);
	assert_true(theirs.n >= 6);
	assert_int_equal(ours.n, theirs.n);
	for (uint32_t i = 0; i < theirs.n; i++) {
		int64_t count = 0;

		for (uint32_t j = 0; j < ours.n; j++)
			if (!strcmp(ours.stacks[j], theirs.stacks[i]))
				count = ours.counts[j];
		if (count != theirs.counts[i])
			fail_msg("%ld goroutines, of %ld, at %s", (long)count, (long)theirs.counts[i],
				 theirs.stacks[i]);
	}
	census__done(&theirs);
	census__done(&ours);
	profile__free(own);
}

static void start(struct recording *r, const char *program, const char *scale, const char *more)
{
	recording__start(r, ARGS(program, scale, recording__file(r, "runtime.pb"), more));
}

static void record(struct recording *r)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%lld", r->pid);
	recording__record(r, 0, ARGS("-e", "goroutine", "-p", pid));
}

static uint64_t count_of(const struct recording *r, const char *stack)
{
	struct expect_sum sum;

	expect__sum(r->profile, &(struct expect_filter){.pid = r->pid, .stack = stack}, &sum);
	return sum.samples;
}

static void expect_no_loss(const struct recording *r)
{
	const char *lost = expect__comment(r->profile, "lost in all: ");

	assert_non_null(lost);
	assert_string_equal(lost, "0");
}

static void same_as_the_runtime_says(void **state)
{
	struct recording *r = *state;

	start(r, "goroutines", "10", NULL);
	record(r);
	expect_same_census(r);
	expect_no_loss(r);
	assert_int_equal(count_of(r, "**;main.waitReceive;main.receiver;runtime.goexit;main.makeAll"), 100);
	assert_int_equal(count_of(r, "**;main.selecter;runtime.goexit;main.makeAll"), 70);
	assert_int_equal(count_of(r, "**;main.reader;runtime.goexit;main.makeAll"), 10);
}

static void stripped_program(void **state)
{
	struct recording *r = *state;

	start(r, "goroutines_stripped", "3", NULL);
	record(r);
	expect_same_census(r);
	expect_no_loss(r);
}

static void stripped_position_independent_program(void **state)
{
	struct recording *r = *state;

	start(r, "goroutines_pie", "3", NULL);
	record(r);
	expect_same_census(r);
	expect_no_loss(r);
}

static void release_of_go_that_is_first_in_path(void **state)
{
	struct recording *r = *state;

	start(r, "goroutines_path", "3", NULL);
	record(r);
	expect_same_census(r);
	expect_no_loss(r);
}

/* Goroutines in that state, waiting for that. */
static int64_t count_in(const struct profile *p, const char *state, const char *wait)
{
	int64_t n = 0;

	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);
		const struct label *a = profile__find_label(p, s->labels, "state"),
				   *b = profile__find_label(p, s->labels, "wait");

		if (a && !strcmp(profile__str(p, a->str), state) &&
		    (wait ? b && !strcmp(profile__str(p, b->str), wait) : !b))
			n += s->values[0];
	}
	return n;
}

static void states_and_what_is_waited_for(void **state)
{
	struct recording *r = *state;

	start(r, "goroutines_path", "4", NULL);
	record(r);
	assert_int_equal(count_in(r->profile, "waiting", "chan receive"), 40);
	assert_int_equal(count_in(r->profile, "waiting", "select"), 28);
	assert_int_equal(count_in(r->profile, "waiting", "sleep"), 12 + 1); /* and the main one */
	assert_int_equal(count_in(r->profile, "waiting", "IO wait"), 1);    /* the others wait for that one */
	assert_int_equal(count_in(r->profile, "syscall", NULL), 4);
}

/* Others come and go all the time: those that wait are told exactly all the same. */
static void exact_beside_others_that_come_and_go(void **state)
{
	struct recording *r = *state;

	start(r, "goroutines", "100", "churn");
	for (int i = 0; i < 5; i++) {
		record(r);
		assert_int_equal(count_of(r, "**;main.receiver;runtime.goexit;main.makeAll"), 1000);
		assert_int_equal(count_of(r, "**;main.selecter;runtime.goexit;main.makeAll"), 700);
		assert_int_equal(count_of(r, "**;main.locker;runtime.goexit;main.makeAll"), 500);
		assert_int_equal(count_of(r, "**;main.sleeper;runtime.goexit;main.makeAll"), 300);
		assert_int_equal(count_of(r, "**;main.reader;runtime.goexit;main.makeAll"), 20);
		/* four at work, each with one more perhaps; one that goes on while it is read is left out */
		assert_in_range(count_of(r, "**;main.main"), 1, 8);
	}
}

static void one_that_runs_is_counted_with_its_function_and_origin(void **state)
{
	struct recording *r = *state;

	start(r, "goroutines", "1", "running");
	record(r);
	assert_int_equal(count_of(r, "\\[truncated: running];main.spinner;main.main"), 1);
	assert_int_equal(count_in(r->profile, "running", NULL), 1);
}

/* What a person sees first. */
static void expect_first_origin(const struct recording *r)
{
	char program[4096], line[64];
	const char *at, *end;
	struct run top;
	int status;

	run__path_everprof(program);
	assert_int_equal(run__to_end(&top, 10000, &status, ARGS(program, "top", r->path)), 0);
	assert_int_equal(status, 0);
	at = strstr(run__out(&top), "Goroutines by the go statement that made them\n");
	assert_non_null(at);
	at = strchr(at, '\n') + 1;
	end = strchr(at, '\n');
	snprintf(line, sizeof(line), "main.leaker goroutines.go:%d: main.forgotten", LEAK_LINE);
	at = strstr(at, line);
	assert_true(at && at < end);
	run__done(&top);
}

/* The go statement of a leak stands below all that it leaked: its line too. */
static void leak_leads_to_its_go_statement(void **state)
{
	struct recording *r = *state;
	uint64_t before, after;
	bool has_line = false;

	start(r, "goroutines", "1", "leak");
	usleep(300000);
	record(r);
	before = count_of(r, "**;main.forgotten;runtime.goexit;main.leaker");
	profile__free(r->profile);
	r->profile = NULL;
	usleep(500000);
	record(r);
	after = count_of(r, "**;main.forgotten;runtime.goexit;main.leaker");
	assert_true(before > 20);
	assert_true(after > before + 50);
	for (uint32_t i = 1; i <= profile__n_locations(r->profile); i++) {
		const struct location *l = profile__get_location(r->profile, i);

		if (!strcmp(function_of(r->profile, i), "main.leaker") && l->n_lines)
			has_line |= profile__lines(r->profile, l)[0].line == LEAK_LINE;
	}
	assert_true(has_line);
	expect_first_origin(r);
}

/* Without -p: programs that are not Go's have none, and are no error. */
static void all_programs(void **state)
{
	struct recording *r = *state;

	start(r, "goroutines", "1", NULL);
	recording__record(r, 0, ARGS("-e", "goroutine"));
	assert_int_equal(count_of(r, "**;main.receiver;runtime.goexit;main.makeAll"), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(same_as_the_runtime_says),
		e2e_test(stripped_program),
		e2e_test(stripped_position_independent_program),
		e2e_test(release_of_go_that_is_first_in_path),
		e2e_test(states_and_what_is_waited_for),
		e2e_test(exact_beside_others_that_come_and_go),
		e2e_test(one_that_runs_is_counted_with_its_function_and_origin),
		e2e_test(leak_leads_to_its_go_statement),
		e2e_test(all_programs),
	};

	return cmocka_run_group_tests_name("goroutine", tests, NULL, NULL);
}
