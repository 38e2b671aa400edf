/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits of programs with known answers: for how long, why, for what, and whether that was idling. A program says at its end how long its threads were off the
 * CPU, and the kernel how much of that was for want of one; what is left it waited for something.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/e2e/e2e.h"

#define SECONDS   "4"
#define TOLERANCE 0.03
#define MS        1000000.0

/* What a program said of a thread, or of all of one name. */
struct bill {
	double waited_ns, delay_ns;
	long long n;
};

/* What of the samples is looked at; NULL asks nothing, "" wants none of such a label. */
struct part {
	const char *comm, *state, *syscall, *wait, *idle;
	bool for_cpu, for_other; /* any of those states */
	const char *lock, *holder, *waker;
	bool has_ended; /* not what a pass told of a wait that went on */
};

struct amount {
	double ns, variance;
	long long rows;
};

/* -- reading -- */
static struct bill truth_of(struct recording *r, const char *comm)
{
	const char *line = run__out(&r->everprof);
	struct bill b = {0};
	char name[64];

	/* the last line comes before the end, and all lines are there when the program has ended */
	for (; line && *line; line = strchr(line, '\n'), line += line != NULL) {
		double waited, delay;
		long long n;

		if (sscanf(line, "truth %63s %lf %lf %lld", name, &waited, &delay, &n) != 4 ||
		    strcmp(name, comm))
			continue;
		b.waited_ns += waited;
		b.delay_ns += delay;
		b.n += n;
	}
	if (!b.n)
		fail_msg("no truth of '%s': %s", comm, run__out(&r->everprof));
	return b;
}

static const char *label(const struct profile *p, const struct sample *s, const char *key)
{
	const struct label *l = profile__find_label(p, s->labels, key);

	return l ? profile__str(p, l->str) : "";
}

static bool is_for_cpu(const char *state)
{
	return !strcmp(state, "runnable") || !strcmp(state, "preempted") || !strcmp(state, "throttled");
}

static bool is_in(const struct profile *p, const struct sample *s, const struct part *part)
{
	const struct {
		const char *key, *want;
	} asked[] = {{"comm", part->comm},     {"state", part->state}, {"syscall", part->syscall},
		     {"wait", part->wait},     {"idle", part->idle},   {"lock", part->lock},
		     {"holder", part->holder}, {"waker", part->waker}};

	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++)
		if (asked[i].want && strcmp(label(p, s, asked[i].key), asked[i].want))
			return false;
	if (part->has_ended && !s->values[0])
		return false;
	if (part->for_cpu && !is_for_cpu(label(p, s, "state")))
		return false;
	return !part->for_other || !is_for_cpu(label(p, s, "state"));
}

/* The period is the mean interval of what is taken: waits that are long against it have no chance in them. */
static double variance_of(double ns, double n, double interval)
{
	double x = n > 0 && interval > 0 ? ns / n / interval : 0;

	if (interval <= 0)
		return n > 0 ? ns * ns / n : 0;
	return ns * interval * (x > 0 ? x / expm1(x) : 1);
}

static struct amount sum(const struct profile *p, const struct part *part)
{
	struct amount a = {0};

	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);

		if (!is_in(p, s, part))
			continue;
		a.ns += (double)s->values[1];
		a.variance += variance_of((double)s->values[1], (double)s->values[0],
					  (double)profile__meta(p)->period);
		a.rows++;
	}
	return a;
}

static void print_waits(const struct profile *p)
{
	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);

		print_message("%10.3f ms %6lld  %s  %s  %s  %s  %s\n", (double)s->values[1] / MS,
			      (long long)s->values[0], label(p, s, "comm"), label(p, s, "state"),
			      label(p, s, "syscall"), label(p, s, "wait"), label(p, s, "idle"));
	}
	for (uint32_t i = 0; i < profile__n_comments(p); i++)
		print_message("%s\n", profile__get_comment(p, i));
}

/* -- asserting -- */
#define assert_amount(p, part, want_ns)                 assert_amount_(p, part, want_ns, 0, __LINE__)
#define assert_amount_slack(p, part, want_ns, slack_ns) assert_amount_(p, part, want_ns, slack_ns, __LINE__)

