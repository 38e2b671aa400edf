// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/loop.h"

/* What callbacks need: the loop, what to remove, what was called. */
struct scene {
	struct loop *l;
	struct loop_source *self, *other;
	uint64_t n_calls, n_expired;
	int signo;
};

static int begin(void **state)
{
	static struct scene s;

	s = (struct scene){0};
	*state = &s;
	return loop__new(&s.l);
}

static int end(void **state)
{
	loop__free(((struct scene *)*state)->l);
	return 0;
}

static int stop_on_timer(uint64_t n_expired, void *ctx)
{
	struct scene *s = ctx;

	s->n_expired += n_expired;
	s->n_calls++;
	loop__stop(s->l);
	return 0;
}

static int count_timer(uint64_t n_expired, void *ctx)
{
	struct scene *s = ctx;

	s->n_calls++;
	s->n_expired += n_expired;
	return 0;
}

static void one_shot_timer_fires_once_in_time(void **state)
{
	struct scene *s = *state;
	uint64_t start_ns = clock__mono_ns();

	assert_int_equal(loop__add_timer(s->l, 30 * NS_PER_MS, 0, count_timer, s, NULL), 0);
	assert_int_equal(loop__add_timer(s->l, 150 * NS_PER_MS, 0, stop_on_timer, s, NULL), 0);
	assert_int_equal(loop__run(s->l), 0);
	assert_int_equal(s->n_calls, 2);
	assert_true(clock__mono_ns() - start_ns >= 150 * NS_PER_MS);
}

static void periodic_timer_does_not_drift(void **state)
{
	struct scene *s = *state;
	struct scene stopper = {.l = s->l};

	assert_int_equal(loop__add_timer(s->l, 10 * NS_PER_MS, 10 * NS_PER_MS, count_timer, s, NULL), 0);
	assert_int_equal(loop__add_timer(s->l, 205 * NS_PER_MS, 0, stop_on_timer, &stopper, NULL), 0);
	assert_int_equal(loop__run(s->l), 0);
	/* expirations are counted even where we were called late, so the number is that of the elapsed periods */
	assert_true(s->n_expired >= 19);
	assert_true(s->n_calls <= s->n_expired);
}

static void timer_that_is_off_waits_for_set(void **state)
{
	struct scene *s = *state;
	struct scene stopper = {.l = s->l};
	struct loop_source *timer;

	assert_int_equal(loop__add_timer(s->l, LOOP_TIMER_OFF, 0, count_timer, s, &timer), 0);
	assert_int_equal(loop__add_timer(s->l, 50 * NS_PER_MS, 0, stop_on_timer, &stopper, NULL), 0);
	assert_int_equal(loop__run(s->l), 0);
	assert_int_equal(s->n_calls, 0);
	assert_int_equal(loop__add_timer(s->l, 50 * NS_PER_MS, 0, stop_on_timer, &stopper, NULL), 0);
	assert_int_equal(loop__set_timer(timer, 0, 0), 0);
	assert_int_equal(loop__run(s->l), 0);
	assert_int_equal(s->n_calls, 1);
}

static int fail_on_fd(int fd, uint32_t epoll_events, void *ctx)
{
	struct scene *s = ctx;
	eventfd_t n;

	s->n_calls++;
	assert_true(epoll_events & EPOLLIN);
	assert_int_equal(eventfd_read(fd, &n), 0);
	return n == 7 ? -EPROTO : 0;
}

static void failing_callback_ends_the_run_with_its_error(void **state)
{
	struct scene *s = *state;
	int fd = eventfd(7, EFD_NONBLOCK);

	assert_int_equal(loop__add_fd(s->l, fd, EPOLLIN, fail_on_fd, s, NULL), 0);
	assert_int_equal(loop__run(s->l), -EPROTO);
	assert_int_equal(s->n_calls, 1);
	/* the descriptor stays ours */
	loop__free(s->l);
	s->l = NULL;
	assert_int_equal(eventfd_write(fd, 1), 0);
	close(fd);
}

static int remove_both(int fd, uint32_t epoll_events, void *ctx)
{
	struct scene *s = ctx;

	(void)fd, (void)epoll_events;
	s->n_calls++;
	loop__remove(s->l, s->self);
	loop__remove(s->l, s->other);
	loop__stop(s->l);
	return 0;
}

