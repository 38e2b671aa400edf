/* SPDX-License-Identifier: Apache-2.0 */
/*
 * far SECONDS: a file system that is this program, mounted as a user's, with one file in it: this program. That is run from there:
 *
 *      far_spin < main                prints "ready PID"
 *
 * Until SIGUSR1 the file system answers all questions; from then on it takes them and answers none, so that who asks waits, and no signal ends that. It prints
 * "silent" then, and ends with the program that it runs.
 */
#include "tests/workloads/fuse.h"
#include "tests/workloads/work.h"

static volatile sig_atomic_t is_silent;

static WORK_FN int far_spin(int argc, char **argv)
{
	struct work work;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	work__init(&work, argc, argv);
	work__ready();
	while (work__go(&work))
		work__spin(100ull * work.scale);
	return work__done();
}

static void read_image(struct fuse_file *to)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	unsigned char *bytes;
	struct stat st;

	fuse__expect(fd >= 0 && !fstat(fd, &st), "/proc/self/exe");
	to->len = (size_t)st.st_size;
	to->bytes = bytes = malloc(to->len);
	fuse__expect(bytes && read(fd, bytes, to->len) == (ssize_t)to->len, "read");
	close(fd);
}

static void on_silence(int signo)
{
	(void)signo;
	is_silent = 1;
	if (write(STDOUT_FILENO, "silent\n", 7) != 7)
		_exit(1);
}

int main(int argc, char **argv)
{
	static _Alignas(8) char request[FUSE_REQUEST_BYTES];
	const struct sigaction on_usr1 = {.sa_handler = on_silence, .sa_flags = SA_RESTART};
	const struct sigaction on_child = {.sa_handler = _exit};
	struct fuse_file file;
	int fd;

	if (!strcmp(argv[0], FUSE_FILE))
		return far_spin(argc, argv);
	read_image(&file);
	sigaction(SIGUSR1, &on_usr1, NULL);
	sigaction(SIGCHLD, &on_child, NULL);
	fd = fuse__mount();
	if (!fork()) {
		argv[0] = (char[]){FUSE_FILE};
		execv(argv[0], argv);
		fuse__expect(false, argv[0]);
	}
	for (;;) {
		ssize_t n = read(fd, request, sizeof(request));

		fuse__expect(n > 0 || errno == EINTR || errno == ENOENT, "read of a request");
		if (n > 0 && !is_silent)
			fuse__serve(fd, &file, (const struct fuse_in_header *)request);
	}
}
