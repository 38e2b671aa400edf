// SPDX-License-Identifier: Apache-2.0
/* What a pass makes of records and files: known records, and trees of files as the kernel has them. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf/usage.h"
#include "tests/support/folder.h"
#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/kernel/run_queue.h"
#include "user/pipeline/usage.h"
#include "user/process/process.h"

#define RECORDS_MAX 16
#define SAMPLES_MAX 32
#define USAGE_KEPT  1000
#define MIB         (1024.0 * 1024)

struct world {
	char dir[FOLDER_MAX];
	struct usage_record records[RECORDS_MAX];
	uint32_t n;
	uint32_t crowd;     /* how many processes there are besides, of pid 1000 and up */
	const char *cgroup; /* of all processes */
	struct usage *usage;
	uint64_t now_ns;
	struct metric_sample samples[SAMPLES_MAX];
	char cgroups[SAMPLES_MAX][128], containers[SAMPLES_MAX][128];
	uint32_t n_samples;
	bool asked_for_fds;
	struct run_queue queue;
	struct usage_own own;
};

static int on_list(void *ctx, bool with_fds, int (*fn)(const struct usage_record *r, void *fn_ctx),
		   void *fn_ctx)
{
	struct world *w = ctx;

	w->asked_for_fds = with_fds;
	for (uint32_t i = 0; i < w->n; i++)
		assert_int_equal(fn(&w->records[i], fn_ctx), 0);
	for (uint32_t pid = 1000; pid < 1000 + w->crowd; pid++) {
		const struct usage_record r = {.start_ns = pid * 1000,
					       .tgid = pid,
					       .tid = pid,
					       .flags = USAGE_PROCESS | USAGE_MEMORY,
					       .n_threads = 1,
					       .comm = "one of many"};

		assert_int_equal(fn(&r, fn_ctx), 0);
	}
	return 0;
}

static bool on_labels(void *ctx, const struct task_key *key, uint64_t cgroup, struct process_labels *ret)
{
	(void)key, (void)cgroup;
	*ret = (struct process_labels){"", "/usr/bin/x", ((struct world *)ctx)->cgroup, "", "", ""};
	return true;
}

static bool on_run_queue(void *ctx, struct run_queue *ret)
{
	*ret = ((struct world *)ctx)->queue;
	return true;
}

static void on_own(void *ctx, struct usage_own *ret)
{
	*ret = ((struct world *)ctx)->own;
}

static double on_goroutines(void *ctx, const struct task_key *key)
{
	(void)ctx;
	return key->tgid == 10 ? 77 : NAN;
}

