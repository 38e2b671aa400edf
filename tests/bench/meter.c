// SPDX-License-Identifier: Apache-2.0
/*
 * meter PID SECONDS        what a running profiler takes meanwhile: CPU of the process, run time of its BPF programs, memory
 * meter -- COMMAND ARG…    what a command and its children took, to its end
 *
 * Problem: run-time statistics of BPF cost time themselves and are off; the kernel's tick-wise accounting of CPU time is too coarse for a process
 *   that works some milliseconds a second.
 * Idea: turn the statistics on for as long as we look, and read the exact clocks: the process's CPU clock, the run time of every program
 *   that it holds open (by the ids in its fdinfo), before and after.
 * Output: one "key value" a line; times in ns, memory in bytes. `busy_ns` is the time that all CPUs together were not idle.
 * Memory: `resident` as the kernel counts it; `shared_maps` is what of it are pages of BPF maps, which `bpf_memory` holds too; `children` is what its children
 *   (who serves, who holds probes) add to it: their proportional share, as much of what they have is its own. Their CPU time is counted as its own.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#define PROGRAMS_MAX 64
#define IDS_MAX      1024
#define CHILDREN_MAX 64
#define TICK_NS      (1000000000ull / 100) /* USER_HZ of /proc/stat */

struct program {
	uint32_t id;
	char name[16];
	uint64_t ns, runs;
	uint32_t insns;
};

struct child {
	int pid;
	uint64_t cpu_ns;
};

struct reading {
	uint64_t wall_ns, cpu_ns, busy_ns;
	struct child children[CHILDREN_MAX];
	int n_children;
	struct program programs[PROGRAMS_MAX];
	int n_programs;
};

struct memory {
	uint64_t resident, peak, anonymous, shared_maps, bpf_memory, children;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	if (clock_gettime(clock, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static FILE *open_proc(int pid, const char *what, int number)
{
	char path[128];

	snprintf(path, sizeof(path), what, pid, number);
	return fopen(path, "re");
}

/* user nice system idle iowait irq softirq steal … of all CPUs */
static uint64_t busy_ns(void)
{
	unsigned long long f[8] = {0};
	FILE *stat = fopen("/proc/stat", "re");

	if (!stat)
		return 0;
	if (fscanf(stat, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &f[0], &f[1], &f[2], &f[3], &f[4],
		   &f[5], &f[6], &f[7]) != 8)
		f[0] = 0;
	fclose(stat);
	return (f[0] + f[1] + f[2] + f[5] + f[6] + f[7]) * TICK_NS;
}

static int add_id(uint32_t *ids, int n, uint32_t id)
{
	for (int i = 0; i < n; i++)
		if (ids[i] == id)
			return n;
	if (n < IDS_MAX)
		ids[n++] = id;
	return n;
}

static void read_program(uint32_t id, struct program *ret)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	*ret = (struct program){.id = id};
	if (fd < 0)
		return;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len)) {
		memcpy(ret->name, info.name, sizeof(ret->name));
		ret->name[sizeof(ret->name) - 1] = '\0';
		ret->ns = info.run_time_ns;
		ret->runs = info.run_cnt;
		ret->insns = info.verified_insns;
	}
	close(fd);
}

/* One descriptor of the process: the id of its program or map, and the memory that it stands for. */
static void read_fdinfo(int pid, int fd, uint32_t *ret_program, uint32_t *ret_map, uint64_t *ret_bytes)
{
	FILE *f = open_proc(pid, "/proc/%d/fdinfo/%d", fd);
	unsigned long long bytes = 0;
	char line[256];

	*ret_program = *ret_map = 0;
	while (f && fgets(line, sizeof(line), f)) {
		sscanf(line, "prog_id: %u", ret_program);
		sscanf(line, "map_id: %u", ret_map);
		sscanf(line, "memlock: %llu", &bytes);
	}
	*ret_bytes = bytes;
	if (f)
		fclose(f);
}

