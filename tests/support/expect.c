/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: "the profile has a function called top1" is true of many wrong profiles. The tests want to say: half of this process's time, give
 * or take what sampling allows, is in stacks that are exactly this, from the leaf to the root.
 *
 * Idea: a pattern over whole stacks, and the binomial law: n samples, each of which is in a stack of true share p with probability p, give a share with
 * standard error sqrt(p (1 - p) / n). The workloads' rounds are longer than the clock's period, which makes the measured shares better than that, so that
 * three standard errors are not left by chance even over thousands of runs.
 *
 * Totals: a clock of period T over a window W on one CPU ticks W / T times, and a process that has the CPU for the share f of it is seen W / T f times with
 * standard error sqrt(W / T f (1 - f)): none when it never leaves the CPU.
 *
 * What it does not do: prove that two shares differ. It only refuses those that are far off.
 */
#include "tests/support/expect.h"

#include <fnmatch.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/profile/profile.h"

#define PRINT_STACKS 12
#define PRINT_FRAMES 24

/* One sample with its frames as names. Names are borrowed from the profile. */
struct row {
	const struct sample *sample;
	const char *frames[2 * PROFILE_DEPTH_MAX];
	uint32_t n;
};

static bool match_frame(const char *pattern, size_t len, const char *frame)
{
	char glob[1024];

	if (len >= sizeof(glob))
		return false;
	memcpy(glob, pattern, len);
	glob[len] = '\0';
	return !fnmatch(glob, frame, FNM_EXTMATCH);
}

bool expect__match(const char *pattern, const char *const *frames, uint32_t n)
{
	while (*pattern) {
		size_t len = strcspn(pattern, ";");
		const char *rest = pattern[len] ? pattern + len + 1 : pattern + len;

		if (len == 2 && !strncmp(pattern, "**", 2)) {
			for (uint32_t i = 0; i <= n; i++)
				if (expect__match(rest, frames + i, n - i))
					return true;
			return false;
		}
		if (!n || !match_frame(pattern, len, frames[0]))
			return false;
		frames++;
		n--;
		pattern = rest;
	}
	return !n;
}

static bool is_kernel(const struct profile *p, const struct location *l)
{
	return l->mapping &&
	       !strncmp(profile__str(p, profile__get_mapping(p, l->mapping)->filename), "[kernel", 7);
}

static void row__fill(struct row *row, const struct profile *p, const struct sample *s, bool kernel)
{
	static uint32_t locations[PROFILE_DEPTH_MAX];
	uint32_t depth = profile__get_stack(p, s->stack, locations, PROFILE_DEPTH_MAX);

	row->sample = s;
	row->n = 0;
	for (uint32_t i = 0; i < depth && i < PROFILE_DEPTH_MAX; i++) {
		const struct location *l = profile__get_location(p, locations[i]);
		const struct line *lines = profile__lines(p, l);

		if (!kernel && is_kernel(p, l))
			continue;
		for (uint32_t j = 0; j < l->n_lines && row->n < 2 * PROFILE_DEPTH_MAX; j++)
			row->frames[row->n++] =
				profile__str(p, profile__get_function(p, lines[j].function)->name);
		if (!l->n_lines && row->n < 2 * PROFILE_DEPTH_MAX)
			row->frames[row->n++] = "(no function)";
	}
}

static bool label_is(const struct profile *p, const struct sample *s, const char *key, const char *glob)
{
	const struct label *l = profile__find_label(p, s->labels, key);

	return !glob || (l && l->str && !fnmatch(glob, profile__str(p, l->str), FNM_EXTMATCH));
}

static bool label_is_number(const struct profile *p, const struct sample *s, const char *key,
			    long long number)
{
	const struct label *l = profile__find_label(p, s->labels, key);

	return !number || (l && !l->str && l->num == number);
}

/* Fills the row's frames and says whether the filter wants it. */
static bool row__wanted(struct row *row, const struct profile *p, uint32_t i, const struct expect_filter *f)
{
	const struct sample *s = profile__get_sample(p, i);

	if (f && (!label_is_number(p, s, "pid", f->pid) || !label_is_number(p, s, "tid", f->tid) ||
		  !label_is(p, s, "comm", f->comm) || !label_is(p, s, "process", f->process)))
		return false;
	row__fill(row, p, s, f && f->kernel);
	return !f || !f->stack || expect__match(f->stack, row->frames, row->n);
}

void expect__sum(const struct profile *p, const struct expect_filter *f, struct expect_sum *ret_sum)
{
	uint32_t last = profile__n_types(p) - 1;
	struct expect_sum sum = {};
	static struct row row;

	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		if (!row__wanted(&row, p, i, f))
			continue;
		sum.samples += (uint64_t)row.sample->values[0];
		sum.ns += (uint64_t)row.sample->values[last];
		sum.rows++;
	}
	*ret_sum = sum;
}

double expect__share(const struct expect_sum *part, const struct expect_sum *whole)
{
	return whole->ns ? (double)part->ns / (double)whole->ns : 0;
}

double expect__tolerance(double share, uint64_t n)
{
	double three = n ? 3 * sqrt(share * (1 - share) / (double)n) : 1;

	return three > EXPECT_SHARE ? three : EXPECT_SHARE;
}

const char *expect__comment(const struct profile *p, const char *prefix)
{
	for (uint32_t i = 0; i < profile__n_comments(p); i++) {
		const char *comment = profile__get_comment(p, i);

		if (!strncmp(comment, prefix, strlen(prefix)))
			return comment + strlen(prefix);
	}
	return NULL;
}

struct weight {
	uint32_t i;
	int64_t ns;
};

