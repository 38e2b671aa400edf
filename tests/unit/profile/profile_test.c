/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "user/profile/profile.h"

static struct profile *fresh(void)
{
	struct profile *p = profile__new(NULL);

	assert_non_null(p);
	assert_int_equal(profile__add_type(p, "samples", "count"), 0);
	assert_int_equal(profile__add_type(p, "cpu", "nanoseconds"), 0);
	return p;
}

static uint32_t string(struct profile *p, const char *s)
{
	uint32_t id;

	assert_int_equal(profile__string(p, s, &id), 0);
	return id;
}

static uint32_t location(struct profile *p, const char *name, uint64_t address)
{
	struct function f = {.name = string(p, name), .system_name = string(p, name)};
	struct line line = {.line = 1};
	uint32_t id;

	assert_int_equal(profile__function(p, &f, &line.function), 0);
	assert_int_equal(profile__location(p, 0, address, false, &line, 1, &id), 0);
	return id;
}

static uint32_t stack(struct profile *p, const uint32_t *locations, uint32_t n)
{
	uint32_t id;

	assert_int_equal(profile__stack(p, locations, n, &id), 0);
	return id;
}

static uint32_t label_comm(struct profile *p, const char *comm)
{
	struct label l = {.key = string(p, "comm"), .str = string(p, comm)};
	uint32_t id;

	assert_int_equal(profile__labels(p, &l, 1, &id), 0);
	return id;
}

static void equal_samples_add_up(void **state)
{
	struct profile *p = fresh();
	uint32_t leaf = location(p, "leaf", 0x10), root = location(p, "main", 0x20);
	uint32_t s = stack(p, (uint32_t[]){leaf, root}, 2), l = label_comm(p, "a");

	(void)state;
	assert_int_equal(profile__add(p, s, l, (int64_t[]){1, 100}), 0);
	assert_int_equal(profile__add(p, s, l, (int64_t[]){2, 200}), 0);
	assert_int_equal(profile__add(p, s, 0, (int64_t[]){5, 5}), 0);
	assert_int_equal(profile__seal(p), 0);
	assert_int_equal(profile__n_samples(p), 2);
	assert_int_equal(profile__get_sample(p, 0)->labels, 0);
	assert_int_equal(profile__get_sample(p, 1)->values[0], 3);
	assert_int_equal(profile__get_sample(p, 1)->values[1], 300);
	profile__free(p);
}

static void everything_is_stored_once(void **state)
{
	struct profile *p = fresh();
	struct mapping m = {.start = 0x1000, .limit = 0x2000, .filename = string(p, "/bin/x")};
	struct line two[2] = {{.line = 3}, {.line = 4}};
	uint32_t a, b;

	(void)state;
	assert_int_equal(profile__mapping(p, &m, &a), 0);
	m.has_functions = true;
	assert_int_equal(profile__mapping(p, &m, &b), 0);
	assert_int_equal(a, b);
	assert_true(profile__get_mapping(p, a)->has_functions);
	m.limit++;
	assert_int_equal(profile__mapping(p, &m, &b), 0);
	assert_int_not_equal(a, b);

	two[0].function = two[1].function =
		profile__lines(p, profile__get_location(p, location(p, "f", 1)))->function;
	assert_int_equal(profile__location(p, a, 0x1010, false, two, 2, &a), 0);
	assert_int_equal(
		profile__location(p, profile__get_location(p, a)->mapping, 0x1010, false, two, 2, &b), 0);
	assert_int_equal(a, b);
	assert_int_equal(
		profile__location(p, profile__get_location(p, a)->mapping, 0x1010, false, two, 1, &b), 0);
	assert_int_not_equal(a, b);
	assert_int_equal(location(p, "f", 1), 1);
	assert_int_equal(profile__n_functions(p), 1);
	profile__free(p);
}

