// SPDX-License-Identifier: Apache-2.0
/* The CPU clock of a process of ours, held against what it did. */
#include <errno.h>
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

static struct alloc_cpu_table table;

/* What the kernel's pass would have found. */
static void find_in(const struct task_key *key, uint32_t end, uint64_t at_ns, uint64_t cpu_ns,
		    uint64_t sleeps)
{
	for (uint32_t i = 0; i < ALLOC_FOLLOWED; i++)
		if (table.slots[i].tgid == key->tgid) {
			table.slots[i].at_ns[end] = at_ns;
			table.slots[i].cpu_ns[end] = cpu_ns;
			table.slots[i].sleeps[end] = sleeps;
		}
}

static uint32_t place_of(const struct task_key *key)
{
	for (uint32_t i = 0; i < ALLOC_FOLLOWED; i++)
		if (table.slots[i].tgid == key->tgid)
			return i;
	return ALLOC_FOLLOWED;
}

/* ctx: as it is known; NULL: it is forgotten. */
static bool life_of(void *ctx, const struct task_key *key, struct alloc_life *ret)
{
	(void)key;
	if (ctx)
		*ret = *(struct alloc_life *)ctx;
	return ctx != NULL;
}

static void a_process_has_the_cpu_time_that_it_used(void **state)
{
	struct alloc_clocks a;
	struct task_key key = self();
	struct alloc_aids aids;
	uint64_t from = clock__mono_ns();
	struct alloc_life before = {.started_ns = from - 1000000000, .born_ns = from - 1000000000};

	(void)state;
	assert_int_equal(alloc_clocks__init(&a, -1, &table), -EOPNOTSUPP);
	assert_true(alloc_clocks__follow(&a, &key, 1, from));
	assert_false(alloc_clocks__follow(&a, &key, 1, from)); /* it is already */
	burn(20000000);
	usleep(20000);
	burn(20000000);
	assert_false(alloc_clocks__total(&a, &key, from, clock__mono_ns(), &aids)); /* since when? */
	alloc_clocks__note_lives(&a, life_of, &before);
	assert_true(alloc_clocks__total(&a, &key, from, clock__mono_ns(), &aids));
	assert_true(aids.by[ALLOC_BY_CPU] >= 36e6 &&
		    aids.by[ALLOC_BY_CPU] < 60e6); /* a tick may be missing */
	alloc_clocks__restart(&a, clock__mono_ns());
	from = clock__mono_ns();
	burn(20000000);
	assert_true(alloc_clocks__total(&a, &key, from, clock__mono_ns(), &aids));
	assert_true(aids.by[ALLOC_BY_CPU] > 15e6 && aids.by[ALLOC_BY_CPU] < 40e6);
	assert_true(aids.by[ALLOC_BY_SLEEPS] == 0); /* no window told them */
	alloc_clocks__done(&a);
}

static void a_window_lies_between_two_readings(void **state)
{
	struct alloc_clocks a;
	struct task_key key = self(), other = {.start_ns = 5, .tgid = key.tgid};
	struct alloc_aids aids;
	uint64_t used, now = clock__mono_ns();

	(void)state;
	alloc_clocks__init(&a, -1, &table);
	assert_true(alloc_clocks__follow(&a, &key, 1, now));
	used = a.followed[place_of(&key)].last.cpu_ns;
	alloc_clocks__prepare(&a);
	assert_false(alloc_clocks__window(&a, place_of(&key), &aids));
	assert_true(alloc_clocks__part(&a, place_of(&key)) == 1);
	find_in(&key, 0, now, used + 1000, 70);
	find_in(&key, 1, now + 1250000, used + 301000, 73);
	assert_true(alloc_clocks__window(&a, place_of(&key), &aids));
	assert_true(aids.by[ALLOC_BY_CPU] == 300000);
	assert_true(aids.by[ALLOC_BY_SLEEPS] == 3);
	assert_true(fabs(alloc_clocks__part(&a, place_of(&key)) - 0.8) < 1e-9);
	/* it executed another program: the old one is nothing any more */
	assert_true(alloc_clocks__follow(&a, &other, 1, now));
	assert_int_equal(a.followed[place_of(&other)].key.start_ns, 5);
	assert_int_equal(a.followed[place_of(&other)].files, 1);
	assert_false(alloc_clocks__follow(&a, &other, 4, now));
	assert_int_equal(a.followed[place_of(&other)].files, 5);
	/* and it ended within a window */
	alloc_clocks__prepare(&a);
	find_in(&other, 0, now, used, 73);
	assert_false(alloc_clocks__window(&a, place_of(&other), &aids));
	assert_true(a.followed[place_of(&other)].is_gone);
	alloc_clocks__done(&a);
}

