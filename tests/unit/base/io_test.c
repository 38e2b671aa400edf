// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/folder.h"
#include "user/base/buf.h"
#include "user/base/io.h"

/* Each test has a folder of its own, opened as `dir`. */
static char root[FOLDER_MAX];
static int dir = FD_CLOSED;

static int begin(void **state)
{
	(void)state;
	if (folder__make(root))
		return -1;
	dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -1 : 0;
}

static int end(void **state)
{
	(void)state;
	io__close(&dir);
	return folder__remove(root);
}

static void put(const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(io__write_full(fd, text, strlen(text)), 0);
	close(fd);
}

static void assert_holds(const char *name, const char *text)
{
	struct buf b;

	buf__init(&b, 1 << 20);
	assert_int_equal(io__read_at(dir, name, 1 << 20, &b), 0);
	assert_string_equal(buf__str(&b), text);
	buf__done(&b);
}

static int count_files(const char *prefix)
{
	DIR *d = opendir(root);
	struct dirent *e;
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.' || strncmp(e->d_name, prefix, strlen(prefix)) == 0;
	closedir(d);
	return n;
}

static void whole_file_is_read_up_to_exactly_the_limit(void **state)
{
	struct buf b;

	(void)state;
	put("f", "0123456789");
	buf__init(&b, 1 << 20);
	buf__append_str(&b, ">");
	assert_int_equal(io__read_at(dir, "f", 10, &b), 0);
	assert_string_equal(buf__str(&b), ">0123456789");
	assert_int_equal(io__read_at(dir, "f", 9, &b), -E2BIG);
	assert_string_equal(buf__str(&b), ">0123456789");
	assert_int_equal(io__read_at(dir, "none", 9, &b), -ENOENT);
	buf__done(&b);

	/* the buffer's own limit counts as well, and does not spoil the buffer */
	buf__init(&b, 10);
	assert_int_equal(io__read_at(dir, "f", 100, &b), 0);
	buf__clear(&b);
	buf__append_char(&b, 'x');
	assert_int_equal(io__read_at(dir, "f", 100, &b), -E2BIG);
	assert_int_equal(buf__err(&b), 0);
	assert_string_equal(buf__str(&b), "x");
	buf__done(&b);
}

static void large_file_is_read_byte_for_byte(void **state)
{
	const size_t len = 3 * 1000 * 1000 + 17;
	uint8_t *bytes = malloc(len);
	struct buf b;

	(void)state;
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 2654435761u >> 13);
	assert_int_equal(io__write_new(dir, "large", bytes, len, 0644), 0);
	buf__init(&b, len);
	assert_int_equal(io__read_at(dir, "large", len, &b), 0);
	assert_int_equal(b.len, len);
	assert_memory_equal(b.data, bytes, len);
	buf__done(&b);
	free(bytes);
}

static void files_of_proc_are_read_though_their_size_is_zero(void **state)
{
	struct buf b;

	(void)state;
	buf__init(&b, 1 << 20);
	assert_int_equal(io__read_at(AT_FDCWD, "/proc/self/maps", 1 << 20, &b), 0);
	assert_non_null(strstr(buf__str(&b), "[stack]"));
	buf__done(&b);
}

static void sparse_file_of_absurd_size_stops_at_the_limit(void **state)
{
	struct buf b;
	int fd;

	(void)state;
	fd = openat(dir, "sparse", O_WRONLY | O_CREAT, 0644);
	assert_int_equal(ftruncate(fd, 1ll << 42), 0);
	close(fd);
	buf__init(&b, 1 << 30);
	assert_int_equal(io__read_at(dir, "sparse", 100000, &b), -E2BIG);
	assert_true(b.cap < 1 << 20);
	buf__done(&b);
}

