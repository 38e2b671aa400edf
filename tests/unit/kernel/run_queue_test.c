// SPDX-License-Identifier: Apache-2.0
/* Quantiles of waits for a CPU, and the control groups that they are told by. */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <bpf/bpf.h>

#include "tests/unit/kernel/bpf_here.h"
#include "user/kernel/run_queue.h"

static void quantile_is_the_end_of_its_bucket(void **state)
{
	struct run_queue r = {.n = {[0] = 50, [3] = 45, [10] = 4, [20] = 1}};
	const struct run_queue none = {};

	(void)state;
	assert_int_equal(run_queue__count(&r), 100);
	assert_int_equal(run_queue__quantile_ns(&r, 0.5), 1024);
	assert_int_equal(run_queue__quantile_ns(&r, 0.51), 1024 << 3);
	assert_int_equal(run_queue__quantile_ns(&r, 0.95), 1024 << 3);
	assert_int_equal(run_queue__quantile_ns(&r, 0.99), 1024 << 10);
	assert_int_equal(run_queue__quantile_ns(&r, 1), 1024 << 20);
	assert_int_equal(run_queue__quantile_ns(&none, 0.5), 0);
}

static void a_wait_is_below_the_end_of_its_bucket(void **state)
{
	struct run_queue r = {};

	(void)state;
	run_queue__note(&r, 0, 1);
	run_queue__note(&r, 1023, 1);
	assert_int_equal(r.n[0], 2);
	run_queue__note(&r, 1024, 3);
	assert_int_equal(r.n[1], 3);
	run_queue__note(&r, 3000000, 5);
	assert_int_equal(run_queue__quantile_ns(&r, 1), 4096 << 10);
	run_queue__note(&r, UINT64_MAX, 1);
	assert_int_equal(r.n[RUN_QUEUE_BUCKETS - 1], 1);
}

static void what_is_added_stands_beside_what_was_there(void **state)
{
	int fd = bpf_here__map(BPF_MAP_TYPE_HASH, sizeof(uint64_t), sizeof(struct run_queue), 1, NULL);
	struct run_queue r = {.n = {[2] = 7}}, more = {.n = {[2] = 1, [9] = 4}};
	uint64_t id = 5;

	(void)state;
	run_queues__add(fd, id, &r);
	run_queues__add(fd, id, &more);
	run_queues__add(fd, id + 1, &more); /* no room: nothing is lost of the other */
	assert_int_equal(bpf_map_lookup_elem(fd, &id, &r), 0);
	assert_int_equal(r.n[2], 8);
	assert_int_equal(r.n[9], 4);
	close(fd);
}

struct seen {
	char path[256];
	uint64_t n;
	int calls;
};

static void on_group(const char *path, const struct run_queue *r, void *ctx)
{
	struct seen *s = ctx;

	snprintf(s->path, sizeof(s->path), "%s", path);
	s->n = run_queue__count(r);
	s->calls++;
}

static void groups_have_their_paths_and_dead_ones_go(void **state)
{
	int fd = bpf_here__map(BPF_MAP_TYPE_HASH, sizeof(uint64_t), sizeof(struct run_queue), 8, NULL);
	char root[] = "/tmp/everprof-cgroup.XXXXXX", path[64];
	struct run_queue r = {.n = {[2] = 7}};
	struct seen seen = {};
	uint64_t id, dead;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(root));
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(mount("none", root, "cgroup2", 0, NULL), 0);
	snprintf(path, sizeof(path), "%s/everprof-test-%d", root, (int)getpid());
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(stat(path, &st), 0);
	id = st.st_ino;
	assert_int_equal(bpf_map_update_elem(fd, &id, &r, BPF_ANY), 0);
	assert_int_equal(run_queues__read(fd, root, on_group, &seen), 0);
	assert_int_equal(seen.calls, 1);
	assert_string_equal(seen.path, path + strlen(root));
	assert_int_equal(seen.n, 7);

	dead = id;
	assert_int_equal(rmdir(path), 0);
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(run_queues__read(fd, root, on_group, &seen), 0);
	assert_int_equal(seen.calls, 0);
	assert_int_not_equal(bpf_map_lookup_elem(fd, &dead, &r), 0);
	umount2(root, MNT_DETACH);
	rmdir(root);
	close(fd);
}

static void root_that_is_not_there_is_an_error(void **state)
{
	struct seen seen = {};

	(void)state;
	assert_true(run_queues__read(-1, "/nonexistent", on_group, &seen) < 0);
	assert_int_equal(seen.calls, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantile_is_the_end_of_its_bucket),
		cmocka_unit_test(a_wait_is_below_the_end_of_its_bucket),
		cmocka_unit_test(what_is_added_stands_beside_what_was_there),
		cmocka_unit_test(groups_have_their_paths_and_dead_ones_go),
		cmocka_unit_test(root_that_is_not_there_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
