/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/folder.h"
#include "user/runtime/perf_map.h"

/* A process's root folder with /tmp inside, as perf_map sees it. */
struct fixture {
	char root[FOLDER_MAX];
	int root_fd;
	struct perf_map *map;
};

static void path_in_root(const struct fixture *f, const char *name, char *out, size_t cap)
{
	snprintf(out, cap, "%s/%s", f->root, name);
}

static void write_map(const struct fixture *f, const char *text, const char *mode)
{
	char path[128];
	FILE *file;

	path_in_root(f, "tmp/perf-42.map", path, sizeof(path));
	file = fopen(path, mode);
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* `n` lines from 0x100000 on, 16 bytes of code each. */
static void write_functions(const struct fixture *f, int n, const char *name)
{
	char path[128];
	FILE *file;

	path_in_root(f, "tmp/perf-42.map", path, sizeof(path));
	file = fopen(path, "w");
	assert_non_null(file);
	for (int i = 0; i < n; i++)
		fprintf(file, "%x 10 %s%d\n", 0x100000 + i * 16, name, i);
	assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[128];

	if (folder__make(f->root))
		return -1;
	path_in_root(f, "tmp", path, sizeof(path));
	if (mkdir(path, 0755))
		return -1;
	f->root_fd = open(f->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	f->map = perf_map__new(NULL);
	*state = f;
	return f->root_fd < 0 || !f->map;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	perf_map__free(f->map);
	close(f->root_fd);
	if (folder__remove(f->root))
		return -1;
	free(f);
	return 0;
}

static bool refresh(struct fixture *f)
{
	bool changed = false;

	assert_int_equal(perf_map__refresh(f->map, NULL, f->root_fd, 42, getuid(), &changed), 0);
	return changed;
}

static void assert_name(const struct fixture *f, uint64_t addr, const char *name)
{
	struct perf_map_entry e;
	int err = perf_map__find(f->map, addr, &e);

	if (!name) {
		assert_int_equal(err, -ENOENT);
		return;
	}
	assert_int_equal(err, 0);
	assert_string_equal(e.name, name);
	assert_int_equal(e.name_len, strlen(name));
}

static void assert_line(const char *line, uint64_t start, uint64_t size, const char *name)
{
	struct perf_map_entry e;

	assert_int_equal(perf_map__parse_line(line, strlen(line), &e), 0);
	assert_int_equal(e.start, start);
	assert_int_equal(e.size, size);
	assert_int_equal(e.name_len, strlen(name));
	assert_memory_equal(e.name, name, e.name_len);
}

static void lines_of_every_runtime_are_understood(void **state)
{
	(void)state;
	assert_line("7f00deadb000 1a0 JS:*fib /app/fib.js:3:13", 0x7f00deadb000, 0x1a0,
		    "JS:*fib /app/fib.js:3:13");
	assert_line("0x00007f3c10d3fa80 0x00000000000001e8 java.lang.String::hashCode()I", 0x7f3c10d3fa80,
		    0x1e8, "java.lang.String::hashCode()I");
	assert_line("7F00DEADB000 1A0 upper", 0x7f00deadb000, 0x1a0, "upper");
	assert_line("7f0000000000 b py::fib:/srv/a b.py", 0x7f0000000000, 0xb, "py::fib:/srv/a b.py");
	assert_line("1000 10 windows\r", 0x1000, 0x10, "windows");
}

static void lines_that_lie_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"zz",
		"1000",
		"1000 ",
		"1000 10",
		"1000 10 ",
		"1000 10   ",
		"0x 10 a",
		"1000 0 empty",
		"g000 10 a",
		"1000 -10 a",
		"11111111111111111 10 over_64_bits",
		"ffffffffffffffff 10 wraps",
		"1000 ffffffff claims_4_gigabytes",
		"100010name",
	};
	struct perf_map_entry e;
	char longest[PERF_MAP_LINE_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(perf_map__parse_line(bad[i], strlen(bad[i]), &e), -EBADMSG);
	memset(longest, 'x', sizeof(longest));
	memcpy(longest, "1000 10 ", 8);
	assert_int_equal(perf_map__parse_line(longest, PERF_MAP_LINE_MAX, &e), 0);
	assert_int_equal(perf_map__parse_line(longest, PERF_MAP_LINE_MAX + 1, &e), -EBADMSG);
	assert_int_equal(perf_map__parse_line("1000 10 a\0b", 11, &e), -EBADMSG);
}

static void last_line_that_covers_an_address_wins(void **state)
{
	struct fixture *f = *state;

	write_map(f, "1000 100 old\n1040 20 inner\n2000 10 other\n1000 10 head\n", "w");
	assert_true(refresh(f));
	assert_name(f, 0xfff, NULL);
	assert_name(f, 0x1000, "head");
	assert_name(f, 0x1010, "old");
	assert_name(f, 0x1040, "inner");
	assert_name(f, 0x1060, "old");
	assert_name(f, 0x10ff, "old");
	assert_name(f, 0x1100, NULL);
	assert_name(f, 0x2000, "other");
}

static void lines_added_later_are_read_without_reading_the_rest_again(void **state)
{
	struct fixture *f = *state;
	struct perf_map_stats stats;

	write_map(f, "1000 100 first\nbroken line\n", "w");
	assert_true(refresh(f));
	assert_false(refresh(f));
	write_map(f, "1000 100 second\n3000 10 third\n", "a");
	assert_true(refresh(f));
	assert_name(f, 0x1000, "second");
	assert_name(f, 0x3000, "third");
	perf_map__stats(f->map, &stats);
	assert_int_equal(stats.n_bad_lines, 1); /* seen once: not read twice */
	assert_int_equal(stats.n_entries, 2);   /* "first" can be seen no more, and is forgotten */
}

static void half_a_line_waits_for_its_end(void **state)
{
	struct fixture *f = *state;

	write_map(f, "1000 100 whole\n2000 100 ha", "w");
	assert_true(refresh(f));
	assert_name(f, 0x2000, NULL);
	write_map(f, "lf\n", "a");
	assert_true(refresh(f));
	assert_name(f, 0x2000, "half");
}

static void rewritten_file_is_read_from_its_start(void **state)
{
	struct fixture *f = *state;

	write_map(f, "1000 100 before\n2000 100 gone\n", "w");
	assert_true(refresh(f));
	/* the same inode, longer than before, other bytes: what jcmd Compiler.perfmap does */
	write_map(f, "5000 100 after_the_rewrite\n6000 100 second_line_of_it\n7000 10 third\n", "w");
	assert_true(refresh(f));
	assert_name(f, 0x1000, NULL);
	assert_name(f, 0x2000, NULL);
	assert_name(f, 0x5000, "after_the_rewrite");
	assert_name(f, 0x7000, "third");
	write_map(f, "8000 10 short\n", "w");
	assert_true(refresh(f));
	assert_name(f, 0x5000, NULL);
	assert_name(f, 0x8000, "short");
}

static void full_table_keeps_the_newest_lines(void **state)
{
	const struct perf_map_opts opts = {.limit_bytes = 64 << 10};
	struct fixture *f = *state;
	struct perf_map_stats stats;

	perf_map__free(f->map);
	f->map = perf_map__new(&opts);
	write_functions(f, 50000, "function_");
	assert_true(refresh(f));
	perf_map__stats(f->map, &stats);
	assert_true(stats.n_evicted > 45000);
	assert_true(stats.bytes <= 2 * opts.limit_bytes);
	assert_int_equal(stats.n_entries + stats.n_evicted, 50000);
	assert_name(f, 0x100000 + 49999 * 16, "function_49999");
	assert_name(f, 0x100000, NULL);
}

static void churn_at_the_same_addresses_needs_no_more_memory(void **state)
{
	const struct perf_map_opts opts = {.limit_bytes = 64 << 10};
	struct fixture *f = *state;
	struct perf_map_stats stats;
	char path[128];
	FILE *file;

	perf_map__free(f->map);
	f->map = perf_map__new(&opts);
	path_in_root(f, "tmp/perf-42.map", path, sizeof(path));
	file = fopen(path, "w");
	for (int i = 0; i < 50000; i++)
		fprintf(file, "%x 10 generation_%d\n", 0x100000 + i % 100 * 16, i);
	fclose(file);
	assert_true(refresh(f));
	perf_map__stats(f->map, &stats);
	assert_int_equal(stats.n_evicted, 0);
	assert_int_equal(stats.n_entries, 100);
	assert_name(f, 0x100000, "generation_49900");
}

static void a_refresh_reads_a_piece_and_the_next_one_goes_on(void **state)
{
	const struct perf_map_opts opts = {.read_bytes = 1 << 20};
	struct fixture *f = *state;
	struct perf_map_stats stats;
	int n_refreshes = 1;

	perf_map__free(f->map);
	f->map = perf_map__new(&opts);
	write_functions(f, 100000, ""); /* 1.6 MB, but each line takes 48 bytes of the table, too */
	assert_true(refresh(f));
	perf_map__stats(f->map, &stats);
	assert_in_range(stats.n_entries, 10000, 40000);
	assert_name(f, 0x100000, "0");
	while (refresh(f))
		n_refreshes++;
	assert_in_range(n_refreshes, 3, 10);
	perf_map__stats(f->map, &stats);
	assert_int_equal(stats.n_entries, 100000);
	assert_name(f, 0x100000, "0");
	assert_name(f, 0x100000 + 99999 * 16, "99999");
}

static void a_table_is_halved_for_good_and_forgotten_until_it_is_read_again(void **state)
{
	struct fixture *f = *state;
	struct perf_map_stats whole, half;

	write_functions(f, 1000, "function_");
	assert_true(refresh(f));
	perf_map__stats(f->map, &whole);
	perf_map__halve(f->map);
	perf_map__stats(f->map, &half);
	assert_int_equal(half.n_entries, 500);
	assert_int_equal(half.n_evicted, 500);
	assert_true(half.bytes < whole.bytes * 6 / 10);
	assert_false(refresh(f));
	assert_name(f, 0x100000 + 499 * 16, NULL);
	assert_name(f, 0x100000 + 500 * 16, "function_500");
	assert_name(f, 0x100000 + 999 * 16, "function_999");
	write_map(f, "1000 100 later\n", "a");
	assert_true(refresh(f));
	assert_name(f, 0x1000, "later");
	assert_name(f, 0x100000 + 500 * 16, "function_500");

	for (int i = 0; i < 12; i++)
		perf_map__halve(f->map);
	perf_map__stats(f->map, &half);
	assert_int_equal(half.n_entries, 0);
	perf_map__forget(f->map);
	assert_true(refresh(f));
	assert_name(f, 0x100000, "function_0");
}

static void link_out_of_the_root_is_not_followed(void **state)
{
	struct fixture *f = *state;
	bool changed = false;
	char path[128];

	path_in_root(f, "tmp/perf-42.map", path, sizeof(path));
	assert_int_equal(symlink("/etc/passwd", path), 0); /* inside the root there is no /etc/passwd */
	assert_int_equal(perf_map__refresh(f->map, NULL, f->root_fd, 42, getuid(), &changed), -ENOENT);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("../../../../etc/passwd", path), 0);
	assert_int_equal(perf_map__refresh(f->map, NULL, f->root_fd, 42, getuid(), &changed), -ENOENT);
}

