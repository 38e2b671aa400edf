// SPDX-License-Identifier: Apache-2.0

#include "tests/unit/alert/profiles.h"
#include "user/alert/capture_bundle.h"
#include "user/alert/capture_case.h"
#include "user/alert/capture_head.h"
#include "tests/support/folder.h"
#include "user/base/err.h"
#include "user/store/store.h"

#define GOLDEN "tests/golden/capture/"

static uint64_t a_time(void *ctx)
{
	(void)ctx;
	return FIRED_NS + 60 * NS_PER_SEC;
}

/* Ten minutes of files, up to `ago` before it fired, in each a second and a half of what is normal. */
static struct store *store_of_normal(uint64_t ago_s)
{
	const struct store_opts opts = {.dir = test_dir, .real_ns = a_time, .mono_ns = a_time};
	struct store *s;
	struct err e = {""};

	assert_int_equal(store__open(&opts, &s, &e), 0);
	for (uint64_t i = 0; i < 10; i++) {
		uint64_t from = FIRED_NS - (ago_s + 60 * (i + 1)) * NS_PER_SEC;
		struct buf b;

		encode(cpu_profile(from, 60 * NS_PER_SEC, 1500), COMPRESSION_GZIP, &b);
		assert_int_equal(store__put(s, "cpu", from, 60 * NS_PER_SEC, b.data, b.len), 0);
		buf__done(&b);
	}
	return s;
}

static uint32_t two_points(void *ctx, uint64_t from_ns, struct capture_point *ret, uint32_t max)
{
	(void)ctx, (void)max;
	assert_int_equal(from_ns, 700 * NS_PER_SEC);
	ret[0] = (struct capture_point){990 * NS_PER_SEC, 12.5};
	ret[1] = (struct capture_point){1000 * NS_PER_SEC, 93.5};
	return 2;
}

/* Process 7 of a rule on CPU usage; what it had before and after, in seconds of CPU time. */
static struct capture_case *new_case(bool baseline)
{
	static const struct capture_pair label = {"severity", "page"};
	const struct capture_request r = {
		.rule = "HighCPUUsage",
		.condition = "cpu_usage_percent > 80",
		.cause = "held for 5m",
		.target = {.scope = SCOPE_PROCESS, .pid = 7, .comm = "wo\xffrk", .cgroup = "/a.slice"},
		.metric = METRIC_cpu_usage_percent,
		.value = 93.5,
		.threshold = 80,
		.episode = 0x1234,
		.fired_real_ns = FIRED_NS,
		.fired_mono_ns = 1000 * NS_PER_SEC,
		.held_ns = 300 * NS_PER_SEC,
		.before_ns = 30 * NS_PER_SEC,
		.after_ns = 30 * NS_PER_SEC,
		.baseline = baseline,
		.labels = &label,
		.n_labels = 1,
		.series = two_points,
	};
	struct capture_case *c;

	assert_int_equal(capture_case__new(&r, "a1b2c3d4e5f6", &c), 0);
	strcpy(c->host, "host");
	strcpy(c->kernel, "Linux 6.1.0");
	strcpy(c->path, "/var/lib/everprof/captures/HighCPUUsage/of-it");
	c->configured_hz = 99;
	capture_case__add_process(c, &(struct capture_process){.pid = 7,
							       .parent = 1,
							       .n_threads = 3,
							       .start_ns = 12340000000,
							       .resident_bytes = 1000000,
							       .state = 'R',
							       .comm = "work",
							       .exe = "/bin/work",
							       .cgroup = "/a.slice",
							       .command_line = ""});
	c->n_parts = 2;
	c->parts[0].event = EVENT_CPU;
	for (int w = 0; w < WHEN_N; w++) {
		uint64_t from = FIRED_NS - (w == WHEN_BEFORE ? 30 * NS_PER_SEC : 0);

		c->parts[0].of[w].ask = 1;
		c->parts[0].of[w].fd =
			profile_fd(cpu_profile(from, 30 * NS_PER_SEC, w == WHEN_BEFORE ? 20000 : 10000));
	}
	c->parts[1].event = EVENT_OFFCPU;
	c->parts[1].of[WHEN_BEFORE].ask = 2;
	c->parts[1].of[WHEN_BEFORE].err = -ENODATA;
	c->not_recorded = 1u << EVENT_LOCK;
	return c;
}

static const struct capture_file *file_of(const struct capture_bundle *b, const char *name)
{
	for (uint32_t i = 0; i < b->n; i++)
		if (!strcmp(b->files[i].name, name))
			return &b->files[i];
	return NULL;
}

static int64_t seconds_in(const struct capture_bundle *b, const char *name)
{
	const struct capture_file *f = file_of(b, name);

	assert_non_null(f);
	return total_of(f->bytes, f->len, NULL) / 1000000;
}

static void the_files_hold_the_target_alone_and_add_up(void **state)
{
	struct store *s = store_of_normal(400);
	struct capture_case *c = new_case(true);
	struct capture_bundle b;

	(void)state;
	assert_int_equal(capture_bundle__make(c, s, &b), 0);
	assert_int_equal(b.events, 1u << EVENT_CPU);
	assert_int_equal(seconds_in(&b, "before.cpu.pb.gz"), 20000);
	assert_int_equal(seconds_in(&b, "after.cpu.pb.gz"), 10000);
	assert_int_equal(seconds_in(&b, "cpu.pb.gz"), 30000);
	/* 1.5 s a minute; the capture is a minute long */
	assert_int_equal(seconds_in(&b, "baseline.cpu.pb.gz"), 1500);
	assert_int_equal(seconds_in(&b, "diff.cpu.pb.gz"), 28500);
	assert_non_null(file_of(&b, "diff.cpu.txt"));
	assert_null(file_of(&b, "offcpu.pb.gz"));
	capture_bundle__done(&b);
	capture_case__free(c);
	store__close(s);
}

