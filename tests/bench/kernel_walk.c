// SPDX-License-Identifier: Apache-2.0
/*
 * kernel_walk OBJECT SECONDS [PID [PROFILER]]: runs the programs of kernel_walk.bpf.c on every CPU for a while, beside the ticks of a running profiler (its pid), and
 * prints for each what a tick took that met a task, or process PID: "walk.<name>.ns", ".frames" (in each), and "ours.ns", "ours.mean_ns", "ours.ratio" (to
 * walk.both), "intervals".
 *
 * Problem: where a hypervisor takes the CPU away in the middle of a walk, the walk is said to have taken all that time: one such millisecond in four seconds adds
 *   2.5 us to their mean.
 * Idea: means of half a second each, and the middle one of those; of ratios, too, which are of the same half second. `mean_ns` is of everything, for comparison.
 * Idle ticks and those of other processes are taken off: they cost what the empty program does.
 *
 * The clocks tick at about 100 Hz, each at a rate of its own, so that no walk always comes right after another and finds its stack warm.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/perf_event.h>

#define WALKS         4
#define CPUS_MAX      256
#define INTERVAL_NS   500000000ll
#define INTERVALS_MAX 1024

enum { NOTHING = 0, BOTH = WALKS - 1, OURS = WALKS, PROGRAMS };

static const struct {
	const char *name;
	uint64_t hz;
} walks[WALKS] = {{"walk_nothing", 97}, {"walk_kernel", 101}, {"walk_user", 103}, {"walk_both", 107}};

static int attach(const struct bpf_program *program, uint64_t hz, int cpu)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = 1000000000ull / hz,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0)
		return -errno;
	return ioctl(fd, PERF_EVENT_IOC_SET_BPF, bpf_program__fd(program)) ? -errno : 0;
}

static uint64_t sum(int map_fd, uint32_t key, int n_cpus)
{
	uint64_t values[CPUS_MAX] = {0}, all = 0;

	if (bpf_map_lookup_elem(map_fd, &key, values))
		return 0;
	for (int i = 0; i < n_cpus; i++)
		all += values[i];
	return all;
}

/* What a program has done so far, on all CPUs. */
struct account {
	double ns, runs, walked, frames;
};

struct bench {
	struct bpf_object *object;
	int n_cpus, counts_fd;
	int fds[PROGRAMS]; /* of our own programs, and the profiler's or -1 */
	struct account first[PROGRAMS], last[PROGRAMS];
	double means[PROGRAMS][INTERVALS_MAX], ratios[INTERVALS_MAX];
	int n[PROGRAMS], n_ratios, n_intervals;
};

/* The program `name` that a process holds; -ENOENT. */
static int find_program(int pid, const char *name)
{
	char path[64], line[128];
	struct dirent *e;
	int found = -ENOENT;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", pid);
	dir = opendir(path);
	while (dir && found < 0 && (e = readdir(dir))) {
		FILE *f;
		uint32_t id = 0;

		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.10s", pid, e->d_name);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f))
			if (sscanf(line, "prog_id: %u", &id) == 1)
				break;
		if (f)
			fclose(f);
		if (id) {
			struct bpf_prog_info info = {0};
			uint32_t len = sizeof(info);
			int fd = bpf_prog_get_fd_by_id(id);

			if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) && !strcmp(info.name, name))
				found = fd;
			else if (fd >= 0)
				close(fd);
		}
	}
	if (dir)
		closedir(dir);
	return found;
}

static int look(const struct bench *b, struct account ret[PROGRAMS])
{
	for (uint32_t i = 0; i < PROGRAMS; i++) {
		struct bpf_prog_info info = {0};
		uint32_t len = sizeof(info);

		ret[i] = (struct account){0};
		if (b->fds[i] < 0)
			continue;
		if (bpf_obj_get_info_by_fd(b->fds[i], &info, &len))
			return -errno;
		ret[i].ns = (double)info.run_time_ns;
		ret[i].runs = (double)info.run_cnt;
		if (i == OURS)
			continue;
		ret[i].walked = (double)sum(b->counts_fd, i, b->n_cpus);
		ret[i].frames = (double)sum(b->counts_fd, WALKS + i, b->n_cpus);
		ret[i].runs = (double)sum(b->counts_fd, 2 * WALKS + i, b->n_cpus);
	}
	return 0;
}

/* What was done between two looks. The profiler's ticks meet what those of the others do. */
static void since(const struct account now[PROGRAMS], const struct account before[PROGRAMS],
		  struct account ret[PROGRAMS])
{
	for (int i = 0; i < PROGRAMS; i++)
		ret[i] = (struct account){now[i].ns - before[i].ns, now[i].runs - before[i].runs,
					  now[i].walked - before[i].walked, now[i].frames - before[i].frames};
	ret[NOTHING].walked = ret[NOTHING].runs;
	ret[OURS].walked = ret[BOTH].runs > 0 ? ret[OURS].runs * ret[BOTH].walked / ret[BOTH].runs : 0;
}

