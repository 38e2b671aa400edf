// SPDX-License-Identifier: Apache-2.0
/*
 * Problem: whoever reads another process's memory waits for its pages, and who fills in a page is that process's choice: userfaultfd and files of FUSE let
 * any program do it, late or never. No call reads only what is there, none takes a deadline, and of the signals only SIGKILL ends the wait.
 *
 * Idea: a thread reads, into memory of its own. Whoever asked waits for MEMORY_PATIENCE_NS and then goes on without: thread and memory are left behind, the
 * next job gets new ones.
 *
 *      asker ── job ──> thread    in time: the same thread has the next job
 *                       thread    left behind for pid 4711, which is refused; frees itself should it ever come back
 *
 * A process that kept a thread is refused at once as long as it keeps it, and for MEMORY_RESPITE_NS in any case: else one that serves a little too late would
 * take all of the asker's time. Its pid may be another one's by then, or it another program: that is told by when it started and where its arguments lie, which each
 * exec draws anew. With MEMORY_LEFT_MAX of those all others are refused too; what is refused the askers count.
 *
 * Rejected: to ask /proc/PID/pagemap first (what is there may be gone when it is read); to look who has a userfaultfd (another process may hold it); a child
 * that can be killed (a second process with the agent's rights, and no cheaper a hand-over).
 *
 * Invariants: a thread touches its own reader and its place in `left` only, never what is its asker's. `state` says whose the job is, and changes hands by one
 * exchange: a job is either taken back or left, not both.
 *
 * Cost: two wake-ups on one CPU a job, 4 to 6 us, so whoever has many pieces gives them in one; and a copy. Nothing is allocated but for the first job and behind a thread that was left.
 *
 * What it does not do: get a thread back. The kernel keeps a process's memory for as long as a thread reads in it, beyond the end of the process where another
 * one holds the userfaultfd.
 */
#include "user/process/memory_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/process/proc_dir.h"

#define THREAD_STACK (64 * 1024)

enum state { JOB_NONE, JOB_ASKED, JOB_DONE, JOB_LEFT };

/* What a pid stands for now; all 0: nobody, or it may not be known. */
struct incarnation {
	uint64_t start_ticks, args_start;
};

struct left {
	uint32_t pid; /* 0: free */
	struct incarnation whose;
	uint64_t until_ns;
	atomic_bool is_stuck;
};

struct reader {
	struct memory_job job;
	uint32_t pid;
	ssize_t got;
	struct left *left;
	pthread_t thread;
	int cpu; /* to which it is bound */
	_Atomic(uint32_t) state;
};

static struct {
	pthread_mutex_t turn; /* whose job it is */
	struct reader *reader;
	struct left left[MEMORY_LEFT_MAX];
} readers = {.turn = PTHREAD_MUTEX_INITIALIZER};

/* Until it is not `state` any more, or the time is over. */
static void reader__wait(struct reader *r, uint32_t state, const struct timespec *for_time)
{
	syscall(SYS_futex, &r->state, FUTEX_WAIT_PRIVATE, state, for_time, NULL, 0);
}

