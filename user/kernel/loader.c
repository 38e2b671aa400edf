// SPDX-License-Identifier: Apache-2.0
#include "user/kernel/loader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "bpf/alloc_cpu.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "user/kernel/uprobe.h"

#include "everprof.skel.h"

/* Of calls of allocators, on a CPU: the interval doubles as they get many (bpf/alloc.bpf.c). */
#define ALLOC_SAMPLES_A_SLICE (32 * ALLOC_SAMPLES_STEP)
/* Waits whose threads have not come by yet, and page faults that are not handled yet. */
#define PENDING_BASE        32
#define PENDING_A_CPU       32
#define FAULT_PENDING_BASE  16
#define FAULT_PENDING_A_CPU 4

/* Maps are of fixed size, but for what is kept of single tasks; to ask takes three system calls for each of some eighty. */
#define BYTES_HOLD_NS (30 * NS_PER_SEC)

struct loader {
	struct everprof_bpf *skel;
	struct kernel_maps maps;
	size_t mappings_bytes, slots_bytes, frames_bytes, waits_bytes, futexes_bytes, alloc_bytes;
	struct bpf_link *hooks[HOOK_N]; /* those in place */
	bool has_hook[HOOK_N], has_task_work;
	uint32_t refused; /* bits of hooks that this kernel's verifier does not take */
	int stats_fd;
	uint64_t bytes, bytes_until_ns; /* of maps and programs, and until when that is taken for true */
};

/* The first warning of libbpf in the load that goes on: it names what failed, and its callback has no place for a context. */
static char first_warning[200];

/* The verifier's verdict comes in one piece with all that led to it: its end says what it did not like. */
#define LINES_TOLD 24

static void loader__tell(const char *text, bool is_warning)
{
	size_t at = strlen(text), len;
	int n = 0;

	while (at && n < LINES_TOLD)
		n += text[--at] == '\n';
	for (at += text[at] == '\n'; text[at]; at += len + (text[at + len] == '\n')) {
		len = strcspn(text + at, "\n");
		log_debug("libbpf: %s%.*s", is_warning ? "warning: " : "", (int)len, text + at);
	}
}

/* libbpf explains a failed load in many lines; they are told where debugging is wanted, and the first that says why goes into the error. */
static int loader__print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	static const char prefix[] = "libbpf: ";
	const char *first;
	char *text;

	if (log__level() < LOG_LEVEL_DEBUG && (level != LIBBPF_WARN || *first_warning))
		return 0;
	if (vasprintf(&text, fmt, args) < 0)
		return 0;
	first = strncmp(text, prefix, strlen(prefix)) ? text : text + strlen(prefix);
	if (level == LIBBPF_WARN && !*first_warning)
		snprintf(first_warning, sizeof(first_warning), "%.*s", (int)strcspn(first, "\n"), first);
	if (log__level() >= LOG_LEVEL_DEBUG)
		loader__tell(first, level == LIBBPF_WARN);
	free(text);
	return 0;
}

static uint32_t next_power_of_two(uint64_t n)
{
	uint32_t p = 1;

	while (p < n && p < 1u << 30)
		p <<= 1;
	return p;
}

/* A place for each pid where that is not too many. */
static uint32_t loader__wait_slots(void)
{
	uint64_t pid_max = WAIT_SLOTS_MAX;
	struct buf b;

	buf__init(&b, 64);
	if (!io__read_at(-1, "/proc/sys/kernel/pid_max", 64, &b))
		pid_max = strtoull(buf__str(&b), NULL, 10);
	buf__done(&b);
	return next_power_of_two(pid_max < WAIT_SLOTS_MAX ? pid_max : WAIT_SLOTS_MAX);
}

/* Every sample of a slice could be a row of its own, with half as many frames as there may be at most: sized for that, and
 * twice, for a late drain. */
