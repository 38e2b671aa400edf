// SPDX-License-Identifier: Apache-2.0
/*
 * probe_bpf - what BPF can do here, tried with programs of a few instructions, and at last with our own.
 *
 * Problem: a distribution's kernel has features of later ones and lacks some of its own; helpers, program types, hooks and map types come and
 *   go one by one, and one that is missing makes the whole object fail with a line that explains little.
 * Idea: each is tried alone. A helper is there if the verifier complains about anything but its being unknown; a hook is there if a program
 *   that does nothing attaches; where it costs nothing the program is made to run and its count is looked at.
 * What it does not do: leave a probe behind. The hooks tried are ones that nothing passes through (bpf_fentry_test1), or our own function.
 * Reference: bpf(2); Documentation/bpf/verifier.rst; kernel/bpf/verifier.c check_helper_call for the words of a refusal.
 */
#include "user/kernel/probe_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>

#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/kernel/loader.h"
#include "user/kernel/uprobe.h"

#define LOG_MAX     8192
#define HAS_RUN_NS  (300 * NS_PER_MS)
#define LICENSE     "Dual BSD/GPL"
#define IDLE_TARGET "bpf_fentry_test1" /* the kernel keeps it for tests of such hooks; nothing calls it */

/* Younger than the headers that we are built with. */

#define INSN(code_, dst, src, off_, imm_) \
	((struct bpf_insn){.code = (code_), .dst_reg = (dst), .src_reg = (src), .off = (off_), .imm = (imm_)})
#define MOV_IMM(dst, imm)      INSN(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm)
#define MOV_REG(dst, src)      INSN(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0)
#define ADD_IMM(dst, imm)      INSN(BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, imm)
#define STORE32(dst, off, imm) INSN(BPF_ST | BPF_MEM | BPF_W, dst, 0, off, imm)
#define CALL(helper)           INSN(BPF_JMP | BPF_CALL, 0, 0, 0, helper)
#define SKIP_IF_ZERO(dst, off) INSN(BPF_JMP | BPF_JEQ | BPF_K, dst, 0, off, 0)
#define ADD_ATOMIC(dst, src)   INSN(BPF_STX | BPF_ATOMIC | BPF_DW, dst, src, 0, BPF_ADD)
#define EXIT_INSN()            INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define N_INSNS(insns)         (sizeof(insns) / sizeof((insns)[0]))

/* ---- programs ---- */

static int load(uint32_t type, uint32_t attach_type, uint32_t btf_id, const struct bpf_insn *insns, size_t n,
		char *log)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = attach_type, .attach_btf_id = btf_id,
		    .log_buf = log, .log_size = log ? LOG_MAX : 0, .log_level = log ? 1 : 0);

	return bpf_prog_load(type, "everprof_probe", LICENSE, insns, n, &opts);
}

/* A program that does nothing and returns 0. */
static int load_idle(uint32_t type, uint32_t attach_type, uint32_t btf_id)
{
	const struct bpf_insn insns[] = {MOV_IMM(BPF_REG_0, 0), EXIT_INSN()};

	return load(type, attach_type, btf_id, insns, N_INSNS(insns), NULL);
}

int probe__load_counter(uint32_t prog_type, uint32_t attach_type, int *ret_prog_fd, int *ret_map_fd)
{
	int map_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "everprof_probe", sizeof(uint32_t), sizeof(uint64_t),
				    1, NULL),
	    prog_fd;
	const struct bpf_insn insns[] = {
		STORE32(BPF_REG_10, -4, 0),
		MOV_REG(BPF_REG_2, BPF_REG_10),
		ADD_IMM(BPF_REG_2, -4),
		INSN(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map_fd),
		INSN(0, 0, 0, 0, 0),
		CALL(BPF_FUNC_map_lookup_elem),
		SKIP_IF_ZERO(BPF_REG_0, 2),
		MOV_IMM(BPF_REG_1, 1),
		ADD_ATOMIC(BPF_REG_0, BPF_REG_1),
		MOV_IMM(BPF_REG_0, 0),
		EXIT_INSN(),
	};

	if (map_fd < 0)
		return map_fd;
	prog_fd = load(prog_type, attach_type, 0, insns, N_INSNS(insns), NULL);
	if (prog_fd < 0) {
		io__close(&map_fd);
		return prog_fd;
	}
	*ret_prog_fd = prog_fd;
	*ret_map_fd = map_fd;
	return 0;
}

