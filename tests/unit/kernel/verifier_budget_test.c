// SPDX-License-Identifier: Apache-2.0
/*
 * What the verifier has to walk for each of our programs, against tests/budget/verifier.
 *
 * Problem. The verifier gives up at a million instructions, and what it walks grows by leaps: one more branch in a loop may double it. A program
 * that came near the limit on one kernel is refused by the next one.
 * Idea. The table has the count of each program on one kernel release and a budget of a quarter more. Over budget, not listed, or listed and gone
 * is a failure; on another release the counts are others and only the limit holds.
 * After a change that is worth its price: `make verifier-budget` (this program with --refresh) writes the table anew, and the difference is
 * part of the change.
 * What it does not do: tell what another compiler than that of the table would cost; the quarter has to be enough for that.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/kernel/loader.h"

#include "tests/unit/kernel/bpf_here.h"

#define TABLE_PATH      "tests/budget/verifier"
#define TABLE_BYTES_MAX 65536
#define PROGRAMS_MAX    64
#define VERIFIER_LIMIT  1000000 /* BPF_COMPLEXITY_LIMIT_INSNS */
/* Release to compare with: major and minor number. */
#define RELEASE_MAX 32

struct budget {
	char name[64];
	unsigned verified, most;
};

struct budgets {
	char release[RELEASE_MAX];
	struct budget programs[PROGRAMS_MAX];
	size_t n;
};

static unsigned budget_of(unsigned verified)
{
	return verified + verified / 4;
}

/* "6.18.44-generic": "6.18" */
static void release__short(const char *full, char *out)
{
	unsigned major = 0, minor = 0;

	assert_int_equal(sscanf(full, "%u.%u", &major, &minor), 2);
	snprintf(out, RELEASE_MAX, "%u.%u", major, minor);
}

/* A line that cannot be read fails the test: a table that is read in part would let things through. */
static void budgets__parse(struct budgets *t, char *text)
{
	char *rest = NULL;

	memset(t, 0, sizeof(*t));
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		struct budget *b = &t->programs[t->n];
		char more;

		if (*line == '#')
			continue;
		if (sscanf(line, "kernel %31s", t->release) == 1)
			continue;
		assert_true(t->n < PROGRAMS_MAX);
		if (sscanf(line, "%63s %u %u %c", b->name, &b->verified, &b->most, &more) != 3)
			fail_msg("%s: not a line of program, instructions, budget: %s", TABLE_PATH, line);
		t->n++;
	}
	if (!*t->release)
		fail_msg("%s: no line with the kernel", TABLE_PATH);
}

static const struct budget *budgets__find(const struct budgets *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->programs[i].name, name))
			return &t->programs[i];
	return NULL;
}

static bool is_loaded(const struct program_stats *stats, uint32_t n, const char *name)
{
	for (uint32_t i = 0; i < n; i++)
		if (!strcmp(stats[i].name, name))
			return true;
	return false;
}

/* Says everything that is wrong, and returns how much it was. */
static unsigned compare(const struct budgets *t, const char *release, const struct program_stats *stats,
			uint32_t n)
{
	bool same = !strcmp(t->release, release);
	unsigned wrong = 0;

	if (!same)
		print_message("kernel %s, the table is of %s: only the limit of %d is compared\n", release,
			      t->release, VERIFIER_LIMIT);
	for (uint32_t i = 0; i < n; i++) {
		const struct budget *b = budgets__find(t, stats[i].name);
		unsigned most = same && b ? b->most : VERIFIER_LIMIT;

		if (same && !b) {
			print_error("%s is not listed in " TABLE_PATH "\n", stats[i].name);
			wrong++;
		} else if (stats[i].verified_insns > most) {
			print_error("%s: %" PRIu32 " instructions verified, at most %u\n", stats[i].name,
				    stats[i].verified_insns, most);
			wrong++;
		}
	}
	for (size_t i = 0; same && i < t->n; i++)
		if (!is_loaded(stats, n, t->programs[i].name)) {
			print_error("%s is listed in " TABLE_PATH ", but not loaded\n", t->programs[i].name);
			wrong++;
		}
	return wrong;
}

static void read_table(struct budgets *t)
{
	struct buf b;

	buf__init(&b, TABLE_BYTES_MAX);
	assert_int_equal(io__read_at(AT_FDCWD, TABLE_PATH, TABLE_BYTES_MAX, &b), 0);
	budgets__parse(t, (char *)buf__str(&b));
	buf__done(&b);
}

/* All programs, of a machine that is the same everywhere: sizes of maps are constants to the verifier. */
static struct loader *load(void)
{
	const struct loader_opts opts = {.period_ns = NS_PER_SEC / 99,
					 .slice_ns = NS_PER_SEC,
					 .n_cpus = 4,
					 .events = ~0u,
					 .kernel_stacks = true};
	struct loader *l = NULL;
	struct err err = {};
	int ret = loader__open(&opts, &l, &err);

