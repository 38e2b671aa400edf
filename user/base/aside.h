/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aside - work in which another process can keep us waiting, on a thread that may be left behind.
 *
 * Owns: its threads, and the jobs of those left behind; they end with the agent. Thread: any, each with a job of its own. Limit: ASIDE_LEFT_MAX processes that are refused, and as many threads left
 * behind; ASIDE_LEFT_PER_USER of a user who is not root. Errors: -ETIMEDOUT not in time, now or lately; -ENOMEM, -EAGAIN no thread.
 */
#ifndef EVERPROF_BASE_ASIDE_H
#define EVERPROF_BASE_ASIDE_H

#include <stdint.h>

#define ASIDE_LEFT_MAX      16
#define ASIDE_LEFT_PER_USER 4
#define ASIDE_PATIENCE_NS   300000000ull
#define ASIDE_RESPITE_NS    60000000000ull

/* The first member of what it works on: what the asker may no longer own when the work is done. */
struct aside_job {
	void (*run)(struct aside_job *job);  /* on the thread; touches nothing but the job */
	void (*drop)(struct aside_job *job); /* frees it */
};

/* 0: it ran, for the process `pid`, and is the asker's again. On failure it is dropped, now or when the thread comes back. */
int aside__run(uint32_t pid, struct aside_job *job);
/* The pid runs another program from now on, with which one may have more luck. */
void aside__forget(uint32_t pid);
/* How many threads were left behind so far, and for whom the last one. */
uint64_t aside__n_left(uint32_t *ret_pid);

#endif
