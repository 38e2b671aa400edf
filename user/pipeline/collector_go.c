// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/collector_go.h"

#include <errno.h>

#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/pipeline/collector_impl.h"
#include "user/process/proc_dir.h"
#include "user/runtime/go_program.h"
#include "user/runtime/go_programs.h"
#include "user/runtime/goroutine.h"

#define COUNT_EXACT_MAX 8192 /* of more, that many say how many live */
/*
 * What a program has in its memory may take any time to read, and the collector's thread waits. So all of them together have this long, and each at most a
 * quarter of what is left: however many want more, those behind them still have some.
 */
#define LOOK_CPU_NS (2 * NS_PER_SEC)
#define LOOK_ALL_NS (8 * NS_PER_SEC)
#define LOOK_PART   4

static bool has_memory(const struct process *p)
{
	return !(p->flags & (PROCESS_KERNEL_THREAD | PROCESS_UNLEARNT | PROCESS_ENDED));
}

static bool is_wanted(struct collector *c, const struct process *p)
{
	if (c->opts.selector.only_tree && !collector__is_in_tree(c, &p->key))
		return false;
	return collector__wants(c, &p->key, p->comm);
}

static int find_go(struct collector *c, struct process *p, struct go_process *ret)
{
	int err = c->go_programs ? 0 : go_programs__new(c->objects, &c->go_programs);

	if (err)
		return err;
	process_table__settle(c->processes, p);
	return go_programs__find(c->go_programs, p->key.tgid, p->mappings, ret);
}

static uint64_t part_of(uint64_t until_ns, uint64_t now_ns)
{
	return until_ns > now_ns ? (until_ns - now_ns) / LOOK_PART : 0;
}

/* Also where it keeps who looks. */
static bool is_there(const struct process *p, int dir_fd)
{
	struct proc_stat stat;
	int err = read_proc_stat(p->key.tgid, dir_fd, &stat);

	return !err || err == -ETIMEDOUT;
}

static int tell_one(struct collector *c, enum event ev, struct process *p, const struct clock_limit *all,
		    collector_go_fn fn, void *ctx)
{
	const struct clock_limit limit = clock__limit(part_of(all->thread_cpu_ns, clock__thread_cpu_ns()),
						      part_of(all->mono_ns, clock__mono_ns()));
	struct go_process go = {0};
	int dir_fd = FD_CLOSED, opened, err;
	struct proc_stat stat;

	/* the folder is this process's for ever: that it can still be read afterwards says whose memory it was */
	opened = proc_dir__open(c->proc_fd, p->key.tgid, p->key.start_ns, &dir_fd, &stat);
	if (opened && opened != -ETIMEDOUT)
		return -ESRCH;
	err = find_go(c, p, &go);
	if (!err)
		err = opened ? opened : fn(c, p, &go, &limit, ctx);
	if (go.program)
		go_program__rest(go.program);
	if (err && err != -ENOENT && (opened || is_there(p, dir_fd)))
		collector__lose(c, ev, LOSS_GO_UNKNOWN, 1);
	io__close(&dir_fd);
	return err;
}

int collector__each_go(struct collector *c, enum event ev, uint32_t pid, collector_go_fn fn, void *ctx)
{
	const struct clock_limit all = clock__limit(LOOK_CPU_NS, LOOK_ALL_NS);
	uint32_t cursor = 0;
	struct process *p;
	int err = 0;

	/* reading one changes nothing in the table */
	while (err != -ENOMEM && (p = process_table__next(c->processes, &cursor)))
		if ((!pid || p->key.tgid == pid) && has_memory(p) && is_wanted(c, p))
			err = tell_one(c, ev, p, &all, fn, ctx);
	return err == -ENOMEM ? err : 0;
}

int collector__goroutines(struct collector *c, const struct task_key *key, uint64_t *ret_n)
{
	struct process *p = process_table__find(c->processes, key);
	struct go_process go;
	/* nothing is read of what is excluded */
	bool is_asked = p && has_memory(p) && collector__verdict(c, p) != VERDICT_EXCLUDE;
	int err = is_asked ? find_go(c, p, &go) : -ENOENT;

	if (err)
		return err;
	err = goroutines__count(&go, COUNT_EXACT_MAX, ret_n);
	go_program__rest(go.program);
	return err;
}