/* All programs (into r, if given) and the memory of all programs and maps that the process holds. */
static uint64_t read_bpf(int pid, struct reading *r)
{
	uint32_t programs[IDS_MAX], maps[IDS_MAX], program, map;
	int n_programs = 0, n_maps = 0, before;
	uint64_t total = 0, bytes;
	char path[64];
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		if (e->d_name[0] == '.')
			continue;
		read_fdinfo(pid, atoi(e->d_name), &program, &map, &bytes);
		before = n_programs + n_maps;
		if (map)
			n_maps = add_id(maps, n_maps, map);
		else if (program)
			n_programs = add_id(programs, n_programs, program);
		if (n_programs + n_maps > before)
			total += bytes;
	}
	if (dir)
		closedir(dir);
	for (int i = 0; r && i < n_programs && i < PROGRAMS_MAX; i++)
		read_program(programs[i], &r->programs[r->n_programs++]);
	return total;
}

/* The children that one thread of the process has now. */
static int add_children(int pid, int tid, struct child *children, int n)
{
	FILE *f = open_proc(pid, "/proc/%d/task/%d/children", tid);
	clockid_t clock;
	int child;

	while (f && n < CHILDREN_MAX && fscanf(f, "%d", &child) == 1)
		if (!clock_getcpuclockid(child, &clock))
			children[n++] = (struct child){child, clock_ns(clock)};
	if (f)
		fclose(f);
	return n;
}

static int read_children(int pid, struct child children[CHILDREN_MAX])
{
	char path[64];
	struct dirent *e;
	int n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			n = add_children(pid, atoi(e->d_name), children, n);
	if (dir)
		closedir(dir);
	return n;
}

static uint64_t children_ns(const struct reading *a, const struct reading *b)
{
	uint64_t sum = 0;

	for (int i = 0; i < b->n_children; i++) {
		const struct child *now = &b->children[i];
		uint64_t was = 0;

		for (int j = 0; j < a->n_children; j++)
			if (a->children[j].pid == now->pid)
				was = a->children[j].cpu_ns;
		sum += now->cpu_ns - was;
	}
	return sum;
}

static int read_all(int pid, struct reading *r)
{
	clockid_t clock;

	*r = (struct reading){0};
	if (clock_getcpuclockid(pid, &clock))
		return -ESRCH;
	r->wall_ns = clock_ns(CLOCK_MONOTONIC);
	r->cpu_ns = clock_ns(clock);
	r->n_children = read_children(pid, r->children);
	r->busy_ns = busy_ns();
	read_bpf(pid, r);
	return 0;
}

static uint64_t kib_after(const char *line, const char *key)
{
	unsigned long long kib;
	size_t n = strlen(key);

	return !strncmp(line, key, n) && sscanf(line + n, "%llu", &kib) == 1 ? kib << 10 : 0;
}

static uint64_t children_bytes(int pid)
{
	struct child children[CHILDREN_MAX];
	int n = read_children(pid, children);
	uint64_t bytes = 0;
	char line[512];

	for (int i = 0; i < n; i++) {
		FILE *f = open_proc(children[i].pid, "/proc/%d/smaps_rollup", 0);

		while (f && fgets(line, sizeof(line), f))
			bytes += kib_after(line, "Pss:");
		if (f)
			fclose(f);
	}
	return bytes;
}

static void read_memory(int pid, struct memory *m)
{
	char line[512];
	int in_map = 0;
	FILE *f;

	*m = (struct memory){.bpf_memory = read_bpf(pid, NULL), .children = children_bytes(pid)};
	f = open_proc(pid, "/proc/%d/status", 0);
	while (f && fgets(line, sizeof(line), f)) {
		m->resident += kib_after(line, "VmRSS:");
		m->peak += kib_after(line, "VmHWM:");
		m->anonymous += kib_after(line, "RssAnon:");
	}
	if (f)
		fclose(f);
	f = open_proc(pid, "/proc/%d/smaps", 0);
	while (f && fgets(line, sizeof(line), f)) {
		if (strstr(line, "anon_inode:bpf-map") || strstr(line, "anon_inode:[bpf-map]"))
			in_map = 1;
		else if (in_map && !strncmp(line, "Rss:", 4)) {
			m->shared_maps += kib_after(line, "Rss:");
			in_map = 0;
		}
	}
	if (f)
		fclose(f);
}

