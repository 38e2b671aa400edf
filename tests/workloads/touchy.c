// SPDX-License-Identifier: Apache-2.0
/*
 * touchy WAY SECONDS: a program that allocates without a pause in a state in which a probe could harm it. It looks at every block that it gets, and ends with 0
 * where all of them, and all that it waited for, were right.
 *
 * strict   under seccomp's strict mode: any system call but read, write and exit kills it
 * filtered under a filter that kills it for the same
 * setuid   as a program of root's that somebody else runs
 * exec     its children execute it anew all the while, allocate and end
 * traced   another process stops it, steps it and lets it go on
 * vfork    its children allocate in its memory
 * reads    it has the C library mapped as data and compares it with the file, as an emulator or a copying tool reads it
 * glances  the same for 100 ms at a time, as linkers do one after the other, and 60 ms not
 * signals  a handler that is called two thousand times a second allocates, too
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "tests/workloads/work.h"

#define BLOCKS       16
#define BURST        20000
#define STEPS        5
#define CALIBRATE_NS 100000000
#define UNKNOWN      65534

static volatile sig_atomic_t is_allocating, n_handled;

/* Blocks of all kinds that hold what was written to them. */
static WORK_FN bool take_blocks(void)
{
	unsigned char *blocks[BLOCKS];
	bool is_right = true;

	for (size_t i = 0; i < BLOCKS; i++) {
		size_t size = 24 + 40 * i;

		blocks[i] = i % 3 == 2 ? calloc(2, size) : malloc(size);
		if (i % 3 == 1)
			blocks[i] = realloc(blocks[i], size * 2);
		if (!blocks[i])
			return false;
		is_right &= i % 3 != 2 || (!blocks[i][0] && !blocks[i][2 * size - 1]);
		memset(blocks[i], (int)i + 1, size);
	}
	for (size_t i = 0; i < BLOCKS; i++) {
		is_right &= blocks[i][0] == i + 1 && blocks[i][23 + 40 * i] == i + 1;
		free(blocks[i]);
	}
	return is_right;
}

static bool take_for(struct work *w)
{
	while (work__now_ns(CLOCK_MONOTONIC) < w->end_ns)
		for (int i = 0; i < 100; i++)
			if (!take_blocks())
				return false;
	return true;
}

/* Without a clock, which may be a system call: so many as take half of the time, on a CPU of its own. */
static bool find_how_many(const struct work *w, uint64_t *ret_n)
{
	uint64_t seconds_ns = w->end_ns - work__now_ns(CLOCK_MONOTONIC), n = 0;
	uint64_t began = work__now_ns(CLOCK_PROCESS_CPUTIME_ID), took;

	do {
		for (int i = 0; i < 100; i++, n++)
			if (!take_blocks())
				return false;
		took = work__now_ns(CLOCK_PROCESS_CPUTIME_ID) - began;
	} while (took < CALIBRATE_NS);
	*ret_n = n * (seconds_ns / 2) / took;
	return true;
}

static _Noreturn void take_and_exit(uint64_t n)
{
	bool is_right = true;

	while (n-- && is_right)
		is_right = take_blocks();
	syscall(SYS_exit, is_right ? 0 : 1);
	__builtin_unreachable();
}

static int strict(struct work *w)
{
	uint64_t n;

	if (!find_how_many(w, &n) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT))
		return 1;
	take_and_exit(n);
}

static int filtered(struct work *w)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	uint64_t n;
	struct sock_fprog program = {.len = sizeof(code) / sizeof(*code), .filter = code};

	if (!find_how_many(w, &n) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return 1;
	take_and_exit(n);
}

static int as_root_for_somebody(struct work *w)
{
	return getuid() == UNKNOWN && geteuid() == 0 && take_for(w) ? 0 : 1;
}

static int brief(struct work *w)
{
	(void)w;
	for (int i = 0; i < BURST; i++)
		if (!take_blocks())
			return 1;
	return 0;
}

static bool ends_well(pid_t pid)
{
	int status;

	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status);
}

static int execs(struct work *w)
{
	while (work__now_ns(CLOCK_MONOTONIC) < w->end_ns) {
		pid_t pid = fork();

		if (!pid) {
			execl("/proc/self/exe", "touchy", "brief", "1", NULL);
			_exit(127);
		}
		if (!ends_well(pid))
			return 1;
	}
	return 0;
}

