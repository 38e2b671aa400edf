// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "user/config/suggest.h"

static const char *suggest(struct suggest *s, const char *wrong, const char *const *known)
{
	suggest__init(s, wrong);
	for (; *known; known++)
		suggest__offer(s, *known);
	return suggest__text(s);
}

static const char *const words[] = {"enabled", "frequency", "clock", "kernel", NULL};

static void a_slip_finds_its_word(void **state)
{
	static const char *const slips[] = {"freqency",  "frequencyy", "frequnecy",
					    "Frequency", "frequancy",  "freq_uency"};
	struct suggest s;

	(void)state;
	for (size_t i = 0; i < sizeof(slips) / sizeof(slips[0]); i++)
		assert_string_equal(suggest(&s, slips[i], words), ", did you mean 'frequency'?");
	assert_string_equal(suggest(&s, "clcok", words), ", did you mean 'clock'?");
}

static void another_word_gets_the_list(void **state)
{
	struct suggest s;

	(void)state;
	assert_string_equal(suggest(&s, "retention", words),
			    "; known here: enabled, frequency, clock, kernel");
	assert_string_equal(suggest(&s, "", words), "; known here: enabled, frequency, clock, kernel");
	assert_string_equal(suggest(&s, "x", words + 4), "");
}

static void a_part_of_one_word_alone_finds_it(void **state)
{
	static const char *const metrics[] = {"cpu_usage_percent", "cpu_limit_percent", "fd_count", NULL};
	struct suggest s;

	(void)state;
	assert_string_equal(suggest(&s, "cpu_usage", metrics), ", did you mean 'cpu_usage_percent'?");
	assert_string_equal(suggest(&s, "Limit", metrics), ", did you mean 'cpu_limit_percent'?");
	assert_string_equal(suggest(&s, "cpu", metrics),
			    "; known here: cpu_usage_percent, cpu_limit_percent, fd_count");
	assert_string_equal(suggest(&s, "fd", metrics),
			    "; known here: cpu_usage_percent, cpu_limit_percent, fd_count");
}

static void long_words_and_long_lists_are_cut(void **state)
{
	char longer[300];
	struct suggest s;

	(void)state;
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_string_equal(suggest(&s, longer, words), "; known here: enabled, frequency, clock, kernel");
	suggest__init(&s, "zzz");
	for (int i = 0; i < 100; i++)
		suggest__offer(&s, "something");
	assert_true(strlen(suggest__text(&s)) < SUGGEST_LIST_MAX + 64);
	assert_string_equal(strrchr(s.text, ','), ", …");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slip_finds_its_word),
		cmocka_unit_test(another_word_gets_the_list),
		cmocka_unit_test(a_part_of_one_word_alone_finds_it),
		cmocka_unit_test(long_words_and_long_lists_are_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
