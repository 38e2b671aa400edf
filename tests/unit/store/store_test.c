// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/store/files.h"
#include "user/base/buf.h"

static void windows_are_found_under_their_names(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct fixture_list l;

	fixture__open(f, &opts);
	assert_int_equal(fixture__put(f, "cpu", AT(11, 58), MIN_NS, 500), 0);
	assert_int_equal(fixture__put(f, "memory", AT(11, 58), MIN_NS, 500), 0);
	assert_int_equal(fixture__put(f, "cpu", AT(11, 59), MIN_NS, 500), 0);
	assert_true(fixture__exists(f, "snapshots/2026-01-31/115800Z.60s.cpu.pb.gz"));
	assert_true(fixture__exists(f, "snapshots/2026-01-31/115800Z.60s.memory.pb.gz"));
	assert_true(fixture__exists(f, "snapshots/2026-01-31/115900Z.60s.cpu.pb.gz"));
	assert_true(fixture__exists(f, "captures"));
	assert_string_equal(fixture__list(f, &l, "cpu", 0, UINT64_MAX),
			    "115800Z.60s.cpu.pb.gz 115900Z.60s.cpu.pb.gz");
	assert_int_equal(fixture__stats(f).n_files, 3);
	assert_int_equal(fixture__stats(f).oldest_s, AT(11, 58) / NS_PER_SEC);
	assert_int_equal(fixture__stats(f).newest_s, AT(11, 59) / NS_PER_SEC);
	assert_int_equal(fixture__logged(f, ""), 0);
}

static void what_was_put_is_read_back(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct store_name name;
	struct buf b;

	fixture__open(f, &opts);
	assert_int_equal(store__put(f->store, "cpu", AT(11, 0), MIN_NS, "\x1f\x8b the bytes", 12), 0);
	assert_int_equal(store_name__window("cpu", AT(11, 0), MIN_NS, STORE_GZIP, &name), 0);
	buf__init(&b, 1000);
	assert_int_equal(store__read(f->store, &name, 1000, &b), 0);
	assert_int_equal(b.len, 12);
	assert_memory_equal(b.data, "\x1f\x8b the bytes", 12);
	name.serial = 2;
	assert_int_equal(store__read(f->store, &name, 1000, &b), -ENOENT);
	buf__done(&b);
}

static void folders_and_files_are_not_for_everybody(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	mode_t before = umask(0);
	struct stat st;
	char path[256];

	fixture__open(f, &opts);
	assert_int_equal(fixture__put(f, "cpu", AT(11, 0), MIN_NS, 20), 0);
	umask(before);
	fixture__path(f, "snapshots/2026-01-31", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0750);
	fixture__path(f, "snapshots/2026-01-31/110000Z.60s.cpu.pb.gz", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
}

static void bad_events_times_and_bytes_are_refused(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);

	fixture__open(f, &opts);
	assert_int_equal(store__put(f->store, "../../etc", AT(1, 0), MIN_NS, "\x1f\x8b", 2), -EINVAL);
	assert_int_equal(store__put(f->store, "cpu", UINT64_MAX, MIN_NS, "\x1f\x8b", 2), -EINVAL);
	assert_int_equal(store__put(f->store, "cpu", AT(1, 0), MIN_NS, "plain", 5), -EINVAL);
	assert_int_equal(fixture__stats(f).n_files, 0);
	assert_int_equal(fixture__stats(f).n_write_errors, 0);
}

static void a_clock_set_back_adds_a_suffix(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct fixture_list l;

	fixture__open(f, &opts);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(fixture__put(f, "cpu", AT(11, 0), MIN_NS, 100 + i), 0);
	assert_string_equal(fixture__list(f, &l, "cpu", 0, UINT64_MAX),
			    "110000Z.60s.cpu.pb.gz 110000Z.60s.cpu.2.pb.gz 110000Z.60s.cpu.3.pb.gz");
}

static void a_file_that_appeared_behind_our_back_is_not_overwritten(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	char path[256];
	struct stat st;

	fixture__open(f, &opts);
	fixture__plant_window(f, "snapshots/2026-01-31/110000Z.60s.cpu.pb.gz");
	assert_int_equal(fixture__put(f, "cpu", AT(11, 0), MIN_NS, 100), 0);
	assert_true(fixture__exists(f, "snapshots/2026-01-31/110000Z.60s.cpu.2.pb.gz"));
	fixture__path(f, "snapshots/2026-01-31/110000Z.60s.cpu.pb.gz", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 3);
}

static void a_start_finds_the_files_of_the_last_run(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct fixture_list before, after;
	uint64_t bytes;

	fixture__open(f, &opts);
	for (uint64_t m = 0; m < 30; m++)
		assert_int_equal(fixture__put(f, m % 2 ? "cpu" : "offcpu",
					      AT(0, 0) - 15 * MIN_NS + m * MIN_NS, MIN_NS, 1000 * m + 20),
				 0);
	fixture__list(f, &before, NULL, 0, UINT64_MAX);
	bytes = fixture__stats(f).bytes;
	fixture__reopen(f, &opts);
	assert_string_equal(fixture__list(f, &after, NULL, 0, UINT64_MAX), before.text);
	assert_int_equal(fixture__stats(f).bytes, bytes);
	assert_int_equal(fixture__stats(f).n_files, 30);
}

