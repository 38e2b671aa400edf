// SPDX-License-Identifier: Apache-2.0
/* What is normal for a process that has just been started: its program, by the mean of one of its processes. */

#include "tests/unit/alert/profiles.h"
#include "user/alert/capture_baseline.h"
#include "user/alert/capture_case.h"
#include "tests/support/folder.h"
#include "user/base/err.h"
#include "user/store/store.h"

static uint64_t a_time(void *ctx)
{
	(void)ctx;
	return FIRED_NS;
}

/* A minute: each of n workers 1.5 s, a program of that name in another place, and another program. */
static struct profile *minute(uint64_t from_ns, int n)
{
	struct profile *p = text_profile("samples", "count", "cpu", "nanoseconds");
	struct profile_meta *m = profile__meta_mut(p);
	char labels[128];

	m->time_ns = (int64_t)from_ns;
	m->duration_ns = (int64_t)(60 * NS_PER_SEC);
	for (int i = 0; i < n; i++) {
		snprintf(labels, sizeof(labels), "process=work,exe=/bin/work,unit=a.service,pid=%d id",
			 10 + i);
		put(p, "main@/bin/work;burn@/bin/work", labels, 150, 1500000000);
	}
	put(p, "main@/bin/work;burn@/bin/work", "process=work,exe=/bin/work,unit=b.service,pid=30 id", 900,
	    9000000000);
	put(p, "main@/bin/other;burn@/bin/other", "process=work,exe=/bin/other,unit=a.service,pid=31 id", 900,
	    9000000000);
	assert_int_equal(profile__seal(p), 0);
	return p;
}

/* Ten minutes of them, `workers` in each, up to ten minutes before it fired. */
static struct store *store_of(int workers)
{
	const struct store_opts opts = {.dir = test_dir, .real_ns = a_time, .mono_ns = a_time};
	struct store *s;
	struct err e = {""};

	assert_int_equal(store__open(&opts, &s, &e), 0);
	for (uint64_t i = 0; i < 10; i++) {
		uint64_t from = FIRED_NS - (600 + 60 * (i + 1)) * NS_PER_SEC;
		struct buf b;

		encode(minute(from, workers), COMPRESSION_GZIP, &b);
		assert_int_equal(store__put(s, "cpu", from, 60 * NS_PER_SEC, b.data, b.len), 0);
		buf__done(&b);
	}
	return s;
}

/* Process 99 began a moment ago, and fires. */
static struct capture_case *young(const char *exe)
{
	const struct capture_request r = {
		.rule = "Hot",
		.target = {.scope = SCOPE_PROCESS,
			   .pid = 99,
			   .start_ns = FIRED_NS - 20 * NS_PER_SEC - (clock__real_ns() - clock__boot_ns()),
			   .comm = "work",
			   .exe = exe,
			   .unit = "a.service"},
		.metric = METRIC_cpu_usage_percent,
		.fired_real_ns = FIRED_NS,
		.fired_mono_ns = 1000 * NS_PER_SEC,
		.held_ns = 10 * NS_PER_SEC,
		.before_ns = 30 * NS_PER_SEC,
		.after_ns = 30 * NS_PER_SEC,
		.baseline = true,
	};
	struct capture_case *c;

	assert_int_equal(capture_case__new(&r, "a1b2c3d4e5f6", &c), 0);
	return c;
}

static int64_t sum_of(const struct profile *p)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < profile__n_samples(p); i++)
		sum += profile__get_sample(p, i)->values[1];
	return sum / 1000000;
}

static void a_young_process_is_compared_with_one_of_its_program(void **state)
{
	(void)state;
	for (int workers = 1; workers <= 4; workers += 3) {
		struct store *s = store_of(workers);
		struct capture_case *c = young("/bin/work");
		struct capture_baseline b;

		assert_int_equal(capture_baseline__load(c, s, EVENT_CPU, 60 * NS_PER_SEC, &b), 0);
		assert_string_equal(b.kind, "hour before, its program");
		/* 1.5 s a minute, however many there are */
		assert_true(sum_of(b.profile) >= 1499 && sum_of(b.profile) <= 1500);
		assert_true(b.observed_ns == (uint64_t)workers * 600 * NS_PER_SEC);
		profile__free(b.profile);
		capture_case__free(c);
		store__close(s);
		assert_int_equal(folder__tear_down(NULL), 0);
		assert_int_equal(folder__set_up(NULL), 0);
	}
}

static void a_program_that_was_not_there_has_none(void **state)
{
	struct store *s = store_of(2);
	struct capture_case *c = young("/bin/new");
	struct capture_baseline b;

	(void)state;
	assert_int_equal(capture_baseline__load(c, s, EVENT_CPU, 60 * NS_PER_SEC, &b), -ENODATA);
	capture_case__free(c);
	store__close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		folder_test(a_young_process_is_compared_with_one_of_its_program),
		folder_test(a_program_that_was_not_there_has_none),
	};

	return cmocka_run_group_tests_name("capture_baseline", tests, NULL, NULL);
}
