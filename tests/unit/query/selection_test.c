/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/profile_text.h"
#include "user/query/digest.h"
#include "user/query/selection.h"

#define CONTAINER "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct profile *sample(void)
{
	struct profile *p = text_profile("samples", "count", "cpu", "nanoseconds");

	put(p, "main", "process=nginx,comm=worker,pid=7 id,container=" CONTAINER, 1, 10);
	put(p, "main;x", "process=nginx,comm=nginx,pid=7 id", 2, 20);
	put(p, "main", "process=redis,comm=redis,pid=8 id", 4, 40);
	put(p, "main", "", 8, 80);
	assert_int_equal(profile__seal(p), 0);
	return p;
}

/* What is meant of the profile by "key pattern key pattern …". */
static int64_t sum(const char *const *pairs)
{
	struct profile *p = sample(), *into = profile__new(NULL);
	struct selection s = {0};
	int64_t total = 0;

	for (; *pairs; pairs += 2)
		assert_int_equal(selection__add(&s, pairs[0], pairs[1]), 0);
	assert_int_equal(selection__merge(&s, into, p), 0);
	for (uint32_t i = 0; i < profile__n_samples(into); i++)
		total += profile__get_sample(into, i)->values[1];
	profile__free(p);
	profile__free(into);
	return total;
}

#define SUM(...) sum((const char *[]){__VA_ARGS__, NULL})

static void of_one_label_any_matches_of_several_all_must(void **state)
{
	(void)state;
	assert_int_equal(sum((const char *[]){NULL}), 150);
	assert_int_equal(SUM("process", "nginx"), 30);
	assert_int_equal(SUM("process", "nginx", "process", "redis"), 70);
	assert_int_equal(SUM("process", "n*", "comm", "worker"), 10);
	assert_int_equal(SUM("process", "redis", "comm", "worker"), 0);
	assert_int_equal(SUM("pid", "7"), 30);
	assert_int_equal(SUM("pid", "[78]"), 70);
}

static void comm_means_the_process_too_and_a_container_its_beginning(void **state)
{
	(void)state;
	assert_int_equal(SUM("comm", "nginx"), 30);
	assert_int_equal(SUM("container", "0123456"), 10);
	assert_int_equal(SUM("container", "01234"), 0); /* too short to be meant */
	assert_int_equal(SUM("container", "1234567"), 0);
}

static void unknown_labels_and_too_many_patterns_are_errors(void **state)
{
	struct selection s = {0};

	(void)state;
	assert_int_equal(selection__add(&s, "color", "red"), -ENOENT);
	for (int i = 0; i < SELECTION_MAX; i++)
		assert_int_equal(selection__add(&s, "pid", "1"), 0);
	assert_int_equal(selection__add(&s, "pid", "1"), -E2BIG);
}

static void a_digest_has_the_sums_of_its_profile(void **state)
{
	struct profile *p = sample();
	struct digest *d;
	int64_t all = 0, nginx = 0;
	int process = digest__key("process");

	(void)state;
	assert_int_equal(digest__new(p, NULL, &d), 0);
	profile__free(p); /* nothing of it is borrowed */
	assert_int_equal(digest__n_rows(d), 4);
	assert_int_equal(digest__default_type(d), 1);
	assert_string_equal(digest__type(d, 1), "cpu");
	assert_string_equal(digest__unit(d, 0), "count");
	for (uint32_t i = 0; i < digest__n_rows(d); i++) {
		const struct digest_row *row = digest__row(d, i);
		const char *name = digest__text(d, row, process);

		all += row->values[1];
		nginx += name && !strcmp(name, "nginx") ? row->values[1] : 0;
	}
	assert_int_equal(all, 150);
	assert_int_equal(nginx, 30);
	assert_int_equal(digest__key("color"), -1);
	digest__free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_one_label_any_matches_of_several_all_must),
		cmocka_unit_test(comm_means_the_process_too_and_a_container_its_beginning),
		cmocka_unit_test(unknown_labels_and_too_many_patterns_are_errors),
		cmocka_unit_test(a_digest_has_the_sums_of_its_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
