/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/profile_dump.h"
#include "tests/support/profile_text.h"
#include "user/profile/merge.h"

#define S 1000000000ll

static struct profile *window(int64_t time_ns, int64_t duration_ns)
{
	struct profile *p = text_profile("samples", "count", "cpu", "nanoseconds");
	struct profile_meta *m = profile__meta_mut(p);

	m->time_ns = time_ns;
	m->duration_ns = duration_ns;
	return p;
}

static void assert_same(const struct profile *a, const struct profile *b)
{
	char *x = profile_text(a), *y = profile_text(b);

	assert_string_equal(x, y);
	free(x);
	free(y);
}

/* Two windows with other ids for the same things; merged they are the window that saw both. */
static void what_is_equal_by_content_adds_up(void **state)
{
	struct profile *a = window(100 * S, 10 * S), *b = window(110 * S, 10 * S),
		       *both = window(100 * S, 20 * S);
	struct profile *merged = profile__new(NULL);

	(void)state;
	put(a, "main@/bin/x;work~inner@/bin/x", "comm=sh,pid=7 id", 1, 100);
	put(a, "main@/bin/x", "", 2, 200);
	put(b, "other@/bin/y;main@/bin/x", "comm=sh", 3, 300);
	put(b, "main@/bin/x;work~inner@/bin/x", "pid=7 id,comm=sh", 4, 400);
	put(both, "main@/bin/x;work~inner@/bin/x", "comm=sh,pid=7 id", 5, 500);
	put(both, "main@/bin/x", "", 2, 200);
	put(both, "other@/bin/y;main@/bin/x", "comm=sh", 3, 300);
	assert_int_equal(profile__seal(a), 0);
	assert_int_equal(profile__seal(b), 0);
	assert_int_equal(profile__merge(merged, a), 0);
	assert_int_equal(profile__merge(merged, b), 0);
	assert_same(merged, both);
	profile__free(a);
	profile__free(b);
	profile__free(both);
	profile__free(merged);
}

static void the_same_address_in_another_build_stays_apart(void **state)
{
	struct profile *a = window(0, 0), *b = window(0, 0);
	struct mapping m = {.limit = 0x1000};
	uint32_t mapping, l, s;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct profile *p = i ? b : a;

		m.filename = text_string(p, "/lib/same.so");
		m.build_id = text_string(p, i ? "aaaa" : "bbbb");
		assert_int_equal(profile__mapping(p, &m, &mapping), 0);
		assert_int_equal(profile__location(p, mapping, 0x10, false, NULL, 0, &l), 0);
		assert_int_equal(profile__stack(p, &l, 1, &s), 0);
		assert_int_equal(profile__add(p, s, 0, (int64_t[]){1, 1}), 0);
	}
	assert_int_equal(profile__merge(a, b), 0);
	assert_int_equal(profile__n_samples(a), 2);
	assert_int_equal(profile__n_locations(a), 2);
	assert_int_equal(profile__merge(a, b), 0);
	assert_int_equal(profile__n_samples(a), 2);
	profile__free(a);
	profile__free(b);
}

/* A text that is longer than any reason is not looked through for each other comment. */
static void what_is_too_long_for_a_loss_is_a_comment(void **state)
{
	struct profile *a = window(0, 0), *b = window(0, 0);
	char text[400];

	(void)state;
	snprintf(text, sizeof(text), "lost %0*d: 5", MERGE_REASON_MAX, 0);
	profile__comment(a, "%s", text);
	profile__comment(b, "%s", text);
	assert_int_equal(profile__merge(a, b), 0);
	assert_int_equal(profile__n_comments(a), 1);
	assert_string_equal(profile__get_comment(a, 0), text);
	profile__free(a);
	profile__free(b);
}

static void losses_add_up_and_other_comments_stand_once(void **state)
{
	struct profile *a = window(0, 0), *b = window(0, 0);

	(void)state;
	profile__comment(a, "host: alpha");
	profile__comment(a, "lost count_full: 5");
	profile__comment(a, "lost in thought");
	profile__comment(b, "lost count_full: 37");
	profile__comment(b, "host: alpha");
	profile__comment(b, "lost defer_rate: 1 (stack cut)");
	profile__comment(b, "lost late: -3");
	assert_int_equal(profile__merge(a, b), 0);
	assert_int_equal(profile__merge(a, b), 0);
	assert_int_equal(profile__n_comments(a), 5);
	assert_string_equal(profile__get_comment(a, 0), "host: alpha");
	assert_string_equal(profile__get_comment(a, 1), "lost count_full: 79");
	assert_string_equal(profile__get_comment(a, 2), "lost in thought");
	assert_string_equal(profile__get_comment(a, 3), "lost defer_rate: 2 (stack cut)");
	assert_string_equal(profile__get_comment(a, 4), "lost late: -3");
	profile__free(a);
	profile__free(b);
}

