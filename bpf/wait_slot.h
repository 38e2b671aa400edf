/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* wait_slot - where a thread's wait is kept while it waits, and what is added up of waits on a CPU. */
#ifndef EVERPROF_BPF_WAIT_SLOT_H
#define EVERPROF_BPF_WAIT_SLOT_H

#include <linux/types.h>

/*
 * A thread that is not running, in map `waits`, by tid: at slot tid, or at a second one where somebody else's wait is there. A slot belongs to
 * its tid while since_ns is set; of waits that a pass may touch the word is taken (exchanged for 0) by whoever accounts what has passed. After a shorter one
 * it stays, while the thread runs: to take it costs as much as all else that a switch does with a slot.
 */
#define WAIT_SLOTS_MAX 65536 /* a power of two; less where the kernel's pid_max is smaller */
#define AWAY_SHIFT     10
#define AWAY_ROUND     (1ull << (32 + AWAY_SHIFT))
#define DELAY_SHIFT    10
/* As it was told: did it wait for a CPU, or for something else? */
#define WAIT_TOLD_QUEUED 1
#define WAIT_TOLD_ASLEEP 2
struct wait_slot {
	__u64 since_ns; /* on the clock of waits: left the CPU, or what was before is accounted; 0: it runs, or has ended */
	__u32 delay; /* low bits of what the kernel had accounted as waiting for a CPU when it left; in units of 1 << DELAY_SHIFT ns */
	__u32 away; /* what was taken of its CPUs while it ran, since it has the slot; in units of 1 << AWAY_SHIFT ns */
	__u32 tid;
	__u32 switches; /* low half of how often it had left the CPU, as of when its stack was told last */
	__u16 round;    /* low half of gate.wait_round, likewise */
	__u16 pending;  /* where the last of n_pending is */
	__u8 told;  /* WAIT_TOLD_*, or 0: a part of this wait was counted already, and so will be the rest */
	__u8 waker; /* WAKER_*, or where the stack of who ended it is */
	__u8 state; /* enum wait_state */
	__u8 n_pending; /* waits that were taken since it was in user space */
};

/* How often threads waited for a CPU, by log2 of how long. */
#define RUN_QUEUE_BUCKETS 32 /* below 1 us, 2 us, 4 us, … */
#define RUN_QUEUE_GROUPS  512
/* one wait in so many, at random, is looked at for its control group; where there are very many, fewer */
#define RUN_QUEUE_EVERY 16
struct run_queue {
	__u64 n[RUN_QUEUE_BUCKETS];
};

/* Sampling of waits on a CPU. */
#define INTERVAL_SHIFT  10
#define WAIT_COST_EVERY 256
/* No switch costs more: a hypervisor took the CPU meanwhile, which would count that many times. */
#define WAIT_COST_MOST_NS 2000
/* a second: more says nothing more. A slice that comes to it takes fewer from there on */
#define WAIT_TAKEN_A_CPU 200
#define WAIT_DOUBLED_MAX 8            /* times, then */
#define WAIT_SHORT_NS    20000000     /* shorter waits are the switch's alone: no pass counts a part of one */
#define AWAY_UNKNOWN     (1ull << 63) /* more than any clock says */
struct wait_clock {
	__s64 left_ns;     /* to the next point (bpf/wait_clock.bpf.h) */
	__u64 interval_ns; /* by which it was drawn */
	__u64 n_switches, n_taken;
	__u64 cost_ns; /* of what was taken, and of WAIT_COST_EVERY-th switches times that, the call included */
	__u64 away_ns; /* of this CPU, since it is on: as far as it was given to those that ran (rq__away); AWAY_UNKNOWN: the hook is new */
	__u32 run_queue_skip;  /* so many waits are not looked at before the next that is … */
	__u32 run_queue_every; /* … and what that stands for */
	__u32 slice, reserved; /* gate.wait_slice, … */
	__u64 n_before;        /* … at the begin of which so many had been taken */
	__u64 intervals,
		squares; /* sums over those that chance took: of the interval, in units of 1 << INTERVAL_SHIFT ns */
	struct run_queue run_queue;
};

#endif
