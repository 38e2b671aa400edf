// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * on_cpu - a tick of a CPU's clock: whose code ran, and by which way did it come there?
 *
 * Each tick stands for the time that the kernel charged to tasks of this CPU since the one before (bpf/tick.h).
 */
#include "bpf/interrupted.bpf.h"
#include "bpf/count.bpf.h"
#include "bpf/defer.bpf.h"
#include "bpf/queue.bpf.h"
#include "bpf/trail.bpf.h"

/* The walk's state is far larger than a program's stack. One per CPU and kind of context: a tick cannot interrupt a tick. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct walk);
} on_cpu_walk SEC(".maps");

/* What the scheduler knows of this CPU, as of its last look: a tick of its own, or a switch. False: the kernel does not lead to it. */
static __always_inline int on_cpu__look(struct task_struct *task, struct tick *t)
{
	struct cfs_rq *cfs;

	if (!bpf_core_field_exists(task->se.cfs_rq))
		return 0;
	cfs = task->se.cfs_rq; /* every task has one, whatever its class: the way to its CPU's queue that needs no symbol */
	if (!cfs || !cfs->rq || !cfs->rq->idle)
		return 0;
	t->away_ns = rq__away(task__rq(task));
	t->n_idled = cfs->rq->idle->nvcsw + cfs->rq->idle->nivcsw;
	if (!gate.is_timer && !t->is_idle)
		t->run_ns = rq__run(cfs->rq, task);
	return 1;
}

/* Keeps the CPU's time: what this tick stands for. */
static __always_inline __u64 on_cpu__clock(struct task_struct *task)
{
	struct tick t = {
		.now_ns = bpf_ktime_get_ns(),
		.resumed_ns = gate.resumed_ns,
		.period_ns = gate.period_ns,
		.is_idle = task->pid == 0,
	};
	__u64 value, lost = 0;
	__u32 zero = 0;
	struct cpu_ticks *cpu = bpf_map_lookup_elem(&cpu_ticks, &zero);

	if (!cpu)
		return 0;
	if (!on_cpu__look(task, &t))
		return t.period_ns;
	value = tick__take(cpu, &t, &lost);
	if (lost && t.period_ns)
		lose(EVENT_CPU, LOSS_LATE_TICKS, lost / t.period_ns);
	return value;
}

SEC("perf_event")
int on_cpu(struct bpf_perf_event_data *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	__u32 zero = 0;
	struct task_sample s = {
		.task = task,
		.tag = {.event = EVENT_CPU, .syscall = SYSCALL_NONE},
		.tid = task->pid,
		.count = 1,
	};
	struct walk *w;

	s.value = on_cpu__clock(task);
	if (!s.value || s.tid == 0 || !gate.enabled)
		return 0;
	w = bpf_map_lookup_elem(&on_cpu_walk, &zero);
	if (!w)
		return 0;
	task__key(task, &s.key);
	if (!current__wanted(w, &s.key))
		return 0;
	trail__fetch(w);
	interrupted__stack(ctx, w, task, EVENT_CPU);
	trail__keep(w);
	if (defer__wanted(w->end) && !defer__send(w, &s))
		return 0;
	if (w->derived)
		lose(EVENT_CPU, LOSS_DERIVED_RULES, 1);
	walk__end(w);
	count__add(w, &s);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
