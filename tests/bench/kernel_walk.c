// SPDX-License-Identifier: Apache-2.0
/*
 * kernel_walk OBJECT SECONDS [PID]: runs the programs of kernel_walk.bpf.c on every CPU for a while and prints, for each, "walk.<name>.ns",
 * ".runs" (ticks), ".walked" (ticks that met a task, or that process) and ".frames" (of all of them together).
 *
 * The clocks tick at about 100 Hz, each at a rate of its own, so that no walk always comes right after another and finds its stack warm.
 */
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

#define WALKS    4
#define CPUS_MAX 256

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

static void say(const char *walk, const char *what, uint64_t value)
{
	printf("walk.%s.%s %llu\n", walk + strlen("walk_"), what, (unsigned long long)value);
}

static int report(struct bpf_object *object, int n_cpus)
{
	int counts = bpf_object__find_map_fd_by_name(object, "counts");

	for (uint32_t i = 0; i < WALKS; i++) {
		struct bpf_program *p = bpf_object__find_program_by_name(object, walks[i].name);
		struct bpf_prog_info info = {0};
		uint32_t len = sizeof(info);

		if (bpf_obj_get_info_by_fd(bpf_program__fd(p), &info, &len))
			return -errno;
		say(walks[i].name, "ns", info.run_time_ns);
		say(walks[i].name, "walked", sum(counts, i, n_cpus));
		say(walks[i].name, "frames", sum(counts, WALKS + i, n_cpus));
		say(walks[i].name, "runs", sum(counts, 2 * WALKS + i, n_cpus));
	}
	return 0;
}

static int limit_to(struct bpf_object *object, uint32_t tgid)
{
	struct bpf_map *rodata = bpf_object__find_map_by_name(object, ".rodata");

	return rodata ? bpf_map__set_initial_value(rodata, &tgid, sizeof(tgid)) : -ENOENT;
}

static int run(struct bpf_object *object, double seconds, uint32_t tgid)
{
	struct timespec pause = {.tv_sec = (time_t)seconds,
				 .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
	int n_cpus = libbpf_num_possible_cpus(), err = limit_to(object, tgid);

	if (!err)
		err = bpf_object__load(object);
	if (err)
		return err;
	if (n_cpus <= 0 || n_cpus > CPUS_MAX)
		return -E2BIG;
	if (bpf_enable_stats(BPF_STATS_RUN_TIME) < 0)
		return -errno;
	for (uint32_t i = 0; i < WALKS && !err; i++) {
		const struct bpf_program *p = bpf_object__find_program_by_name(object, walks[i].name);

		for (int cpu = 0; p && cpu < n_cpus && !err; cpu++) {
			err = attach(p, walks[i].hz, cpu);
			if (err == -ENODEV || err == -ENXIO)
				err = 0; /* possible, but not there */
		}
	}
	if (err)
		return err;
	nanosleep(&pause, NULL);
	return report(object, n_cpus);
}

int main(int argc, char **argv)
{
	struct bpf_object *object = argc == 3 || argc == 4 ? bpf_object__open(argv[1]) : NULL;
	double seconds = argc >= 3 ? strtod(argv[2], NULL) : 0;
	int err;

	if (!object || !(seconds > 0)) {
		fputs("usage: kernel_walk OBJECT SECONDS [PID]\n", stderr);
		return 2;
	}
	err = run(object, seconds, argc == 4 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0);
	if (err)
		fprintf(stderr, "kernel_walk: %s\n", strerror(-err));
	bpf_object__close(object);
	return err ? 1 : 0;
}
