/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/pipeline/window.h"
#include "tests/unit/process/fixture.h"

#include <fcntl.h>
#include <unistd.h>

#include "user/pipeline/collector_impl.h"

static void mark(struct collector *c, uint32_t tgid, uint32_t exec_id)
{
	struct process p = {.key = key_of(tgid)};

	p.key.exec_id = exec_id;
	collector__mark_dirty(c, &p);
}

static void each_process_of_a_batch_is_pushed_and_one_in_a_row_once(void **state)
{
	const struct {
		uint32_t tgid, exec_id;
	} wanted[] = {{7, 1}, {8, 1}, {8, 2}, {7, 1}};
	struct collector *c = calloc(1, sizeof(*c));

	(void)state;
	assert_non_null(c);
	mark(c, 7, 1);
	mark(c, 7, 1);
	mark(c, 8, 1);
	mark(c, 8, 2); /* an exec makes another program of it */
	mark(c, 8, 2);
	mark(c, 7, 1);
	assert_int_equal(c->n_dirty, 4);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(c->dirty[i].key.tgid, wanted[i].tgid);
		assert_int_equal(c->dirty[i].key.exec_id, wanted[i].exec_id);
	}
	free(c->dirty);
	free(c);
}

static void batch_grows_with_its_processes(void **state)
{
	struct collector *c = calloc(1, sizeof(*c));

	(void)state;
	assert_non_null(c);
	for (uint32_t tgid = 1; tgid <= 1000; tgid++)
		mark(c, tgid, 1);
	assert_int_equal(c->n_dirty, 1000);
	assert_int_equal(c->dirty[999].key.tgid, 1000);
	free(c->dirty);
	free(c);
}

/* Of pids that no process has: what is learnt of them is that they are gone. */
static void no_more_processes_are_read_than_a_slice_may(void **state)
{
	struct process_table_opts opts = {.proc_root_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC)};
	struct collector *c = calloc(1, sizeof(*c));
	struct task_key keys[3];

	(void)state;
	assert_non_null(c);
	assert_int_equal(process_table__new(&opts, &c->processes), 0);
	c->scans_left = 2;
	for (uint32_t i = 0; i < 3; i++)
		keys[i] = key_of(0x40000000 + i);
	assert_non_null(collector__process(c, &keys[0]));
	assert_non_null(collector__process(c, &keys[1]));
	assert_null(collector__process(c, &keys[2]));
	assert_non_null(collector__process(c, &keys[0])); /* known */
	assert_int_equal(c->scans_left, 0);
	c->scans_left = 1;
	assert_non_null(collector__process(c, &keys[2])); /* with its next sample */
	process_table__free(c->processes);
	close(opts.proc_root_fd);
	free(c);
}

/* Those whose turn it is, one after the other, as long as the time lasts: none here. */
static void a_rescan_goes_on_where_the_last_one_stopped(void **state)
{
	struct collector *c = calloc(1, sizeof(*c));
	struct process_table_opts opts = {0};
	struct process_table_stats stats;
	struct fixture_tree proc;
	struct process *p[3];

	(void)state;
	assert_non_null(c);
	fixture__open(&proc);
	opts.proc_root_fd = proc.fd;
	assert_int_equal(process_table__new(&opts, &c->processes), 0);
	for (uint32_t i = 0; i < 3; i++) {
		struct task_key key = key_of(7 + i);

		fixture__process(&proc, key.tgid, "mad", key.start_ns * 100 / NS_PER_SEC, 0, "");
		assert_int_equal(process_table__scan_one(c->processes, SECOND(1), &key, &p[i]), 0);
		p[i]->flags |= PROCESS_STALE;
	}
	for (uint32_t i = 0; i < 3; i++) {
		collector__rescan_stale(c, 0);
		process_table__stats(c->processes, &stats);
		assert_int_equal(stats.n_rescans, i + 1);
	}
	for (uint32_t i = 0; i < 3; i++) {
		assert_false(p[i]->flags & PROCESS_STALE);
		p[i]->flags |= PROCESS_STALE;
		p[i]->rescan_at_ns = 0;
	}
	collector__rescan_stale(c, 0); /* the rest: nobody is left */
	collector__rescan_stale(c, SECOND(600));
	process_table__stats(c->processes, &stats);
	assert_int_equal(stats.n_rescans, 6);
	process_table__free(c->processes);
	fixture__close(&proc);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_process_of_a_batch_is_pushed_and_one_in_a_row_once),
		cmocka_unit_test(batch_grows_with_its_processes),
		cmocka_unit_test(no_more_processes_are_read_than_a_slice_may),
		cmocka_unit_test(a_rescan_goes_on_where_the_last_one_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