static void loader__size(const struct loader_opts *opts, struct everprof_bpf *skel, struct kernel_maps *maps)
{
	uint64_t samples = opts->n_cpus *
			   (opts->slice_ns / opts->period_ns + 1 +
			    (opts->events & 1u << EVENT_OFFCPU ? WAIT_TAKEN_A_CPU : 0) +
			    (opts->events & 1u << EVENT_ALLOC ? ALLOC_SAMPLES_A_SLICE : 0)) *
			   2;
	uint64_t words = samples * STACK_WORDS_MAX / 4;
	/* Stacks of full depth on every CPU at once do not happen: past this the store is shared. */
	const uint64_t bytes_max = opts->count_bytes ? opts->count_bytes : 64ull << 20;
	const uint64_t words_max = bytes_max / sizeof(uint64_t) / COUNT_HALVES;

	if (words > words_max)
		words = words_max;
	maps->n_count_slots = next_power_of_two(samples * 2);
	maps->n_frame_chunks = (uint32_t)(words / (FRAME_CHUNK_WORDS - STACK_WORDS_MAX) + 2);
	maps->n_wait_slots = opts->events & 1u << EVENT_OFFCPU ? loader__wait_slots() : 1;
	maps->n_futex_counts = opts->events & 1u << EVENT_LOCK ? FUTEX_COUNTS : 1;
	bpf_map__set_max_entries(skel->maps.futex_counts, maps->n_futex_counts);
	bpf_map__set_max_entries(skel->maps.waits, maps->n_wait_slots);
	bpf_map__set_max_entries(skel->maps.wakers, maps->n_wait_slots);
	bpf_map__set_max_entries(
		skel->maps.off_cpu_pending,
		opts->events & 1u << EVENT_OFFCPU ? PENDING_BASE + PENDING_A_CPU * opts->n_cpus : 1);
	bpf_map__set_max_entries(skel->maps.memory_pending,
				 opts->events & 1u << EVENT_MEMORY
					 ? FAULT_PENDING_BASE + (FAULT_PENDING_A_CPU + 1) * opts->n_cpus
					 : 1);
	bpf_map__set_max_entries(skel->maps.count_slots, COUNT_HALVES * maps->n_count_slots);
	bpf_map__set_max_entries(skel->maps.count_frames, COUNT_HALVES * maps->n_frame_chunks);
}

/* Read-write on an mmapable array; the kernel rounds values to 8 bytes, ours are. */
static int loader__mmap(int fd, size_t bytes, void *ret_at)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	*(void **)ret_at = at;
	return 0;
}

