// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/config/wait_kind.h"

static void assert_function(const char *name, enum wait_role role, const char *kind)
{
	struct wait_function f = wait_kind__of_function(name);

	if (f.role != role || strcmp(wait_kind__name(f.kind), kind))
		fail_msg("%s: role %d, '%s'", name, f.role, wait_kind__name(f.kind));
}

static void functions_tell_their_kind(void **state)
{
	(void)state;
	assert_function("futex_do_wait", WAIT_ROLE_PLACE, "futex");
	assert_function("futex_wait_queue_me", WAIT_ROLE_PLACE, "futex"); /* 5.15 */
	assert_function("ep_poll", WAIT_ROLE_PLACE, "epoll");             /* 6.1 */
	assert_function("pipe_read", WAIT_ROLE_PLACE, "pipe");
	assert_function("tcp_recvmsg_locked", WAIT_ROLE_PLACE, "tcp");
	assert_function("sk_wait_data", WAIT_ROLE_GENERAL, "socket");
	assert_function("inet_csk_accept", WAIT_ROLE_PURPOSE, "accept");
	assert_function("exc_page_fault", WAIT_ROLE_PURPOSE, "page fault");
	assert_function("rwsem_down_read_slowpath", WAIT_ROLE_LOCK, "kernel lock");
	assert_function("lock_mm_and_find_vma", WAIT_ROLE_LOCKER, "kernel lock");
}

static void the_schedulers_own_functions_tell_nothing(void **state)
{
	(void)state;
	assert_function("__schedule", WAIT_ROLE_PLUMBING, "");
	assert_function("schedule_hrtimeout_range_clock", WAIT_ROLE_PLUMBING, "");
	assert_function("io_schedule", WAIT_ROLE_PLUMBING, "");
	assert_function("wait_woken", WAIT_ROLE_PLUMBING, "");
	assert_function("do_wait_intr_irq", WAIT_ROLE_PLUMBING, "");
}

static void other_functions_are_nothing_even_where_they_begin_alike(void **state)
{
	(void)state;
	assert_function("vfs_read", WAIT_ROLE_NONE, "");
	assert_function("pipe_readable", WAIT_ROLE_NONE, "");
	assert_function("pipe_rea", WAIT_ROLE_NONE, "");
	assert_function("", WAIT_ROLE_NONE, "");
}

static void suffixes_of_compilers_do_not_matter(void **state)
{
	(void)state;
	assert_function("do_sigtimedwait.isra.0", WAIT_ROLE_PLACE, "signal");
	assert_function("do_pselect.constprop.0", WAIT_ROLE_PLACE, "select");
	assert_function("ipipe_prep.part.0", WAIT_ROLE_PLACE, "pipe");
}

static void kinds_are_found_by_the_names_that_they_have(void **state)
{
	enum wait_kind found;

	(void)state;
	for (int k = WAIT_KIND_NONE + 1; k < WAIT_KIND_N; k++) {
		assert_int_equal(wait_kind__find(wait_kind__name((enum wait_kind)k), &found), 0);
		assert_int_equal(found, k);
		assert_true(strlen(wait_kind__text((enum wait_kind)k)) > 2);
	}
	assert_int_equal(wait_kind__find("", &found), -ENOENT);
	assert_int_equal(wait_kind__find("fut", &found), -ENOENT);
}

static void system_calls_that_wait_for_one_thing_tell_it(void **state)
{
	(void)state;
	assert_int_equal(wait_kind__of_syscall("epoll_pwait"), WAIT_KIND_EPOLL);
	assert_int_equal(wait_kind__of_syscall("clock_nanosleep"), WAIT_KIND_SLEEP);
	assert_int_equal(wait_kind__of_syscall("read"), WAIT_KIND_NONE);
	assert_int_equal(wait_kind__of_syscall(""), WAIT_KIND_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_tell_their_kind),
		cmocka_unit_test(the_schedulers_own_functions_tell_nothing),
		cmocka_unit_test(other_functions_are_nothing_even_where_they_begin_alike),
		cmocka_unit_test(suffixes_of_compilers_do_not_matter),
		cmocka_unit_test(kinds_are_found_by_the_names_that_they_have),
		cmocka_unit_test(system_calls_that_wait_for_one_thing_tell_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
