// SPDX-License-Identifier: Apache-2.0
/* A program's new build: told apart from the old one where its time went elsewhere, and from nothing but chance. */
#include "tests/unit/alert/profiles.h"
#include "tests/support/folder.h"
#include "user/alert/build_drift.h"
#include "user/base/err.h"
#include "user/store/store.h"

#define MINUTE (60 * NS_PER_SEC)
#define TOLD   16

struct told {
	uint32_t pids[TOLD], n;
	struct profile_value last;
};

static int on_drift(void *ctx, uint32_t pid, const struct profile_value *v)
{
	struct told *t = ctx;

	assert_true(t->n < TOLD);
	t->pids[t->n++] = pid;
	t->last = *v;
	return 0;
}

/* n samples of a process in one of its functions; exe: what it runs, which stands in the profile as /bin/x. */
static void burn_in(struct profile *p, uint32_t pid, const char *exe, const char *build, const char *function,
		    int64_t n)
{
	struct mapping m = {
		.limit = 1 << 20, .filename = text_string(p, "/bin/x"), .build_id = text_string(p, build)};
	struct function f = {.name = text_string(p, function)};
	struct line line = {0};
	uint32_t mapping, location, stack = 0;
	char labels[64];

	assert_int_equal(profile__mapping(p, &m, &mapping), 0);
	assert_int_equal(profile__function(p, &f, &line.function), 0);
	assert_int_equal(profile__location(p, mapping, 16 * f.name, false, &line, 1, &location), 0);
	assert_int_equal(profile__stack_push(p, 0, location, &stack), 0);
	snprintf(labels, sizeof(labels), "pid=%u id,exe=%s", pid, exe);
	assert_int_equal(profile__add(p, stack, text_labels(p, labels), (int64_t[]){n, n * 10000000, 0, 0}),
			 0);
}

static void burn(struct profile *p, uint32_t pid, const char *build, const char *function, int64_t n)
{
	burn_in(p, pid, "/bin/x", build, function, n);
}

static void end_at(struct profile *p, uint64_t now_ns)
{
	profile__meta_mut(p)->time_ns = (int64_t)(now_ns - MINUTE);
	profile__meta_mut(p)->duration_ns = (int64_t)MINUTE;
	assert_int_equal(profile__seal(p), 0);
}

static struct told take(struct build_drift *d, struct profile *p, uint64_t now_ns)
{
	struct told t = {0};

	end_at(p, now_ns);
	assert_int_equal(build_drift__take(d, p, on_drift, &t), 0);
	profile__free(p);
	return t;
}

static struct profile *empty(void)
{
	return text_profile("samples", "count", "cpu", "nanoseconds");
}

/* A window of a process whose time is spread over ten functions; `shift` more of it goes into one that was not there. */
static struct told window(struct build_drift *d, uint64_t now_ns, const char *build, uint32_t pid, int n,
			  double shift)
{
	struct profile *p = empty();
	char name[16];

	for (int i = 0; i < n; i++) {
		if (rand() < shift * RAND_MAX)
			snprintf(name, sizeof(name), "slow");
		else
			snprintf(name, sizeof(name), "f%d", (rand() % 4) * (rand() % 4));
		burn(p, pid, build, name, 1);
	}
	return take(d, p, now_ns);
}

static void a_new_build_that_does_something_else_is_told(void **state)
{
	static struct build_drift d;
	struct told t;

	(void)state;
	srand(3);
	for (uint64_t i = 1; i <= 5; i++)
		assert_int_equal(window(&d, i * MINUTE, "b1", 7, 600, 0).n, 0);
	t = window(&d, 6 * MINUTE, "b2", 8, 600, 0.4);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.pids[0], 8);
	assert_true(t.last.low < 40 && t.last.high > 40);
	assert_true(t.last.low > 25);
	assert_int_equal(t.last.n, 600);
	/* the more windows, the surer */
	for (uint64_t i = 7; i < 30; i++)
		t = window(&d, i * MINUTE, "b2", 8, 600, 0.4);
	assert_true(fabs(t.last.value - 40) < 4);
	assert_true(t.last.high - t.last.low < 5);
	/* an hour later it is the usual one */
	assert_int_equal(window(&d, 67 * MINUTE, "b2", 8, 600, 0.4).n, 0);
	build_drift__done(&d);
}

static void a_new_build_that_does_the_same_is_below_any_threshold(void **state)
{
	double worst = 0;
	int above = 0;

	(void)state;
	srand(17);
	for (int run = 0; run < 200; run++) {
		static struct build_drift d;
		struct told t;
		int n = 200 + rand() % 1000;

		d = (struct build_drift){0};
		window(&d, MINUTE, "b1", 7, n, 0);
		t = window(&d, 2 * MINUTE, "b2", 8, n, 0);
		assert_int_equal(t.n, 1);
		worst = fmax(worst, t.last.low);
		above += t.last.low > 0;
		build_drift__done(&d);
	}
	/* of 200 deployments that change nothing: hardly one above 0, none above any threshold worth setting */
	if (above > 10 || worst > 5)
		fail_msg("%d of 200 are above 0, the worst is %.2f %%", above, worst);
}

/* Both stand in the first window: nothing is known of before, and neither is new. */
static void what_was_there_at_the_start_is_not_new(void **state)
{
	static struct build_drift d;
	struct profile *p;
	struct told t;

	(void)state;
	for (uint64_t i = 1; i < 4; i++) {
		p = empty();
		burn(p, 7, "b1", "old", 500);
		burn(p, 8, "b2", "new", 500);
		assert_int_equal(take(&d, p, i * MINUTE).n, 0);
	}
	/* a third one is, beside them, and two processes of it are two */
	p = empty();
	burn(p, 7, "b1", "old", 500);
	burn(p, 9, "b3", "newest", 300);
	burn(p, 10, "b3", "newest", 300);
	t = take(&d, p, 5 * MINUTE);
	assert_int_equal(t.n, 2);
	assert_true(t.last.low > 80);
	build_drift__done(&d);
}