static int weight__cmp(const void *a, const void *b)
{
	const struct weight *x = a, *y = b;

	return (x->ns < y->ns) - (x->ns > y->ns);
}

static void row__print(const struct row *row, const struct profile *p)
{
	const struct label *pid = profile__find_label(p, row->sample->labels, "pid");
	const struct label *comm = profile__find_label(p, row->sample->labels, "comm");
	uint32_t tail = row->n > PRINT_FRAMES ? row->n - 4 : row->n;

	print_error("  %8lld %10.1f ms  pid %lld %s: ", (long long)row->sample->values[0],
		    (double)row->sample->values[profile__n_types(p) - 1] / 1e6,
		    pid ? (long long)pid->num : -1, comm ? profile__str(p, comm->str) : "?");
	for (uint32_t i = 0; i < row->n; i++) {
		if (i == PRINT_FRAMES - 4 && tail > i) {
			print_error("… %u more …;", tail - i);
			i = tail;
		}
		print_error("%s%s", row->frames[i], i + 1 < row->n ? ";" : "");
	}
	print_error("\n");
}

void expect__print(const struct profile *p, const struct expect_filter *f)
{
	uint32_t n_samples = profile__n_samples(p), n = 0;
	struct weight *weights = calloc(n_samples ? n_samples : 1, sizeof(*weights));
	static struct row row;

	if (!weights)
		return;
	for (uint32_t i = 0; i < n_samples; i++)
		if (row__wanted(&row, p, i, f))
			weights[n++] = (struct weight){i, row.sample->values[profile__n_types(p) - 1]};
	qsort(weights, n, sizeof(*weights), weight__cmp);
	print_error("the profile has %u rows, %u of them asked for; the heaviest (samples, time, stack from "
		    "the leaf):\n",
		    n_samples, n);
	for (uint32_t i = 0; i < n && i < PRINT_STACKS; i++) {
		row__fill(&row, p, profile__get_sample(p, weights[i].i), true);
		row__print(&row, p);
	}
	for (uint32_t i = 0; i < profile__n_comments(p); i++)
		print_error("  # %s\n", profile__get_comment(p, i));
	free(weights);
}

static struct expect_filter with_stack(const struct expect_filter *whole, const char *pattern)
{
	struct expect_filter part = whole ? *whole : (struct expect_filter){};

	part.stack = pattern;
	return part;
}

/* The whole, and the part of it with the pattern; an empty whole fails. */
static double measure(const struct profile *p, const struct expect_filter *whole, const char *pattern,
		      struct expect_sum *ret_whole, const char *file, int line)
{
	struct expect_filter part = with_stack(whole, pattern);
	struct expect_sum sum;

	expect__sum(p, whole, ret_whole);
	if (!ret_whole->ns) {
		print_error("nothing of what was asked for is in the profile\n");
		expect__print(p, NULL);
		_fail(file, line);
	}
	expect__sum(p, &part, &sum);
	return expect__share(&sum, ret_whole);
}

void expect_share_(const struct profile *p, const struct expect_filter *whole, const char *pattern,
		   double share, const char *file, int line)
{
	struct expect_sum sum;
	double got = measure(p, whole, pattern, &sum, file, line),
	       tolerance = expect__tolerance(share, sum.samples);

	if (fabs(got - share) <= tolerance)
		return;
	print_error("'%s' has %.2f %% of %llu samples, expected %.2f %% +- %.2f\n", pattern, 100 * got,
		    (unsigned long long)sum.samples, 100 * share, 100 * tolerance);
	expect__print(p, whole);
	_fail(file, line);
}

void expect_at_least_(const struct profile *p, const struct expect_filter *whole, const char *pattern,
		      double share, const char *file, int line)
{
	struct expect_sum sum;
	double got = measure(p, whole, pattern, &sum, file, line);

	if (got >= share)
		return;
	print_error("'%s' has %.2f %% of %llu samples, expected at least %.2f %%\n", pattern, 100 * got,
		    (unsigned long long)sum.samples, 100 * share);
	expect__print(p, whole);
	_fail(file, line);
}

void expect_complete_(const struct profile *p, const struct expect_filter *whole, double share,
		      const char *file, int line)
{
	struct expect_sum sum;
	double cut = measure(p, whole, "**;\\[truncated: *", &sum, file, line);

	if (1 - cut >= share)
		return;
	print_error("%.2f %% of %llu samples are complete, expected at least %.2f %%\n", 100 * (1 - cut),
		    (unsigned long long)sum.samples, 100 * share);
	expect__print(p, whole);
	_fail(file, line);
}

void expect_total_(const struct profile *p, const struct expect_filter *whole, uint64_t ns,
		   uint64_t window_ns, double hz, const char *file, int line)
{
	double period_ns = 1e9 / hz, ticks = (double)window_ns / period_ns,
	       busy = fmin((double)ns / (double)window_ns, 1);
	double tolerance = 3 * sqrt(ticks * busy * (1 - busy)) * period_ns + 2 * period_ns;
	struct expect_sum sum;

	if (tolerance < 0.02 * (double)ns)
		tolerance = 0.02 * (double)ns;
	expect__sum(p, whole, &sum);
	if (fabs((double)sum.ns - (double)ns) <= tolerance)
		return;
	print_error("the profile has %.1f ms by %llu samples where the kernel accounts %.1f ms, expected "
		    "within %.1f ms (%.2f %%)\n",
		    (double)sum.ns / 1e6, (unsigned long long)sum.samples, (double)ns / 1e6, tolerance / 1e6,
		    100 * tolerance / (double)ns);
	expect__print(p, whole);
	_fail(file, line);
}
