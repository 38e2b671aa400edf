/* SPDX-License-Identifier: Apache-2.0 */
/*
 * far SECONDS: a file system that is this program, mounted as a user's, with one file in it: this program. That is run from there:
 *
 *      far_spin < main                prints "ready PID"
 *
 * Until SIGUSR1 the file system answers all questions; from then on it takes them and answers none, so that who asks waits, and no signal ends that. It prints
 * "silent" then, and ends with the program that it runs.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "tests/workloads/work.h"

#define POINT         "/mnt" /* in a mount namespace of its own */
#define NODE          2
#define REQUEST_BYTES (256 << 10)
#define USER          1000

static volatile sig_atomic_t is_silent;
static unsigned char *image;
static size_t image_bytes;

static void expect(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "far: %s: %s\n", what, strerror(errno));
	exit(1);
}

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

static void read_image(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct stat st;

	expect(fd >= 0 && !fstat(fd, &st), "/proc/self/exe");
	image_bytes = (size_t)st.st_size;
	image = malloc(image_bytes);
	expect(image && read(fd, image, image_bytes) == (ssize_t)image_bytes, "read");
	close(fd);
}

/* Nothing of it is kept by the kernel: each look is a question. */
static struct fuse_attr attr_of(uint64_t node)
{
	struct fuse_attr a = {.ino = node, .nlink = 1, .blksize = 4096, .mode = S_IFDIR | 0755};

	if (node == NODE) {
		a.mode = S_IFREG | 0755;
		a.size = image_bytes;
	}
	return a;
}

static void answer(int fd, const struct fuse_in_header *to, int err, const void *bytes, size_t len)
{
	struct fuse_out_header h = {.len = (uint32_t)(sizeof(h) + len), .error = err, .unique = to->unique};
	struct iovec v[] = {{&h, sizeof(h)}, {(void *)(uintptr_t)bytes, len}};

	if (writev(fd, v, 2) < 0 && errno != ENOENT) /* who asked was killed */
		expect(false, "answer");
}

static void answer_read(int fd, const struct fuse_in_header *to, const struct fuse_read_in *r)
{
	size_t at = r->offset < image_bytes ? (size_t)r->offset : image_bytes, len = image_bytes - at;

	answer(fd, to, 0, image + at, len < r->size ? len : r->size);
}

static void serve(int fd, const struct fuse_in_header *r)
{
	const struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION, .minor = 31, .max_readahead = 65536, .max_write = 4096};
	const struct fuse_attr_out attr = {.attr = attr_of(r->nodeid)};
	const struct fuse_entry_out entry = {.nodeid = NODE, .attr = attr_of(NODE)};
	const struct fuse_open_out open = {.open_flags = FOPEN_KEEP_CACHE};
	const struct fuse_statfs_out statfs = {.st = {.bsize = 4096, .namelen = 255}};

	switch (r->opcode) {
	case FUSE_INIT:
		return answer(fd, r, 0, &init, sizeof(init));
	case FUSE_LOOKUP:
		return answer(fd, r, strcmp((const char *)(r + 1), "prog") ? -ENOENT : 0, &entry,
			      strcmp((const char *)(r + 1), "prog") ? 0 : sizeof(entry));
	case FUSE_GETATTR:
		return answer(fd, r, 0, &attr, sizeof(attr));
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		return answer(fd, r, 0, &open, sizeof(open));
	case FUSE_READ:
		return answer_read(fd, r, (const struct fuse_read_in *)(r + 1));
	case FUSE_STATFS:
		return answer(fd, r, 0, &statfs, sizeof(statfs));
	case FUSE_FLUSH:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
		return answer(fd, r, 0, NULL, 0);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return;
	default:
		return answer(fd, r, -ENOSYS, NULL, 0);
	}
}

static void on_silence(int signo)
{
	(void)signo;
	is_silent = 1;
	if (write(STDOUT_FILENO, "silent\n", 7) != 7)
		_exit(1);
}

static void mount_at(int fd)
{
	char options[128];

	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=%d,group_id=%d,allow_other", fd,
		 USER, USER);
	expect(!unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "unshare");
	expect(!mount("far", POINT, "fuse", MS_NOSUID | MS_NODEV, options), "mount");
}

int main(int argc, char **argv)
{
	static _Alignas(8) char request[REQUEST_BYTES];
	const struct sigaction on_usr1 = {.sa_handler = on_silence, .sa_flags = SA_RESTART};
	const struct sigaction on_child = {.sa_handler = _exit};
	int fd;

	if (!strncmp(argv[0], POINT "/", sizeof(POINT)))
		return far_spin(argc, argv);
	fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	expect(fd >= 0, "/dev/fuse");
	read_image();
	sigaction(SIGUSR1, &on_usr1, NULL);
	sigaction(SIGCHLD, &on_child, NULL);
	mount_at(fd);
	if (!fork()) {
		argv[0] = (char[]){POINT "/prog"};
		execv(argv[0], argv);
		expect(false, argv[0]);
	}
	for (;;) {
		ssize_t n = read(fd, request, sizeof(request));

		expect(n > 0 || errno == EINTR || errno == ENOENT, "read of a request");
		if (n > 0 && !is_silent)
			serve(fd, (const struct fuse_in_header *)request);
	}
}
