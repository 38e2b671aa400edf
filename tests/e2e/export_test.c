/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is drawn of a recording has the values of the recording: flame JSON, speedscope, merged and compared files, on a program whose shares are known.
 */
#include <jansson.h>

#include "tests/e2e/e2e.h"

static json_t *load(const char *path)
{
	json_error_t e;
	json_t *root = json_load_file(path, 0, &e);

	if (!root)
		fail_msg("%s: %s", path, e.text);
	return root;
}

static void everprof(const char *const *args)
{
	const char *argv[RUN_ARGS_MAX];
	char path[4096];
	struct run run = {0};
	int status, n = 0;

	run__path_everprof(path);
	argv[n++] = path;
	while (*args)
		argv[n++] = *args++;
	argv[n] = NULL;
	assert_int_equal(run__to_end(&run, 20000, &status, argv), 0);
	if (status)
		fail_msg("%s: exit status %d: %s", argv[1], status, run__errors(&run));
	run__done(&run);
}

/* Values of one sample type over the whole profile. */
static int64_t total(const struct profile *p, uint32_t type)
{
	int64_t sum = 0;

	for (uint32_t i = 0; i < profile__n_samples(p); i++)
		sum += profile__get_sample(p, i)->values[type];
	return sum;
}

static long long number(json_t *d, const char *column, size_t i)
{
	return json_integer_value(json_array_get(json_object_get(d, column), i));
}

static const char *name(json_t *d, size_t node)
{
	size_t text = (size_t)number(d, "frames", 3 * (size_t)number(d, "frame", node));

	return json_string_value(json_array_get(json_object_get(d, "texts"), text));
}

static void a_flame_graph_has_the_shares_of_the_program(void **state)
{
	struct recording *r = *state;
	const char *path = recording__file(r, "x.flame.json");
	long long all = 0, below = 0, depth = -1;
	double share, tolerance;
	uint64_t n_samples;
	json_t *d;

	recording__of(r, ARGS("calltree", RECORDING_LONG));
	everprof(ARGS("flamegraph", r->path, "--threshold", "0%", "-o", path));
	d = load(path);
	for (size_t i = 0; i < json_array_size(json_object_get(d, "depth")); i++) {
		if (number(d, "depth", i) <= depth)
			depth = -1;
		if (depth < 0 && !strcmp(name(d, i), "top1"))
			depth = number(d, "depth", i);
		all += number(d, "self", i);
		below += depth >= 0 ? number(d, "self", i) : 0;
	}
	assert_int_equal(all, total(r->profile, 1));
	n_samples = (uint64_t)total(r->profile, 0);
	share = (double)below / (double)all;
	tolerance = 0.02 + 3 * 0.5 / __builtin_sqrt((double)n_samples);
	if (share < 0.5 - tolerance || share > 0.5 + tolerance)
		fail_msg("top1 has %.3f of it, not 0.5 within %.3f", share, tolerance);
	json_decref(d);
}

static void speedscope_has_what_the_profile_has(void **state)
{
	struct recording *r = *state;
	const char *path = recording__file(r, "x.json");
	json_t *d, *profiles;

	recording__of(r, ARGS("calltree", RECORDING_LONG));
	everprof(ARGS("flamegraph", r->path, "--threshold", "0%", "-o", path));
	d = load(path);
	profiles = json_object_get(d, "profiles");
	for (uint32_t t = 0; t < 2; t++)
		assert_int_equal(json_integer_value(json_object_get(json_array_get(profiles, t), "endValue")),
				 total(r->profile, t));
	json_decref(d);
}

static void merging_a_file_with_itself_doubles_it_and_a_difference_with_itself_is_nothing(void **state)
{
	struct recording *r = *state;
	char twice[4096], one[4096];
	json_t *d;
	long long now = 0, before = 0;

	recording__of(r, ARGS("calltree", RECORDING_LONG));
	snprintf(one, sizeof(one), "%s", r->path);
	snprintf(twice, sizeof(twice), "%s", recording__file(r, "twice.pb.gz"));
	everprof(ARGS("merge", "-o", twice, one, one));
	everprof(ARGS("diff", one, twice, "-o", recording__file(r, "d.flame.json")));
	d = load(recording__file(r, "d.flame.json"));
	assert_true(json_is_true(json_object_get(d, "diff")));
	for (size_t i = 0; i < json_array_size(json_object_get(d, "depth")); i++) {
		assert_int_equal(number(d, "self", i), 2 * number(d, "base", i));
		now += number(d, "self", i);
		before += number(d, "base", i);
	}
	assert_int_equal(before, total(r->profile, 1));
	assert_int_equal(now, 2 * before);
	json_decref(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(a_flame_graph_has_the_shares_of_the_program),
		e2e_test(speedscope_has_what_the_profile_has),
		e2e_test(merging_a_file_with_itself_doubles_it_and_a_difference_with_itself_is_nothing),
	};

	return cmocka_run_group_tests_name("export", tests, NULL, NULL);
}
