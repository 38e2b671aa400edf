// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tasks - all processes that are there, with the keys by which the kernel tells their incarnations apart: /proc does not show those.
 */
#include "bpf/maps.bpf.h"
#include "bpf/task.bpf.h"

SEC("iter/task")
int list_processes(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct task_record r = {};

	if (!task || task->pid != task->tgid)
		return 0;
	task__key(task, &r.key);
	r.ppid = task->real_parent->tgid;
	r.is_kernel_thread = !!(task->flags & PF_KTHREAD);
	bpf_probe_read_kernel(r.comm, sizeof(r.comm), task->comm);
	bpf_seq_write(ctx->meta->seq, &r, sizeof(r));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