/* Within 3 %, three standard errors, or what the beginning and the end of the recording make uncertain. */
static void assert_amount_(const struct profile *p, const struct part *part, double want_ns, double slack_ns,
			   int line)
{
	struct amount a = sum(p, part);
	double off = fabs(a.ns - want_ns), error = sqrt(a.variance);

	if (off <= TOLERANCE * want_ns + slack_ns || off <= 3 * error)
		return;
	print_waits(p);
	fail_msg("line %d: %s %s %s: %.3f ms in %lld rows (standard error %.3f ms), expected %.3f ms", line,
		 part->comm ? part->comm : "", part->state ? part->state : "", part->wait ? part->wait : "",
		 a.ns / MS, a.rows, error / MS, want_ns / MS);
}

/* At least that share of what the thread waited for other things than a CPU is of that kind. */
static void assert_kind(const struct profile *p, const char *comm, const char *state, const char *syscall,
			const char *wait, const char *idle, double share)
{
	struct amount all = sum(p, &(struct part){.comm = comm, .for_other = true}),
		      known = sum(p, &(struct part){.comm = comm,
						    .state = state,
						    .syscall = syscall,
						    .wait = wait,
						    .idle = idle,
						    .for_other = true});

	if (known.ns >= share * all.ns && all.ns > 0)
		return;
	print_waits(p);
	fail_msg("%s: %.3f of %.3f ms are %s in %s for %s, idle '%s'", comm, known.ns / MS, all.ns / MS,
		 state, syscall ? syscall : "any", wait, idle ? idle : "any");
}

static void record_way(struct recording *r, const char *way, const char *seconds, const char *path)
{
	char program[4096];

	run__path_workload("waits", program);
	recording__record(r, 0, ARGS("-e", "offcpu", "--", program, way, seconds, path));
}

/* A thread that waits in one way, and the truth of both kinds of waiting. */
static void assert_way(struct recording *r, const char *way, const char *path, const char *comm,
		       const char *state, const char *syscall, const char *wait, const char *idle)
{
	struct bill truth;

	record_way(r, way, SECONDS, path);
	truth = truth_of(r, comm);
	assert_amount_slack(r->profile, (&(struct part){.comm = comm, .for_other = true}),
			    truth.waited_ns - truth.delay_ns, 5 * MS);
	assert_amount_slack(r->profile, (&(struct part){.comm = comm, .for_cpu = true}), truth.delay_ns,
			    TOLERANCE * truth.waited_ns);
	assert_kind(r->profile, comm, state, syscall, wait, idle, 0.97);
}

/* -- waiting for something -- */
static void a_sleeper_sleeps_and_idles(void **state)
{
	assert_way(*state, "sleep", NULL, "sleeper", "blocked", "clock_nanosleep", "sleep", "timer");
}

static void a_mutex_is_waited_for_as_long_as_it_is_held(void **state)
{
	struct recording *r = *state;

	assert_way(r, "mutex", NULL, "waiter", "blocked", "futex", "futex", "");
	/* the holder sleeps, and seldom finds the lock taken by the other */
	assert_kind(r->profile, "holder", "blocked", "clock_nanosleep", "sleep", "timer", 0.85);
}

static void a_condition_variable_is_a_futex(void **state)
{
	assert_way(*state, "cond", NULL, "waiter", "blocked", "futex", "futex", "");
}

static void a_semaphore_is_a_futex(void **state)
{
	assert_way(*state, "sem", NULL, "waiter", "blocked", "futex", "futex", "");
}

static void a_rwlock_is_a_futex(void **state)
{
	assert_way(*state, "rwlock", NULL, "waiter", "blocked", "futex", "futex", "");
}

static void a_slow_pipe_blocks_its_reader(void **state)
{
	assert_way(*state, "pipe", NULL, "waiter", "blocked", "read", "pipe", "");
}

/* Going there is a wait, too: for a thread of the kernel that moves it. */
static void a_thread_that_wakes_on_another_cpu_each_time_is_counted_once(void **state)
{
	struct recording *r = *state;
	struct bill truth;

	record_way(r, "migrate", SECONDS, NULL);
	truth = truth_of(r, "nomad");
	assert_amount_slack(r->profile, (&(struct part){.comm = "nomad", .for_other = true}),
			    truth.waited_ns - truth.delay_ns, 5 * MS);
	assert_amount_slack(r->profile, (&(struct part){.comm = "nomad", .for_cpu = true}), truth.delay_ns,
			    TOLERANCE * truth.waited_ns);
	assert_kind(r->profile, "nomad", "blocked", "clock_nanosleep", "sleep", "timer", 0.85);
}