static void put(const struct world *w, const char *path, const char *text)
{
	char full[256], folder[256];
	int fd;

	snprintf(full, sizeof(full), "%s/%s", w->dir, path);
	snprintf(folder, sizeof(folder), "%s", full);
	*strrchr(folder, '/') = '\0';
	assert_int_equal(io__mkdir_p(folder, 0700), 0);
	fd = open(full, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	assert_true(fd >= 0);
	assert_int_equal(io__write_full(fd, text, strlen(text)), 0);
	close(fd);
}

static void world__open(struct world *w, const char *mounts)
{
	struct usage_opts opts = {0};
	struct usage_port port = {.ctx = w,
				  .list = on_list,
				  .labels = on_labels,
				  .run_queue = on_run_queue,
				  .own = on_own,
				  .asides = {.ctx = w, .goroutines = on_goroutines}};
	static char proc[80];

	*w = (struct world){.cgroup = "/", .now_ns = clock__mono_ns()};
	assert_int_equal(folder__make(w->dir), 0);
	put(w, "proc/self/mountinfo", mounts);
	put(w, "proc/stat", "cpu  0 0 0 0 0 0 0 0 0 0\nctxt 0\n");
	put(w, "proc/meminfo", "MemTotal: 100 kB\nAnonPages: 10 kB\nMapped: 5 kB\n");
	snprintf(proc, sizeof(proc), "%s/proc", w->dir);
	opts.proc = proc;
	opts.root = w->dir;
	assert_int_equal(usage__new(&opts, &port, &w->usage), 0);
}

static void world__close(struct world *w)
{
	usage__free(w->usage);
	assert_int_equal(folder__remove(w->dir), 0);
}

static void want_all(struct world *w, enum scope scope)
{
	uint64_t want[SCOPE_N] = {0};

	want[scope] = UINT64_MAX;
	usage__want(w->usage, want);
}

static void on_sample(const struct metric_sample *s, void *ctx)
{
	struct world *w = ctx;

	if (w->crowd && s->target.pid >= 1000)
		return;
	assert_true(w->n_samples < SAMPLES_MAX);
	snprintf(w->cgroups[w->n_samples], sizeof(w->cgroups[0]), "%s",
		 s->target.cgroup ? s->target.cgroup : "");
	snprintf(w->containers[w->n_samples], sizeof(w->containers[0]), "%s",
		 s->target.container ? s->target.container : "");
	w->samples[w->n_samples++] = *s;
}

static void pass(struct world *w, double seconds)
{
	w->now_ns += (uint64_t)(seconds * 1e9);
	w->n_samples = 0;
	assert_int_equal(usage__pass(w->usage, w->now_ns, on_sample, w), 0);
}

/* A process with one thread; it began long ago. */
static struct usage_record *process(struct world *w, uint32_t pid)
{
	struct usage_record *r = &w->records[w->n++];

	*r = (struct usage_record){.start_ns = pid * 1000,
				   .tgid = pid,
				   .tid = pid,
				   .flags = USAGE_PROCESS | USAGE_MEMORY,
				   .n_threads = 1,
				   .comm = "worker"};
	return r;
}

static struct usage_record *thread(struct world *w, uint32_t pid, uint32_t tid)
{
	struct usage_record *r = &w->records[w->n++];

	*r = (struct usage_record){.start_ns = pid * 1000, .tgid = pid, .tid = tid};
	return r;
}

static const struct metric_sample *of_pid(const struct world *w, uint32_t pid)
{
	for (uint32_t i = 0; i < w->n_samples; i++)
		if (w->samples[i].target.scope == SCOPE_PROCESS && w->samples[i].target.pid == pid)
			return &w->samples[i];
	fail_msg("no sample of pid %u", pid);
	return NULL;
}

static const struct metric_sample *of_group(const struct world *w, enum scope scope, const char *path)
{
	for (uint32_t i = 0; i < w->n_samples; i++)
		if (w->samples[i].target.scope == scope && !strcmp(w->cgroups[i], path))
			return &w->samples[i];
	return NULL;
}

static void assert_value(const struct metric_sample *s, enum metric_id id, double want)
{
	double got = metric_sample__value(s, id);

	if (!(fabs(got - want) <= 1e-6 * fmax(1, fabs(want))))
		fail_msg("%s is %g, not %g", metric__get(id)->name, got, want);
}

static void rates_are_of_the_time_since_the_pass_before(void **state)
{
	struct world w;
	struct usage_record *r;
	const struct metric_sample *s;

	(void)state;
	world__open(&w, "\n");
	r = process(&w, 10);
	r->sums = (struct usage_sums){.run_ns = 3600ull * NS_PER_SEC, .major = 1000, .voluntary = 50};
	r->rss_pages[USAGE_ANON] = 256;
	pass(&w, 1);
	s = of_pid(&w, 10);
	/* an hour of CPU time since its start is nothing that it uses now */
	assert_false(metric_sample__knows(s, METRIC_cpu_usage_percent));
	assert_value(s, METRIC_rss, MIB);
	assert_value(s, METRIC_thread_count, 1);
	r->sums.run_ns += NS_PER_SEC;
	r->sums.major += 30;
	r->sums.involuntary += 8;
	r->sums.voluntary += 2;
	r->run_delay_ns += NS_PER_SEC / 2;
	r->rss_pages[USAGE_ANON] = 768;
	pass(&w, 2);
	s = of_pid(&w, 10);
	assert_value(s, METRIC_cpu_usage_percent, 50);
	assert_value(s, METRIC_major_fault_rate, 15);
	assert_value(s, METRIC_context_switch_rate, 5);
	assert_value(s, METRIC_memory_growth_rate, MIB);
	assert_value(s, METRIC_blocked_percent, 25);
	pass(&w, 1);
	assert_value(of_pid(&w, 10), METRIC_cpu_usage_percent, 0);
	assert_value(of_pid(&w, 10), METRIC_memory_growth_rate, 0);
	world__close(&w);
}

static void threads_add_up_and_one_that_ends_leaves_its_sums(void **state)
{
	struct usage_record *r, *t;
	struct world w;

	(void)state;
	world__open(&w, "\n");
	r = process(&w, 10);
	t = thread(&w, 10, 11);
	r->n_threads = 2;
	r->sums.run_ns = NS_PER_SEC;
	t->sums.run_ns = 7200 * NS_PER_SEC;
	t->flags = USAGE_ON_DISK;
	pass(&w, 1);
	assert_value(of_pid(&w, 10), METRIC_disk_wait_percent, 50);
	assert_value(of_pid(&w, 10), METRIC_thread_count, 2);
	r->sums.run_ns += NS_PER_SEC / 4;
	t->sums.run_ns += NS_PER_SEC / 2;
	pass(&w, 1);
	assert_value(of_pid(&w, 10), METRIC_cpu_usage_percent, 75);
	/* it ended: its time is the process's now */
	r->ended.run_ns = t->sums.run_ns + NS_PER_SEC / 10;
	r->sequence = 2;
	r->n_threads = 1;
	w.n = 1;
	pass(&w, 1);
	assert_value(of_pid(&w, 10), METRIC_cpu_usage_percent, 10);
	assert_value(of_pid(&w, 10), METRIC_thread_count, 1);
	world__close(&w);
}

/* A thread of two hours that ends in the middle of the pass: in neither record, or in both. */
static void thread_that_ends_during_the_pass_makes_no_spike(void **state)
{
	struct usage_record *r, *t;
	struct world w;

	(void)state;
	world__open(&w, "\n");
	r = process(&w, 10);
	t = thread(&w, 10, 11);
	t->sums.run_ns = 7200 * NS_PER_SEC;
	pass(&w, 1);
	t->sums.run_ns += NS_PER_SEC / 2;
	pass(&w, 1);
	assert_value(of_pid(&w, 10), METRIC_cpu_usage_percent, 50);
	/* both: the thread's record came first */
	r->ended.run_ns = t->sums.run_ns;
	r->sequence = 2;
	pass(&w, 1);
	assert_value(of_pid(&w, 10), METRIC_cpu_usage_percent, 50); /* as before */
	w.n = 1;
	pass(&w, 1);
	assert_value(of_pid(&w, 10), METRIC_cpu_usage_percent, 0); /* nothing in two seconds */
	world__close(&w);
}

/* A thread that the kernel counts as waiting for a CPU while it sleeps (bpf/queue.bpf.h), and adds all of that when it is over. */
static void sleep_that_the_kernel_takes_for_a_wait_is_blocked_time(void **state)
{
	struct usage_record *r, *t, *gone;
	struct world w;

	(void)state;
	world__open(&w, "\n");
	r = process(&w, 10);
	r->n_threads = 4;
	t = thread(&w, 10, 11);
	thread(&w, 10, 12);
	gone = thread(&w, 10, 13);
	gone->false_queue_ms = 500;
	pass(&w, 1);
	t->false_queue_ms = 3600 * 1000;
	pass(&w, 1);
	assert_value(of_pid(&w, 10), METRIC_blocked_percent, 100);
	/* its last half second was a wait; so was that of another thread all along */
	t->false_queue_ms = 0;
	t->run_delay_ns += (3600 * 1000 + 500) * NS_PER_MS;
	r->run_delay_ns += NS_PER_SEC;
	/* while these records are not of one moment nothing is told, nor lost */
	t->sequence = 1;
	pass(&w, 1);
	assert_value(of_pid(&w, 10), METRIC_blocked_percent, 100);
	t->sequence = 0;
	pass(&w, 1);
	assert_value(of_pid(&w, 10), METRIC_blocked_percent, 100 * (1 - 1.5 / 8));
	/* what it waits now counts as ever; and a thread whose tid another has by now leaves nothing to it */
	t->run_delay_ns += NS_PER_SEC / 2;
	w.n = 3;
	pass(&w, 1);
	assert_value(of_pid(&w, 10), METRIC_blocked_percent, 100 * (1 - 0.5 / 4));
	thread(&w, 10, 13)->run_delay_ns = NS_PER_SEC / 2;
	pass(&w, 1);
	assert_value(of_pid(&w, 10), METRIC_blocked_percent, 100 * (1 - 0.5 / 4));
	world__close(&w);
}

static void process_whose_threads_end_all_the_time_is_measured_in_the_end(void **state)
{
	struct usage_record *r, *t;
	struct world w;

	(void)state;
	world__open(&w, "\n");
	r = process(&w, 10);
	t = thread(&w, 10, 11);
	pass(&w, 1);
	for (uint32_t i = 1; i <= 12; i++) {
		r->sequence = 2 * i;
		t->sequence = 2 * i + 1;
		r->sums.run_ns += NS_PER_SEC / 2;
		pass(&w, 1);
	}
	assert_value(of_pid(&w, 10), METRIC_cpu_usage_percent, 50);
	world__close(&w);
}

static void young_process_counts_from_its_start(void **state)
{
	struct timespec boot;
	struct usage_record *r;
	struct world w;
	uint64_t now;

	(void)state;
	world__open(&w, "\n");
	w.cgroup = "/a";
	process(&w, 9);
	pass(&w, 1);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	now = (uint64_t)boot.tv_sec * NS_PER_SEC + (uint64_t)boot.tv_nsec - clock__mono_ns() + w.now_ns;
	r = process(&w, 10);
	r->start_ns = now + NS_PER_SEC / 2; /* half a second after that pass */
	r->sums.run_ns = NS_PER_SEC / 4;
	r->rss_pages[USAGE_ANON] = 1000;
	pass(&w, 1);
	assert_true(fabs(metric_sample__value(of_pid(&w, 10), METRIC_cpu_usage_percent) - 50) < 1);
	assert_int_equal(of_pid(&w, 10)->target.start_ns, r->start_ns);
	/* in sums it is what it was in that second, and that it is there at all is no growth */
	assert_true(fabs(metric_sample__value(of_group(&w, SCOPE_CGROUP, "/a"), METRIC_cpu_usage_percent) -
			 25) < 1);
	assert_value(of_pid(&w, 10), METRIC_memory_growth_rate, 0);
	world__close(&w);
}

static void processes_that_are_gone_are_forgotten(void **state)
{
	struct usage_stats stats;
	struct world w;

	(void)state;
	world__open(&w, "\n");
	for (uint32_t pid = 10; pid < 20; pid++)
		process(&w, pid);
	w.cgroup = "/a/b";
	pass(&w, 1);
	usage__stats(w.usage, &stats);
	assert_int_equal(stats.processes, 10);
	assert_int_equal(stats.groups, 2);
	w.n = 3;
	pass(&w, 1);
	usage__stats(w.usage, &stats);
	assert_int_equal(stats.processes, 3);
	assert_non_null(of_group(&w, SCOPE_CGROUP, "/a"));
	w.n = 0;
	for (int i = 0; i < 20; i++)
		pass(&w, 1);
	usage__stats(w.usage, &stats);
	assert_int_equal(stats.processes, 0);
	assert_int_equal(stats.groups, 0);
	assert_int_equal(stats.series_bytes, 4 * 16); /* the host's own */
	world__close(&w);
}

static void room_of_a_crowd_is_given_back(void **state)
{
	struct usage_stats before, crowded, after;
	struct usage_record *r;
	struct world w;

	(void)state;
	world__open(&w, "");
	r = process(&w, 10);
	pass(&w, 1);
	usage__stats(w.usage, &before);
	w.crowd = 3000;
	pass(&w, 1);
	usage__stats(w.usage, &crowded);
	assert_int_equal(crowded.processes, 3001);
	w.crowd = 0;
	r->sums.run_ns += NS_PER_SEC / 2;
	pass(&w, 1);
	usage__stats(w.usage, &after);
	assert_int_equal(after.processes, 1);
	assert_true(crowded.bytes - before.bytes > 100 * (after.bytes - before.bytes));
	want_all(&w, SCOPE_PROCESS);
	r->sums.run_ns += NS_PER_SEC / 2;
	pass(&w, 1);
	assert_value(of_pid(&w, 10), METRIC_cpu_usage_percent, 50);
	world__close(&w);
}

/* Its threads tell for it, all alike. */
static void process_whose_leader_has_ended_has_what_its_threads_have(void **state)
{
	struct usage_record *r;
	struct world w;

	(void)state;
	world__open(&w, "\n");
	want_all(&w, SCOPE_PROCESS);
	process(&w, 10)->flags = USAGE_PROCESS;
	for (uint32_t tid = 11; tid < 13; tid++) {
		r = thread(&w, 10, tid);
		r->flags = USAGE_PROCESS | USAGE_MEMORY | USAGE_FDS;
		r->rss_pages[USAGE_ANON] = 256;
		r->n_fds = 42;
	}
	pass(&w, 1);
	for (uint32_t i = 0; i < 3; i++)
		w.records[i].ended.run_ns = NS_PER_SEC / 2;
	pass(&w, 1);
	assert_value(of_pid(&w, 10), METRIC_rss, MIB);
	assert_value(of_pid(&w, 10), METRIC_fd_count, 42);
	assert_value(of_pid(&w, 10), METRIC_cpu_usage_percent, 50);
	world__close(&w);
}

static void descriptors_and_goroutines_are_asked_for_only_if_wanted(void **state)
{
	struct usage_record *r;
	struct world w;

	(void)state;
	world__open(&w, "\n");
	r = process(&w, 10);
	process(&w, 11);
	r->flags |= USAGE_FDS;
	r->n_fds = 30;
	r->fds_limit = 120;
	pass(&w, 1);
	assert_false(w.asked_for_fds);
	assert_false(metric_sample__knows(of_pid(&w, 10), METRIC_goroutine_count));
	want_all(&w, SCOPE_PROCESS);
	pass(&w, 1);
	assert_true(w.asked_for_fds);
	assert_value(of_pid(&w, 10), METRIC_fd_count, 30);
	assert_value(of_pid(&w, 10), METRIC_fd_limit_percent, 25);
	assert_value(of_pid(&w, 10), METRIC_goroutine_count, 77);
	assert_false(metric_sample__knows(of_pid(&w, 11), METRIC_goroutine_count));
	assert_false(metric_sample__knows(of_pid(&w, 11), METRIC_fd_count));
	world__close(&w);
}

static void what_was_seen_is_kept_pass_by_pass(void **state)
{
	const struct metric_target target = {.scope = SCOPE_PROCESS, .pid = 10, .start_ns = 10000};
	const struct metric_target host = {.scope = SCOPE_SYSTEM},
				   other = {.scope = SCOPE_PROCESS, .pid = 11};
	static struct usage_value values[USAGE_KEPT];
	struct usage_record *r;
	struct world w;
	uint64_t began;

	(void)state;
	world__open(&w, "\n");
	r = process(&w, 10);
	began = w.now_ns;
	for (int i = 1; i <= 700; i++) {
		r->rss_pages[USAGE_ANON] = i;
		r->sums.run_ns += 100 * NS_PER_SEC + NS_PER_SEC / 4; /* by a hundred CPUs */
		pass(&w, 1);
	}
	/* the last ten minutes; rounded to KiB and thousandths of a CPU */
	assert_int_equal(usage__points(w.usage, &target, METRIC_rss, 0, values, USAGE_KEPT), 600);
	assert_true(values[0].value == 101 * 4096.0 && values[599].value == 700 * 4096.0);
	assert_int_equal(values[599].at_ns, w.now_ns);
	assert_int_equal(values[0].at_ns, began + 101 * NS_PER_SEC);
	assert_int_equal(usage__points(w.usage, &target, METRIC_cpu_usage_percent, w.now_ns - 9 * NS_PER_SEC,
				       values, USAGE_KEPT),
			 10);
	assert_true(values[0].value == 10025);
	assert_int_equal(usage__points(w.usage, &target, METRIC_rss, 0, values, 5), 5);
	assert_int_equal(usage__points(w.usage, &target, METRIC_fd_count, 0, values, USAGE_KEPT), 0);
	assert_int_equal(usage__points(w.usage, &other, METRIC_rss, 0, values, USAGE_KEPT), 0);
	assert_int_equal(usage__points(w.usage, &host, METRIC_rss, 0, values, USAGE_KEPT), 600);
	world__close(&w);
}

#define V2  "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
#define POD "/kubepods/pod11111111-2222-3333-4444-555555555555"
#define ID  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void put_v2(const struct world *w, const char *group, unsigned usage_us, unsigned throttled,
		   unsigned stall_us, unsigned anon)
{
	char path[300], text[200];

	snprintf(path, sizeof(path), "sys/fs/cgroup%s/cpu.stat", group);
	snprintf(text, sizeof(text), "usage_usec %u\nnr_periods %u\nnr_throttled %u\n", usage_us,
		 throttled * 4, throttled);
	put(w, path, text);
	snprintf(path, sizeof(path), "sys/fs/cgroup%s/memory.pressure", group);
	snprintf(text, sizeof(text), "some avg10=0.00 total=%u\nfull avg10=0.00 total=%u\n", stall_us,
		 stall_us / 2);
	put(w, path, text);
	snprintf(path, sizeof(path), "sys/fs/cgroup%s/memory.stat", group);
	snprintf(text, sizeof(text), "anon %u\nfile_mapped 0\ninactive_file 1048576\n", anon);
	put(w, path, text);
	snprintf(path, sizeof(path), "sys/fs/cgroup%s/memory.current", group);
	snprintf(text, sizeof(text), "%u\n", anon + 1048576);
	put(w, path, text);
}

