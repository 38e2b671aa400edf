// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "tests/support/folder.h"
#include "user/alert/capture_upkeep.h"
#include "user/base/clock.h"
#include "user/store/capture_folder.h"

static void make(const char *path, const char *name)
{
	char text[FOLDER_MAX + 2 * CAPTURE_NAME_MAX];

	snprintf(text, sizeof(text), "%s/%s/%s", test_dir, path, name);
	assert_int_equal(mkdir(text, 0755), 0);
}

/* A capture of nothing, n seconds after others. */
static void make_capture(const char *rule, uint64_t at_ns, uint32_t n)
{
	char text[CAPTURE_NAME_MAX], path[CAPTURE_RULE_MAX + 16], id[16];
	struct capture_name name;

	snprintf(id, sizeof(id), "%08x", n);
	assert_int_equal(capture_name__init(&name, at_ns + n * NS_PER_SEC, "host", "system", "-", id), 0);
	capture_name__format(&name, text);
	snprintf(path, sizeof(path), "captures/%s", rule);
	make(path, text);
}

/* Those that no list shows are deleted like all others. */
static void captures_of_any_number_are_kept_within_the_limits(void **state)
{
	const uint64_t now_ns = clock__real_ns(), old_ns = now_ns - 100000 * NS_PER_SEC;
	struct capture_upkeep *u = capture_upkeep__new();
	struct capture_limits limits = {.max_per_rule = CAPTURE_FOLDERS_MAX};
	struct capture_folder *all = NULL;
	uint32_t n_deleted = 0, n = 0;
	uint64_t bytes;

	(void)state;
	assert_non_null(u);
	make("", "captures");
	make("captures", "Old");
	make("captures", "New");
	for (uint32_t i = 0; i < 3; i++)
		make_capture("Old", old_ns, i);
	for (uint32_t i = 0; i < CAPTURE_FOLDERS_MAX + 1; i++)
		make_capture("New", now_ns - 50000 * NS_PER_SEC, i);
	assert_int_equal(capture_upkeep__run(u, test_dir, &limits, &n_deleted, &bytes), 0);
	assert_int_equal(n_deleted, 1);
	limits.age_ms = 80000 * 1000;
	assert_int_equal(capture_upkeep__run(u, test_dir, &limits, &n_deleted, &bytes), 0);
	assert_int_equal(n_deleted, 3);
	assert_int_equal(capture_folder__list(test_dir, UINT32_MAX, &all, &n), 0);
	assert_int_equal(n, CAPTURE_FOLDERS_MAX);
	assert_string_equal(all[0].rule, "New");
	free(all);
	assert_int_equal(capture_folder__list(test_dir, 2, &all, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(all[1].name.id, "00002710"); /* the newest */
	free(all);
	capture_upkeep__free(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		folder_test(captures_of_any_number_are_kept_within_the_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
