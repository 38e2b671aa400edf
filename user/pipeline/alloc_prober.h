/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alloc_prober - the thread that opens windows on allocations: it puts probes on allocators, for a millisecond, at random times, and takes them away.
 *
 * It is a thread of its own, of real-time priority where that is allowed, because a probe that stays while we wait for a CPU costs everybody; and because putting
 * one in place and away waits for the kernel for some tens of milliseconds.
 *
 * Owns: its files (probed_files), the thread. Thread: any; one mutex, never held while it waits. Limit: ALLOC_WINDOWS_KEPT windows whose samples can be scaled. Errors: -errno; what cannot be probed is told once and left.
 */
#ifndef EVERPROF_PIPELINE_ALLOC_PROBER_H
#define EVERPROF_PIPELINE_ALLOC_PROBER_H

#include <stdbool.h>
#include <stdint.h>

#include "user/pipeline/alloc_clocks.h"
#include "user/pipeline/alloc_control.h"
#include "user/pipeline/alloc_estimate.h"
#include "user/pipeline/alloc_rounds.h"
#include "user/pipeline/probed_files.h"

struct alloc_prober;
struct kernel_maps;

struct alloc_prober_opts {
	/* the probes', the one that finds who reads code (bpf/code_reader.bpf.c), the one that reads CPU times (bpf/alloc_cpu.bpf.c) */
	int prog_fd, reader_fd, cpu_fd;
	const struct kernel_maps *maps;
	uint64_t budget_ppm;
	uint32_t n_cpus;
};

/* Now, and sums since the start. */
struct alloc_prober_stats {
	uint64_t n_windows, n_hits, n_samples;
	uint64_t stretch_ns;  /* sum: the time that the windows stand for */
	uint64_t in_place_ns; /* sum: probes were there */
	uint64_t probes_ns;   /* sum: threads spent in them */
	uint64_t own_ns;      /* sum: our CPU time */
	uint64_t holders_ns;  /* sum: of it, what is another process's (uprobe_holder) */
	uint64_t
		n_saturated; /* of those, nearly all of it: what they allocate is known to an order of magnitude */
	uint64_t next_stretch_ns, interval, probe_cost_ns;
	struct probed_files_stats files;
};

int alloc_prober__new(const struct alloc_prober_opts *opts, struct alloc_prober **ret);
/* Ends the thread first; no probe is left. */
void alloc_prober__free(struct alloc_prober *p);
int alloc_prober__start(struct alloc_prober *p);
/* What it probes; for whoever finds files. */
struct probed_files *alloc_prober__files(struct alloc_prober *p);
/* Scales a sample of the round to what it stands for. Errors: those of alloc_rounds__scale. */
int alloc_prober__weigh(struct alloc_prober *p, const struct task_key *key, uint32_t round, uint32_t tid,
			double *objects, double *bytes);
/* What windows gave since the last call, for the caller to keep in place of what *e is; the next profile begins. */
void alloc_prober__swap_estimate(struct alloc_prober *p, struct alloc_estimate *e);
/* The same, and the profile goes on. *e: initialized, and empty. */
int alloc_prober__copy_estimate(struct alloc_prober *p, struct alloc_estimate *e);
void alloc_prober__note_lives(struct alloc_prober *p, alloc_life_fn life, void *ctx);
/* What a process had since the last call of restart_clocks; as in alloc_clocks.h. */
bool alloc_prober__aids(struct alloc_prober *p, const struct task_key *key, uint64_t from_ns, uint64_t to_ns,
			struct alloc_aids *ret);
void alloc_prober__restart_clocks(struct alloc_prober *p);
void alloc_prober__stats(struct alloc_prober *p, struct alloc_prober_stats *ret);
void alloc_prober__set_budget(struct alloc_prober *p, uint64_t budget_ppm);

#endif
