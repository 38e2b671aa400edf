// SPDX-License-Identifier: Apache-2.0
/* Processes of known behaviour, seen by a pass, beside what /proc says of them in the same moment. Needs root and a kernel with BPF; without, each test is skipped. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/base/key_lines.h"
#include "user/base/loop.h"
#include "user/kernel/loader.h"
#include "user/kernel/task_list.h"
#include "user/pipeline/usage.h"
#include "user/process/cgroup_tree.h"
#include "user/process/process.h"

#define MIB (1024.0 * 1024)

struct world {
	struct loader *loader;
	struct usage *usage;
	pid_t child;
	const char *group; /* of the child; NULL: the root */
	struct metric_sample process, cgroup, host;
	uint32_t n_processes;
};

static struct world w;

static int on_list(void *ctx, bool with_fds, int (*fn)(const struct usage_record *r, void *fn_ctx),
		   void *fn_ctx)
{
	(void)ctx;
	return task_list__usage(w.loader, with_fds, fn, fn_ctx);
}

static bool on_labels(void *ctx, const struct task_key *key, uint64_t cgroup, struct process_labels *ret)
{
	(void)ctx, (void)cgroup;
	*ret = (struct process_labels){"", "", "/", "", "", ""};
	if ((pid_t)key->tgid == w.child && w.group)
		ret->cgroup = w.group;
	return true;
}

static void open_usage(const struct usage_opts *opts)
{
	const struct usage_port port = {.list = on_list, .labels = on_labels};
	uint64_t want[SCOPE_N];

	memset(want, 0xff, sizeof(want));
	assert_int_equal(usage__new(opts, &port, &w.usage), 0);
	usage__want(w.usage, want);
}

static int open_world(void **state)
{
	const struct loader_opts opts = {.period_ns = 10 * NS_PER_MS, .slice_ns = NS_PER_SEC, .n_cpus = 1};
	struct err err = {0};
	int ret;

	(void)state;
	w = (struct world){0};
	ret = loader__open(&opts, &w.loader, &err);
	if (ret == -EPERM || ret == -EACCES || ret == -ENOSYS || ret == -ENOENT) {
		print_message("%s\n", err__text(&err, ret));
		return 0;
	}
	assert_int_equal(ret, 0);
	open_usage(&(struct usage_opts){0});
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	if (w.child > 0) {
		kill(w.child, SIGKILL);
		waitpid(w.child, NULL, 0);
	}
	usage__free(w.usage);
	if (w.loader)
		loader__close(w.loader);
	return 0;
}

/* Runs fn as another process. */
static void start(void (*fn)(void))
{
	if (!w.loader)
		skip();
	w.child = fork();
	assert_true(w.child >= 0);
	if (!w.child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "usage child");
		fn();
		for (;;)
			pause();
	}
}

static void on_sample(const struct metric_sample *s, void *ctx)
{
	(void)ctx;
	w.n_processes += s->target.scope == SCOPE_PROCESS;
	if (s->target.scope == SCOPE_PROCESS && (pid_t)s->target.pid == w.child)
		w.process = *s;
	else if (s->target.scope == SCOPE_CGROUP && w.group && !strcmp(s->target.cgroup, w.group))
		w.cgroup = *s;
	else if (s->target.scope == SCOPE_SYSTEM)
		w.host = *s;
}

static void pass(void)
{
	w.n_processes = 0;
	assert_int_equal(usage__pass(w.usage, clock__mono_ns(), on_sample, NULL), 0);
}

static double value(enum metric_id id)
{
	double v = metric_sample__value(&w.process, id);

	if (isnan(v))
		fail_msg("%s is not known", metric__get(id)->name);
	return v;
}

static void assert_near(enum metric_id id, double want, double tolerance)
{
	if (fabs(value(id) - want) > tolerance)
		fail_msg("%s is %g, not %g", metric__get(id)->name, value(id), want);
}

static uint64_t proc_number(const char *file, const char *key)
{
	const struct key_field field = {key, &(uint64_t){0}};
	char path[64];
	struct buf b;

	snprintf(path, sizeof(path), "/proc/%d/%s", w.child, file);
	buf__init(&b, 65536);
	assert_int_equal(io__read_at(-1, path, 65536, &b), 0);
	for (size_t i = 0; i < b.len; i++) /* status has tabs */
		if (b.data[i] == '\t')
			b.data[i] = ' ';
	if (!key_lines__read((const char *)b.data, b.len, &field, 1))
		fail_msg("no %s in %s", key, path);
	buf__done(&b);
	return *field.value;
}