static void gaps_are_not_observed_time_and_overlap_counts_once(void **state)
{
	static const struct {
		int64_t a_time, a_len, b_time, b_len, time, len;
	} cases[] = {
		{100 * S, 10 * S, 110 * S, 10 * S, 100 * S, 20 * S}, /* one after the other */
		{110 * S, 10 * S, 100 * S, 10 * S, 100 * S, 20 * S}, /* the other way round */
		{100 * S, 10 * S, 200 * S, 10 * S, 100 * S, 20 * S}, /* a gap */
		{100 * S, 10 * S, 100 * S, 10 * S, 100 * S, 10 * S}, /* two machines */
		{100 * S, 10 * S, 105 * S, 10 * S, 100 * S, 15 * S}, /* partly */
		{0, 0, 105 * S, 10 * S, 105 * S, 10 * S},
		{100 * S, INT64_MAX, 100 * S, 10 * S, 100 * S, INT64_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct profile *a = window(cases[i].a_time, cases[i].a_len),
			       *b = window(cases[i].b_time, cases[i].b_len);

		assert_int_equal(profile__merge(a, b), 0);
		assert_int_equal(profile__meta(a)->time_ns, cases[i].time);
		assert_int_equal(profile__meta(a)->duration_ns, cases[i].len);
		profile__free(a);
		profile__free(b);
	}
}

static void types_match_by_name_in_any_order(void **state)
{
	struct profile *a = text_profile("samples", "count", "cpu", "nanoseconds");
	struct profile *b = text_profile("cpu", "nanoseconds", "samples", "count");
	struct profile *c = text_profile("samples", "count", "cpu", "seconds");
	struct profile *d = text_profile("samples", "count", NULL, NULL);

	(void)state;
	put(a, "main", "", 1, 100);
	put(b, "main", "", 300, 3);
	assert_int_equal(profile__merge(a, b), 0);
	assert_int_equal(profile__get_sample(a, 0)->values[0], 4);
	assert_int_equal(profile__get_sample(a, 0)->values[1], 400);
	assert_int_equal(profile__merge(a, c), -EINVAL);
	assert_int_equal(profile__merge(a, d), -EINVAL);
	profile__free(a);
	profile__free(b);
	profile__free(c);
	profile__free(d);
}

static void merging_in_any_order_gives_the_same_profile(void **state)
{
	struct profile *parts[5], *up = profile__new(NULL), *down = profile__new(NULL);

	(void)state;
	for (int i = 0; i < 5; i++) {
		char stack[64];

		parts[i] = window((100 + 10 * i) * S, 10 * S);
		for (int j = 0; j < 50; j++) {
			snprintf(stack, sizeof(stack), "main@/bin/m;f%d@/bin/m;g%d@/lib/l", (i * j) % 7,
				 j % (i + 2));
			put(parts[i], stack, j % 2 ? "comm=odd" : "comm=even,tid=3 id", 1, j);
		}
		assert_int_equal(profile__seal(parts[i]), 0);
	}
	for (int i = 0; i < 5; i++) {
		assert_int_equal(profile__merge(up, parts[i]), 0);
		assert_int_equal(profile__merge(down, parts[4 - i]), 0);
	}
	assert_same(up, down);
	for (int i = 0; i < 5; i++)
		profile__free(parts[i]);
	profile__free(up);
	profile__free(down);
}

static void a_sealed_target_is_refused_and_a_full_one_says_so(void **state)
{
	struct profile *a = window(0, 0), *b = window(0, 0);
	struct profile *small = profile__new(&(struct profile_opts){.limit_bytes = 16 * 1024});

	(void)state;
	for (int i = 0; i < 2000; i++) {
		char stack[32];

		snprintf(stack, sizeof(stack), "f%d", i);
		put(a, stack, "", 1, 1);
	}
	assert_int_equal(profile__seal(b), 0);
	assert_int_equal(profile__merge(b, a), -EROFS);
	assert_int_equal(profile__merge(small, a), -E2BIG);
	assert_true(profile__bytes(small) <= 16 * 1024);
	profile__free(a);
	profile__free(b);
	profile__free(small);
}

static void losses_whose_text_has_a_colon_add_up_too(void **state)
{
	struct profile *into = text_profile("cpu", "nanoseconds", NULL, NULL);
	struct profile *from = text_profile("cpu", "nanoseconds", NULL, NULL);

	(void)state;
	assert_int_equal(profile__comment(into, "lost late_ticks: 6 (never came: somebody else ran)"), 0);
	assert_int_equal(profile__comment(from, "lost late_ticks: 3 (never came: somebody else ran)"), 0);
	assert_int_equal(profile__seal(from), 0);
	assert_int_equal(profile__merge(into, from), 0);
	assert_int_equal(profile__n_comments(into), 1);
	assert_string_equal(profile__get_comment(into, 0),
			    "lost late_ticks: 9 (never came: somebody else ran)");
	profile__free(into);
	profile__free(from);
}

static bool is_b(const struct profile *p, uint32_t labels, void *ctx)
{
	const struct label *l = profile__find_label(p, labels, "process");

	++*(int *)ctx;
	return l && !strcmp(profile__str(p, l->str), "b");
}

static void only_what_is_kept_comes_in_and_each_label_set_is_asked_once(void **state)
{
	struct profile *into = profile__new(NULL), *from = text_profile("cpu", "nanoseconds", NULL, NULL);
	int n_asked = 0;
	const struct profile_merge_opts opts = {.keep = is_b, .keep_ctx = &n_asked};

	(void)state;
	put(from, "main", "process=a", 1, 0);
	put(from, "main", "process=b", 2, 0);
	put(from, "main;work", "process=b", 4, 0);
	put(from, "main", "", 8, 0);
	put(from, "elsewhere@/bin/other", "process=a", 16, 0);
	assert_int_equal(profile__seal(from), 0);
	assert_int_equal(profile__merge_as(into, from, &opts), 0);
	assert_int_equal(profile__n_samples(into), 2);
	/* nor do the frames of what stays behind */
	for (uint32_t i = 1; i <= profile__n_functions(into); i++)
		assert_string_not_equal(profile__str(into, profile__get_function(into, i)->name),
					"elsewhere");
	assert_int_equal(profile__get_sample(into, 0)->values[0] + profile__get_sample(into, 1)->values[0],
			 6);
	assert_int_equal(n_asked, 3);
	profile__free(into);
	profile__free(from);
}

/* A third of many small values is not nothing: what each division leaves over goes to the next one. */
static void scaled_sums_are_exact(void **state)
{
	struct profile *into = profile__new(NULL),
		       *from = text_profile("samples", "count", "cpu", "nanoseconds");
	const struct profile_merge_opts opts = {.scale_num = 1, .scale_den = 3};
	int64_t count = 0, cpu = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		char frame[16];

		snprintf(frame, sizeof(frame), "f%d", i);
		put(from, frame, "", 1, 1000 + i);
	}
	assert_int_equal(profile__seal(from), 0);
	assert_int_equal(profile__merge_as(into, from, &opts), 0);
	for (uint32_t i = 0; i < profile__n_samples(into); i++) {
		count += profile__get_sample(into, i)->values[0];
		cpu += profile__get_sample(into, i)->values[1];
	}
	assert_int_equal(count, 33);
	assert_int_equal(cpu, (100 * 1000 + 4950) / 3);
	profile__free(into);
	profile__free(from);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_equal_by_content_adds_up),
		cmocka_unit_test(the_same_address_in_another_build_stays_apart),
		cmocka_unit_test(what_is_too_long_for_a_loss_is_a_comment),
		cmocka_unit_test(losses_add_up_and_other_comments_stand_once),
		cmocka_unit_test(gaps_are_not_observed_time_and_overlap_counts_once),
		cmocka_unit_test(types_match_by_name_in_any_order),
		cmocka_unit_test(merging_in_any_order_gives_the_same_profile),
		cmocka_unit_test(a_sealed_target_is_refused_and_a_full_one_says_so),
		cmocka_unit_test(losses_whose_text_has_a_colon_add_up_too),
		cmocka_unit_test(only_what_is_kept_comes_in_and_each_label_set_is_asked_once),
		cmocka_unit_test(scaled_sums_are_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