static void fifo_does_not_block_and_is_refused(void **state)
{
	struct fixture *f = *state;
	bool changed = false;
	char path[128];

	path_in_root(f, "tmp/perf-42.map", path, sizeof(path));
	assert_int_equal(mkfifo(path, 0666), 0);
	assert_int_equal(perf_map__refresh(f->map, NULL, f->root_fd, 42, getuid(), &changed), -EINVAL);
}

static void map_of_another_user_is_refused(void **state)
{
	struct fixture *f = *state;
	bool changed = false;
	char path[128];

	if (getuid() != 0) {
		skip(); /* only root may give a file away */
		return;
	}
	write_map(f, "1000 100 planted\n", "w");
	path_in_root(f, "tmp/perf-42.map", path, sizeof(path));
	assert_int_equal(chown(path, 12345, 12345), 0);
	assert_int_equal(perf_map__refresh(f->map, NULL, f->root_fd, 42, 54321, &changed), -EACCES);
	assert_int_equal(perf_map__refresh(f->map, NULL, f->root_fd, 42, 12345, &changed), 0);
	assert_int_equal(chown(path, 0, 0), 0);
	assert_int_equal(perf_map__refresh(f->map, NULL, f->root_fd, 42, 54321, &changed), 0);
}

static void owner_is_the_effective_user(void **state)
{
	uid_t uid = 12345;

	(void)state;
	assert_int_equal(perf_map__read_owner("/proc", getpid(), &uid), 0);
	assert_int_equal(uid, geteuid());
	assert_int_equal(perf_map__read_owner("/nowhere", getpid(), &uid), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_of_every_runtime_are_understood),
		cmocka_unit_test(lines_that_lie_are_refused),
		cmocka_unit_test_setup_teardown(last_line_that_covers_an_address_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(lines_added_later_are_read_without_reading_the_rest_again,
						setup, teardown),
		cmocka_unit_test_setup_teardown(half_a_line_waits_for_its_end, setup, teardown),
		cmocka_unit_test_setup_teardown(rewritten_file_is_read_from_its_start, setup, teardown),
		cmocka_unit_test_setup_teardown(full_table_keeps_the_newest_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(churn_at_the_same_addresses_needs_no_more_memory, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_refresh_reads_a_piece_and_the_next_one_goes_on, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			a_table_is_halved_for_good_and_forgotten_until_it_is_read_again, setup, teardown),
		cmocka_unit_test_setup_teardown(link_out_of_the_root_is_not_followed, setup, teardown),
		cmocka_unit_test_setup_teardown(fifo_does_not_block_and_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(map_of_another_user_is_refused, setup, teardown),
		cmocka_unit_test(owner_is_the_effective_user),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
