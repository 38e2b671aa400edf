// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * process - the life of processes, as it happens.
 *
 * What must be true at once is done here: a forked child has its parent's mappings before its first tick, an exec or an exit ends what
 * was known of the old program, and so does new code in the place of old: a library that is closed leaves no event (the kernel tells of
 * mappings that come, not of those that go), and the next one mostly comes to where it was, long before the collector hears of either. But where
 * the kernel finds room, nothing is mapped: what we still know of that place is out of date. User space is told through a ring that it reads when it needs to; if that is full, the processes
 * concerned are learnt again from their first sample.
 */
#include "bpf/maps.bpf.h"
#include "bpf/task.bpf.h"
#include "bpf/mapping_set.bpf.h"
#include "bpf/thread.bpf.h"

/* A record for the caller to finish and submit; NULL where the ring is full. */
static __always_inline struct process_record *process__record(__u32 type, const struct task_key *key,
							      struct task_struct *task)
{
	struct process_record *r = bpf_ringbuf_reserve(&process_events, sizeof(*r), 0);

	if (!r) {
		lose(EVENT_N, LOSS_EVENT_RING, 1);
		return NULL;
	}
	r->type = type;
	r->reserved = 0;
	r->time_ns = bpf_ktime_get_ns();
	r->key = *key;
	r->parent = *key;
	r->cgroup = bpf_get_current_cgroup_id();
	bpf_probe_read_kernel(r->comm, sizeof(r->comm), task->comm);
	return r;
}

static __always_inline void process__send(__u32 type, const struct task_key *key,
					  const struct task_key *parent, struct task_struct *task)
{
	struct process_record *r;

	__sync_fetch_and_add(&gate.n_life, 1);
	if (gate.unfollowed)
		return;
	r = process__record(type, key, task);
	if (!r)
		return;
	r->parent = *parent;
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	struct task_key parent_key, key;
	const struct process_entry *known;
	const struct target *target;

	if (child->tgid == parent->tgid || child->flags & PF_KTHREAD)
		return 0;
	task__key(parent, &parent_key);
	task__key(child, &key);
	known = bpf_map_lookup_elem(&processes, &parent_key.tgid);
	if (known && known->key.start_ns == parent_key.start_ns && known->key.exec_id == parent_key.exec_id) {
		struct process_entry copy = *known;

		copy.key = key;
		bpf_map_update_elem(&processes, &key.tgid, &copy, BPF_ANY);
	}
	target = bpf_map_lookup_elem(&targets, &parent_key.tgid);
	if (target && target->start_ns == parent_key.start_ns) {
		struct target copy = *target;

		copy.start_ns = key.start_ns;
		bpf_map_update_elem(&targets, &key.tgid, &copy, BPF_ANY);
	}
	process__send(RECORD_FORK, &key, &parent_key, child);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_exec, struct task_struct *task)
{
	struct task_key key;

	task__key(task, &key);
	bpf_map_delete_elem(&processes, &key.tgid);
	process__send(RECORD_EXEC, &key, &key, task);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exit, struct task_struct *task)
{
	struct process_record *r;
	struct task_key key;
	int is_known;

	if (gate.waits_on)
		thread__exits(task);
	if (task->flags & PF_KTHREAD || task->signal->live.counter != 0)
		return 0;
	task__key(task, &key);
	is_known = !bpf_map_delete_elem(&processes, &key.tgid);
	__sync_fetch_and_add(&gate.n_life, 1);
	if (gate.unfollowed && !is_known && !(task->exit_code & 0x7f))
		return 0;
	r = process__record(RECORD_EXIT, &key, task);
	if (r) {
		r->signal = task->exit_code & 0x7f;
		bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	}
	return 0;
}

/*
 * It was waited for, and no CPU will come back to it. An exit begins long before: what it frees then is the process's time as well, so whether it is wanted is known
 * until now.
 */
SEC("tp_btf/sched_process_free")
int BPF_PROG(process_free, struct task_struct *task)
{
	const struct target *target;
	__u32 tgid = task->tgid;

	if (task->pid != task->tgid)
		return 0;
	target = bpf_map_lookup_elem(&targets, &tgid);
	if (target && target->start_ns == task->start_boottime)
		bpf_map_delete_elem(&targets, &tgid);
	return 0;
}

/* Pages of its own, as far as one counter tells: it is on its way out. */
static __always_inline __u64 process__resident(struct task_struct *task)
{
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	__s64 pages;

	if (bpf_core_type_exists(struct mm_rss_stat)) {
		const struct mm_struct___counts *old = (const void *)mm;

		pages = BPF_CORE_READ(old, rss_stat.count[0].counter) +
			BPF_CORE_READ(old, rss_stat.count[1].counter) +
			BPF_CORE_READ(old, rss_stat.count[3].counter);
	} else {
		pages = BPF_CORE_READ(mm, rss_stat[0].count) + BPF_CORE_READ(mm, rss_stat[1].count) +
			BPF_CORE_READ(mm, rss_stat[3].count);
	}
	return pages > 0 ? pages : 0;
}

/* Optional, likewise. Kernels before 6.9 tell the victim's pid, later ones where its task is: the type of the argument cannot be relied on, so raw. */
SEC("?raw_tp/mark_victim")
int process_oom(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	struct process_record *r;
	struct task_key key = {};

	if (!(ctx->args[0] >> 32)) {
		key.tgid = ctx->args[0];
		task = bpf_get_current_task_btf();
	} else {
		key.tgid = BPF_CORE_READ(task, tgid);
		key.start_ns = BPF_CORE_READ(task, group_leader, start_boottime);
		key.exec_id = BPF_CORE_READ(task, self_exec_id);
	}
	r = process__record(RECORD_OOM, &key, task);
	if (!r)
		return 0;
	r->cgroup = 0;
	r->rss_pages = 0;
	if (key.start_ns)
		r->rss_pages = process__resident(task);
	else
		r->comm[0] = 0; /* that of the one who needed memory */
	bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	return 0;
}

/* Optional: the loader leaves it out where the kernel has no such tracepoint. A call for every mmap that leaves the place to the kernel. */
SEC("?tp_btf/vm_unmapped_area")
int BPF_PROG(process_gone, unsigned long addr, struct vm_unmapped_area_info *info)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 start = addr, end = start + info->length;
	struct process_record *r;
	struct task_key key;

	if (start >> 47 || end <= start) /* an error, or nothing */
		return 0;
	task__key(task, &key);
	if (!mapping_set__overlaps(&key, start, end))
		return 0;
	/* the record first: who sees n_gone change finds it in the ring */
	r = process__record(RECORD_GONE, &key, task);
	if (r) {
		r->gone[0] = start;
		r->gone[1] = end;
		bpf_ringbuf_submit(r, BPF_RB_NO_WAKEUP);
	}
	bpf_map_delete_elem(&processes, &key.tgid);
	__sync_fetch_and_add(&gate.n_gone, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