/* Both are ready in the same batch; whichever is called first removes both, and the other must not be called. */
static void source_removed_in_a_callback_is_not_called(void **state)
{
	struct scene *s = *state;
	int a = eventfd(1, 0), b = eventfd(1, 0);

	assert_int_equal(loop__add_fd(s->l, a, EPOLLIN, remove_both, s, &s->self), 0);
	assert_int_equal(loop__add_fd(s->l, b, EPOLLIN, remove_both, s, &s->other), 0);
	assert_int_equal(loop__run(s->l), 0);
	assert_int_equal(s->n_calls, 1);
	assert_int_equal(loop__add_timer(s->l, 20 * NS_PER_MS, 0, stop_on_timer, s, NULL), 0);
	assert_int_equal(loop__run(s->l), 0);
	assert_int_equal(s->n_calls, 2);
	close(a);
	close(b);
}

static int stop_on_signal(int signo, void *ctx)
{
	struct scene *s = ctx;

	s->signo = signo;
	loop__stop(s->l);
	return 0;
}

static void signal_arrives_as_a_call(void **state)
{
	struct scene *s = *state;
	sigset_t pending;

	assert_int_equal(loop__add_signal(s->l, SIGUSR1, stop_on_signal, s, &s->self), 0);
	assert_int_equal(kill(getpid(), SIGUSR1), 0);
	assert_int_equal(loop__run(s->l), 0);
	assert_int_equal(s->signo, SIGUSR1);

	/* after removal a late one waits, instead of killing the process */
	loop__remove(s->l, s->self);
	assert_int_equal(kill(getpid(), SIGUSR1), 0);
	sigpending(&pending);
	assert_true(sigismember(&pending, SIGUSR1));
	assert_int_equal(loop__add_signal(s->l, 12345, stop_on_signal, s, NULL), -EINVAL);
}

static void *stop_from_thread(void *arg)
{
	const struct timespec nap = {.tv_nsec = 20 * 1000 * 1000};

	nanosleep(&nap, NULL);
	loop__stop(((struct scene *)arg)->l);
	return NULL;
}

static void another_thread_can_stop_a_waiting_loop(void **state)
{
	struct scene *s = *state;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, stop_from_thread, s), 0);
	assert_int_equal(loop__run(s->l), 0);
	pthread_join(thread, NULL);
}

static void stop_before_the_run_is_not_forgotten(void **state)
{
	struct scene *s = *state;

	assert_int_equal(loop__add_timer(s->l, 0, 1, count_timer, s, NULL), 0);
	loop__stop(s->l);
	assert_int_equal(loop__run(s->l), 0);
	assert_int_equal(s->n_calls, 0);
}

static int run_again(uint64_t n_expired, void *ctx)
{
	struct scene *s = ctx;

	s->n_expired = n_expired;
	loop__stop(s->l);
	return loop__run(s->l);
}

static void run_inside_a_callback_is_refused(void **state)
{
	struct scene *s = *state;

	assert_int_equal(loop__add_timer(s->l, 0, 0, run_again, s, NULL), 0);
	assert_int_equal(loop__run(s->l), -EBUSY);
}

static void number_of_sources_is_limited(void **state)
{
	struct scene *s = *state;
	int err = 0, n = 0, fd = eventfd(0, 0);

	while (!err && n < 2 * LOOP_SOURCES_MAX) {
		/* the same file under many numbers, as epoll wants a number once only */
		int copy = dup(fd);

		if (copy < 0)
			break;
		err = loop__add_fd(s->l, copy, EPOLLIN, fail_on_fd, s, NULL);
		n++;
	}
	/* where the descriptors of the process end first, that is the limit */
	assert_true(err == -E2BIG ? n == LOOP_SOURCES_MAX + 1 : errno == EMFILE);
	for (int i = fd; i <= fd + n; i++)
		close(i);
}

static void closed_descriptor_is_refused(void **state)
{
	struct scene *s = *state;

	assert_int_equal(loop__add_fd(s->l, -1, EPOLLIN, fail_on_fd, s, NULL), -EBADF);
	loop__remove(s->l, NULL);
	loop__free(NULL);
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(one_shot_timer_fires_once_in_time),
		LOOP_TEST(periodic_timer_does_not_drift),
		LOOP_TEST(timer_that_is_off_waits_for_set),
		LOOP_TEST(failing_callback_ends_the_run_with_its_error),
		LOOP_TEST(source_removed_in_a_callback_is_not_called),
		LOOP_TEST(signal_arrives_as_a_call),
		LOOP_TEST(another_thread_can_stop_a_waiting_loop),
		LOOP_TEST(stop_before_the_run_is_not_forgotten),
		LOOP_TEST(run_inside_a_callback_is_refused),
		LOOP_TEST(number_of_sources_is_limited),
		LOOP_TEST(closed_descriptor_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
