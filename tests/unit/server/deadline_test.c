/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/server/deadline.h"

#define LENGTH_NS (100 * NS_PER_MS)
#define N         4

struct fixture {
	struct deadlines *all;
	struct deadline entries[N];
	int ours[N], theirs[N];
};

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){0};
	for (int i = 0; i < N; i++) {
		const struct timeval limit = {.tv_usec = 20000};
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
			return -1;
		f.ours[i] = pair[0];
		f.theirs[i] = pair[1];
		setsockopt(f.theirs[i], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	}
	*state = &f;
	return deadlines__new(LENGTH_NS, &f.all);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	deadlines__free(f->all);
	for (int i = 0; i < N; i++) {
		io__close(&f->ours[i]);
		io__close(&f->theirs[i]);
	}
	return 0;
}

static bool is_shut(const struct fixture *f, int i)
{
	char c;

	return !read(f->theirs[i], &c, 1);
}

static void the_socket_is_shut_when_it_is_over_and_not_before(void **state)
{
	struct fixture *f = *state;
	uint64_t began = clock__mono_ns();

	deadline__set(f->all, &f->entries[0], f->ours[0]);
	while (!is_shut(f, 0) && clock__mono_ns() < began + 5 * NS_PER_SEC)
		;
	assert_true(is_shut(f, 0));
	assert_true(clock__mono_ns() >= began + LENGTH_NS);
	assert_int_equal(f->entries[0].at_ns, 0);
	assert_false(is_shut(f, 1));
}

static void what_is_cleared_or_set_anew_lives_on(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < N; i++)
		deadline__set(f->all, &f->entries[i], f->ours[i]);
	deadline__clear(f->all, &f->entries[1]);
	deadline__clear(f->all, &f->entries[3]);
	deadline__clear(f->all, &f->entries[3]);
	for (int i = 0; i < 20; i++) {
		usleep(LENGTH_NS / 1000 / 4);
		deadline__set(f->all, &f->entries[2], f->ours[2]);
	}
	assert_true(is_shut(f, 0));
	assert_false(is_shut(f, 1));
	assert_false(is_shut(f, 2));
	assert_false(is_shut(f, 3));
	deadline__clear(f->all, &f->entries[2]);
}

static void who_closes_his_side_is_not_waited_for(void **state)
{
	struct fixture *f = *state;
	struct deadlines *patient;
	uint64_t began = clock__mono_ns();

	assert_int_equal(deadlines__new(60 * NS_PER_SEC, &patient), 0);
	deadline__set(patient, &f->entries[0], f->ours[0]);
	deadline__set(patient, &f->entries[1], f->ours[1]);
	assert_int_equal(shutdown(f->theirs[0], SHUT_WR), 0);
	while (!is_shut(f, 0) && clock__mono_ns() < began + 5 * NS_PER_SEC)
		;
	assert_true(is_shut(f, 0));
	assert_false(is_shut(f, 1));
	deadline__clear(patient, &f->entries[1]);
	deadlines__free(patient);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_socket_is_shut_when_it_is_over_and_not_before, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_cleared_or_set_anew_lives_on, setup, teardown),
		cmocka_unit_test_setup_teardown(who_closes_his_side_is_not_waited_for, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
