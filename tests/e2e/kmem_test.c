/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that the kernel takes for itself, for a program that makes it do so a known number of times. */
#include <math.h>
#include <sys/stat.h>

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

/* Of cpusets, where one can be made; false: nowhere. As soon as there is one all pages are asked for as user memory is. */
static bool make_cpuset(char path[128])
{
	static const char *const roots[] = {"/sys/fs/cgroup/cpuset", "/sys/fs/cgroup"};

	for (size_t i = 0; i < sizeof(roots) / sizeof(*roots); i++) {
		char enable[160];
		FILE *f;

		snprintf(enable, sizeof(enable), "%s/cgroup.subtree_control", roots[i]);
		f = fopen(enable, "r+");
		if (f && (fputs("+cpuset", f) < 0 || fclose(f)))
			continue;
		snprintf(path, 128, "%s/everprof-kmem-%d", roots[i], (int)getpid());
		snprintf(enable, sizeof(enable), "%s/cpuset.cpus", path);
		if (!mkdir(path, 0755) && !access(enable, F_OK))
			return true;
		rmdir(path);
	}
	return false;
}

static double of_kind(const struct profile *p, const char *kind)
{
	double bytes = 0;

	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		const struct sample *s = profile__get_sample(p, i);
		const struct label *l = profile__find_label(p, s->labels, "memory");

		if (l && !strcmp(profile__str(p, l->str), kind))
			bytes += (double)s->values[1];
	}
	return bytes;
}

static void record_tables(struct recording *r)
{
	char program[4096];

	run__path_workload("touch", program);
	recording__record(r, 0, ARGS("-e", "kmem", "--", program, "tables", "256"));
}

/* Each table comes with a page of user memory. */
static void assert_tables(const struct recording *r)
{
	const char *truth = strstr(run__out(&r->everprof), "truth ");
	double bytes, error, got;

	assert_true(truth && sscanf(truth, "truth %lf", &bytes) == 1);
	error = 1.5 * sqrt(fmax((double)profile__meta(r->profile)->period, 1048576.0) / bytes);
	assert_near("tables", sum(r->profile, "**;pte_alloc_one*;**").bytes, bytes, error);
	got = of_kind(r->profile, "pages");
	print_message("all pages %11.0f\n", got);
	assert_true(got < 1.5 * bytes);
}

static void page_tables_are_the_kernels_and_user_memory_is_not(void **state)
{
	record_tables(*state);
	assert_tables(*state);
}

static void a_group_of_cpusets_changes_nothing(void **state)
{
	char group[128];

	if (!make_cpuset(group))
		skip();
	record_tables(*state);
	rmdir(group);
	assert_tables(*state);
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
		e2e_test(page_tables_are_the_kernels_and_user_memory_is_not),
		e2e_test(a_group_of_cpusets_changes_nothing),
		e2e_test(kinds_and_names_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