static void groups_are_measured_by_their_files_in_version_2(void **state)
{
	static const char box[] = POD "/" ID;
	const struct metric_sample *s;
	struct world w;

	(void)state;
	world__open(&w, V2);
	w.cgroup = box;
	process(&w, 10)->rss_pages[USAGE_ANON] = 2560; /* 10 MiB */
	put_v2(&w, box, 1000000, 0, 0, 10 << 20);
	put(&w, "sys/fs/cgroup" POD "/memory.max", "41943040\n"); /* 40 MiB, the pod's */
	put(&w, "sys/fs/cgroup" POD "/" ID "/memory.max", "max\n");
	put(&w, "sys/fs/cgroup" POD "/" ID "/cpu.max", "50000 100000\n");
	put(&w, "sys/fs/cgroup" POD "/" ID "/pids.max", "200\n");
	put(&w, "sys/fs/cgroup" POD "/" ID "/pids.current", "50\n");
	put_v2(&w, POD, 1000000, 0, 0, 20 << 20);
	want_all(&w, SCOPE_CONTAINER);
	pass(&w, 1);
	put_v2(&w, box, 1400000, 5, 100000, 11 << 20);
	put_v2(&w, POD, 1400000, 5, 100000, 30 << 20);
	pass(&w, 1);
	s = of_group(&w, SCOPE_CONTAINER, box);
	assert_non_null(s);
	assert_string_equal(w.containers[s - w.samples], ID);
	assert_value(s, METRIC_cpu_usage_percent, 40);
	assert_value(s, METRIC_cpu_limit_percent, 80);
	assert_value(s, METRIC_throttled_percent, 25);
	assert_value(s, METRIC_psi_memory_some_percent, 10);
	assert_value(s, METRIC_psi_memory_full_percent, 5);
	assert_value(s, METRIC_rss, 11 * MIB);
	assert_value(s, METRIC_memory_growth_rate, MIB);
	assert_value(s, METRIC_pids_limit_percent, 25);
	/* what can be reclaimed is not counted: the pod has 30 MiB of 40 */
	assert_value(s, METRIC_memory_limit_percent, 75);
	assert_false(metric_sample__knows(s, METRIC_memory_limit_eta)); /* after one second of growth */
	for (int i = 2; i <= 5; i++) {
		put_v2(&w, box, 1400000, 5, 100000, (uint64_t)(10 + i) << 20);
		pass(&w, 1);
	}
	s = of_group(&w, SCOPE_CONTAINER, box);
	/* the pod has room for 10 MiB more, and the box grows by one a second */
	assert_value(s, METRIC_memory_limit_eta, 10);
	/* the group, too, but nobody asked for its files */
	s = of_group(&w, SCOPE_CGROUP, POD);
	assert_non_null(s);
	assert_false(metric_sample__knows(s, METRIC_psi_memory_some_percent));
	assert_null(of_group(&w, SCOPE_CONTAINER, POD));
	world__close(&w);
}