	if (ret)
		fail_msg("%s", err__text(&err, ret));
	return l;
}

static void skip_without_bpf(void)
{
	close(bpf_here__map(BPF_MAP_TYPE_ARRAY, 4, 4, 1, NULL));
	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		print_message("no type information of the kernel here\n");
		skip();
	}
}

static void no_program_costs_the_verifier_more_than_its_budget(void **state)
{
	struct program_stats stats[PROGRAMS_MAX];
	char release[RELEASE_MAX];
	struct budgets table;
	struct loader *l;
	struct utsname u;
	unsigned wrong;
	uint32_t n;

	(void)state;
	skip_without_bpf();
	read_table(&table);
	assert_int_equal(uname(&u), 0);
	release__short(u.release, release);
	l = load();
	n = loader__program_stats(l, stats, PROGRAMS_MAX);
	assert_in_range(n, 1, PROGRAMS_MAX);
	for (uint32_t i = 0; i < n; i++)
		assert_int_not_equal(stats[i].verified_insns, 0);
	wrong = compare(&table, release, stats, n);
	loader__close(l);
	assert_int_equal(wrong, 0);
}

/* A budget is not raised by hand: who needs more refreshes the table, and the count shows. */
static void the_table_grants_a_quarter_more_and_stays_below_the_limit(void **state)
{
	struct budgets table;

	(void)state;
	read_table(&table);
	assert_true(table.n > 0);
	for (size_t i = 0; i < table.n; i++) {
		assert_ptr_equal(budgets__find(&table, table.programs[i].name), &table.programs[i]);
		assert_int_equal(table.programs[i].most, budget_of(table.programs[i].verified));
		assert_in_range(table.programs[i].most, 1, VERIFIER_LIMIT);
	}
}

static void each_kind_of_difference_is_found(void **state)
{
	char text[] = "# head\nkernel 6.18\na 100 125\nb 200 250\n";
	struct program_stats good[] = {{.name = "a", .verified_insns = 125},
				       {.name = "b", .verified_insns = 1}};
	struct program_stats over[] = {{.name = "a", .verified_insns = 126},
				       {.name = "b", .verified_insns = 1}};
	struct program_stats more[] = {{.name = "a", .verified_insns = 1},
				       {.name = "b", .verified_insns = 1},
				       {.name = "c", .verified_insns = 1}};
	struct program_stats past[] = {{.name = "c", .verified_insns = VERIFIER_LIMIT + 1}};
	struct budgets t;

	(void)state;
	budgets__parse(&t, text);
	assert_int_equal(t.n, 2);
	assert_int_equal(compare(&t, "6.18", good, 2), 0);
	assert_int_equal(compare(&t, "6.18", over, 2), 1);
	assert_int_equal(compare(&t, "6.18", more, 3), 1);
	assert_int_equal(compare(&t, "6.18", good, 1), 1);
	assert_int_equal(compare(&t, "6.1", over, 2), 0);
	assert_int_equal(compare(&t, "6.1", more, 3), 0);
	assert_int_equal(compare(&t, "6.1", good, 1), 0);
	assert_int_equal(compare(&t, "6.1", past, 1), 1);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct program_stats *)a)->name, ((const struct program_stats *)b)->name);
}

static void refresh(void **state)
{
	struct program_stats stats[PROGRAMS_MAX];
	char release[RELEASE_MAX];
	struct utsname u;
	struct loader *l;
	uint32_t n;
	FILE *f;

	(void)state;
	assert_int_equal(uname(&u), 0);
	release__short(u.release, release);
	l = load();
	n = loader__program_stats(l, stats, PROGRAMS_MAX);
	assert_in_range(n, 1, PROGRAMS_MAX);
	qsort(stats, n, sizeof(*stats), by_name);
	f = fopen(TABLE_PATH, "w");
	assert_non_null(f);
	fprintf(f,
		"# Instructions that the verifier walks for each BPF program on this kernel, and the most "
		"they may become: a quarter more.\n"
		"# Compared by tests/unit/kernel/verifier_budget_test.c; `sudo make verifier-budget` writes "
		"this file anew.\n"
		"# program, instructions verified, budget\n"
		"kernel %s\n",
		release);
	for (uint32_t i = 0; i < n; i++)
		fprintf(f, "%s %" PRIu32 " %u\n", stats[i].name, stats[i].verified_insns,
			budget_of(stats[i].verified_insns));
	assert_int_equal(fclose(f), 0);
	loader__close(l);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_program_costs_the_verifier_more_than_its_budget),
		cmocka_unit_test(the_table_grants_a_quarter_more_and_stays_below_the_limit),
		cmocka_unit_test(each_kind_of_difference_is_found),
	};
	const struct CMUnitTest refreshing[] = {cmocka_unit_test(refresh)};

	if (argc > 1 && !strcmp(argv[1], "--refresh"))
		return cmocka_run_group_tests(refreshing, NULL, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
