/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "user/base/io.h"
#include "user/process/maps_file.h"
#include "user/process/namespace.h"
#include "user/process/proc_dir.h"

#define STAT_REST " 0 0 20 0 1 0 17850714 1000 100"

static int stat_of(const char *text, struct proc_stat *st)
{
	return parse_proc_stat(text, strlen(text), st);
}

static void stat_gives_names_state_and_start(void **state)
{
	struct proc_stat st;

	(void)state;
	assert_int_equal(stat_of("4711 (nginx) S 1 4711 4711 0 -1 4194560 0 0 0 0 5 6" STAT_REST, &st), 0);
	assert_int_equal(st.pid, 4711);
	assert_string_equal(st.comm, "nginx");
	assert_int_equal(st.state, 'S');
	assert_int_equal(st.ppid, 1);
	assert_false(st.kernel_thread);
	assert_int_equal(st.start_ticks, 17850714);
}

static void a_name_may_hold_parentheses_blanks_and_newlines(void **state)
{
	struct proc_stat st;

	(void)state;
	assert_int_equal(stat_of("7 () R 1 (\n) Z 3 4711 4711 0 -1 2129984 0 0 0 0 5 6" STAT_REST, &st), 0);
	assert_string_equal(st.comm, ") R 1 (\n");
	assert_int_equal(st.state, 'Z');
	assert_int_equal(st.ppid, 3);
	assert_true(st.kernel_thread);
}

static void damaged_stat_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"7",
		"7 (x",
		"7 x) S 1",
		"7 )x( S 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
		"7 (x)",
		"7 (x) S",
		"7 (x) S 1 2 3",
		"(x) S 1 4711 4711 0 -1 4194560 0 0 0 0 5 6" STAT_REST,
		"7 (x) S 1 4711 a 0 -1 4194560 0 0 0 0 5 6" STAT_REST,
		"7 (x) S 1 4711 99999999999999999999999 0 -1 4194560 0 0 0 0 5 6" STAT_REST};
	struct proc_stat st;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(stat_of(bad[i], &st), -EBADMSG);
}

static void status_gives_user_and_innermost_pid(void **state)
{
	static const char nested[] =
		"Name:\tx\nTgid:\t4711\nPid:\t4712\nUid:\t1000\t1001\t1002\t1003\nNStgid:\t4711\t33\t7\n"
		"NSpid:\t4712\t34\t8\n";
	static const char old[] = "Name:\tx\nTgid:\t4711\nUid:\t0\t0\t0\t0\n";
	struct proc_status st;

	(void)state;
	assert_int_equal(parse_proc_status(nested, sizeof(nested) - 1, &st), 0);
	assert_int_equal(st.tgid, 4711);
	assert_int_equal(st.uid, 1001);
	assert_int_equal(st.ns_pid, 7);
	assert_int_equal(st.n_pid_namespaces, 3);
	assert_int_equal(st.ns_tid, 8);
	assert_int_equal(parse_proc_status(old, sizeof(old) - 1, &st), 0);
	assert_int_equal(st.ns_pid, 4711);
	assert_int_equal(parse_proc_status("Uid:\t1\t2\n", 8, &st), -EBADMSG);
	assert_int_equal(parse_proc_status("Tgid:\t1\nUid:\t1\n", 15, &st), -EBADMSG);
	/* a process named to look like a line: its newline is escaped by the kernel, so it stays in its own */
	static const char forged[] = "Name:\ta\\nTgid:\t1\nTgid:\t4711\nUid:\t0\t0\t0\t0\n";

	assert_int_equal(parse_proc_status(forged, sizeof(forged) - 1, &st), 0);
	assert_int_equal(st.tgid, 4711);
}

static void namespace_links_are_parsed_strictly(void **state)
{
	uint64_t id = 1;

	(void)state;
	assert_int_equal(parse_namespace_link("mnt:[4026531841]", "mnt", &id), 0);
	assert_int_equal(id, 4026531841);
	assert_int_equal(parse_namespace_link("pid:[4026531841]", "mnt", &id), -EBADMSG);
	assert_int_equal(parse_namespace_link("mnt:[]", "mnt", &id), -EBADMSG);
	assert_int_equal(parse_namespace_link("mnt:[12", "mnt", &id), -EBADMSG);
	assert_int_equal(parse_namespace_link("mnt:[12]x", "mnt", &id), -EBADMSG);
	assert_int_equal(parse_namespace_link("mnt:[99999999999999999999999]", "mnt", &id), -EBADMSG);
	assert_int_equal(parse_namespace_link("mnt", "mnt", &id), -EBADMSG);
	assert_int_equal(parse_namespace_link("", "mnt", &id), -EBADMSG);
	assert_int_equal(id, 4026531841);
}

