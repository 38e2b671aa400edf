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

static void make(struct fixture *f, uint32_t max_processes, size_t total_bytes, uint64_t refresh_ns)
{
	const struct jit_maps_opts opts = {
		.proc_root = f->root,
		.max_processes = max_processes,
		.map_bytes = 1u << 20,
		.total_bytes = total_bytes,
		.refresh_ns = refresh_ns,
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
	make(f, 32, 0, NS_PER_SEC);
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

/* Folders, and the state of process 77; others of that pid are other incarnations. */
static void make_process(const struct fixture *f)
{
	char text[128];

	snprintf(text, sizeof(text), "%s/tmp", f->root);
	assert_int_equal(mkdir(text, 0755), 0);
	snprintf(text, sizeof(text), "%s/77", f->root);
	assert_int_equal(mkdir(text, 0755), 0);
	snprintf(text, sizeof(text), "Name:\tnode\nUid:\t0\t%u\t0\t0\n", getuid());
	write_file(f, "77/status", text, "w");
}

#define FIRST 0x100000u
#define LAST  (FIRST + 1999 * 16)

/* The map of the process that is number `ns_pid` in its namespace. */
static void write_functions(const struct fixture *f, int ns_pid, unsigned int n)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/tmp/perf-%d.map", f->root, ns_pid);
	file = fopen(path, "w");
	assert_non_null(file);
	for (unsigned int i = 0; i < n; i++)
		fprintf(file, "%x 10 function_%u_of_process_%d\n", FIRST + i * 16, i, ns_pid);
	assert_int_equal(fclose(file), 0);
}

static struct jit_process process_of(const struct fixture *f, int ns_pid)
{
	return (struct jit_process){
		.pid = 77, .ns_pid = ns_pid, .start_time = (uint64_t)ns_pid, .root_fd = f->root_fd};
}

static struct jit_maps_stats stats_of(const struct fixture *f)
{
	struct jit_maps_stats stats;

	jit_maps__stats(f->maps, &stats);
	return stats;
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
	uint64_t start;

	make_process(f);
	assert_string_equal(name_at(f, &p, 0x1000, NULL), "");
	write_file(f, "tmp/perf-5.map", "1000 10 JS:*fib /app/fib.js:3\n", "w");
	assert_string_equal(name_at(f, &p, 0x1000, NULL), ""); /* too soon */
	f->now_ns += 3600 * NS_PER_SEC;
	assert_string_equal(name_at(f, &p, 0x1008, &start), "JS:*fib /app/fib.js:3");
	assert_int_equal(start, 0x1000);

	/* other code at the same address: seen when the map is old */
	write_file(f, "tmp/perf-5.map", "1000 10 JS:*other\n", "a");
	assert_string_equal(name_at(f, &p, 0x1008, NULL), "JS:*fib /app/fib.js:3");
	f->now_ns += 3600 * NS_PER_SEC;
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

	make(f, 4, 0, NS_PER_SEC);
	for (int pid = 1; pid <= 10; pid++) {
		const struct jit_process p = {
			.pid = pid, .ns_pid = pid, .start_time = 1, .root_fd = f->root_fd};

		f->now_ns += 3600 * NS_PER_SEC;
		assert_string_equal(name_at(f, &p, 0x1000, NULL), "");
	}
	jit_maps__stats(f->maps, &stats);
	assert_int_equal(stats.n_processes, 4);
	assert_int_equal(stats.n_evicted, 6);
}

/* A file may be as large as its process likes, and another one each time. */
static void a_look_is_paid_for_before_the_next_one(void **state)
{
	struct fixture *f = *state;
	const struct jit_process p = process_of(f, 1);

	make_process(f);
	make(f, 4, 0, 1);
	write_functions(f, 1, 2000);
	assert_string_equal(name_at(f, &p, LAST, NULL), "function_1999_of_process_1");
	f->now_ns += 100; /* far less than 50 times what it took; more than JIT_MAPS_STALE times refresh_ns */
	assert_string_equal(name_at(f, &p, LAST, NULL), "function_1999_of_process_1");
	assert_string_equal(name_at(f, &p, 0x1000, NULL), "");
	assert_int_equal(stats_of(f).n_refreshes, 1);
	f->now_ns += 3600 * NS_PER_SEC;
	assert_string_equal(name_at(f, &p, 0x1000, NULL), "");
	assert_int_equal(stats_of(f).n_refreshes, 2);
}

static void a_process_takes_no_place_whose_look_is_not_paid_for(void **state)
{
	struct fixture *f = *state;
	const struct jit_process p = process_of(f, 1), other = process_of(f, 2);

	make_process(f);
	make(f, 1, 0, NS_PER_SEC);
	write_functions(f, 1, 2000);
	write_functions(f, 2, 2000);
	for (int i = 0; i < 100; i++) {
		assert_string_equal(name_at(f, &p, FIRST, NULL), "function_0_of_process_1");
		assert_string_equal(name_at(f, &other, FIRST, NULL), "");
	}
	assert_int_equal(stats_of(f).n_refreshes, 1);
	f->now_ns += 3600 * NS_PER_SEC;
	assert_string_equal(name_at(f, &other, FIRST, NULL), "function_0_of_process_2");
	assert_int_equal(stats_of(f).n_evicted, 1);
}

static void looks_at_many_processes_end(void **state)
{
	enum { N = 2000 };
	struct fixture *f = *state;

	make_process(f);
	make(f, N, 1 << 20, NS_PER_SEC);
	write_functions(f, 1, 20000);
	for (int i = 0; i < N; i++) {
		struct jit_process p = process_of(f, 1);

		p.start_time += (uint64_t)i;
		name_at(f, &p, FIRST, NULL);
	}
	assert_in_range(stats_of(f).n_refreshes, 1, N / 2);
}

/* All of them are asked for: none is read again for the others' sake, and of each the newest code has names. */
static void maps_share_the_limit_of_all(void **state)
{
	struct fixture *f = *state;
	struct jit_maps_stats stats;
	char want[64];

	make_process(f);
	make(f, 4, 300 << 10, 3600 * NS_PER_SEC); /* each takes more than 110 KiB */
	for (int i = 1; i <= 3; i++)
		write_functions(f, i, 2000);
	for (int round = 0; round < 100; round++) {
		for (int i = 1; i <= 3; i++) {
			const struct jit_process p = process_of(f, i);

			snprintf(want, sizeof(want), "function_1999_of_process_%d", i);
			assert_string_equal(name_at(f, &p, LAST, NULL), want);
			name_at(f, &p, FIRST, NULL);
			f->now_ns +=
				round ? NS_PER_MS : 60 * NS_PER_SEC; /* until the first looks are paid for */
		}
	}
	stats = stats_of(f);
	assert_int_equal(stats.n_refreshes, 3);
	assert_int_equal(stats.n_processes, 3);
	assert_in_range(stats.n_cut, 1, 10);
	assert_true(stats.bytes < (300 << 10) + 4096);
}

static void a_map_that_nobody_asks_for_makes_room(void **state)
{
	struct fixture *f = *state;
	const struct jit_process p = process_of(f, 1), other = process_of(f, 2);

	make_process(f);
	make(f, 4, 200 << 10, NS_PER_SEC);
	write_functions(f, 1, 2000);
	write_functions(f, 2, 2000);
	assert_string_equal(name_at(f, &p, FIRST, NULL), "function_0_of_process_1");
	f->now_ns += 3600 * NS_PER_SEC;
	assert_string_equal(name_at(f, &other, FIRST, NULL), "function_0_of_process_2");
	f->now_ns += 3600 * NS_PER_SEC;
	assert_string_equal(name_at(f, &p, FIRST, NULL), "function_0_of_process_1"); /* read again */
	assert_int_equal(stats_of(f).n_cut, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(jit_code_is_named_by_the_map_of_its_process, setup, teardown),
		cmocka_unit_test_setup_teardown(jit_processes_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(a_look_is_paid_for_before_the_next_one, setup, teardown),
		cmocka_unit_test_setup_teardown(a_process_takes_no_place_whose_look_is_not_paid_for, setup,
						teardown),
		cmocka_unit_test_setup_teardown(looks_at_many_processes_end, setup, teardown),
		cmocka_unit_test_setup_teardown(maps_share_the_limit_of_all, setup, teardown),
		cmocka_unit_test_setup_teardown(a_map_that_nobody_asks_for_makes_room, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
