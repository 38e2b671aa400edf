// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "user/base/clock.h"
#include "user/store/capture_name.h"

/* 2026-01-31 14:30:07.089 UTC */
#define TIME_NS ((1769817600ull + 14 * 3600 + 30 * 60 + 7) * NS_PER_SEC + 89 * NS_PER_MS + 999999)

static void a_capture_is_named_by_time_host_target_value_and_id(void **state)
{
	struct capture_name n, again;
	char text[CAPTURE_NAME_MAX];

	(void)state;
	assert_int_equal(capture_name__init(&n, TIME_NS, "web-1.example", "pid-4711", "93.5", "a1b2"), 0);
	capture_name__format(&n, text);
	assert_string_equal(text, "20260131T143007.089Z_web-1.example_pid-4711_93.5_a1b2");
	assert_int_equal(capture_name__parse(text, &again), 0);
	assert_int_equal(again.time_ms, TIME_NS / NS_PER_MS);
	assert_string_equal(again.host, "web-1.example");
	assert_string_equal(again.target, "pid-4711");
	assert_string_equal(again.value, "93.5");
	assert_string_equal(again.id, "a1b2");
}

static void names_that_others_chose_cannot_leave_the_folder(void **state)
{
	struct capture_name n, again;
	char text[CAPTURE_NAME_MAX], rule[CAPTURE_RULE_MAX], longest[200];

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	assert_int_equal(capture_name__init(&n, TIME_NS, "", "../../etc/my_app\n", "80%", longest), 0);
	capture_name__format(&n, text);
	assert_null(strchr(text, '/'));
	assert_non_null(strstr(text, "_-_..-..-etc-my-app-_80-_xxx"));
	assert_int_equal(strlen(n.id), CAPTURE_FIELD_MAX - 1);
	assert_int_equal(capture_name__parse(text, &again), 0);
	capture_name__format_rule("HighCPU_Usage", rule);
	assert_string_equal(rule, "HighCPU_Usage");
	capture_name__format_rule("..", rule);
	assert_string_equal(rule, "-.");
	capture_name__format_rule("a/b c", rule);
	assert_string_equal(rule, "a-b-c");
	capture_name__format_rule("", rule);
	assert_string_equal(rule, "-");
	capture_name__format_rule(longest, rule);
	assert_int_equal(strlen(rule), CAPTURE_RULE_MAX - 1);
	assert_int_equal(capture_name__init(&n, UINT64_MAX, "h", "t", "v", "i"), -EINVAL);
}

static void the_longest_name_is_written_whole(void **state)
{
	struct capture_name n, again;
	char text[CAPTURE_NAME_MAX], longest[CAPTURE_FIELD_MAX + 10];

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	assert_int_equal(capture_name__init(&n, TIME_NS, longest, longest, longest, longest), 0);
	capture_name__format(&n, text);
	assert_int_equal(strlen(text), 20 + 4 * CAPTURE_FIELD_MAX);
	assert_true(strlen(text) <= 255); /* of a folder's name */
	assert_int_equal(capture_name__parse(text, &again), 0);
}

static void folders_that_we_would_not_write_are_not_ours(void **state)
{
	static const char *const bad[] = {"",
					  "lost+found",
					  "20260131T143007.089Z",
					  "20260131T143007.089Z_h_t_v",
					  "20260131T143007.089Z_h_t_v_",
					  "20260131T143007.089Z__t_v_i",
					  "20260131T143007.089Z_h_t_v_i_j",
					  "20260131T143007.089Z_h_t_v_i/..",
					  "20260131T143007.089Z_h_t t_v_i",
					  "20260131T143007.89Z_h_t_v_i",
					  "20260131t143007.089Z_h_t_v_i",
					  "20260231T143007.089Z_h_t_v_i",
					  "20260131T243007.089Z_h_t_v_i",
					  "2026013.T143007.089Z_h_t_v_i",
					  "20260131T143007.089Zxh_t_v_i"};
	struct capture_name n;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (capture_name__parse(bad[i], &n) != -EINVAL)
			fail_msg("accepted '%s'", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_capture_is_named_by_time_host_target_value_and_id),
		cmocka_unit_test(names_that_others_chose_cannot_leave_the_folder),
		cmocka_unit_test(the_longest_name_is_written_whole),
		cmocka_unit_test(folders_that_we_would_not_write_are_not_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
