/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/symbolize/symbol_cache.h"

#define ENTRY_LIMIT 10000

static void add(struct symbol_cache *c, uint32_t id, size_t bytes, bool is_partial)
{
	const struct object_symbols symbols = {
		.bytes = bytes, .is_partial = is_partial, .reason = SYMBOL_STRIPPED};
	struct object_symbols *own = NULL;

	assert_int_equal(symbol_cache__add(c, id, &symbols, &own), 0);
	assert_int_equal(own->bytes, bytes);
}

static bool has(struct symbol_cache *c, uint32_t id)
{
	return symbol_cache__find(c, id) != NULL;
}

static void least_recently_used_goes_first(void **state)
{
	struct symbol_cache *c = symbol_cache__new(ENTRY_LIMIT);
	struct symbol_cache_stats stats;

	(void)state;
	add(c, 1, 3000, false);
	add(c, 2, 3000, false);
	assert_true(has(c, 1)); /* 2 is the oldest now */
	add(c, 3, 3000, false);
	add(c, 4, 3000, false);
	symbol_cache__trim(c);
	assert_false(has(c, 2));
	assert_true(has(c, 1));
	assert_true(has(c, 3));
	assert_true(has(c, 4));
	symbol_cache__stats(c, &stats);
	assert_int_equal(stats.n_evicted, 1);
	assert_int_equal(stats.n_entries, 3);
	assert_true(stats.bytes > 9000 && stats.bytes <= ENTRY_LIMIT);
	symbol_cache__free(c);
}

static void entry_over_the_limit_stays_until_the_next(void **state)
{
	struct symbol_cache *c = symbol_cache__new(ENTRY_LIMIT);

	(void)state;
	add(c, 1, 50000, false);
	assert_true(has(c, 1));
	add(c, 2, 100, false);
	assert_false(has(c, 1));
	assert_true(has(c, 2));
	symbol_cache__free(c);
}

static void partial_tables_are_not_kept_and_not_counted_as_evicted(void **state)
{
	struct symbol_cache *c = symbol_cache__new(ENTRY_LIMIT);
	struct symbol_cache_stats stats;

	(void)state;
	add(c, 1, 100, false);
	add(c, 2, 100, true);
	assert_true(has(c, 2));
	symbol_cache__trim(c);
	assert_false(has(c, 2));
	assert_true(has(c, 1));
	symbol_cache__stats(c, &stats);
	assert_int_equal(stats.n_evicted, 0);
	assert_int_equal(stats.n_hits, 2);
	assert_int_equal(stats.n_misses, 1);
	symbol_cache__free(c);
}

static void same_key_is_replaced(void **state)
{
	struct symbol_cache *c = symbol_cache__new(ENTRY_LIMIT);
	struct symbol_cache_stats before, after;

	(void)state;
	add(c, 1, 100, false);
	symbol_cache__stats(c, &before);
	add(c, 1, 400, false);
	symbol_cache__stats(c, &after);
	assert_int_equal(after.n_entries, 1);
	assert_int_equal(after.bytes - before.bytes, 300);
	symbol_cache__free(c);
}

static void many_files_without_symbols_are_bounded(void **state)
{
	struct symbol_cache *c = symbol_cache__new(1u << 30);
	struct symbol_cache_stats stats;

	(void)state;
	for (uint32_t i = 0; i < SYMBOL_CACHE_ENTRIES_MAX + 500; i++)
		add(c, i, 0, false);
	symbol_cache__trim(c);
	symbol_cache__stats(c, &stats);
	assert_int_equal(stats.n_entries, SYMBOL_CACHE_ENTRIES_MAX);
	assert_int_equal(stats.n_evicted, 500);
	assert_false(has(c, 499));
	assert_true(has(c, 500));
	symbol_cache__free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(least_recently_used_goes_first),
		cmocka_unit_test(entry_over_the_limit_stays_until_the_next),
		cmocka_unit_test(partial_tables_are_not_kept_and_not_counted_as_evicted),
		cmocka_unit_test(same_key_is_replaced),
		cmocka_unit_test(many_files_without_symbols_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
