// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/support/folder.h"
#include "tests/unit/store/files.h"
#include "user/base/buf.h"
#include "user/base/io.h"
#include "user/store/capture_folder.h"

/* A capture of two files, `fill` in each byte, the id in its name. */
static int write_capture(const char *rule, uint64_t at_s, const char *id, char fill, size_t len)
{
	struct capture_file files[] = {{.name = "cpu.pb.gz", .len = len}, {.name = CAPTURE_META, .len = 2}};
	struct capture_name name;
	uint64_t bytes = 0;
	char *content = malloc(len + 1);
	int err;

	assert_non_null(content);
	memset(content, fill, len);
	files[0].bytes = content;
	files[1].bytes = "{}";
	assert_int_equal(capture_name__init(&name, at_s * NS_PER_SEC, "host", "system", "-", id), 0);
	err = capture_folder__write(test_dir, rule, &name, files, 2, &bytes);
	if (!err)
		assert_true(bytes >= len);
	free(content);
	return err;
}

static uint32_t count(struct capture_folder **ret)
{
	struct capture_folder *all = NULL;
	uint32_t n = 0;

	assert_int_equal(capture_folder__list(test_dir, CAPTURE_FOLDERS_MAX, &all, &n), 0);
	if (ret)
		*ret = all;
	else
		free(all);
	return n;
}

