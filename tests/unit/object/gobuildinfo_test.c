/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/object/gobuildinfo.h"

#define BEFORE 48 /* bytes that stand before the magic */

static size_t write_info(uint8_t *bytes, size_t at, uint8_t flags, const char *version)
{
	memcpy(bytes + at, "\xff Go buildinf:", 14);
	bytes[at + 14] = 8;
	bytes[at + 15] = flags;
	bytes[at + 32] = (uint8_t)strlen(version);
	memcpy(bytes + at + 33, version, strlen(version));
	return at + 33 + strlen(version);
}

static void version_in_place_is_read(void **state)
{
	uint8_t bytes[256] = {0};
	char version[GOBUILDINFO_VERSION_MAX];
	size_t len = write_info(bytes, 0, 2, "go1.22.12");

	(void)state;
	assert_int_equal(gobuildinfo__parse(bytes, len, version), 0);
	assert_string_equal(version, "go1.22.12");
	for (size_t i = 0; i < len; i++)
		assert_true(gobuildinfo__parse(bytes, i, version) < 0);
}

static void magic_is_found_behind_other_things(void **state)
{
	uint8_t bytes[256] = {0};
	char version[GOBUILDINFO_VERSION_MAX];
	size_t len = write_info(bytes, BEFORE, 2, "go1.26-devel_0a1b X:nodwarf5");

	(void)state;
	assert_int_equal(gobuildinfo__parse(bytes, len, version), 0);
	assert_string_equal(version, "go1.26-devel_0a1b X:nodwarf5");
}

static void older_and_foreign_forms_are_told_apart(void **state)
{
	uint8_t bytes[256] = {0};
	char version[GOBUILDINFO_VERSION_MAX];

	(void)state;
	assert_int_equal(gobuildinfo__parse(bytes, sizeof(bytes), version), -ENOENT);
	write_info(bytes, 0, 0, "go1.17"); /* pointers */
	assert_int_equal(gobuildinfo__parse(bytes, sizeof(bytes), version), -EOPNOTSUPP);
	write_info(bytes, 0, 3, "go1.22"); /* big-endian */
	assert_int_equal(gobuildinfo__parse(bytes, sizeof(bytes), version), -EOPNOTSUPP);
	write_info(bytes, 0, 2, "go1.22");
	bytes[14] = 4;
	assert_int_equal(gobuildinfo__parse(bytes, sizeof(bytes), version), -EOPNOTSUPP);
	write_info(bytes, 0, 2, "go1.\x01");
	assert_int_equal(gobuildinfo__parse(bytes, sizeof(bytes), version), -EBADMSG);
	write_info(bytes, 0, 2, "");
	assert_int_equal(gobuildinfo__parse(bytes, sizeof(bytes), version), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(version_in_place_is_read),
		cmocka_unit_test(magic_is_found_behind_other_things),
		cmocka_unit_test(older_and_foreign_forms_are_told_apart),
	};

	return cmocka_run_group_tests_name("gobuildinfo", tests, NULL, NULL);
}