static size_t page_round(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

static int loader__map_memory(struct loader *l)
{
	struct kernel_maps *m = &l->maps;
	int ret;

	l->mappings_bytes = page_round(MAPPINGS_MAX * sizeof(struct mapping_entry));
	l->slots_bytes = page_round((size_t)COUNT_HALVES * m->n_count_slots * sizeof(struct count_slot));
	l->frames_bytes =
		page_round((size_t)COUNT_HALVES * m->n_frame_chunks * FRAME_CHUNK_WORDS * sizeof(uint64_t));
	ret = loader__mmap(bpf_map__fd(l->skel->maps.mappings), l->mappings_bytes, &m->mappings);
	if (!ret)
		ret = loader__mmap(bpf_map__fd(l->skel->maps.count_slots), l->slots_bytes, &m->count_slots);
	if (!ret)
		ret = loader__mmap(bpf_map__fd(l->skel->maps.count_frames), l->frames_bytes, &m->count_words);
	l->waits_bytes = page_round(m->n_wait_slots * sizeof(struct wait_slot));
	if (!ret)
		ret = loader__mmap(bpf_map__fd(l->skel->maps.waits), l->waits_bytes, &m->waits);
	l->futexes_bytes = page_round(m->n_futex_counts * sizeof(struct futex_count));
	if (!ret)
		ret = loader__mmap(bpf_map__fd(l->skel->maps.futex_counts), l->futexes_bytes,
				   &m->futex_counts);
	if (!ret && l->has_hook[HOOK_alloc]) {
		l->alloc_bytes = page_round(ALLOC_THREADS * sizeof(struct alloc_thread));
		ret = loader__mmap(bpf_map__fd(l->skel->maps.alloc_threads), l->alloc_bytes,
				   &m->alloc_threads);
	}
	return ret;
}

/* What to do about it, where the code and the first warning tell. */
static int loader__explain_load(struct err *err, int code)
{
	if (code == -EACCES && strstr(first_warning, "prog '"))
		return err__set(
			err, code,
			"kernel: this kernel's verifier refuses a BPF program (%s; -v tells why): use "
			"another kernel, and report it",
			first_warning);
	if (code == -EPERM || code == -EACCES)
		return err__set(err, code,
				"kernel: loading the BPF programs is not permitted: run as root, or give "
				"CAP_BPF and CAP_PERFMON "
				"(`everprof doctor` tells what is missing)");
	if (code == -E2BIG && strstr(first_warning, "prog '"))
		return err__set(
			err, code,
			"kernel: this kernel's verifier gives up on a BPF program as too complex (%s): "
			"turn its event off, or use a newer kernel",
			first_warning);
	if (code == -ENOMEM)
		return err__set(err, code,
				"kernel: no memory for the BPF maps: raise the memory limit of this service");
	if ((code == -ESRCH || code == -ENOENT) && (!*first_warning || strstr(first_warning, "BTF")))
		return err__set(
			err, code,
			"kernel: no BTF type information in /sys/kernel/btf/vmlinux: a kernel built with "
			"CONFIG_DEBUG_INFO_BTF is needed (Linux 6.1 or later)");
	return err__set(err, code,
			"kernel: cannot load the BPF programs: %s%s%s (`everprof doctor` tells more)",
			strerror(-code), *first_warning ? ": " : "", first_warning);
}

static void loader__fill_fds(struct loader *l)
{
	struct everprof_bpf *s = l->skel;
	struct kernel_maps *m = &l->maps;

	m->processes_fd = bpf_map__fd(s->maps.processes);
	m->targets_fd = bpf_map__fd(s->maps.targets);
	m->losses_fd = bpf_map__fd(s->maps.losses);
	m->cpu_ticks_fd = bpf_map__fd(s->maps.cpu_ticks);
	m->row_pages_fd = bpf_map__fd(s->maps.row_pages);
	m->row_segments_fd = bpf_map__fd(s->maps.row_segments);
	m->process_events_fd = bpf_map__fd(s->maps.process_events);
	m->unfinished_fd = bpf_map__fd(s->maps.unfinished);
	m->thread_ends_fd = bpf_map__fd(s->maps.thread_ends);
	m->trace_rings_fd = bpf_map__fd(s->maps.trace_rings);
	m->wait_clocks_fd = bpf_map__fd(s->maps.wait_clocks);
	m->lock_clocks_fd = bpf_map__fd(s->maps.lock_clocks);
	m->run_queues_fd = bpf_map__fd(s->maps.run_queues);
	m->fault_alarms_fd = bpf_map__fd(s->maps.fault_alarms);
	m->fault_clocks_fd = bpf_map__fd(s->maps.fault_clocks);
	m->alloc_clocks_fd = bpf_map__fd(s->maps.alloc_clocks);
	m->alloc_gate = &s->data_alloc_gate->alloc_gate;
	m->alloc_cpu = &s->data_alloc_cpu->alloc_cpu_table;
	m->gate = &s->data_gate->gate;
	m->kmem_clocks_fd = bpf_map__fd(s->maps.kmem_clocks);
	m->kmem = &s->data_kmem->kmem_gate;
	m->faults = &s->data_faults->fault_gate;
	m->halves = s->data_halves->halves;
	m->has_lost = &s->data_halves->has_lost;
	m->usage_gate = &s->data_usage->usage_gate;
}

/*
 * "name___flavor" of a kernel function means "name", as libbpf itself has it from 1.3 on. Its linker before that takes a function from one file only, so each
 * file has a flavor of its own.
 */
static void loader__drop_flavors(struct everprof_bpf *skel)
{
	const struct btf *btf = bpf_object__btf(skel->obj);
	uint32_t n = btf__type_cnt(btf);

	for (uint32_t id = 1; id < n; id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);
		/* the object's own copy, that it reads the names from when it is loaded */
		char *name = (char *)btf__name_by_offset(btf, t->name_off);
		char *flavor = name && btf_is_func(t) ? strstr(name, "___") : NULL;

		if (flavor)
			*flavor = '\0';
	}
}

