/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: whoever looks into another process waits for what that process holds: for its pages, which userfaultfd and files of FUSE let any program fill in late or never; for its
 * mmap_lock, which a thread keeps while it waits for such a page; for its exec_update_lock, which an exec keeps while it waits for a read of such a file that is under way. No call of
 * the kernel's takes a deadline, and of the signals only SIGKILL ends the wait.
 *
 * Idea: a thread does it, with memory of its own. Whoever asked waits for ASIDE_PATIENCE_NS and then goes on without: thread and job are left behind, the next job gets a new thread.
 *
 *      asker ── job ──> thread    in time: the same thread has the next job
 *                       thread    left behind for pid 4711, which is refused; drops its job and ends should it ever come back
 *
 * A process that kept a thread is refused at once as long as it keeps it, and for ASIDE_RESPITE_NS in any case: else one that lets go a little too late would take all of the asker's
 * time. Its pid may be another one's by then: a pidfd tells, without a word to /proc. With ASIDE_LEFT_MAX of those all others are refused too, with ASIDE_LEFT_PER_USER of them all of
 * their user: nobody can spoil it for all by himself, unless he has many users, or is root.
 *
 * Who is too late is not always to blame: the thread may not have had a CPU. So the time begins when it does, and ends only where the kernel says that it waits.
 *
 * Rejected: to look first, by a BPF program, whether a lock is held, and have a watchdog for when it is taken right behind the look (what is the watchdog to do? only SIGKILL ends the
 * wait, and that ends us all); to look at nothing that a lock guards (there is no other way to a start time, a program's path, a mapped file); a child that can be killed (a
 * second process with the agent's rights, descriptors that go to and fro, and no cheaper a hand-over); one that shares memory and descriptors, made by clone(2) (no C library works in it, and what
 * it held when it is killed is lost).
 *
 * Invariants: a thread touches its own worker and job only, and its place in `left`. A worker's `state` says whose the job is, and changes hands by one exchange: a job is either taken
 * back or left, not both.
 *
 * Cost: two wake-ups on one CPU a job, 4 to 6 us, so whoever has much to ask asks it in one.
 *
 * What it does not do: get a thread back. The kernel keeps a process's memory for as long as a thread reads in it, beyond the end of the process where another
 * one holds the userfaultfd.
 */
#include "user/base/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/io.h"

#define THREAD_STACK (64 * 1024)
#define STATUS_MAX   16384
#define UID_UNKNOWN  UINT32_MAX /* also the user of all who were gone before they could be asked */

enum state { JOB_NONE, JOB_ASKED, JOB_BEGUN, JOB_DONE, JOB_LEFT };

struct left {
	uint32_t pid; /* 0: nobody's any more, though the place is taken */
	uint32_t uid;
	int pidfd;
	uint64_t until_ns; /* 0: free */
	atomic_bool is_stuck;
};

struct worker {
	struct aside_job *job;
	struct worker *next; /* idle, too */
	struct left *left;
	uint64_t begun_ns;
	uint32_t uid; /* of whom the job is for; UID_UNKNOWN: not asked yet */
	pthread_t thread;
	pid_t tid;
	int cpu; /* to which it is bound */
	_Atomic(uint32_t) state;
};

static struct {
	pthread_mutex_t lock; /* all but what is a worker's own */
	struct worker *idle;
	struct left left[ASIDE_LEFT_MAX];
	uint32_t n_taken, n_asked; /* places; jobs of which each may need one */
	uint64_t n_left;
	uint32_t last_pid;
} asides = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Until it is not `state` any more, or the time is over. */
static void worker__wait(struct worker *w, uint32_t state, const struct timespec *for_time)
{
	syscall(SYS_futex, &w->state, FUTEX_WAIT_PRIVATE, state, for_time, NULL, 0);
}

