/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/process/mapping_set.h"

static int new_pool(void **state)
{
	struct mapping_pool_opts opts = {0};

	return mapping_pool__new(&opts, (struct mapping_pool **)state);
}

static int free_pool(void **state)
{
	struct mapping_pool_stats stats;

	mapping_pool__stats(*state, &stats);
	assert_int_equal(stats.mappings, 0);
	assert_int_equal(stats.sets, 1);
	mapping_pool__free(*state);
	return 0;
}

static struct code_mapping code(uint64_t start, uint64_t end, uint32_t object)
{
	/* as if file offset 0x1000 lay at the start */
	return (struct code_mapping){
		.start = start, .end = end, .pgoff = 0x1000, .bias = start - 0x1000, .object = object};
}

static struct mapping_set *build(struct mapping_pool *pool, const struct code_mapping *from, uint32_t n)
{
	struct code_mapping *copy = calloc(n + 1, sizeof(*copy));
	struct mapping_set *set;

	memcpy(copy, from, n * sizeof(*copy));
	assert_int_equal(mapping_set__build(pool, copy, n, &set), 0);
	free(copy);
	return set;
}

static void assert_mapping(const struct mapping_set *set, uint32_t i, uint64_t start, uint64_t end,
			   uint64_t pgoff, uint32_t object)
{
	uint32_t n;
	const struct code_mapping *m = mapping_set__mappings(set, &n);

	assert_true(i < n);
	assert_int_equal(m[i].start, start);
	assert_int_equal(m[i].end, end);
	assert_int_equal(m[i].pgoff, pgoff);
	assert_int_equal(m[i].object, object);
}

static uint32_t count(const struct mapping_set *set)
{
	uint32_t n;

	mapping_set__mappings(set, &n);
	return n;
}

static void equal_sets_are_one_whatever_the_order(void **state)
{
	struct code_mapping a[] = {code(0x5000, 0x6000, 2), code(0x1000, 0x3000, 1)};
	struct code_mapping b[] = {code(0x1000, 0x3000, 1), code(0x5000, 0x6000, 2)};
	struct mapping_set *x = build(*state, a, 2), *y = build(*state, b, 2);

	assert_ptr_equal(x, y);
	assert_mapping(x, 0, 0x1000, 0x3000, 0x1000, 1);
	assert_mapping(x, 1, 0x5000, 0x6000, 0x1000, 2);
	mapping_set__unref(x);
	mapping_set__unref(y);
}

static void a_set_that_comes_back_has_another_id(void **state)
{
	struct code_mapping a[] = {code(0x1000, 0x3000, 1)};
	struct mapping_set *x = build(*state, a, 1);
	uint64_t id = mapping_set__id(x);

	mapping_set__unref(x);
	x = build(*state, a, 1);
	assert_int_not_equal(mapping_set__id(x), id);
	assert_int_not_equal(mapping_set__id(x), 0);
	mapping_set__unref(x);
}

static void a_new_mapping_in_the_middle_cuts_the_old_one_in_two(void **state)
{
	struct code_mapping a[] = {code(0x10000, 0x20000, 1)}, m = code(0x14000, 0x15000, 2);
	struct mapping_set *x = build(*state, a, 1), *y;

	assert_int_equal(mapping_set__with(x, &m, &y), 0);
	assert_int_equal(count(y), 3);
	assert_mapping(y, 0, 0x10000, 0x14000, 0x1000, 1);
	assert_mapping(y, 1, 0x14000, 0x15000, 0x1000, 2);
	assert_mapping(y, 2, 0x15000, 0x20000, 0x6000, 1);
	/* the address decides, so the bias is the same on both sides */
	assert_int_equal(mapping_set__find(y, 0x15000)->bias, mapping_set__find(y, 0x10000)->bias);
	/* and the old set is as it was */
	assert_int_equal(count(x), 1);
	mapping_set__unref(x);
	mapping_set__unref(y);
}

static void a_new_mapping_replaces_all_that_it_covers(void **state)
{
	struct code_mapping a[] = {code(0x1000, 0x2000, 1), code(0x3000, 0x4000, 2), code(0x5000, 0x6000, 3),
				   code(0x7000, 0x8000, 4)};
	struct code_mapping m = code(0x1800, 0x5800, 9);
	struct mapping_set *x = build(*state, a, 4), *y;

	assert_int_equal(mapping_set__with(x, &m, &y), 0);
	assert_int_equal(count(y), 4);
	assert_mapping(y, 0, 0x1000, 0x1800, 0x1000, 1);
	assert_mapping(y, 1, 0x1800, 0x5800, 0x1000, 9);
	assert_mapping(y, 2, 0x5800, 0x6000, 0x1800, 3);
	assert_mapping(y, 3, 0x7000, 0x8000, 0x1000, 4);
	mapping_set__unref(x);
	mapping_set__unref(y);
}