static void reads_past_the_cache_wait_for_the_disk(void **state)
{
	struct recording *r = *state;
	const char *path = recording__file(r, "blocks");
	char block[4096] = "x";
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	for (int i = 0; i < 2048; i++)
		assert_int_equal(write(fd, block, sizeof(block)), sizeof(block));
	fsync(fd);
	close(fd);
	fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		skip(); /* a file system without it */
	close(fd);
	assert_way(r, "disk", path, "reader", "disk", "pread64", "file", "");
}

/* -- whose waits -- */
/* The rest of the machine sleeps all the while. */
static void a_command_has_its_own_waits_only(void **state)
{
	struct recording *r = *state;

	record_way(r, "sleep", "2", NULL);
	for (uint32_t i = 0; i < profile__n_samples(r->profile); i++) {
		const char *comm = label(r->profile, profile__get_sample(r->profile, i), "comm");

		if (strcmp(comm, "sleeper") && strcmp(comm, "waits") && strcmp(comm, "everprof"))
			fail_msg("a sample of '%s'", comm);
	}
}

/* -- threads that come and go -- */
static void waits_of_threads_that_are_gone_are_there(void **state)
{
	struct recording *r = *state;
	struct bill truth;

	record_way(r, "exiting", SECONDS, NULL);
	truth = truth_of(r, "brief");
	assert_amount_slack(r->profile, (&(struct part){.comm = "brief", .state = "blocked"}),
			    truth.waited_ns - truth.delay_ns, 5 * MS);
}

/* It never wakes: its program is replaced, after 2 s. */
static void a_wait_that_an_exec_ends_is_counted_once(void **state)
{
	struct recording *r = *state;

	record_way(r, "exec", SECONDS, NULL);
	assert_amount_slack(r->profile, (&(struct part){.comm = "blocker", .state = "blocked"}),
			    truth_of(r, "blocker").waited_ns, 20 * MS);
	assert_kind(r->profile, "sleeper", "blocked", "clock_nanosleep", "sleep", "timer", 0.97);
}

/* -- waiting for a CPU -- */
static void who_starves_waits_for_a_cpu(void **state)
{
	struct recording *r = *state;
	struct bill truth;

	record_way(r, "starve", SECONDS, NULL);
	truth = truth_of(r, "hog");
	assert_amount_slack(r->profile, (&(struct part){.comm = "hog", .for_cpu = true}), truth.delay_ns,
			    10 * MS);
	/* they have work all the time */
	assert_amount_slack(r->profile, (&(struct part){.comm = "hog", .state = "preempted"}), truth.delay_ns,
			    50 * MS);
	assert_amount_slack(r->profile, (&(struct part){.comm = "hog", .wait = "cpu"}), truth.delay_ns,
			    10 * MS);
}

/* -- stopped from outside -- */
static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		fail_msg("write '%s' to '%s': %s", text, path, strerror(errno));
	close(fd);
}

static double real_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void sleep_ms(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&ts, NULL);
}

static volatile sig_atomic_t is_ended;

static void on_end(int signal)
{
	(void)signal;
	is_ended = 1;
}

/*
 * In a process of its own: stops the workload for half of each second, and writes down from when to when, until the file says that it is over. How long a recording
 * takes to begin on a busy machine nobody knows.
 */
static void interrupt_workload(struct recording *r, void (*stop)(struct recording *r),
			       void (*go)(struct recording *r))
{
	FILE *f = fopen(recording__file(r, "stopped"), "w");

	/* what it has stopped it lets go, even where the test died */
	signal(SIGTERM, on_end);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	while (!is_ended && access(recording__file(r, "over"), F_OK)) {
		double before, from, to;

		sleep_ms(500);
		before = real_ns();
		stop(r);
		from = real_ns();
		sleep_ms(500);
		to = real_ns();
		go(r);
		fprintf(f, "%.0f %.0f %.0f %.0f\n", before, from, to, real_ns());
	}
	fclose(f);
	_exit(0);
}

