/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: what is to be known of a process is spread over six files of /proc, any of which may be refused, and the
 * process may end, or become another one, while they are read.
 *
 * Idea: one folder, opened once and checked against the incarnation's start (proc_dir), then each file by itself: a
 * file that is refused leaves its fields unknown and the rest goes on. Mappings come last and are put in place in one
 * step.
 *
 * Cost: some 55 us for a process with five mappings of known objects, 18 us for a kernel thread.
 *
 * What it does not do: notice that a second exec came between the one that was reported and the reading: /proc does
 * not tell incarnations apart. Names and libraries are then those of the second program, which runs already; the
 * events that follow put right what they cover.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/base/proc_file.h"
#include "user/object/object_cache.h"
#include "user/process/proc_dir.h"
#include "user/process/process.h"

/* A 64-bit process has its vDSO near its stack; below 4 GiB it is the 32-bit one, another image. */
#define VDSO_START_MIN (1ull << 32)
#define USER_SPACE_END (1ull << 63)

void process__labels(const struct process *p, struct process_labels *ret_labels)
{
	const struct container *c = p->container;

	*ret_labels = (struct process_labels){
		.process = p->comm,
		.exe = p->exe ? p->exe : "",
		.cgroup = c ? c->cgroup : "",
		.unit = c ? c->unit : "",
		.container = c ? c->id : "",
		.pod = c ? c->pod : "",
	};
}

bool process__alive_at(const struct process *p, uint64_t time_ns)
{
	return p->born_ns <= time_ns && (!(p->flags & PROCESS_ENDED) || time_ns <= p->died_ns);
}

void process__set_comm(struct process *p, const char *comm)
{
	size_t n = strnlen(comm, PROCESS_COMM_LEN - 1);

	memset(p->comm, 0, sizeof(p->comm));
	memcpy(p->comm, comm, n);
}

int process__set_exe(struct process *p, const char *path, size_t len)
{
	char *copy = strndup(path, len < PROCESS_EXE_MAX ? len : PROCESS_EXE_MAX);

	if (!copy)
		return -ENOMEM;
	free(p->exe);
	p->exe = copy;
	return 0;
}

/* ---- mappings ---------------------------------------------------------------------------------------------------- */

void code_rule__apply(const struct code_rule *rule, struct code_mapping *m)
{
	/* a JIT that tells nothing of its first bytes has its own entry there */
	if (!m->object)
		m->bias = m->start < rule->end && rule->start < m->end ? rule->row : 0;
}

void process_reader__resolve(const struct process_reader *reader, const struct code_rule *rule,
			     enum maps_kind kind, const struct object_mapping *m,
			     struct code_mapping *ret_mapping)
{
	struct code_mapping out = {.start = m->start, .end = m->end, .pgoff = m->pgoff};
	int r = 0;

	if (kind == MAPS_FILE || kind == MAPS_MEMFD)
		r = object_cache__open_mapping(reader->objects, m, reader->now_ns, &out.object, &out.bias);
	else if (kind == MAPS_VDSO && m->start >= VDSO_START_MIN)
		r = object_cache__open_vdso(reader->objects, m->start, m->pgoff, reader->now_ns, &out.object,
					    &out.bias);
	if (r < 0)
		out.object = 0, out.bias = 0;
	code_rule__apply(rule, &out);
	*ret_mapping = out;
}

/* Mappings on their way into a set, each with a reference on its object. */
struct collection {
	const struct process_reader *reader;
	const struct code_rule *rule;
	uint32_t tgid;
	int pid_dir_fd;
	struct code_mapping *mappings;
	uint32_t n, cap;
	bool cut;
};

static int collection__grow(struct collection *c)
{
	uint32_t cap = c->cap ? c->cap * 2 : 32;
	struct code_mapping *mappings = realloc(c->mappings, cap * sizeof(*mappings));

	if (!mappings)
		return -ENOMEM;
	c->mappings = mappings;
	c->cap = cap;
	return 0;
}

static int collect_line(const struct maps_line *line, void *ctx)
{
	struct collection *c = ctx;
	struct object_mapping m = {
		.tgid = c->tgid,
		.pid_dir_fd = c->pid_dir_fd,
		.deleted = line->deleted,
		.start = line->start,
		.end = line->end,
		.pgoff = line->pgoff,
		.ino = line->ino,
		.path = line->path,
	};

	if (line->start >= USER_SPACE_END)
		return 0;
	if (c->n == MAPPING_SET_MAX) {
		c->cut = true;
		return -E2BIG;
	}
	if (c->n == c->cap && collection__grow(c) < 0)
		return -ENOMEM;
	process_reader__resolve(c->reader, c->rule, line->kind, &m, &c->mappings[c->n]);
	c->n++;
	return 0;
}

static void collection__put_objects(const struct process_reader *reader, const uint32_t *ids, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		object_cache__put(reader->objects, ids[i]);
}

