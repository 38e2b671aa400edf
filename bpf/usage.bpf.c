// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * usage - a pass over all threads: what each has used, and what its process holds now.
 *
 * Problem: rules, captures and the page want CPU time, memory, faults, switches, threads and descriptors of every process every second. In /proc that is
 *   four files a process and two a thread, 5 to 11 us each.
 * Idea: an iterator over tasks, which are all walked over anyway. A record of a thread has its own sums; that of a process's leader what is the process's.
 *   User space adds up: in the kernel that would take a table of processes for each pass.
 *   Resident memory: since 6.2 each counter is a sum and what every CPU has held back of it, up to 2 pages a CPU squared; those are read too, all four
 *   kinds of a CPU at once where they lie side by side (6.6 and later).
 *   Descriptors: bits of a table, counted only if somebody wants to know.
 * Invariants: nothing is written but the records. All reads of memory that may go meanwhile are checked reads.
 * Cost: 0.2 us a thread, and 0.5 us a process, 0.03 us for each CPU more.
 * What it does not do: tell of processes that began and ended between two passes; groups and the host count those.
 */
#include "bpf/maps.bpf.h"
#include "bpf/queue.bpf.h"
#include "bpf/task.bpf.h"
#include "bpf/usage.h"

#define RLIMIT_NOFILE 7
#define WORD_BITS     64
#define CHUNK_WORDS   16
#define CPUS_READ_MAX 1024

struct usage_gate usage_gate SEC(".data.usage") = {};

/*
 * What the kernel keeps as a pointer to variables of each CPU is to be moved by where the CPU's are. The kernel's own table of that is not for programs on
 * every kernel (CONFIG_KALLSYMS_ALL), but both are known of a map like this one.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} usage_place SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct usage_record);
} usage_scratch SEC(".maps");

struct held_back {
	__u64 place;                    /* of usage_place, as the kernel has it */
	__u64 counters[USAGE_MEMORY_N]; /* likewise */
	__s64 pages[USAGE_MEMORY_N];
	__u32 side_by_side;
};

static long usage__add_cpu(__u32 cpu, struct held_back *h)
{
	__u32 zero = 0;
	volatile __u64 *at = bpf_map_lookup_percpu_elem(&usage_place, &zero, cpu);
	__s32 pages[USAGE_MEMORY_N] = {};
	__u64 offset;

	if (!at)
		return 1;
	if (!*at) /* its own address: a number, once it comes out of memory */
		*at = (__u64)at;
	offset = *at - h->place;
	if (h->side_by_side) {
		bpf_probe_read_kernel(pages, sizeof(pages), (const void *)(h->counters[0] + offset));
	} else {
		for (int i = 0; i < USAGE_MEMORY_N; i++)
			bpf_probe_read_kernel(&pages[i], sizeof(pages[i]),
					      (const void *)(h->counters[i] + offset));
	}
	for (int i = 0; i < USAGE_MEMORY_N; i++)
		h->pages[i] += pages[i];
	return 0;
}

/* Where the map's variables are before a CPU's place is added: kept behind the map's head. By way of memory, which makes a number of the pointer. */
static __always_inline __u64 usage__place(volatile __u64 *memory)
{
	__u64 place = 0, map;

	*memory = (__u64)&usage_place;
	map = *memory;
	*memory = 0;
	bpf_probe_read_kernel(&place, sizeof(place),
			      (const void *)(map + bpf_core_field_offset(struct bpf_array, pptrs)));
	return place;
}

static __always_inline void usage__memory(struct usage_record *r, struct mm_struct *mm)
{
	struct held_back h = {.place = usage__place((__u64 *)&r->rss_pages[0])};

	r->flags |= USAGE_MEMORY;
	if (bpf_core_type_exists(struct mm_rss_stat)) {
		const struct mm_struct___counts *old = (const void *)mm;

		for (int i = 0; i < USAGE_MEMORY_N; i++)
			r->rss_pages[i] = BPF_CORE_READ(old, rss_stat.count[i].counter);
		return;
	}
	/* no loop: how large an element is the kernel's to say, and is only asked for constants */
#define READ_COUNTER(i)                                         \
	r->rss_pages[i] = BPF_CORE_READ(mm, rss_stat[i].count); \
	h.counters[i] = (__u64)BPF_CORE_READ(mm, rss_stat[i].counters)
	READ_COUNTER(USAGE_FILE);
	READ_COUNTER(USAGE_ANON);
	READ_COUNTER(USAGE_SWAP);
	READ_COUNTER(USAGE_SHMEM);
#undef READ_COUNTER
	if (!h.place) {
		r->flags |= USAGE_ESTIMATED;
		return;
	}
	h.side_by_side = h.counters[1] - h.counters[0] == sizeof(__s32) &&
			 h.counters[3] - h.counters[0] == 3 * sizeof(__s32);
	bpf_loop(CPUS_READ_MAX, usage__add_cpu, &h, 0);
	for (int i = 0; i < USAGE_MEMORY_N; i++)
		r->rss_pages[i] += h.pages[i];
}

