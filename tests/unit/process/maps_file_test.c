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
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/process/maps_file.h"

static struct maps_line parse(const char *text)
{
	struct maps_line line;

	assert_int_equal(parse_maps_line(text, strlen(text), &line), 0);
	return line;
}

static void a_library_line_gives_all_its_fields(void **state)
{
	struct maps_line l = parse("7f0e5c028000-7f0e5c17e000 r-xp 00028000 fe:01 393242                     "
				   "/usr/lib/x86_64-linux-gnu/libc.so.6");

	(void)state;
	assert_int_equal(l.start, 0x7f0e5c028000);
	assert_int_equal(l.end, 0x7f0e5c17e000);
	assert_int_equal(l.pgoff, 0x28000);
	assert_int_equal(l.dev_major, 0xfe);
	assert_int_equal(l.dev_minor, 1);
	assert_int_equal(l.ino, 393242);
	assert_true(l.readable && !l.writable && l.executable && !l.shared && !l.deleted);
	assert_int_equal(l.kind, MAPS_FILE);
	assert_string_equal(l.path, "/usr/lib/x86_64-linux-gnu/libc.so.6");
}

static void deleted_library_keeps_its_path(void **state)
{
	struct maps_line l = parse("1000-2000 r-xp 00000000 08:01 7 /opt/a b/lib.so (deleted)");

	(void)state;
	assert_true(l.deleted);
	assert_string_equal(l.path, "/opt/a b/lib.so");
	/* only the last one is the kernel's */
	l = parse("1000-2000 r-xp 00000000 08:01 7 /x (deleted) (deleted)");
	assert_string_equal(l.path, "/x (deleted)");
}

static void a_newline_in_a_path_is_unescaped_and_nothing_else(void **state)
{
	(void)state;
	assert_string_equal(parse("1000-2000 r-xp 0 08:01 7 /a\\012b").path, "/a\nb");
	assert_string_equal(parse("1000-2000 r-xp 0 08:01 7 /a\\040b\\0").path, "/a\\040b\\0");
	assert_string_equal(parse("1000-2000 r-xp 0 08:01 7 /a\\01").path, "/a\\01");
}

static void names_tell_what_a_mapping_is(void **state)
{
	static const struct {
		const char *name;
		enum maps_kind kind;
		bool deleted;
	} cases[] = {
		{"", MAPS_ANON, false},
		{"//anon", MAPS_ANON, false},
		{"//toolong", MAPS_ANON, false},
		{"[anon:v8]", MAPS_ANON, false},
		{"[anon_shmem:jit]", MAPS_ANON, false},
		{"/dev/zero (deleted)", MAPS_ANON, true},
		{"/dev/zero", MAPS_ANON, false},
		{"/SYSV00000000 (deleted)", MAPS_ANON, true},
		{"anon_inode:[io_uring]", MAPS_ANON, false},
		{"/memfd:doublemapper (deleted)", MAPS_MEMFD, true},
		{"[vdso]", MAPS_VDSO, false},
		{"[vsyscall]", MAPS_SPECIAL, false},
		{"[uprobes]", MAPS_SPECIAL, false},
		{"[stack]", MAPS_SPECIAL, false},
		{"socket:[123]", MAPS_SPECIAL, false},
		{"/usr/bin/x", MAPS_FILE, false},
		{"/[vdso]", MAPS_FILE, false},
		{"/memfd", MAPS_FILE, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char path[64];
		bool deleted;

		snprintf(path, sizeof(path), "%s", cases[i].name);
		assert_int_equal(parse_maps_name(path, &deleted), cases[i].kind);
		assert_int_equal(deleted, cases[i].deleted);
		assert_null(strstr(path, "(deleted)"));
	}
}

static void damaged_lines_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"-",
		"1000",
		"1000-",
		"1000-2000",
		"1000-2000 ",
		"1000-2000 r-x",
		"1000-2000 r-xp",
		"1000-2000 r-xp 0",
		"1000-2000 r-xp 0 08",
		"1000-2000 r-xp 0 08:01",
		"1000-2000 r-xp 0 08:01 ",
		"2000-1000 r-xp 0 08:01 7",
		"1000-1000 r-xp 0 08:01 7",
		"xyz-2000 r-xp 0 08:01 7",
		"10000000000000000-20000000000000000 r-xp 0 08:01 7",
		"1000-2000 r-xp 0 08:01 7x",
		"1000-2000 r-xpz 0 08:01 7",
		"1000-2000 r-xp 0 08:01 99999999999999999999",
		"1000-2000 r-xp -1 08:01 7",
		" 1000-2000 r-xp 0 08:01 7",
	};
	struct maps_line line;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse_maps_line(bad[i], strlen(bad[i]), &line), -EBADMSG);
	/* every prefix of a good line is read without stepping over its end */
	for (size_t n = 0; n < strlen("1000-2000 r-xp 0 08:01 7 /a"); n++) {
		char *exact = malloc(n ? n : 1);

		memcpy(exact, "1000-2000 r-xp 0 08:01 7 /a", n);
		parse_maps_line(exact, n, &line);
		free(exact);
	}
}

