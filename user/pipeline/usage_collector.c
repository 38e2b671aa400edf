// SPDX-License-Identifier: Apache-2.0
/* usage_collector - what usage asks, answered by the collector. */
#include "user/base/clock.h"
#include "user/kernel/task_list.h"
#include "user/pipeline/collector_impl.h"
#include "user/pipeline/usage.h"

static int on_list(void *ctx, bool with_fds, int (*fn)(const struct usage_record *r, void *fn_ctx),
		   void *fn_ctx)
{
	const struct collector *c = ctx;

	return task_list__usage(c->loader, with_fds, fn, fn_ctx);
}

static bool on_labels(void *ctx, const struct task_key *key, uint64_t cgroup, struct process_labels *ret)
{
	struct collector *c = ctx;
	struct process *p = process_table__find(c->processes, key);

	if (!p) /* its exec was not read yet */
		p = process_table__find_pid(c->processes, key->tgid, clock__mono_ns());
	if (!p || p->key.start_ns != key->start_ns)
		return false;
	if (cgroup && p->cgroup_id && cgroup != p->cgroup_id) { /* it was moved */
		p->cgroup_id = cgroup;
		p->flags |= PROCESS_PLACE_DUE;
	}
	process_table__learn_place(c->processes, p);
	process__labels(p, ret);
	return true;
}

static bool on_run_queue(void *ctx, struct run_queue *ret)
{
	struct wait_stats s = {0};

	collector__wait_stats(ctx, &s);
	*ret = s.run_queue;
	return s.on;
}

static int on_run_queues(void *ctx, run_queue_fn fn, void *fn_ctx)
{
	return collector__run_queues(ctx, fn, fn_ctx);
}

static void on_own(void *ctx, struct usage_own *ret)
{
	struct collector *c = ctx;

	*ret = (struct usage_own){.samples = collector__samples(c), .cpu_ns = clock__process_cpu_ns()};
	for (int i = 0; i < LOSS_MAX; i++)
		ret->lost += c->stats.lost.n[i];
}

void usage_port__of_collector(struct collector *c, struct usage_port *ret)
{
	ret->ctx = c;
	ret->list = on_list;
	ret->labels = on_labels;
	ret->run_queue = on_run_queue;
	ret->run_queues = on_run_queues;
	ret->own = on_own;
}