bool probe__has_run(int map_fd)
{
	uint64_t until = clock__mono_ns() + HAS_RUN_NS, runs = 0;
	const struct timespec pause = {.tv_nsec = NS_PER_MS};
	uint32_t zero = 0;

	for (;;) {
		if (bpf_map_lookup_elem(map_fd, &zero, &runs))
			return false;
		if (runs || clock__mono_ns() > until)
			return runs > 0;
		nanosleep(&pause, NULL);
	}
}

/* ---- helpers ---- */

/* 0, -EOPNOTSUPP where the verifier does not know it, -errno where it was not asked. */
static int try_helper(int helper)
{
	const struct bpf_insn insns[] = {CALL(helper), MOV_IMM(BPF_REG_0, 0), EXIT_INSN()};
	char log[LOG_MAX] = "";
	int fd = load(BPF_PROG_TYPE_PERF_EVENT, 0, 0, insns, N_INSNS(insns), log);

	if (fd >= 0) {
		io__close(&fd);
		return 0;
	}
	if (strstr(log, "unknown func") || strstr(log, "invalid func") || strstr(log, "cannot use helper"))
		return -EOPNOTSUPP;
	return log[0] ? 0 : fd; /* it complains about the arguments, which are not there: the helper is */
}

static void bpf__helper(struct probe *p, const struct probe_subject *s)
{
	int err = try_helper(s->value);

	if (err)
		probe__refuse(p, s, "", err);
	else
		probe__say(p, s, PROBE_OK, "there");
}

/* ---- maps ---- */

/* All kinds that our programs use; NULL, or the name of the first that cannot be made. */
static const char *try_maps(int *ret_err)
{
	static const struct {
		const char *name;
		uint32_t type, key, value, n, flags;
	} kinds[] = {
		{"hash", BPF_MAP_TYPE_HASH, 8, 16, 16, 0},
		{"percpu array", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8, 1, 0},
		{"array mapped into user space", BPF_MAP_TYPE_ARRAY, 4, 8, 512, BPF_F_MMAPABLE},
		{"ring buffer", BPF_MAP_TYPE_RINGBUF, 0, 0, 65536, 0},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = kinds[i].flags);
		int fd = bpf_map_create(kinds[i].type, "everprof_probe", kinds[i].key, kinds[i].value,
					kinds[i].n, &opts);

		if (fd < 0) {
			*ret_err = fd;
			return kinds[i].name;
		}
		io__close(&fd);
	}
	return NULL;
}

static void bpf__maps(struct probe *p, const struct probe_subject *s)
{
	int err = 0;
	const char *name = try_maps(&err);

	if (name)
		probe__refuse(p, s, name, err);
	else
		probe__say(p, s, PROBE_OK, "hash, array, mapped array, ring buffer");
}

/* ---- hooks found by type information ---- */

static int find_btf(const struct probe *p, const char *prefix, const char *name, uint32_t kind)
{
	char full[128];

	if (!p->btf)
		return -ENOENT;
	snprintf(full, sizeof(full), "%s%s", prefix, name);
	return btf__find_by_name_kind(p->btf, full, kind);
}

/* Loads and attaches a program that does nothing. */
static int try_tracepoint(const struct probe *p, const char *name)
{
	int id = find_btf(p, "btf_trace_", name, BTF_KIND_TYPEDEF), prog_fd, fd, err = 0;

	if (id < 0)
		return -ENOENT;
	prog_fd = load_idle(BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP, (uint32_t)id);
	if (prog_fd < 0)
		return prog_fd;
	fd = bpf_raw_tracepoint_open(NULL, prog_fd);
	err = fd < 0 ? fd : 0;
	io__close(&fd);
	io__close(&prog_fd);
	return err;
}

/* Each trace point of a list that ends in NULL. */
static void bpf__tracepoints(struct probe *p, const struct probe_subject *s, const char *const *names)
{
	for (; *names; names++) {
		int err = try_tracepoint(p, *names);

		if (err) {
			probe__refuse(p, s, *names, err);
			return;
		}
	}
	probe__say(p, s, PROBE_OK, "attach");
}

static void bpf__process_events(struct probe *p, const struct probe_subject *s)
{
	static const char *const names[] = {"sched_process_fork", "sched_process_exec", "sched_process_exit",
					    "sched_process_free", NULL};

	bpf__tracepoints(p, s, names);
}

static void bpf__switch_events(struct probe *p, const struct probe_subject *s)
{
	static const char *const names[] = {"sched_switch", "sched_waking", NULL};

	bpf__tracepoints(p, s, names);
}

static void bpf__lock_events(struct probe *p, const struct probe_subject *s)
{
	static const char *const names[] = {"contention_begin", "contention_end", NULL};

	bpf__tracepoints(p, s, names);
}

