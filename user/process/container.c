/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: no file says which container a process is in; the path of its control group does, in the dialect of
 * whoever made it.
 *
 * Idea: read the path from its end, one folder at a time; the first folder that is a container is the innermost one.
 * The dialects:
 *
 *      systemd driver     docker-<64 hex>.scope  cri-containerd-<id>.scope  crio-<id>.scope  libpod-<id>.scope
 *      cgroupfs driver    docker/<id>  kubepods/burstable/pod<uid>/<id>  libpod_parent/libpod-<id>  ecs/<task>/<id>
 *      containerd told to use systemd names without systemd       <slice>:cri-containerd:<id>
 *      by name            lxc.payload.<name>  lxc/<name>  machine-<name>.scope  systemd-nspawn@<name>.service
 *
 * crio-conmon-<id>.scope and libpod-conmon-<id>.scope hold the runtime's own monitor, outside of the container. A pod
 * is podUID with dashes, or with underscores where systemd has its say on dashes: kubepods-burstable-pod<uid>.slice.
 *
 * Which line: with version 2 the only one (0::). With both, the one whose path names a container, else 0:: unless it
 * is the root, else name=systemd, else the one that is longest.
 *
 * What it does not do: ask a runtime for names behind ids. Paths are as seen from our cgroup namespace.
 *
 * Reference: cgroups(7); OCI runtime specification, cgroupsPath; Kubernetes pkg/kubelet/cm cgroup naming.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/base/io.h"
#include "user/process/container.h"

#define HEX_ID_LEN 64

/* One folder of the path, or a piece of its name. */
struct part {
	const char *p;
	size_t len;
};

static bool part__is(struct part a, const char *s)
{
	return a.len == strlen(s) && memcmp(a.p, s, a.len) == 0;
}

static bool part__starts(struct part a, const char *s)
{
	return a.len >= strlen(s) && memcmp(a.p, s, strlen(s)) == 0;
}

static bool part__ends(struct part a, const char *s)
{
	size_t n = strlen(s);

	return a.len >= n && memcmp(a.p + a.len - n, s, n) == 0;
}

static struct part part__cut(struct part a, size_t front, size_t back)
{
	return (struct part){a.p + front, a.len - front - back};
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

static bool part__all_hex(struct part a)
{
	for (size_t i = 0; i < a.len; i++)
		if (!is_hex(a.p[i]))
			return false;
	return true;
}

static bool part__is_id(struct part a)
{
	return a.len == HEX_ID_LEN && part__all_hex(a);
}

/* Copies it if it fits; a name that was cut would be another name. */
static bool part__copy(struct part a, char *to, size_t size)
{
	if (a.len == 0 || a.len >= size)
		return false;
	memcpy(to, a.p, a.len);
	to[a.len] = '\0';
	return true;
}

/* ---- folders ----------------------------------------------------------------------------------------------------- */

static const char *const prefixes[] = {"docker-", "cri-containerd-", "nerdctl-", "crio-", "libpod-"};

/* "docker-<id>.scope", "libpod-<id>", and the like. */
static bool find_prefixed_id(struct part folder, struct container_names *names)
{
	if (part__ends(folder, ".scope"))
		folder = part__cut(folder, 0, strlen(".scope"));
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		struct part id;

		if (!part__starts(folder, prefixes[i]))
			continue;
		id = part__cut(folder, strlen(prefixes[i]), 0);
		return part__is_id(id) && part__copy(id, names->id, sizeof(names->id));
	}
	return false;
}

/* "<slice>:cri-containerd:<id>" */
static bool find_colon_id(struct part folder, struct container_names *names)
{
	const char *colon = memrchr(folder.p, ':', folder.len);
	struct part id;

	if (!colon)
		return false;
	id = part__cut(folder, (size_t)(colon - folder.p) + 1, 0);
	return part__is_id(id) && part__copy(id, names->id, sizeof(names->id));
}

