/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/query/name_search.h"

static bool finds(const char *text, const char *name)
{
	struct name_search s;
	bool found;

	name_search__init(&s, text);
	found = name_search__matches(&s, name);
	name_search__done(&s);
	return found;
}

static void text_is_looked_for_as_it_is(void **state)
{
	(void)state;
	assert_true(finds("json", "json_parse"));
	assert_true(finds("parse", "json_parse"));
	assert_false(finds("json_print", "json_parse"));
	assert_true(finds("operator()", "A::operator()(int)"));
	assert_true(finds("a{1,255}", "a{1,255}"));
	assert_false(finds("a{1,255}", "aaa"));
	assert_true(finds("read.c", "read.c:12"));
	assert_false(finds("read.c", "read_c"));
	assert_false(finds("longer than that", "longer"));
}

static void a_star_is_anything_between_in_order(void **state)
{
	(void)state;
	assert_true(finds("json*malloc", "json_parse_malloc"));
	assert_true(finds("json.*malloc", "json_malloc"));
	assert_false(finds("malloc*json", "json_malloc"));
	assert_false(finds("ab*ba", "aba")); /* no byte twice */
	assert_true(finds("*parse*", "parse"));
	assert_true(finds("operator*=", "A::operator*="));
}

static void the_ends_can_be_meant(void **state)
{
	(void)state;
	assert_true(finds("^json", "json_parse"));
	assert_false(finds("^parse", "json_parse"));
	assert_true(finds("parse$", "json_parse"));
	assert_false(finds("json$", "json_parse"));
	assert_true(finds("^json_parse$", "json_parse"));
	assert_false(finds("^json$", "json_parse"));
	assert_false(finds("^json$", "json_json"));
	assert_true(finds("^json*parse$", "json_parse"));
	assert_false(finds("^aba*ba$", "aba"));
	assert_true(finds("$", "costs $"));
	assert_false(finds("^x", ""));
}

static void one_or_the_other_will_do(void **state)
{
	(void)state;
	assert_true(finds("^a$|^b$", "b"));
	assert_false(finds("^a$|^b$", "c"));
	assert_true(finds("nothing|", "nothing"));
	assert_false(finds("nothing|", "else")); /* no text is no wish */
	assert_false(finds("|^|nothing|*", "else"));
}

static void small_letters_stand_for_both(void **state)
{
	(void)state;
	assert_true(finds("gc", "runtime.GC"));
	assert_true(finds("GC", "runtime.GC"));
	assert_false(finds("Gc", "runtime.GC"));
}

static void where_there_is_nothing_to_look_for_all_do(void **state)
{
	(void)state;
	assert_true(finds("", "main"));
	assert_true(finds("^", "main"));
	assert_true(finds("*|.*", "main"));
	assert_true(finds("^$", "main"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_looked_for_as_it_is),
		cmocka_unit_test(a_star_is_anything_between_in_order),
		cmocka_unit_test(the_ends_can_be_meant),
		cmocka_unit_test(one_or_the_other_will_do),
		cmocka_unit_test(small_letters_stand_for_both),
		cmocka_unit_test(where_there_is_nothing_to_look_for_all_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
