/* SPDX-License-Identifier: Apache-2.0 */
/*
 * held SECONDS fault|exec: a process that keeps one of its own locks for ever, once it is told to, so that whoever asks the kernel for what that lock guards waits, too.
 *
 *      fault   a thread waits for a page of a file of FUSE with mmap_lock, another one wants it for an mmap, and all who come later stand behind that
 *      exec    an exec waits, with exec_update_lock, for a read of such a file that is under way
 *
 * Prints "ready PID", of the process that is to be held; its main thread uses a CPU ("fault") or sleeps. With SIGUSR1 it is held, and "held" printed.
 *
 * Nobody can kill what waits there, and what looks at it waits as well, so the end is a matter of three: the file system's process has the only descriptor of the connection, which is aborted
 * when it dies, by an alarm if by nothing else; and a guard, which is told the connection's number, aborts that itself.
 */
#include <linux/aio_abi.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "tests/workloads/fuse.h"
#include "tests/workloads/work.h"

#define FILE_BYTES (1 << 20)
#define HELD_AT    (512 << 10) /* reads from here on are the ones that keep */
#define AT_MOST_S  45          /* whatever happens */

enum step { STEP_READ = 'r', STEP_MAP = 'm' };

static const struct fuse_file file = {.bytes = (const unsigned char[FILE_BYTES]){0}, .len = FILE_BYTES};
static volatile sig_atomic_t is_told;
static volatile unsigned char *mapped;
static _Atomic(int) *mapper_tid; /* shared by the two processes */

/* -- the guard -- */

static void abort_connection(unsigned int number)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u/abort", number);
	if (access("/sys/fs/fuse/connections/.", F_OK) || access(path, F_OK))
		if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("fusectl", "/sys/fs/fuse/connections", "fusectl", 0, NULL))
			return;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "1", 1) != 1)
		perror("abort");
	if (fd >= 0)
		close(fd);
}

/* Until the file system's process is gone, or the time over. */
static int guard(int from_server, pid_t server)
{
	struct pollfd end = {.fd = from_server, .events = 0};
	unsigned int number;

	setsid();
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	if (read(from_server, &number, sizeof(number)) != sizeof(number))
		return 0;
	if (poll(&end, 1, (AT_MOST_S + 5) * 1000) == 0)
		kill(server, SIGKILL);
	abort_connection(number);
	return 0;
}

/* -- who is held -- */

static void await_step(int steps, enum step step)
{
	char got = 0;

	fuse__expect(read(steps, &got, 1) == 1 && got == (char)step, "a step");
}

static void *touch(void *unused)
{
	(void)unused;
	(void)mapped[HELD_AT];
	return NULL;
}

static void *map(void *unused)
{
	*mapper_tid = (int)syscall(SYS_gettid);
	mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return unused;
}

/* The first read fails, so that the fault is tried again, with the lock: the first try lets it go. */
static void *fault(void *ctx)
{
	const int steps = *(const int *)ctx;
	pthread_t thread;

	await_step(steps, STEP_READ);
	pthread_create(&thread, NULL, touch, NULL);
	await_step(steps, STEP_MAP);
	return map(NULL);
}

static WORK_FN void held_spin(void)
{
	for (;;)
		work__spin(100000);
}

static int held_by_fault(int steps)
{
	int fd = open(FUSE_FILE, O_RDONLY | O_CLOEXEC);
	pthread_t thread;

	fuse__expect(fd >= 0, FUSE_FILE);
	mapped = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	fuse__expect(mapped != MAP_FAILED && !madvise((void *)(uintptr_t)mapped, FILE_BYTES, MADV_RANDOM),
		     "mmap");
	pthread_create(&thread, NULL, fault, &steps);
	work__ready();
	held_spin();
	return 0;
}