static int try_iterator(int id)
{
	int prog_fd = load_idle(BPF_PROG_TYPE_TRACING, BPF_TRACE_ITER, (uint32_t)id), link_fd, fd;
	int err = 0;
	char byte;

	if (prog_fd < 0)
		return prog_fd;
	link_fd = bpf_link_create(prog_fd, 0, BPF_TRACE_ITER, NULL);
	fd = link_fd < 0 ? link_fd : bpf_iter_create(link_fd);
	if (fd < 0)
		err = fd;
	else if (read(fd, &byte, 1) < 0)
		err = -errno;
	io__close(&fd);
	io__close(&link_fd);
	io__close(&prog_fd);
	return err;
}

static void bpf__task_iterator(struct probe *p, const struct probe_subject *s)
{
	int id = find_btf(p, "bpf_iter_", "task", BTF_KIND_FUNC), err = id < 0 ? -ENOENT : try_iterator(id);

	if (err)
		probe__refuse(p, s, "", err);
	else
		probe__say(p, s, PROBE_OK, "runs");
}

static void bpf__fentry(struct probe *p, const struct probe_subject *s)
{
	int id = find_btf(p, "", IDLE_TARGET, BTF_KIND_FUNC), prog_fd, fd;

	if (id < 0) {
		probe__say(p, s, PROBE_MISSING, "no function to try it on");
		return;
	}
	prog_fd = load_idle(BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, (uint32_t)id);
	fd = prog_fd < 0 ? prog_fd : bpf_raw_tracepoint_open(NULL, prog_fd);
	if (fd < 0)
		probe__say(p, s, PROBE_MISSING, "%s", strerror(-fd));
	else
		probe__say(p, s, PROBE_OK, "attaches");
	io__close(&fd);
	io__close(&prog_fd);
}

/* The name of the kernel function changed with Linux 7.0, when its hidden arguments went. */
static void bpf__task_work(struct probe *p, const struct probe_subject *s)
{
	bool there = find_btf(p, "", "bpf_task_work_schedule_resume", BTF_KIND_FUNC) >= 0 ||
		     find_btf(p, "", "bpf_task_work_schedule_resume_impl", BTF_KIND_FUNC) >= 0;

	probe__say(p, s, there ? PROBE_OK : PROBE_MISSING, there ? "there" : "not in this kernel");
}

/* ---- probes ---- */

