/* SPDX-License-Identifier: Apache-2.0 */
/*
 * touch WAY MIB [FILE]: makes so much memory resident in one known way, a little at a time, and says how much the kernel counted.
 *
 *      way            function that touches   what
 *      anonymous      touch_new               writes to each page of a new mapping, by small pages
 *      huge           touch_new               the same, by huge ones, given back and again, CYCLES times
 *      zeroes         touch_new               reads each page of it: nothing becomes resident
 *      threads        touch_new               the same as anonymous, four threads at once
 *      again          touch_new               the same as anonymous, given back in between, twice
 *      system_call    touch_new               the kernel writes there: read()
 *      worker         -                       the kernel's worker for io_uring writes there, where there is one, or else the program
 *      held_up        touch_new               the same as anonymous, while HELD processes of HELD_THREADS threads each are in a page fault that nobody serves
 *      stack          touch_stack             writes to an array on a thread's stack
 *      shared         touch_new               writes to each page of a shared mapping without a file
 *      file           touch_file              reads each page of the file FILE, which is made first, CYCLES times
 *      own_file       touch_file              writes to each page of a private mapping of it
 *      file_copy      touch_file              reads each, then writes to each: what it read is copied
 *      fork           touch_copy              a child writes to each page of its parent
 *      names          touch_names             the kernel's memory: it keeps each path that it is given in 4096 bytes while it looks for it, MIB thousands
 *      tables         touch_tables            the kernel's memory: touches a page in every 2 MiB, each of which takes a page table, MIB MiB of tables in all
 *
 * At its end it prints
 *
 *      truth BYTES FAULTS THP      what the mapping holds by /proc/self/smaps, or was copied; page faults meanwhile; of BYTES, in huge pages
 */
#include <alloca.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/workloads/ring.h"
#include "tests/workloads/work.h"

#define PAGE     4096u
#define PACE     64 /* pages between two pauses */
#define PAUSE_US 2000
#define MIB      ((size_t)1 << 20)
#define CYCLES   64 /* where a fault brings much at once, there are few of them */

static size_t bytes;
static bool is_fast; /* no pauses */
static volatile char sink;

struct held {
	unsigned long long rss, thp;
};

static void fail(const char *what)
{
	perror(what);
	exit(2);
}

static long n_faults(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_minflt + u.ru_majflt;
}

/* What the mapping at p holds, in bytes. */
static struct held held(const void *p)
{
	unsigned long long from, to, kb;
	struct held h = {0};
	bool is_in = false;
	char line[512];
	FILE *f = fopen("/proc/self/smaps", "r");

	if (!f)
		fail("touch: /proc/self/smaps");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx-%llx ", &from, &to) == 2)
			is_in = (uintptr_t)p < to && (uintptr_t)p + bytes > from;
		else if (is_in && sscanf(line, "Rss: %llu", &kb) == 1)
			h.rss += kb << 10;
		else if (is_in && sscanf(line, "AnonHugePages: %llu", &kb) == 1)
			h.thp += kb << 10;
	}
	fclose(f);
	return h;
}

static void pause_us(long us)
{
	struct timespec ts = {.tv_nsec = us * 1000};

	nanosleep(&ts, NULL);
}

static inline __attribute__((always_inline)) void touch(char *p, size_t n, bool writes)
{
	for (size_t i = 0; i < n / PAGE; i++) {
		if (writes)
			p[i * PAGE + 128] = (char)(i + 1);
		else
			sink = p[i * PAGE + 128];
		if (!is_fast && i % PACE == PACE - 1)
			pause_us(PAUSE_US);
	}
}

static WORK_FN void touch_new(char *p, size_t n, bool writes)
{
	touch(p, n, writes);
}

static WORK_FN void touch_file(char *p, size_t n, bool writes)
{
	touch(p, n, writes);
}

static WORK_FN void touch_copy(char *p, size_t n)
{
	touch(p, n, true);
}

static WORK_FN void touch_stack(void)
{
	char *p = alloca(bytes);

	touch(p, bytes, true);
	sink = p[128];
}

