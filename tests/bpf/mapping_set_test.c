// SPDX-License-Identifier: Apache-2.0
/* What is known of a process's mappings, asked for a place where the kernel says that nothing is mapped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bpf/shim.h"

#include "bpf/mapping_set.bpf.h"

#define SET   77
#define FIRST 3

static const struct task_key key = {.start_ns = 11, .tgid = 42, .exec_id = 3};

/* Two mappings: [0x10000, 0x12000) and [0x20000, 0x21000). */
static int setup(void **state)
{
	struct process_entry entry = {.key = key, .set_id = SET, .set_first = FIRST, .set_count = 2};
	struct mapping_entry *m;

	(void)state;
	shim__open(&processes, SHIM_HASH, sizeof(__u32), sizeof(struct process_entry), 16);
	shim__open(&mappings, SHIM_ARRAY, 4, sizeof(struct mapping_entry), 64);
	m = (struct mapping_entry *)mappings.values + FIRST;
	m[0] = (struct mapping_entry){.start = SET};
	m[1] = (struct mapping_entry){.start = 0x10000, .pages = 2, .object = 1};
	m[2] = (struct mapping_entry){.start = 0x20000, .pages = 1, .object = 2};
	m[3] = (struct mapping_entry){.start = 0x30000, .pages = 1, .object = 9}; /* of another set */
	shim__put(&processes, &key.tgid, &entry);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	shim__close(&processes);
	shim__close(&mappings);
	return 0;
}

static void a_place_over_a_known_mapping_overlaps(void **state)
{
	(void)state;
	assert_true(mapping_set__overlaps(&key, 0x10000, 0x12000)); /* the same */
	assert_true(mapping_set__overlaps(&key, 0x11000, 0x11001)); /* inside */
	assert_true(mapping_set__overlaps(&key, 0x0, 0x10001));     /* its first byte */
	assert_true(mapping_set__overlaps(&key, 0x11fff, 0x18000)); /* its last byte */
	assert_true(mapping_set__overlaps(&key, 0x0, 0x100000));    /* around all */
	assert_true(mapping_set__overlaps(&key, 0x1f000, 0x21000)); /* the last one */
}

static void a_place_between_known_mappings_does_not(void **state)
{
	(void)state;
	assert_false(mapping_set__overlaps(&key, 0x0, 0x10000));
	assert_false(mapping_set__overlaps(&key, 0x12000, 0x20000));
	assert_false(mapping_set__overlaps(&key, 0x21000, 0x30000));
	assert_false(mapping_set__overlaps(&key, 0x30000, 0x31000)); /* the set ends before */
}

static void another_incarnation_or_a_set_that_was_replaced_is_not_asked(void **state)
{
	struct task_key other = key;

	(void)state;
	other.exec_id++;
	assert_false(mapping_set__overlaps(&other, 0x10000, 0x12000));
	other = key;
	other.start_ns++;
	assert_false(mapping_set__overlaps(&other, 0x10000, 0x12000));
	other = key;
	other.tgid++;
	assert_false(mapping_set__overlaps(&other, 0x10000, 0x12000));
	((struct mapping_entry *)mappings.values)[FIRST].start = SET + 1;
	assert_false(mapping_set__overlaps(&key, 0x10000, 0x12000));
}

static void a_process_without_mappings_overlaps_nothing(void **state)
{
	struct process_entry entry = {.key = key, .set_id = SET, .set_first = FIRST};

	(void)state;
	shim__put(&processes, &key.tgid, &entry);
	assert_false(mapping_set__overlaps(&key, 0x0, 0x100000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_place_over_a_known_mapping_overlaps, setup, teardown),
		cmocka_unit_test_setup_teardown(a_place_between_known_mappings_does_not, setup, teardown),
		cmocka_unit_test_setup_teardown(another_incarnation_or_a_set_that_was_replaced_is_not_asked,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_process_without_mappings_overlaps_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
