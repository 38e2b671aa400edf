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

#include "user/base/err.h"
#include "user/server/credential.h"

static int parse(const char *text, struct credential_list *l, struct err *e)
{
	return credential_list__parse("who", text, strlen(text), l, e);
}

static void roles_are_given_by_name_and_password_or_by_token(void **state)
{
	struct credential_list l;

	(void)state;
	assert_int_equal(parse("# who may look\n"
			       "view    basic ann secret-1\n"
			       "capture bearer token-12345   # the robot\n"
			       "\n"
			       "capture basic bob hunter2hunter2\n",
			       &l, NULL),
			 0);
	assert_int_equal(l.n, 3);
	assert_int_equal(credential_list__check(&l, "Basic YW5uOnNlY3JldC0x"), ROLE_VIEW); /* ann:secret-1 */
	assert_int_equal(credential_list__check(&l, "basic YW5uOnNlY3JldC0x"), ROLE_VIEW);
	assert_int_equal(credential_list__check(&l, "Basic Ym9iOmh1bnRlcjJodW50ZXIy"),
			 ROLE_CAPTURE); /* bob */
	assert_int_equal(credential_list__check(&l, "Bearer token-12345"), ROLE_CAPTURE);
}

static void anything_else_is_nobody(void **state)
{
	static const char *const bad[] = {"",
					  "Basic",
					  "Basic ",
					  "Basic YW5uOnNlY3JldC0y",     /* ann:secret-2 */
					  "Basic YW5uOnNlY3JldC0",      /* cut */
					  "Basic YW5uOnNlY3JldC0x!",    /* no base64 */
					  "Basic YW5uOnNlY3JldC0xAA==", /* with a NUL behind */
					  "Bearer ann:secret-1",        /* a password is no token */
					  "Basic dG9rZW4tMTIzNDU=",     /* a token is no password */
					  "Bearer token-1234",
					  "Bearer token-123456",
					  "Bearer ",
					  "Digest x"};
	char endless[5000] = "Bearer ";
	struct credential_list l;

	(void)state;
	assert_int_equal(parse("view basic ann secret-1\ncapture bearer token-12345\n", &l, NULL), 0);
	assert_int_equal(credential_list__check(&l, NULL), ROLE_NONE);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (credential_list__check(&l, bad[i]) != ROLE_NONE)
			fail_msg("'%s' was let in", bad[i]);
	memset(endless + 7, 'a', sizeof(endless) - 8);
	assert_int_equal(credential_list__check(&l, endless), ROLE_NONE);
	endless[0] = 'b';
	memcpy(endless, "Basic ", 6);
	assert_int_equal(credential_list__check(&l, endless), ROLE_NONE);
}

static void without_a_list_everybody_may(void **state)
{
	const struct credential_list none = {0};

	(void)state;
	assert_int_equal(credential_list__check(&none, NULL), ROLE_CAPTURE);
}

static void bad_lines_are_told_with_their_number(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"", "who: there is no line in it"},
		{"# nothing\n", "who: there is no line in it"},
		{"view basic ann secret-1\nadmin bearer token-12345\n", "who:2: expected `view|capture"},
		{"view bearer short\n", "who:1: a password or token has at least 8"},
		{"view basic ann\n", "who:1: expected NAME and PASSWORD"},
		{"view bearer a b-12345678\n", "who:1: expected one TOKEN"},
		{"view basic a:b 12345678\n", "who:1: a NAME has no ':'"},
		{"view\n", "who:1: expected `view|capture"},
	};
	struct credential_list l;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(parse(bad[i].text, &l, &e), -EINVAL);
		if (strncmp(e.text, bad[i].why, strlen(bad[i].why)))
			fail_msg("'%s': %s", bad[i].text, e.text);
	}
	assert_int_equal(credential_list__parse("who", "view\0x", 6, &l, &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(roles_are_given_by_name_and_password_or_by_token),
		cmocka_unit_test(anything_else_is_nobody),
		cmocka_unit_test(without_a_list_everybody_may),
		cmocka_unit_test(bad_lines_are_told_with_their_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