static void nap(double seconds)
{
	usleep((useconds_t)(seconds * 1e6));
}

/* Are all threads of the child asleep? */
static bool is_asleep(void)
{
	struct dirent *e;
	char path[64];
	bool is = true;
	struct buf b;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", w.child);
	dir = opendir(path);
	assert_non_null(dir);
	while (is && (e = readdir(dir))) {
		const char *state;

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/stat", w.child, e->d_name);
		buf__init(&b, 4096);
		if (!io__read_at(-1, path, 4096, &b)) {
			state = strrchr(buf__str(&b), ')');
			is = state && strchr("SDZ", state[2]);
		}
		buf__done(&b);
	}
	closedir(dir);
	return is;
}

/* On a busy machine the last thread may wait for a CPU long after it was begun. */
static void wait_until_asleep(uint64_t n_threads)
{
	for (int i = 0; i < 200 && (proc_number("status", "Threads:") != n_threads || !is_asleep()); i++)
		nap(0.05);
	nap(0.1);
}

/* ---- known answers ----------------------------------------------------------------------------------------------- */

static void grow(void)
{
	for (;;) {
		char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		memset(p, 1, 1 << 20);
		nap(0.1);
	}
}

static void growth_of_10_mib_a_second_is_seen_as_such(void **state)
{
	double rss, rate, began;

	(void)state;
	start(grow);
	nap(0.3);
	began = (double)clock__mono_ns();
	pass();
	rss = value(METRIC_rss);
	nap(2);
	pass();
	rate = value(METRIC_memory_growth_rate);
	/* a busy machine makes naps longer, its and ours: at least half of it, and never more */
	assert_true(rate > 5 * MIB && rate < 10.6 * MIB);
	assert_near(METRIC_rss, rss + rate * ((double)clock__mono_ns() - began) / 1e9, MIB);
}

static pthread_barrier_t barrier;

static void *wait_for_ever(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&barrier);
	for (;;)
		pause();
	return NULL;
}

#define N_THREADS 37
#define N_FDS     211

static void have_threads_and_fds(void)
{
	pthread_attr_t small;
	pthread_t t;

	pthread_barrier_init(&barrier, NULL, N_THREADS);
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	for (int i = 1; i < N_THREADS; i++)
		pthread_create(&t, &small, wait_for_ever, NULL);
	for (int i = 0; i < N_FDS; i++)
		dup(0);
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){1000001, 1000001});
	dup2(0, 1000000); /* in a table of a million */
	pthread_barrier_wait(&barrier);
}

static uint32_t count_fds(void)
{
	char path[64];
	uint32_t n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", w.child);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2; /* . and .. */
}

static void threads_descriptors_and_memory_are_those_of_proc(void **state)
{
	(void)state;
	start(have_threads_and_fds);
	wait_until_asleep(N_THREADS);
	pass();
	assert_near(METRIC_thread_count, N_THREADS, 0);
	assert_near(METRIC_thread_count, (double)proc_number("status", "Threads:"), 0);
	assert_true(count_fds() > N_FDS);
	assert_near(METRIC_fd_count, count_fds(), 0);
	assert_near(METRIC_rss, (double)proc_number("status", "VmRSS:") * 1024, 0);
	nap(1);
	pass();
	assert_near(METRIC_cpu_usage_percent, 0, 0.5);
	assert_near(METRIC_blocked_percent, 100, 0.5);
	assert_true(w.n_processes > 3);
}

static void leave_to_the_others(void)
{
	have_threads_and_fds();
	pthread_exit(NULL);
}

static void process_whose_first_thread_has_ended_still_has_what_it_has(void **state)
{
	(void)state;
	start(leave_to_the_others);
	wait_until_asleep(N_THREADS);
	pass();
	assert_true(value(METRIC_fd_count) > N_FDS && value(METRIC_rss) > MIB / 4);
}

#define N_FILE_PAGES 64

