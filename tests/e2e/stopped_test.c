/* SPDX-License-Identifier: Apache-2.0 */
/* Waits that come from outside: of who was stopped, frozen or throttled, or whose file system or disk was. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/e2e/e2e.h"
#include "tests/support/waits.h"

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

/*
 * For how long of the recording the workload was stopped. A command that stops or lets go takes its time (a file system that is frozen is written out first), and
 * when within that it does so nobody tells: at least from the end of one to the begin of the other, at most the commands with it.
 */
struct stops {
	double least_ns, most_ns;
	int n;
};

enum stops_wanted {
	STOPS_ALL,
	STOPS_SEEN_WHOLE, /* as an event sees them that tells of a wait at its end, of its begin on */
};

static double overlap_ns(const struct profile_meta *meta, double from, double to)
{
	double begin = (double)meta->time_ns, end = begin + (double)meta->duration_ns;

	from = from > begin ? from : begin;
	to = to < end ? to : end;
	return to > from ? to - from : 0;
}

static struct stops stops_in_recording(const struct recording *r, enum stops_wanted wanted)
{
	const struct profile_meta *meta = profile__meta(r->profile);
	FILE *f = fopen(recording__file(r, "stopped"), "r");
	double before, from, to, after, begin = (double)meta->time_ns;
	struct stops all = {0};

	assert_non_null(f);
	while (fscanf(f, "%lf %lf %lf %lf", &before, &from, &to, &after) == 4) {
		bool is_whole = before >= begin && after <= begin + (double)meta->duration_ns;

		if (wanted == STOPS_SEEN_WHOLE && from < begin)
			continue;
		if (wanted == STOPS_ALL || is_whole)
			all.least_ns += overlap_ns(meta, from, to);
		all.most_ns += overlap_ns(meta, before, after);
		all.n += overlap_ns(meta, before, after) > 0;
	}
	fclose(f);
	return all;
}

static void assert_stopped(struct recording *r, const struct part *part, struct stops stops)
{
	double middle_ns = (stops.least_ns + stops.most_ns) / 2;

	print_message("stopped %d times, for %.3f to %.3f ms, recorded %.3f ms\n", stops.n,
		      stops.least_ns / MS, stops.most_ns / MS, waits__sum(r->profile, part).ns / MS);
	assert_true(stops.n >= 2 && stops.least_ns > 0);
	assert_amount_slack(r->profile, part, middle_ns, stops.most_ns - middle_ns + 20 * MS);
}

/* Records the workload while others stop it and let it go. */
static void record_interrupted(struct recording *r, const char *event, void (*stop)(struct recording *r),
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

	recording__start(r, ARGS("waits", "spin", RECORDING_LONG));
	record_interrupted(r, "offcpu", stop_by_signal, go_by_signal);
	assert_stopped(r, &(struct part){.comm = "spinner", .state = "stopped", .wait = "stop"},
		       stops_in_recording(r, STOPS_ALL));
	assert_amount_slack(r->profile, (&(struct part){.comm = "spinner", .idle = ""}),
			    waits__sum(r->profile, &(struct part){.comm = "spinner"}).ns, 0);
}

/* -- control groups, of version 1 or 2 -- */
static char group[4096];

static bool make_unified_group(void)
{
	snprintf(group, sizeof(group), "/sys/fs/cgroup/unified/everprof_e2e_%d", (int)getpid());
	return !mkdir(group, 0755);
}

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

	if (geteuid() || !make_group("freezer"))
		skip();
	recording__start(r, ARGS("waits", "spin", RECORDING_LONG));
	join_group(r);
	record_interrupted(r, "offcpu", freeze_group, thaw_group);
	leave_group(r);
	assert_stopped(r, &(struct part){.comm = "spinner", .state = "stopped", .wait = "freezer"},
		       stops_in_recording(r, STOPS_ALL));
}

