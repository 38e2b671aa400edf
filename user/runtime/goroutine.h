/* SPDX-License-Identifier: Apache-2.0 */
/*
 * goroutine - the goroutines of a running Go process, read out of its memory while it goes on.
 *
 * Owns: nothing. Thread: any; one at a time for a go_program. Limit: GOROUTINES_MAX a process; above goroutine_read.exact_max every n-th is read and
 * stands for n; the time that it is given. Errors: -ESRCH gone, -EPERM, -EOPNOTSUPP see go_program.h, -EBADMSG the list is none, -ENOMEM; what is wrong with single ones is counted.
 */
#ifndef EVERPROF_RUNTIME_GOROUTINE_H
#define EVERPROF_RUNTIME_GOROUTINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clock_limit;
struct go_layout;
struct go_process;

#define GOROUTINES_MAX      (16u << 20)
#define GOROUTINE_STACK_MAX 65536 /* bytes of a stack that are read, from its end that is in use */
#define GOROUTINE_TRIES     3

/* enum, number in the runtime, name */
#define GOROUTINE_STATES(X)          \
	X(IDLE, 0, "idle")           \
	X(RUNNABLE, 1, "runnable")   \
	X(RUNNING, 2, "running")     \
	X(SYSCALL, 3, "syscall")     \
	X(WAITING, 4, "waiting")     \
	X(MORIBUND, 5, "moribund")   \
	X(DEAD, 6, "dead")           \
	X(ENQUEUE, 7, "enqueue")     \
	X(COPYSTACK, 8, "copystack") \
	X(PREEMPTED, 9, "preempted") \
	X(LEAKED, 10, "leaked")      \
	X(DEADEXTRA, 11, "deadextra")

enum goroutine_state {
#define X(id, number, name) GOROUTINE_##id = (number),
	GOROUTINE_STATES(X)
#undef X
		GOROUTINE_STATE_MAX
};

struct goroutine {
	uint64_t address, id, parent_id; /* parent_id 0: not known */
	uint64_t stack_lo, stack_hi;
	uint64_t pc, sp, fp;  /* where it goes on; not of one that runs */
	uint64_t created_pc;  /* behind the go statement, 0: none */
	uint64_t start_pc;    /* its function */
	uint64_t waits_since; /* CLOCK_MONOTONIC, 0: not known */
	uint64_t thread;      /* address of its runtime.m, 0: none */
	uint32_t state, reason;
	bool is_locked; /* to a thread */
	bool fp_known;
	bool has_stack; /* pc and sp hold */
};

struct goroutine_read {
	uint32_t exact_max; /* goroutines up to which each is read; 0: all */
	const struct clock_limit *limit;
	/* Each goroutine that is not dead, with how many it stands for; bytes of its stack from sp on (NULL: it runs, or changed all the time). */
	void (*found)(void *ctx, const struct goroutine *g, uint32_t count, const uint8_t *stack, size_t len);
	void *ctx;
};

struct goroutine_stats {
	uint64_t n_listed, n_found; /* in the list, dead ones too; handed over, scaled */
	uint64_t n_system;          /* the runtime's own, left out */
	uint64_t n_torn;            /* changed while they were read: without a stack */
	uint64_t n_damaged;         /* not sound: left out */
	uint64_t n_cut;             /* of the list: not looked at, it took too long */
	uint32_t stride;            /* every n-th was read */
};

/* Pure: the first bytes of a runtime.g that lies at `address`. -EBADMSG: not a sound one; -ENOENT: not in use (idle or dead). */
int goroutine__parse(const struct go_layout *l, uint64_t address, const void *bytes, size_t len,
		     struct goroutine *ret);
const char *goroutine_state__name(uint32_t state);
int goroutines__read(const struct go_process *g, const struct goroutine_read *r,
		     struct goroutine_stats *ret_stats);
/* How many there are, the runtime's own left out, as its NumGoroutine says; of more than exact_max an estimate from that many. */
int goroutines__count(const struct go_process *g, uint32_t exact_max, uint64_t *ret_n);

#endif
