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

#include "user/server/request.h"

static int parse(const char *target, struct request *r)
{
	return request__parse(target, strlen(target), r);
}

static void path_and_parameters_are_decoded_once(void **state)
{
	struct request r;

	(void)state;
	assert_int_equal(parse("/a%20b/c?x=1&comm=a%2Bb+c&empty&=v&x=2&p=%2541", &r), 0);
	assert_string_equal(r.path, "/a b/c");
	assert_string_equal(r.query, "x=1&comm=a%2Bb+c&empty&=v&x=2&p=%2541");
	assert_string_equal(request__param(&r, "x"), "1");
	assert_string_equal(request__param(&r, "comm"), "a+b c");
	assert_string_equal(request__param(&r, "empty"), "");
	assert_string_equal(request__param(&r, "p"), "%41");
	assert_null(request__param(&r, "comm2"));
	request__done(&r);
}

static void bad_targets_are_refused(void **state)
{
	static const char *const bad[] = {
		"",       "x",     "http://h/", "/%",        "/%4",         "/%zz",     "/a/../b",
		"/..",    "/./a",  "//a",       "/a//b",     "/%2e%2e/",    "/%2e%2e",  "/a%00b",
		"/a%0ab", "/\xff", "/%c0%ae",   "/a?x=%00b", "/a?x=%0d%0a", "/a?%ff=1", "/a?x=%f5%80%80%80"};
	struct request r;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (parse(bad[i], &r) != -EBADMSG)
			fail_msg("'%s' was not refused", bad[i]);
	assert_int_equal(request__parse("/a\0b", 4, &r), -EBADMSG);
}

static void limits_hold(void **state)
{
	char *target = malloc(REQUEST_TARGET_MAX + 2);
	struct request r;

	(void)state;
	memset(target, 'a', REQUEST_TARGET_MAX + 1);
	target[0] = '/';
	assert_int_equal(request__parse(target, REQUEST_TARGET_MAX + 1, &r), -E2BIG);
	assert_int_equal(request__parse(target, REQUEST_TARGET_MAX, &r), 0);
	request__done(&r);
	strcpy(target, "/?");
	for (int i = 0; i <= REQUEST_PARAMS_MAX; i++)
		strcat(target, "a=1&");
	assert_int_equal(parse(target, &r), -E2BIG);
	free(target);
}

static void numbers_are_whole_and_bounded(void **state)
{
	struct request r;
	uint64_t n = 7;

	(void)state;
	assert_int_equal(parse("/?a=10&b=-1&c=1x&d=&e=99999999999999999999999&f=11", &r), 0);
	assert_int_equal(request__number(&r, "a", 0, 10, &n), 0);
	assert_int_equal(n, 10);
	assert_int_equal(request__number(&r, "none", 3, 10, &n), 0);
	assert_int_equal(n, 3);
	for (const char *bad = "bcdef"; *bad; bad++) {
		const char name[] = {*bad, '\0'};

		assert_int_equal(request__number(&r, name, 0, 10, &n), -EBADMSG);
	}
	request__done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path_and_parameters_are_decoded_once),
		cmocka_unit_test(bad_targets_are_refused),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(numbers_are_whole_and_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
