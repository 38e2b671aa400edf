// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * memory - one page fault in so many: which code touched memory that was not there, and how much did that make resident?
 *
 * Problem: a busy machine has a million faults a second, a fault takes half a microsecond, and a stack takes ten. What a fault brings is known when it
 *   has been handled, and there is no hook at that point that would cost the other faults nothing.
 * Idea: the kernel's own event of page faults counts them, and calls once in a period (a prime, so that no loop over pages is in step with it). Then the stack
 *   is walked and the page tables at the address are read; the thread itself reads them again on its way back to user space (task work). The
 *   difference is what the fault has brought (bpf/resident.bpf.h).
 *   The event's counter says how many faults there were since it fired last, and that is what this one stands for, whatever became of the period meanwhile.
 *   Past the first so many of a slice on a CPU only one in two, four, eight … is taken, and stands for as many more, and the collector is woken to move
 *   the period: a program that begins to touch its memory is not slowed until the slice ends.
 * Invariants: a change of the period makes the event fire at the next fault; that one was not drawn, so it only moves the counter's mark not at all.
 *   An entry of `memory_pending` is one thread's until its task work has run: of those that never go back to user space none is kept. How long that is may be
 *   anybody's choice (userfaultfd, a file of FUSE), so a process has half of them at most, and where none is free the fault is settled at once, as if there were no task work.
 * Cost: nothing for a fault that is not sampled; some 12 us for one that is.
 * Rejected: a tracepoint at each fault (55 ns and more, 3 % of a fault); the event's frequency mode, whose weights are wrong by up to 20 times; the
 *   process's own counters, which other threads move in between.
 * What it does not do: measure where there is no task work (before 6.18): there each fault that met no page counts as one; nor where page tables cannot be read:
 *   there each does.
 */
#include "bpf/interrupted.bpf.h"
#include "bpf/count.bpf.h"
#include "bpf/defer.bpf.h"
#include "bpf/page_table.bpf.h"

#define DEFER_STEP \
	32 /* after so many stacks for user space to finish in a slice, of a CPU, one in two is, … */
#define STACK_BELOW (128 * 1024) /* of the stack pointer: a function that is about to move it */
#define STACK_ABOVE (8 << 20)
#define THIN_MAX    16
#define LOOKS       8          /* at so many entries, for one that is free */
#define OWN_MAX     4          /* of these, of one process */
#define TMPFS_MAGIC 0x01021994 /* include/uapi/linux/magic.h; shared anonymous memory lies there, too */

#define PENDING_FREE  0
#define PENDING_TAKEN 1 /* its thread has not come by */
#define PENDING_SEEN  2 /* it has read it: what is added now would be lost */

/* A fault that was taken, until it has been handled. */
struct fault_pending {
	struct bpf_task_work work;
	__u32 busy; /* PENDING_* */
	__u32 tid;
	struct task_key key;
	__u64 addr, sp, weight;
	struct page_state before;
	struct page_table table;
	__u32 at;      /* its own index */
	__u32 is_user; /* met by the program itself, not by the kernel for it */
	struct walk walk;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct fault_pending);
} memory_pending SEC(".maps");

/* Each record is one alarm, and wakes the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} fault_alarms SEC(".maps");

/* A name of its own, because the linker of libbpf 1.1 takes a kernel function from one file only; the loader leaves out what follows "___". */
extern int bpf_task_work_schedule_resume_impl___memory(struct task_struct *task, struct bpf_task_work *work,
						       void *map,
						       int (*callback)(struct bpf_map *, void *, void *),
						       void *aux) __ksym __weak;

static __always_inline void pending__put(struct fault_pending *p)
{
	__sync_lock_test_and_set(&p->busy, PENDING_FREE);
}

/*
 * The index of an entry that is ours now; where others have those that were looked at, or the process itself many of them, a spare one, ours while the program runs: one at a
 * time does on a CPU. Past the last: none at all. Global, like memory__settle.
 */
