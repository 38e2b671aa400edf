// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "user/base/err.h"

static void set_returns_the_code_and_keeps_the_text(void **state)
{
	struct err e = {0};

	(void)state;
	assert_int_equal(err__set(&e, -EINVAL, "line %d: %s", 7, "bad"), -EINVAL);
	assert_string_equal(err__text(&e, -EINVAL), "line 7: bad");
}

static void null_is_accepted_everywhere(void **state)
{
	(void)state;
	assert_int_equal(err__set(NULL, -EIO, "x"), -EIO);
	assert_int_equal(err__prefix(NULL, -EIO, "x"), -EIO);
	assert_string_equal(err__text(NULL, -ENOENT), "No such file or directory");
}

static void prefix_goes_in_front(void **state)
{
	struct err e = {0};

	(void)state;
	err__set(&e, -EINVAL, "bad value");
	assert_int_equal(err__prefix(&e, -EINVAL, "file '%s'", "a.yaml"), -EINVAL);
	assert_string_equal(err__text(&e, -EINVAL), "file 'a.yaml': bad value");
}

static void prefix_of_nothing_names_the_errno(void **state)
{
	struct err e = {0};

	(void)state;
	err__prefix(&e, -EACCES, "opening");
	assert_string_equal(err__text(&e, -EACCES), "opening: Permission denied");
}

static void own_text_may_be_an_argument(void **state)
{
	struct err e = {0};

	(void)state;
	err__set(&e, -EIO, "inner");
	err__set(&e, -EIO, "outer (%s)", e.text);
	assert_string_equal(e.text, "outer (inner)");
}

static void long_text_is_cut_and_terminated(void **state)
{
	char big[3 * ERR_TEXT_MAX];
	struct err e = {0};

	(void)state;
	memset(big, 'a', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	err__set(&e, -EIO, "%s", big);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	err__prefix(&e, -EIO, "front");
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	assert_memory_equal(e.text, "front: aaa", 10);
	err__prefix(&e, -EIO, "%s", big);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
}

static void unknown_number_still_has_a_text(void **state)
{
	(void)state;
	assert_string_equal(err__text(NULL, -99999), "unknown error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_returns_the_code_and_keeps_the_text),
		cmocka_unit_test(null_is_accepted_everywhere),
		cmocka_unit_test(prefix_goes_in_front),
		cmocka_unit_test(prefix_of_nothing_names_the_errno),
		cmocka_unit_test(own_text_may_be_an_argument),
		cmocka_unit_test(long_text_is_cut_and_terminated),
		cmocka_unit_test(unknown_number_still_has_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
