// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "exporters/format/label_cache.h"

/* More sets than there are slots: what is found is always right, and most are. */
static void what_is_found_is_what_was_kept(void **state)
{
	enum { N = 3 * LABEL_CACHE_SIZE };
	static struct label_cache c;
	static uint32_t sets[N][2];
	uint32_t id, n_found = 0;

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		sets[i][0] = i;
		sets[i][1] = ~i;
		label_cache__keep(&c, (const uint8_t *)sets[i], sizeof(sets[i]), i + 1);
		assert_true(label_cache__find(&c, (const uint8_t *)sets[i], sizeof(sets[i]), &id));
		assert_int_equal(id, i + 1);
	}
	for (uint32_t i = 0; i < N; i++) {
		uint32_t again[2] = {i, ~i}; /* elsewhere, the same bytes */

		if (!label_cache__find(&c, (const uint8_t *)again, sizeof(again), &id))
			continue;
		assert_int_equal(id, i + 1);
		n_found++;
	}
	assert_in_range(n_found, LABEL_CACHE_SIZE / 2, LABEL_CACHE_SIZE);
	/* the beginning of a set is another one */
	assert_false(label_cache__find(&c, (const uint8_t *)sets[N - 1], sizeof(sets[0]) - 1, &id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_found_is_what_was_kept)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
