// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <bpf/libbpf.h>

#include "bpf/walk.h"
#include "tests/unit/kernel/bpf_here.h"
#include "user/kernel/losses.h"

static void every_loss_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < LOSS_MAX; i++) {
		assert_true(strlen(loss__name((enum loss)i)) > 0);
		assert_true(strlen(loss__text((enum loss)i)) > 0);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(loss__name((enum loss)i), loss__name((enum loss)j));
	}
	assert_string_equal(loss__name(LOSS_COUNT_FULL), "count_full");
	assert_string_equal(loss__name(LOSS_MAX), "unknown");
	assert_string_equal(loss__text((enum loss)12345), "unknown");
}

static void every_end_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < END_MAX; i++)
		for (int j = 0; j < i; j++)
			assert_string_not_equal(end_reason__name((enum end_reason)i),
						end_reason__name((enum end_reason)j));
	assert_string_equal(end_reason__name(END_STACK_COPY), "stack_copy");
	assert_string_equal(end_reason__name(END_MAX), "unknown");
}

/* The list says it for user space, bpf/walk.h once more for the kernel, where a table would cost a load. */
static void both_sides_agree_on_which_ends_are_complete(void **state)
{
	(void)state;
	for (int i = 0; i < END_MAX; i++)
		assert_int_equal(end_reason__is_complete((enum end_reason)i) != 0,
				 end_is_complete((__u8)i) != 0);
	assert_true(end_reason__is_complete(END_END_MARK));
	assert_true(end_reason__is_complete(END_KERNEL_THREAD));
	assert_false(end_reason__is_complete(END_FP_ZERO));
	assert_false(end_reason__is_complete(END_NOT_COVERED));
	assert_false(end_reason__is_complete(END_DEPTH));
	assert_false(end_reason__is_complete(END_MAX));
}

static void what_was_lost_since_is_the_difference(void **state)
{
	struct losses before = {0}, now = {0}, since;

	(void)state;
	before.n[LOSS_DEFER_RATE] = 10;
	now.n[LOSS_DEFER_RATE] = 17;
	now.n[LOSS_SIDEBAND] = 1;
	losses__since(&now, &before, &since);
	assert_int_equal(since.n[LOSS_DEFER_RATE], 7);
	assert_int_equal(since.n[LOSS_SIDEBAND], 1);
	assert_int_equal(since.n[LOSS_COUNT_FULL], 0);
}

static void counters_of_all_cpus_are_added_up(void **state)
{
	int fd =
		bpf_here__map(BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(uint32_t), sizeof(uint64_t), LOSS_KEYS, NULL);
	int n_cpus = libbpf_num_possible_cpus();
	uint64_t *per_cpu = calloc((size_t)n_cpus, sizeof(*per_cpu)), want = 0;
	uint32_t key = EVENT_OFFCPU * LOSS_MAX + LOSS_LATE_TICKS;
	struct losses losses[EVENT_N + 1];

	(void)state;
	assert_non_null(per_cpu);
	for (int i = 0; i < n_cpus; i++)
		want += per_cpu[i] = 1000 + (uint64_t)i;
	assert_int_equal(bpf_map_update_elem(fd, &key, per_cpu, BPF_ANY), 0);
	assert_int_equal(losses__read(fd, losses), 0);
	for (int ev = 0; ev <= EVENT_N; ev++)
		for (int i = 0; i < LOSS_MAX; i++)
			assert_int_equal(losses[ev].n[i],
					 ev == EVENT_OFFCPU && i == LOSS_LATE_TICKS ? want : 0);
	free(per_cpu);
	close(fd);
}

static void a_map_that_is_not_there_is_an_error_and_sets_nothing(void **state)
{
	struct losses losses[EVENT_N + 1];

	(void)state;
	memset(losses, 0x5a, sizeof(losses));
	assert_true(losses__read(-1, losses) < 0);
	assert_int_equal(losses[EVENT_N].n[0], 0x5a5a5a5a5a5a5a5aull);
}

static void what_could_not_be_read_is_taken_the_next_time(void **state)
{
	int fd =
		bpf_here__map(BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(uint32_t), sizeof(uint64_t), LOSS_KEYS, NULL);
	struct losses losses[EVENT_N + 1];
	uint32_t has_lost = 1;

	(void)state;
	assert_true(losses__take(-1, &has_lost, losses) < 0);
	assert_int_equal(has_lost, 1);
	assert_int_equal(losses__take(fd, &has_lost, losses), 0);
	assert_int_equal(has_lost, 0);
	assert_int_equal(losses__take(fd, &has_lost, losses), 1);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_loss_has_a_name_of_its_own),
		cmocka_unit_test(every_end_has_a_name_of_its_own),
		cmocka_unit_test(both_sides_agree_on_which_ends_are_complete),
		cmocka_unit_test(what_was_lost_since_is_the_difference),
		cmocka_unit_test(counters_of_all_cpus_are_added_up),
		cmocka_unit_test(a_map_that_is_not_there_is_an_error_and_sets_nothing),
		cmocka_unit_test(what_could_not_be_read_is_taken_the_next_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