static void a_start_removes_unfinished_files_only(void **state)
{
	static const char *const foreign[] = {"snapshots/2026-01-31/notes.txt",
					      "snapshots/2026-01-31/110000Z.60s.cpu.pb",
					      "snapshots/old/110000Z.60s.cpu.pb.gz", "snapshots/README"};
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);

	opts.retention_ns = MIN_NS;
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
		fixture__plant_window(f, foreign[i]);
	fixture__plant_window(f, "snapshots/2026-01-31/"
				 ".everprof-tmp.0123");
	fixture__plant_window(f, "snapshots/2026-01-30/"
				 ".everprof-tmp.4567");
	fixture__plant_window(f, "snapshots/"
				 ".everprof-tmp.89");
	fixture__open(f, &opts);
	assert_false(fixture__exists(f, "snapshots/2026-01-31/.everprof-tmp.0123"));
	assert_false(fixture__exists(f, "snapshots/2026-01-30"));
	assert_false(fixture__exists(f, "snapshots/.everprof-tmp.89"));
	for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
		assert_true(fixture__exists(f, foreign[i]));
	assert_int_equal(fixture__stats(f).n_files, 0);
	assert_int_equal(fixture__logged(f, "removed 3 unfinished files"), 1);
}

static void links_are_neither_followed_nor_deleted(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	char target[256], link[256];

	opts.retention_ns = MIN_NS;
	fixture__plant_window(f, "elsewhere/080000Z.60s.cpu.pb.gz");
	fixture__plant_window(f, "snapshots/2026-01-31/090000Z.60s.lock.pb.gz");
	fixture__path(f, "elsewhere", target);
	fixture__path(f, "snapshots/2026-01-30", link);
	assert_int_equal(symlink(target, link), 0);
	fixture__path(f, "elsewhere/080000Z.60s.cpu.pb.gz", target);
	fixture__path(f, "snapshots/2026-01-31/100000Z.60s.cpu.pb.gz", link);
	assert_int_equal(symlink(target, link), 0);
	fixture__open(f, &opts);
	assert_int_equal(fixture__stats(f).n_files, 0);
	assert_int_equal(fixture__stats(f).n_deleted[STORE_DELETED_AGE], 1);
	assert_true(fixture__exists(f, "elsewhere/080000Z.60s.cpu.pb.gz"));
	assert_true(fixture__exists(f, "snapshots/2026-01-31/100000Z.60s.cpu.pb.gz"));
}

static void a_second_agent_is_told_who_has_the_store(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct store *second = NULL;
	struct err err = {0};
	char pid[32];

	fixture__open(f, &opts);
	assert_int_equal(store__open(&opts, &second, &err), -EBUSY);
	assert_null(second);
	snprintf(pid, sizeof(pid), "process %d", getpid());
	assert_non_null(strstr(err.text, pid));
	store__close(f->store);
	f->store = NULL;
	assert_int_equal(store__open(&opts, &f->store, &err), 0);
}

static void the_lock_of_a_killed_agent_is_free(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (store__open(&opts, &f->store, NULL) == 0 && write(ready[1], "r", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(store__open(&opts, &f->store, NULL), -EBUSY);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(ready[0]);
	close(ready[1]);
	fixture__open(f, &opts);
}

static void a_path_that_cannot_be_a_store_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct err err = {0};
	char path[256];

	fixture__plant_window(f, "file");
	fixture__path(f, "file", path);
	opts.dir = path;
	assert_int_equal(store__open(&opts, &f->store, &err), -ENOTDIR);
	assert_non_null(strstr(err.text, path));
	opts.dir = "";
	assert_int_equal(store__open(&opts, &f->store, &err), -EINVAL);
	assert_null(f->store);
}

static void missing_folders_above_are_made_at_the_start(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	char path[256];

	fixture__path(f, "var/lib/everprof", path);
	opts.dir = path;
	fixture__open(f, &opts);
	assert_true(fixture__exists(f, "var/lib/everprof/snapshots"));
}

static int stop_at_second(const struct store_file *file, void *ctx)
{
	(void)file;
	return ++*(int *)ctx == 2 ? -ECANCELED : 0;
}

static void a_listing_ends_when_its_reader_says_so(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	int n = 0;

	fixture__open(f, &opts);
	for (uint64_t m = 0; m < 4; m++)
		assert_int_equal(fixture__put(f, "cpu", AT(1, m), MIN_NS, 20), 0);
	assert_int_equal(store__list(f->store, "cpu", 0, UINT64_MAX, stop_at_second, &n), -ECANCELED);
	assert_int_equal(n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(windows_are_found_under_their_names),
		fixture_test(what_was_put_is_read_back),
		fixture_test(folders_and_files_are_not_for_everybody),
		fixture_test(bad_events_times_and_bytes_are_refused),
		fixture_test(a_clock_set_back_adds_a_suffix),
		fixture_test(a_file_that_appeared_behind_our_back_is_not_overwritten),
		fixture_test(a_start_finds_the_files_of_the_last_run),
		fixture_test(a_start_removes_unfinished_files_only),
		fixture_test(links_are_neither_followed_nor_deleted),
		fixture_test(a_second_agent_is_told_who_has_the_store),
		fixture_test(the_lock_of_a_killed_agent_is_free),
		fixture_test(a_path_that_cannot_be_a_store_is_an_error),
		fixture_test(missing_folders_above_are_made_at_the_start),
		fixture_test(a_listing_ends_when_its_reader_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
