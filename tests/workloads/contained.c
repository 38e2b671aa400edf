/* SPDX-License-Identifier: Apache-2.0 */
/*
 * contained PROGRAM ARGS…: runs a static PROGRAM as pid 1 of new pid and mount namespaces, chrooted into an empty tmpfs that holds nothing but a copy
 * of it as /program and an own /tmp. What it prints comes through; "outer_pid N" is its pid in the namespace of this program. The tmpfs is
 * in the new mount namespace only and goes with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/workloads/work.h"

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void copy(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC),
	    out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	ssize_t n;

	if (in < 0 || out < 0)
		die(in < 0 ? from : to);
	while ((n = sendfile(out, in, NULL, 1 << 20)) > 0)
		;
	if (n < 0)
		die("sendfile");
	close(in);
	close(out);
}

static void build_root(const char *program)
{
	const char *root = "/mnt";

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) || mount("none", root, "tmpfs", 0, "mode=0755"))
		die("mount");
	copy(program, "/mnt/program");
	if (mkdir("/mnt/tmp", 01777) || chroot(root) || chdir("/"))
		die("chroot");
}

int main(int argc, char **argv)
{
	pid_t pid;
	int status;

	if (argc < 2) {
		fprintf(stderr, "usage: %s PROGRAM ARGS\n", argv[0]);
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (unshare(CLONE_NEWPID | CLONE_NEWNS))
		die("unshare");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		build_root(argv[1]);
		argv[1] = "/program";
		execv(argv[1], argv + 1);
		die("/program");
	}
	printf("outer_pid %d\n", (int)pid);
	fflush(stdout);
	if (waitpid(pid, &status, 0) != pid)
		die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