static void labels_are_a_set_whatever_their_order(void **state)
{
	struct profile *p = fresh();
	struct label l[2] = {{.key = string(p, "pid"), .num = 7, .num_unit = string(p, "id")},
			     {.key = string(p, "comm"), .str = string(p, "sh")}};
	struct label r[2] = {l[1], l[0]};
	const struct label *found;
	uint32_t a, b;

	(void)state;
	assert_int_equal(profile__labels(p, l, 2, &a), 0);
	assert_int_equal(profile__labels(p, r, 2, &b), 0);
	assert_int_equal(a, b);
	found = profile__find_label(p, a, "pid");
	assert_non_null(found);
	assert_int_equal(found->num, 7);
	assert_null(profile__find_label(p, a, "tid"));
	assert_null(profile__find_label(p, 0, "pid"));
	r[1].key = r[0].key;
	assert_int_equal(profile__labels(p, r, 2, &b), -EINVAL);
	assert_int_equal(a, b);
	profile__free(p);
}

static void dangling_ids_are_refused(void **state)
{
	struct profile *p = fresh();
	struct function f = {.name = 1000};
	struct mapping m = {.build_id = 1000};
	struct line line = {.function = 1};
	struct label l = {.key = 1000};
	uint32_t id, one = 1;

	(void)state;
	assert_int_equal(profile__function(p, &f, &id), -EINVAL);
	assert_int_equal(profile__mapping(p, &m, &id), -EINVAL);
	assert_int_equal(profile__location(p, 0, 0, false, &line, 1, &id), -EINVAL);
	assert_int_equal(profile__location(p, 1, 0, false, NULL, 0, &id), -EINVAL);
	assert_int_equal(profile__stack(p, &one, 1, &id), -EINVAL);
	assert_int_equal(profile__stack_push(p, 1, 1, &id), -EINVAL);
	assert_int_equal(profile__labels(p, &l, 1, &id), -EINVAL);
	assert_int_equal(profile__add(p, 1, 0, (int64_t[]){1, 1}), -EINVAL);
	assert_int_equal(profile__add(p, 0, 1, (int64_t[]){1, 1}), -EINVAL);
	profile__free(p);
}