static void what_came_before_the_condition_held_is_normal(void **state)
{
	struct store *s = store_of_normal(60); /* half of it while the condition held already */
	struct capture_case *c = new_case(true);
	struct capture_bundle b;
	const struct capture_file *meta;
	char *text;

	(void)state;
	assert_int_equal(capture_bundle__make(c, s, &b), 0);
	meta = file_of(&b, CAPTURE_META);
	text = strndup(meta->bytes, meta->len);
	assert_non_null(strstr(text, "\"to\": \"2026-01-30T23:54:00.000Z\""));
	assert_non_null(strstr(text, "\"files\": 5"));
	free(text);
	capture_bundle__done(&b);
	capture_case__free(c);
	store__close(s);
}

static void without_files_of_the_time_before_there_is_no_baseline_and_it_says_so(void **state)
{
	struct capture_case *c = new_case(true);
	struct capture_bundle b;
	char *text;

	(void)state;
	assert_int_equal(capture_bundle__make(c, NULL, &b), 0);
	assert_null(file_of(&b, "baseline.cpu.pb.gz"));
	assert_non_null(file_of(&b, "cpu.pb.gz"));
	text = strndup(file_of(&b, CAPTURE_SUMMARY)->bytes, file_of(&b, CAPTURE_SUMMARY)->len);
	assert_non_null(strstr(text, "nothing to compare with: the store has nothing of the time before"));
	assert_non_null(strstr(text, "lock     none: it is not recorded"));
	free(text);
	capture_bundle__done(&b);
	capture_case__free(c);
}

static void compare(const char *name, const struct capture_file *f)
{
	char path[128];
	struct buf b;

	snprintf(path, sizeof(path), GOLDEN "%s", name);
	buf__init(&b, 1 << 20);
	assert_int_equal(io__read_at(AT_FDCWD, path, 1 << 20, &b), 0);
	if (b.len != f->len || memcmp(b.data, f->bytes, f->len) != 0) {
		snprintf(path, sizeof(path), "/tmp/everprof-golden-%s", name);
		FILE *out = fopen(path, "w");

		fwrite(f->bytes, 1, f->len, out);
		fclose(out);
		fail_msg("%s differs from what is in '%s'", name, path);
	}
	buf__done(&b);
}

/* Sizes of compressed files are of the library; what the texts say of them is taken out. */
static void take_out_sizes(struct capture_file *f)
{
	char *text = strndup(f->bytes, f->len), *p = strstr(text, " \"files\": [");
	char *version = strstr(text, "\"everprof\": ");

	assert_non_null(p);
	assert_non_null(version);
	strcpy(p, "");
	version += strlen("\"everprof\": \"");
	*version = 'V';
	memmove(version + 1, strchr(version, '"'), strlen(strchr(version, '"')) + 1);
	free((void *)f->bytes);
	f->bytes = text;
	f->len = strlen(text);
}

static void the_texts_are_as_agreed(void **state)
{
	struct store *s = store_of_normal(400);
	struct capture_case *c = new_case(true);
	struct capture_bundle b;
	struct capture_head h;

	(void)state;
	assert_int_equal(capture_bundle__make(c, s, &b), 0);
	assert_int_equal(
		capture_head__parse(file_of(&b, CAPTURE_META)->bytes, file_of(&b, CAPTURE_META)->len, &h), 0);
	assert_string_equal(h.id, "a1b2c3d4e5f6");
	assert_string_equal(h.rule, "HighCPUUsage");
	assert_int_equal(h.episode, 0x1234);
	assert_int_equal(h.fired_ns, FIRED_NS);
	assert_string_equal(h.target, "process wo\xef\xbf\xbdrk (pid 7)");
	assert_string_equal(h.value, "93.5%");
	assert_true(h.severity == 93.5 / 80);
	assert_int_equal(h.events, 1u << EVENT_CPU);
	compare("summary.txt", file_of(&b, CAPTURE_SUMMARY));
	take_out_sizes((struct capture_file *)file_of(&b, CAPTURE_META));
	compare("meta.json", file_of(&b, CAPTURE_META));
	capture_bundle__done(&b);
	capture_case__free(c);
	store__close(s);
}

static void a_meta_of_others_is_refused(void **state)
{
	static const char *const bad[] = {"", "{", "[]", "{}", "{\"id\":1,\"trigger\":{}}", "{\"id\":\"x\"}"};
	struct capture_head h;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(capture_head__parse(bad[i], strlen(bad[i]), &h), -EBADMSG);
	assert_int_equal(capture_head__parse("{\"id\":\"x\",\"trigger\":{}}", 23, &h), 0);
	assert_string_equal(h.rule, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		folder_test(the_files_hold_the_target_alone_and_add_up),
		folder_test(what_came_before_the_condition_held_is_normal),
		cmocka_unit_test(without_files_of_the_time_before_there_is_no_baseline_and_it_says_so),
		folder_test(the_texts_are_as_agreed),
		cmocka_unit_test(a_meta_of_others_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
