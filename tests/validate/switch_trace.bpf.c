// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * switch_trace - every context switch and every wake-up, as one record each.
 *
 * Nothing is added up and nothing decided here: that is for whoever reads the records. The buffer is read when all is over, so that no reader is among those
 * that switch; a record without room is counted, and then the trace is not whole.
 */
#include "bpf/kernel.bpf.h"
#include "tests/validate/switch_trace.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 << 20);
} records SEC(".maps");

__u64 n_lost;

static __always_inline struct switch_record *begin(__u32 kind, struct task_struct *task)
{
	struct switch_record *r = bpf_ringbuf_reserve(&records, sizeof(*r), 0);

	if (!r) {
		__sync_fetch_and_add(&n_lost, 1);
		return NULL;
	}
	r->at_ns = bpf_ktime_get_ns();
	r->kind = kind;
	r->cpu = bpf_get_smp_processor_id();
	r->tid = task->pid;
	r->next_tid = r->state = r->is_preempted = 0;
	bpf_probe_read_kernel(r->comm, sizeof(r->comm), task->comm);
	return r;
}

SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch, _Bool is_preempted, struct task_struct *prev, struct task_struct *next,
	     unsigned int prev_state)
{
	struct switch_record *r = begin(SWITCH_LEFT, prev);

	if (!r)
		return 0;
	r->next_tid = next->pid;
	r->state = prev_state;
	r->is_preempted = is_preempted;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	return 0;
}

static __always_inline int woken(__u32 kind, struct task_struct *task)
{
	struct switch_record *r = begin(kind, task);

	if (r)
		bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	return 0;
}

SEC("tp_btf/sched_waking")
int BPF_PROG(on_waking, struct task_struct *task)
{
	return woken(SWITCH_WOKEN, task);
}

/* A new thread, which waits for its first CPU from here on. */
SEC("tp_btf/sched_wakeup_new")
int BPF_PROG(on_new, struct task_struct *task)
{
	return woken(SWITCH_NEW, task);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
