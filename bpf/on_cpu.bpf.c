// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * on_cpu - a tick of a CPU's clock: whose code ran, and by which way did it come there?
 *
 * Each tick stands for one period of CPU time. A gap between ticks is counted as lost and given to nobody: mostly the hypervisor ran somebody else,
 * and that time the kernel does not charge to the task either.
 */
#include "bpf/maps.bpf.h"
#include "bpf/task.bpf.h"
#include "bpf/current.bpf.h"
#include "bpf/regs.bpf.h"
#include "bpf/mapping.bpf.h"
#include "bpf/unwind_table.bpf.h"
#include "bpf/user_stack.bpf.h"
#include "bpf/unwind.bpf.h"
#include "bpf/walk_ends.bpf.h"
#include "bpf/count.bpf.h"
#include "bpf/defer.bpf.h"

/* The walk's state is far larger than a program's stack. One per CPU and kind of context: a tick cannot interrupt a tick. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct walk);
} on_cpu_walk SEC(".maps");

struct walk_loop {
	struct walk *walk;
	int end;
};

/* Global, so that the verifier looks at a step once, and not for each way by which the walk begins. */
__noinline int on_cpu__frame(struct walk *w)
{
	return w ? unwind__step(w) : END_DEPTH;
}

static long on_cpu__step(__u32 i, struct walk_loop *loop)
{
	loop->end = on_cpu__frame(loop->walk);
	return loop->end != UNWIND_CONTINUE;
}

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

static __always_inline void on_cpu__kernel_stack(struct bpf_perf_event_data *ctx, struct walk *w)
{
	long bytes;

	if (!settings.kernel_stacks || !gate.kernel_stacks)
		return;
	bytes = bpf_get_stack(ctx, w->words, KERNEL_FRAMES_MAX * sizeof(__u64), 0);
	if (bytes <= 0) {
		lose(EVENT_CPU, LOSS_KERNEL_STACK, 1);
		return;
	}
	walk__take_kernel(w, (__u32)bytes / sizeof(__u64), 1);
}

static __always_inline __u8 on_cpu__user_stack(struct bpf_perf_event_data *ctx, struct walk *w,
					       struct task_struct *task)
{
	struct walk_loop loop = {.walk = w, .end = UNWIND_CONTINUE};
	struct pt_regs regs;
	int end;

	if (task->flags & PF_KTHREAD)
		return END_KERNEL_THREAD;
	if (!task->mm)
		return END_EXITING;
	if (regs__in_user_mode(&ctx->regs)) {
		end = regs__begin(w, &ctx->regs);
	} else {
		const void *at = (const void *)bpf_task_pt_regs(task);

		if (bpf_probe_read_kernel(&regs, sizeof(regs), at))
			return END_NO_REGS;
		end = regs__begin(w, &regs);
	}
	if (end)
		return end;
	mapping__begin(w);
	user_stack__begin(w);
	bpf_loop(WALK_FRAMES_MAX, on_cpu__step, &loop, 0);
	return loop.end == UNWIND_CONTINUE ? END_DEPTH : loop.end;
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
	w->hash = 0;
	w->n_words = 0;
	w->n_kernel = 0;
	w->n_outer = 0;
	w->derived = 0;
	w->sp = 0;
	if (!regs__in_user_mode(&ctx->regs))
		on_cpu__kernel_stack(ctx, w);
	w->end = on_cpu__user_stack(ctx, w, task);
	if (!end_is_complete(w->end) && BPF_CORE_READ_BITFIELD_PROBED(task, in_execve))
		w->end = END_EXEC;
	if (defer__wanted(w->end) && !defer__send(w, &s))
		return 0;
	if (w->derived)
		lose(EVENT_CPU, LOSS_DERIVED_RULES, 1);
	walk__end(w);
	count__add(w, &s);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