static void worker__wake(struct worker *w)
{
	syscall(SYS_futex, &w->state, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

/* -- the thread -- */

static void *worker__run(void *ctx)
{
	struct worker *w = ctx;
	uint32_t state;

	w->tid = (pid_t)syscall(SYS_gettid);
	do {
		while ((state = atomic_load(&w->state)) != JOB_ASKED)
			worker__wait(w, state, NULL);
		w->begun_ns = clock__mono_ns();
		state = JOB_BEGUN;
		atomic_store(&w->state, state);
		w->job->run(w->job);
		if (atomic_compare_exchange_strong(&w->state, &state, JOB_DONE))
			worker__wake(w);
	} while (state != JOB_LEFT);
	atomic_store(&w->left->is_stuck, false);
	w->job->drop(w->job);
	free(w);
	return NULL;
}

static int worker__new(struct worker **ret_worker)
{
	struct worker *w = calloc(1, sizeof(*w));
	sigset_t all, before;
	pthread_attr_t attr;
	int err;

	if (!w)
		return -ENOMEM;
	w->cpu = -1;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = -pthread_create(&w->thread, &attr, worker__run, w);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		free(w);
	else
		*ret_worker = w;
	return err;
}

/* Has the kernel put it to sleep? Else it is only short of a CPU. */
static bool worker__waits(const struct worker *w)
{
	const char *state;
	char path[48];
	struct buf b;
	bool waits;

	buf__init(&b, STATUS_MAX);
	snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)w->tid);
	state = io__read_at(AT_FDCWD, path, STATUS_MAX - 1, &b) ? NULL : strstr(buf__str(&b), "\nState:\t");
	waits = !state || state[8] != 'R';
	buf__done(&b);
	return waits;
}

/* -- who is refused -- */

/* The effective one, from a file that no lock guards. */
static uint32_t uid_of(uint32_t pid)
{
	unsigned int uid = UID_UNKNOWN;
	const char *line;
	char path[32];
	struct buf b;

	buf__init(&b, STATUS_MAX);
	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	line = io__read_at(AT_FDCWD, path, STATUS_MAX - 1, &b) ? NULL : strstr(buf__str(&b), "\nUid:");
	if (line)
		sscanf(line, "\nUid: %*u %u", &uid);
	buf__done(&b);
	return uid;
}

/* Not for another process that has the pid now. */
static bool left__is_of(const struct left *l, uint32_t pid)
{
	struct pollfd end = {.fd = l->pidfd, .events = POLLIN};

	return l->pid == pid && (l->pidfd < 0 || poll(&end, 1, 0) == 0);
}

static void free_places(void)
{
	const uint64_t now_ns = clock__mono_ns();

	for (struct left *l = asides.left; l < asides.left + ASIDE_LEFT_MAX; l++) {
		if (!l->until_ns || now_ns < l->until_ns || atomic_load(&l->is_stuck))
			continue;
		io__close(&l->pidfd);
		l->until_ns = 0;
		asides.n_taken--;
	}
}

/* Root may have all. */
static uint32_t n_of_user(uint32_t uid)
{
	uint32_t n = 0;

	for (const struct left *l = asides.left; uid && l < asides.left + ASIDE_LEFT_MAX; l++)
		n += l->until_ns && l->uid == uid;
	return n;
}

static bool any_user_has_enough(void)
{
	for (const struct left *l = asides.left; l < asides.left + ASIDE_LEFT_MAX; l++)
		if (l->until_ns && n_of_user(l->uid) >= ASIDE_LEFT_PER_USER)
			return true;
	return false;
}

/* Whose it is is only asked where somebody has enough, but then beforehand: who is left may be gone before anybody could ask. */
static bool is_refused(uint32_t pid, uint32_t *ret_uid)
{
	*ret_uid = UID_UNKNOWN;
	if (asides.n_taken)
		free_places();
	if (asides.n_taken + asides.n_asked >= ASIDE_LEFT_MAX)
		return true;
	if (!asides.n_taken)
		return false;
	for (const struct left *l = asides.left; l < asides.left + ASIDE_LEFT_MAX; l++)
		if (l->until_ns && left__is_of(l, pid))
			return true;
	if (!any_user_has_enough())
		return false;
	*ret_uid = uid_of(pid);
	return n_of_user(*ret_uid) >= ASIDE_LEFT_PER_USER;
}

/* -- the asker -- */

/* To the asker's CPU, which it is about to give up: to wake an idle one takes longer than the job. */
static void worker__follow(struct worker *w)
{
	int cpu = sched_getcpu();
	cpu_set_t only;

	if (cpu == w->cpu || cpu < 0 || cpu >= CPU_SETSIZE)
		return;
	CPU_ZERO(&only);
	CPU_SET(cpu, &only);
	pthread_setaffinity_np(w->thread, sizeof(only), &only);
	w->cpu = cpu;
}

