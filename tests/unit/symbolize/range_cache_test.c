// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "user/symbolize/range_cache.h"

static int make(void **state)
{
	*state = range_cache__new(1 << 20);
	return *state ? 0 : -1;
}

static int drop(void **state)
{
	range_cache__free(*state);
	return 0;
}

static int add(struct range_cache *c, uint32_t object, uint64_t start, uint64_t end, const char *name)
{
	const struct cached_range r = {.start = start, .end = end, .name = name, .system_name = name};

	return range_cache__add(c, object, &r);
}

static void assert_name(struct range_cache *c, uint32_t object, uint64_t vaddr, const char *name)
{
	struct cached_range r;

	assert_int_equal(range_cache__find(c, object, vaddr, &r), 0);
	assert_string_equal(r.name, name);
	assert_int_equal(r.reason, SYMBOL_NAMED);
}

static void assert_unknown(struct range_cache *c, uint32_t object, uint64_t vaddr)
{
	struct cached_range r;

	assert_int_equal(range_cache__find(c, object, vaddr, &r), -ENOENT);
}

static void range_answers_for_all_of_its_addresses_and_no_others(void **state)
{
	struct range_cache *c = *state;

	assert_unknown(c, 1, 0x1000);
	assert_int_equal(add(c, 1, 0x1000, 0x1010, "a"), 0);
	assert_int_equal(add(c, 1, 0x1020, 0x1030, "c"), 0);
	assert_int_equal(add(c, 1, 0x1010, 0x1020, "b"), 0);
	assert_unknown(c, 1, 0xfff);
	assert_name(c, 1, 0x1000, "a");
	assert_name(c, 1, 0x100f, "a");
	assert_name(c, 1, 0x1010, "b");
	assert_name(c, 1, 0x102f, "c");
	assert_unknown(c, 1, 0x1030);
}

static void objects_do_not_share_ranges(void **state)
{
	struct range_cache *c = *state;

	for (uint32_t object = 1; object <= 500; object++) {
		char name[16];

		snprintf(name, sizeof(name), "f%u", object);
		assert_int_equal(add(c, object, 0x1000, 0x2000, name), 0);
	}
	for (uint32_t object = 1; object <= 500; object++) {
		char name[16];

		snprintf(name, sizeof(name), "f%u", object);
		assert_name(c, object, 0x1800, name);
	}
}

static void overlapping_or_empty_range_is_not_kept(void **state)
{
	struct range_cache *c = *state;

	assert_int_equal(add(c, 1, 0x1000, 0x1010, "a"), 0);
	assert_int_equal(add(c, 1, 0x1000, 0x1010, "again"), -EEXIST);
	assert_int_equal(add(c, 1, 0x0fff, 0x1001, "below"), -EEXIST);
	assert_int_equal(add(c, 1, 0x100f, 0x1011, "above"), -EEXIST);
	assert_int_equal(add(c, 1, 0x0, 0x2000, "around"), -EEXIST);
	assert_int_equal(add(c, 1, 0x3000, 0x3000, "empty"), -EEXIST);
	assert_name(c, 1, 0x1008, "a");
	assert_unknown(c, 1, 0x0fff);
	assert_unknown(c, 1, 0x3000);
}

static void a_hole_is_remembered_with_its_reason(void **state)
{
	const struct cached_range hole = {
		.start = 0x10, .end = 0x20, .name = "", .system_name = "", .reason = SYMBOL_GAP};
	struct cached_range r;

	assert_int_equal(range_cache__add(*state, 7, &hole), 0);
	assert_int_equal(range_cache__find(*state, 7, 0x15, &r), 0);
	assert_int_equal(r.reason, SYMBOL_GAP);
	assert_string_equal(r.name, "");
}

static void past_its_limit_it_keeps_no_more_and_starts_anew(void **state)
{
	struct range_cache *c = *state;
	struct range_cache_stats stats;
	int err = 0;

	for (uint64_t i = 0; !err; i++) {
		char name[32];

		assert_true(i < 1 << 20);
		snprintf(name, sizeof(name), "function_%llu", (unsigned long long)i);
		err = add(c, 1 + i % 64, i * 16, i * 16 + 16, name);
	}
	assert_int_equal(err, -E2BIG);
	assert_name(c, 1, 0, "function_0");
	range_cache__stats(c, &stats);
	assert_true(stats.bytes < 3 << 20); /* a doubling past the limit, at most */
	range_cache__trim(c);
	range_cache__stats(c, &stats);
	assert_int_equal(stats.n_cleared, 1);
	assert_int_equal(stats.n_ranges, 0);
	assert_unknown(c, 1, 0);
	assert_int_equal(add(c, 1, 0, 16, "again"), 0);
	assert_name(c, 1, 8, "again");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(range_answers_for_all_of_its_addresses_and_no_others, make,
						drop),
		cmocka_unit_test_setup_teardown(objects_do_not_share_ranges, make, drop),
		cmocka_unit_test_setup_teardown(overlapping_or_empty_range_is_not_kept, make, drop),
		cmocka_unit_test_setup_teardown(a_hole_is_remembered_with_its_reason, make, drop),
		cmocka_unit_test_setup_teardown(past_its_limit_it_keeps_no_more_and_starts_anew, make, drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