/* Maps a file that is not in memory, a page at a time, over and over. */
static void fault_from_disk(void)
{
	char path[] = "/var/tmp/usage_test.XXXXXX", page[4096];
	int fd = mkstemp(path);

	unlink(path);
	memset(page, 7, sizeof(page));
	for (int i = 0; i < N_FILE_PAGES; i++)
		if (write(fd, page, sizeof(page)) < 0)
			_exit(1);
	fsync(fd);
	for (;;) {
		volatile char *p = mmap(NULL, sizeof(page) * N_FILE_PAGES, PROT_READ, MAP_SHARED, fd, 0);

		madvise((void *)p, sizeof(page) * N_FILE_PAGES, MADV_RANDOM);
		for (int i = 0; i < N_FILE_PAGES; i++)
			(void)p[i * (int)sizeof(page)];
		munmap((void *)p, sizeof(page) * N_FILE_PAGES);
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		nap(0.1);
	}
}

/* Field of /proc/PID/stat, counted from 1. */
static uint64_t stat_field(int n)
{
	char path[64];
	const char *at;
	struct buf b;
	uint64_t v;

	snprintf(path, sizeof(path), "/proc/%d/stat", w.child);
	buf__init(&b, 65536);
	assert_int_equal(io__read_at(-1, path, 65536, &b), 0);
	at = strrchr(buf__str(&b), ')') + 2;
	for (int i = 3; i < n; i++)
		at = strchr(at, ' ') + 1;
	v = strtoull(at, NULL, 10);
	buf__done(&b);
	return v;
}

static void faults_and_switches_are_those_of_proc(void **state)
{
	uint64_t major, switches, began, at;
	double s;

	(void)state;
	start(fault_from_disk);
	nap(0.3);
	began = clock__mono_ns();
	pass();
	major = stat_field(12);
	switches = proc_number("status", "voluntary_ctxt_switches:") +
		   proc_number("status", "nonvoluntary_ctxt_switches:");
	nap(2);
	at = clock__mono_ns();
	pass();
	s = (double)(at - began) / 1e9;
	major = stat_field(12) - major;
	switches = proc_number("status", "voluntary_ctxt_switches:") +
		   proc_number("status", "nonvoluntary_ctxt_switches:") - switches;
	if (!major) {
		print_message("files of /var/tmp never leave memory here\n");
		skip();
	}
	assert_true(major > N_FILE_PAGES); /* it made some in every round */
	assert_near(METRIC_major_fault_rate, (double)major / s, N_FILE_PAGES);
	assert_near(METRIC_context_switch_rate, (double)switches / s, 4.0 * N_FILE_PAGES);
}

static void burn(void)
{
	for (;;)
		;
}