struct fd_count {
	const unsigned long *words;
	__u32 n_words, n;
};

static __always_inline __u32 bits_of(__u64 v)
{
	v -= v >> 1 & 0x5555555555555555ull;
	v = (v & 0x3333333333333333ull) + (v >> 2 & 0x3333333333333333ull);
	v = (v + (v >> 4)) & 0x0f0f0f0f0f0f0f0full;
	return v * 0x0101010101010101ull >> 56;
}

static long usage__add_fds(__u32 chunk, struct fd_count *c)
{
	__u32 first = chunk * CHUNK_WORDS, n = c->n_words - first;
	unsigned long words[CHUNK_WORDS] = {};

	if (first >= c->n_words)
		return 1;
	if (n > CHUNK_WORDS)
		n = CHUNK_WORDS;
	bpf_probe_read_kernel(words, n * sizeof(*words), c->words + first);
	for (int i = 0; i < CHUNK_WORDS; i++)
		c->n += bits_of(words[i]);
	return 0;
}

static __always_inline void usage__fds(struct usage_record *r, struct files_struct *files)
{
	const struct fdtable *table = BPF_CORE_READ(files, fdt);
	__u32 max = BPF_CORE_READ(table, max_fds);
	struct fd_count c = {.words = BPF_CORE_READ(table, open_fds), .n_words = max / WORD_BITS};

	if (max > USAGE_FDS_MAX)
		return;
	bpf_loop(USAGE_FDS_MAX / WORD_BITS / CHUNK_WORDS, usage__add_fds, &c, 0);
	r->n_fds = c.n;
	r->flags |= USAGE_FDS;
}

static __always_inline void usage__process(struct usage_record *r, struct task_struct *task)
{
	struct signal_struct *signal = task->signal;
	struct usage_sums *ended = &r->ended;

	r->flags |= USAGE_PROCESS;
	ended->run_ns = signal->sum_sched_runtime;
	ended->voluntary = signal->nvcsw;
	ended->involuntary = signal->nivcsw;
	ended->minor = signal->min_flt;
	ended->major = signal->maj_flt;
	if (bpf_core_field_exists(signal->ioac.read_bytes)) {
		ended->read_bytes = signal->ioac.read_bytes;
		ended->written_bytes = signal->ioac.write_bytes;
	}
	r->cgroup = task__cgroup(task);
	r->fds_limit = signal->rlim[RLIMIT_NOFILE].rlim_cur;
	r->ppid = task->real_parent->tgid;
	task__comm(task->group_leader, r->comm);
	if (task->mm && !(task->flags & PF_KTHREAD))
		usage__memory(r, task->mm);
	if (usage_gate.with_fds && task->files)
		usage__fds(r, task->files);
}

static __always_inline void usage__thread(struct usage_record *r, struct task_struct *task)
{
	struct usage_sums *sums = &r->sums;

	r->start_ns = task->group_leader->start_boottime;
	r->tgid = task->tgid;
	r->tid = task->pid;
	r->exec_id = (__u32)task->self_exec_id;
	r->sequence = task->signal->stats_lock.seqcount.seqcount.sequence;
	r->n_threads = task->signal->nr_threads;
	if (bpf_core_field_exists(task->sched_info.run_delay))
		r->run_delay_ns = task->sched_info.run_delay;
	r->false_queue_ms = task__false_queue_ms(task);
	sums->run_ns = task->se.sum_exec_runtime;
	sums->voluntary = task->nvcsw;
	sums->involuntary = task->nivcsw;
	sums->minor = task->min_flt;
	sums->major = task->maj_flt;
	if (bpf_core_field_exists(task->ioac.read_bytes)) {
		sums->read_bytes = task->ioac.read_bytes;
		sums->written_bytes = task->ioac.write_bytes;
	}
	if (task->flags & PF_KTHREAD)
		r->flags |= USAGE_KERNEL_THREAD;
	if (task->__state & TASK_UNINTERRUPTIBLE && !(task->__state & (TASK_NOLOAD | TASK_FROZEN)))
		r->flags |= USAGE_ON_DISK;
}

SEC("iter/task")
int list_usage(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	__u32 zero = 0, size = USAGE_THREAD_BYTES;
	struct usage_record *r;

	if (!task)
		return 0;
	r = bpf_map_lookup_elem(&usage_scratch, &zero);
	if (!r)
		return 0;
	__builtin_memset(r, 0, sizeof(*r));
	usage__thread(r, task);
	/* a leader that ended before its threads has neither memory nor files any more: those that have tell, all alike */
	if (task->pid == task->tgid || (!task->group_leader->mm && task->mm)) {
		usage__process(r, task);
		size = sizeof(*r);
	}
	bpf_seq_write(ctx->meta->seq, r, size);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
