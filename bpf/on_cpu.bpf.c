// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * on_cpu - a tick of a CPU's clock: whose code ran, and by which way did it come there?
 *
 * Each tick stands for one period of CPU time. A gap between ticks is counted as lost and given to nobody: mostly the hypervisor ran somebody else,
 * and that time the kernel does not charge to the task either.
 */
#include "bpf/interrupted.bpf.h"
#include "bpf/count.bpf.h"
#include "bpf/defer.bpf.h"

/* The walk's state is far larger than a program's stack. One per CPU and kind of context: a tick cannot interrupt a tick. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct walk);
} on_cpu_walk SEC(".maps");

/* Keeps the CPU's time, and counts ticks that never came. */
static __always_inline void on_cpu__clock(__u64 period, int is_idle)
{
	__u64 now = bpf_ktime_get_ns(), passed = 0;
	__u32 zero = 0;
	struct cpu_ticks *cpu = bpf_map_lookup_elem(&cpu_ticks, &zero);

	if (!cpu)
		return;
	if (gate.is_timer && period && cpu->last_ns > gate.resumed_ns)
		passed = (now - cpu->last_ns) / period;
	if (passed > 1)
		lose(EVENT_CPU, LOSS_LATE_TICKS, passed - 1);
	cpu->last_ns = now;
	if (!is_idle)
		cpu->n++;
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
		.value = gate.period_ns,
	};
	struct walk *w;

	on_cpu__clock(s.value, s.tid == 0);
	if (s.tid == 0 || !gate.enabled)
		return 0;
	w = bpf_map_lookup_elem(&on_cpu_walk, &zero);
	if (!w)
		return 0;
	task__key(task, &s.key);
	if (!current__wanted(w, &s.key))
		return 0;
	interrupted__stack(ctx, w, task, EVENT_CPU);
	if (defer__wanted(w->end) && !defer__send(w, &s))
		return 0;
	if (w->derived)
		lose(EVENT_CPU, LOSS_DERIVED_RULES, 1);
	walk__end(w);
	count__add(w, &s);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