static void a_path_that_is_too_long_is_cut(void **state)
{
	char *text = malloc(20000);
	struct maps_line *l = malloc(sizeof(*l));
	int n = sprintf(text, "1000-2000 r-xp 0 08:01 7 /");

	(void)state;
	memset(text + n, 'a', 10000);
	assert_int_equal(parse_maps_line(text, (size_t)n + 10000, l), 0);
	assert_int_equal(strlen(l->path), MAPS_PATH_MAX - 1);
	free(text);
	free(l);
}

struct seen {
	uint32_t n, stop_after;
	uint64_t last_start;
	bool found_self, found_vdso;
	char exe[512];
};

static void probe_function(void)
{
}

static int note(const struct maps_line *line, void *ctx)
{
	struct seen *s = ctx;
	uint64_t pc = (uint64_t)(uintptr_t)probe_function;

	s->n++;
	s->last_start = line->start;
	s->found_self |=
		line->start <= pc && pc < line->end && line->executable && strcmp(line->path, s->exe) == 0;
	s->found_vdso |= line->kind == MAPS_VDSO;
	return s->n == s->stop_after ? -ECANCELED : 0;
}

static void executable_lines_are_delivered_and_damaged_ones_skipped(void **state)
{
	static const char text[] =
		"1000-2000 r-xp 0 08:01 7 /a\nrubbish\n\n3000-4000 rw-p 0 00:00 0\n5000-6000 r-xp 0 00:00 0";
	struct seen s = {0};

	(void)state;
	assert_int_equal(parse_maps(text, sizeof(text) - 1, note, &s), 5);
	assert_int_equal(s.n, 2);
	assert_int_equal(s.last_start, 0x5000);
	s = (struct seen){.stop_after = 1};
	assert_int_equal(parse_maps(text, sizeof(text) - 1, note, &s), -ECANCELED);
	assert_int_equal(s.n, 1);
}

static void our_own_code_is_found_where_it_runs(void **state)
{
	int fd = open("/proc/self", O_RDONLY | O_DIRECTORY);
	struct seen s = {0};

	(void)state;
	assert_true(readlink("/proc/self/exe", s.exe, sizeof(s.exe) - 1) > 0);
	assert_int_equal(read_maps(1, fd, note, &s), 0);
	assert_true(s.found_self);
	assert_true(s.found_vdso);
	close(fd);
}

static int make_tree(char *dir)
{
	int fd;

	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	return fd;
}

static void more_lines_than_the_limit_are_an_error_after_the_first_ones(void **state)
{
	char dir[] = "/tmp/maps_test.XXXXXX";
	int dir_fd = make_tree(dir);
	FILE *f = fdopen(openat(dir_fd, "maps", O_CREAT | O_WRONLY, 0600), "w");
	struct seen s = {0};

	(void)state;
	for (uint64_t i = 1; i <= MAPS_LINES_MAX + 10; i++)
		fprintf(f, "%lx-%lx r-xp 00000000 00:00 0 \n", i * 0x2000, i * 0x2000 + 0x1000);
	fclose(f);
	assert_int_equal(read_maps(1, dir_fd, note, &s), -E2BIG);
	assert_int_equal(s.n, MAPS_LINES_MAX);
	unlinkat(dir_fd, "maps", 0);
	assert_int_equal(read_maps(1, dir_fd, note, &s), -ESRCH);
	close(dir_fd);
	rmdir(dir);
}

static void a_line_without_end_is_refused(void **state)
{
	char dir[] = "/tmp/maps_test.XXXXXX";
	int dir_fd = make_tree(dir);
	FILE *f = fdopen(openat(dir_fd, "maps", O_CREAT | O_WRONLY, 0600), "w");
	struct seen s = {0};

	(void)state;
	fprintf(f, "1000-2000 r-xp 0 08:01 7 /");
	for (int i = 0; i < 200000; i++)
		fputc('a', f);
	fclose(f);
	assert_int_equal(read_maps(1, dir_fd, note, &s), -E2BIG);
	assert_int_equal(s.n, 0);
	unlinkat(dir_fd, "maps", 0);
	close(dir_fd);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_library_line_gives_all_its_fields),
		cmocka_unit_test(deleted_library_keeps_its_path),
		cmocka_unit_test(a_newline_in_a_path_is_unescaped_and_nothing_else),
		cmocka_unit_test(names_tell_what_a_mapping_is),
		cmocka_unit_test(damaged_lines_are_refused),
		cmocka_unit_test(a_path_that_is_too_long_is_cut),
		cmocka_unit_test(executable_lines_are_delivered_and_damaged_ones_skipped),
		cmocka_unit_test(our_own_code_is_found_where_it_runs),
		cmocka_unit_test(more_lines_than_the_limit_are_an_error_after_the_first_ones),
		cmocka_unit_test(a_line_without_end_is_refused),
	};

	return cmocka_run_group_tests_name("maps_file", tests, NULL, NULL);
}