__noinline __u32 pending__take(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32, at = bpf_get_prandom_u32(), n_own = 0, i;
	struct fault_pending *p;

	for (i = 0; i < LOOKS; i++) {
		__u32 key = (at + i) % settings.fault_pending;

		p = bpf_map_lookup_elem(&memory_pending, &key);
		n_own += p && p->busy != PENDING_FREE && p->key.tgid == tgid;
	}
	for (i = n_own < OWN_MAX ? 0 : LOOKS; i <= LOOKS; i++) {
		__u32 key = i < LOOKS ? (at + i) % settings.fault_pending
				      : settings.fault_pending +
						bpf_get_smp_processor_id() % settings.fault_spare;

		p = bpf_map_lookup_elem(&memory_pending, &key);
		if (p && !__sync_val_compare_and_swap(&p->busy, PENDING_FREE, PENDING_TAKEN))
			return key;
	}
	return ~0u;
}

struct find_mapping {
	struct fault_mapping mapping;
	__u64 addr, sp, tls;
};

/* The mapping holds the thread's stack pointer. Is the address of that stack, or of memory that became one mapping with it? */
static __always_inline int memory__is_stack(const struct find_mapping *f, __u64 start, __u64 end)
{
	if (f->sp < start || f->sp >= end || f->addr + STACK_BELOW < f->sp)
		return 0;
	/* the C libraries keep what a thread pointer points to at the top of the stack that they made */
	if (f->tls > f->sp && f->tls < end)
		return f->addr <= f->tls;
	return f->addr < f->sp + STACK_ABOVE;
}

static long memory__on_mapping(struct task_struct *task, struct vm_area_struct *vma, struct find_mapping *f)
{
	struct file *file = vma->vm_file;

	f->mapping.flags = vma->vm_flags;
	f->mapping.has_sp = memory__is_stack(f, vma->vm_start, vma->vm_end);
	f->mapping.has_file = file != NULL;
	if (file)
		f->mapping.is_shmem = BPF_CORE_READ(file, f_inode, i_sb, s_magic) == TMPFS_MAGIC;
	return 0;
}

/* How much the fault brought, of what kind; the thread that met it is the current one. */
static __always_inline struct growth memory__growth(struct fault_pending *p, struct task_struct *task,
						    const struct page_state *after)
{
	struct find_mapping f = {.addr = p->addr, .sp = p->sp, .tls = task->thread.fsbase};
	struct growth g;

	/* somebody changes the mappings just now, or the address is none of them any more: what there is tells */
	if (bpf_find_vma(task, p->addr, memory__on_mapping, &f, 0))
		f.mapping.has_file = after->is_known && !page_is_dirty(after->entry);
	g = resident__growth(&f.mapping, &p->before, after, fault_gate.layout.address_mask, p->addr);
	if (!g.is_part || !after->table)
		return g;
	/* a table that came with the fault had nothing in it; and `before` says so */
	if (!page_table__load(&p->table, after->table, 0))
		g.pages = page_table__count(&p->table, page_table__index(p->addr, PAGE_SHIFT),
					    fault_gate.layout.address_mask, g.is_own, p->is_user);
	return g;
}

static __always_inline void memory__read_tables(struct task_struct *task, __u64 addr, struct page_state *ret)
{
	struct page_layout layout = fault_gate.layout;

	*ret = (struct page_state){};
	if (task->mm)
		page_table__read(&layout, (__u64)BPF_CORE_READ(task, mm, pgd), addr, ret);
}

/*
 * A new program begins with page faults, and until its mappings are known each of its stacks is for user space to finish; those of other events are, too. So past the first of a slice
 * fewer and fewer are, and each stands for those that are left out. 1: this one is to be told.
 */
static __always_inline int memory__thin_unfinished(struct fault_clock *clock, struct task_sample *s)
{
	__u32 bits = clock->n_defer / DEFER_STEP;

	if (bits > THIN_MAX)
		bits = THIN_MAX;
	if (bpf_get_prandom_u32() & ((1u << bits) - 1)) {
		__sync_fetch_and_add(&clock->n_left_out, 1);
		return 0;
	}
	clock->n_defer++;
	s->count <<= bits;
	s->value <<= bits;
	return 1;
}

