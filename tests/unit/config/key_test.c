// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "user/config/config.h"
#include "user/config/event.h"
#include "user/config/key.h"
#include "user/config/suggest.h"

static void names_are_found_and_differ(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < key__count(); i++) {
		const struct key *k = key__get(i);

		assert_ptr_equal(key__find(k->name), k);
		assert_int_equal(key__index(k), i);
		assert_true(strlen(k->name) < SUGGEST_WORD_MAX);
		assert_false(key__is_section(k->name));
		assert_true(k->change == KEY_CHANGES_NOW || k->change == KEY_CHANGES_AT_START);
	}
	assert_null(key__find("profiling"));
	assert_null(key__find(""));
	assert_true(key__is_section("profiling"));
	assert_true(key__is_section("profiling.cpu"));
	assert_false(key__is_section("profiling.cp"));
}

static void environment_names_differ(void **state)
{
	char name[KEY_ENV_MAX], other[KEY_ENV_MAX];

	(void)state;
	key__env_name(key__find("profiling.cpu.snapshot_interval"), name);
	assert_string_equal(name, "EVERPROF_PROFILING_CPU_SNAPSHOT_INTERVAL");
	for (uint32_t i = 0; i < key__count(); i++) {
		key__env_name(key__get(i), name);
		for (uint32_t j = 0; j < i; j++) {
			key__env_name(key__get(j), other);
			assert_string_not_equal(name, other);
		}
	}
}

/* What config show and the suggestions rely on. */
static void keys_of_a_section_stand_together(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < key__count(); i++) {
		const char *name = key__get(i)->name;

		for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
			size_t len = dot - name + 1;
			bool left = false;

			for (uint32_t j = i + 1; j < key__count(); j++) {
				bool inside = !strncmp(key__get(j)->name, name, len);

				if (inside && left)
					fail_msg("%s stands apart from %s", key__get(j)->name, name);
				left |= !inside;
			}
		}
	}
}

static void every_event_has_its_section_and_its_default(void **state)
{
	static const bool on[EVENT_N] = {
#define EVENT_ON(id, name, on_, counted, added, unit, help) on_,
		EVENTS(EVENT_ON)
#undef EVENT_ON
	};
	char name[KEY_NAME_MAX];
	const struct key *k;
	enum event found;

	(void)state;
	for (int ev = 0; ev < EVENT_N; ev++) {
		snprintf(name, sizeof(name), "profiling.%s.enabled", event__name(ev));
		k = key__find(name);
		assert_non_null(k);
		assert_string_equal(k->fallback, on[ev] ? "true" : "false");
		assert_int_equal(k->offset, offsetof(struct config, event) +
						    ev * sizeof(struct config_event) +
						    offsetof(struct config_event, enabled));
		snprintf(name, sizeof(name), "profiling.%s.snapshot_interval", event__name(ev));
		k = key__find(name);
		assert_non_null(k);
		assert_int_equal(k->offset, offsetof(struct config, event) +
						    ev * sizeof(struct config_event) +
						    offsetof(struct config_event, snapshot_interval_ns));
		assert_int_equal(event__find(event__name(ev), &found), 0);
		assert_int_equal(found, ev);
	}
	assert_int_not_equal(event__find("gpu", &found), 0);
}

/* Two keys that write the same bytes would be a slip of the table. */
static void no_two_keys_share_a_member(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < key__count(); i++) {
		for (uint32_t j = 0; j < i; j++)
			assert_int_not_equal(key__get(i)->offset, key__get(j)->offset);
	}
}

static void what_is_expected_is_said_in_words(void **state)
{
	char text[KEY_EXPECTED_MAX];

	(void)state;
	key__expected(key__find("profiling.cpu.frequency"), text);
	assert_string_equal(text, "a whole number from 1 to 1000");
	key__expected(key__find("profiling.window"), text);
	assert_string_equal(text, "a duration with its unit from 1s to 1h");
	key__expected(key__find("profiling.cpu.duration"), text);
	assert_string_equal(text, "a duration with its unit from 1s to 1d, or off");
	key__expected(key__find("profiling.cpu.clock"), text);
	assert_string_equal(text, "one of auto, cycles, cpu-clock");
	key__expected(key__find("profiling.output.format"), text);
	assert_string_equal(text, "pprof");
	key__expected(key__find("limits.cpu"), text);
	assert_string_equal(text, "a percentage from 0.1% to 100%");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_found_and_differ),
		cmocka_unit_test(environment_names_differ),
		cmocka_unit_test(keys_of_a_section_stand_together),
		cmocka_unit_test(every_event_has_its_section_and_its_default),
		cmocka_unit_test(no_two_keys_share_a_member),
		cmocka_unit_test(what_is_expected_is_said_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
