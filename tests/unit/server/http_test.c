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

#include "user/server/http.h"

static void addresses_localhost_and_configured_names_are_ours(void **state)
{
	static const char names[2][SETTINGS_HOST_MAX] = {"node-1", "prof.example.org"};
	static const char *const ours[] = {"localhost",   "localhost:9909",      "LocalHost:1",
					   "127.0.0.1",   "127.0.0.1:9909",      "10.0.0.7:80",
					   "[::1]",       "[::1]:9909",          "node-1",
					   "NODE-1:9909", "prof.example.org:443"};
	static const char *const others[] = {
		"",     ":80",    "evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
		"[::1", "[::1]x", "node-12",      "xprof.example.org",      "[evil.example]"};

	(void)state;
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		if (!http__is_our_host(ours[i], names, 2))
			fail_msg("'%s' is ours", ours[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (http__is_our_host(others[i], names, 2))
			fail_msg("'%s' is not ours", others[i]);
}

static void an_origin_is_ours_only_with_our_very_host(void **state)
{
	(void)state;
	assert_true(http__is_same_origin("http://localhost:9909", "localhost:9909"));
	assert_true(http__is_same_origin("https://node", "node"));
	assert_false(http__is_same_origin("http://localhost:9909", "localhost:9910"));
	assert_false(http__is_same_origin("http://localhost:9909.evil.example", "localhost:9909"));
	assert_false(http__is_same_origin("null", "localhost:9909"));
	assert_false(http__is_same_origin("", ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_localhost_and_configured_names_are_ours),
		cmocka_unit_test(an_origin_is_ours_only_with_our_very_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