enum need { NEED_FUNCTION, NEED_TRACEPOINT };

static bool kernel_has(const struct btf *btf, enum need kind, const char *name)
{
	char type[128];

	if (kind == NEED_FUNCTION)
		return btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) > 0;
	snprintf(type, sizeof(type), "btf_trace_%s", name);
	return btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF) > 0;
}

/* Programs that not every kernel has a place for. Without `process_gone`, code that takes the place of other code is known with the next reading. */
static int loader__choose(struct loader *l, uint32_t events)
{
	struct everprof_bpf *skel = l->skel;
	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf)
		return errno ? -errno : -ENOENT;
#define CHOOSE(name, event, kind, needs)                                                                \
	l->has_hook[HOOK_##name] = !(l->refused & 1u << HOOK_##name) && events & 1u << EVENT_##event && \
				   kernel_has(btf, NEED_##kind, needs);                                 \
	bpf_program__set_autoload(skel->progs.name, l->has_hook[HOOK_##name]);                          \
	bpf_program__set_autoattach(skel->progs.name, false);
	LOADER_HOOKS(CHOOSE)
#undef CHOOSE
	l->has_task_work = kernel_has(btf, NEED_FUNCTION, "bpf_task_work_schedule_resume_impl");
	bpf_program__set_autoload(skel->progs.process_oom, kernel_has(btf, NEED_TRACEPOINT, "mark_victim"));
	bpf_program__set_expected_attach_type(skel->progs.alloc, UPROBE_MULTI_ATTACH_TYPE);
	bpf_program__set_autoload(skel->progs.process_gone,
				  kernel_has(btf, NEED_TRACEPOINT, "vm_unmapped_area"));
	btf__free(btf);
	return 0;
}

/*
 * Entries of these tables come and go by the hundred, and the tables have room for the busiest host: their memory is taken when it is needed. Kernels
 * before 6.1 do not take that from programs of perf events.
 */
static void loader__allocate_on_demand(struct everprof_bpf *skel)
{
	bpf_map__set_map_flags(skel->maps.processes, BPF_F_NO_PREALLOC);
	bpf_map__set_map_flags(skel->maps.targets, BPF_F_NO_PREALLOC);
	bpf_map__set_map_flags(skel->maps.row_pages, BPF_F_NO_PREALLOC);
}

static int loader__load(struct loader *l, const struct loader_opts *opts, bool on_demand)
{
	LIBBPF_OPTS(bpf_object_open_opts, open_opts, .btf_custom_path = opts->btf_path);
	uint32_t n_spare = opts->events & 1u << EVENT_MEMORY ? opts->n_cpus : 0;
	int ret;

	l->skel = everprof_bpf__open_opts(&open_opts);
	if (!l->skel)
		return errno ? -errno : -EINVAL;
	loader__drop_flavors(l->skel);
	ret = loader__choose(l, opts->events);
	if (ret)
		return ret;
	loader__size(opts, l->skel, &l->maps);
	if (!l->has_hook[HOOK_alloc])
		bpf_map__set_max_entries(l->skel->maps.alloc_threads, 1);
	if (on_demand)
		loader__allocate_on_demand(l->skel);
	l->skel->rodata_settings->settings = (struct settings){
		.count_slots = l->maps.n_count_slots,
		.frame_chunks = l->maps.n_frame_chunks,
		.wait_slots = l->maps.n_wait_slots,
		.wait_pending = bpf_map__max_entries(l->skel->maps.off_cpu_pending),
		.fault_pending = bpf_map__max_entries(l->skel->maps.memory_pending) - n_spare,
		.fault_spare = (uint16_t)n_spare,
		.kernel_stacks = opts->kernel_stacks,
	};
	return everprof_bpf__load(l->skel);
}

/* Did the load fail for a program that is put in place on demand? Then it is left out from now on: one event less, and not none at all. */
static bool loader__is_refused(struct loader *l, int code)
{
	static const char *const names[HOOK_N] = {
#define HOOK_NAME(name, event, kind, needs) [HOOK_##name] = #name,
		LOADER_HOOKS(HOOK_NAME)
#undef HOOK_NAME
	};
	char start[64];

	for (int i = 0; i < HOOK_N; i++) {
		snprintf(start, sizeof(start), "prog '%s': BPF program load failed", names[i]);
		if (l->refused & 1u << i || strncmp(first_warning, start, strlen(start)))
			continue;
		l->refused |= 1u << i;
		*first_warning = '\0';
		log_warn("kernel: this kernel's verifier refuses the program '%s' (%s; -v tells why): what "
			 "needs it "
			 "is left out",
			 names[i], strerror(-code));
		return true;
	}
	return false;
}

int loader__open(const struct loader_opts *opts, struct loader **ret_loader, struct err *err)
{
	struct loader *l = calloc(1, sizeof(*l));
	int ret;

	if (!l)
		return -ENOMEM;
	l->stats_fd = FD_CLOSED;
	*first_warning = '\0';
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	libbpf_set_print(loader__print);
	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		ret = loader__explain_load(err, -ENOENT);
		goto out;
	}
	ret = loader__load(l, opts, true);
	while (ret && loader__is_refused(l, ret)) {
		everprof_bpf__destroy(l->skel);
		ret = loader__load(l, opts, true);
	}
	if (ret == -EINVAL) {
		everprof_bpf__destroy(l->skel);
		ret = loader__load(l, opts, false);
	}
	if (!ret)
		ret = loader__map_memory(l);
	if (!ret)
		ret = everprof_bpf__attach(l->skel);
	if (ret) {
		loader__explain_load(err, ret);
		goto out;
	}
	loader__fill_fds(l);
	l->maps.gate->kernel_stacks = opts->kernel_stacks;
	l->maps.gate->period_ns = opts->period_ns;
	*ret_loader = l;
	return 0;
out:
	loader__close(l);
	return ret;
}

void loader__close(struct loader *l)
{
	if (!l)
		return;
	for (int i = 0; i < HOOK_N; i++)
		bpf_link__destroy(l->hooks[i]);
	if (l->maps.mappings)
		munmap(l->maps.mappings, l->mappings_bytes);
	if (l->maps.count_slots)
		munmap(l->maps.count_slots, l->slots_bytes);
	if (l->maps.count_words)
		munmap(l->maps.count_words, l->frames_bytes);
	if (l->maps.waits)
		munmap(l->maps.waits, l->waits_bytes);
	if (l->maps.futex_counts)
		munmap(l->maps.futex_counts, l->futexes_bytes);
	if (l->maps.alloc_threads)
		munmap(l->maps.alloc_threads, l->alloc_bytes);
	everprof_bpf__destroy(l->skel);
	io__close(&l->stats_fd);
	free(l);
}

const struct kernel_maps *loader__maps(const struct loader *l)
{
	return &l->maps;
}

int loader__on_cpu_fd(const struct loader *l)
{
	return bpf_program__fd(l->skel->progs.on_cpu);
}

int loader__list_processes_link(const struct loader *l)
{
	return bpf_link__fd(l->skel->links.list_processes);
}

int loader__list_threads_link(const struct loader *l)
{
	return bpf_link__fd(l->skel->links.list_threads);
}

int loader__list_usage_link(const struct loader *l)
{
	return bpf_link__fd(l->skel->links.list_usage);
}

bool loader__has_hook(const struct loader *l, enum hook hook)
{
	return l->has_hook[hook];
}

bool loader__has_task_work(const struct loader *l)
{
	return l->has_task_work;
}

static struct bpf_program *hook_program(const struct loader *l, enum hook hook)
{
	struct bpf_program *const programs[HOOK_N] = {
#define PROGRAM(name, event, kind, needs) [HOOK_##name] = l->skel->progs.name,
		LOADER_HOOKS(PROGRAM)
#undef PROGRAM
	};

	return programs[hook];
}

int loader__hook(struct loader *l, enum hook hook, bool on)
{
	struct bpf_link **link = &l->hooks[hook];

	if (on == (*link != NULL))
		return 0;
	if (!on) {
		bpf_link__destroy(*link);
		*link = NULL;
		return 0;
	}
	if (!l->has_hook[hook])
		return -EOPNOTSUPP;
	*link = bpf_program__attach(hook_program(l, hook));
	return *link ? 0 : -errno;
}

int loader__hook_fd(const struct loader *l, enum hook hook)
{
	return l->has_hook[hook] ? bpf_program__fd(hook_program(l, hook)) : -EOPNOTSUPP;
}

/* "memlock:\t4096" in /proc/self/fdinfo/<fd>. */
static uint64_t fd_memlock(int fd)
{
	unsigned long long bytes = 0;
	char path[64];
	const char *at;
	struct buf b;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	buf__init(&b, 4096);
	if (!io__read_at(-1, path, 4096, &b)) {
		at = strstr(buf__str(&b), "memlock:");
		if (at)
			sscanf(at, "memlock: %llu", &bytes);
	}
	buf__done(&b);
	return bytes;
}

uint64_t loader__map_bytes(struct loader *l)
{
	uint64_t now = clock__mono_ns();
	struct bpf_program *prog;
	struct bpf_map *map;

	if (now < l->bytes_until_ns)
		return l->bytes;
	l->bytes = 0;
	l->bytes_until_ns = now + BYTES_HOLD_NS;
	bpf_object__for_each_map(map, l->skel->obj) l->bytes += fd_memlock(bpf_map__fd(map));
	bpf_object__for_each_program(prog, l->skel->obj) l->bytes += fd_memlock(bpf_program__fd(prog));
	return l->bytes;
}

static bool runs_in_own_calls(const struct bpf_program *prog)
{
	return bpf_program__type(prog) == BPF_PROG_TYPE_SYSCALL ||
	       (bpf_program__type(prog) == BPF_PROG_TYPE_TRACING &&
		bpf_program__expected_attach_type(prog) == BPF_TRACE_ITER);
}

uint32_t loader__program_stats(const struct loader *l, struct program_stats *out, uint32_t max)
{
	struct bpf_program *prog;
	uint32_t n = 0;

	bpf_object__for_each_program(prog, l->skel->obj)
	{
		struct bpf_prog_info info = {};
		uint32_t len = sizeof(info);

		if (bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len))
			continue; /* left out on this kernel, or not wanted */
		if (n < max)
			out[n] = (struct program_stats){
				.name = bpf_program__name(prog),
				.run_ns = info.run_time_ns,
				.run_count = info.run_cnt,
				.verified_insns = info.verified_insns,
				.is_own = runs_in_own_calls(prog),
			};
		n++;
	}
	return n;
}

int loader__enable_stats(struct loader *l)
{
	if (l->stats_fd >= 0)
		return 0;
	l->stats_fd = bpf_enable_stats(BPF_STATS_RUN_TIME);
	return l->stats_fd < 0 ? -errno : 0;
}

void loader__disable_stats(struct loader *l)
{
	io__close(&l->stats_fd);
}