/* ns of a tick that was walked in; 0 where there was none. */
static double each_ns(const struct account *a, double empty_ns)
{
	return a->walked > 0 ? (a->ns - (a->runs - a->walked) * empty_ns) / a->walked : 0;
}

/* Of the half second that ended now. */
static void take_interval(struct bench *b, const struct account now[PROGRAMS])
{
	struct account parts[PROGRAMS];
	double empty_ns, ns[PROGRAMS];

	since(now, b->last, parts);
	empty_ns = each_ns(&parts[NOTHING], 0);
	for (int i = 0; i < PROGRAMS; i++) {
		ns[i] = each_ns(&parts[i], empty_ns);
		if (ns[i] > 0)
			b->means[i][b->n[i]++] = ns[i];
		b->last[i] = now[i];
	}
	if (ns[OURS] > 0 && ns[BOTH] > 0)
		b->ratios[b->n_ratios++] = ns[OURS] / ns[BOTH];
	b->n_intervals++;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, int n)
{
	qsort(values, (size_t)n, sizeof(*values), compare);
	return n ? (values[(n - 1) / 2] + values[n / 2]) / 2 : 0;
}

static void report(struct bench *b)
{
	struct account all[PROGRAMS];

	since(b->last, b->first, all);
	for (int i = 0; i < WALKS; i++) {
		printf("walk.%s.ns %.0f\n", walks[i].name + strlen("walk_"), median(b->means[i], b->n[i]));
		if (all[i].frames > 0)
			printf("walk.%s.frames %.2f\n", walks[i].name + strlen("walk_"),
			       all[i].frames / all[i].walked);
	}
	if (b->n_ratios) {
		printf("ours.ns %.0f\nours.mean_ns %.0f\nours.ratio %.3f\n",
		       median(b->means[OURS], b->n[OURS]), each_ns(&all[OURS], each_ns(&all[NOTHING], 0)),
		       median(b->ratios, b->n_ratios));
	}
	printf("intervals %d\n", b->n_intervals);
}

static int limit_to(struct bpf_object *object, uint32_t tgid)
{
	struct bpf_map *rodata = bpf_object__find_map_by_name(object, ".rodata");

	return rodata ? bpf_map__set_initial_value(rodata, &tgid, sizeof(tgid)) : -ENOENT;
}

static int attach_all(struct bench *b)
{
	for (uint32_t i = 0; i < WALKS; i++) {
		const struct bpf_program *p = bpf_object__find_program_by_name(b->object, walks[i].name);

		if (!p)
			return -ENOENT;
		b->fds[i] = bpf_program__fd(p);
		for (int cpu = 0; cpu < b->n_cpus; cpu++) {
			int err = attach(p, walks[i].hz, cpu);

			if (err && err != -ENODEV && err != -ENXIO) /* possible, but not there */
				return err;
		}
	}
	return 0;
}

static int run(struct bench *b, double seconds, uint32_t tgid, int profiler)
{
	const struct timespec pause = {.tv_nsec = INTERVAL_NS};
	struct account now[PROGRAMS];
	int err = limit_to(b->object, tgid);

	if (!err)
		err = bpf_object__load(b->object);
	if (err)
		return err;
	b->n_cpus = libbpf_num_possible_cpus();
	if (b->n_cpus <= 0 || b->n_cpus > CPUS_MAX || seconds * 1e9 / INTERVAL_NS > INTERVALS_MAX)
		return -E2BIG;
	b->counts_fd = bpf_object__find_map_fd_by_name(b->object, "counts");
	b->fds[OURS] = profiler ? find_program(profiler, "on_cpu") : -1;
	if (profiler && b->fds[OURS] < 0)
		return b->fds[OURS];
	if (bpf_enable_stats(BPF_STATS_RUN_TIME) < 0)
		return -errno;
	err = attach_all(b);
	if (!err)
		err = look(b, b->first);
	memcpy(b->last, b->first, sizeof(b->last));
	for (double left = seconds * 1e9; left > 0 && !err; left -= INTERVAL_NS) {
		nanosleep(&pause, NULL);
		err = look(b, now);
		if (!err)
			take_interval(b, now);
	}
	if (!err)
		report(b);
	return err;
}

int main(int argc, char **argv)
{
	static struct bench bench;
	double seconds = argc >= 3 ? strtod(argv[2], NULL) : 0;
	int err;

	bench.object = argc >= 3 && argc <= 5 ? bpf_object__open(argv[1]) : NULL;
	if (!bench.object || !(seconds > 0)) {
		fputs("usage: kernel_walk OBJECT SECONDS [PID [PROFILER]]\n", stderr);
		return 2;
	}
	err = run(&bench, seconds, argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0,
		  argc > 4 ? atoi(argv[4]) : 0);
	if (err)
		fprintf(stderr, "kernel_walk: %s\n", strerror(-err));
	bpf_object__close(bench.object);
	return err ? 1 : 0;
}
