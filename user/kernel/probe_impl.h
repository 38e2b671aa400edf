/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe_impl - what the files of the probe share: one run, and the tables of what it looks at.
 *
 * Owns: nothing (probe__run does). Thread: the one that runs it. Limit: PROBE_FILE_MAX bytes read of a file. Errors: -errno.
 */
#ifndef EVERPROF_KERNEL_PROBE_IMPL_H
#define EVERPROF_KERNEL_PROBE_IMPL_H

#include "user/kernel/probe.h"

struct btf;
struct probe;

#define PROBE_FILE_MAX 65536

/* What a check is about. `run` calls probe__say once. */
struct probe_subject {
	const char *group, *name, *title;
	enum probe_need need;
	void (*run)(struct probe *p, const struct probe_subject *s);
	const char *lost, *remedy;
	int value; /* for those that share a `run` */
};

struct probe {
	const struct probe_opts *opts;
	struct probe_report *report;
	int root_fd;
	/* facts on which several checks hang */
	uint32_t release; /* PROBE_RELEASE(major, minor), 0: unknown */
	uint64_t capabilities;
	uint32_t n_cpus, first_cpu; /* online */
	struct btf *btf;            /* of the kernel, NULL: none or not live */
};

#define PROBE_RELEASE(major, minor) ((uint32_t)(major) << 16 | (uint32_t)(minor))

/* Numbers of capabilities(7), some younger than the headers that we may be built with. */
enum probe_capability {
	PROBE_CAP_DAC_OVERRIDE = 1,
	PROBE_CAP_DAC_READ_SEARCH = 2,
	PROBE_CAP_SYS_PTRACE = 19,
	PROBE_CAP_SYS_ADMIN = 21,
	PROBE_CAP_SYS_RESOURCE = 24,
	PROBE_CAP_SYSLOG = 34,
	PROBE_CAP_PERFMON = 38,
	PROBE_CAP_BPF = 39,
	PROBE_CAP_CHECKPOINT_RESTORE = 40,
};

bool probe__has(const struct probe *p, enum probe_capability cap);
void probe__say(struct probe *p, const struct probe_subject *s, enum probe_state state, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Missing, because of `err` (a negative errno): where it was not permitted the remedy is another than the subject's. `what` may be "". */
void probe__refuse(struct probe *p, const struct probe_subject *s, const char *what, int err);
/* The first bytes of a file below the root, as text. */
int probe__read(const struct probe *p, const char *path, char text[PROBE_FILE_MAX]);
/* A file that holds one number. */
int probe__read_number(const struct probe *p, const char *path, long long *ret);
/* The number after "key:" at the start of a line of text; -ENOENT. */
int parse_status_field(const char *text, const char *key, int base, uint64_t *ret);
/* "5.10.0-32-amd64" */
int parse_kernel_release(const char *text, uint32_t *ret_release);
/* "Max open files   1024   524288   files": UINT64_MAX is unlimited. */
int parse_limit(const char *limits, const char *name, uint64_t *ret_soft, uint64_t *ret_hard);
/* Options of the last procfs that is mounted on /proc, of a mountinfo; "" where there is none. */
void parse_proc_mount(const char *mountinfo, char ret_options[PROBE_TEXT_MAX]);
/* Our path in the hierarchy of `controller` ("": the unified one), of a /proc/PID/cgroup. */
int parse_own_cgroup(const char *cgroups, const char *controller, char ret_path[PROBE_TEXT_MAX]);

/* Each ends in a subject without a name. */
extern const struct probe_subject probe_host_subjects[];  /* kernel, privileges */
extern const struct probe_subject probe_perf_subjects[];  /* live */
extern const struct probe_subject probe_bpf_subjects[];   /* live */
extern const struct probe_subject probe_place_subjects[]; /* processes, limits, places */

/* Loads the program that counts its runs into map element 0; for trials that want to see a program run. Both are the caller's to close. */
int probe__load_counter(uint32_t prog_type, uint32_t attach_type, int *ret_prog_fd, int *ret_map_fd);
/* Waits until it has run, for up to 300 ms. */
bool probe__has_run(int map_fd);

#endif