/* It was read halfway of its life only: the rest is taken to be like that, also where nobody else knows it any more. */
static void a_process_that_ended_has_its_last_reading(void **state)
{
	uint64_t born = clock__mono_ns(), end, at;
	struct alloc_clocks a;
	struct task_key key = {.start_ns = 2};
	struct alloc_aids aids;
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		alarm(30);
		for (;;)
			;
	}
	alloc_clocks__init(&a, -1, &table);
	key.tgid = (uint32_t)pid;
	assert_true(alloc_clocks__follow(&a, &key, 1, clock__mono_ns()));
	usleep(200000);
	at = clock__mono_ns();
	find_in(&key, 0, at - 1000000, 79000000, 9);
	find_in(&key, 1, at, 80000000, 10);
	(void)alloc_clocks__window(&a, place_of(&key), &aids);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	end = born + 400000000;
	alloc_clocks__note_lives(&a, life_of, &(struct alloc_life){.started_ns = born, .born_ns = born});
	alloc_clocks__note_lives(&a, life_of,
				 &(struct alloc_life){.started_ns = born, .born_ns = born, .died_ns = end});
	alloc_clocks__note_lives(&a, life_of, NULL);
	assert_true(alloc_clocks__total(&a, &key, born - 1000000, end + 9000000000, &aids));
	assert_true(fabs(aids.by[ALLOC_BY_CPU] / 400e6 - 80e6 / (double)(at - born)) < 0.001);
	assert_true(fabs(aids.by[ALLOC_BY_SLEEPS] / 400e6 - 10 / (double)(at - born)) < 1e-10);
	/* it is not followed again, and its place is free */
	assert_false(alloc_clocks__follow(&a, &(struct task_key){.start_ns = 3, .tgid = key.tgid}, 1, end));
	alloc_clocks__restart(&a, end);
	assert_int_equal(place_of(&key), ALLOC_FOLLOWED);
	alloc_clocks__done(&a);
}

/* A process that ran for ten seconds, executed another program, and was read twice in the second for which that one lived. */
static void what_was_before_an_exec_is_not_the_new_programs(void **state)
{
	uint64_t born = clock__mono_ns(), died = born + NS_PER_SEC;
	struct alloc_life life = {.started_ns = born - 10 * NS_PER_SEC, .born_ns = born, .died_ns = died};
	struct alloc_clocks a;
	struct task_key key = self();
	struct alloc_followed *f;
	struct alloc_aids aids;

	(void)state;
	alloc_clocks__init(&a, -1, &table);
	assert_true(alloc_clocks__follow(&a, &key, 1, born));
	f = &a.followed[place_of(&key)];
	f->is_gone = true; /* its clock is not asked any more */
	f->first = (struct alloc_clock_reading){born + NS_PER_SEC / 4, 9000000000};
	f->last = (struct alloc_clock_reading){born + 3 * NS_PER_SEC / 4, 9050000000};
	f->first_sleeps = (struct alloc_sleep_reading){born + NS_PER_SEC / 4, 5000};
	f->last_sleeps = (struct alloc_sleep_reading){born + 3 * NS_PER_SEC / 4, 5020};
	alloc_clocks__note_lives(&a, life_of, &life);
	assert_true(alloc_clocks__total(&a, &key, born - NS_PER_SEC, died + NS_PER_SEC, &aids));
	assert_true(fabs(aids.by[ALLOC_BY_CPU] - 100e6) < 1);
	assert_true(fabs(aids.by[ALLOC_BY_SLEEPS] - 40) < 1e-6);
	/* a shell's child, which executes at once: all that it ever had, of which one reading is enough */
	f->life.started_ns = born - NS_PER_MS;
	f->first = f->last = (struct alloc_clock_reading){born + NS_PER_SEC / 2, 30000000};
	assert_true(alloc_clocks__total(&a, &key, born - NS_PER_SEC, died + NS_PER_SEC, &aids));
	assert_true(fabs(aids.by[ALLOC_BY_CPU] - 60e6) < 1);
	/* of the first one one reading is not */
	f->life.started_ns = born - 10 * NS_PER_SEC;
	assert_false(alloc_clocks__total(&a, &key, born - NS_PER_SEC, died + NS_PER_SEC, &aids));
	alloc_clocks__done(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_has_the_cpu_time_that_it_used),
		cmocka_unit_test(a_window_lies_between_two_readings),
		cmocka_unit_test(a_process_that_ended_has_its_last_reading),
		cmocka_unit_test(what_was_before_an_exec_is_not_the_new_programs),
	};

	return cmocka_run_group_tests_name("alloc_clocks", tests, NULL, NULL);
}
