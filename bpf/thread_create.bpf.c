// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * thread_create - a thread or a process was made: by which way did its maker come there?
 *
 * Every one is counted: a clone costs far more than the walk of one stack. The maker is the task that runs, in its own system call, so both of its
 * stacks can be walked at once. In place only while somebody wants the event. Kernel threads have a maker of no interest and are left out.
 */
#include "bpf/maps.bpf.h"
#include "bpf/task.bpf.h"
#include "bpf/current.bpf.h"
#include "bpf/own_stack.bpf.h"
#include "bpf/count.bpf.h"
#include "bpf/defer.bpf.h"

/* One per CPU is enough: programs of a tracepoint are not preempted, and no interrupt makes threads. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct walk);
} thread_create_walk SEC(".maps");

SEC("?tp_btf/sched_process_fork")
int BPF_PROG(thread_create, struct task_struct *parent, struct task_struct *child)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	__u32 zero = 0;
	struct task_sample s = {
		.task = task,
		.tag = {.event = EVENT_THREADCREATE, .syscall = SYSCALL_NONE},
		.tid = task->pid,
		.count = 1,
	};
	struct walk *w;

	if (child->flags & PF_KTHREAD || task->flags & PF_KTHREAD)
		return 0;
	w = bpf_map_lookup_elem(&thread_create_walk, &zero);
	if (!w)
		return 0;
	task__key(task, &s.key);
	if (!current__wanted(w, &s.key))
		return 0;
	own_stack__take(ctx, w, task, EVENT_THREADCREATE);
	if (defer__wanted(w->end) && !defer__send(w, &s))
		return 0;
	if (w->derived)
		lose(EVENT_THREADCREATE, LOSS_DERIVED_RULES, 1);
	walk__end(w);
	count__add(w, &s);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
