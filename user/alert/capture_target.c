// SPDX-License-Identifier: Apache-2.0
/*
 * capture_target - the target of a capture: its names, and which samples are its.
 *
 * A target is a thing, not a pattern: its samples are told by exact labels, whatever characters a name has. Who asked by patterns gives a selection instead.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "user/alert/capture_case.h"
#include "user/profile/profile.h"

#define CONTAINER_CHARS 12 /* of an id: as docker shows it */
#define START_TICK_NS   10000000ull

static const char *last_component(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return !path ? "-" : slash && slash[1] ? slash + 1 : path;
}

void capture_target__name(const struct metric_target *t, const struct selection *s, char *ret_text,
			  size_t size)
{
	if (s && s->n) {
		snprintf(ret_text, size, "%s-%s", s->items[0].key, last_component(s->items[0].pattern));
		return;
	}
	switch (t->scope) {
	case SCOPE_PROCESS:
		/* the number at the end must survive a long name */
		snprintf(ret_text, size, "%.32s-%u", t->comm && *t->comm ? t->comm : "pid", t->pid);
		break;
	case SCOPE_CGROUP:
		snprintf(ret_text, size, "%s", t->unit && *t->unit ? t->unit : last_component(t->cgroup));
		break;
	case SCOPE_CONTAINER:
		snprintf(ret_text, size, "%.*s", CONTAINER_CHARS, t->container ? t->container : "-");
		break;
	default:
		snprintf(ret_text, size, "system");
	}
}

static void describe_selection(const struct selection *s, char *ret_text, size_t size)
{
	size_t n = 0;

	for (uint32_t i = 0; i < s->n && n < size; i++)
		n += (size_t)snprintf(ret_text + n, size - n, "%s%s=%s", i ? " " : "everything with ",
				      s->items[i].key, s->items[i].pattern);
}

void capture_target__describe(const struct metric_target *t, const struct selection *s, char *ret_text,
			      size_t size)
{
	if (s && s->n) {
		describe_selection(s, ret_text, size);
		return;
	}
	switch (t->scope) {
	case SCOPE_PROCESS:
		snprintf(ret_text, size, "process %s (pid %u)",
			 t->comm && *t->comm ? t->comm : "without a name", t->pid);
		break;
	case SCOPE_CGROUP:
		snprintf(ret_text, size, "control group %s", t->cgroup ? t->cgroup : "without a path");
		break;
	case SCOPE_CONTAINER:
		snprintf(ret_text, size, "container %s", t->container ? t->container : "without an id");
		break;
	default:
		snprintf(ret_text, size, "the whole machine");
	}
}

bool capture_target__is_same(const struct metric_target *a, const struct metric_target *b)
{
	uint64_t later = a->start_ns > b->start_ns ? a->start_ns : b->start_ns;

	if (a->scope != b->scope || a->pid != b->pid)
		return false;
	/* /proc tells starts in ticks; and a process that was moved to another group is the same one */
	if (a->scope == SCOPE_PROCESS)
		return later - a->start_ns < START_TICK_NS && later - b->start_ns < START_TICK_NS;
	return a->cgroup_id == b->cgroup_id;
}

static const char *text_label(const struct profile *p, uint32_t labels, const char *key)
{
	const struct label *l = profile__find_label(p, labels, key);

	return l && l->str ? profile__str(p, l->str) : "";
}

/* The path itself or one below it; the root holds all. */
static bool is_below(const char *path, const char *group)
{
	size_t len = strlen(group);

	while (len && group[len - 1] == '/')
		len--;
	return !strncmp(path, group, len) && (!path[len] || path[len] == '/');
}

bool capture_case__keeps(const struct profile *p, uint32_t labels, void *ctx)
{
	const struct capture_case *c = ctx;
	const struct metric_target *t = &c->request.target;
	const struct label *pid;

	if (c->request.selection)
		return selection__keeps(p, labels, (void *)c->request.selection);
	switch (t->scope) {
	case SCOPE_PROCESS:
		pid = profile__find_label(p, labels, "pid");
		return pid && pid->num == t->pid;
	case SCOPE_CGROUP:
		return t->cgroup && is_below(text_label(p, labels, "cgroup"), t->cgroup);
	case SCOPE_CONTAINER:
		return t->container && !strcmp(text_label(p, labels, "container"), t->container);
	default:
		return true;
	}
}
