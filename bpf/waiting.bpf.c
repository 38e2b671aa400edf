// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * waiting - a pass over all threads: what the kernel accounts of each, and where those wait that have not run for a while.
 *
 * Problem: a thread that sleeps for an hour comes through no hook, and yet belongs into each minute's profile; and what is sampled has to be held
 *   against what the kernel itself accounts.
 * Idea: an iterator tells of every thread, a record each. To that of a thread that has been off its CPU for longer than `wait_min_ns` it adds the
 *   kernel's frames and the user registers, unless they were told in this window already and it did not run since. Not of threads that nobody asked for:
 *   a pass may take so many stacks only, and would meet the same ones first each time. The rest is the collector's
 *   (user/pipeline/collector_wait): it reads the user stack, which does not change while the thread does not run, and takes `since_ns` forward.
 *   Who wants every thread's stack, now, asks by `gate.dump` for the same pass (user/pipeline/collector_threads).
 *   All is told as of one moment, when the pass began (gate.look_ns), as far as it can be: on a busy machine a pass takes long, and a window that ends with it is
 *   not longer for those that come last.
 * Cost: 0.2 us a thread, and 2 us more one whose stack is told.
 */
#include "bpf/maps.bpf.h"
#include "bpf/task.bpf.h"
#include "bpf/current.bpf.h"
#include "bpf/regs.bpf.h"
#include "bpf/thread.bpf.h"
#include "bpf/wait.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct thread_record);
} thread_scratch SEC(".maps");

/* Running, waiting or gone? */
static __always_inline __u8 waiting__state(struct task_struct *task)
{
	__u8 state;

	if (task->on_cpu)
		return THREAD_RUNS;
	if (task->__state & TASK_EXITED)
		return THREAD_ENDED;
	state = wait__state(task, task->__state, 0);
	return state == WAIT_BLOCKED && wait__is_frozen(task) ? WAIT_STOPPED : state;
}

/* It has waited since before the pass began: then that is as good as now. Who waits for a CPU meanwhile is charged for it up to now. */
static __always_inline void waiting__as_of_look(struct thread_record *r)
{
	const struct wait_slot *slot = wait__find(r->tid);
	__u64 since = slot ? slot->since_ns : 0;

	if (r->state < WAIT_RUNNABLE && since && since <= wait__now(gate.look_ns) && r->now_ns > gate.look_ns)
		r->now_ns = gate.look_ns;
}

/* Has it waited for long in a place that was not told yet? */
static __always_inline int waiting__is_news(const struct thread_record *r, struct task_struct *task)
{
	const struct wait_slot *slot = wait__find(r->tid);
	__u64 since = slot ? slot->since_ns : 0;

	if (gate.dump) /* of itself, the thread that reads can tell */
		return r->state < THREAD_RUNS || task == bpf_get_current_task_btf();
	if (r->state >= THREAD_RUNS || !gate.waits_on)
		return 0;
	if (gate.waits_by_pass) /* nobody keeps slots: those that ran since are news */
		return !slot || slot->round != (__u16)gate.wait_round || slot->switches != r->switches;
	if (!since || since + gate.wait_min_ns > wait__now(r->now_ns))
		return 0;
	return slot->round != (__u16)gate.wait_round || slot->switches != r->switches;
}

/* As far as the kernel's side knows: of threads of the kernel, and what patterns say of a thread's own name, only the collector does. */
static __always_inline int waiting__is_wanted(const struct thread_record *r)
{
	return r->flags & THREAD_IS_KERNEL || target__wanted(&r->key);
}

static __always_inline void waiting__stack(struct thread_record *r, struct task_struct *task)
{
	struct pt_regs regs;
	long bytes = 0;

	r->has_stack = 1;
	r->syscall = wait__syscall(task);
	if (settings.kernel_stacks && gate.kernel_stacks)
		bytes = bpf_get_task_stack(task, r->words, KERNEL_FRAMES_MAX * sizeof(__u64), 0);
	if (bytes > 0)
		r->n_kernel = (bytes / sizeof(__u64)) & KERNEL_FRAMES_MAX;
	if (task->flags & PF_KERNEL_ONLY || !task->mm)
		return;
	if (bpf_probe_read_kernel(&regs, sizeof(regs), (const void *)bpf_task_pt_regs(task)))
		return;
	regs__copy(r->regs, &regs);
	r->pc = regs.rip;
	r->cs = regs.cs;
}

SEC("iter/task")
int list_threads(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct thread_record *r;
	__u32 zero = 0, size;

	if (!task)
		return 0;
	r = bpf_map_lookup_elem(&thread_scratch, &zero);
	if (!r)
		return 0;
	__builtin_memset(r, 0, offsetof(struct thread_record, words));
	thread__record(r, task);
	r->state = waiting__state(task);
	waiting__as_of_look(r);
	if (waiting__is_news(r, task) && waiting__is_wanted(r)) {
		if (gate.dump || __sync_fetch_and_add(&gate.wait_tokens, -1) > 0)
			waiting__stack(r, task);
		else
			gate.wait_left++;
	}
	size = offsetof(struct thread_record, pc);
	if (r->has_stack)
		size = offsetof(struct thread_record, words) +
		       (r->n_kernel & KERNEL_FRAMES_MAX) * sizeof(__u64);
	bpf_seq_write(ctx->meta->seq, r, size);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