/* One call of read() fills PACE pages. */
static WORK_FN void touch_by_read(char *p, size_t n)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	for (size_t at = 0; at < n; at += PACE * PAGE) {
		if (read(fd, p + at, PACE * PAGE) != PACE * PAGE)
			fail("touch: read");
		pause_us(PAUSE_US);
	}
	close(fd);
}

/* As touch_by_read. False: there is no io_uring here. */
static bool touch_by_worker(char *p, size_t n)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	struct ring r;

	if (!ring__open(&r))
		return false;
	for (size_t at = 0; at < n; at += PACE * PAGE) {
		if (!ring__read(&r, fd, p + at, PACE * PAGE))
			fail("touch: a worker's read");
		pause_us(PAUSE_US);
	}
	close(fd);
	return true;
}

static char *map(int flags, int fd)
{
	/* a huge page has to lie at a multiple of its size */
	char *p = mmap(NULL, bytes + 2 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	p = (char *)(((uintptr_t)p + 2 * MIB - 1) & ~(2 * MIB - 1));
	p = mmap(p, bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0);
	if (p == MAP_FAILED)
		fail("touch: mmap");
	return p;
}

static void tell(unsigned long long n, long faults, unsigned long long thp)
{
	printf("truth %llu %ld %llu\n", n, faults, thp);
}

static void *thread_new(void *p)
{
	touch_new(p, bytes / 4, true);
	return NULL;
}

/* Many, because few page faults are sampled. */
#define HELD         4
#define HELD_THREADS 512
#define HELD_STACK   16384u

static void *thread_held(void *page)
{
	*(volatile char *)page = 1;
	return NULL;
}

static void start_held(char *page, char *its_stack)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, its_stack, HELD_STACK);
	if (pthread_create(&thread, &attr, thread_held, page))
		fail("touch: pthread_create");
}

/* Says on to_fd when all its threads are in their page faults, which is when these have been told of. */
static void hold_up(int to_fd)
{
	const size_t size = HELD_THREADS * PAGE;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *stacks = mmap(NULL, (size_t)HELD_THREADS * HELD_STACK, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
	struct uffdio_api api = {.api = UFFD_API};
	struct uffdio_register r = {.range = {.start = (uintptr_t)p, .len = size},
				    .mode = UFFDIO_REGISTER_MODE_MISSING};
	struct uffd_msg msg;

	if (p == MAP_FAILED || stacks == MAP_FAILED)
		fail("touch: mmap");
	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &r))
		fail("touch: userfaultfd");
	for (size_t i = 0; i < HELD_THREADS; i++)
		start_held(p + i * PAGE, stacks + i * HELD_STACK);
	for (int i = 0; i < HELD_THREADS; i++)
		if (read(fd, &msg, sizeof(msg)) != sizeof(msg))
			fail("touch: a page fault that is told");
	if (write(to_fd, "h", 1) != 1)
		fail("touch: write");
	for (;;)
		pause();
}

static void held_up(char *p)
{
	pid_t children[HELD];
	int fds[2];
	char c;

	if (pipe(fds))
		fail("touch: pipe");
	for (int i = 0; i < HELD; i++) {
		children[i] = fork();
		if (!children[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			hold_up(fds[1]);
		}
	}
	close(fds[1]);
	for (int i = 0; i < HELD; i++)
		if (read(fds[0], &c, 1) != 1)
			fail("touch: nobody is held up");
	touch_new(p, bytes, true);
	for (int i = 0; i < HELD; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
}

static void new_pages(const char *way)
{
	bool is_shared = !strcmp(way, "shared");
	char *p = map(MAP_ANONYMOUS | (is_shared ? MAP_SHARED : MAP_PRIVATE), -1);
	int n_cycles = !strcmp(way, "huge") ? CYCLES : !strcmp(way, "again") ? 2 : 1;
	struct held sum = {0}, h;
	pthread_t threads[4];
	long faults;

	if (madvise(p, bytes, strcmp(way, "huge") ? MADV_NOHUGEPAGE : MADV_HUGEPAGE) && !is_shared)
		fail("touch: madvise");
	faults = n_faults();
	if (!strcmp(way, "threads")) {
		for (int i = 0; i < 4; i++)
			pthread_create(&threads[i], NULL, thread_new, p + bytes / 4 * (size_t)i);
		for (int i = 0; i < 4; i++)
			pthread_join(threads[i], NULL);
	} else if (!strcmp(way, "held_up")) {
		held_up(p);
	} else if (!strcmp(way, "system_call")) {
		touch_by_read(p, bytes);
	} else if (strcmp(way, "worker") != 0 || !touch_by_worker(p, bytes)) {
		touch_new(p, bytes, strcmp(way, "zeroes"));
	}
	h = held(p);
	for (int i = 1; i < n_cycles; i++) {
		madvise(p, bytes, MADV_DONTNEED);
		touch_new(p, bytes, true);
		sum.rss += h.rss;
		sum.thp += h.thp;
	}
	tell(sum.rss + h.rss, n_faults() - faults, sum.thp + h.thp);
}

static void *thread_stack(void *unused)
{
	long faults = n_faults();

	(void)unused;
	touch_stack();
	tell(bytes, n_faults() - faults, 0);
	return NULL;
}

static void stack(void)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, bytes + MIB);
	if (pthread_create(&thread, &attr, thread_stack, NULL))
		fail("touch: pthread_create");
	pthread_join(thread, NULL);
}

