/* SPDX-License-Identifier: Apache-2.0 */
/*
 * standstill WAY: threads that hold locks and wait for locks, and stay so until the program is killed.
 *
 *      way       who waits for whom
 *      two       knot_a for knot_b, knot_b for knot_a: mutexes                                     a deadlock
 *      three     knot_a for knot_b, knot_b for knot_c, knot_c for knot_a; `behind` for knot_a      a deadlock of three
 *      rwlock    knot_a to write what knot_b writes, knot_b for a mutex that knot_a holds          a deadlock
 *      self      knot_a for itself                                                                a deadlock
 *      chain     waiter for holder, which sleeps                                                  none
 *      pi        as chain, with a mutex that inherits priority: of such the kernel lets no circle come about
 *      timed     as two, but knot_b gives up in an hour                                           none
 *      worker    a worker of io_uring's for more to do, where there is one                        none
 *      crowd     50 sleepers, one that spins                                                      none
 *
 * It prints "ready PID" when all stand.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>

#include "tests/workloads/ring.h"
#include "tests/workloads/work.h"

#define N_KNOTS    3
#define N_SLEEPERS 50

static pthread_mutex_t locks[N_KNOTS];
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t all_hold;
static const char *way;

static bool is_way(const char *name)
{
	return !strcmp(way, name);
}

static void have_worker(void)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	static struct ring ring;
	char byte;

	if (ring__open(&ring) && !ring__read(&ring, fd, &byte, 1))
		exit(1);
	close(fd);
}

static bool is_chain(void)
{
	return is_way("chain") || is_way("pi");
}

static WORK_FN int wait_for(int i)
{
	struct timespec hour;

	if (!is_way("timed") || i)
		return pthread_mutex_lock(&locks[i]);
	clock_gettime(CLOCK_REALTIME, &hour);
	hour.tv_sec += 3600;
	return pthread_mutex_timedlock(&locks[i], &hour);
}

/* Takes its own, and then the next one's. */
static void *knot(void *arg)
{
	int i = (int)(intptr_t)arg, n = is_way("three") ? 3 : is_way("self") ? 1 : 2;

	prctl(PR_SET_NAME, (const char *[]){"knot_a", "knot_b", "knot_c"}[i]);
	if (is_way("rwlock") && i == 1)
		pthread_rwlock_wrlock(&rwlock);
	else
		pthread_mutex_lock(&locks[i]);
	pthread_barrier_wait(&all_hold);
	if (is_way("rwlock") && i == 0)
		return (void *)(intptr_t)pthread_rwlock_wrlock(&rwlock);
	return (void *)(intptr_t)wait_for((i + 1) % n);
}

static void *behind(void *arg)
{
	prctl(PR_SET_NAME, "behind");
	pthread_barrier_wait(&all_hold);
	wait_for(0);
	return arg;
}

static void *hold(void *arg)
{
	prctl(PR_SET_NAME, "holder");
	pthread_mutex_lock(&locks[0]);
	pthread_barrier_wait(&all_hold);
	sleep(3600);
	return arg;
}

static void *wait_once(void *arg)
{
	prctl(PR_SET_NAME, "waiter");
	pthread_barrier_wait(&all_hold);
	wait_for(0);
	return arg;
}

static void *spin(void *arg)
{
	prctl(PR_SET_NAME, "spinner");
	pthread_barrier_wait(&all_hold);
	for (;;)
		work__spin(1000000);
	return arg;
}

static void *rest(void *arg)
{
	prctl(PR_SET_NAME, "sleeper");
	pthread_barrier_wait(&all_hold);
	sleep(3600);
	return arg;
}

static void make_locks(void)
{
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	if (is_way("pi"))
		pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	for (int i = 0; i < N_KNOTS; i++)
		pthread_mutex_init(&locks[i], &attr);
}

static int begin(void *(*body)(void *), int arg)
{
	pthread_t t;

	return pthread_create(&t, NULL, body, (void *)(intptr_t)arg);
}

int main(int argc, char **argv)
{
	int n_knots, err = 0;

	if (argc != 2)
		return 2;
	way = argv[1];
	n_knots = is_way("three")                                     ? 3
		  : is_way("self")                                    ? 1
		  : is_chain() || is_way("crowd") || is_way("worker") ? 0
								      : 2;
	make_locks();
	pthread_barrier_init(&all_hold, NULL,
			     1 +
				     (is_way("crowd") ? N_SLEEPERS + 1
				      : is_chain()    ? 2
						      : n_knots) +
				     is_way("three"));
	for (int i = 0; i < n_knots; i++)
		err |= begin(knot, i);
	if (is_way("worker"))
		have_worker();
	if (is_way("three"))
		err |= begin(behind, 0);
	if (is_chain())
		err |= begin(hold, 0) | begin(wait_once, 0);
	for (int i = 0; i < N_SLEEPERS && is_way("crowd"); i++)
		err |= begin(rest, 0);
	if (is_way("crowd"))
		err |= begin(spin, 0);
	if (err)
		return 1;
	pthread_barrier_wait(&all_hold);
	usleep(200000);
	printf("ready %d\n", getpid());
	fflush(stdout);
	pause();
	return 0;
}
