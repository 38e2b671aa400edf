// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/wall_profile.h"

#include <errno.h>

#include "bpf/wait.h"
#include "user/pipeline/row_labels.h"
#include "user/pipeline/window.h"
#include "user/profile/profile.h"

static int add_head(struct profile *p, const struct window *w)
{
	static const char *const types[] = {"on_cpu", "runnable", "blocked", "wall"};
	struct profile_meta *meta = profile__meta_mut(p);
	int err = 0;

	for (size_t i = 0; i < sizeof(types) / sizeof(*types) && !err; i++)
		err = profile__add_type(p, types[i], "nanoseconds");
	if (!err)
		err = profile__string(p, "wall", &meta->period_type.type);
	if (!err)
		err = profile__string(p, "nanoseconds", &meta->period_type.unit);
	meta->default_type = meta->period_type.type;
	meta->time_ns = (int64_t)w->real_ns;
	meta->duration_ns = (int64_t)(w->to_ns - w->from_ns);
	if (!err)
		err = profile__comment(
			p, "everprof %s, event " WALL_EVENT ": as the kernel accounts it, not sampled",
			EVERPROF_VERSION);
	return err;
}

/* The thread's name as its only frame. */
static int thread_stack(struct profile *p, const char *comm, uint32_t *ret)
{
	struct function f = {};
	struct line line = {};
	uint32_t location;
	int err = profile__string(p, *comm ? comm : "[no name]", &f.name);

	if (!err)
		err = profile__function(p, &f, &line.function);
	if (!err)
		err = profile__location(p, 0, 0, false, &line, 1, &location);
	if (!err)
		err = profile__stack(p, &location, 1, ret);
	return err;
}

/* At most what is left. */
static int64_t part_of(int64_t *rest, uint64_t ns)
{
	int64_t part = (int64_t)ns < *rest ? (int64_t)ns : *rest;

	*rest -= part;
	return part;
}

static int add(struct profile *p, uint32_t stack, const struct row_labels *l, const int64_t *values)
{
	uint32_t labels;
	int err = profile__labels(p, l->labels, l->n, &labels);

	return err ? err : profile__add(p, stack, labels, values);
}

static int add_thread(struct profile *p, const struct window *w, const struct window_thread *t,
		      bool label_tid)
{
	const struct thread_times *times = &t->times;
	int64_t rest = (int64_t)times->wall_ns, run = part_of(&rest, times->run_ns),
		away = part_of(&rest, times->away_ns), delay = part_of(&rest, times->run_delay_ns);
	const int64_t own[] = {run, delay, rest, run + delay + rest}, stolen[] = {away, 0, 0, away};
	struct row_labels l = {.profile = p};
	uint32_t stack;
	int err = thread_stack(p, window__str(w, t->comm), &stack);

	if (!err)
		err = row_labels__thread(&l, w, t->process, label_tid ? t->tid : 0, t->comm);
	if (!err)
		err = add(p, stack, &l, own);
	if (!err && away)
		err = row_labels__text(&l, "state", STATE_STOLEN);
	if (!err && away)
		err = add(p, stack, &l, stolen);
	return err;
}

int wall_profile__make(const struct window *w, bool label_tid, struct profile **ret_profile)
{
	struct profile *p = profile__new(NULL);
	int err = p ? add_head(p, w) : -ENOMEM;

	for (uint32_t i = 0; i < w->n_threads && !err; i++)
		err = add_thread(p, w, &w->threads[i], label_tid);
	return profile__finish(p, err, ret_profile);
}
