/* SPDX-License-Identifier: Apache-2.0 */
/*
 * threads SECONDS: three named threads that work 5, 3 and 2 units a round and meet at a barrier, so that their shares of the
 * process's CPU time are 50, 30 and 20 per cent however the scheduler places them:
 *
 *      thread_leaf < thread_body < (start of threads in the C library)
 */
#include <pthread.h>

#include "tests/workloads/work.h"

struct worker {
	const char *name;
	uint64_t units;
	uint64_t end_ns;
	uint64_t seed;
	pthread_barrier_t *barrier;
	bool *stop;
};

static WORK_FN void thread_leaf(uint64_t units)
{
	work__spin(units);
}

static WORK_FN void *thread_body(void *arg)
{
	struct worker *me = arg;
	struct work w = {.end_ns = me->end_ns, .random = me->seed};

	pthread_setname_np(pthread_self(), me->name);
	for (;;) {
		/* all draw the same numbers; the first worker decides for all when to stop, between two meetings */
		bool more = work__go(&w);

		if (me->units == 5)
			*me->stop = !more;
		pthread_barrier_wait(me->barrier);
		if (*me->stop)
			return NULL;
		/* long rounds: the meeting itself must not weigh */
		thread_leaf(me->units * 2500 * w.scale);
		pthread_barrier_wait(me->barrier);
	}
}

int main(int argc, char **argv)
{
	pthread_barrier_t barrier;
	pthread_t threads[3];
	bool stop = false;
	struct work w;

	work__init(&w, argc, argv);
	struct worker workers[3] = {
		{"five", 5, w.end_ns, w.random, &barrier, &stop},
		{"three", 3, w.end_ns, w.random, &barrier, &stop},
		{"two", 2, w.end_ns, w.random, &barrier, &stop},
	};
	pthread_barrier_init(&barrier, NULL, 3);
	for (int i = 0; i < 3; i++) {
		if (pthread_create(&threads[i], NULL, thread_body, &workers[i])) {
			perror("pthread_create");
			return 1;
		}
	}
	work__ready();
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	return work__done();
}