/* The file has the path by which its build was met first: another one's. */
static void program_that_is_a_copy_is_known_by_its_build(void **state)
{
	static struct build_drift d;
	struct told t;

	(void)state;
	for (uint64_t i = 1; i <= 4; i++) {
		struct profile *p = empty();

		burn_in(p, 7, "/bin/copy", i < 4 ? "b1" : "b2", i < 4 ? "fast" : "slow", 300);
		t = take(&d, p, i * MINUTE);
		assert_int_equal(t.n, i == 4);
	}
	assert_true(t.last.low > 80);
	build_drift__done(&d);
}

static uint64_t a_time(void *ctx)
{
	(void)ctx;
	return FIRED_NS;
}

/* What an agent before this one recorded: ten minutes of a build, then five of its next. */
static void fill_store(void)
{
	const struct store_opts opts = {.dir = test_dir, .real_ns = a_time, .mono_ns = a_time};
	struct store *s;
	struct err e = {""};

	assert_int_equal(store__open(&opts, &s, &e), 0);
	for (uint64_t i = 15; i > 0; i--) {
		uint64_t end = FIRED_NS - i * MINUTE;
		struct profile *p = empty();
		struct buf b;

		burn(p, 7, i > 5 ? "b1" : "b2", i > 5 ? "fast" : "slow", 300);
		end_at(p, end);
		encode(p, COMPRESSION_GZIP, &b);
		assert_int_equal(store__put(s, "cpu", end - MINUTE, MINUTE, b.data, b.len), 0);
		buf__done(&b);
	}
	store__close(s);
}

/* As an agent that starts does: what the store says of the time before this window. */
static struct told recalled_window(const char *build, const char *function, uint64_t end_ns,
				   uint32_t n_before)
{
	static struct build_drift d;
	struct profile *p = empty();
	struct told t = {0};

	d = (struct build_drift){0};
	burn(p, 8, build, function, 300);
	end_at(p, end_ns);
	assert_int_equal(build_drift__recall(&d, test_dir, p), n_before);
	assert_int_equal(build_drift__take(&d, p, on_drift, &t), 0);
	build_drift__done(&d);
	profile__free(p);
	return t;
}

static void builds_are_known_after_a_restart(void **state)
{
	struct told t;

	(void)state;
	fill_store();
	/* one that came while no agent ran */
	t = recalled_window("b3", "other", FIRED_NS, 15);
	assert_int_equal(t.n, 1);
	assert_true(t.last.low > 80);
	assert_int_equal(t.last.n, 300);
	/* one that is new for minutes, and goes on being told */
	t = recalled_window("b2", "slow", FIRED_NS, 15);
	assert_int_equal(t.n, 1);
	assert_true(t.last.low > 80 && t.last.n == 1800);
	/* and no longer than without a restart */
	assert_int_equal(recalled_window("b2", "slow", FIRED_NS + 56 * MINUTE, 15).n, 0);
	/* the agent was away for a day: what it saw last is known */
	assert_int_equal(recalled_window("b3", "other", FIRED_NS + 24 * 60 * MINUTE, 15).n, 1);
	/* nothing of the window itself, nor of after it */
	assert_int_equal(recalled_window("b1", "fast", FIRED_NS - 10 * MINUTE, 5).n, 0);
}

static void without_a_store_nothing_is_recalled(void **state)
{
	(void)state;
	assert_int_equal(recalled_window("b2", "slow", FIRED_NS, 0).n, 0);
}

static void the_compilers_names_are_one_function(void **state)
{
	(void)state;
	assert_true(drift__function("f") == drift__function("f.constprop.0"));
	assert_true(drift__function("f") == drift__function("f.part.1.cold"));
	assert_true(drift__function("f") != drift__function("f2"));
	assert_true(drift__function("[x]+0x10") == drift__function("[x]+0x20"));
	assert_true(drift__function("[x]+0x10") != drift__function("[y]+0x10"));
}

static void builds_and_functions_without_end_take_their_room_and_no_more(void **state)
{
	static struct build_drift d;
	char name[32];

	(void)state;
	for (uint64_t i = 1; i <= 3 * DRIFT_BUILDS_MAX; i++) {
		struct profile *p = empty();

		snprintf(name, sizeof(name), "b%u", (unsigned int)i);
		for (int k = 0; k < 3 * DRIFT_SLOTS && i == 1; k++) {
			char function[32];

			snprintf(function, sizeof(function), "f%d", k);
			burn(p, 7, name, function, 1);
		}
		burn(p, 7, name, "f", 1);
		take(&d, p, i * MINUTE);
	}
	assert_int_equal(d.n, DRIFT_BUILDS_MAX);
	build_drift__done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_build_that_does_something_else_is_told),
		cmocka_unit_test(a_new_build_that_does_the_same_is_below_any_threshold),
		cmocka_unit_test(what_was_there_at_the_start_is_not_new),
		cmocka_unit_test(program_that_is_a_copy_is_known_by_its_build),
		folder_test(builds_are_known_after_a_restart),
		folder_test(without_a_store_nothing_is_recalled),
		cmocka_unit_test(the_compilers_names_are_one_function),
		cmocka_unit_test(builds_and_functions_without_end_take_their_room_and_no_more),
	};

	return cmocka_run_group_tests_name("build_drift", tests, NULL, NULL);
}