/* For how long of the recording the workload was stopped. */
static double stopped_in_recording(const struct recording *r)
{
	const struct profile_meta *meta = profile__meta(r->profile);
	double begin = (double)meta->time_ns, end = begin + (double)meta->duration_ns, from, to, all = 0;
	FILE *f = fopen(recording__file(r, "stopped"), "r");

	assert_non_null(f);
	while (fscanf(f, "%*f %lf %lf %*f", &from, &to) == 2) {
		from = from > begin ? from : begin;
		to = to < end ? to : end;
		all += to > from ? to - from : 0;
	}
	fclose(f);
	return all;
}

/* Records the workload while others stop it and let it go. Returns for how long it was stopped. */
static double record_interrupted(struct recording *r, const char *event, void (*stop)(struct recording *r),
				 void (*go)(struct recording *r))
{
	char pid[32];
	pid_t helper = fork();
	int fd;

	if (!helper)
		interrupt_workload(r, stop, go);
	snprintf(pid, sizeof(pid), "%lld", r->pid);
	recording__record(r, 0, ARGS("-e", event, "-d", "4s", "-p", pid));
	fd = open(recording__file(r, "over"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	waitpid(helper, NULL, 0);
	return stopped_in_recording(r);
}

static void stop_by_signal(struct recording *r)
{
	kill((pid_t)r->pid, SIGSTOP);
}

static void go_by_signal(struct recording *r)
{
	kill((pid_t)r->pid, SIGCONT);
}

static void a_stopped_process_is_stopped(void **state)
{
	struct recording *r = *state;
	double stopped_ns;

	recording__start(r, ARGS("waits", "spin", RECORDING_LONG));
	stopped_ns = record_interrupted(r, "offcpu", stop_by_signal, go_by_signal);
	assert_amount_slack(r->profile,
			    (&(struct part){.comm = "spinner", .state = "stopped", .wait = "stop"}),
			    stopped_ns, 20 * MS);
	assert_amount_slack(r->profile, (&(struct part){.comm = "spinner", .idle = ""}),
			    sum(r->profile, &(struct part){.comm = "spinner"}).ns, 0);
}

/* -- control groups, of version 1 or 2 -- */
static char group[4096];

static bool make_group(const char *controller)
{
	bool is_v2 = !access("/sys/fs/cgroup/cgroup.controllers", F_OK);

	snprintf(group, sizeof(group), "/sys/fs/cgroup/%s%severprof_e2e_%d", is_v2 ? "" : controller,
		 is_v2 ? "" : "/", (int)getpid());
	if (is_v2 && strcmp(controller, "freezer")) {
		int fd = open("/sys/fs/cgroup/cgroup.subtree_control", O_WRONLY | O_CLOEXEC);
		const char *enable = strcmp(controller, "cpu") ? "+io" : "+cpu";

		if (fd < 0 || write(fd, enable, strlen(enable)) != (ssize_t)strlen(enable))
			print_message("cannot enable '%s': %s\n", enable, strerror(errno));
		close(fd);
	}
	return !mkdir(group, 0755);
}

static void write_group(const char *file, const char *text)
{
	char path[8192];

	snprintf(path, sizeof(path), "%s/%s", group, file);
	write_file(path, text);
}

static bool group_has(const char *file)
{
	char path[8192];

	snprintf(path, sizeof(path), "%s/%s", group, file);
	return !access(path, F_OK);
}

static void leave_group(struct recording *r)
{
	run__done(&r->workload);
	for (int i = 0; i < 100 && rmdir(group); i++)
		usleep(10000);
}

static void join_group(struct recording *r)
{
	char pid[32];

	snprintf(pid, sizeof(pid), "%lld", r->pid);
	write_group("cgroup.procs", pid);
}

static void freeze_group(struct recording *r)
{
	(void)r;
	if (group_has("cgroup.freeze"))
		write_group("cgroup.freeze", "1");
	else
		write_group("freezer.state", "FROZEN");
}

static void thaw_group(struct recording *r)
{
	(void)r;
	if (group_has("cgroup.freeze"))
		write_group("cgroup.freeze", "0");
	else
		write_group("freezer.state", "THAWED");
}

static void a_frozen_group_is_stopped(void **state)
{
	struct recording *r = *state;
	double frozen_ns;

	if (geteuid() || !make_group("freezer"))
		skip();
	recording__start(r, ARGS("waits", "spin", RECORDING_LONG));
	join_group(r);
	frozen_ns = record_interrupted(r, "offcpu", freeze_group, thaw_group);
	leave_group(r);
	assert_amount_slack(r->profile,
			    (&(struct part){.comm = "spinner", .state = "stopped", .wait = "freezer"}),
			    frozen_ns, 20 * MS);
}

/* For how long the kernel says that the group was throttled. */
static double throttled_ns(void)
{
	char path[8192], key[64];
	double value, ns = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/cpu.stat", group);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fscanf(f, "%63s %lf", key, &value) == 2)
		ns += !strcmp(key, "throttled_time")   ? value
		      : !strcmp(key, "throttled_usec") ? value * 1000
						       : 0;
	fclose(f);
	return ns;
}

/*
 * A twentieth of a CPU, less than it gets on a busy machine: for most of the time it waits for nothing but its quota. The kernel's own figure is of the group, for a little longer than the
 * recording, so it is held against it as a share of time.
 */
static void who_has_used_up_its_quota_is_throttled(void **state)
{
	struct recording *r = *state;
	struct amount throttled, for_cpu;
	double share, from_ns, from_throttled;
	char pid[32];

	if (geteuid() || !make_group("cpu"))
		skip();
	if (group_has("cpu.max")) {
		write_group("cpu.max", "5000 100000");
	} else if (group_has("cpu.cfs_quota_us")) {
		write_group("cpu.cfs_quota_us", "5000");
	} else {
		rmdir(group);
		skip();
	}
	recording__start(r, ARGS("waits", "spin", RECORDING_LONG));
	join_group(r);
	snprintf(pid, sizeof(pid), "%lld", r->pid);
	sleep_ms(300);
	from_ns = real_ns();
	from_throttled = throttled_ns();
	recording__record(r, 0, ARGS("-e", "offcpu", "-d", "5s", "-p", pid));
	share = (throttled_ns() - from_throttled) / (real_ns() - from_ns);
	leave_group(r);
	throttled = sum(r->profile, &(struct part){.comm = "spinner", .state = "throttled"});
	for_cpu = sum(r->profile, &(struct part){.comm = "spinner", .for_cpu = true});
	print_message("throttled %.0f ms, for a CPU %.0f ms, %.0f %% of the time by the kernel\n",
		      throttled.ns / MS, for_cpu.ns / MS, 100 * share);
	if (for_cpu.ns < 0.75 * (double)profile__meta(r->profile)->duration_ns ||
	    throttled.ns < 0.85 * share * (double)profile__meta(r->profile)->duration_ns -
				   3 * sqrt(throttled.variance) ||
	    throttled.ns > 1.15 * share * (double)profile__meta(r->profile)->duration_ns +
				   3 * sqrt(throttled.variance)) {
		print_waits(r->profile);
		fail_msg("%.0f ms throttled of %.0f ms for a CPU", throttled.ns / MS, for_cpu.ns / MS);
	}
}

/* -- a file system that is frozen -- */
static void freeze_fs(struct recording *r)
{
	recording__shell(r, "fsfreeze -f mnt");
}

static void thaw_fs(struct recording *r)
{
	recording__shell(r, "fsfreeze -u mnt");
}

/* Records who creates files there; false: it cannot be made here. */
static bool record_frozen_fs(struct recording *r, const char *event, double *ret_frozen_ns)
{
	if (geteuid() ||
	    recording__shell(r, "truncate -s 32M fs && mkfs.ext4 -q fs && mkdir mnt && mount -o loop fs "
				"mnt && chmod 777 mnt"))
		return false;
	recording__start(r, ARGS("waits", "create", RECORDING_LONG, recording__file(r, "mnt")));
	*ret_frozen_ns = record_interrupted(r, event, freeze_fs, thaw_fs);
	run__done(&r->workload);
	assert_int_equal(recording__shell(r, "for i in 1 2 3 4 5; do umount mnt && break; sleep 0.2; done"),
			 0);
	return true;
}

static void a_frozen_file_system_blocks_uninterruptibly(void **state)
{
	struct recording *r = *state;
	double frozen_ns;

	if (!record_frozen_fs(r, "offcpu", &frozen_ns))
		skip();
	assert_amount_slack(r->profile,
			    (&(struct part){.comm = "creator", .state = "disk", .wait = "freezer"}),
			    frozen_ns, 20 * MS);
}

/* -- a disk that is slowed down -- */
/* A loop device over a file; it goes with the descriptor, whatever becomes of the test. */
static int open_loop(struct recording *r, char ret_path[64], unsigned int *ret_minor)
{
	struct stat st;
	FILE *f;
	int fd;

	if (recording__shell(
		    r, "truncate -s 64M disk && losetup -f --show --direct-io=on disk >loop || losetup -f "
		       "--show disk >loop"))
		return -1;
	f = fopen(recording__file(r, "loop"), "r");
	if (!f || fscanf(f, "%63s", ret_path) != 1)
		fail_msg("losetup said nothing");
	fclose(f);
	fd = open(ret_path, O_RDONLY | O_CLOEXEC);
	recording__shell(r, "losetup -d $(cat loop)");
	if (fd < 0 || fstat(fd, &st))
		fail_msg("open '%s': %s", ret_path, strerror(errno));
	*ret_minor = minor(st.st_rdev);
	return fd;
}

/* 200 reads a second, and it has nothing else to do. */
static void reads_that_are_throttled_wait_for_the_disk(void **state)
{
	struct recording *r = *state;
	char device[64] = "", limit[64], pid[32];
	struct amount disk, all;
	unsigned int minor_id = 0;
	int fd;

	if (geteuid() || !make_group("blkio"))
		skip();
	fd = open_loop(r, device, &minor_id);
	if (fd < 0) {
		rmdir(group);
		skip();
	}
	snprintf(limit, sizeof(limit), group_has("io.max") ? "7:%u riops=200" : "7:%u 200", minor_id);
	write_group(group_has("io.max") ? "io.max" : "blkio.throttle.read_iops_device", limit);
	recording__start(r, ARGS("waits", "disk", RECORDING_LONG, device));
	join_group(r);
	sleep_ms(300);
	snprintf(pid, sizeof(pid), "%lld", r->pid);
	recording__record(r, 0, ARGS("-e", "offcpu", "-d", "4s", "-p", pid));
	leave_group(r);
	close(fd);
	disk = sum(r->profile, &(struct part){.comm = "reader", .state = "disk", .syscall = "pread64"});
	all = sum(r->profile, &(struct part){.comm = "reader", .for_other = true});
	print_message("%.3f of %.3f ms, the recording took %.3f\n", disk.ns / MS, all.ns / MS,
		      (double)profile__meta(r->profile)->duration_ns / MS);
	/* it reads for some microseconds of each 5 ms, or waits for a CPU */
	assert_true(disk.ns >= 0.97 * all.ns);
	all.ns += sum(r->profile, &(struct part){.comm = "reader", .for_cpu = true}).ns;
	assert_true(all.ns >= 0.9 * (double)profile__meta(r->profile)->duration_ns);
	assert_true(all.ns <= 1.001 * (double)profile__meta(r->profile)->duration_ns);
}

/* -- locks -- */
/* All that it waits for is a lock of user space, and of that it waits for no CPU; given by `holder`. */
static void assert_lock(struct recording *r, const char *way)
{
	struct part held = {.comm = "waiter", .lock = "futex", .holder = "holder"};
	struct part all = {.comm = "waiter", .lock = "futex", .state = "blocked"};
	char program[4096];
	struct bill truth;

	run__path_workload("waits", program);
	recording__record(r, 0, ARGS("-e", "lock", "--", program, way, SECONDS));
	truth = truth_of(r, "waiter");
	assert_amount_slack(r->profile, &all, truth.waited_ns - truth.delay_ns, 5 * MS);
	if (sum(r->profile, &held).ns < 0.95 * sum(r->profile, &all).ns) {
		print_waits(r->profile);
		fail_msg("%.3f of %.3f ms are said to be held", sum(r->profile, &held).ns / MS,
			 sum(r->profile, &all).ns / MS);
	}
}

static void a_mutex_is_a_lock_that_its_holder_gives(void **state)
{
	assert_lock(*state, "mutex");
}

static void a_condition_variable_is_a_lock(void **state)
{
	assert_lock(*state, "cond");
}

static void a_semaphore_is_a_lock(void **state)
{
	assert_lock(*state, "sem");
}

static void a_rwlock_is_a_lock(void **state)
{
	assert_lock(*state, "rwlock");
}

/* Stops that lie in the recording as a whole (one that had begun before is not seen to begin): how many, and for how long at least and at most. */
static int whole_stops_in_recording(const struct recording *r, double *ret_least_ns, double *ret_most_ns)
{
	const struct profile_meta *meta = profile__meta(r->profile);
	double begin = (double)meta->time_ns, end = begin + (double)meta->duration_ns, before, from, to,
	       after;
	FILE *f = fopen(recording__file(r, "stopped"), "r");
	int n = 0;

	assert_non_null(f);
	*ret_least_ns = *ret_most_ns = 0;
	while (fscanf(f, "%lf %lf %lf %lf", &before, &from, &to, &after) == 4) {
		if (before < begin || to > end)
			continue;
		*ret_least_ns += to - from;
		*ret_most_ns += after - before;
		n++;
	}
	fclose(f);
	return n;
}

/* What writes to a frozen file system waits for a lock of the kernel. */
static void a_lock_of_the_kernel_is_waited_for_as_long_as_it_is_held(void **state)
{
	struct part part = {.comm = "creator", .lock = "percpu rwsem read", .state = "blocked"};
	double frozen_ns, least_ns, most_ns;
	struct recording *r = *state;
	struct amount a;
	int n;

	if (!record_frozen_fs(r, "lock", &frozen_ns))
		skip();
	n = whole_stops_in_recording(r, &least_ns, &most_ns);
	a = sum(r->profile, &part);
	print_message("%d times, %.3f to %.3f ms, recorded %.3f ms\n", n, least_ns / MS, most_ns / MS,
		      a.ns / MS);
	assert_true(n >= 2);
	assert_int_equal(a.rows, 1); /* one stack */
	assert_true(a.ns > least_ns - n * 20 * MS && a.ns < most_ns + n * 20 * MS);
}

/* -- who ends it -- */
static void expect_waker(const struct recording *r, const char *comm, const char *waker, double share)
{
	struct part all = {.comm = comm, .state = "blocked", .has_ended = true},
		    by = {.comm = comm, .state = "blocked", .waker = waker, .has_ended = true};

	if (sum(r->profile, &by).ns >= share * sum(r->profile, &all).ns && sum(r->profile, &all).ns > 0)
		return;
	print_waits(r->profile);
	fail_msg("%s: %.3f of %.3f ms are ended by %s", comm, sum(r->profile, &by).ns / MS,
		 sum(r->profile, &all).ns / MS, waker);
}

/* A thread gives to the other; it itself is woken by its timer. */
static void who_ends_a_wait_is_told_on_request(void **state)
{
	struct recording *r = *state;
	char program[4096];

	run__path_workload("waits", program);
	recording__record(r, 0, ARGS("-e", "offcpu", "--waker", "--", program, "pipe", SECONDS));
	expect_waker(r, "waiter", "holder", 0.95);
	expect_waker(r, "holder", "[interrupt]", 0.95);
	recording__record(r, 0, ARGS("-e", "offcpu", "--", program, "pipe", "1"));
	expect_waker(r, "waiter", "", 1);
}

static void expect_chain(const struct recording *r, const char *comm, const char *pattern)
{
	struct expect_filter by = {.comm = comm, .stack = pattern}, all = {.comm = comm};
	struct expect_sum part, whole;

	expect__sum(r->profile, &by, &part);
	expect__sum(r->profile, &all, &whole);
	print_message("%s: %.3f of %.3f ms\n", comm, (double)part.ns / MS, (double)whole.ns / MS);
	if (whole.ns && (double)part.ns >= 0.9 * (double)whole.ns)
		return;
	expect__print(r->profile, &all);
	fail_msg("%s", pattern);
}

/* The first wakes the second, that the third: each wait has the stack that ended it, so who follows them comes to the first. */
static void a_chain_of_wakers_can_be_followed(void **state)
{
	struct recording *r = *state;
	char program[4096];
	struct bill third;

	run__path_workload("waits", program);
	recording__record(r, 0, ARGS("-e", "offcpu", "--waker", "--", program, "chain", SECONDS));
	expect_chain(r, "third", "**;wait_for_second;**;\\[woken by\\];**;wake_third;step_second;**");
	expect_chain(r, "second", "**;wait_for_first;**;\\[woken by\\];**;wake_second;step_first;**");
	expect_waker(r, "third", "second", 0.9);
	expect_waker(r, "second", "first", 0.9);
	/* decided at the wake-up, what is taken stands for the same time */
	third = truth_of(r, "third");
	assert_amount_slack(r->profile, (&(struct part){.comm = "third", .for_other = true}),
			    third.waited_ns - third.delay_ns, 5 * MS);
}

/* -- windows -- */
/* Windows of 2 s; the thread sleeps for longer than three of them, and is in each for all of its time. */
static void who_sleeps_through_windows_is_in_each(void **state)
{
	struct recording *r = *state;
	char command[8192], everprof[4096], path[8192];
	struct part sleeper = {.comm = "blocker", .state = "blocked"};
	int n_whole = 0, n = 0;
	FILE *list;

	if (geteuid())
		skip();
	recording__start(r, ARGS("waits", "pause", RECORDING_LONG));
	run__path_everprof(everprof);
	snprintf(command, sizeof(command),
		 "'%s' agent --store store --set profiling.window=2s --set server.listen=off --set "
		 "labels.tid=true & agent=$!; "
		 "for i in $(seq 400); do [ $(find store -name '*.offcpu.pb.gz' | wc -l) -ge 4 ] && break; "
		 "sleep 0.1; done; "
		 "kill -INT $agent; wait $agent",
		 everprof);
	assert_int_equal(recording__shell(r, command), 0);
	snprintf(command, sizeof(command), "find '%s/store' -name '*.offcpu.pb.gz'", r->dir);
	list = popen(command, "r");
	while (fgets(path, sizeof(path), list)) {
		struct profile *p;
		double share;

		path[strcspn(path, "\n")] = '\0';
		p = expect_profile(path);
		share = sum(p, &sleeper).ns / (double)profile__meta(p)->duration_ns;
		print_message("%s: %.3f\n", strrchr(path, '/') + 1, share);
		n++;
		n_whole += share > 0.97 && share < 1.03;
		profile__free(p);
	}
	pclose(list);
	assert_true(n >= 4);
	assert_int_equal(n_whole, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(a_sleeper_sleeps_and_idles),
		e2e_test(a_mutex_is_waited_for_as_long_as_it_is_held),
		e2e_test(a_condition_variable_is_a_futex),
		e2e_test(a_semaphore_is_a_futex),
		e2e_test(a_rwlock_is_a_futex),
		e2e_test(a_slow_pipe_blocks_its_reader),
		e2e_test(a_thread_that_wakes_on_another_cpu_each_time_is_counted_once),
		e2e_test(reads_past_the_cache_wait_for_the_disk),
		e2e_test(a_command_has_its_own_waits_only),
		e2e_test(waits_of_threads_that_are_gone_are_there),
		e2e_test(a_wait_that_an_exec_ends_is_counted_once),
		e2e_test(who_starves_waits_for_a_cpu),
		e2e_test(a_stopped_process_is_stopped),
		e2e_test(a_frozen_group_is_stopped),
		e2e_test(who_has_used_up_its_quota_is_throttled),
		e2e_test(a_frozen_file_system_blocks_uninterruptibly),
		e2e_test(reads_that_are_throttled_wait_for_the_disk),
		e2e_test(a_mutex_is_a_lock_that_its_holder_gives),
		e2e_test(a_condition_variable_is_a_lock),
		e2e_test(a_semaphore_is_a_lock),
		e2e_test(a_rwlock_is_a_lock),
		e2e_test(a_lock_of_the_kernel_is_waited_for_as_long_as_it_is_held),
		e2e_test(who_ends_a_wait_is_told_on_request),
		e2e_test(a_chain_of_wakers_can_be_followed),
		e2e_test(who_sleeps_through_windows_is_in_each),
	};

	/* mounts of our own: they are gone with the last of our processes */
	if (!unshare(CLONE_NEWNS))
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