static void groups_are_measured_by_their_files_in_version_1(void **state)
{
	const struct metric_sample *s;
	struct world w;

	(void)state;
	world__open(&w, "35 29 0:31 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
			"36 29 0:32 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n"
			"37 29 0:33 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
	w.cgroup = "/batch";
	process(&w, 10);
	put(&w, "sys/fs/cgroup/cpu/batch/cpu.stat", "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n");
	put(&w, "sys/fs/cgroup/cpu/batch/cpu.cfs_quota_us", "200000\n");
	put(&w, "sys/fs/cgroup/cpu/batch/cpu.cfs_period_us", "100000\n");
	put(&w, "sys/fs/cgroup/cpuacct/batch/cpuacct.usage", "1000000000\n");
	put(&w, "sys/fs/cgroup/memory/batch/memory.limit_in_bytes", "9223372036854771712\n");
	put(&w, "sys/fs/cgroup/memory/batch/memory.stat",
	    "hierarchical_memory_limit 1\ntotal_rss 4096\ntotal_mapped_file 4096\n");
	want_all(&w, SCOPE_CGROUP);
	pass(&w, 1);
	put(&w, "sys/fs/cgroup/cpuacct/batch/cpuacct.usage", "1500000000\n");
	put(&w, "sys/fs/cgroup/cpu/batch/cpu.stat", "nr_periods 10\nnr_throttled 1\nthrottled_time 5\n");
	pass(&w, 1);
	s = of_group(&w, SCOPE_CGROUP, "/batch");
	assert_non_null(s);
	assert_value(s, METRIC_cpu_usage_percent, 50);
	assert_value(s, METRIC_cpu_limit_percent, 25);
	assert_value(s, METRIC_throttled_percent, 10);
	assert_value(s, METRIC_rss, 8192);
	assert_false(metric_sample__knows(s, METRIC_memory_limit_percent));
	assert_false(metric_sample__knows(s, METRIC_psi_cpu_some_percent));
	world__close(&w);
}

/* Ten MiB and half a CPU, then a MiB more each second, in a group that may have 40 MiB and two CPUs and begins with 20 MiB. */
static void expect_held_against_limits(struct world *w)
{
	struct usage_record *r;

	w->cgroup = "/box/inner";
	r = process(w, 10);
	r->rss_pages[USAGE_ANON] = 2560;
	want_all(w, SCOPE_PROCESS);
	pass(w, 1);
	for (int i = 0; i < 100; i++) {
		r->sums.run_ns += NS_PER_SEC / 2;
		r->rss_pages[USAGE_ANON] += 256;
		pass(w, 1);
	}
	assert_value(of_pid(w, 10), METRIC_cpu_usage_percent, 50);
	assert_value(of_pid(w, 10), METRIC_cpu_limit_percent, 25);
	assert_value(of_pid(w, 10), METRIC_memory_limit_percent, (10 + 100) / 40.0 * 100);
	/* 20 MiB are left, and it grows by one a second */
	assert_true(fabs(metric_sample__value(of_pid(w, 10), METRIC_memory_limit_eta) - 20) < 0.5);
	for (int i = 0; i < 300; i++)
		pass(w, 1);
	assert_true(metric_sample__value(of_pid(w, 10), METRIC_memory_limit_eta) > 1e6);
}

static void process_is_held_against_the_limits_of_its_group(void **state)
{
	struct world w;

	(void)state;
	world__open(&w, V2);
	put_v2(&w, "/box", 0, 0, 0, 20 << 20);
	put(&w, "sys/fs/cgroup/box/memory.max", "41943040\n");
	put(&w, "sys/fs/cgroup/box/cpu.max", "200000 100000\n");
	expect_held_against_limits(&w);
	world__close(&w);
}

/* The limits are in the trees of version 1, pressure in the unified one beside them. */
#define HYBRID                                                          \
	"30 24 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n" \
	"35 29 0:31 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"   \
	"37 29 0:33 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"

static void put_v1(const struct world *w)
{
	put(w, "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "200000\n");
	put(w, "sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000\n");
	put(w, "sys/fs/cgroup/memory/box/memory.limit_in_bytes", "41943040\n");
	put(w, "sys/fs/cgroup/memory/box/memory.usage_in_bytes", "22020096\n");
	put(w, "sys/fs/cgroup/memory/box/memory.stat",
	    "hierarchical_memory_limit 41943040\ntotal_rss 20971520\ntotal_mapped_file "
	    "0\ntotal_inactive_file 1048576\n");
}

static void process_is_held_against_limits_of_version_1(void **state)
{
	struct world w;

	(void)state;
	world__open(&w, "35 29 0:31 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
			"37 29 0:33 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n");
	put_v1(&w);
	expect_held_against_limits(&w);
	world__close(&w);
}

static void hybrid_hierarchy_has_limits_and_pressure(void **state)
{
	const struct metric_sample *s;
	struct world w;

	(void)state;
	world__open(&w, HYBRID);
	put_v1(&w);
	expect_held_against_limits(&w);
	put(&w, "sys/fs/cgroup/unified/box/cpu.pressure", "some avg10=0.00 total=0\n");
	put(&w, "sys/fs/cgroup/cpu/box/cpu.stat", "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n");
	want_all(&w, SCOPE_CGROUP);
	for (int i = 0; i < 40; i++) /* what was not there is looked for again after a while */
		pass(&w, 1);
	put(&w, "sys/fs/cgroup/unified/box/cpu.pressure", "some avg10=0.00 total=300000\n");
	put(&w, "sys/fs/cgroup/cpu/box/cpu.stat", "nr_periods 10\nnr_throttled 4\nthrottled_time 5\n");
	pass(&w, 1);
	s = of_group(&w, SCOPE_CGROUP, "/box");
	assert_non_null(s);
	assert_value(s, METRIC_psi_cpu_some_percent, 30);
	assert_value(s, METRIC_throttled_percent, 40);
	assert_value(s, METRIC_memory_limit_percent, 50);
	world__close(&w);
}

static void host_is_measured_by_its_own_files(void **state)
{
	const struct metric_sample *s;
	static char stat[60000]; /* as of many CPUs and interrupts */
	struct world w;

	(void)state;
	world__open(&w, "\n");
	put(&w, "proc/pressure/cpu", "some avg10=0.00 total=1000\n");
	want_all(&w, SCOPE_SYSTEM);
	pass(&w, 1);
	snprintf(stat, sizeof(stat), "cpu  30 0 0 60 10 0 0 500 0 0\nintr%050000d\nctxt 600\n", 0);
	put(&w, "proc/stat", stat);
	put(&w, "proc/pressure/cpu", "some avg10=0.00 total=301000\n");
	put(&w, "proc/meminfo", "MemTotal: 100 kB\nMemAvailable: 25 kB\nAnonPages: 1034 kB\nMapped: 5 kB\n");
	w.queue.n[4] = 90;
	w.queue.n[10] = 10;
	w.own = (struct usage_own){.samples = 99, .lost = 1, .cpu_ns = NS_PER_SEC / 100};
	pass(&w, 1);
	s = &w.samples[0];
	assert_int_equal(s->target.scope, SCOPE_SYSTEM);
	assert_value(s, METRIC_cpu_usage_percent, 30);
	assert_value(s, METRIC_context_switch_rate, 600);
	assert_value(s, METRIC_psi_cpu_some_percent, 30);
	assert_value(s, METRIC_rss, 1039 * 1024);
	assert_value(s, METRIC_memory_available_percent, 25);
	assert_value(s, METRIC_memory_growth_rate, MIB);
	assert_value(s, METRIC_run_queue_latency_p50, (double)run_queue__bucket_ns(4) / 1e9);
	assert_value(s, METRIC_run_queue_latency_p99, (double)run_queue__bucket_ns(10) / 1e9);
	assert_value(s, METRIC_everprof_lost_percent, 1);
	assert_true(metric_sample__value(s, METRIC_everprof_cpu_percent) > 0);
	put(&w, "proc/stat",
	    "cpu  30 0 0 60 10 0 0 500 0 0\n"); /* which is not to say that nobody switched */
	pass(&w, 1);
	assert_true(isnan(metric_sample__value(&w.samples[0], METRIC_context_switch_rate)));
	world__close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_are_of_the_time_since_the_pass_before),
		cmocka_unit_test(threads_add_up_and_one_that_ends_leaves_its_sums),
		cmocka_unit_test(thread_that_ends_during_the_pass_makes_no_spike),
		cmocka_unit_test(sleep_that_the_kernel_takes_for_a_wait_is_blocked_time),
		cmocka_unit_test(process_whose_threads_end_all_the_time_is_measured_in_the_end),
		cmocka_unit_test(young_process_counts_from_its_start),
		cmocka_unit_test(processes_that_are_gone_are_forgotten),
		cmocka_unit_test(process_whose_leader_has_ended_has_what_its_threads_have),
		cmocka_unit_test(descriptors_and_goroutines_are_asked_for_only_if_wanted),
		cmocka_unit_test(groups_are_measured_by_their_files_in_version_2),
		cmocka_unit_test(groups_are_measured_by_their_files_in_version_1),
		cmocka_unit_test(process_is_held_against_the_limits_of_its_group),
		cmocka_unit_test(process_is_held_against_limits_of_version_1),
		cmocka_unit_test(hybrid_hierarchy_has_limits_and_pressure),
		cmocka_unit_test(host_is_measured_by_its_own_files),
		cmocka_unit_test(room_of_a_crowd_is_given_back),
		cmocka_unit_test(what_was_seen_is_kept_pass_by_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