static void mapping_what_is_there_gives_the_same_set(void **state)
{
	struct code_mapping a[] = {code(0x10000, 0x20000, 1)}, again = a[0], part = a[0], other = a[0];
	struct mapping_set *x = build(*state, a, 1), *y, *z, *w;

	part.start = 0x12000;
	part.pgoff = 0x3000;
	other.object = 2;
	assert_int_equal(mapping_set__with(x, &again, &y), 0);
	assert_int_equal(mapping_set__with(x, &part, &z), 0);
	assert_int_equal(mapping_set__with(x, &other, &w), 0);
	assert_ptr_equal(x, y);
	assert_ptr_equal(x, z);
	assert_ptr_not_equal(x, w);
	mapping_set__unref(x);
	mapping_set__unref(y);
	mapping_set__unref(z);
	mapping_set__unref(w);
}

static void neighbours_of_one_object_and_bias_are_joined(void **state)
{
	struct code_mapping a[] = {
		{.start = 0x1000, .end = 0x2000, .pgoff = 0, .bias = 0x1000, .object = 1},
		{.start = 0x2000, .end = 0x3000, .pgoff = 0x1000, .bias = 0x1000, .object = 1},
		{.start = 0x3000, .end = 0x4000, .pgoff = 0x9000, .bias = 0x5000, .object = 1}};
	struct mapping_set *x = build(*state, a, 3), *y, *jit = mapping_pool__empty(*state);

	assert_int_equal(count(x), 2);
	assert_mapping(x, 0, 0x1000, 0x3000, 0, 1);
	mapping_set__unref(x);
	/* a JIT that grows by pages */
	for (uint64_t page = 0; page < 100; page++) {
		struct code_mapping m = {
			.start = 0x100000 + page * 0x1000, .end = 0x101000 + page * 0x1000, .pgoff = page};

		assert_int_equal(mapping_set__with(jit, &m, &y), 0);
		mapping_set__unref(jit);
		jit = y;
	}
	assert_int_equal(count(jit), 1);
	assert_mapping(jit, 0, 0x100000, 0x164000, 0, 0);
	/* code that has a rule of its own */
	assert_int_equal(
		mapping_set__with(jit, &(struct code_mapping){.start = 0x164000, .end = 0x165000, .bias = 7},
				  &y),
		0);
	mapping_set__unref(jit);
	assert_int_equal(count(y), 2);
	mapping_set__unref(y);
}

static void find_is_exact_at_both_ends(void **state)
{
	struct code_mapping a[] = {code(0x1000, 0x2000, 1), code(0x2000, 0x3000, 2), code(0x5000, 0x6000, 3)};
	struct mapping_set *x = build(*state, a, 3);

	assert_null(mapping_set__find(x, 0));
	assert_null(mapping_set__find(x, 0xfff));
	assert_int_equal(mapping_set__find(x, 0x1000)->object, 1);
	assert_int_equal(mapping_set__find(x, 0x1fff)->object, 1);
	assert_int_equal(mapping_set__find(x, 0x2000)->object, 2);
	assert_null(mapping_set__find(x, 0x3000));
	assert_int_equal(mapping_set__find(x, 0x5fff)->object, 3);
	assert_null(mapping_set__find(x, 0x6000));
	assert_null(mapping_set__find(x, UINT64_MAX));
	mapping_set__unref(x);
}

static void overlapping_input_is_cut_not_kept(void **state)
{
	struct code_mapping a[] = {code(0x1000, 0x9000, 1), code(0x2000, 0x3000, 2), code(0x2000, 0x3000, 2),
				   code(0x2800, 0x4000, 3)};
	struct mapping_set *x = build(*state, a, 4);
	uint32_t n;
	const struct code_mapping *m = mapping_set__mappings(x, &n);

	assert_true(n >= 3);
	for (uint32_t i = 0; i < n; i++) {
		assert_true(m[i].start < m[i].end);
		if (i > 0)
			assert_true(m[i - 1].end <= m[i].start);
	}
	mapping_set__unref(x);
}

