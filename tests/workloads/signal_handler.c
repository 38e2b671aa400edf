/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signal_handler SECONDS [altstack]: a timer interrupts `interrupted` in the middle of its loop, and the handler does nearly all of the
 * work on top of it:
 *
 *      handler_leaf < handler < (sigreturn trampoline) < interrupted < outer < main
 *
 * `interrupted` spins only until the next signal comes. With `altstack` the handler's frames are on a stack of their own, below or above
 * the interrupted one: the stack pointer may go either way at the trampoline.
 */
#include <errno.h>
#include <sys/mman.h>

#include "tests/workloads/work.h"

static struct work work;
static volatile sig_atomic_t n_signals;

static WORK_FN void handler_leaf(void)
{
	for (int i = 0; i < 200; i++) {
		work__go(&work);
		work__spin(100 * work.scale);
	}
}

static WORK_FN void handler(int signo)
{
	int saved = errno;

	(void)signo;
	handler_leaf();
	n_signals++;
	errno = saved;
}

static WORK_FN void interrupted(sig_atomic_t seen)
{
	while (n_signals == seen)
		work__spin(10);
}

static WORK_FN void outer(timer_t timer)
{
	struct itimerspec once = {.it_value = {.tv_nsec = 100000}};
	/* before the timer is set: the signal may come before `interrupted` has begun */
	sig_atomic_t seen = n_signals;

	timer_settime(timer, 0, &once, NULL);
	interrupted(seen);
	__asm__ volatile("" ::: "memory");
}

static void use_altstack(void)
{
	stack_t ss = {.ss_size = 256 * 1024};

	ss.ss_sp = mmap(NULL, ss.ss_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (ss.ss_sp == MAP_FAILED || sigaltstack(&ss, NULL)) {
		perror("sigaltstack");
		exit(1);
	}
}

int main(int argc, char **argv)
{
	bool altstack = argc > 2 && !strcmp(argv[2], "altstack");
	struct sigaction sa = {.sa_handler = handler, .sa_flags = SA_RESTART | (altstack ? SA_ONSTACK : 0)};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
	timer_t timer;

	work__init(&work, argc, argv);
	if (altstack)
		use_altstack();
	if (sigaction(SIGRTMIN, &sa, NULL) || timer_create(CLOCK_MONOTONIC, &event, &timer)) {
		perror("timer");
		return 1;
	}
	work__ready();
	while (work__now_ns(CLOCK_MONOTONIC) < work.end_ns)
		outer(timer);
	return work__done();
}