static void what_was_written_is_listed_with_all_its_files(void **state)
{
	static char names[CAPTURE_FILES_MAX][CAPTURE_FILE_NAME_MAX];
	static uint64_t lens[CAPTURE_FILES_MAX];
	struct capture_folder *all, f;
	uint32_t n = 0;
	struct buf b;
	int fd;

	(void)state;
	assert_int_equal(count(NULL), 0);
	assert_int_equal(write_capture("B", DAY_S + 2, "bbbb", 'b', 5000), 0);
	assert_int_equal(write_capture("A", DAY_S + 1, "aaaa", 'a', 10), 0);
	assert_int_equal(count(&all), 2);
	assert_string_equal(all[0].name.id, "aaaa");
	assert_string_equal(all[1].rule, "B");
	assert_int_equal(all[1].n_files, 2);
	assert_int_equal(all[1].bytes % 512, 0);
	assert_int_equal(capture_folder__files(test_dir, &all[0], names, lens, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(names[0], "cpu.pb.gz");
	assert_int_equal(lens[0], 10);
	free(all);
	assert_int_equal(capture_folder__find(test_dir, "bb", &f), 0);
	assert_int_equal(capture_folder__open(test_dir, &f, CAPTURE_META, &fd), 0);
	buf__init(&b, 100);
	assert_int_equal(io__read_fd(fd, 100, &b), 0);
	assert_string_equal(buf__str(&b), "{}");
	buf__done(&b);
	io__close(&fd);
	/* nothing but files of that very folder */
	assert_int_equal(capture_folder__open(test_dir, &f, "../x", &fd), -EINVAL);
	assert_int_equal(capture_folder__open(test_dir, &f, ".hidden", &fd), -EINVAL);
	assert_int_equal(capture_folder__open(test_dir, &f, "", &fd), -EINVAL);
	assert_int_equal(capture_folder__open(test_dir, &f, "cpu.pb", &fd), -ENOENT);
}

static void an_id_that_others_begin_with_is_no_answer(void **state)
{
	struct capture_folder f;

	(void)state;
	assert_int_equal(write_capture("R", DAY_S, "abc1", 'x', 1), 0);
	assert_int_equal(write_capture("R", DAY_S + 1, "abc2", 'x', 1), 0);
	assert_int_equal(write_capture("R", DAY_S + 2, "abc", 'x', 1), 0);
	assert_int_equal(capture_folder__find(test_dir, "ab", &f), -ENOTUNIQ);
	assert_int_equal(capture_folder__find(test_dir, "abc", &f), 0); /* the whole id beats a beginning */
	assert_string_equal(f.name.id, "abc");
	assert_int_equal(capture_folder__find(test_dir, "", &f), -ENOENT);
	assert_int_equal(capture_folder__find(test_dir, "abd", &f), -ENOENT);
}

/* How often folders below these were opened, themselves included. */
static uint32_t opened(int watch)
{
	char bytes[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	uint32_t n = 0;
	ssize_t len;

	while ((len = read(watch, bytes, sizeof(bytes))) > 0)
		for (ssize_t at = 0; at < len;) {
			const struct inotify_event *e = (const void *)(bytes + at);

			n++;
			at += (ssize_t)(sizeof(*e) + e->len);
		}
	return n;
}

/* A page asks for hundreds of them every other second, of the process that profiles. */
static void one_is_found_without_opening_others(void **state)
{
	char path[CAPTURE_RULE_MAX + CAPTURE_NAME_MAX + 128];
	int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct capture_folder f, *all;

	(void)state;
	assert_true(watch >= 0);
	for (uint32_t i = 0; i < 20; i++) {
		char id[8];

		snprintf(id, sizeof(id), "id%u", i);
		assert_int_equal(write_capture(i % 2 ? "odd" : "even", DAY_S + i, id, 'x', 1), 0);
	}
	assert_int_equal(count(&all), 20);
	for (uint32_t i = 0; i < 20; i++) {
		if (!strcmp(all[i].name.id, "id7"))
			continue;
		snprintf(path, sizeof(path), "%s/captures/%s/%s", test_dir, all[i].rule, all[i].text);
		assert_true(inotify_add_watch(watch, path, IN_OPEN) >= 0);
	}
	assert_int_equal(capture_folder__find(test_dir, "id7", &f), 0);
	assert_int_equal(f.n_files, 2);
	assert_int_equal(capture_folder__locate(test_dir, "id7", &f), 0);
	assert_int_equal(f.n_files, 0);
	assert_string_equal(f.rule, "odd");
	assert_int_equal(opened(watch), 0);
	snprintf(path, sizeof(path), "somewhere/captures/odd/%s", f.text);
	assert_int_equal(capture_folder__find(test_dir, path, &f), 0);
	assert_int_equal(f.n_files, 2);
	assert_int_equal(opened(watch), 0);
	/* the watch sees what it is for */
	free(all);
	assert_int_equal(count(NULL), 20);
	assert_true(opened(watch) >= 19);
	close(watch);
}

/* Whichever of the two a walk would come to first. */
static void one_that_is_named_by_its_place_is_not_looked_for(void **state)
{
	static const char *const rules[] = {"odd", "even"};
	struct capture_folder f[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(write_capture(rules[i], DAY_S, rules[i], 'x', 1), 0);
		assert_int_equal(capture_folder__find(test_dir, rules[i], &f[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		char path[CAPTURE_RULE_MAX + CAPTURE_NAME_MAX + 128];
		int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
		struct capture_folder found;

		snprintf(path, sizeof(path), "%s/captures/%s", test_dir, rules[!i]);
		assert_true(inotify_add_watch(watch, path, IN_OPEN) >= 0);
		snprintf(path, sizeof(path), "%s/%s", rules[i], f[i].text);
		assert_int_equal(capture_folder__locate(test_dir, path, &found), 0);
		assert_string_equal(found.name.id, rules[i]);
		assert_int_equal(opened(watch), 0);
		close(watch);
	}
}

static void a_path_leads_nowhere_else(void **state)
{
	char path[CAPTURE_RULE_MAX + CAPTURE_NAME_MAX], away[256];
	struct capture_folder f;

	(void)state;
	assert_int_equal(write_capture("R", DAY_S, "aaaa", 'x', 1), 0);
	assert_int_equal(capture_folder__find(test_dir, "aaaa", &f), 0);
	/* the name alone finds it, whatever stands before */
	snprintf(path, sizeof(path), "../%s", f.text);
	assert_int_equal(capture_folder__locate(test_dir, path, &f), 0);
	assert_string_equal(f.rule, "R");
	snprintf(path, sizeof(path), "other/%s", f.text);
	assert_int_equal(capture_folder__locate(test_dir, path, &f), 0);
	assert_string_equal(f.rule, "R");
	snprintf(path, sizeof(path), "%s/captures/link", test_dir);
	snprintf(away, sizeof(away), "%s/captures/R", test_dir);
	assert_int_equal(symlink(away, path), 0);
	snprintf(path, sizeof(path), "link/%s", f.text);
	assert_int_equal(capture_folder__locate(test_dir, path, &f), 0);
	assert_string_equal(f.rule, "R");
	assert_int_equal(capture_folder__locate(test_dir, "R/..", &f), -ENOENT);
	assert_int_equal(capture_folder__locate(test_dir, "R/", &f), -ENOENT);
	assert_int_equal(capture_folder__locate(test_dir, "/", &f), -ENOENT);
}

static void a_pinned_one_is_not_deleted(void **state)
{
	struct capture_folder f;

	(void)state;
	assert_int_equal(write_capture("R", DAY_S, "aaaa", 'x', 1), 0);
	assert_int_equal(capture_folder__find(test_dir, "aaaa", &f), 0);
	assert_false(f.is_pinned);
	assert_int_equal(capture_folder__pin(test_dir, &f, true), 0);
	assert_int_equal(capture_folder__pin(test_dir, &f, true), 0);
	assert_int_equal(capture_folder__delete(test_dir, &f), -EBUSY);
	assert_int_equal(capture_folder__find(test_dir, "aaaa", &f), 0);
	assert_true(f.is_pinned);
	assert_int_equal(capture_folder__pin(test_dir, &f, false), 0);
	assert_int_equal(capture_folder__delete(test_dir, &f), 0);
	assert_int_equal(capture_folder__delete(test_dir, &f), -ENOENT);
	assert_int_equal(count(NULL), 0);
	assert_int_equal(capture_folder__pin(test_dir, &f, true), -ENOENT);
}

static void rules_and_folders_of_others_are_left_alone(void **state)
{
	char path[256];
	uint32_t n;

	(void)state;
	assert_int_equal(write_capture("../../etc", DAY_S, "aaaa", 'x', 1), 0);
	snprintf(path, sizeof(path), "%s/captures/-.-..-etc", test_dir);
	assert_int_equal(count(NULL), 1);
	snprintf(path, sizeof(path), "%s/captures/notes", test_dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/captures/notes/my folder", test_dir);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(count(NULL), 1);
	assert_int_equal(capture_folder__clean(test_dir, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(access(path, F_OK), 0);
}

static void a_store_that_is_not_there_is_not_made(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/unmounted", test_dir);
	memmove(test_dir, path, sizeof(test_dir) - 1);
	assert_int_equal(write_capture("R", DAY_S, "aaaa", 'x', 1), -ENOENT);
	*strrchr(test_dir, '/') = '\0';
}

/* What a reader finds at any moment, and after a kill: whole captures. */
static void assert_all_are_whole(void)
{
	struct capture_folder *all;
	uint32_t n = count(&all);

	for (uint32_t i = 0; i < n; i++) {
		struct buf b;
		int fd;

		assert_int_equal(all[i].n_files, 2);
		assert_int_equal(capture_folder__open(test_dir, &all[i], "cpu.pb.gz", &fd), 0);
		buf__init(&b, 1 << 20);
		assert_int_equal(io__read_fd(fd, 1 << 20, &b), 0);
		assert_int_equal(b.len, 30000);
		for (size_t j = 1; j < b.len; j++)
			assert_int_equal(b.data[j], b.data[0]);
		buf__done(&b);
		io__close(&fd);
	}
	free(all);
}

static void write_and_delete_until_killed(void)
{
	for (uint64_t i = 0;; i++) {
		struct capture_folder *all = NULL;
		uint32_t n = 0;
		char id[20];

		snprintf(id, sizeof(id), "%d-%llu", getpid(), (unsigned long long)i);
		if (write_capture("R", DAY_S + i, id, (char)('a' + i % 26), 30000))
			_exit(1);
		if (capture_folder__list(test_dir, CAPTURE_FOLDERS_MAX, &all, &n))
			_exit(2);
		if (n > 3 && capture_folder__delete(test_dir, &all[0]))
			_exit(3);
		free(all);
	}
}

static void a_kill_at_any_moment_leaves_whole_captures_only(void **state)
{
	uint32_t seed = 20260131, n_cleaned = 0;

	(void)state;
	for (int round = 0; round < 60; round++) {
		uint32_t n, n_before;
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (!pid)
			write_and_delete_until_killed();
		seed = seed * 1664525 + 1013904223;
		usleep(1000 + seed % 40000);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_all_are_whole();
		n_before = count(NULL);
		assert_int_equal(capture_folder__clean(test_dir, &n), 0);
		assert_true(n <= 2); /* one being written, one being deleted */
		assert_int_equal(count(NULL), n_before);
		n_cleaned += n;
		assert_all_are_whole();
	}
	/* else the kills met nothing on the way */
	assert_true(n_cleaned > 0);
}

static void a_full_disk_leaves_nothing_half_written(void **state)
{
	uint32_t n = 0;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(write_capture("R", DAY_S, "kept", 'k', 30000), 0);
	pid = fork();
	if (!pid) {
		/* a limit on the size of a file fails where a full disk does, in the middle of a write */
		struct rlimit limit = {10000, 10000};

		signal(SIGXFSZ, SIG_IGN);
		setrlimit(RLIMIT_FSIZE, &limit);
		_exit(write_capture("R", DAY_S + 1, "lost", 'l', 30000) == -EFBIG ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(count(NULL), 1);
	assert_all_are_whole();
	assert_int_equal(capture_folder__clean(test_dir, &n), 0);
	assert_int_equal(n, 0);
}

static void a_file_is_added_whole_and_once(void **state)
{
	char names[CAPTURE_FILES_MAX][CAPTURE_FILE_NAME_MAX];
	uint64_t lens[CAPTURE_FILES_MAX];
	struct capture_folder *all, f;
	char path[CAPTURE_RULE_MAX + CAPTURE_NAME_MAX + 128];
	uint32_t n;
	int fd;

	(void)state;
	assert_int_equal(write_capture("R", 1000, "aa", 'x', 100), 0);
	assert_int_equal(count(&all), 1);
	f = all[0];
	free(all);
	assert_int_equal(capture_folder__add(test_dir, &f, "metrics.json", "{}", 2), 0);
	assert_int_equal(capture_folder__add(test_dir, &f, "metrics.json", "[]", 2), -EEXIST);
	assert_int_equal(capture_folder__add(test_dir, &f, "../x", "{}", 2), -EINVAL);
	assert_int_equal(capture_folder__files(test_dir, &f, names, lens, &n), 0);
	assert_int_equal(n, 3);
	assert_string_equal(names[2], "metrics.json");
	/* what a kill has left of another is not listed, and goes with the next start; the capture stays */
	snprintf(path, sizeof(path), "%s/captures/%s/%s/" IO_TMP_PREFIX "1", test_dir, f.rule, f.text);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(capture_folder__files(test_dir, &f, names, lens, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(capture_folder__clean(test_dir, &n), 0);
	assert_int_equal(n, 0);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(count(NULL), 1);
	assert_int_equal(capture_folder__delete(test_dir, &f), 0);
	assert_int_equal(capture_folder__add(test_dir, &f, "late.json", "{}", 2), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		folder_test(what_was_written_is_listed_with_all_its_files),
		folder_test(an_id_that_others_begin_with_is_no_answer),
		folder_test(one_is_found_without_opening_others),
		folder_test(one_that_is_named_by_its_place_is_not_looked_for),
		folder_test(a_path_leads_nowhere_else),
		folder_test(a_pinned_one_is_not_deleted),
		folder_test(rules_and_folders_of_others_are_left_alone),
		folder_test(a_store_that_is_not_there_is_not_made),
		folder_test(a_kill_at_any_moment_leaves_whole_captures_only),
		folder_test(a_full_disk_leaves_nothing_half_written),
		folder_test(a_file_is_added_whole_and_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