static int open_proc(void)
{
	int fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void we_find_ourselves(void **state)
{
	int proc_fd = open_proc(), fd, root_fd;
	struct proc_stat st;
	struct proc_status status;
	struct stat root, mine;

	(void)state;
	assert_int_equal(proc_dir__open(proc_fd, (uint32_t)getpid(), 0, &fd, &st), 0);
	assert_int_equal(st.pid, getpid());
	assert_int_equal(st.ppid, getppid());
	assert_int_equal(read_proc_status(fd, &status), 0);
	assert_int_equal(status.uid, geteuid());
	assert_int_equal(namespace__open_root((uint32_t)getpid(), fd, &root_fd), 0);
	assert_int_equal(fstat(root_fd, &root), 0);
	assert_int_equal(stat("/", &mine), 0);
	assert_int_equal(root.st_ino, mine.st_ino);
	close(root_fd);
	close(fd);
	close(proc_fd);
}

static void another_start_is_another_process(void **state)
{
	int proc_fd = open_proc(), fd = 99;
	struct proc_stat st;

	(void)state;
	assert_int_equal(proc_dir__open(proc_fd, (uint32_t)getpid(), 0, &fd, &st), 0);
	close(fd);
	uint64_t start_ns = st.start_ticks * 10000000 + 1234567;

	assert_int_equal(proc_dir__open(proc_fd, (uint32_t)getpid(), start_ns, &fd, &st), 0);
	close(fd);
	fd = 99;
	assert_int_equal(proc_dir__open(proc_fd, (uint32_t)getpid(), start_ns + 10000000, &fd, &st), -ESRCH);
	assert_int_equal(fd, 99);
	close(proc_fd);
}

static void a_folder_outlives_its_process_but_shows_nobody_else(void **state)
{
	int proc_fd = open_proc(), fd;
	struct proc_stat st;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		pause();
		_exit(0);
	}
	assert_int_equal(proc_dir__open(proc_fd, (uint32_t)pid, 0, &fd, &st), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(read_proc_stat((uint32_t)pid, fd, &st), -ESRCH);
	close(fd);
	assert_int_equal(proc_dir__open(proc_fd, (uint32_t)pid, 0, &fd, &st), -ESRCH);
	close(proc_fd);
}

static int pipe_fds[2];

static void *outlive_leader(void *arg)
{
	char c;

	(void)arg;
	/* The leader has ended when /proc shows it as a zombie. */
	for (int i = 0; i < 1000; i++) {
		char text[1024]; /* not by read_proc_stat: the threads that it asks are the parent's */
		struct proc_stat st;
		int fd = open("/proc/self/stat", O_RDONLY);
		ssize_t n = read(fd, text, sizeof(text));

		close(fd);
		if (n > 0 && parse_proc_stat(text, (size_t)n, &st) == 0 && st.state == 'Z')
			break;
		usleep(1000);
	}
	if (write(pipe_fds[1], "z", 1) != 1)
		_exit(1);
	while (read(pipe_fds[0], &c, 1) < 0)
		;
	pause();
	return NULL;
}

static int count_line(const struct maps_line *line, void *ctx)
{
	(void)line;
	(*(int *)ctx)++;
	return 0;
}

static void a_leader_that_ended_first_is_read_through_another_thread(void **state)
{
	int proc_fd = open_proc(), fd, n = 0, ready[2];
	struct proc_stat st;
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		pthread_t thread;

		pipe_fds[1] = ready[1];
		pipe_fds[0] = open("/dev/null", O_RDONLY);
		if (pthread_create(&thread, NULL, outlive_leader, NULL) != 0)
			_exit(1);
		pthread_exit(NULL);
	}
	assert_int_equal(read(ready[0], &c, 1), 1);
	assert_int_equal(proc_dir__open(proc_fd, (uint32_t)pid, 0, &fd, &st), 0);
	assert_int_equal(st.state, 'Z');
	assert_int_equal(read_maps((uint32_t)pid, fd, count_line, &n), 0);
	assert_true(n > 2);
	close(fd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(ready[0]);
	close(ready[1]);
	close(proc_fd);
}

static void a_zombie_is_gone(void **state)
{
	int proc_fd = open_proc(), fd;
	struct proc_stat st;
	siginfo_t info;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(proc_dir__open(proc_fd, (uint32_t)pid, 0, &fd, &st), -ESRCH);
	waitpid(pid, NULL, 0);
	close(proc_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stat_gives_names_state_and_start),
		cmocka_unit_test(a_name_may_hold_parentheses_blanks_and_newlines),
		cmocka_unit_test(damaged_stat_is_refused),
		cmocka_unit_test(status_gives_user_and_innermost_pid),
		cmocka_unit_test(namespace_links_are_parsed_strictly),
		cmocka_unit_test(we_find_ourselves),
		cmocka_unit_test(another_start_is_another_process),
		cmocka_unit_test(a_folder_outlives_its_process_but_shows_nobody_else),
		cmocka_unit_test(a_leader_that_ended_first_is_read_through_another_thread),
		cmocka_unit_test(a_zombie_is_gone),
	};

	return cmocka_run_group_tests_name("proc_dir", tests, NULL, NULL);
}