static void reader__wake(struct reader *r)
{
	syscall(SYS_futex, &r->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* -- the thread -- */

static ssize_t read_by_tid(struct memory_job *job)
{
	struct iovec here = {.iov_base = job->bytes, .iov_len = sizeof(job->bytes)};
	ssize_t got = process_vm_readv((pid_t)job->tid, &here, 1, job->there, job->n, 0);

	return got < 0 ? -errno : got;
}

/* A piece a call. Without an address space, which ends with its program, nothing comes and nothing fails. */
static ssize_t read_by_descriptor(struct memory_job *job)
{
	ssize_t done = 0, got = 0;

	for (uint32_t i = 0; i < job->n; i++) {
		const struct iovec *there = &job->there[i];

		got = pread(job->mem_fd, job->bytes + done, there->iov_len,
			    (off_t)(uintptr_t)there->iov_base);
		done += got > 0 ? got : 0;
		if (got != (ssize_t)there->iov_len)
			break;
	}
	return done ? done : got < 0 ? -EFAULT : -ESRCH;
}

static void *reader__run(void *ctx)
{
	struct reader *r = ctx;
	struct memory_job *job = &r->job;
	uint32_t state;

	do {
		while ((state = atomic_load(&r->state)) != JOB_ASKED)
			reader__wait(r, state, NULL);
		r->got = job->mem_fd < 0 ? read_by_tid(job) : read_by_descriptor(job);
		if (atomic_compare_exchange_strong(&r->state, &state, JOB_DONE))
			reader__wake(r);
	} while (state != JOB_LEFT);
	atomic_store(&r->left->is_stuck, false);
	free(r);
	return NULL;
}

static int reader__new(struct reader **ret_reader)
{
	struct reader *r = calloc(1, sizeof(*r));
	sigset_t all, before;
	pthread_attr_t attr;
	int err;

	if (!r)
		return -ENOMEM;
	r->cpu = -1;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = -pthread_create(&r->thread, &attr, reader__run, r);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		free(r);
	else
		*ret_reader = r;
	return err;
}

/* -- the asker -- */

static struct incarnation incarnation_of(uint32_t pid)
{
	char path[32];
	struct proc_stat st = {0};
	int fd;

	snprintf(path, sizeof(path), "/proc/%u", pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && read_proc_stat(fd, &st))
		st = (struct proc_stat){0};
	io__close(&fd);
	return (struct incarnation){st.start_ticks, st.args_start};
}

static bool is_of(const struct left *l, uint32_t pid)
{
	struct incarnation now;

	if (l->pid != pid)
		return false;
	now = incarnation_of(pid);
	return now.start_ticks == l->whose.start_ticks && now.args_start == l->whose.args_start;
}

/* A free place for one that may have to be left; NULL: the process is refused, or all are. */
static struct left *find_place(uint32_t pid)
{
	struct left *place = NULL;
	uint64_t now_ns = 0;

	for (int i = 0; i < MEMORY_LEFT_MAX; i++) {
		struct left *l = &readers.left[i];

		if (l->pid && !now_ns)
			now_ns = clock__mono_ns();
		if (l->pid && !atomic_load(&l->is_stuck) && now_ns >= l->until_ns)
			l->pid = 0;
		if (is_of(l, pid))
			return NULL;
		if (!l->pid)
			place = l;
	}
	return place;
}

/* To the asker's CPU, which it is about to give up: to wake an idle one takes longer than the job. */
static void reader__follow(struct reader *r)
{
	int cpu = sched_getcpu();
	cpu_set_t only;

	if (cpu == r->cpu || cpu < 0 || cpu >= CPU_SETSIZE)
		return;
	CPU_ZERO(&only);
	CPU_SET(cpu, &only);
	pthread_setaffinity_np(r->thread, sizeof(only), &only);
	r->cpu = cpu;
}

int memory_reader__take(uint32_t pid, struct memory_job **ret_job)
{
	struct left *place;
	int err;

	pthread_mutex_lock(&readers.turn);
	place = find_place(pid);
	err = !place ? -ETIMEDOUT : readers.reader ? 0 : reader__new(&readers.reader);
	if (err) {
		pthread_mutex_unlock(&readers.turn);
		return err;
	}
	readers.reader->pid = pid;
	readers.reader->left = place;
	*ret_job = &readers.reader->job;
	return 0;
}

/* The thread has it from now on, unless it is done this very moment. */
static bool leave(struct reader *r)
{
	struct left *l = r->left;
	uint32_t state = JOB_ASKED;

	l->pid = r->pid;
	l->whose = incarnation_of(r->pid);
	l->until_ns = clock__mono_ns() + MEMORY_RESPITE_NS;
	atomic_store(&l->is_stuck, true);
	if (atomic_compare_exchange_strong(&r->state, &state, JOB_LEFT)) {
		readers.reader = NULL;
		return true;
	}
	l->pid = 0;
	return false;
}

ssize_t memory_reader__read(struct memory_job *job)
{
	struct reader *r = (struct reader *)job; /* its first member */
	uint64_t now_ns = clock__mono_ns(), end_ns = now_ns + MEMORY_PATIENCE_NS;

	reader__follow(r);
	atomic_store(&r->state, JOB_ASKED);
	reader__wake(r);
	for (; atomic_load(&r->state) == JOB_ASKED; now_ns = clock__mono_ns()) {
		struct timespec rest = {.tv_nsec = (long)(end_ns - now_ns)};

		if (now_ns < end_ns)
			reader__wait(r, JOB_ASKED, &rest);
		else if (leave(r))
			return -ETIMEDOUT;
	}
	return r->got;
}

void memory_reader__put(void)
{
	pthread_mutex_unlock(&readers.turn);
}