/* ECS on Fargate: 32 hex digits of the task, a dash, a number. */
static bool part__is_fargate_id(struct part a)
{
	const char *dash = memchr(a.p, '-', a.len);
	size_t n = dash ? (size_t)(dash - a.p) : 0;

	if (n != 32 || a.len < 34 || a.len > 43 || !part__all_hex((struct part){a.p, n}))
		return false;
	for (size_t i = n + 1; i < a.len; i++)
		if (a.p[i] < '0' || a.p[i] > '9')
			return false;
	return true;
}

static bool find_bare_id(struct part folder, struct container_names *names)
{
	return (part__is_id(folder) || part__is_fargate_id(folder)) &&
	       part__copy(folder, names->id, sizeof(names->id));
}

/* Machines have names, not ids. */
static bool find_machine(struct part folder, struct part parent, struct container_names *names)
{
	struct part name = {NULL, 0};

	if (part__starts(folder, "lxc.payload.")) {
		name = part__cut(folder, strlen("lxc.payload."), 0);
	} else if (part__is(parent, "lxc") || part__is(parent, "lxc.payload")) {
		name = folder;
	} else if (part__is(parent, "machine.slice")) {
		if (part__starts(folder, "machine-qemu"))
			return false;
		if (part__starts(folder, "machine-") && part__ends(folder, ".scope"))
			name = part__cut(folder, strlen("machine-"), strlen(".scope"));
		else if (part__starts(folder, "systemd-nspawn@") && part__ends(folder, ".service"))
			name = part__cut(folder, strlen("systemd-nspawn@"), strlen(".service"));
	}
	return part__copy(name, names->id, sizeof(names->id));
}

/* 36 characters in 8-4-4-4-12, or 32 hex digits for pods that come from a file. */
static bool copy_pod_uid(struct part uid, struct container_names *names)
{
	static const uint8_t dashes[] = {8, 13, 18, 23};
	size_t d = 0;

	if (uid.len == 32 && part__all_hex(uid))
		return part__copy(uid, names->pod, sizeof(names->pod));
	if (uid.len != 36)
		return false;
	for (size_t i = 0; i < uid.len; i++) {
		bool dash = d < sizeof(dashes) && i == dashes[d];

		if (dash ? uid.p[i] != '-' && uid.p[i] != '_' : !is_hex(uid.p[i]))
			return false;
		d += dash;
		names->pod[i] = dash ? '-' : uid.p[i];
	}
	names->pod[uid.len] = '\0';
	return true;
}

/* "pod<uid>", "kubepods-burstable-pod<uid>.slice", also in front of ":cri-containerd:…". */
static bool find_pod(struct part folder, struct container_names *names)
{
	const char *colon = memchr(folder.p, ':', folder.len);
	bool found;

	if (colon)
		folder.len = (size_t)(colon - folder.p);
	if (part__ends(folder, ".slice"))
		folder = part__cut(folder, 0, strlen(".slice"));
	for (size_t tail = 32; tail <= 36; tail += 4) {
		struct part uid, head;

		if (folder.len < tail + 3)
			continue;
		uid = part__cut(folder, folder.len - tail, 0);
		head = part__cut(folder, 0, tail);
		if (!part__is(head, "pod") &&
		    !(part__ends(head, "-pod") && memmem(head.p, head.len, "kubepods", 8)))
			continue;
		found = copy_pod_uid(uid, names);
		if (!found)
			names->pod[0] = '\0';
		return found;
	}
	return false;
}

static bool find_unit(struct part folder, struct container_names *names)
{
	if (!part__ends(folder, ".service") && !part__ends(folder, ".scope"))
		return false;
	if (memchr(folder.p, ':', folder.len))
		return false;
	/* systemd puts "_" before a name that the kernel might want for itself */
	if (part__starts(folder, "_"))
		folder = part__cut(folder, 1, 0);
	return part__copy(folder, names->unit, sizeof(names->unit));
}

/* ---- paths ------------------------------------------------------------------------------------------------------- */

/* The last folder of path[0 .. *end), and moves *end before its slash. */
static struct part last_folder(const char *path, size_t *end)
{
	const char *slash = memrchr(path, '/', *end);
	size_t first = slash ? (size_t)(slash - path) + 1 : 0;
	struct part folder = {path + first, *end - first};

