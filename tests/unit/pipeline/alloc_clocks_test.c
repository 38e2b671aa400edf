// SPDX-License-Identifier: Apache-2.0
/* The CPU clock of a process of ours, held against what it did. */
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/clock.h"
#include "user/pipeline/alloc_clocks.h"

static void burn(uint64_t ns)
{
	uint64_t until = clock__thread_cpu_ns() + ns;

	while (clock__thread_cpu_ns() < until)
		;
}

static struct task_key self(void)
{
	return (struct task_key){.start_ns = 1, .tgid = (uint32_t)getpid()};
}

static void a_window_has_the_cpu_time_that_was_used_in_it(void **state)
{
	struct alloc_clocks a = {0};
	struct task_key key = self();
	double cpu_ns;
	uint64_t from = clock__mono_ns();

	(void)state;
	assert_true(alloc_clocks__follow(&a, &key, 0, from, from));
	assert_false(alloc_clocks__follow(&a, &key, 0, from, from)); /* it is already */
	alloc_clocks__begin(&a);
	burn(20000000);
	usleep(20000);
	alloc_clocks__end(&a);
	assert_true(a.followed[0].is_read);
	assert_in_range(a.followed[0].window.cpu_ns, 20000000, 30000000);
	assert_true(a.followed[0].window.at_ns >= 40000000);
	burn(20000000);
	assert_true(alloc_clocks__total(&a, &key, from, clock__mono_ns(), clock__mono_ns(), &cpu_ns));
	assert_true(cpu_ns >= 40e6 && cpu_ns < 60e6);
	alloc_clocks__restart(&a, clock__mono_ns());
	from = clock__mono_ns();
	burn(5000000);
	assert_true(alloc_clocks__total(&a, &key, from, clock__mono_ns(), clock__mono_ns(), &cpu_ns));
	assert_true(cpu_ns > 4e6 && cpu_ns < 15e6);
}

/* It was read halfway of its life only: the rest is taken to be like that. */
static void a_process_that_ended_has_its_last_reading(void **state)
{
	uint64_t born = clock__mono_ns(), end;
	struct alloc_clocks a = {0};
	struct task_key key = {.start_ns = 2};
	double cpu_ns, share;
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		alarm(30);
		for (;;)
			;
	}
	key.tgid = (uint32_t)pid;
	assert_true(alloc_clocks__follow(&a, &key, born, born, clock__mono_ns()));
	usleep(200000);
	alloc_clocks__begin(&a);
	alloc_clocks__end(&a);
	share = (double)a.followed[0].last.cpu_ns / (double)(a.followed[0].last.at_ns - born);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	end = born + 400000000;
	assert_true(alloc_clocks__total(&a, &key, born, end, end, &cpu_ns));
	assert_true(fabs(cpu_ns / 400e6 - share) < 0.001);
	/* its place is free, and it is not followed again */
	assert_false(
		alloc_clocks__follow(&a, &(struct task_key){.start_ns = 3, .tgid = key.tgid}, 0, born, end));
	key = self();
	assert_true(alloc_clocks__follow(&a, &key, 0, born, end));
	assert_int_equal(a.n, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_window_has_the_cpu_time_that_was_used_in_it),
		cmocka_unit_test(a_process_that_ended_has_its_last_reading),
	};

	return cmocka_run_group_tests_name("alloc_clocks", tests, NULL, NULL);
}
