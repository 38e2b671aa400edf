// SPDX-License-Identifier: Apache-2.0
/* SIGKILL at any moment, and several threads at once: what is on the disk is whole, counted once, and nothing else is left behind. */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/unit/store/window.h"
#include "tests/unit/store/window_sum.h"
#include "user/store/reader.h"
#include "user/store/rollup.h"

#define KILLS 200

/* Runs until it is killed, and tells when its first window is on the disk: windows of one second each, of sizes that take several writes, roll-ups of whatever hours are over. */
static void write_for_ever(struct fixture *f, uint64_t start_ns, int ready_fd)
{
	enum { N = 400 };
	static struct window_value values[N];
	struct store_opts opts = fixture__opts(f);
	struct rollup_opts rollup_opts = {.grace_ns = NS_PER_SEC};
	struct rollup *r;
	struct buf bytes;
	bool more;

	if (store__open(&opts, &f->store, NULL))
		_exit(2);
	rollup_opts.store = f->store;
	if (rollup__new(&rollup_opts, &r))
		_exit(3);
	buf__init(&bytes, 1 << 20);
	for (uint32_t i = 0; i < N; i++)
		values[i] = (struct window_value){i, 1, i};
	for (;; start_ns += 10 * MIN_NS) {
		f->real_ns = start_ns;
		buf__clear(&bytes);
		window__encode(values, N, "nanoseconds", start_ns, NS_PER_SEC, COMPRESSION_GZIP, &bytes);
		if (store__put(f->store, "cpu", start_ns, NS_PER_SEC, bytes.data, bytes.len))
			_exit(4);
		if (ready_fd >= 0 && write(ready_fd, "r", 1) != 1)
			_exit(6);
		ready_fd = -1;
		if (rollup__step(r, 10, &more))
			_exit(5);
	}
}

/* Each file decodes and, whole as it is, holds each function; no other name is there. */
static uint32_t check_folder(struct fixture *f)
{
	char root[256], below[160];
	struct dirent *day, *file;
	uint32_t n = 0;
	DIR *days;

	fixture__path(f, "snapshots", root);
	days = opendir(root);
	assert_non_null(days);
	while ((day = readdir(days))) {
		char path[560];
		DIR *files;

		if (day->d_name[0] == '.') {
			assert_true(strcmp(day->d_name, ".") == 0 || strcmp(day->d_name, "..") == 0);
			continue;
		}
		snprintf(path, sizeof(path), "%s/%s", root, day->d_name);
		files = opendir(path);
		assert_non_null(files);
		while ((file = readdir(files))) {
			struct profile *p;

			if (strcmp(file->d_name, ".") == 0 || strcmp(file->d_name, "..") == 0)
				continue;
			assert_in_range(snprintf(below, sizeof(below), "snapshots/%.40s/%.100s", day->d_name,
						 file->d_name),
					1, sizeof(below) - 1);
			p = window__decode(f, below);
			assert_int_equal(profile__n_samples(p), 400);
			profile__free(p);
			n++;
		}
		closedir(files);
	}
	closedir(days);
	return n;
}

/* A run that is killed some moment after its first window. */
static void run_and_kill(struct fixture *f, uint64_t start_ns)
{
	struct timespec pause = {.tv_nsec = rand() % 8000000};
	int ready[2], status;
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		write_for_ever(f, start_ns, ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	nanosleep(&pause, NULL);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Windows, late ones too, that lie on the disk between the first and end_ns. */
static uint32_t count_windows(struct fixture *f, uint64_t end_ns)
{
	uint32_t n = 0;
	struct buf b;

	buf__init(&b, 1 << 20);
	for (uint64_t t = AT(0, 0); t < end_ns; t += 10 * MIN_NS) {
		struct store_name name;

		assert_int_equal(store_name__window("cpu", t, NS_PER_SEC, STORE_GZIP, &name), 0);
		for (int late = 0; late < 2; late++) {
			name.is_late = late;
			buf__clear(&b);
			n += store__read(f->store, &name, 1 << 20, &b) == 0;
		}
	}
	buf__done(&b);
	return n;
}

/* Roll-ups and windows together say what the windows alone say. Returns how many files that takes. */
static uint32_t check_sum(struct fixture *f, uint32_t n_windows)
{
	struct store_report report;
	struct profile *p;
	int64_t sum;

	assert_int_equal(window__sum(f, "cpu", 0, UINT64_MAX, 0, &p, &report, NULL), 0);
	sum = window__value(p, "samples", 7);
	profile__free(p);
	assert_int_equal(sum, n_windows);
	assert_int_equal(report.n_damaged, 0);
	return report.n_files;
}

static void a_kill_at_any_moment_leaves_whole_files_only(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct rollup_opts rollup_opts = {.grace_ns = NS_PER_SEC};
	uint64_t start_ns = AT(0, 0);
	uint32_t n_before = 0, n_windows;
	struct rollup *r;
	bool more = true;

	srand(11);
	for (int i = 0; i < KILLS; i++) {
		run_and_kill(f, start_ns);
		fixture__reopen(f, &opts);
		assert_true(fixture__stats(f).n_files > n_before);
		n_before = fixture__stats(f).n_files;
		/* the next run begins after the newest file, and needs the lock */
		start_ns = fixture__stats(f).newest_s * NS_PER_SEC + 10 * MIN_NS;
		store__close(f->store);
		f->store = NULL;
	}
	assert_int_equal(check_folder(f), n_before);
	f->real_ns = start_ns;
	fixture__open(f, &opts);
	n_windows = count_windows(f, start_ns);
	assert_in_range(n_windows, KILLS, n_before);
	check_sum(f, n_windows);
	rollup_opts.store = f->store;
	assert_int_equal(rollup__new(&rollup_opts, &r), 0);
	while (more)
		assert_int_equal(rollup__step(r, 100, &more), 0);
	rollup__free(r);
	assert_true(check_sum(f, n_windows) < n_windows / 6 + 24);
}

struct worker {
	struct fixture *f;
	const char *event;
	int n_failed;
};

static void *put_many(void *ctx)
{
	struct worker *w = ctx;

	for (uint64_t m = 0; m < 100; m++)
		w->n_failed += fixture__put(w->f, w->event, AT(1, 0) + m * MIN_NS, MIN_NS, 2000) != 0;
	return NULL;
}

static void *list_many(void *ctx)
{
	struct worker *w = ctx;
	struct store_stats stats;

	for (int i = 0; i < 2000; i++) {
		struct fixture_list l = {0};

		w->n_failed += store__list(w->f->store, NULL, AT(1, 0), AT(1, 5), fixture__list_one, &l) != 0;
		store__stats(w->f->store, &stats);
	}
	return NULL;
}

static void threads_that_write_and_list_do_not_disturb_each_other(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = fixture__opts(f);
	struct worker workers[] = {{f, "cpu"}, {f, "memory"}, {f, "cpu"}, {f, NULL}};
	pthread_t threads[4];

	fixture__open(f, &opts);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, workers[i].event ? put_many : list_many,
						&workers[i]),
				 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(workers[i].n_failed, 0);
	}
	assert_int_equal(fixture__stats(f).n_files, 300);
	assert_int_equal(fixture__stats(f).n_written, 300);
	assert_true(fixture__exists(f, "snapshots/2026-01-31/010000Z.60s.cpu.2.pb.gz"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(a_kill_at_any_moment_leaves_whole_files_only),
		fixture_test(threads_that_write_and_list_do_not_disturb_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
