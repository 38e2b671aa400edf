// SPDX-License-Identifier: Apache-2.0
/*
 * pipe_rate CPU OBJECT - two processes on that CPU hand a byte to each other over two pipes, as fast as they can, for as long as there is a standard input.
 *
 * For each line of it prints how many switches a second there were in the next 100 ms: "none", without more; "empty", with the program of OBJECT
 * (empty_hook.bpf.c) in place meanwhile; "hook PID", with that of the agent PID (agent_hook.h), and then how many nanoseconds of each switch that accounts as its own. The pair is the same all the time: from one start of such a pair to
 * the next the rate differs by 20 %, more than any hook costs.
 */
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <bpf/libbpf.h>

#include "bpf/wait_slot.h"
#include "tests/bench/agent_hook.h"

#define MEASURE_MS 100
#define SETTLE_MS  10
#define CPUS_MAX   256

static void hand_over(int from, int to, uint64_t *n_switches)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(from, &byte, 1) == 1) {
		__atomic_fetch_add(n_switches, 1, __ATOMIC_RELAXED);
		if (write(to, &byte, 1) != 1)
			break;
	}
	_exit(0);
}

static int start_pair(int cpu, uint64_t *n_switches)
{
	int there[2], back[2];
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (pipe(there) || pipe(back))
		return -1;
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return -1;
		if (pid)
			continue;
		if (sched_setaffinity(0, sizeof(set), &set))
			_exit(1);
		hand_over(i ? back[0] : there[0], i ? there[1] : back[1], n_switches);
	}
	return write(there[1], "", 1) == 1 ? 0 : -1;
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double measure(const uint64_t *n_switches)
{
	uint64_t before;
	double began;

	usleep(SETTLE_MS * 1000);
	before = __atomic_load_n(n_switches, __ATOMIC_RELAXED);
	began = now_s();
	usleep(MEASURE_MS * 1000);
	return (double)(__atomic_load_n(n_switches, __ATOMIC_RELAXED) - before) / (now_s() - began);
}

/* Its sums of all CPUs so far, by the agent's own account (bpf/wait_slot.h); zeros where its map is not to be had. */
static struct wait_clock account_of(int program)
{
	struct wait_clock clocks[CPUS_MAX], sum = {0};
	struct bpf_prog_info info = {0};
	struct bpf_map_info map_info = {0};
	uint32_t ids[64], zero = 0, len = sizeof(info), map_len = sizeof(map_info);
	int map = -1;

	info.nr_map_ids = sizeof(ids) / sizeof(*ids);
	info.map_ids = (uintptr_t)ids;
	if (libbpf_num_possible_cpus() > CPUS_MAX || bpf_obj_get_info_by_fd(program, &info, &len))
		return sum;
	for (uint32_t i = 0; i < info.nr_map_ids && strcmp(map_info.name, "wait_clocks"); i++) {
		if (map >= 0)
			close(map);
		map = bpf_map_get_fd_by_id(ids[i]);
		bpf_obj_get_info_by_fd(map, &map_info, &map_len);
	}
	if (!strcmp(map_info.name, "wait_clocks") && !bpf_map_lookup_elem(map, &zero, clocks))
		for (int i = 0; i < libbpf_num_possible_cpus(); i++) {
			sum.n_switches += clocks[i].n_switches;
			sum.cost_ns += clocks[i].cost_ns;
		}
	if (map >= 0)
		close(map);
	return sum;
}

int main(int argc, char **argv)
{
	struct bpf_object *o = argc == 3 ? bpf_object__open_file(argv[2], NULL) : NULL;
	uint64_t *n_switches =
		mmap(NULL, sizeof(*n_switches), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char line[64];
	int empty;

	if (!o || n_switches == MAP_FAILED || bpf_object__load(o) || start_pair(atoi(argv[1]), n_switches)) {
		fprintf(stderr, "pipe_rate: cannot begin with '%s' on CPU '%s'\n", argc == 3 ? argv[2] : "",
			argc == 3 ? argv[1] : "");
		return 1;
	}
	empty = bpf_program__fd(bpf_object__next_program(o, NULL));
	while (fgets(line, sizeof(line), stdin)) {
		bool is_hook = !strncmp(line, "hook ", 5), is_none = !strcmp(line, "none\n");
		int program = is_hook ? agent_hook__find(atoi(line + 5)) : empty;
		int link = is_none ? -1 : agent_hook__attach(program);

		if (!is_none && link < 0) {
			fprintf(stderr, "pipe_rate: there is nothing to put in place for: %s", line);
			return 1;
		}
		struct wait_clock before = account_of(program), after;

		printf("%.0f", measure(n_switches));
		after = account_of(program);
		if (is_hook && after.n_switches > before.n_switches)
			printf(" %.1f", (double)(after.cost_ns - before.cost_ns) /
						(double)(after.n_switches - before.n_switches));
		putchar('\n');
		fflush(stdout);
		if (link >= 0)
			close(link);
		if (is_hook)
			close(program);
	}
	return 0;
}
