/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wall - the identity of each thread's time: on a CPU, plus waiting, is what the clock on the wall says.
 *
 * Three profiles of the same windows meet: `cpu` and `offcpu` are samples, `wall` is what the kernel itself accounts of each thread (on_cpu, runnable,
 * blocked, wall). What was stolen of its CPU while it ran is told apart there, and is in no sample: ticks stand for what the kernel charges to tasks. The residual is what the samples say more (or, negative, less) than the account. A row holds where each of its three parts, on the CPU, waiting
 * for one, and waiting for something else, is off by at most WALL_TOLERANCE of the row's wall time or three standard errors of what was sampled.
 *
 *   by  thread, process         by their ids; named by comm or process
 *       any other label         comm cgroup unit container …
 *
 * Owns: its rows and texts. Thread: one owner; profiles are only read. Limit: one row a distinct key. Errors: -EINVAL a profile is not sealed or not what it
 * should be, -ENOENT a label that samples do not have, -ENOMEM; the err tells which.
 */
#ifndef EVERPROF_QUERY_WALL_H
#define EVERPROF_QUERY_WALL_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/wait.h"

struct buf;
struct err;
struct intern;
struct profile;

#define WALL_TOLERANCE 0.02
/* Of all wall time: rows that do not hold may have less than this, for three standard errors are passed by chance now and then. */
#define WALL_UNHELD_MAX 0.01

/* What the kernel accounts. */
enum wall_part { WALL_ON_CPU, WALL_FOR_CPU, WALL_WAITING, WALL_PART_N };

struct wall_row {
	uint32_t name;                /* in names */
	uint64_t id;                  /* of a thread or process, else 0 */
	int64_t exact[WALL_PART_N];   /* ns, as accounted */
	int64_t stolen, wall;         /* the same; stolen: while it ran, by a hypervisor or interrupts */
	int64_t cpu;                  /* ns, as sampled */
	int64_t states[WAIT_MAX];     /* the same, of waits */
	double variance[WALL_PART_N]; /* of what was sampled, ns^2 */
	bool is_accounted;            /* it is in the account */
};

struct wall {
	struct intern *names;
	struct wall_row *rows; /* sorted by wall time, then by name */
	uint32_t n;
	struct wall_row all;
	int64_t duration_ns;
	const char *by; /* borrowed */
};

enum wall_kind { WALL_CPU, WALL_OFFCPU, WALL_ACCOUNT, WALL_KIND_N };

/* Which of the three a profile is, by its sample types; -EINVAL for others. */
int wall__kind_of(const struct profile *p, enum wall_kind *ret_kind);
/* by: "thread", "process" or a label. */
int wall__new(const struct profile *const profiles[WALL_KIND_N], const char *by, struct wall **ret_wall,
	      struct err *err);
void wall__free(struct wall *w);
/* What was sampled of that part. */
int64_t wall_row__sampled(const struct wall_row *r, enum wall_part part);
/* Sampled less accounted, all parts. */
int64_t wall_row__residual(const struct wall_row *r);
bool wall_row__holds(const struct wall_row *r);
/* Does the whole hold, and nearly all of its rows? */
bool wall__holds(const struct wall *w);

struct wall_print_opts {
	uint32_t n_rows; /* 0: all */
	bool colour;
};
/* waits: the profile of offcpu, whose comments say how waits were sampled and scaled. */
void wall__print(const struct wall *w, const struct profile *waits, const struct wall_print_opts *opts,
		 struct buf *to);

#endif