static int take_worker(uint32_t pid, struct worker **ret_worker)
{
	uint32_t uid;
	int err = 0;

	pthread_mutex_lock(&asides.lock);
	if (is_refused(pid, &uid)) {
		err = -ETIMEDOUT;
	} else if (asides.idle) {
		*ret_worker = asides.idle;
		asides.idle = asides.idle->next;
	} else {
		err = worker__new(ret_worker);
	}
	if (!err) {
		(*ret_worker)->uid = uid;
		asides.n_asked++;
	}
	pthread_mutex_unlock(&asides.lock);
	return err;
}

static void put_worker(struct worker *w)
{
	pthread_mutex_lock(&asides.lock);
	asides.n_asked--;
	w->next = asides.idle;
	asides.idle = w;
	pthread_mutex_unlock(&asides.lock);
}

/* The thread has the job from now on, unless it is done this very moment. */
static bool leave(struct worker *w, uint32_t pid)
{
	const uint32_t uid = w->uid == UID_UNKNOWN ? uid_of(pid) : w->uid;
	const int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	const bool is_gone = pidfd < 0 && errno == ESRCH;
	uint32_t state = JOB_BEGUN;
	struct left *l = asides.left;
	bool is_left;

	pthread_mutex_lock(&asides.lock);
	while (l->until_ns) /* there is one for each that was asked */
		l++;
	l->pid = is_gone ? 0 : pid;
	l->uid = uid;
	l->pidfd = pidfd;
	atomic_store(&l->is_stuck, true);
	w->left = l;
	is_left = atomic_compare_exchange_strong(&w->state, &state, JOB_LEFT);
	if (is_left) {
		l->until_ns = clock__mono_ns() + ASIDE_RESPITE_NS;
		asides.n_asked--;
		asides.n_taken++;
		asides.n_left++;
		asides.last_pid = pid;
	} else {
		io__close(&l->pidfd);
	}
	pthread_mutex_unlock(&asides.lock);
	return is_left;
}

/* Its CPU may be somebody else's for long. */
static void worker__leave_cpu(struct worker *w)
{
	cpu_set_t any;

	if (w->cpu < 0 || pthread_getaffinity_np(pthread_self(), sizeof(any), &any))
		return;
	pthread_setaffinity_np(w->thread, sizeof(any), &any);
	w->cpu = -1;
}

/* -ETIMEDOUT: it was left. */
static int worker__await(struct worker *w, uint32_t pid)
{
	const uint64_t asked_ns = clock__mono_ns();
	uint32_t state;

	while ((state = atomic_load(&w->state)) != JOB_DONE) {
		uint64_t waited_ns = state == JOB_BEGUN ? clock__mono_ns() - w->begun_ns : 0;
		struct timespec rest = {.tv_nsec = (long)(ASIDE_PATIENCE_NS - waited_ns % ASIDE_PATIENCE_NS)};

		if (waited_ns >= ASIDE_PATIENCE_NS && worker__waits(w) && leave(w, pid))
			return -ETIMEDOUT;
		if (clock__mono_ns() - asked_ns >= ASIDE_PATIENCE_NS)
			worker__leave_cpu(w);
		worker__wait(w, state, &rest);
	}
	return 0;
}

int aside__run(uint32_t pid, struct aside_job *job)
{
	struct worker *w;
	int err = take_worker(pid, &w);

	if (err) {
		job->drop(job);
		return err;
	}
	w->job = job;
	worker__follow(w);
	atomic_store(&w->state, JOB_ASKED);
	worker__wake(w);
	err = worker__await(w, pid);
	if (!err)
		put_worker(w);
	return err;
}

void aside__forget(uint32_t pid)
{
	pthread_mutex_lock(&asides.lock);
	for (struct left *l = asides.left; asides.n_taken && l < asides.left + ASIDE_LEFT_MAX; l++)
		if (l->pid == pid)
			l->pid = 0;
	pthread_mutex_unlock(&asides.lock);
}

uint64_t aside__n_left(uint32_t *ret_pid)
{
	uint64_t n;

	pthread_mutex_lock(&asides.lock);
	n = asides.n_left;
	*ret_pid = asides.last_pid;
	pthread_mutex_unlock(&asides.lock);
	return n;
}
