/* SPDX-License-Identifier: Apache-2.0 */
/*
 * short_lived SECONDS [MS [array|bare|deep|handler|exit]]: one process after the other, each a fresh exec of this same file that works about MS (50) milliseconds of CPU in
 * short_leaf < short_child < main, or with an array on the stack that is not used, of half a megabyte or of 32 KiB, a third of it each:
 *
 *      short_leaf < short_child < short_array < main
 *      short_leaf < short_child < short_array < short_thread
 *      short_leaf < short_child < short_hole < short_thread
 *
 * or with `deep` below a recursion of some 300 KiB, or with `handler` in one of a signal that has a stack of its own, half each:
 *
 *      short_leaf < short_child < short_deep … short_deep < main
 *      short_leaf < short_child < short_handler < (sigreturn trampoline) < … < short_raiser < main
 *      short_leaf < short_child < short_handler < (sigreturn trampoline) < … < short_raiser < short_thread
 *
 * and is gone. With `bare` it works in short_bare < short_thread, in whose frame SP stands at the end of an array that nobody wrote to. With `exit` nothing is executed: each is a
 * copy of its parent, which wrote to each of 32 MiB, and all it does is to end. Says "children N CPU_NS": how many
 * there were, and what they and this process used in all.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tests/workloads/work.h"

static WORK_FN void short_leaf(uint64_t scale)
{
	work__spin(10 * scale);
}

static WORK_FN void short_child(struct work *w, uint64_t cpu_ns)
{
	while (work__now_ns(CLOCK_PROCESS_CPUTIME_ID) < cpu_ns) {
		work__go(w);
		short_leaf(w->scale);
	}
}

static WORK_FN void short_array(struct work *w, uint64_t cpu_ns)
{
	volatile char array[512 * 1024];

	short_child(w, cpu_ns);
	__asm__ volatile("" : : "r"(array) : "memory");
}

/* Of a thread that never went deeper, the pages in the middle are not there. */
static WORK_FN void short_hole(struct work *w, uint64_t cpu_ns)
{
	volatile char array[32 * 1024];

	short_child(w, cpu_ns);
	__asm__ volatile("" : : "r"(array) : "memory");
}

/* Nothing is called here: the page of SP is not there. */
static WORK_FN void short_bare(struct work *w, uint64_t cpu_ns)
{
	volatile char array[6 * 1024];

	(void)w;
	__asm__ volatile("" : : "r"(array) : "memory");
	work__spin(cpu_ns / 8); /* some 24 cycles each */
}

static WORK_FN void short_deep(struct work *w, uint64_t cpu_ns, unsigned depth)
{
	volatile char array[64];

	if (depth)
		short_deep(w, cpu_ns, depth - 1);
	else
		short_child(w, cpu_ns);
	__asm__ volatile("" : : "r"(array) : "memory");
}

/* What the handler does. */
static struct work *handlers_work;
static uint64_t handlers_cpu_ns;

static WORK_FN void short_handler(int signo)
{
	(void)signo;
	short_child(handlers_work, handlers_cpu_ns);
	__asm__ volatile("" : : : "memory");
}

static WORK_FN void short_raiser(struct work *w, uint64_t cpu_ns)
{
	struct sigaction sa = {.sa_handler = short_handler, .sa_flags = SA_ONSTACK};
	stack_t ss = {.ss_size = 64 * 1024};

	handlers_work = w;
	handlers_cpu_ns = cpu_ns;
	ss.ss_sp = malloc(ss.ss_size);
	if (!ss.ss_sp || sigaltstack(&ss, NULL) || sigaction(SIGUSR1, &sa, NULL))
		_exit(1);
	raise(SIGUSR1);
}

static WORK_FN void short_pages(void)
{
	enum { PAGE = 4096, BYTES = 32 << 20 };
	char *pages = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		return;
	madvise(pages, BYTES, MADV_NOHUGEPAGE);
	for (size_t at = 0; at < BYTES; at += PAGE)
		pages[at] = 1;
}

struct share {
	void (*fn)(struct work *w, uint64_t cpu_ns);
	struct work *w;
	uint64_t cpu_ns;
};

static WORK_FN void *short_thread(void *ctx)
{
	struct share *s = ctx;

	s->fn(s->w, s->cpu_ns);
	__asm__ volatile("" : : : "memory");
	return NULL;
}

static int work_in_thread(void (*fn)(struct work *w, uint64_t cpu_ns), struct work *w, uint64_t cpu_ns)
{
	struct share s = {fn, w, cpu_ns};
	pthread_t thread;

	if (pthread_create(&thread, NULL, short_thread, &s))
		return 1;
	pthread_join(thread, NULL);
	return 0;
}

/* The hole first: a thread that comes later has the stack of one that has ended. */
static int work_with_arrays(struct work *w, uint64_t cpu_ns)
{
	int failed = work_in_thread(short_hole, w, cpu_ns / 3);

	failed |= work_in_thread(short_array, w, cpu_ns / 3 * 2);
	short_array(w, cpu_ns);
	return failed;
}

int main(int argc, char **argv)
{
	const char *ms = argc > 2 ? argv[2] : "50", *how = argc > 3 ? argv[3] : "plain";
	unsigned long n = 0;
	char self[4096];
	struct work w;
	ssize_t len;

	work__init(&w, argc, argv);
	if (argc > 4 && !strcmp(argv[4], "child")) {
		uint64_t cpu_ns = strtoull(ms, NULL, 10) * 1000000u;

		if (!strcmp(how, "array"))
			return work_with_arrays(&w, cpu_ns);
		if (!strcmp(how, "bare"))
			return work_in_thread(short_bare, &w, cpu_ns);
		if (!strcmp(how, "handler")) {
			short_raiser(&w, cpu_ns / 2);
			return work_in_thread(short_raiser, &w, cpu_ns);
		}
		if (!strcmp(how, "deep")) {
			short_deep(&w, cpu_ns, 3000);
			return 0;
		}
		short_child(&w, cpu_ns);
		return 0;
	}
	/* by its own path: the kernel names a process after the last part of what was executed, and "exe" would be no name */
	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len <= 0) {
		perror("readlink /proc/self/exe");
		return 1;
	}
	self[len] = '\0';
	if (!strcmp(how, "exit"))
		short_pages();
	work__ready();
	while (work__now_ns(CLOCK_MONOTONIC) < w.end_ns) {
		pid_t pid = fork();

		if (!pid) {
			if (!strcmp(how, "exit"))
				_exit(0);
			execl(self, self, "1", ms, how, "child", (char *)NULL);
			_exit(127);
		}
		if (pid < 0 || waitpid(pid, NULL, 0) != pid) {
			perror("fork");
			return 1;
		}
		n++;
	}
	printf("children %lu %llu\n", n, (unsigned long long)work__family_ns());
	return work__done();
}