static void only_regular_files_are_opened(void **state)
{
	int fd = 99;

	(void)state;
	assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
	assert_int_equal(mkdirat(dir, "folder", 0700), 0);
	alarm(10); /* a FIFO that blocks ends the test instead of hanging it */
	assert_int_equal(io__open_regular(dir, "fifo", &fd), -EINVAL);
	alarm(0);
	assert_int_equal(io__open_regular(dir, "folder", &fd), -EINVAL);
	assert_int_equal(io__open_regular(AT_FDCWD, "/dev/zero", &fd), -EINVAL);
	assert_int_equal(fd, 99);
	put("f", "x");
	assert_int_equal(io__open_regular(dir, "f", &fd), 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	io__close(&fd);
	assert_int_equal(fd, FD_CLOSED);
	io__close(&fd);
}

static void a_path_leads_to_what_stands_there_now(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(mkdirat(dir, "d", 0700), 0);
	fd = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(io__leads_to(dir, "d", fd));
	assert_false(io__leads_to(dir, ".", fd));
	assert_int_equal(renameat(dir, "d", dir, "e"), 0);
	assert_false(io__leads_to(dir, "d", fd));
	assert_true(io__leads_to(dir, "e", fd));
	/* in its place, and under its number at that, were it free */
	assert_int_equal(unlinkat(dir, "e", AT_REMOVEDIR), 0);
	assert_int_equal(mkdirat(dir, "e", 0700), 0);
	assert_false(io__leads_to(dir, "e", fd));
	io__close(&fd);
	assert_false(io__leads_to(dir, "e", fd));
}

static void pread_gets_all_or_says_where_it_ends(void **state)
{
	char got[8];
	int fd;

	(void)state;
	put("f", "0123456789");
	fd = openat(dir, "f", O_RDONLY);
	assert_int_equal(io__pread_full(fd, got, 4, 6), 0);
	assert_memory_equal(got, "6789", 4);
	assert_int_equal(io__pread_full(fd, got, 4, 7), -ENODATA);
	assert_int_equal(io__pread_full(fd, got, 4, UINT64_MAX - 2), -EINVAL);
	assert_int_equal(io__pread_full(fd, got, 0, 100), 0);
	close(fd);
}

static void folders_are_made_as_deep_as_needed(void **state)
{
	char path[256];
	struct stat st;

	(void)state;
	snprintf(path, sizeof(path), "%s/a//b/c/", root);
	assert_int_equal(io__mkdir_p(path, 0755), 0);
	assert_int_equal(io__mkdir_p(path, 0755), 0);
	assert_int_equal(fstatat(dir, "a/b/c", &st, 0), 0);
	assert_true(S_ISDIR(st.st_mode));
	put("file", "");
	snprintf(path, sizeof(path), "%s/file/x", root);
	assert_int_equal(io__mkdir_p(path, 0755), -ENOTDIR);
	snprintf(path, sizeof(path), "%s/file", root);
	assert_int_equal(io__mkdir_p(path, 0755), -ENOTDIR);
	assert_int_equal(io__mkdir_p("", 0755), -ENOENT);
	assert_int_equal(io__mkdir_p("/", 0755), 0);
}

static void new_file_is_whole_and_never_overwrites(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(io__write_new(dir, "a.pb.gz", "first", 5, 0640), 0);
	assert_holds("a.pb.gz", "first");
	assert_int_equal(fstatat(dir, "a.pb.gz", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777 & ~0640, 0);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(io__write_new(dir, "a.pb.gz", "second", 6, 0640), -EEXIST);
	assert_holds("a.pb.gz", "first");
	assert_int_equal(io__write_replace(dir, "a.pb.gz", "third", 5, 0640), 0);
	assert_holds("a.pb.gz", "third");
	assert_int_equal(count_files(IO_TMP_PREFIX), 1);
}

static void dangling_link_of_that_name_is_not_followed(void **state)
{
	char target[128];

	(void)state;
	snprintf(target, sizeof(target), "%s/elsewhere", root);
	assert_int_equal(symlinkat(target, dir, "name"), 0);
	assert_int_equal(io__write_new(dir, "name", "x", 1, 0644), -EEXIST);
	assert_int_equal(faccessat(dir, "elsewhere", F_OK, 0), -1);
}

static void names_with_a_slash_are_refused(void **state)
{
	(void)state;
	assert_int_equal(io__write_new(dir, "../x", "x", 1, 0644), -EINVAL);
	assert_int_equal(io__write_new(dir, "", "x", 1, 0644), -EINVAL);
	assert_int_equal(io__write_new(FD_CLOSED, "x", "x", 1, 0644), -EBADF);
}

/* A file size limit stands in for the full disk: write(2) fails half-way, with a short count before. */
static void failed_write_leaves_nothing_behind(void **state)
{
	const struct rlimit small = {.rlim_cur = 4096, .rlim_max = RLIM_INFINITY};
	static char bytes[10000];
	struct rlimit before;
	int err;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){small.rlim_cur, before.rlim_max}), 0);
	err = io__write_new(dir, "big", bytes, sizeof(bytes), 0644);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(err, -EFBIG);
	assert_int_equal(count_files(IO_TMP_PREFIX), 0);
}

/* The writer is killed at many moments: a name that is visible always has all its bytes. */
static void killed_writer_leaves_whole_files_only(void **state)
{
	static char bytes[300000];
	int n_seen = 0;

	(void)state;
	memset(bytes, 'k', sizeof(bytes));
	for (int round = 0; round < 40; round++) {
		const struct timespec nap = {.tv_nsec = (round % 20) * 400 * 1000};
		pid_t pid = fork();
		char name[32];

		if (pid == 0)
			for (unsigned int i = 0;; i++) {
				snprintf(name, sizeof(name), "r%d-%u", round, i);
				if (io__write_new(dir, name, bytes, sizeof(bytes), 0644) != 0)
					_exit(1);
			}
		nanosleep(&nap, NULL);
		assert_int_equal(kill(pid, SIGKILL), 0);
		waitpid(pid, NULL, 0);
		for (unsigned int i = 0;; i++) {
			struct stat st;

			snprintf(name, sizeof(name), "r%d-%u", round, i);
			if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
				break;
			assert_int_equal(st.st_size, sizeof(bytes));
			assert_int_equal(unlinkat(dir, name, 0), 0);
			n_seen++;
		}
	}
	assert_true(n_seen > 0);
}

#define IO_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IO_TEST(whole_file_is_read_up_to_exactly_the_limit),
		IO_TEST(large_file_is_read_byte_for_byte),
		IO_TEST(files_of_proc_are_read_though_their_size_is_zero),
		IO_TEST(sparse_file_of_absurd_size_stops_at_the_limit),
		IO_TEST(only_regular_files_are_opened),
		IO_TEST(a_path_leads_to_what_stands_there_now),
		IO_TEST(pread_gets_all_or_says_where_it_ends),
		IO_TEST(folders_are_made_as_deep_as_needed),
		IO_TEST(new_file_is_whole_and_never_overwrites),
		IO_TEST(dangling_link_of_that_name_is_not_followed),
		IO_TEST(names_with_a_slash_are_refused),
		IO_TEST(failed_write_leaves_nothing_behind),
		IO_TEST(killed_writer_leaves_whole_files_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
