// SPDX-License-Identifier: Apache-2.0
/* What a pass tells of waits for a CPU. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <cmocka.h>

#include "tests/unit/kernel/bpf_here.h"
#include "user/kernel/run_queue.h"
#include "user/pipeline/pass_queues.h"

#define MS 1000000ull

static int new_map(uint32_t n)
{
	return bpf_here__map(BPF_MAP_TYPE_HASH, sizeof(uint64_t), sizeof(struct run_queue), n, NULL);
}

static struct run_queue of_group(int fd, uint64_t id)
{
	struct run_queue r;

	assert_int_equal(bpf_map_lookup_elem(fd, &id, &r), 0);
	return r;
}

static void each_wait_of_a_thread_has_their_mean(void **state)
{
	int fd = new_map(RUN_QUEUE_GROUPS);
	struct run_queue one, two;
	struct pass_queues q;

	(void)state;
	pass_queues__init(&q);
	for (int pass = 0; pass < 2; pass++) {
		pass_queues__note(&q, 1, 30 * MS, 10); /* ten of 3 ms */
		pass_queues__note(&q, 1, 0, 5);        /* five that found the CPU free */
		pass_queues__note(&q, 2, 900 * MS, 0); /* one that goes on */
		pass_queues__note(&q, 3, 0, 0);        /* slept */
		pass_queues__flush(&q, fd);
	}
	one = of_group(fd, 1);
	two = of_group(fd, 2);
	assert_int_equal(run_queue__count(&one), 30);
	assert_int_equal(one.n[0], 10);
	assert_int_equal(run_queue__quantile_ns(&one, 0.95), 4096ull << 10);
	assert_int_equal(run_queue__count(&two), 2);
	assert_int_equal(run_queue__quantile_ns(&two, 0.5), 1024ull << 20);
	assert_int_not_equal(bpf_map_lookup_elem(fd, &(uint64_t){3}, &one), 0);
	assert_int_equal(run_queue__count(&q.all), 32);
	pass_queues__done(&q);
	close(fd);
}

static void groups_beyond_the_limit_count_for_the_machine(void **state)
{
	int fd = new_map(2 * RUN_QUEUE_GROUPS);
	struct pass_queues q;
	struct run_queue r;

	(void)state;
	pass_queues__init(&q);
	for (uint64_t id = 1; id <= RUN_QUEUE_GROUPS + 3; id++)
		pass_queues__note(&q, id, MS, 1);
	pass_queues__flush(&q, fd);
	assert_int_equal(run_queue__count(&q.all), RUN_QUEUE_GROUPS + 3);
	assert_int_not_equal(bpf_map_lookup_elem(fd, &(uint64_t){RUN_QUEUE_GROUPS + 1}, &r), 0);
	pass_queues__note(&q, RUN_QUEUE_GROUPS + 1, MS, 1); /* the next pass has room again */
	pass_queues__flush(&q, fd);
	r = of_group(fd, RUN_QUEUE_GROUPS + 1);
	assert_int_equal(run_queue__count(&r), 1);
	pass_queues__done(&q);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_wait_of_a_thread_has_their_mean),
		cmocka_unit_test(groups_beyond_the_limit_count_for_the_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