/* Building the set moves mappings about, so the references to give back are noted first. */
static int collection__build(struct collection *c, struct mapping_set **ret_set)
{
	uint32_t n = c->n;
	uint32_t *ids = malloc((n + 1) * sizeof(*ids));
	int r;

	/* Without the list the references would stay for ever, so they are given back right away. */
	if (!ids) {
		for (uint32_t i = 0; i < n; i++)
			object_cache__put(c->reader->objects, c->mappings[i].object);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < n; i++)
		ids[i] = c->mappings[i].object;
	r = mapping_set__build(c->reader->pool, c->mappings, n, ret_set);
	collection__put_objects(c->reader, ids, n);
	free(ids);
	return r;
}

static int read_mappings_in(struct process *p, const struct process_reader *reader, int pid_dir_fd)
{
	struct collection c = {
		.reader = reader, .rule = &p->rule, .tgid = p->key.tgid, .pid_dir_fd = pid_dir_fd};
	struct mapping_set *set = NULL;
	int read_error, r;

	read_error = read_maps(p->key.tgid, pid_dir_fd, collect_line, &c);
	if (read_error == -E2BIG)
		c.cut = true;
	r = collection__build(&c, &set);
	free(c.mappings);
	/* Half a file is worth keeping when it was too long, and nothing when it broke off. */
	if (r == 0 && read_error < 0 && !c.cut)
		r = read_error;
	if (r < 0) {
		mapping_set__unref(set);
		return r;
	}
	mapping_set__unref(p->mappings);
	p->mappings = set;
	p->mapped_ns = reader->now_ns;
	p->flags &= ~(PROCESS_CUT | PROCESS_STALE);
	if (c.cut)
		p->flags |= PROCESS_CUT;
	return 0;
}

int read_process_mappings(struct process *p, const struct process_reader *reader)
{
	struct proc_stat st;
	int fd = FD_CLOSED;
	int r;

	r = proc_dir__open(reader->proc_root_fd, p->key.tgid, p->key.start_ns, &fd, &st);
	if (r == 0)
		r = read_mappings_in(p, reader, fd);
	io__close(&fd);
	return r;
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

/*
 * /proc adds what a kernel worker does to its name ("kworker/0:1-events"), its comm is without; a rescuer's comm has
 * the dash itself.
 */
static void set_comm_from_stat(struct process *p, const struct proc_stat *st)
{
	char comm[sizeof(st->comm)];

	memcpy(comm, st->comm, sizeof(comm));
	if (st->kernel_thread && strncmp(comm, "kworker/", 8) == 0 && strncmp(comm, "kworker/R-", 10) != 0)
		comm[strcspn(comm, "-+")] = '\0';
	process__set_comm(p, comm);
}

static void read_exe(struct process *p, int pid_dir_fd)
{
	static const char suffix[] = " (deleted)";
	char path[PROCESS_EXE_MAX];
	ssize_t n = proc_file__read_link(p->key.tgid, pid_dir_fd, "exe", path, sizeof(path));

	if (n <= 0)
		return;
	if ((size_t)n > sizeof(suffix) - 1 &&
	    memcmp(path + n - (sizeof(suffix) - 1), suffix, sizeof(suffix) - 1) == 0)
		n -= (ssize_t)sizeof(suffix) - 1;
	process__set_exe(p, path, (size_t)n);
}

static void read_container(struct process *p, const struct process_reader *reader, int dir_fd,
			   const char *path)
{
	struct container_names names;
	struct container *c;

	if (read_proc_cgroup(dir_fd, path, &names) < 0 ||
	    container_table__intern(reader->containers, &names, &c) < 0)
		return;
	container_table__put(reader->containers, p->container);
	p->container = c;
}

int read_process_place(struct process *p, const struct process_reader *reader)
{
	char path[sizeof("4294967295/cgroup")];
	struct proc_stat st;
	int fd = FD_CLOSED;
	int r;

	/* all pids have to be gone through before one is used again: not within a second */
	if (p->exe && reader->now_ns < p->born_ns + NS_PER_SEC) {
		snprintf(path, sizeof(path), "%" PRIu32 "/cgroup", p->key.tgid);
		read_container(p, reader, reader->proc_root_fd, path);
		return 0;
	}
	r = proc_dir__open(reader->proc_root_fd, p->key.tgid, p->key.start_ns, &fd, &st);
	if (r < 0)
		return r;
	read_container(p, reader, fd, "cgroup");
	if (!p->exe)
		read_exe(p, fd);
	io__close(&fd);
	return 0;
}

int read_process(struct process *p, const struct process_reader *reader, bool with_mappings)
{
	struct proc_stat st;
	struct proc_status status;
	int fd = FD_CLOSED;
	int r;

	r = proc_dir__open(reader->proc_root_fd, p->key.tgid, p->key.start_ns, &fd, &st);
	if (r < 0)
		return r;
	p->ppid = st.ppid;
	if (p->comm[0] == '\0')
		set_comm_from_stat(p, &st);
	if (read_proc_status(fd, &status) == 0) {
		p->uid = status.uid;
		p->ns_pid = status.ns_pid;
	}
	read_container(p, reader, fd, "cgroup");
	if (st.kernel_thread) {
		p->flags = (p->flags | PROCESS_KERNEL_THREAD) & ~PROCESS_STALE;
	} else {
		read_exe(p, fd);
		if (with_mappings)
			r = read_mappings_in(p, reader, fd);
	}
	io__close(&fd);
	return r;
}