static int held_by_exec(int steps)
{
	struct iocb block = {.aio_lio_opcode = IOCB_CMD_PREAD, .aio_nbytes = 4096, .aio_offset = HELD_AT};
	struct iocb *blocks = &block;
	aio_context_t context = 0;
	int fd = open(FUSE_FILE, O_RDONLY | O_DIRECT | O_CLOEXEC);

	fuse__expect(fd >= 0, FUSE_FILE);
	block.aio_fildes = (uint32_t)fd;
	block.aio_buf = (uint64_t)(uintptr_t)aligned_alloc(4096, 4096);
	fuse__expect(!syscall(SYS_io_setup, 4, &context), "io_setup");
	work__ready();
	await_step(steps, STEP_READ);
	fuse__expect(syscall(SYS_io_submit, context, 1, &blocks) == 1, "io_submit");
	*mapper_tid = getpid();
	execl("/bin/sleep", "sleep", "60", NULL);
	return 1;
}

/* -- the file system -- */

static void on_told(int signo)
{
	(void)signo;
	is_told = 1;
}

static bool is_kept(const struct fuse_in_header *r)
{
	return r->opcode == FUSE_READ && ((const struct fuse_read_in *)(r + 1))->offset >= HELD_AT;
}

/* `status` asks for no lock. */
static bool waits_for_ever(int tid)
{
	char path[64], text[4096] = {0};
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
		text[0] = '\0';
	if (fd >= 0)
		close(fd);
	return strstr(text, "\nState:\tD");
}

static void tell(int steps, enum step step)
{
	char byte = (char)step;

	fuse__expect(write(steps, &byte, 1) == 1, "a step");
}

static void serve_and_hold(int fd, int steps, bool by_fault)
{
	static _Alignas(8) char request[FUSE_REQUEST_BYTES];
	const struct fuse_in_header *r = (const struct fuse_in_header *)request;
	bool is_held = false, is_asked = false;
	int n_kept = 0;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};

		if (is_told && !is_asked) {
			is_asked = true;
			tell(steps, STEP_READ);
		}
		if (!is_held && *mapper_tid && waits_for_ever(*mapper_tid)) {
			is_held = true;
			printf("held\n");
			fflush(stdout);
		}
		if (poll(&p, 1, is_held ? -1 : 10) <= 0 || read(fd, request, sizeof(request)) <= 0)
			continue;
		if (!is_kept(r))
			fuse__serve(fd, &file, r);
		else if (by_fault && ++n_kept == 1)
			fuse__answer(fd, r, -EIO, NULL, 0);
		else if (by_fault && n_kept == 2)
			tell(steps, STEP_MAP);
	}
}

int main(int argc, char **argv)
{
	const struct sigaction on_usr1 = {.sa_handler = on_told};
	const bool by_fault = argc > 2 && !strcmp(argv[2], "fault");
	int steps[2], to_guard[2], fd;
	const pid_t server = getpid();
	unsigned int number;
	struct statx who;

	if (argc < 3 || (!by_fault && strcmp(argv[2], "exec")))
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(strtoul(argv[1], NULL, 10) < AT_MOST_S ? (unsigned int)strtoul(argv[1], NULL, 10) : AT_MOST_S);
	sigaction(SIGUSR1, &on_usr1, NULL);
	mapper_tid = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fuse__expect(mapper_tid != MAP_FAILED && !pipe2(steps, O_CLOEXEC) && !pipe2(to_guard, O_CLOEXEC),
		     "pipe");
	if (!fork()) {
		close(to_guard[1]);
		close(steps[1]);
		return guard(to_guard[0], server);
	}
	close(to_guard[0]);
	fd = fuse__mount();
	fuse__expect(!statx(AT_FDCWD, FUSE_POINT, AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &who), "statx");
	number = who.stx_dev_minor;
	fuse__expect(write(to_guard[1], &number, sizeof(number)) == sizeof(number), "guard");
	if (!fork()) {
		/* nobody but the file system may hold what keeps the connection */
		close(fd);
		close(to_guard[1]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		return by_fault ? held_by_fault(steps[0]) : held_by_exec(steps[0]);
	}
	serve_and_hold(fd, steps[1], by_fault);
	return 0;
}
