/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/folder.h"
#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/symbolize/jit_maps.h"

struct fixture {
	char root[FOLDER_MAX]; /* stands for /proc, and for the root of every process */
	int root_fd;
	uint64_t now_ns;
	struct jit_maps *maps;
};

static void make(struct fixture *f, uint32_t max_processes)
{
	const struct jit_maps_opts opts = {
		.proc_root = f->root,
		.max_processes = max_processes,
		.map_bytes = 1u << 20,
		.refresh_ns = NS_PER_SEC,
	};

	jit_maps__free(f->maps);
	f->maps = jit_maps__new(&opts);
	assert_non_null(f->maps);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f || folder__make(f->root))
		return -1;
	f->root_fd = open(f->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	f->now_ns = 1000 * NS_PER_SEC;
	make(f, 32);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	int err;

	jit_maps__free(f->maps);
	close(f->root_fd);
	err = folder__remove(f->root);
	free(f);
	return err;
}

static void write_file(const struct fixture *f, const char *name, const char *text, const char *mode)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->root, name);
	file = fopen(path, mode);
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* The name, "" where there is none; ret_start may be NULL. */
static const char *name_at(struct fixture *f, const struct jit_process *p, uint64_t addr, uint64_t *ret_start)
{
	struct perf_map_entry e;

	if (jit_maps__find(f->maps, p, f->now_ns, addr, &e))
		return "";
	if (ret_start)
		*ret_start = e.start;
	return e.name;
}

static void jit_code_is_named_by_the_map_of_its_process(void **state)
{
	struct fixture *f = *state;
	struct jit_process p = {.pid = 77, .ns_pid = 5, .start_time = 123, .root_fd = f->root_fd};
	struct jit_maps_stats stats;
	char text[128];
	uint64_t start;

	snprintf(text, sizeof(text), "%s/tmp", f->root);
	assert_int_equal(mkdir(text, 0755), 0);
	snprintf(text, sizeof(text), "%s/77", f->root);
	assert_int_equal(mkdir(text, 0755), 0);
	snprintf(text, sizeof(text), "Name:\tnode\nUid:\t0\t%u\t0\t0\n", getuid());
	write_file(f, "77/status", text, "w");
	assert_string_equal(name_at(f, &p, 0x1000, NULL), "");
	write_file(f, "tmp/perf-5.map", "1000 10 JS:*fib /app/fib.js:3\n", "w");
	assert_string_equal(name_at(f, &p, 0x1000, NULL), ""); /* too soon */
	f->now_ns += 2 * NS_PER_SEC;
	assert_string_equal(name_at(f, &p, 0x1008, &start), "JS:*fib /app/fib.js:3");
	assert_int_equal(start, 0x1000);

	/* other code at the same address: seen when the map is old */
	write_file(f, "tmp/perf-5.map", "1000 10 JS:*other\n", "a");
	assert_string_equal(name_at(f, &p, 0x1008, NULL), "JS:*fib /app/fib.js:3");
	f->now_ns += (JIT_MAPS_STALE + 1) * NS_PER_SEC;
	assert_string_equal(name_at(f, &p, 0x1008, NULL), "JS:*other");

	/* gone, but what it wrote is known; another incarnation of the pid starts from nothing */
	p.root_fd = FD_CLOSED;
	f->now_ns += 60 * NS_PER_SEC;
	assert_string_equal(name_at(f, &p, 0x1008, NULL), "JS:*other");
	p.start_time++;
	assert_string_equal(name_at(f, &p, 0x1008, NULL), "");
	jit_maps__stats(f->maps, &stats);
	assert_int_equal(stats.n_processes, 2);
	assert_int_equal(stats.n_refreshes, 3);
	assert_int_equal(stats.n_refused, 0);
}

static void jit_processes_are_bounded(void **state)
{
	struct fixture *f = *state;
	struct jit_maps_stats stats;

	make(f, 4);
	for (int pid = 1; pid <= 10; pid++) {
		const struct jit_process p = {
			.pid = pid, .ns_pid = pid, .start_time = 1, .root_fd = f->root_fd};

		f->now_ns += NS_PER_MS;
		assert_string_equal(name_at(f, &p, 0x1000, NULL), "");
	}
	jit_maps__stats(f->maps, &stats);
	assert_int_equal(stats.n_processes, 4);
	assert_int_equal(stats.n_evicted, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(jit_code_is_named_by_the_map_of_its_process, setup, teardown),
		cmocka_unit_test_setup_teardown(jit_processes_are_bounded, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