	*end = slash ? first - 1 : 0;
	return folder;
}

int parse_cgroup_path(const char *path, size_t len, struct container_names *ret_names)
{
	struct container_names *names = ret_names;
	size_t end = len;

	if (len == 0 || path[0] != '/' || memchr(path, '\0', len))
		return -EBADMSG;
	if (len >= sizeof(names->cgroup))
		return -E2BIG;
	memset(names, 0, sizeof(*names));
	memcpy(names->cgroup, path, len);
	while (end > 0) {
		struct part folder = last_folder(path, &end);
		size_t above = end;
		struct part parent = above > 0 ? last_folder(path, &above) : (struct part){path, 0};

		if (folder.len == 0)
			continue;
		if (!names->id[0] && !find_prefixed_id(folder, names) && !find_colon_id(folder, names) &&
		    !find_bare_id(folder, names))
			find_machine(folder, parent, names);
		if (!names->pod[0])
			find_pod(folder, names);
		if (!names->unit[0])
			find_unit(folder, names);
	}
	return 0;
}

/* ---- /proc/PID/cgroup -------------------------------------------------------------------------------------------- */

struct hierarchy {
	bool unified, systemd;
	struct part path;
};

/* "4:memory:/path" */
static bool parse_line(struct part line, struct hierarchy *ret_h)
{
	const char *first = memchr(line.p, ':', line.len);
	const char *second = first ? memchr(first + 1, ':', line.len - (size_t)(first + 1 - line.p)) : NULL;
	struct part number, controllers;

	if (!second)
		return false;
	number = (struct part){line.p, (size_t)(first - line.p)};
	controllers = (struct part){first + 1, (size_t)(second - first - 1)};
	ret_h->unified = part__is(number, "0") && controllers.len == 0;
	ret_h->systemd = part__is(controllers, "name=systemd");
	ret_h->path = part__cut(line, (size_t)(second + 1 - line.p), 0);
	if (part__ends(ret_h->path, " (deleted)"))
		ret_h->path.len -= strlen(" (deleted)");
	return ret_h->path.len > 0 && ret_h->path.p[0] == '/';
}

/* How well a line tells where the process is: see the essay. */
static unsigned int rank(const struct hierarchy *h, const struct container_names *names)
{
	unsigned int r = 0;

	if (names->id[0])
		r += 8;
	if (h->path.len > 1)
		r += 4;
	if (h->unified)
		r += 2;
	else if (h->systemd)
		r += 1;
	return r;
}

int parse_proc_cgroup(const char *text, size_t len, struct container_names *ret_names)
{
	const char *p = text, *end = text + len;
	struct container_names names;
	unsigned int best = 0;
	size_t best_len = 0;
	bool any = false, only_unified = true;

	while (p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		const char *stop = newline ? newline : end;
		struct hierarchy h;
		unsigned int r;

		if (!parse_line((struct part){p, (size_t)(stop - p)}, &h)) {
			only_unified = false;
		} else if (parse_cgroup_path(h.path.p, h.path.len, &names) == 0) {
			only_unified = only_unified && h.unified;
			r = rank(&h, &names);
			if (!any || r > best || (r == best && h.path.len > best_len)) {
				*ret_names = names;
				best = r;
				best_len = h.path.len;
			}
			any = true;
		}
		p = newline ? newline + 1 : end;
	}
	if (any)
		ret_names->only_unified = only_unified;
	return any ? 0 : -EBADMSG;
}

int read_proc_cgroup(int dir_fd, const char *path, struct container_names *ret_names)
{
	struct buf b;
	int r;

	buf__init(&b, PROC_CGROUP_MAX);
	r = io__read_at(dir_fd, path, PROC_CGROUP_MAX - 1, &b);
	if (r == 0)
		r = parse_proc_cgroup(buf__str(&b), b.len, ret_names);
	buf__done(&b);
	return r == -ENOENT ? -ESRCH : r;
}
