/* SPDX-License-Identifier: Apache-2.0 */
/* What happens once, as the agent tells it: a kill for memory with the victim's last profile, a fatal signal, a new build. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "tests/e2e/e2e.h"
#include "tests/support/agent.h"
#include "user/base/io.h"

/* Until the agent has said it; false: it does not within ten seconds. */
static bool is_told(struct recording *r, const char *text)
{
	int status;

	for (int i = 0; i < 100; i++) {
		if (!run__wait(&r->everprof, 100, &status))
			fail_msg("the agent ended with %d: %s", status, run__errors(&r->everprof));
		if (strstr(run__errors(&r->everprof), text))
			return true;
	}
	return false;
}

static void assert_told(struct recording *r, const char *text)
{
	if (is_told(r, text))
		return;
	fputs(run__errors(&r->everprof), stderr); /* longer than what a message of a failure may be */
	fail_msg("the agent did not tell '%s'", text);
}

static void launch(struct recording *r)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "profiling:\n  window: 10m\n  cpu: {frequency: 999}\n  output: {directory: "
		 "%s/store}\nserver: {listen: 'off'}\nlog: {level: debug}\n",
		 r->dir);
	agent__write_config(r, text);
	agent__launch(r);
	assert_told(r, "samples");
}

static void signals_that_dump_core_are_told_and_others_are_not(void **state)
{
	struct recording *r = *state;

	launch(r);
	recording__shell(r, "sh -c 'kill -TERM $$'; sh -c 'kill -SEGV $$'; sh -c 'kill -FPE $$'");
	assert_told(r, "was ended by SIGFPE");
	assert_told(r, "'sh'");
	assert_told(r, "was ended by SIGSEGV");
	assert_null(strstr(run__errors(&r->everprof), "SIGTERM"));
	agent__expect_end(r);
}

/* What lives for a moment is looked at. */
static void run_two_builds(struct recording *r)
{
	recording__shell(r, "mkdir old new && cp /bin/sleep old/changing_program && old/changing_program 1");
	recording__shell(r, "cp /bin/cat new/changing_program && sleep 1 | new/changing_program");
}

static void another_build_under_the_same_name_is_told(void **state)
{
	struct recording *r = *state;

	launch(r);
	run_two_builds(r);
	assert_told(r, "changing_program' (");
	assert_told(r, "runs a new build");
	agent__expect_end(r);
}

/* The machine is so busy that the agent comes to nothing while they live: it hears of their lives as a whole. */
static void builds_that_came_and_went_unseen_are_told(void **state)
{
	struct recording *r = *state;

	launch(r);
	agent__signal(r, SIGSTOP);
	run_two_builds(r);
	agent__signal(r, SIGCONT);
	assert_told(r, "changing_program' (");
	assert_told(r, "runs a new build");
	agent__expect_end(r);
}

/* A group in which 64 MiB may be had; false where this host lets nobody make one. */
static bool make_group(char dir[200])
{
	static const char *const roots[] = {"/sys/fs/cgroup/memory", "/sys/fs/cgroup"};
	static const char *const limits[] = {"memory.limit_in_bytes", "memory.max"};
	char path[300];

	for (int i = 0; i < 2; i++) {
		int fd;

		snprintf(dir, 200, "%s/everprof-oom-%d", roots[i], getpid());
		if (access(roots[i], F_OK) || mkdir(dir, 0755))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, limits[i]);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd >= 0 && write(fd, "67108864", 8) == 8) {
			close(fd);
			return true;
		}
		io__close(&fd);
		rmdir(dir);
	}
	return false;
}

static void victim_of_a_kill_for_memory_is_told_and_its_last_profile_kept(void **state)
{
	struct recording *r = *state;
	static struct agent_files files;
	char dir[200], command[600], everprof[4096];
	bool made = make_group(dir);

	if (!made)
		skip();
	launch(r);
	/* reads zeros into a line without an end */
	snprintf(command, sizeof(command), "sh -c 'echo $$ >%s/cgroup.procs && exec tail /dev/zero' || true",
		 dir);
	recording__shell(r, command);
	if (!is_told(r, "the kernel killed 'tail'")) {
		rmdir(dir);
		fail_msg("no kill in: %s", run__errors(&r->everprof));
	}
	assert_int_equal(rmdir(dir), 0);
	/* long before the window of ten minutes is over */
	agent__expect_n_files(r, 1, &files);
	run__path_everprof(everprof);
	snprintf(command, sizeof(command), "'%.200s' top --by process -n 0 '%.300s' | grep -q tail", everprof,
		 files.path[0]);
	assert_int_equal(recording__shell(r, command), 0);
	agent__expect_end(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		e2e_test(signals_that_dump_core_are_told_and_others_are_not),
		e2e_test(another_build_under_the_same_name_is_told),
		e2e_test(builds_that_came_and_went_unseen_are_told),
		e2e_test(victim_of_a_kill_for_memory_is_told_and_its_last_profile_kept),
	};

	return cmocka_run_group_tests_name("host_event", tests, NULL, NULL);
}
