/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * wait - why a thread does not run, as data: one list gives the enum, the values of the label `state` and the tables of the documents.
 *
 * Two kinds: those that wait for a CPU could run if there were one, the others wait for something else. The kernel accounts the first kind of each
 * thread (run delay), so both are known exactly.
 */
#ifndef EVERPROF_BPF_WAIT_H
#define EVERPROF_BPF_WAIT_H

/*        enum       name         for a CPU  text */
#define WAIT_STATES(X)                                                                             \
	X(BLOCKED, "blocked", 0, "waits for an event: a lock, data, a timer, another thread")      \
	X(DISK, "disk", 0, "waits for a device or the kernel, and no signal ends it")              \
	X(STOPPED, "stopped", 0, "was stopped: by a signal, a debugger or a frozen control group") \
	X(RUNNABLE, "runnable", 1, "was woken, or is new, and waits for a CPU")                    \
	X(PREEMPTED, "preempted", 1,                                                               \
	  "was taken off the CPU, or gave way, though it had work, and waits for one again")       \
	X(THROTTLED, "throttled", 1, "has used up the CPU quota of its control group")

enum wait_state {
#define X(id, name, for_cpu, text) WAIT_##id,
	WAIT_STATES(X)
#undef X
		WAIT_MAX
};

/* The same label in the account of threads (event `wall`): it ran, and a hypervisor, or an interrupt that the kernel accounts apart, had its CPU. No wait. */
#define STATE_STOLEN "stolen"

/* What a thread does that does not wait. */
#define THREAD_RUNS  WAIT_MAX
#define THREAD_ENDED (WAIT_MAX + 1) /* and nobody has taken notice yet */

/* The n-th of the two slots (0, 1) where the wait of a thread may be, of `slots`, a power of two. */
static inline unsigned int wait_place(unsigned int tid, int n, unsigned int slots)
{
	return (n ? tid * 0x9e3779b1u >> 8 : tid) & (slots - 1);
}

#endif