static __always_inline void memory__count(struct fault_pending *p, struct task_struct *task,
					  const struct growth *g)
{
	struct task_sample s = {
		.task = task,
		.key = p->key,
		.tag = {.event = EVENT_MEMORY, .state = g->kind, .syscall = SYSCALL_NONE},
		.tid = p->tid,
		.count = p->weight,
		.value = p->weight * g->pages << PAGE_SHIFT,
	};
	__u32 zero = 0;
	struct fault_clock *clock = bpf_map_lookup_elem(&fault_clocks, &zero);

	if (!clock)
		return;
	if (!g->pages) {
		__sync_fetch_and_add(&clock->n_nothing, 1);
		return;
	}
	if (defer__wanted(p->walk.end) && (!memory__thin_unfinished(clock, &s) || !defer__send(&p->walk, &s)))
		return;
	if (p->walk.derived)
		lose(EVENT_MEMORY, LOSS_DERIVED_RULES, 1);
	walk__end(&p->walk);
	count__add(&p->walk, &s);
}

/*
 * What the fault of that entry has brought goes into the slice; the thread that met it is the current one. Global: the verifier looks at it once, not once for
 * each way that leads here.
 */
__noinline int memory__settle(__u32 at, int is_handled)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	struct fault_pending *p = bpf_map_lookup_elem(&memory_pending, &at);
	struct page_state after = {};
	struct growth g;

	if (!p)
		return 0;
	/* another program by now: its memory is not what was touched */
	if (is_handled && (__u32)task->self_exec_id == p->key.exec_id)
		memory__read_tables(task, p->addr, &after);
	g = memory__growth(p, task, &after);
	memory__count(p, task, &g);
	return 0;
}

/* The fault has been handled, the thread is about to go back to user space. */
static int memory__handled(struct bpf_map *map, void *key, void *value)
{
	__u64 began = bpf_ktime_get_ns();
	struct fault_pending *p = value;
	struct fault_clock *clock;
	__u32 zero = 0;

	p->busy = PENDING_SEEN;
	memory__settle(p->at, 1);
	pending__put(p);
	clock = bpf_map_lookup_elem(&fault_clocks, &zero);
	if (clock)
		__sync_fetch_and_add(&clock->cost_ns, bpf_ktime_get_ns() - began);
	return 0;
}

/* One more of what was met last: within a system call, a thread meets them one after the other. */
static __always_inline int memory__join(const struct fault_clock *clock, const struct fault_pending *q)
{
	__u32 at = clock->pending;
	struct fault_pending *p = bpf_map_lookup_elem(&memory_pending, &at);

	if (!p || p == q || p->busy != PENDING_TAKEN || p->tid != q->tid || p->walk.hash != q->walk.hash ||
	    p->before.shift != q->before.shift || p->key.exec_id != q->key.exec_id)
		return 0;
	p->weight += q->weight;
	return 1;
}

static __noinline int memory__take(struct bpf_perf_event_data *ctx, struct fault_clock *clock, __u64 weight)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	__u32 at = pending__take();
	struct fault_pending *p = bpf_map_lookup_elem(&memory_pending, &at);

	if (!p) {
		lose(EVENT_MEMORY, LOSS_FAULT_PENDING, weight);
		return 0;
	}
	task__key(task, &p->key);
	if (!current__wanted(&p->walk, &p->key))
		goto out;
	p->at = at;
	p->tid = task->pid;
	p->addr = ctx->addr;
	p->weight = weight;
	p->is_user = regs__in_user_mode(&ctx->regs);
	memory__read_tables(task, p->addr, &p->before);
	if (!p->before.table || page_table__load(&p->table, p->before.table, 1))
		__builtin_memset(p->table.before, 0, sizeof(p->table.before));
	interrupted__stack(ctx, &p->walk, task, EVENT_MEMORY);
	p->sp = p->walk.regs[7];
	if (memory__join(clock, p))
		goto out;
	if (at >= settings.fault_pending)
		clock->n_unfollowed++;
	else if (!(task->flags & PF_KERNEL_ONLY) && bpf_task_work_schedule_resume_impl___memory &&
		 !bpf_task_work_schedule_resume_impl___memory(task, &p->work, &memory_pending,
							      memory__handled, NULL)) {
		clock->pending = at;
		return 0;
	}
	memory__settle(at, 0);
out:
	pending__put(p);
	return 0;
}