static void bad_utf8_and_nul_become_the_replacement_character(void **state)
{
	static const struct {
		const char *in;
		size_t len;
		const char *out;
	} cases[] = {
		{"plain ascii text", 16, "plain ascii text"},
		{"na\xc3\xafve", 6, "na\xc3\xafve"},
		{"a\0b", 3,
		 "a\xef\xbf\xbd"
		 "b"},
		{"\xff\xfe", 2, "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xc0\xaf", 2, "\xef\xbf\xbd\xef\xbf\xbd"},                 /* overlong slash */
		{"\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* surrogate */
		{"\xf0\x9f\x98", 3, "\xef\xbf\xbd"},                         /* cut short: one piece */
		{"\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80"},
		{"\xf4\x90\x80\x80", 4,
		 "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* past U+10FFFF */
		{"12345678\x80", 9, "12345678\xef\xbf\xbd"},
	};
	struct profile *p = fresh();
	uint32_t id;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(profile__string_n(p, cases[i].in, cases[i].len, &id), 0);
		assert_string_equal(profile__str(p, id), cases[i].out);
	}
	assert_int_equal(string(p, NULL), 0);
	assert_int_equal(string(p, ""), 0);
	profile__free(p);
}

static void sealing_drops_zeros_and_puts_related_stacks_together(void **state)
{
	struct profile *p = fresh();
	uint32_t main_l = location(p, "main", 1), a = location(p, "a", 2), b = location(p, "b", 3),
		 leaf = location(p, "l", 4);
	uint32_t s_a = stack(p, (uint32_t[]){a, main_l}, 2);
	uint32_t s_b = stack(p, (uint32_t[]){b, main_l}, 2);
	uint32_t s_al = stack(p, (uint32_t[]){leaf, a, main_l}, 3);
	uint32_t s_zero = stack(p, (uint32_t[]){leaf, b, main_l}, 3);
	uint32_t s_main = stack(p, &main_l, 1);
	const uint32_t want[] = {0, s_main, s_a, s_al, s_b};

	(void)state;
	assert_int_equal(profile__add(p, s_b, 0, (int64_t[]){1, 1}), 0);
	assert_int_equal(profile__add(p, s_al, 0, (int64_t[]){1, 1}), 0);
	assert_int_equal(profile__add(p, s_zero, 0, (int64_t[]){5, -5}), 0);
	assert_int_equal(profile__add(p, s_zero, 0, (int64_t[]){-5, 5}), 0);
	assert_int_equal(profile__add(p, s_main, 0, (int64_t[]){1, 1}), 0);
	assert_int_equal(profile__add(p, s_a, 0, (int64_t[]){1, 1}), 0);
	assert_int_equal(profile__add(p, 0, 0, (int64_t[]){0, 1}), 0);
	assert_int_equal(profile__seal(p), 0);
	assert_int_equal(profile__n_samples(p), 5);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(profile__get_sample(p, i)->stack, want[i]);
	profile__free(p);
}

static void a_sealed_profile_does_not_change(void **state)
{
	struct profile *p = fresh();
	uint32_t l = location(p, "f", 1), id;

	(void)state;
	assert_int_equal(profile__add(p, stack(p, &l, 1), 0, (int64_t[]){1, 1}), 0);
	assert_int_equal(profile__seal(p), 0);
	assert_true(profile__sealed(p));
	assert_int_equal(profile__add(p, 1, 0, (int64_t[]){1, 1}), -EROFS);
	assert_int_equal(profile__string(p, "new", &id), -EROFS);
	assert_int_equal(profile__string(p, "cpu", &id), 0);
	assert_int_equal(profile__stack(p, &l, 1, &id), -EROFS);
	assert_int_equal(profile__comment(p, "x"), -EROFS);
	assert_int_equal(profile__add_type(p, "x", "y"), -EROFS);
	assert_int_equal(profile__seal(p), -EROFS);
	profile__free(p);
}

static void a_nameless_location_is_named_by_binary_and_address(void **state)
{
	struct profile *p = fresh();
	const char *files[] = {"/usr/lib/libc.so.6", "[kernel.kallsyms]", ""};
	const char *names[] = {"[libc.so.6]+0x1234", "[kernel.kallsyms]+0x1234", "[unknown]+0x1234"};
	uint32_t m, l[3];

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		struct mapping mapping = {.limit = 0x8000, .filename = string(p, files[i])};

		assert_int_equal(profile__mapping(p, &mapping, &m), 0);
		assert_int_equal(profile__location(p, m, 0x1234, false, NULL, 0, &l[i]), 0);
	}
	assert_int_equal(profile__add(p, stack(p, l, 3), 0, (int64_t[]){1, 1}), 0);
	assert_int_equal(profile__seal(p), 0);
	for (uint32_t i = 0; i < 3; i++) {
		const struct location *loc = profile__get_location(p, l[i]);

		assert_int_equal(loc->n_lines, 1);
		assert_string_equal(
			profile__str(p, profile__get_function(p, profile__lines(p, loc)->function)->name),
			names[i]);
	}
	profile__free(p);
}

static void the_default_type_is_the_named_one_or_else_the_last(void **state)
{
	struct profile *p = fresh();
	uint32_t i;

	(void)state;
	assert_int_equal(profile__find_type(p, NULL, &i), 0);
	assert_int_equal(i, 1);
	assert_int_equal(profile__find_type(p, "samples", &i), 0);
	assert_int_equal(i, 0);
	assert_int_equal(profile__find_type(p, "space", &i), -ENOENT);
	profile__meta_mut(p)->default_type = string(p, "samples");
	assert_int_equal(profile__find_type(p, NULL, &i), 0);
	assert_int_equal(i, 0);
	profile__meta_mut(p)->default_type = string(p, "space");
	assert_int_equal(profile__find_type(p, NULL, &i), 0);
	assert_int_equal(i, 1);
	assert_int_equal(profile__find_type(p, "space", &i), -ENOENT);
	profile__free(p);
}