static uint64_t cpu_ns(void)
{
	return (stat_field(14) + stat_field(15)) * (NS_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
}

static void cpu_time_is_that_of_proc(void **state)
{
	uint64_t before, began, at;

	(void)state;
	start(burn);
	nap(0.3);
	before = cpu_ns();
	began = clock__mono_ns();
	pass();
	nap(2);
	at = clock__mono_ns();
	pass();
	/* ticks are hundredths, of both ends */
	assert_near(METRIC_cpu_usage_percent, (double)(cpu_ns() - before) / (double)(at - began) * 100, 3);
	assert_true(value(METRIC_cpu_usage_percent) > 5);
	assert_true(metric_sample__value(&w.host, METRIC_cpu_usage_percent) >=
		    value(METRIC_cpu_usage_percent) / (double)sysconf(_SC_NPROCESSORS_ONLN) - 5);
}

/* What a child says of itself; shared with it. */
static struct blocked_truth {
	int percent;                 /* of the time that it means to sleep */
	_Atomic uint64_t planned_ns; /* that it has slept, by what it asked for */
	_Atomic uint64_t
		passed_ns; /* from lying down to running again: a late timer and the wait for a CPU in it */
} * truth;

#define CYCLE_NS (20 * NS_PER_MS)

/* In turns of 20 ms: works until its time to sleep has come, however long the CPU was somebody else's meanwhile. */
static void work_and_sleep(void)
{
	uint64_t sleep_ns = CYCLE_NS / 100 * (uint64_t)truth->percent, cpu, now;
	struct timespec until;

	for (;;) {
		cpu = clock__thread_cpu_ns();
		while (clock__thread_cpu_ns() - cpu < CYCLE_NS - sleep_ns)
			;
		now = clock__mono_ns();
		until = (struct timespec){(time_t)((now + sleep_ns) / NS_PER_SEC),
					  (long)((now + sleep_ns) % NS_PER_SEC)};
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
		truth->planned_ns += sleep_ns;
		truth->passed_ns += clock__mono_ns() - now;
	}
}

/*
 * It blocks for as long as it asked for, and for what its timers come late: a hypervisor that takes the CPU makes them. The wait for a CPU after that
 * is not blocked, and is in what has passed.
 */
static void blocked_share_is_what_a_process_sleeps(void **state)
{
	static const int percents[] = {30, 70};

	(void)state;
	truth = mmap(NULL, sizeof(*truth), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(truth, MAP_FAILED);
	for (size_t i = 0; i < sizeof(percents) / sizeof(*percents); i++) {
		double least, most;
		uint64_t planned, passed, began, at;

		truth->percent = percents[i];
		start(work_and_sleep);
		nap(0.3);
		began = clock__mono_ns();
		pass();
		planned = truth->planned_ns;
		passed = truth->passed_ns;
		nap(2);
		at = clock__mono_ns();
		pass();
		/* one sleep at each end */
		least = (double)(truth->planned_ns - planned) / (double)(at - began) * 100 - 4;
		most = (double)(truth->passed_ns - passed) / (double)(at - began) * 100 + 4;
		if (!(least > 0) || value(METRIC_blocked_percent) < least ||
		    value(METRIC_blocked_percent) > most)
			fail_msg("blocked_percent is %g, not %g to %g", value(METRIC_blocked_percent), least,
				 most);
		kill(w.child, SIGKILL);
		waitpid(w.child, NULL, 0);
	}
	munmap(truth, sizeof(*truth));
}

static void *wait_for_a_vforked_child(void *arg)
{
	(void)arg;
	pthread_barrier_wait(&barrier);
	if (!vfork()) /* who made it sleeps uninterruptibly, as if for a disk, until it is gone */
		for (;;)
			pause();
	return NULL;
}

#define N_UNINTERRUPTIBLE 3
#define N_INTERRUPTIBLE   4 /* the first thread is one more */

static void wait_in_both_ways(void)
{
	pthread_t t;

	setpgid(0, 0);
	pthread_barrier_init(&barrier, NULL, N_UNINTERRUPTIBLE + N_INTERRUPTIBLE + 1);
	for (int i = 0; i < N_UNINTERRUPTIBLE; i++)
		pthread_create(&t, NULL, wait_for_a_vforked_child, NULL);
	for (int i = 0; i < N_INTERRUPTIBLE; i++)
		pthread_create(&t, NULL, wait_for_ever, NULL);
	pthread_barrier_wait(&barrier);
}

static void threads_in_uninterruptible_sleep_are_told_from_others(void **state)
{
	double share = N_UNINTERRUPTIBLE * 100.0 / (N_UNINTERRUPTIBLE + N_INTERRUPTIBLE + 1);

	(void)state;
	start(wait_in_both_ways);
	wait_until_asleep(N_UNINTERRUPTIBLE + N_INTERRUPTIBLE + 1);
	pass();
	nap(1);
	pass();
	kill(-w.child, SIGKILL);
	assert_near(METRIC_thread_count, N_UNINTERRUPTIBLE + N_INTERRUPTIBLE + 1, 0);
	assert_near(METRIC_disk_wait_percent, share, 0.01);
	/* who waits like that is blocked as well */
	assert_near(METRIC_blocked_percent, 100, 0.5);
}

/* ---- a group of our own ------------------------------------------------------------------------------------------ */

static char group_dir[CGROUP_PATH_MAX];

static bool put_file(const char *name, const char *text)
{
	char path[CGROUP_PATH_MAX + 64];
	int fd;
	bool good;

	snprintf(path, sizeof(path), "%s/%s", group_dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	good = fd >= 0 && !io__write_full(fd, text, strlen(text));
	if (fd >= 0)
		close(fd);
	return good;
}

/* In the hierarchy of that file, with that controller; false where this host lets nobody have one. */
static bool make_group(enum cgroup_file of, const char *controller)
{
	static char name[64];
	struct cgroup_tree tree;
	char *up;

	snprintf(name, sizeof(name), "/everprof-usage-%d", getpid());
	if (read_cgroup_tree("/proc", &tree) || cgroup_tree__path(&tree, "", name, of, group_dir))
		return false;
	*strrchr(group_dir, '/') = '\0';
	if (!cgroup_tree__is_v1(&tree, of)) {
		up = strrchr(group_dir, '/');
		*up = '\0';
		put_file("cgroup.subtree_control", controller);
		*up = '/';
	}
	w.group = name;
	return !mkdir(group_dir, 0755);
}

static bool join_group(pid_t pid)
{
	char text[32];

	snprintf(text, sizeof(text), "%d", pid);
	return put_file("cgroup.procs", text);
}

static void need(bool made, const char *what)
{
	if (made)
		return;
	rmdir(group_dir);
	print_message("no control group with %s can be made here\n", what);
	skip();
}

static void end_group(void)
{
	kill(w.child, SIGKILL);
	waitpid(w.child, NULL, 0);
	w.child = 0;
	for (int i = 0; i < 100 && rmdir(group_dir); i++)
		nap(0.02); /* the dead leave it in their own time */
	assert_int_equal(access(group_dir, F_OK), -1);
}

struct periods {
	double all, throttled;
};

/* Of its CPU time, as the group tells it. */
static struct periods periods_now(void)
{
	char path[PATH_MAX + 16], key[64];
	struct periods p = {0};
	double number;
	FILE *file;

	snprintf(path, sizeof(path), "%s/cpu.stat", group_dir);
	file = fopen(path, "re");
	assert_non_null(file);
	while (fscanf(file, "%63s %lf", key, &number) == 2)
		if (!strcmp(key, "nr_periods"))
			p.all = number;
		else if (!strcmp(key, "nr_throttled"))
			p.throttled = number;
	fclose(file);
	return p;
}

/* Its child may use 20 of 100 ms, and would use all. On a busy machine it may get less than that in many a period: how many those were, the group knows best. */
static void throttled_group_is_seen_against_its_limit(void **state)
{
	struct periods before[2], after[2];
	double limit, throttled, least, most;

	(void)state;
	start(burn);
	need(make_group(CGROUP_FILE_CPU_STAT, "+cpu") &&
		     (put_file("cpu.max", "20000 100000") ||
		      (put_file("cpu.cfs_period_us", "100000") && put_file("cpu.cfs_quota_us", "20000"))) &&
		     join_group(w.child),
	     "a CPU quota");
	nap(0.5);
	for (int i = 0; i < 2; i++) {
		before[i] = periods_now();
		pass();
		after[i] = periods_now();
		for (int k = 0; k < 40 && !i; k++) {
			nap(0.5);
			if (k >= 5 && periods_now().throttled - after[0].throttled >= 5)
				break;
		}
	}
	limit = metric_sample__value(&w.cgroup, METRIC_cpu_limit_percent);
	throttled = metric_sample__value(&w.cgroup, METRIC_throttled_percent);
	end_group();
	least = 100 * (before[1].throttled - after[0].throttled) / (after[1].all - before[0].all);
	most = 100 * (after[1].throttled - before[0].throttled) / (before[1].all - after[0].all);
	if (!(throttled > 0 && throttled >= least - 1e-6 && throttled <= most + 1e-6))
		fail_msg("throttled in %g %% of the periods, and by its own account in %g to %g %%",
			 throttled, least, most);
	assert_true(limit < 125);
	assert_near(METRIC_cpu_limit_percent, value(METRIC_cpu_usage_percent) / 0.2, 0.001);
}

/* It grows by up to 10 MiB a second, and may have 200 MiB. */
static void process_comes_nearer_to_the_memory_limit_of_its_group(void **state)
{
	double limit, eta, growth, rss, first = 0;
	uint64_t began = 0;

	(void)state;
	start(grow);
	need(make_group(CGROUP_FILE_MEMORY_MAX, "+memory") &&
		     (put_file("memory.max", "209715200") ||
		      put_file("memory.limit_in_bytes", "209715200")) &&
		     join_group(w.child),
	     "a memory limit");
	for (int i = 0; i < 8; i++) {
		pass();
		if (i == 2) { /* it has settled */
			first = value(METRIC_rss);
			began = clock__mono_ns();
		}
		nap(1);
	}
	pass();
	limit = value(METRIC_memory_limit_percent);
	eta = value(METRIC_memory_limit_eta);
	rss = value(METRIC_rss);
	growth = (rss - first) / ((double)(clock__mono_ns() - began) / 1e9);
	end_group();
	/* what it had before it came into the group is not the group's */
	if (limit < 5 || limit > rss / (200 * MIB) * 100 + 3)
		fail_msg("%g %% of 200 MiB, with %g MiB resident", limit, rss / MIB);
	/* growth since the third second, and the mean that weighs the last ones more and the first two, too */
	if (eta < 0.7 * (1 - limit / 100) * 200 * MIB / growth ||
	    eta > 1.5 * (1 - limit / 100) * 200 * MIB / growth)
		fail_msg("%g s to the limit at %g %% of it, growing by %g MiB a second", eta, limit,
			 growth / MIB);
}

/* ---- what the kernel tells by itself ----------------------------------------------------------------------------- */

static int stop_loop(uint64_t n, void *ctx)
{
	(void)n;
	loop__stop(ctx);
	return 0;
}

/* For so long, the triggers heard. */
static void listen_for(struct loop *l, struct loop_source *timer, double seconds)
{
	loop__set_timer(timer, (uint64_t)(seconds * 1e9), 0);
	assert_int_equal(loop__run(l), 0);
}

/* Two on one CPU: one of them always waits. */
static void quarrel(void)
{
	cpu_set_t first;

	setpgid(0, 0);
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	sched_setaffinity(0, sizeof(first), &first);
	if (!fork())
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		;
}

/*
 * Nine tenths of a second of waiting are a third of what lies between two passes, and more than 60 % of the second that the kernel slides over. Where it looks every two
 * seconds at the last two, it takes four and a half of ten, wherever they begin.
 */
static void pressure_between_passes_is_that_of_its_worst_window(void **state)
{
	double above[SCOPE_N][PRESSURE_LINES] = {0}, told;
	struct pressure_triggers triggers = {0};
	struct loop_source *timer;
	struct loop *l;

	(void)state;
	assert_int_equal(loop__new(&l), 0);
	assert_int_equal(loop__add_timer(l, LOOP_TIMER_OFF, 0, stop_loop, l, &timer), 0);
	triggers.loop = l;
	usage__free(w.usage);
	open_usage(&(struct usage_opts){.triggers = &triggers});
	start(quarrel);
	kill(w.child, SIGSTOP);
	need(make_group(CGROUP_FILE_CPU_PRESSURE, "") && join_group(w.child), "pressure");
	above[SCOPE_CGROUP][0] = 60;
	usage__arm(w.usage, above);
	pass();
	if (!triggers.n) { /* this kernel has none */
		end_group();
		loop__free(l);
		skip();
	}
	kill(w.child, SIGCONT);
	listen_for(l, timer, triggers.window_us == 1000000 ? 0.9 : 4.5);
	kill(-w.child, SIGSTOP);
	listen_for(l, timer, triggers.window_us == 1000000 ? 1.8 : 5.5);
	pass();
	told = metric_sample__value(&w.cgroup, METRIC_psi_cpu_some_percent);
	end_group();
	if (!triggers.n_fired || !(told > 60))
		fail_msg("%g %%, of %llu triggers that fired", told, (unsigned long long)triggers.n_fired);
	print_message("%g %% of a window of %u ms\n", told, triggers.window_us / 1000);
	usage__free(w.usage);
	w.usage = NULL;
	assert_int_equal(triggers.n, 0);
	loop__free(l);
}

#define truth_test(fn) cmocka_unit_test_setup_teardown(fn, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		truth_test(growth_of_10_mib_a_second_is_seen_as_such),
		truth_test(process_whose_first_thread_has_ended_still_has_what_it_has),
		truth_test(threads_descriptors_and_memory_are_those_of_proc),
		truth_test(faults_and_switches_are_those_of_proc),
		truth_test(cpu_time_is_that_of_proc),
		truth_test(blocked_share_is_what_a_process_sleeps),
		truth_test(threads_in_uninterruptible_sleep_are_told_from_others),
		truth_test(throttled_group_is_seen_against_its_limit),
		truth_test(process_comes_nearer_to_the_memory_limit_of_its_group),
		truth_test(pressure_between_passes_is_that_of_its_worst_window),
	};

	cmocka_set_test_filter(getenv("TEST_FILTER")); /* on other kernels some are asked alone */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
