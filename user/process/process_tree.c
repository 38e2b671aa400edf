// SPDX-License-Identifier: Apache-2.0
/*
 * Who a process's children are the kernel tells by task/TID/children, for each thread; without that file (CONFIG_PROC_CHILDREN) there are none. Reading all of /proc for
 * it would take tens of milliseconds on a large host.
 */
#include "user/process/process_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/buf.h"
#include "user/base/io.h"
#include "user/base/proc_file.h"
#include "user/process/container.h"
#include "user/process/proc_dir.h"
#include "user/process/process_memory.h"

#define TICK_NS      10000000ull
#define CHILDREN_MAX (64u << 10)
#define EXE_MAX      4096

struct walk {
	int proc_fd;
	bool command_lines;
	process_tree_fn fn;
	void *ctx;
	uint32_t n;
};

/* What stands behind `name` in a status file, times `unit`. */
static uint64_t status_number(const char *text, const char *name, uint64_t unit)
{
	const char *p = strstr(text, name);

	return p ? strtoull(p + strlen(name), NULL, 10) * unit : 0;
}

static void read_status(int dir, struct process_tree_node *n)
{
	struct buf b;

	buf__init(&b, PROC_FILE_MAX);
	if (!io__read_at(dir, "status", PROC_FILE_MAX, &b)) {
		n->n_threads = (uint32_t)status_number(buf__str(&b), "\nThreads:", 1);
		n->resident_bytes = status_number(buf__str(&b), "\nVmRSS:", 1024);
	}
	buf__done(&b);
}

/*
 * As /proc/PID/cmdline has it, which would wait for memory that its process does not fill in: the arguments, or what the process wrote over them and what
 * stands behind.
 */
static void read_command(uint32_t pid, int dir, char command[PROCESS_COMMAND_MAX])
{
	struct memory_span s = {.to = command};
	struct proc_stat st;
	uint64_t len, args;

	command[0] = '\0';
	if (read_proc_stat(pid, dir, &st) || st.args_end <= st.args_start)
		return;
	args = st.args_end - st.args_start;
	len = st.env_end > st.args_end ? st.env_end - st.args_start : args;
	s.addr = st.args_start;
	s.len = (uint32_t)(len < PROCESS_COMMAND_MAX ? len : PROCESS_COMMAND_MAX - 1);
	/* that the folder can still be read says whose memory it was */
	if (process_memory__read_thread(pid, st.pid, &s, 1) || !s.is_read || read_proc_stat(pid, dir, &st))
		s.len = 0;
	command[s.len] = '\0';
	len = args >= s.len ? s.len : command[args - 1] ? strlen(command) : args;
	command[len] = '\0';
	for (size_t i = 0; i + 1 < len; i++)
		if (!command[i])
			command[i] = ' ';
}

/* Tells of one; ret_stat as it was. */
static int tell(struct walk *w, uint32_t pid, uint64_t start_ns, int depth, struct proc_stat *ret_stat)
{
	static __thread struct container_names names;
	char exe[EXE_MAX] = "", command[PROCESS_COMMAND_MAX] = "";
	struct process_tree_node n = {
		.pid = pid, .depth = depth, .exe = exe, .cgroup = "", .command_line = command};
	int dir, err = proc_dir__open(w->proc_fd, pid, start_ns, &dir, ret_stat);
	ssize_t len;

	if (err)
		return err;
	n.parent = ret_stat->ppid;
	n.state = ret_stat->state;
	n.start_ns = ret_stat->start_ticks * TICK_NS;
	n.comm = ret_stat->comm;
	read_status(dir, &n);
	len = proc_file__read_link(pid, dir, "exe", exe, sizeof(exe) - 1);
	exe[len > 0 ? len : 0] = '\0';
	if (!read_proc_cgroup(dir, "cgroup", &names))
		n.cgroup = names.cgroup;
	if (w->command_lines)
		read_command(pid, dir, command);
	io__close(&dir);
	w->n++;
	w->fn(w->ctx, &n);
	return 0;
}

static void tell_below(struct walk *w, uint32_t pid, int depth);

static void tell_listed(struct walk *w, const char *pids, int depth)
{
	char *end;

	for (const char *p = pids; *p && w->n < PROCESS_TREE_MAX; p = end) {
		unsigned long pid = strtoul(p, &end, 10);
		struct proc_stat st;

		if (end == p)
			break;
		if (pid && pid <= UINT32_MAX && !tell(w, (uint32_t)pid, 0, depth, &st) && depth)
			tell_below(w, (uint32_t)pid, depth + 1);
	}
}

static void tell_below(struct walk *w, uint32_t pid, int depth)
{
	char path[64];
	struct dirent *e;
	DIR *tasks;
	int fd;

	snprintf(path, sizeof(path), "%u/task", pid);
	fd = openat(w->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tasks = fd < 0 ? NULL : fdopendir(fd);
	if (!tasks) {
		io__close(&fd);
		return;
	}
	for (int i = 0; i < PROC_THREADS_TRIED && depth <= PROCESS_TREE_ABOVE && (e = readdir(tasks)); i++) {
		char file[300];
		struct buf b;

		if (e->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/children", e->d_name);
		buf__init(&b, CHILDREN_MAX);
		if (!io__read_at(fd, file, CHILDREN_MAX - 1, &b))
			tell_listed(w, buf__str(&b), depth);
		buf__done(&b);
	}
	closedir(tasks);
}

int read_process_tree(int proc_root_fd, uint32_t pid, uint64_t start_ns, bool command_lines,
		      process_tree_fn fn, void *ctx)
{
	struct walk w = {.proc_fd = proc_root_fd, .command_lines = command_lines, .fn = fn, .ctx = ctx};
	uint32_t above[PROCESS_TREE_ABOVE];
	struct proc_stat st;
	int n = 0, dir, err = proc_dir__open(proc_root_fd, pid, start_ns, &dir, &st);

	if (err)
		return err;
	io__close(&dir);
	while (st.ppid && n < PROCESS_TREE_ABOVE) {
		uint32_t parent = st.ppid;

		if (proc_dir__open(proc_root_fd, parent, 0, &dir, &st))
			break;
		io__close(&dir);
		above[n++] = parent;
	}
	for (int i = n - 1; i >= 0; i--)
		tell(&w, above[i], 0, -(i + 1), &st);
	err = tell(&w, pid, start_ns, 0, &st);
	if (!err)
		tell_below(&w, pid, 1);
	return err;
}

int read_group_processes(int proc_root_fd, int dir_fd, bool command_lines, process_tree_fn fn, void *ctx)
{
	struct walk w = {.proc_fd = proc_root_fd, .command_lines = command_lines, .fn = fn, .ctx = ctx};
	struct buf b;
	int err;

	buf__init(&b, CHILDREN_MAX);
	err = io__read_at(dir_fd, "cgroup.procs", CHILDREN_MAX - 1, &b);
	if (err == -E2BIG) /* more than are told of anyway: the first of them were read */
		err = 0;
	if (!err)
		tell_listed(&w, buf__str(&b), 0);
	buf__done(&b);
	return err;
}