/* How many faults this one stands for; 0: it is none that was drawn. */
static __always_inline __u64 memory__stride(struct bpf_perf_event_data *ctx, struct fault_clock *clock)
{
	struct bpf_perf_event_value v;
	__u64 n;

	if (bpf_perf_prog_read_value(ctx, &v, sizeof(v)))
		return 0;
	if (clock->round != fault_gate.round) {
		clock->round = fault_gate.round;
		return 0;
	}
	/* a CPU that was away counts anew; the first stride makes up for what will be left of the last one, on average */
	n = v.counter >= clock->seen ? v.counter - clock->seen : v.counter;
	if (!clock->seen)
		n += fault_gate.first;
	clock->seen = v.counter;
	clock->n_faults += n;
	return n;
}

/* The CPU has had its share of the slice: the period is too short. */
static __always_inline void memory__alarm(struct fault_clock *clock)
{
	__u32 *n = bpf_ringbuf_reserve(&fault_alarms, sizeof(*n), 0);

	if (!n)
		return; /* one that is there already does as well */
	*n = clock->n_slice;
	bpf_ringbuf_submit(n, BPF_RB_FORCE_WAKEUP);
}

/* How many it stands for beside those that are left out to keep the slice short; 0: it is left out. */
static __always_inline __u64 memory__thin(struct fault_clock *clock, __u64 n)
{
	__u32 half = gate__half(), bits;

	if (clock->half != half) {
		clock->half = half;
		clock->n_slice = 0;
		clock->n_defer = 0;
	}
	bits = clock->n_slice >> fault_gate.slice_bits;
	if (bits > THIN_MAX)
		bits = THIN_MAX;
	if (bpf_get_prandom_u32() & ((1u << bits) - 1))
		return 0;
	clock->n_slice++;
	if (!(clock->n_slice & ((1u << fault_gate.slice_bits) - 1)))
		memory__alarm(clock);
	return n << bits;
}

SEC("?perf_event")
int memory(struct bpf_perf_event_data *ctx)
{
	__u64 began = bpf_ktime_get_ns(), n;
	__u32 zero = 0;
	struct fault_clock *clock = bpf_map_lookup_elem(&fault_clocks, &zero);

	if (!clock)
		return 0;
	n = memory__stride(ctx, clock);
	if (!n || !fault_gate.on)
		return 0;
	clock->n_fired++;
	n = memory__thin(clock, n);
	if (n) {
		clock->n_taken++;
		memory__take(ctx, clock, n);
	}
	__sync_fetch_and_add(&clock->cost_ns, bpf_ktime_get_ns() - began);
	return 0;
}

/* ---- how page tables are read here ------------------------------------------------------------------------------- */

struct page_layout_search {
	struct page_layout_ask *ask;
	__u64 top;
	int found;
};

/* Tries the i-th possible beginning. */
static long page_layout__try(__u32 i, struct page_layout_search *s)
{
	/* an entry's bits above its address: 52, or less where one of them says that memory is encrypted */
	static const __u8 bits[] = {52, 51, 47};
	struct page_layout l = {.offset = (s->top & ~(PAGE_LAYOUT_STEP - 1)) - (__u64)i * PAGE_LAYOUT_STEP};
	__u32 k;

	for (k = 0; k < 6; k++) {
		l.address_mask = ((1ull << bits[k >> 1]) - 1) & ~((1ull << PAGE_SHIFT) - 1);
		l.top_shift = k & 1 ? PAGE_TOP_SHIFT_MAX : PAGE_TOP_SHIFT_MAX - PAGE_LEVEL_BITS;
		if (page_table__leads_to(&l, s->top, s->ask->addr, s->ask->word)) {
			s->ask->layout = l;
			s->found = 1;
			return 1;
		}
	}
	return 0;
}

/* Run once, by the collector: finds out how page tables are read here. */
SEC("?syscall")
int page_layout(struct page_layout_ask *ask)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task_btf();
	struct page_layout_search search = {.ask = ask};

	if (!task->mm)
		return 0;
	search.top = (__u64)BPF_CORE_READ(task, mm, pgd);
	bpf_loop(ask->n, page_layout__try, &search, 0);
	return search.found;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