static void file(const char *way, const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	static char block[MIB];
	unsigned long long one, sum;
	long faults;
	char *p;

	memset(block, 'x', sizeof(block));
	for (size_t at = 0; at < bytes; at += sizeof(block))
		if (write(fd, block, sizeof(block)) != sizeof(block))
			fail("touch: write");
	p = map(MAP_PRIVATE, fd);
	faults = n_faults();
	touch_file(p, bytes, !strcmp(way, "own_file"));
	if (!strcmp(way, "file_copy"))
		touch_file(p, bytes, true);
	sum = one = held(p).rss;
	for (int i = 1; !strcmp(way, "file") && i < CYCLES; i++) {
		madvise(p, bytes, MADV_DONTNEED);
		touch_file(p, bytes, false);
		sum += one;
	}
	tell(sum, n_faults() - faults, 0);
	close(fd);
}

static void copy_by_fork(void)
{
	char *p = map(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	pid_t child;

	madvise(p, bytes, MADV_NOHUGEPAGE);
	memset(p, 1, bytes); /* at once: these are no part of it, by their function's name */
	child = fork();
	if (!child) {
		long faults = n_faults();

		touch_copy(p, bytes);
		tell(bytes, n_faults() - faults, 0);
		fflush(stdout);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

#define NAME_BYTES 4096

static WORK_FN void touch_names(size_t n)
{
	for (size_t i = 0; i < n; i++)
		sink = (char)access("/no such file", F_OK);
}

static void names(size_t n)
{
	touch_names(n);
	tell(n * NAME_BYTES, (long)n, 0);
}

#define TABLES 4096      /* at once */
#define REACH  (2 * MIB) /* of a page table */

static WORK_FN void touch_tables(char *p)
{
	for (size_t i = 0; i < TABLES; i++)
		p[i * REACH] = 1;
}

static void tables(void)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	size_t n = bytes / PAGE / TABLES;

	for (size_t i = 0; i < n; i++) {
		char *p = mmap(NULL, TABLES * REACH, PROT_READ | PROT_WRITE, flags, -1, 0);

		if (p == MAP_FAILED || madvise(p, TABLES * REACH, MADV_NOHUGEPAGE))
			fail("touch: mmap");
		touch_tables(p);
		munmap(p, TABLES * REACH); /* the tables, too */
	}
	tell(n * TABLES * PAGE, (long)(n * TABLES), 0);
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: touch WAY MIB [FILE]\n");
		return 2;
	}
	bytes = strtoull(argv[2], NULL, 10) * MIB;
	is_fast = !strcmp(argv[1], "huge") || !strcmp(argv[1], "file");
	if (!strcmp(argv[1], "stack"))
		stack();
	else if (!strcmp(argv[1], "names"))
		names(strtoull(argv[2], NULL, 10) * 1000);
	else if (!strcmp(argv[1], "tables"))
		tables();
	else if (!strcmp(argv[1], "fork"))
		copy_by_fork();
	else if (argc > 3)
		file(argv[1], argv[3]);
	else
		new_pages(argv[1]);
	return 0;
}