static void depth_lines_and_types_end_at_their_limits(void **state)
{
	struct profile *p = fresh();
	uint32_t l = location(p, "f", 1), id = 0;
	uint32_t *many = calloc(PROFILE_DEPTH_MAX + 1, sizeof(*many));
	struct line *lines = calloc(PROFILE_LINES_MAX + 1, sizeof(*lines));

	(void)state;
	for (uint32_t i = 0; i <= PROFILE_DEPTH_MAX; i++)
		many[i] = l;
	for (uint32_t i = 0; i <= PROFILE_LINES_MAX; i++)
		lines[i].function = 1;
	assert_int_equal(profile__stack(p, many, PROFILE_DEPTH_MAX + 1, &id), -E2BIG);
	assert_int_equal(profile__stack(p, many, PROFILE_DEPTH_MAX, &id), 0);
	assert_int_equal(profile__get_stack(p, id, many, 1), PROFILE_DEPTH_MAX);
	assert_int_equal(profile__stack_push(p, id, l, &id), -E2BIG);
	assert_int_equal(profile__location(p, 0, 1, false, lines, PROFILE_LINES_MAX + 1, &id), -E2BIG);
	assert_int_equal(profile__location(p, 0, 1, false, lines, PROFILE_LINES_MAX, &id), 0);
	assert_int_equal(profile__add_type(p, "c", "d"), 0);
	assert_int_equal(profile__add_type(p, "e", "f"), 0);
	assert_int_equal(profile__add_type(p, "g", "h"), -E2BIG);
	free(many);
	free(lines);
	profile__free(p);
}

static void memory_ends_at_the_limit_with_a_clear_error(void **state)
{
	const struct profile_opts opts = {.limit_bytes = 1 << 20};
	struct profile *p = profile__new(&opts);
	uint32_t id;
	int err = 0, i;

	(void)state;
	assert_int_equal(profile__add_type(p, "samples", "count"), 0);
	for (i = 0; !err; i++) {
		char name[32];
		struct function f = {0};
		struct line line = {0};

		snprintf(name, sizeof(name), "function_%d", i);
		err = profile__string(p, name, &f.name);
		if (!err)
			err = profile__function(p, &f, &line.function);
		if (!err)
			err = profile__location(p, 0, (uint64_t)i, false, &line, 1, &id);
		if (!err)
			err = profile__stack_push(p, 0, id, &id);
		if (!err)
			err = profile__add(p, id, 0, (int64_t[]){1});
	}
	assert_int_equal(err, -E2BIG);
	assert_true(i > 2000);
	assert_true(profile__bytes(p) <= opts.limit_bytes);
	profile__free(p);
}

static void sums_stop_at_the_end_of_the_range(void **state)
{
	struct profile *p = fresh();

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(profile__add(p, 0, 0, (int64_t[]){INT64_MAX, INT64_MIN}), 0);
	assert_true(profile__get_sample(p, 0)->values[0] == INT64_MAX);
	assert_true(profile__get_sample(p, 0)->values[1] == INT64_MIN);
	profile__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_samples_add_up),
		cmocka_unit_test(everything_is_stored_once),
		cmocka_unit_test(labels_are_a_set_whatever_their_order),
		cmocka_unit_test(dangling_ids_are_refused),
		cmocka_unit_test(bad_utf8_and_nul_become_the_replacement_character),
		cmocka_unit_test(sealing_drops_zeros_and_puts_related_stacks_together),
		cmocka_unit_test(a_sealed_profile_does_not_change),
		cmocka_unit_test(a_nameless_location_is_named_by_binary_and_address),
		cmocka_unit_test(the_default_type_is_the_named_one_or_else_the_last),
		cmocka_unit_test(depth_lines_and_types_end_at_their_limits),
		cmocka_unit_test(memory_ends_at_the_limit_with_a_clear_error),
		cmocka_unit_test(sums_stop_at_the_end_of_the_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
