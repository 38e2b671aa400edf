/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe - what this kernel, these privileges and these mounts allow, found out by trying.
 *
 * Each check names what was found, what is lost without it, and what to do about it. Whatever can be tried is tried: a version number
 * says little about a distribution's kernel, a container's filter or a security module.
 *
 * Owns: nothing after the call; what was opened or loaded for a trial is closed again. Thread: one at a time (a trial binds the thread to a CPU for
 * a moment). Limit: PROBE_CHECKS_MAX checks, PROBE_TEXT_MAX bytes of text each, cut. Errors: -errno where the root directory cannot be opened; a
 * check that fails is a finding, not an error.
 */
#ifndef EVERPROF_KERNEL_PROBE_H
#define EVERPROF_KERNEL_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#define PROBE_CHECKS_MAX 96
#define PROBE_TEXT_MAX   256

enum probe_state { PROBE_OK, PROBE_REDUCED, PROBE_MISSING };

/* What hangs on a check. */
enum probe_need {
	PROBE_VITAL,   /* where it is missing nothing can run */
	PROBE_FEATURE, /* something is lost without it */
	PROBE_SPARE,   /* nothing uses it in this version: told for those who plan or ask for help */
};

struct probe_check {
	const char *group, *name, *title; /* static; `name` is for scripts and does not change */
	enum probe_need need;
	enum probe_state state;
	char found[PROBE_TEXT_MAX];
	const char *lost, *remedy; /* static; "" where the state is ok */
};

struct probe_report {
	struct probe_check checks[PROBE_CHECKS_MAX];
	uint32_t n;
};

struct probe_opts {
	const char *root;    /* where /proc, /sys and /usr are looked at; NULL: "/" */
	const char *machine; /* as `uname -m`; NULL: this one */
	const char *store; /* where profiles will be written, a path outside of `root`; NULL: not looked at */
	const char *const *debug_directories;
	uint32_t n_debug_directories;
	uint32_t frequency_hz; /* of the clock; 0: 99 */
	uint64_t memory_bytes; /* what we allow ourselves; 0: 64 MiB */
	bool live; /* open perf events and load programs, too: then `root` is the running system */
};

int probe__run(const struct probe_opts *opts, struct probe_report *ret_report);

const char *probe_state__name(enum probe_state state);
const char *probe_need__name(enum probe_need need);
/* The check with that name, or NULL. */
const struct probe_check *probe_report__find(const struct probe_report *r, const char *name);
/* The first vital check that is missing, or NULL: everprof can run. */
const struct probe_check *probe_report__obstacle(const struct probe_report *r);
/* How many checks on which something hangs are not ok. */
uint32_t probe_report__n_reduced(const struct probe_report *r);
/* Adds what the caller found out by itself; lost and remedy are static. Past the limit it is dropped. */
void probe_report__add(struct probe_report *r, const struct probe_check *check);

#endif
