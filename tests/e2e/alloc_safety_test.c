// SPDX-License-Identifier: Apache-2.0
/* Programs that probes could harm, probed while they are at their most touchy: each ends as it does without. That they were probed shows in the profile. */
#include <sys/stat.h>

#include "tests/e2e/e2e.h"

#define SECONDS "6"
/* On a machine that others keep busy all windows may open while the program waits for a CPU. */
#define TRIES 4

/* Exit status 0: every block was right. Until it was probed. */
static void record_command(struct recording *r, const char *const *args, const char *process)
{
	struct expect_filter f = {.process = process, .stack = "**;take_blocks;**"};
	struct expect_sum s;

	for (int i = 0; i < TRIES; i++) {
		recording__record(r, 0, args);
		expect__sum(r->profile, &f, &s);
		if (s.samples)
			return;
	}
	fail_msg("'%s' was not probed: %s", process, expect__comment(r->profile, "allocations in "));
}

static void record_way(void **state, const char *way)
{
	char path[4096];

	run__path_workload("touchy", path);
	record_command(*state, ARGS("-e", "alloc", "--", path, way, SECONDS),
		       strcmp(way, "exec") ? "touchy" : "exe");
}

static void a_strict_process_under_seccomp_is_unharmed(void **state)
{
	record_way(state, "strict");
}

static void a_process_under_a_filter_that_kills_is_unharmed(void **state)
{
	record_way(state, "filtered");
}

static void a_program_of_root_that_somebody_runs_is_unharmed(void **state)
{
	struct recording *r = *state;
	char path[4096];
	const char *copy = recording__file(r, "touchy_root");

	run__path_workload("touchy", path);
	recording__copy(path, copy);
	assert_int_equal(chmod(r->dir, 0711), 0);
	assert_int_equal(chmod(copy, 04755), 0);
	record_command(r,
		       ARGS("-e", "alloc", "--", "setpriv", "--reuid", "65534", "--clear-groups", copy,
			    "setuid", SECONDS),
		       "touchy_root");
}

static void programs_that_are_executed_meanwhile_are_unharmed(void **state)
{
	record_way(state, "exec");
}

static void a_process_that_is_stepped_by_another_is_unharmed(void **state)
{
	record_way(state, "traced");
}

static void a_child_in_its_parents_memory_is_unharmed(void **state)
{
	record_way(state, "vfork");
}

static void a_handler_that_allocates_is_unharmed(void **state)
{
	record_way(state, "signals");
}

/* Its bytes are those of the file, in every window: the C library is left alone meanwhile. */
static void a_program_that_reads_code_as_data_sees_no_probe(void **state)
{
	struct recording *r = *state;
	const char *note;
	char path[4096];
	int status = 0;

	run__path_workload("touchy", path);
	run__to_end(&r->workload, 60000, &status, ARGS(path, "reads", SECONDS));
	if (status)
		skip(); /* somebody else puts probes into the C library of this machine */
	recording__record(r, 0, ARGS("-e", "alloc", "--", path, "reads", SECONDS));
	note = expect__comment(r->profile, "allocations in ");
	if (!note || !strstr(note, "times a file was left out of a window"))
		fail_msg("nothing was left out: %s", note);
}

/* Linux before 6.6. */
static void a_kernel_without_the_link_says_that_nothing_is_recorded(void **state)
{
	struct recording *r = *state;
	struct expect_filter f = {.stack = "**;take_blocks;**"};
	struct expect_sum s;
	char library[4096], path[4096];

	run__path_workload("liblacks.so", library);
	run__path_workload("touchy", path);
	setenv("LD_PRELOAD", library, 1);
	setenv("LACKS", "bpf_uprobe_multi_link_attach", 1);
	recording__record(r, 0, ARGS("-e", "alloc", "--", path, "signals", "1"));
	unsetenv("LD_PRELOAD");
	unsetenv("LACKS");
	expect__sum(r->profile, &f, &s);
	assert_int_equal(s.samples, 0);
	if (!expect__comment(r->profile, "allocations are not recorded: the kernel has no uprobe_multi"))
		fail_msg("the file does not say why it has no allocations");
	if (!strstr(run__errors(&r->everprof), "uprobe_multi, Linux 6.6"))
		fail_msg("not told: %s", run__errors(&r->everprof));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(a_strict_process_under_seccomp_is_unharmed),
		e2e_test(a_process_under_a_filter_that_kills_is_unharmed),
		e2e_test(a_program_of_root_that_somebody_runs_is_unharmed),
		e2e_test(programs_that_are_executed_meanwhile_are_unharmed),
		e2e_test(a_process_that_is_stepped_by_another_is_unharmed),
		e2e_test(a_child_in_its_parents_memory_is_unharmed),
		e2e_test(a_handler_that_allocates_is_unharmed),
		e2e_test(a_program_that_reads_code_as_data_sees_no_probe),
		e2e_test(a_kernel_without_the_link_says_that_nothing_is_recorded),
	};

	return cmocka_run_group_tests_name("alloc_safety", tests, NULL, NULL);
}