/* Stopped by us, and for nothing else. */
static bool is_our_stop(int status)
{
	return WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP &&
	       (status >> 16 == PTRACE_EVENT_STOP || status >> 16 == 0);
}

/* True until it has ended. */
static bool stop_and_step(pid_t pid, bool *ret_is_right)
{
	int status = 0;

	usleep(2000);
	*ret_is_right = false;
	if (ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) || waitpid(pid, &status, 0) != pid)
		return false;
	for (int i = 0; i < STEPS && is_our_stop(status); i++)
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) || waitpid(pid, &status, 0) != pid)
			return false;
	if (WIFEXITED(status)) {
		*ret_is_right = !WEXITSTATUS(status);
		return false;
	}
	return is_our_stop(status) && !ptrace(PTRACE_CONT, pid, NULL, NULL);
}

static int traced(struct work *w)
{
	bool is_right = false;
	pid_t pid = fork();

	if (!pid)
		_exit(take_for(w) ? 0 : 1);
	if (pid < 0 || ptrace(PTRACE_SEIZE, pid, NULL, NULL))
		return 1;
	while (stop_and_step(pid, &is_right))
		;
	return is_right ? 0 : 1;
}

static int vforks(struct work *w)
{
	while (work__now_ns(CLOCK_MONOTONIC) < w->end_ns) {
		pid_t pid = vfork();

		if (!pid) {
			for (int i = 0; i < 100; i++)
				if (!take_blocks())
					_exit(1);
			_exit(0);
		}
		if (!ends_well(pid) || !take_blocks())
			return 1;
	}
	return 0;
}

static void on_alarm(int signo)
{
	(void)signo;
	n_handled++;
	if (!is_allocating && !take_blocks())
		_exit(1);
}

static int signals(struct work *w)
{
	const struct itimerval every = {.it_interval = {.tv_usec = 500}, .it_value = {.tv_usec = 500}};

	signal(SIGALRM, on_alarm);
	if (setitimer(ITIMER_REAL, &every, NULL))
		return 1;
	while (work__now_ns(CLOCK_MONOTONIC) < w->end_ns) {
		is_allocating = 1;
		if (!take_blocks())
			return 1;
		is_allocating = 0;
		work__spin(20);
	}
	return n_handled ? 0 : 1;
}

/* What it was mapped amid has passed when it begins to look. */
static int reads(struct work *w)
{
	const struct timespec moment = {.tv_sec = 1};
	char *mapped, *read_bytes;
	struct stat st;
	Dl_info info;
	int fd = dladdr(dlsym(RTLD_DEFAULT, "malloc"), &info) ? open(info.dli_fname, O_RDONLY) : -1;

	if (fd < 0 || fstat(fd, &st))
		return 1;
	mapped = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	read_bytes = malloc((size_t)st.st_size);
	if (mapped == MAP_FAILED || !read_bytes || read(fd, read_bytes, (size_t)st.st_size) != st.st_size)
		return 1;
	nanosleep(&moment, NULL);
	while (work__now_ns(CLOCK_MONOTONIC) < w->end_ns)
		if (memcmp(mapped, read_bytes, (size_t)st.st_size))
			return 1;
	return 0;
}

/* As linkers do, one after the other. */
static int glances(struct work *w)
{
	const struct timespec mapped_for = {.tv_nsec = 100000000}, moment = {.tv_nsec = 60000000};
	Dl_info info;
	int fd = dladdr(dlsym(RTLD_DEFAULT, "malloc"), &info) ? open(info.dli_fname, O_RDONLY) : -1;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return 1;
	printf("ready %d\n", (int)getpid());
	fflush(stdout);
	while (work__now_ns(CLOCK_MONOTONIC) < w->end_ns) {
		void *mapped = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);

		nanosleep(&mapped_for, NULL);
		if (mapped == MAP_FAILED || munmap(mapped, (size_t)st.st_size))
			return 1;
		nanosleep(&moment, NULL);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(struct work *w);
	} ways[] = {{"strict", strict},  {"filtered", filtered}, {"setuid", as_root_for_somebody},
		    {"brief", brief},    {"exec", execs},        {"traced", traced},
		    {"reads", reads},    {"glances", glances},   {"vfork", vforks},
		    {"signals", signals}};
	struct work w;

	if (argc < 3)
		return 2;
	work__init(&w, argc - 1, argv + 1);
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
		if (!strcmp(argv[1], ways[i].name))
			return ways[i].run(&w);
	return 2;
}
