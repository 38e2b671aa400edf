/* SPDX-License-Identifier: Apache-2.0 */
/*
 * expect - holds a profile against the truth.
 *
 * A stack pattern is written leaf first, frames separated by ';', each a glob of fnmatch(3) with @(a|b) understood; the frame "**" stands for any number of
 * frames, none included. Inlined functions are frames. Shares are of CPU time (the last sample type). A share is right within EXPECT_SHARE or
 * three standard errors of so many samples, whichever is more.
 *
 * Owns: nothing but the profile it loads. Thread: one. Limit: PROFILE_DEPTH_MAX frames. Errors: the expect_* fail the running cmocka test, after printing
 * what the profile holds.
 */
#ifndef EVERPROF_TESTS_SUPPORT_EXPECT_H
#define EVERPROF_TESTS_SUPPORT_EXPECT_H

#include <stdbool.h>
#include <stdint.h>

#define EXPECT_SHARE 0.02

struct err;
struct profile;

/* What must be true of a sample to be looked at; zero and NULL do not ask. */
struct expect_filter {
	long long pid, tid;
	const char *comm;    /* the thread's name, glob */
	const char *process; /* the process's name, glob */
	const char *stack;   /* pattern */
	/* The pattern is over kernel frames too. Else they are left out of the stack: an interrupt on top of a function is still that function's time. */
	bool kernel;
};

struct expect_sum {
	uint64_t samples; /* sum of the first sample type: how often the clock ticked */
	uint64_t ns;
	uint64_t rows;
};

/* Reads .pb.gz as any user of the file would; fails the test with the reason where it cannot. */
struct profile *expect_profile(const char *path);
/* The same, for files that may be bad: 0, or the reason. */
int expect__read_profile(const char *path, struct profile **ret_profile, struct err *err);

/* -- asking -- */
bool expect__match(const char *pattern, const char *const *frames, uint32_t n);
void expect__sum(const struct profile *p, const struct expect_filter *f, struct expect_sum *ret_sum);
/* Share of `part` in `whole`, by nanoseconds. */
double expect__share(const struct expect_sum *part, const struct expect_sum *whole);
/* How far a share measured by n samples may be from `share`. */
double expect__tolerance(double share, uint64_t n);
/* The rest of the first comment that starts with `prefix`, or NULL. */
const char *expect__comment(const struct profile *p, const char *prefix);
/* The heaviest stacks, for a person. */
void expect__print(const struct profile *p, const struct expect_filter *f);

/* -- asserting: of the samples of `whole`, those with the pattern make up … -- */
#define expect_share(p, whole, pattern, share) expect_share_(p, whole, pattern, share, __FILE__, __LINE__)
/* … at least `share`, no tolerance: for what holds of every sample but a few */
#define expect_at_least(p, whole, pattern, share) \
	expect_at_least_(p, whole, pattern, share, __FILE__, __LINE__)
/* At least `share` of the samples' stacks reach an end mark: no frame "[truncated: …]". */
#define expect_complete(p, whole, share) expect_complete_(p, whole, share, __FILE__, __LINE__)
/* The CPU time of `whole` is `ns` within 2 % or three standard errors of a clock of `hz` that watched `window_ns` on one CPU, and a tick at either end. */
#define expect_total(p, whole, ns, window_ns, hz) \
	expect_total_(p, whole, ns, window_ns, hz, __FILE__, __LINE__)

void expect_share_(const struct profile *p, const struct expect_filter *whole, const char *pattern,
		   double share, const char *file, int line);
void expect_at_least_(const struct profile *p, const struct expect_filter *whole, const char *pattern,
		      double share, const char *file, int line);
void expect_complete_(const struct profile *p, const struct expect_filter *whole, double share,
		      const char *file, int line);
void expect_total_(const struct profile *p, const struct expect_filter *whole, uint64_t ns,
		   uint64_t window_ns, double hz, const char *file, int line);

#endif
