/* SPDX-License-Identifier: Apache-2.0 */
/*
 * waits - waits of programs with known answers (tests/workloads/waits.c), held against what such a program says of itself.
 *
 * A program says at its end how long its threads were off the CPU, and the kernel how much of that was for want of one; what is left it waited for something.
 *
 * Owns: nothing. Thread: one. Limit: none. Errors: the running cmocka test fails, after what the profile holds was printed.
 */
#ifndef EVERPROF_TESTS_SUPPORT_WAITS_H
#define EVERPROF_TESTS_SUPPORT_WAITS_H

#include <stdbool.h>

struct profile;
struct recording;
struct sample;

#define SECONDS         "4"
#define WAITS_TOLERANCE 0.03
#define MS              1000000.0

/* What a program said of a thread, or of all of one name. */
struct bill {
	double waited_ns, delay_ns;
	long long n;
};

/* What of the samples is looked at; NULL asks nothing, "" wants none of such a label. */
struct part {
	const char *comm, *state, *syscall, *wait, *idle;
	bool for_cpu, for_other; /* any of those states */
	const char *lock, *holder, *waker;
	long long pid;  /* 0: any */
	bool has_ended; /* not what a pass told of a wait that went on */
};

struct amount {
	double ns, variance;
	long long n, rows; /* waits that have ended */
};

struct bill waits__truth(struct recording *r, const char *comm);
struct amount waits__sum(const struct profile *p, const struct part *part);
/* The value of a label, "" without one. */
const char *waits__label(const struct profile *p, const struct sample *s, const char *key);
void waits__print(const struct profile *p);

/* Records `waits WAY SECONDS PATH`, its waits alone. */
void waits__record(struct recording *r, const char *way, const char *seconds, const char *path);
/* The same, and its thread waited as it says: in both kinds of waiting, and for what. */
void waits__expect_way(struct recording *r, const char *way, const char *path, const char *comm,
		       const char *state, const char *syscall, const char *wait, const char *idle);

/* Within 3 %, three standard errors, or what the beginning and the end of the recording make uncertain. */
#define assert_amount_slack(p, part, want_ns, slack_ns) \
	waits__expect_amount(p, part, want_ns, slack_ns, __LINE__)
void waits__expect_amount(const struct profile *p, const struct part *part, double want_ns, double slack_ns,
			  int line);
/* All that a thread waited for other things than a CPU, by what its program says of it: in which is, too, what a hypervisor took while it ran (as told, never more than of the host). */
#define assert_other(r, part, truth) waits__expect_other(r, part, truth, __LINE__)
void waits__expect_other(struct recording *r, const struct part *part, struct bill truth, int line);
/* At least that share of what the thread waited for other things than a CPU is of that kind. */
void waits__expect_kind(const struct profile *p, const char *comm, const char *state, const char *syscall,
			const char *wait, const char *idle, double share);

#endif