static void bpf__kprobe(struct probe *p, const struct probe_subject *s)
{
	struct perf_event_attr attr = {.size = sizeof(attr), .config1 = (uint64_t)(uintptr_t)IDLE_TARGET};
	long long type;
	int fd, err;

	err = probe__read_number(p, "sys/bus/event_source/devices/kprobe/type", &type);
	if (err) {
		probe__say(p, s, PROBE_MISSING, "not in this kernel (CONFIG_KPROBES)");
		return;
	}
	attr.type = (uint32_t)type;
	fd = (int)syscall(SYS_perf_event_open, &attr, -1, (int)p->first_cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		probe__say(p, s, PROBE_MISSING, "%s", strerror(errno));
	else
		probe__say(p, s, PROBE_OK, "attaches");
	io__close(&fd);
}

/* The function that a uprobe is put on for a moment; it must be called, and must be there to be called. */
static __attribute__((noinline)) int uprobe_target(int n)
{
	__asm__ volatile("" : "+r"(n)::"memory");
	return n + 1;
}

static int try_uprobe_multi(void)
{
	int (*volatile target)(int) = uprobe_target; /* called where its address is, not a copy of it */
	int prog_fd = FD_CLOSED, map_fd = FD_CLOSED, file_fd = FD_CLOSED, link_fd = FD_CLOSED;
	struct uprobe_place place = {0};
	int err = uprobe__own_offset((const void *)(uintptr_t)target, &place.offset);

	if (!err)
		err = probe__load_counter(BPF_PROG_TYPE_KPROBE, UPROBE_MULTI_ATTACH_TYPE, &prog_fd, &map_fd);
	if (!err) {
		file_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
		err = file_fd < 0 ? -errno
				  : uprobe__attach(prog_fd, file_fd, &place, 1, (uint32_t)getpid(), &link_fd);
	}
	if (err == -EINVAL)
		err = -EOPNOTSUPP;
	else if (!err && (target(1) != 2 || !probe__has_run(map_fd)))
		err = -EIO;
	io__close(&link_fd);
	io__close(&file_fd);
	io__close(&prog_fd);
	io__close(&map_fd);
	return err;
}

static void bpf__uprobe_multi(struct probe *p, const struct probe_subject *s)
{
	int err = try_uprobe_multi();

	if (err)
		probe__refuse(p, s, "", err);
	else
		probe__say(p, s, PROBE_OK, "attaches and runs");
}

/* ---- all of it ---- */

static void bpf__stats(struct probe *p, const struct probe_subject *s)
{
	int fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	long long on = 0;

	probe__read_number(p, "proc/sys/kernel/bpf_stats_enabled", &on);
	if (fd < 0 && on)
		probe__say(p, s, PROBE_OK, "on");
	else if (fd < 0)
		probe__say(p, s, PROBE_MISSING, "%s", strerror(-fd));
	else
		probe__say(p, s, PROBE_OK, "can be turned on");
	io__close(&fd);
}

/* The last word: the programs of the profiler themselves, loaded and attached, with no clock that runs them. */
static void bpf__programs(struct probe *p, const struct probe_subject *s)
{
	const struct loader_opts opts = {
		.period_ns = NS_PER_SEC / (p->opts->frequency_hz ? p->opts->frequency_hz : 99),
		.slice_ns = NS_PER_SEC,
		.n_cpus = p->n_cpus,
		.kernel_stacks = true,
	};
	struct err e = {0};
	struct loader *l;
	uint64_t bytes;
	int err;

	err = loader__open(&opts, &l, &e);
	if (err) {
		probe__say(p, s, PROBE_MISSING, "%s", err__text(&e, err));
		return;
	}
	bytes = loader__map_bytes(l);
	probe__say(p, s, PROBE_OK, "load and attach, %llu KiB of kernel memory",
		   (unsigned long long)bytes >> 10);
	loader__close(l);
}

#define BPF   "BPF"
#define HOOKS "further hooks"
#define NEWER "a newer kernel"

const struct probe_subject probe_bpf_subjects[] = {
	{BPF, "maps", "maps", PROBE_VITAL, bpf__maps, "everything",
	 "run as root, or give CAP_BPF; Linux 5.10 has them all"},
	{BPF, "bpf_loop", "bpf_loop", PROBE_VITAL, bpf__helper,
	 "everything: stacks are walked in such a loop", "Linux 5.17 or later", BPF_FUNC_loop},
	{BPF, "task_pt_regs", "bpf_task_pt_regs", PROBE_VITAL, bpf__helper,
	 "user stacks of samples that hit the kernel, and with them all", "Linux 5.15 or later",
	 BPF_FUNC_task_pt_regs},
	{BPF, "current_task_btf", "bpf_get_current_task_btf", PROBE_VITAL, bpf__helper,
	 "everything: whose sample it is", "Linux 5.11 or later", BPF_FUNC_get_current_task_btf},
	{BPF, "process_events", "process events", PROBE_VITAL, bpf__process_events,
	 "everything: processes are known by trace points with type information",
	 "Linux 5.10 or later, with CONFIG_DEBUG_INFO_BTF"},
	{BPF, "task_iterator", "task iterator", PROBE_VITAL, bpf__task_iterator,
	 "processes that ran before the start, waits that go on, every thread's stack (threads)",
	 "Linux 5.10 or later, with CONFIG_DEBUG_INFO_BTF"},
	{BPF, "programs", "our programs", PROBE_VITAL, bpf__programs, "everything",
	 "mend what is missing above"},
	{BPF, "stats", "run-time statistics", PROBE_FEATURE, bpf__stats,
	 "the BPF part of everprof's own cost, which it tells",
	 "give CAP_SYS_ADMIN, or sysctl kernel.bpf_stats_enabled=1"},
	{HOOKS, "switch_events", "context switches", PROBE_FEATURE, bpf__switch_events,
	 "waits told as they end: passes over all threads sample them instead (offcpu)", NEWER},
	{HOOKS, "task_work", "task work", PROBE_FEATURE, bpf__task_work,
	 "user stacks taken when a wait is over: passes over all threads sample waits instead, and see few "
	 "of the short "
	 "ones (offcpu); how much a page fault made resident: each that met no page counts as one (memory)",
	 "Linux 6.18 or later"},
	{HOOKS, "lock_events", "lock contention", PROBE_FEATURE, bpf__lock_events,
	 "waits for locks of the kernel (lock)", "Linux 5.19 or later"},
	{HOOKS, "uprobe_multi", "uprobe_multi", PROBE_FEATURE, bpf__uprobe_multi,
	 "allocations (alloc): they need probes that come and go within a millisecond; memory still tells "
	 "where memory grows",
	 "Linux 6.6 or later"},
	{HOOKS, "fentry", "fentry", PROBE_SPARE, bpf__fentry, "nothing: it is not relied on", ""},
	{HOOKS, "kprobe", "kprobe", PROBE_SPARE, bpf__kprobe, "nothing: they are not relied on", ""},
	{0},
};
