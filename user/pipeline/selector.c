// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/selector.h"

#include <fnmatch.h>

static bool any_matches(const struct text_list *patterns, const char *text)
{
	for (uint32_t i = 0; i < patterns->n; i++)
		if (*text && !fnmatch(patterns->items[i], text, 0))
			return true;
	return false;
}

static bool has_pid(const struct pid_list *pids, uint32_t tgid)
{
	for (uint32_t i = 0; i < pids->n; i++)
		if (pids->items[i] == tgid)
			return true;
	return false;
}

static bool set_matches(const struct target_set *t, uint32_t tgid, const struct process_labels *l)
{
	return has_pid(&t->pid, tgid) || any_matches(&t->comm, l->process) ||
	       any_matches(&t->process, l->process) || any_matches(&t->exe, l->exe) ||
	       any_matches(&t->cgroup, l->cgroup) || any_matches(&t->unit, l->unit) ||
	       any_matches(&t->container, l->container) || any_matches(&t->pod, l->pod);
}

enum verdict selector__process(const struct selector *s, uint32_t tgid, const struct process_labels *labels)
{
	if (s->exclude && set_matches(s->exclude, tgid, labels))
		return VERDICT_EXCLUDE;
	if (s->include && set_matches(s->include, tgid, labels))
		return VERDICT_INCLUDE;
	return VERDICT_NONE;
}

bool selector__thread(const struct selector *s, enum verdict process, const char *comm)
{
	if (process == VERDICT_EXCLUDE || (s->exclude && any_matches(&s->exclude->comm, comm)))
		return false;
	if (!s->include || target_set__is_empty(s->include))
		return true; /* by hand included trees are the kernel's business */
	return process == VERDICT_INCLUDE || any_matches(&s->include->comm, comm);
}

bool selector__kernel_only_included(const struct selector *s)
{
	if (s->only_tree)
		return true;
	return s->include && !target_set__is_empty(s->include) && s->include->comm.n == 0;
}

bool selector__is_everything(const struct selector *s)
{
	return !s->only_tree && (!s->include || target_set__is_empty(s->include)) &&
	       (!s->exclude || target_set__is_empty(s->exclude));
}