static void removing_a_range_cuts_and_of_nothing_gives_the_same_set(void **state)
{
	struct code_mapping a[] = {code(0x1000, 0x4000, 1)};
	struct mapping_set *x = build(*state, a, 1), *y, *z;

	assert_int_equal(mapping_set__without(x, 0x2000, 0x3000, &y), 0);
	assert_int_equal(count(y), 2);
	assert_mapping(y, 1, 0x3000, 0x4000, 0x3000, 1);
	assert_int_equal(mapping_set__without(x, 0x8000, 0x9000, &z), 0);
	assert_ptr_equal(x, z);
	assert_int_equal(mapping_set__without(x, 0x8000, 0x8000, &z), -EINVAL);
	mapping_set__unref(x);
	mapping_set__unref(y);
	mapping_set__unref(x);
}

/* The same operations on an array with one word a page. */
static void random_operations_agree_with_a_page_by_page_model(void **state)
{
	enum { PAGES = 64 };
	uint32_t model[PAGES] = {0};
	struct mapping_set *x = mapping_pool__empty(*state), *y;

	srand(7);
	for (int step = 0; step < 3000; step++) {
		uint64_t a = (uint64_t)rand() % PAGES, b = a + 1 + (uint64_t)rand() % (PAGES - a);
		uint32_t object = 1 + (uint32_t)rand() % 5;

		if (rand() % 4 == 0) {
			assert_int_equal(mapping_set__without(x, a << 12, b << 12, &y), 0);
			object = 0;
		} else {
			/* one bias an object, so that neighbours join */
			struct code_mapping m = {.start = a << 12,
						 .end = b << 12,
						 .pgoff = (a << 12) + object,
						 .bias = object,
						 .object = object};

			assert_int_equal(mapping_set__with(x, &m, &y), 0);
		}
		for (uint64_t p = a; p < b; p++)
			model[p] = object;
		mapping_set__unref(x);
		x = y;
		for (uint64_t p = 0; p < PAGES; p++) {
			const struct code_mapping *m = mapping_set__find(x, (p << 12) + 5);

			assert_int_equal(m ? m->object : 0, model[p]);
			if (m)
				assert_int_equal(m->pgoff + (p << 12) - m->start, (p << 12) + model[p]);
		}
	}
	mapping_set__unref(x);
}

static void limits_refuse_and_count(void **state)
{
	struct mapping_pool_opts opts = {.max_mappings = 10};
	struct code_mapping *a = calloc(MAPPING_SET_MAX + 1, sizeof(*a));
	struct mapping_pool_stats stats;
	struct mapping_pool *pool;
	struct mapping_set *x, *y = NULL;

	(void)state;
	assert_int_equal(mapping_pool__new(&opts, &pool), 0);
	for (uint32_t i = 0; i <= MAPPING_SET_MAX; i++)
		a[i] = code(i * 0x2000ull, i * 0x2000ull + 0x1000, 1);
	assert_int_equal(mapping_set__build(pool, a, 10, &x), 0);
	assert_int_equal(mapping_set__with(x, &a[10], &y), -E2BIG);
	assert_null(y);
	assert_int_equal(mapping_set__build(pool, a, MAPPING_SET_MAX + 1, &y), -E2BIG);
	mapping_pool__stats(pool, &stats);
	assert_int_equal(stats.n_refused, 1);
	assert_int_equal(stats.mappings, 10);
	mapping_set__unref(x);
	mapping_pool__free(pool);
	free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(equal_sets_are_one_whatever_the_order, new_pool, free_pool),
		cmocka_unit_test_setup_teardown(a_set_that_comes_back_has_another_id, new_pool, free_pool),
		cmocka_unit_test_setup_teardown(a_new_mapping_in_the_middle_cuts_the_old_one_in_two, new_pool,
						free_pool),
		cmocka_unit_test_setup_teardown(a_new_mapping_replaces_all_that_it_covers, new_pool,
						free_pool),
		cmocka_unit_test_setup_teardown(mapping_what_is_there_gives_the_same_set, new_pool,
						free_pool),
		cmocka_unit_test_setup_teardown(neighbours_of_one_object_and_bias_are_joined, new_pool,
						free_pool),
		cmocka_unit_test_setup_teardown(find_is_exact_at_both_ends, new_pool, free_pool),
		cmocka_unit_test_setup_teardown(overlapping_input_is_cut_not_kept, new_pool, free_pool),
		cmocka_unit_test_setup_teardown(removing_a_range_cuts_and_of_nothing_gives_the_same_set,
						new_pool, free_pool),
		cmocka_unit_test_setup_teardown(random_operations_agree_with_a_page_by_page_model, new_pool,
						free_pool),
		cmocka_unit_test(limits_refuse_and_count),
	};

	return cmocka_run_group_tests_name("mapping_set", tests, NULL, NULL);
}
