// SPDX-License-Identifier: Apache-2.0
/* `everprof WORD …`: slips are told with what is near, and help is the same by both ways to ask for it. */
#include "tests/e2e/e2e.h"

static int everprof(struct run *r, const char *const *words)
{
	const char *argv[RUN_ARGS_MAX];
	char path[4096];
	int status = -1, n = 0;

	run__path_everprof(path);
	argv[n++] = path;
	while (*words)
		argv[n++] = *words++;
	argv[n] = NULL;
	assert_int_equal(run__to_end(r, 30000, &status, argv), 0);
	return status;
}

static void a_slip_is_told_in_one_line(void **state)
{
	static const struct {
		const char *word, *says;
	} slips[] = {
		{"recrod", "everprof: there is no command 'recrod', did you mean 'record'?\n"},
		{"captrues", "everprof: there is no command 'captrues', did you mean 'captures'?\n"},
		{"xyzzy",
		 "everprof: there is no command 'xyzzy'; known here: agent, record, top, flamegraph, "
		 "captures, merge, diff, rules, doctor, config\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(slips) / sizeof(*slips); i++) {
		struct run plain = {}, helped = {};

		assert_int_equal(everprof(&plain, ARGS(slips[i].word, "-d", "1s")), 2);
		assert_string_equal(run__errors(&plain), slips[i].says);
		assert_string_equal(run__out(&plain), "");
		assert_int_equal(everprof(&helped, ARGS("help", slips[i].word)), 2);
		assert_string_equal(run__errors(&helped), slips[i].says);
		run__done(&plain);
		run__done(&helped);
	}
}

static void help_of_a_command_is_the_same_both_ways(void **state)
{
	static const char *const commands[] = {"agent", "record", "top",   "flamegraph", "captures",
					       "merge", "diff",   "rules", "doctor",     "config"};

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		struct run by_option = {}, by_word = {};
		char usage[64];

		assert_int_equal(everprof(&by_option, ARGS(commands[i], "--help")), 0);
		assert_int_equal(everprof(&by_word, ARGS("help", commands[i])), 0);
		assert_string_equal(run__out(&by_option), run__out(&by_word));
		snprintf(usage, sizeof(usage), "usage: everprof %s", commands[i]);
		assert_memory_equal(run__out(&by_word), usage, strlen(usage));
		run__done(&by_option);
		run__done(&by_word);
	}
}

static void nothing_said_is_an_error_and_help_is_none(void **state)
{
	struct run nothing = {}, help = {};

	(void)state;
	assert_int_equal(everprof(&nothing, ARGS(NULL)), 2);
	assert_int_equal(everprof(&help, ARGS("--help")), 0);
	assert_string_equal(run__errors(&nothing), run__out(&help));
	run__done(&nothing);
	run__done(&help);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slip_is_told_in_one_line),
		cmocka_unit_test(help_of_a_command_is_the_same_both_ways),
		cmocka_unit_test(nothing_said_is_an_error_and_help_is_none),
	};

	return cmocka_run_group_tests_name("command_line", tests, NULL, NULL);
}
