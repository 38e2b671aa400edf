/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unserved SECONDS: three threads sleep on stacks whose pages are a userfaultfd's, and nobody serves it as long as the program works: whoever reads those stacks
 * from outside waits until then. At the end, or at SIGTERM, each page is given back as it was and the threads look whether all is there.
 *
 *      stuck:     stand < stuck < ...          main:     spin < main
 *
 * It prints "ready PID" when all stand, and "unharmed" at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "tests/workloads/work.h"

#define N_STUCK     3
#define STACK_BYTES ((size_t)256 << 10)
#define LOST_BYTES  (STACK_BYTES - ((size_t)32 << 10)) /* above lies what the C library has of the thread */
#define DEEP_BYTES  (64 << 10)

static struct stuck {
	pthread_t thread;
	pid_t tid;
	unsigned char *stack;
} all[N_STUCK];

static int may_go, n_standing;
static struct work work;

static void expect(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "unserved: %s: %s\n", what, strerror(errno));
	exit(1);
}

static WORK_FN void stand(void)
{
	__atomic_add_fetch(&n_standing, 1, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&may_go, __ATOMIC_SEQ_CST))
		syscall(SYS_futex, &may_go, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static WORK_FN void *stuck(void *arg)
{
	struct stuck *s = arg;
	volatile unsigned char deep[DEEP_BYTES];
	bool is_there = true;

	prctl(PR_SET_NAME, "stuck");
	s->tid = (pid_t)syscall(SYS_gettid);
	for (int i = 0; i < DEEP_BYTES; i++)
		deep[i] = (unsigned char)(i * 7);
	stand();
	for (int i = 0; i < DEEP_BYTES; i++)
		is_there &= deep[i] == (unsigned char)(i * 7);
	return is_there ? s : NULL;
}

static bool is_asleep(pid_t tid)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", (int)tid);
	f = fopen(path, "r");
	expect(f && fscanf(f, "%*d (%*[^)]) %c", &state) == 1, path);
	fclose(f);
	return state == 'S';
}

static void start(struct stuck *s)
{
	pthread_attr_t attr;

	s->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	expect(s->stack != MAP_FAILED, "mmap");
	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, s->stack, STACK_BYTES);
	errno = pthread_create(&s->thread, &attr, stuck, s);
	expect(!errno, "pthread_create");
}

/* Its pages, which are kept in `copy`. */
static void take_away(int fd, struct stuck *s, unsigned char *copy)
{
	struct uffdio_register r = {.range = {.start = (uintptr_t)s->stack, .len = LOST_BYTES},
				    .mode = UFFDIO_REGISTER_MODE_MISSING};

	memcpy(copy, s->stack, LOST_BYTES);
	expect(!ioctl(fd, UFFDIO_REGISTER, &r), "UFFDIO_REGISTER");
	expect(!madvise(s->stack, LOST_BYTES, MADV_DONTNEED), "madvise");
}

static void give_back(int fd, struct stuck *s, const unsigned char *copy)
{
	struct uffdio_copy c = {.dst = (uintptr_t)s->stack, .src = (uintptr_t)copy, .len = LOST_BYTES};

	expect(!ioctl(fd, UFFDIO_COPY, &c), "UFFDIO_COPY");
}

static WORK_FN void spin(void)
{
	while (work__go(&work))
		work__spin(100ull * work.scale);
}

static void on_end(int signo)
{
	(void)signo;
	work.end_ns = 0;
}

int main(int argc, char **argv)
{
	struct uffdio_api api = {.api = UFFD_API};
	unsigned char *copies = malloc(N_STUCK * LOST_BYTES);
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	bool is_unharmed = true;

	expect(fd >= 0 && !ioctl(fd, UFFDIO_API, &api), "userfaultfd");
	expect(copies, "malloc");
	for (int i = 0; i < N_STUCK; i++)
		start(&all[i]);
	while (__atomic_load_n(&n_standing, __ATOMIC_SEQ_CST) < N_STUCK)
		usleep(1000);
	for (int i = 0; i < N_STUCK; i++) {
		while (!is_asleep(all[i].tid))
			usleep(1000);
		take_away(fd, &all[i], copies + i * LOST_BYTES);
	}
	work__init(&work, argc, argv);
	signal(SIGTERM, on_end);
	work__ready();
	spin();
	for (int i = 0; i < N_STUCK; i++)
		give_back(fd, &all[i], copies + i * LOST_BYTES);
	__atomic_store_n(&may_go, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &may_go, FUTEX_WAKE, N_STUCK, NULL, NULL, 0);
	for (int i = 0; i < N_STUCK; i++) {
		void *there = NULL;

		pthread_join(all[i].thread, &there);
		is_unharmed &= there == &all[i];
	}
	free(copies);
	if (!is_unharmed)
		return 1;
	printf("unharmed\n");
	return work__done();
}
