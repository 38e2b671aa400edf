/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that the kernel takes for itself, for a program that makes it do so a known number of times. */
#include <math.h>

#include "tests/e2e/e2e.h"

#define THOUSANDS "200"

struct amount {
	double objects, bytes;
};

/* Of the rows with that stack, kernel frames included, that have the label. */
static struct amount sum(const struct profile *p, const char *stack)
{
	struct expect_sum s;

	expect__sum(p, &(struct expect_filter){.stack = stack, .kernel = true}, &s);
	return (struct amount){(double)s.samples, (double)s.ns};
}

static void assert_near_(const char *what, double got, double want, double error, int line)
{
	print_message("%-8s %12.0f, truth %12.0f, standard error %.1f %%\n", what, got, want, 100 * error);
	if (fabs(got - want) > 3 * error * want || error > 0.2)
		fail_msg("line %d: %s: %.0f, truth %.0f, standard error %.1f %%", line, what, got, want,
			 100 * error);
}
#define assert_near(what, got, want, error) assert_near_(what, got, want, error, __LINE__)

/* Each path is kept in 4096 bytes of a cache of its own. The period is the interval at the end, which is never below a quarter of the one at the start. */
static void objects_of_a_cache_are_counted(void **state)
{
	struct recording *r = *state;
	struct amount names, all;
	double bytes, n, error, called;
	char program[4096];
	const char *truth;

	run__path_workload("touch", program);
	recording__record(r, 0, ARGS("-e", "kmem", "--", program, "names", THOUSANDS));
	truth = strstr(run__out(&r->everprof), "truth ");
	assert_true(truth && sscanf(truth, "truth %lf %lf", &bytes, &n) == 2);
	/* by their kernel part: until the collector gets a CPU to learn of the program, that is all there is of a stack */
	names = sum(r->profile, "**;getname_flags*;**");
	all = sum(r->profile, "**");
	error = 1.5 * sqrt(fmax((double)profile__meta(r->profile)->period, 1048576.0) / bytes);
	assert_near("bytes", names.bytes, bytes, error);
	assert_near("objects", names.objects, n, error);
	/* looking for a path takes nothing else that would be as much */
	assert_true(all.bytes < 1.5 * bytes);
	expect_complete(r->profile, &(struct expect_filter){.comm = "touch"}, 0.5);
	called = sum(r->profile, "**;getname_flags*;**;touch_names;**").bytes +
		 sum(r->profile, "**;getname_flags*;**;?truncated*").bytes;
	assert_true(called > 0.97 * names.bytes);
}

static void kinds_and_names_are_told(void **state)
{
	struct recording *r = *state;
	bool has_kmalloc = false, has_cache = false;

	recording__record(r, 0,
			  ARGS("-e", "kmem", "--", "/bin/sh", "-c",
			       "for i in 1 2 3 4 5 6 7 8; do ls -lR /usr/share/doc >/dev/null; done"));
	for (uint32_t i = 0; i < profile__n_samples(r->profile); i++) {
		const struct sample *s = profile__get_sample(r->profile, i);
		const struct label *l = profile__find_label(r->profile, s->labels, "memory");

		assert_non_null(l);
		has_kmalloc |= !strcmp(profile__str(r->profile, l->str), "kmalloc");
		has_cache |= !strcmp(profile__str(r->profile, l->str), "cache");
	}
	assert_true(has_kmalloc && has_cache);
	/* what a tracepoint leaves on a stack is taken off, and slabs are not counted twice */
	assert_true(sum(r->profile, "bpf_*;**").bytes == 0);
	assert_true(sum(r->profile, "**;@(allocate_slab|new_slab);**").bytes == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(objects_of_a_cache_are_counted),
		e2e_test(kinds_and_names_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
