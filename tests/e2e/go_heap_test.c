/* SPDX-License-Identifier: Apache-2.0 */
/* What Go programs have allocated, read from outside: the same as their own runtime says at that moment, to the byte. */
#include "tests/e2e/e2e.h"

#define STACKS_MAX 512

/* Values by stack, as text. */
struct ledger {
	char *stacks[STACKS_MAX];
	int64_t values[STACKS_MAX][4];
	uint32_t n;
};

/* The function whose code it is: of inlined ones the outermost. */
static const char *function_of(const struct profile *p, uint32_t location)
{
	const struct location *l = profile__get_location(p, location);

	if (!l->n_lines)
		return "?";
	return profile__str(p, profile__get_function(p, profile__lines(p, l)[l->n_lines - 1].function)->name);
}

static int64_t *ledger__entry(struct ledger *l, const char *stack)
{
	uint32_t i = 0;

	while (i < l->n && strcmp(l->stacks[i], stack))
		i++;
	if (i == l->n) {
		assert_true(l->n < STACKS_MAX);
		l->stacks[l->n++] = strdup(stack);
	}
	return l->values[i];
}

static void ledger__take(struct ledger *l, const struct profile *p)
{
	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);
		uint32_t stack[PROFILE_DEPTH_MAX],
			n = profile__get_stack(p, s->stack, stack, PROFILE_DEPTH_MAX);
		char text[8192] = "";
		int64_t *values;

		/* where a goroutine begins is told by one and not by the other */
		for (uint32_t j = 0; j < n && strcmp(function_of(p, stack[j]), "runtime.goexit"); j++)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s;",
				 function_of(p, stack[j]));
		values = ledger__entry(l, text);
		for (int v = 0; v < 4; v++)
			values[v] += s->values[v];
	}
}

static void ledger__done(struct ledger *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		free(l->stacks[i]);
	free(l);
}

/* One in a million for rounding, and one for each size of object on the stack. */
static bool is_near(int64_t a, int64_t b)
{
	int64_t away = a > b ? a - b : b - a;

	return away <= 16 + b / 1000000;
}

static void expect_same_as_own(const struct recording *r)
{
	struct profile *own = expect_profile(recording__file(r, "own.pb"));
	struct ledger *theirs = calloc(1, sizeof(*theirs)), *ours = calloc(1, sizeof(*ours));

	assert_int_equal(profile__n_types(r->profile), 4);
	for (uint32_t v = 0; v < 4; v++)
		assert_string_equal(profile__str(r->profile, profile__type(r->profile, v).type),
				    profile__str(own, profile__type(own, v).type));
	ledger__take(theirs, own);
	ledger__take(ours, r->profile);
	assert_true(theirs->n >= 4);
	for (uint32_t i = 0; i < theirs->n; i++) {
		const int64_t *a = ledger__entry(ours, theirs->stacks[i]), *b = theirs->values[i];

		for (int v = 0; v < 4; v++)
			if (!is_near(a[v], b[v]))
				fail_msg("value %d is %ld and not %ld at %s", v, (long)a[v], (long)b[v],
					 theirs->stacks[i]);
	}
	ledger__done(theirs);
	ledger__done(ours);
	profile__free(own);
}

/* Bytes in use whose stack has that function, by our own profile. */
static int64_t in_use_at(const struct profile *p, const char *function)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);
		uint32_t stack[PROFILE_DEPTH_MAX],
			n = profile__get_stack(p, s->stack, stack, PROFILE_DEPTH_MAX);

		if (n && !strcmp(function_of(p, stack[0]), function))
			sum += s->values[3];
	}
	return sum;
}

static void record(struct recording *r, const char *program)
{
	const char *lost;
	char pid[16];

	recording__start(r, ARGS(program, recording__file(r, "own.pb")));
	snprintf(pid, sizeof(pid), "%lld", r->pid);
	recording__record(r, 0, ARGS("-e", "heap", "-p", pid));
	lost = expect__comment(r->profile, "lost in all: ");
	assert_non_null(lost);
	assert_string_equal(lost, "0");
	assert_non_null(expect__comment(r->profile, "Go programs sample one allocation in 524288 bytes"));
}

/* Of 64 MiB some 128 samples were taken: three eighths are four standard errors. */
static void expect_near_truth(const struct recording *r)
{
	assert_in_range(in_use_at(r->profile, "main.keepSmall") >> 20, 40, 88);
	assert_in_range(in_use_at(r->profile, "main.keepLarge") >> 20, 24, 40);
	assert_in_range(in_use_at(r->profile, "main.around") >> 20, 7, 25);
	assert_int_equal(in_use_at(r->profile, "main.drop"), 0);
}

static void same_as_the_runtime_says(void **state)
{
	record(*state, "gomemory");
	expect_same_as_own(*state);
	expect_near_truth(*state);
}

static void stripped_program(void **state)
{
	record(*state, "gomemory_stripped");
	expect_same_as_own(*state);
	expect_near_truth(*state);
}

static void release_of_go_that_is_first_in_path(void **state)
{
	record(*state, "gomemory_path");
	expect_same_as_own(*state);
	expect_near_truth(*state);
}

/* Nothing in it reads memory profiles: its runtime does not sample, which is told. */
static void program_that_does_not_sample_says_so(void **state)
{
	struct recording *r = *state;
	char pid[16];

	recording__start(r, ARGS("gotree", RECORDING_LONG));
	snprintf(pid, sizeof(pid), "%lld", r->pid);
	recording__record(r, 0, ARGS("-e", "heap", "-p", pid));
	assert_int_equal(profile__n_samples(r->profile), 0);
	snprintf(pid, sizeof(pid), "process %lld", r->pid);
	assert_non_null(expect__comment(r->profile, pid));
}

/* Each of two, wherever the other one is told of. */
static void all_programs_that_do_not_sample_say_so(void **state)
{
	struct recording *r = *state;
	struct run second = {0};
	char path[4096], text[64];

	recording__start(r, ARGS("gotree", RECORDING_LONG));
	run__path_workload("gotree", path);
	assert_int_equal(run__start(&second, ARGS(path, RECORDING_LONG)), 0);
	recording__record(r, 0, ARGS("-e", "heap"));
	snprintf(text, sizeof(text), "process %lld does not sample", r->pid);
	assert_non_null(expect__comment(r->profile, text));
	snprintf(text, sizeof(text), "process %d does not sample", (int)second.pid);
	assert_non_null(expect__comment(r->profile, text));
	run__done(&second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(same_as_the_runtime_says),
		e2e_test(stripped_program),
		e2e_test(release_of_go_that_is_first_in_path),
		e2e_test(program_that_does_not_sample_says_so),
		e2e_test(all_programs_that_do_not_sample_say_so),
	};

	return cmocka_run_group_tests_name("go_heap", tests, NULL, NULL);
}
