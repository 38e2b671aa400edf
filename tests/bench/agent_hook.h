/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent_hook - the program of a running agent that looks at switches, put in place and taken away from outside, as often as one likes.
 *
 * What a hook costs is less than a machine drifts by in a second, so what is compared has to be a tenth of a second apart; to turn an agent's recording off and on takes
 * two seconds. It is the agent's own program with its own maps, and what it takes the agent counts. The agent must not have it in place itself: it
 * gives it up by itself where its budget does not allow it (profiling.offcpu.budget), and then samples waits by passes. Whether it has it is told here, too.
 */
#ifndef EVERPROF_TESTS_BENCH_AGENT_HOOK_H
#define EVERPROF_TESTS_BENCH_AGENT_HOOK_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#define AGENT_HOOK_NAME "off_cpu"

/* The program that a descriptor of the process is of, if that is ours; -1: it is not. */
static inline int agent_hook__program_of(int pid, const char *fd, bool *ret_is_link)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info), id = 0;
	char path[64], line[256];
	int ret = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.16s", pid, fd);
	f = fopen(path, "re");
	*ret_is_link = false;
	while (f && fgets(line, sizeof(line), f)) {
		sscanf(line, "prog_id: %u", &id);
		*ret_is_link |= !strncmp(line, "link_id:", 8);
	}
	if (f)
		fclose(f);
	if (id)
		ret = bpf_prog_get_fd_by_id(id);
	if (ret >= 0 && (bpf_obj_get_info_by_fd(ret, &info, &len) || strcmp(info.name, AGENT_HOOK_NAME))) {
		close(ret);
		ret = -1;
	}
	return ret;
}

/* A descriptor of it, -1: that process has none; and whether that process has it in place. */
static inline int agent_hook__look(int pid, bool *ret_is_in_place)
{
	int fd = -1, program;
	struct dirent *e;
	bool is_link;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	*ret_is_in_place = false;
	while (dir && (e = readdir(dir))) {
		program = e->d_name[0] != '.' ? agent_hook__program_of(pid, e->d_name, &is_link) : -1;
		if (program < 0)
			continue;
		*ret_is_in_place |= is_link;
		if (fd >= 0)
			close(fd);
		fd = program;
	}
	if (dir)
		closedir(dir);
	return fd;
}

static inline bool agent_hook__is_in_place(int pid)
{
	bool is_in_place;
	int fd = agent_hook__look(pid, &is_in_place);

	if (fd >= 0)
		close(fd);
	return is_in_place;
}

/* A descriptor of it; -1: that process has none, or has it in place. */
static inline int agent_hook__find(int pid)
{
	bool is_in_place;
	int fd = agent_hook__look(pid, &is_in_place);

	if (fd >= 0 && is_in_place) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* In place until what is returned is closed; -1: it can not be. */
static inline int agent_hook__attach(int program)
{
	return bpf_raw_tracepoint_open(NULL, program);
}

#endif