static void say(const char *key, uint64_t value)
{
	printf("%s %llu\n", key, (unsigned long long)value);
}

static void say_difference(const struct reading *a, const struct reading *b)
{
	uint64_t all = 0;

	say("wall_ns", b->wall_ns - a->wall_ns);
	say("cpu_ns", b->cpu_ns - a->cpu_ns + children_ns(a, b));
	say("children_cpu_ns", children_ns(a, b));
	say("busy_ns", b->busy_ns - a->busy_ns);
	for (int i = 0; i < b->n_programs; i++) {
		const struct program *now = &b->programs[i];
		struct program was = {0};

		for (int j = 0; j < a->n_programs; j++)
			if (a->programs[j].id == now->id)
				was = a->programs[j];
		printf("bpf.%s.ns %llu\n", now->name, (unsigned long long)(now->ns - was.ns));
		printf("bpf.%s.runs %llu\n", now->name, (unsigned long long)(now->runs - was.runs));
		printf("bpf.%s.verified %u\n", now->name, now->insns);
		all += now->ns - was.ns;
	}
	say("bpf_ns", all);
}

static void say_memory(int pid)
{
	struct memory m;

	read_memory(pid, &m);
	say("resident", m.resident);
	say("resident_peak", m.peak);
	say("anonymous", m.anonymous);
	say("shared_maps", m.shared_maps);
	say("bpf_memory", m.bpf_memory);
	say("children", m.children);
	say("memory", m.resident + m.bpf_memory - m.shared_maps + m.children);
}

static int measure_process(int pid, double seconds)
{
	struct timespec pause = {.tv_sec = (time_t)seconds,
				 .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
	int stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	static struct reading before, after;

	if (stats < 0) {
		fprintf(stderr, "meter: cannot turn on BPF run-time statistics: %s\n", strerror(-stats));
		return 1;
	}
	if (read_all(pid, &before))
		goto gone;
	nanosleep(&pause, NULL);
	if (read_all(pid, &after))
		goto gone;
	say_difference(&before, &after);
	say_memory(pid);
	close(stats);
	return 0;
gone:
	fprintf(stderr, "meter: there is no process %d\n", pid);
	return 1;
}

static int measure_command(char **argv)
{
	uint64_t began = clock_ns(CLOCK_MONOTONIC);
	struct rusage usage;
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return 1;
	if (pid == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) < 0)
		return 1;
	getrusage(RUSAGE_CHILDREN, &usage);
	/* to stderr: standard output is the command's */
	fprintf(stderr, "wall_ns %llu\ncpu_ns %llu\nresident_peak %llu\n",
		(unsigned long long)(clock_ns(CLOCK_MONOTONIC) - began),
		((unsigned long long)usage.ru_utime.tv_sec + (unsigned long long)usage.ru_stime.tv_sec) *
				1000000000ull +
			((unsigned long long)usage.ru_utime.tv_usec +
			 (unsigned long long)usage.ru_stime.tv_usec) *
				1000ull,
		(unsigned long long)usage.ru_maxrss << 10);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	char *end;
	long pid;
	double seconds;

	if (argc > 2 && !strcmp(argv[1], "--"))
		return measure_command(argv + 2);
	pid = argc == 3 ? strtol(argv[1], &end, 10) : 0;
	seconds = argc == 3 ? strtod(argv[2], NULL) : -1;
	if (pid <= 0 || *end || seconds < 0) {
		fputs("usage: meter PID SECONDS | meter -- COMMAND [ARG]...\n", stderr);
		return 2;
	}
	return measure_process((int)pid, seconds);
}
