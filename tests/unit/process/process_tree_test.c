/* SPDX-License-Identifier: Apache-2.0 */
/* What a process was called with is what the kernel says in cmdline, although it is not read there. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/buf.h"
#include "user/base/io.h"
#include "user/process/process_tree.h"

struct heard {
	uint32_t pid;
	char command[PROCESS_COMMAND_MAX];
};

static void hear(void *ctx, const struct process_tree_node *n)
{
	struct heard *h = ctx;

	if (n->pid == h->pid)
		snprintf(h->command, sizeof(h->command), "%s", n->command_line);
}

/* The kernel's own words, blanks where it has an end. */
static void cmdline_of(pid_t pid, char command[PROCESS_COMMAND_MAX])
{
	char path[64];
	struct buf b;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	buf__init(&b, PROCESS_COMMAND_MAX);
	assert_int_equal(io__read_at(AT_FDCWD, path, PROCESS_COMMAND_MAX - 1, &b), 0);
	memcpy(command, b.data, b.len);
	command[b.len] = '\0';
	for (size_t i = 0; i + 1 < b.len; i++)
		if (!command[i])
			command[i] = ' ';
	buf__done(&b);
}

static void expect_as_the_kernel(pid_t pid, const char *want)
{
	struct heard h = {.pid = (uint32_t)pid};
	char command[PROCESS_COMMAND_MAX];
	int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(read_process_tree(proc_fd, h.pid, 0, true, hear, &h), 0);
	cmdline_of(pid, command);
	assert_string_equal(h.command, command);
	if (want)
		assert_string_equal(h.command, want);
	io__close(&proc_fd);
}

static pid_t start(const char *const *argv, int ready_fd)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(ready_fd);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void arguments(void **state)
{
	int ends[2];
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0); /* closed by the exec */
	pid = start((const char *[]){"/bin/sleep", "600", "0", NULL}, ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 0);
	expect_as_the_kernel(pid, "/bin/sleep 600 0");
	end(pid);
	close(ends[0]);
}

extern char **environ;

/* As daemons do to be told apart: over the arguments and what lies behind them. */
static void a_title(void **state)
{
	char **argv = *state, byte;
	size_t room = (size_t)(environ[0] - argv[0]);
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		memset(argv[0], 't', room + 4);
		argv[0][room + 4] = '\0';
		if (write(ends[1], "r", 1) == 1)
			pause();
		_exit(0);
	}
	assert_int_equal(read(ends[0], &byte, 1), 1);
	expect_as_the_kernel(pid, NULL);
	end(pid);
	close(ends[0]);
	close(ends[1]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arguments),
		cmocka_unit_test_prestate(a_title, argv),
	};

	(void)argc;
	return cmocka_run_group_tests_name("process_tree", tests, NULL, NULL);
}
