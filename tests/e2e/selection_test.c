/* SPDX-License-Identifier: Apache-2.0 */
/* What `record` is told to look at is there, and nothing else. */
#include <errno.h>
#include <mntent.h>
#include <sys/stat.h>

#include "tests/e2e/e2e.h"

static void pid_selects_and_nobody_else_is_there(void **state)
{
	struct recording *r = *state;
	struct expect_sum all, mine;
	struct run other = {};
	char program[4096];

	run__path_workload("vdso_spin", program);
	if (geteuid())
		skip();
	assert_int_equal(run__start(&other, ARGS(program, RECORDING_LONG)), 0);
	recording__of(r, ARGS("calltree", RECORDING_LONG));
	run__done(&other);
	expect__sum(r->profile, NULL, &all);
	expect__sum(r->profile, &(struct expect_filter){.pid = r->pid}, &mine);
	if (!mine.ns || mine.ns != all.ns) {
		expect__print(r->profile, NULL);
		fail_msg("others are in the profile of pid %lld", r->pid);
	}
}

static void comm_selects_by_glob(void **state)
{
	struct recording *r = *state;
	struct expect_sum all, mine;

	recording__start(r, ARGS("threads", RECORDING_LONG));
	recording__record(r, 0, ARGS("-d", RECORDING_SECONDS, "--comm", "thre[e]"));
	expect__sum(r->profile, NULL, &all);
	expect__sum(r->profile,
		    &(struct expect_filter){.comm = "three", .stack = "thread_leaf;thread_body;**"}, &mine);
	if (!mine.ns || (double)mine.ns < NEARLY_ALL * (double)all.ns) {
		expect__print(r->profile, NULL);
		fail_msg("--comm 'thre[e]' chose something else");
	}
}

/* Where the unified hierarchy is mounted, beside the old ones or alone; skips the test where it is not. */
static void cgroup_mount(char path[256])
{
	FILE *mounts = setmntent("/proc/mounts", "re");
	struct mntent *m;

	path[0] = '\0';
	while (mounts && (m = getmntent(mounts)))
		if (!strcmp(m->mnt_type, "cgroup2"))
			snprintf(path, 256, "%s", m->mnt_dir);
	if (mounts)
		endmntent(mounts);
	if (!path[0])
		skip();
}

/* The same in a cgroup whose name is this test's own. */
static void move_to_cgroup(const char *cgroup, long long pid)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	f = fopen(path, "we");
	assert_non_null(f);
	fprintf(f, "%lld\n", pid);
	assert_int_equal(fclose(f), 0);
}

static void cgroup_selects_its_processes_and_names_them(void **state)
{
	struct recording *r = *state;
	char mount[256], cgroup[320], glob[64];
	struct expect_sum all, mine;
	struct run other = {};
	char program[4096];

	cgroup_mount(mount);
	snprintf(cgroup, sizeof(cgroup), "%s/everprof-e2e-%d", mount, (int)getpid());
	snprintf(glob, sizeof(glob), "/everprof-e2e-%d*", (int)getpid());
	run__path_workload("calltree", program);
	recording__start(r, ARGS("calltree", RECORDING_LONG));
	assert_int_equal(run__start(&other, ARGS(program, RECORDING_LONG)), 0);
	if (mkdir(cgroup, 0755))
		fail_msg("mkdir '%s': %s", cgroup, strerror(errno));
	move_to_cgroup(cgroup, r->pid);
	recording__record(r, 0, ARGS("-d", RECORDING_SECONDS, "--cgroup", glob));
	run__done(&other);
	run__done(&r->workload);
	for (int i = 0; i < 100 && rmdir(cgroup) && errno == EBUSY; i++)
		usleep(20000);
	expect__sum(r->profile, NULL, &all);
	expect__sum(r->profile, &(struct expect_filter){.pid = r->pid, .stack = "**;tree_round" TO_ROOT},
		    &mine);
	if (!mine.ns || (double)mine.ns < NEARLY_ALL * (double)all.ns) {
		expect__print(r->profile, NULL);
		fail_msg("--cgroup '%s' chose something else than pid %lld", glob, r->pid);
	}
	for (uint32_t i = 0; i < profile__n_samples(r->profile); i++) {
		const struct sample *s = profile__get_sample(r->profile, i);
		const struct label *label = profile__find_label(r->profile, s->labels, "cgroup");

		assert_non_null(label);
		assert_non_null(strstr(profile__str(r->profile, label->str), "everprof-e2e-"));
	}
}

/* The shell, what it starts, and what that starts. */
static void command_has_its_children_and_nobody_else(void **state)
{
	struct recording *r = *state;
	char program[4096], script[4200], other_program[4096];
	struct expect_sum all, tree, others;
	struct run other = {};

	if (geteuid())
		skip();
	run__path_workload("calltree", program);
	run__path_workload("vdso_spin", other_program);
	assert_int_equal(run__start(&other, ARGS(other_program, RECORDING_LONG)), 0);
	snprintf(script, sizeof(script), "sh -c '%s 1' & wait", program);
	recording__record(r, 0, ARGS("--", "/bin/sh", "-c", script));
	run__done(&other);
	expect__sum(r->profile, NULL, &all);
	expect__sum(r->profile,
		    &(struct expect_filter){.process = "calltree", .stack = "**;tree_round" TO_ROOT}, &tree);
	expect__sum(r->profile, &(struct expect_filter){.process = "vdso_spin"}, &others);
	if (others.ns || !tree.ns || (double)tree.ns < 0.95 * (double)all.ns) {
		expect__print(r->profile, NULL);
		fail_msg("not the grandchild alone");
	}
}

static void exclusion_beats_inclusion(void **state)
{
	struct recording *r = *state;
	char program[4096], exclude[64];
	struct run other = {};
	struct expect_sum mine, excluded;
	long long pid;
	int err;

	run__path_workload("calltree", program);
	recording__start(r, ARGS("calltree", RECORDING_LONG));
	err = run__start(&other, ARGS(program, RECORDING_LONG));
	if (!err)
		err = run__wait_number(&other, "ready ", 10000, &pid);
	assert_int_equal(err, 0);
	snprintf(exclude, sizeof(exclude), "pid=%lld", pid);
	recording__record(r, 0, ARGS("-d", RECORDING_SECONDS, "--comm", "calltree*", "--exclude", exclude));
	run__done(&other);
	expect__sum(r->profile, &(struct expect_filter){.pid = r->pid}, &mine);
	expect__sum(r->profile, &(struct expect_filter){.pid = pid}, &excluded);
	if (!mine.ns || excluded.ns) {
		expect__print(r->profile, NULL);
		fail_msg("pid %lld is to be there, pid %lld not", r->pid, pid);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(pid_selects_and_nobody_else_is_there),        e2e_test(comm_selects_by_glob),
		e2e_test(cgroup_selects_its_processes_and_names_them), e2e_test(exclusion_beats_inclusion),
		e2e_test(command_has_its_children_and_nobody_else),
	};

	return cmocka_run_group_tests_name("selection", tests, NULL, NULL);
}
