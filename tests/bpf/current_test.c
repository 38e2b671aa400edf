// SPDX-License-Identifier: Apache-2.0
/* What is remembered of the process of the last walk, and when it is asked for again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/bpf/shim.h"

#include "bpf/current.bpf.h"
#include "bpf/mapping.bpf.h"

#define SET 77

static const struct task_key key = {.start_ns = 11, .tgid = 42, .exec_id = 3};

static void put_process(__u32 first, __u64 set)
{
	struct process_entry entry = {.key = key, .set_id = set, .set_first = first, .set_count = 1};
	struct mapping_entry *m = (struct mapping_entry *)mappings.values + first;

	m[0] = (struct mapping_entry){.start = set};
	m[1] = (struct mapping_entry){.start = 0x10000 * set, .pages = 1, .object = (__u32)set};
	shim__put(&processes, &key.tgid, &entry);
}

static void put_verdict(__u32 verdict)
{
	struct target t = {.start_ns = key.start_ns, .verdict = verdict};

	shim__put(&targets, &key.tgid, &t);
}

static int setup(void **state)
{
	(void)state;
	gate = (struct gate){0};
	shim__open(&processes, SHIM_HASH, sizeof(__u32), sizeof(struct process_entry), 16);
	shim__open(&targets, SHIM_HASH, sizeof(__u32), sizeof(struct target), 16);
	shim__open(&mappings, SHIM_ARRAY, 4, sizeof(struct mapping_entry), 64);
	put_process(3, SET);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	shim__close(&processes);
	shim__close(&targets);
	shim__close(&mappings);
	return 0;
}

static void the_second_walk_of_a_process_asks_no_table(void **state)
{
	struct walk w = {0};
	__u64 before;

	(void)state;
	assert_true(current__wanted(&w, &key));
	assert_true(mapping__begin(&w));
	assert_int_equal(unwind_find_mapping(&w, 0x10000 * SET), 0);
	before = processes.n_lookups + targets.n_lookups;
	assert_true(current__wanted(&w, &key));
	assert_true(mapping__begin(&w));
	assert_int_equal(processes.n_lookups + targets.n_lookups, before);
	assert_int_equal(w.mapping.object, SET); /* kept, too */
}

static void a_change_by_the_collector_is_seen_once_it_is_counted(void **state)
{
	struct walk w = {0};

	(void)state;
	assert_true(current__wanted(&w, &key));
	assert_true(mapping__begin(&w));
	assert_int_equal(unwind_find_mapping(&w, 0x10000 * SET), 0);
	put_process(10, SET + 1);
	gate.n_changes++;
	assert_true(current__wanted(&w, &key));
	assert_true(mapping__begin(&w));
	assert_int_equal(w.set_first, 11);
	assert_int_equal(w.mapping.end, 0); /* that was the old set's */
	assert_int_equal(unwind_find_mapping(&w, 0x10000 * SET), END_NO_MAPPING);
	assert_int_equal(unwind_find_mapping(&w, 0x10000 * (SET + 1)), 0);
}

static void what_the_kernel_takes_back_is_not_believed_any_more(void **state)
{
	struct walk w = {0};

	(void)state;
	assert_true(current__wanted(&w, &key));
	assert_true(mapping__begin(&w));
	processes.n = 0; /* as process_gone does it */
	gate.n_gone++;
	assert_true(current__wanted(&w, &key));
	assert_false(mapping__begin(&w));
	assert_int_equal(unwind_find_mapping(&w, 0x10000 * SET), END_NO_PROCESS);
}

static void a_run_that_was_given_to_another_set_is_not_believed_even_if_remembered(void **state)
{
	struct walk w = {0};

	(void)state;
	assert_true(current__wanted(&w, &key));
	assert_true(mapping__begin(&w));
	assert_int_equal(unwind_find_mapping(&w, 0x10000 * SET), 0);
	((struct mapping_entry *)mappings.values)[3].start = 0;
	assert_true(current__wanted(&w, &key));
	assert_false(mapping__begin(&w));
	assert_int_equal(w.mapping.end, 0);
}

/* A walk may take longer than a run that was given back is left alone. */
static void a_run_that_was_written_while_it_was_walked_by_is_not_kept(void **state)
{
	struct mapping_entry *run = (struct mapping_entry *)mappings.values + 3;
	struct walk w = {0};

	(void)state;
	assert_true(current__wanted(&w, &key));
	assert_true(mapping__begin(&w));
	assert_true(mapping__kept(&w));
	run->start = MAPPING_SET_GIVEN_BACK(SET); /* and all still there */
	assert_true(mapping__kept(&w));
	run->start = 0; /* another set's, which is just being written */
	assert_false(mapping__kept(&w));
	run->start = MAPPING_SET_GIVEN_BACK(SET + 1); /* which was given back, too */
	assert_false(mapping__kept(&w));
	run->start = SET + 1;
	assert_false(mapping__kept(&w));
	run->start = 0x7f0000000000; /* in the midst of another */
	assert_false(mapping__kept(&w));
	/* who had no set has lost none */
	processes.n = 0;
	gate.n_changes++;
	assert_true(current__wanted(&w, &key));
	assert_false(mapping__begin(&w));
	assert_true(mapping__kept(&w));
}

static void another_incarnation_is_asked_for(void **state)
{
	struct task_key other = key;
	struct walk w = {0};

	(void)state;
	put_verdict(TARGET_EXCLUDE);
	assert_false(current__wanted(&w, &key));
	other.start_ns++; /* the pid was used again: not excluded */
	assert_true(current__wanted(&w, &other));
	assert_false(mapping__begin(&w));
	other = key;
	other.exec_id++; /* another program of the same process: excluded still, its mappings not known */
	assert_false(current__wanted(&w, &other));
	assert_false(mapping__begin(&w));
	assert_false(current__wanted(&w, &key));
	assert_true(mapping__begin(&w));
}

static void the_verdict_goes_by_the_filter(void **state)
{
	struct walk w = {0};

	(void)state;
	assert_true(current__wanted(&w, &key)); /* without a verdict */
	gate.filter = 1;
	assert_false(current__wanted(&w, &key));
	put_verdict(TARGET_INCLUDE);
	assert_false(current__wanted(&w, &key)); /* not counted yet */
	gate.n_changes++;
	assert_true(current__wanted(&w, &key));
	gate.filter = 0;
	assert_true(current__wanted(&w, &key));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_second_walk_of_a_process_asks_no_table),
		TEST(a_change_by_the_collector_is_seen_once_it_is_counted),
		TEST(what_the_kernel_takes_back_is_not_believed_any_more),
		TEST(a_run_that_was_given_to_another_set_is_not_believed_even_if_remembered),
		TEST(a_run_that_was_written_while_it_was_walked_by_is_not_kept),
		TEST(another_incarnation_is_asked_for),
		TEST(the_verdict_goes_by_the_filter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