/* Where both versions are there, the test above is of the first one's. The second's has threads sleep as if they waited for a signal. */
static void a_frozen_group_of_the_unified_hierarchy_is_stopped_too(void **state)
{
	const struct part stopped = {.comm = "spinner", .state = "stopped", .wait = "freezer"};
	struct recording *r = *state;

	if (geteuid() || !make_unified_group())
		skip();
	recording__start(r, ARGS("waits", "spin", RECORDING_LONG));
	join_group(r);
	record_interrupted(r, "offcpu", freeze_group, thaw_group);
	leave_group(r);
	assert_stopped(r, &stopped, stops_in_recording(r, STOPS_ALL));
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
	throttled = waits__sum(r->profile, &(struct part){.comm = "spinner", .state = "throttled"});
	for_cpu = waits__sum(r->profile, &(struct part){.comm = "spinner", .for_cpu = true});
	print_message("throttled %.0f ms, for a CPU %.0f ms, %.0f %% of the time by the kernel\n",
		      throttled.ns / MS, for_cpu.ns / MS, 100 * share);
	if (for_cpu.ns < 0.75 * (double)profile__meta(r->profile)->duration_ns ||
	    throttled.ns < 0.85 * share * (double)profile__meta(r->profile)->duration_ns -
				   3 * sqrt(throttled.variance) ||
	    throttled.ns > 1.15 * share * (double)profile__meta(r->profile)->duration_ns +
				   3 * sqrt(throttled.variance)) {
		waits__print(r->profile);
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

/* Records who creates files there, or writes them; false: it cannot be made here. */
static bool record_frozen_fs(struct recording *r, const char *way, const char *event)
{
	if (geteuid() ||
	    recording__shell(r, "truncate -s 32M fs && mkfs.ext4 -q fs && mkdir mnt && mount -o loop fs "
				"mnt && chmod 777 mnt"))
		return false;
	recording__start(r, ARGS("waits", way, RECORDING_LONG, recording__file(r, "mnt")));
	record_interrupted(r, event, freeze_fs, thaw_fs);
	run__done(&r->workload);
	assert_int_equal(recording__shell(r, "for i in 1 2 3 4 5; do umount mnt && break; sleep 0.2; done"),
			 0);
	return true;
}

static void a_frozen_file_system_blocks_uninterruptibly(void **state)
{
	struct recording *r = *state;

	if (!record_frozen_fs(r, "create", "offcpu"))
		skip();
	assert_stopped(r, &(struct part){.comm = "creator", .state = "disk", .wait = "freezer"},
		       stops_in_recording(r, STOPS_ALL));
}

/* The same lock; no function of its own takes it for who writes to a file that is there. */
static void a_write_to_a_frozen_file_system_waits_for_it_to_be_thawed(void **state)
{
	const struct part part = {
		.comm = "writer", .state = "disk", .wait = "freezer", .syscall = "pwrite64"};
	struct recording *r = *state;

	if (!record_frozen_fs(r, "write", "offcpu"))
		skip();
	assert_stopped(r, &part, stops_in_recording(r, STOPS_ALL));
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

/* 200 reads a second, and it has nothing else to do: it says itself for how long it waited. */
static void reads_that_are_throttled_wait_for_the_disk(void **state)
{
	const struct part part = {.comm = "reader", .state = "disk", .syscall = "pread64"};
	char device[64] = "", limit[64], program[4096], command[16384];
	struct recording *r = *state;
	unsigned int minor_id = 0;
	struct bill truth;
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
	run__path_workload("waits", program);
	snprintf(command, sizeof(command), "echo $$ >'%s/cgroup.procs' && exec '%s' disk " SECONDS " %s",
		 group, program, device);
	recording__record(r, 0, ARGS("-e", "offcpu", "--", "sh", "-c", command));
	leave_group(r);
	close(fd);
	truth = waits__truth(r, "reader");
	print_message("%lld reads waited %.3f ms, recorded %.3f ms\n", truth.n,
		      (truth.waited_ns - truth.delay_ns) / MS, waits__sum(r->profile, &part).ns / MS);
	/* it reads for some microseconds of each 5 ms, or waits for a CPU */
	assert_true(truth.n > 100 && truth.n < 1000);
	assert_other(r, &part, truth);
}

/* What writes to a frozen file system waits for a lock of the kernel. */
static void a_lock_of_the_kernel_is_waited_for_as_long_as_it_is_held(void **state)
{
	struct part part = {.comm = "creator", .lock = "percpu rwsem read", .state = "blocked"};
	struct recording *r = *state;

	if (!record_frozen_fs(r, "create", "lock"))
		skip();
	assert_stopped(r, &part, stops_in_recording(r, STOPS_SEEN_WHOLE));
	assert_in_range(waits__sum(r->profile, &part).rows, 1,
			2); /* of who makes a file, and of who takes it away */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(a_stopped_process_is_stopped),
		e2e_test(a_frozen_group_is_stopped),
		e2e_test(a_frozen_group_of_the_unified_hierarchy_is_stopped_too),
		e2e_test(who_has_used_up_its_quota_is_throttled),
		e2e_test(a_frozen_file_system_blocks_uninterruptibly),
		e2e_test(a_write_to_a_frozen_file_system_waits_for_it_to_be_thawed),
		e2e_test(reads_that_are_throttled_wait_for_the_disk),
		e2e_test(a_lock_of_the_kernel_is_waited_for_as_long_as_it_is_held),
	};

	/* mounts of our own: they are gone with the last of our processes */
	if (!unshare(CLONE_NEWNS))
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
