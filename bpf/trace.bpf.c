// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * trace - who ran where, who waited, and who woke whom, one record each, for as long as somebody asks for a timeline.
 *
 * Problem: a profile says how much, not in which order. Order needs every switch, which is too much to keep for always.
 * Idea: both hooks are in place only while a timeline is being recorded. A record says who leaves and who comes, so the time of a thread is what lies
 *   between two of them, and its name need not be asked for. The rings are perf's: their memory is there only while somebody reads them.
 * Cost: some 300 ns a switch and a wake-up, while it is on; 48 bytes each.
 * What it does not do: tell an interrupt from the thread that it interrupted, where that is not the idle one: the count that says so is not to be had on every
 *   kernel (__preempt_count is no symbol without CONFIG_KALLSYMS_ALL). Filter: a timeline is cut to what was asked for when it is written; who woke whom goes across what would be filtered by.
 */
#include "bpf/maps.bpf.h"
#include "bpf/trace.h"
#include "bpf/wait.bpf.h"

/* Written by the hooks, read by trace_ring; one ring a CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} trace_rings SEC(".maps");

/* What the ring says of what it lost (PERF_RECORD_LOST) is only what it had no room for, and comes with the next record that it takes: so it is counted here. */
static __always_inline void trace__send(void *ctx, struct trace_record *r)
{
	if (bpf_perf_event_output(ctx, &trace_rings, BPF_F_CURRENT_CPU, r, sizeof(*r)))
		__sync_fetch_and_add(&gate.n_trace_lost, 1);
}

SEC("?tp_btf/sched_switch")
int BPF_PROG(trace_switch, _Bool is_preempted, struct task_struct *prev, struct task_struct *next,
	     unsigned int prev_state)
{
	struct trace_record r = {
		.time_ns = bpf_ktime_get_ns(),
		.tid = prev->pid,
		.tgid = prev->tgid,
		.next_tid = next->pid,
		.next_tgid = next->tgid,
		.cpu = (__u16)bpf_get_smp_processor_id(),
		.kind = TRACE_SWITCH,
		.syscall = wait__syscall(prev),
		.state = prev_state & TASK_EXITED ? WAIT_MAX : wait__state(prev, prev_state, is_preempted),
	};

	bpf_probe_read_kernel(r.comm, sizeof(r.comm), next->comm);
	trace__send(ctx, &r);
	return 0;
}

SEC("?tp_btf/sched_waking")
int BPF_PROG(trace_waking, struct task_struct *woken)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	struct trace_record r = {
		.time_ns = bpf_ktime_get_ns(),
		.tid = task->pid,
		.tgid = task->tgid,
		.next_tid = woken->pid,
		.next_tgid = woken->tgid,
		.cpu = (__u16)bpf_get_smp_processor_id(),
		.kind = TRACE_WAKE,
		.syscall = SYSCALL_NONE,
	};

	bpf_probe_read_kernel(r.comm, sizeof(r.comm), woken->comm);
	trace__send(ctx, &r);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
