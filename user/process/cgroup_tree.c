// SPDX-License-Identifier: Apache-2.0
#include "user/process/cgroup_tree.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/base/io.h"

#define MOUNTINFO_MAX (1u << 20)
#define FIELDS_MAX    32

static const struct {
	enum cgroup_controller controller;
	const char *names[2]; /* of version 2, of version 1 */
} files[CGROUP_FILE_N] = {
#define X(id, controller, v2, v1) {CGROUP_##controller, {v2, v1}},
	CGROUP_FILES(X)
#undef X
};

struct field {
	const char *p;
	size_t len;
};

static bool field__is(struct field f, const char *text)
{
	return f.len == strlen(text) && !memcmp(f.p, text, f.len);
}

/* Has the list "rw,cpu,cpuacct" this word? */
static bool field__lists(struct field list, const char *word)
{
	for (size_t at = 0; at < list.len;) {
		const char *comma = memchr(list.p + at, ',', list.len - at);
		size_t len = comma ? (size_t)(comma - (list.p + at)) : list.len - at;

		if (field__is((struct field){list.p + at, len}, word))
			return true;
		at += len + 1;
	}
	return false;
}

static uint32_t split(const char *line, size_t len, struct field fields[FIELDS_MAX])
{
	uint32_t n = 0;

	for (size_t at = 0; at < len && n < FIELDS_MAX;) {
		const char *space = memchr(line + at, ' ', len - at);
		size_t field = space ? (size_t)(space - (line + at)) : len - at;

		fields[n++] = (struct field){line + at, field};
		at += field + 1;
	}
	return n;
}

/* The first mount of a hierarchy counts; what has escapes in it or is too long is not used. */
static void take_mount(struct cgroup_mount *m, struct field root, struct field point)
{
	if (*m->point || !point.len || point.len >= sizeof(m->point) || root.len >= sizeof(m->root) ||
	    memchr(point.p, '\\', point.len) || memchr(root.p, '\\', root.len) ||
	    memchr(point.p, '\0', point.len) || memchr(root.p, '\0', root.len))
		return;
	memcpy(m->point, point.p, point.len);
	m->point[point.len] = '\0';
	if (field__is(root, "/"))
		root.len = 0;
	memcpy(m->root, root.p, root.len);
	m->root[root.len] = '\0';
}

/* "36 35 98:0 ROOT POINT rw,… shared:1 - TYPE SOURCE rw,cpu,cpuacct" */
static void take_line(const char *line, size_t len, struct cgroup_tree *t)
{
	static const char *const controllers[CGROUP_CONTROLLER_N] = {"", "cpu", "cpuacct", "memory", "pids"};
	struct field f[FIELDS_MAX];
	uint32_t n = split(line, len, f), dash = 6;

	while (dash < n && !field__is(f[dash], "-"))
		dash++;
	if (dash + 3 >= n)
		return;
	if (field__is(f[dash + 1], "cgroup2"))
		take_mount(&t->mounts[CGROUP_UNIFIED], f[3], f[4]);
	if (!field__is(f[dash + 1], "cgroup"))
		return;
	for (int c = CGROUP_UNIFIED + 1; c < CGROUP_CONTROLLER_N; c++)
		if (field__lists(f[dash + 3], controllers[c]))
			take_mount(&t->mounts[c], f[3], f[4]);
}

int parse_cgroup_mounts(const char *text, size_t len, struct cgroup_tree *ret)
{
	struct cgroup_tree t = {0};
	bool any = false;

	for (size_t at = 0; at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t line = end ? (size_t)(end - (text + at)) : len - at;

		take_line(text + at, line, &t);
		at += line + 1;
	}
	for (int c = 0; c < CGROUP_CONTROLLER_N; c++)
		any |= *t.mounts[c].point != '\0';
	if (!any)
		return -ENOENT;
	*ret = t;
	return 0;
}

int read_cgroup_tree(const char *proc, struct cgroup_tree *ret)
{
	char path[PATH_MAX];
	struct buf b;
	int err;

	snprintf(path, sizeof(path), "%s/self/mountinfo", proc);
	buf__init(&b, MOUNTINFO_MAX);
	err = io__read_at(-1, path, MOUNTINFO_MAX, &b);
	if (!err)
		err = parse_cgroup_mounts((const char *)b.data, b.len, ret);
	buf__done(&b);
	return err;
}

bool cgroup_tree__is_v1(const struct cgroup_tree *t, enum cgroup_file file)
{
	enum cgroup_controller c = files[file].controller;

	return c != CGROUP_UNIFIED && *t->mounts[c].point;
}

/* Does the path step upwards? From within a namespace, groups outside of it are told like that. */
static bool has_dots(const char *group)
{
	for (const char *at = group; (at = strstr(at, "..")); at += 2)
		if (at > group && at[-1] == '/' && (at[2] == '/' || !at[2]))
			return true;
	return false;
}

int cgroup_tree__path(const struct cgroup_tree *t, const char *root, const char *group, enum cgroup_file file,
		      char ret_path[CGROUP_PATH_MAX])
{
	bool is_v1 = cgroup_tree__is_v1(t, file);
	const struct cgroup_mount *m = &t->mounts[is_v1 ? files[file].controller : CGROUP_UNIFIED];
	const char *name = files[file].names[is_v1];
	size_t len = strlen(m->root);

	if (!*m->point || !name || *group != '/' || has_dots(group))
		return -ENOENT;
	if (strncmp(group, m->root, len) || (len && group[len] && group[len] != '/'))
		return -ENOENT;
	group += len;
	if (!strcmp(group, "/"))
		group = "";
	if (snprintf(ret_path, CGROUP_PATH_MAX, "%s%s%s/%s", root, m->point, group, name) >= CGROUP_PATH_MAX)
		return -ENAMETOOLONG;
	return 0;
}
