// SPDX-License-Identifier: Apache-2.0
/* The kernel's triggers as they are on this host: told of what waits, refused where there are none, and given back. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sched.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <cmocka.h>

#include "user/base/clock.h"
#include "user/base/loop.h"
#include "user/pipeline/pressure_trigger.h"
#include "user/pipeline/usage_pressed.h"

#define CPU_SOME  0
#define IO_FULL   4
#define BURNERS   2
#define HOST_FILE "/proc/pressure/cpu"

struct world {
	struct loop *loop;
	struct loop_source *end;
	struct pressure_triggers all;
	struct pressure_trigger one;
	pid_t burners[BURNERS];
	int n_told;
};

static void on_fired(void *ctx)
{
	struct world *w = ctx;

	w->n_told++;
	loop__stop(w->loop);
}

static int on_end(uint64_t n, void *ctx)
{
	(void)n;
	loop__stop(((struct world *)ctx)->loop);
	return 0;
}

static int open_world(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	assert_int_equal(loop__new(&w->loop), 0);
	assert_int_equal(loop__add_timer(w->loop, LOOP_TIMER_OFF, 0, on_end, w, &w->end), 0);
	w->all = (struct pressure_triggers){.loop = w->loop, .fired = on_fired, .ctx = w};
	*state = w;
	return 0;
}

static int close_world(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < BURNERS; i++) {
		if (w->burners[i] <= 0)
			continue;
		kill(w->burners[i], SIGKILL);
		waitpid(w->burners[i], NULL, 0);
	}
	pressure_trigger__disarm(&w->one);
	assert_int_equal(w->all.n, 0);
	loop__free(w->loop);
	free(w);
	return 0;
}

/* Until one fires, or for so long. */
static void await(struct world *w, double seconds)
{
	loop__set_timer(w->end, (uint64_t)(seconds * 1e9), 0);
	assert_int_equal(loop__run(w->loop), 0);
}

/* Two on one CPU: one of them always waits. */
static void burn(struct world *w)
{
	cpu_set_t first;

	CPU_ZERO(&first);
	CPU_SET(0, &first);
	for (int i = 0; i < BURNERS; i++) {
		w->burners[i] = fork();
		assert_true(w->burners[i] >= 0);
		if (w->burners[i])
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		sched_setaffinity(0, sizeof(first), &first);
		for (;;)
			;
	}
}

static void arm_or_skip(struct world *w, const char *path, double percent)
{
	if (access(HOST_FILE, W_OK) || geteuid())
		skip();
	assert_int_equal(pressure_trigger__arm(&w->one, &w->all, path, CPU_SOME, percent), 0);
}

/* CAP_SYS_RESOURCE: only with it the kernel slides over a second. */
static bool may_have_seconds(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	return data[0].effective >> CAP_SYS_RESOURCE & 1;
}

static void waits_beyond_the_share_are_told(void **state)
{
	struct world *w = *state;

	arm_or_skip(w, HOST_FILE, 30);
	assert_int_equal(w->all.n, 1);
	assert_int_equal(w->all.window_us, may_have_seconds() ? 1000000 : 2000000);
	burn(w);
	await(w, 10);
	assert_int_equal(w->n_told, 1);
	assert_int_equal(w->all.n_fired, 1);
	/* above 30, so that "more than 30 %" holds; and once */
	assert_true(pressure_trigger__take(&w->one) > 30);
	assert_true(pressure_trigger__take(&w->one) < 30.001);
	assert_true(pressure_trigger__take(&w->one) <= 0);
	/* goes on as long as it goes on */
	await(w, 10);
	assert_int_equal(w->n_told, 2);
}

static void what_was_given_back_tells_no_more(void **state)
{
	struct world *w = *state;

	arm_or_skip(w, HOST_FILE, 1);
	pressure_trigger__disarm(&w->one);
	pressure_trigger__disarm(&w->one);
	assert_int_equal(w->all.n, 0);
	burn(w);
	await(w, 2.5);
	assert_int_equal(w->n_told, 0);
}

/* A control group of our own with a file of pressure; skips where none can be made. */
static void make_group(char dir[128], char path[160])
{
	static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

	for (int i = 0; i < 2; i++) {
		snprintf(path, 160, "%s/cgroup.controllers", roots[i]);
		snprintf(dir, 128, "%s/everprof-pressed-%d", roots[i], getpid());
		if (!access(path, F_OK) && !mkdir(dir, 0755))
			break;
		*dir = '\0';
	}
	if (!*dir)
		skip();
	snprintf(path, 160, "%s/cpu.pressure", dir);
	if (access(path, W_OK)) {
		rmdir(dir);
		skip();
	}
}

/* Until so many are armed. */
static void await_armed(struct world *w, uint32_t n)
{
	for (int i = 0; i < 100 && w->all.n != n; i++)
		await(w, 0.05);
	assert_int_equal(w->all.n, n);
}

static void control_group_that_goes_takes_its_trigger_with_it(void **state)
{
	struct world *w = *state;
	char dir[128], path[160];

	make_group(dir, path);
	arm_or_skip(w, path, 30);
	assert_int_equal(rmdir(dir), 0);
	await_armed(w, 0);
	assert_int_equal(w->n_told, 0);
}

static bool on_path(void *ctx, enum pressure_kind kind, char *ret_path, size_t size)
{
	(void)kind;
	return (size_t)snprintf(ret_path, size, "%s", (const char *)ctx) < size;
}

/* A unit that is started again has the same name. */
static void control_group_that_comes_again_is_watched_anew(void **state)
{
	const double above[PRESSURE_LINES] = {[CPU_SOME] = 30};
	struct usage_pressed p = {0};
	struct world *w = *state;
	char dir[128], path[160];

	if (access(HOST_FILE, W_OK) || geteuid())
		skip();
	make_group(dir, path);
	usage_pressed__arm(&p, &w->all, 1, above, on_path, path);
	assert_int_equal(w->all.n, 1);
	assert_int_equal(rmdir(dir), 0);
	await_armed(w, 0);
	/* not yet */
	usage_pressed__arm(&p, &w->all, 1, above, on_path, path);
	assert_int_equal(w->all.n, 0);
	assert_int_equal(mkdir(dir, 0755), 0);
	usage_pressed__arm(&p, &w->all, 1, above, on_path, path);
	assert_int_equal(w->all.n, 1);
	usage_pressed__disarm(&p);
	assert_int_equal(rmdir(dir), 0);
}

static void what_cannot_be_watched_is_counted(void **state)
{
	struct world *w = *state;
	char path[] = "/tmp/everprof-pressed-XXXXXX"; /* the letters are mkstemp's */
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	/* a tree of files takes the text and is never ready */
	assert_true(pressure_trigger__arm(&w->one, &w->all, path, IO_FULL, 30) < 0);
	assert_int_equal(unlink(path), 0);
	assert_true(pressure_trigger__arm(&w->one, &w->all, path, IO_FULL, 30) < 0);
	assert_int_equal(w->all.n_refused, 2);
	/* no share of a second */
	assert_int_equal(pressure_trigger__arm(&w->one, &w->all, HOST_FILE, CPU_SOME, 0), -ERANGE);
	assert_int_equal(pressure_trigger__arm(&w->one, &w->all, HOST_FILE, CPU_SOME, 100), -ERANGE);
	assert_int_equal(w->all.n, 0);
	pressure_trigger__disarm(&w->one);
}

static void there_are_no_more_than_the_limit(void **state)
{
	static struct pressure_trigger many[PRESSURE_TRIGGERS_MAX];
	struct world *w = *state;

	for (int i = 0; i < PRESSURE_TRIGGERS_MAX; i++) {
		if (access(HOST_FILE, W_OK) || geteuid())
			skip();
		assert_int_equal(pressure_trigger__arm(&many[i], &w->all, HOST_FILE, CPU_SOME, 99), 0);
	}
	assert_int_equal(pressure_trigger__arm(&w->one, &w->all, HOST_FILE, CPU_SOME, 99), -E2BIG);
	assert_int_equal(w->all.n_refused, 1);
	for (int i = 0; i < PRESSURE_TRIGGERS_MAX; i++)
		pressure_trigger__disarm(&many[i]);
}

#define trigger_test(fn) cmocka_unit_test_setup_teardown(fn, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		trigger_test(waits_beyond_the_share_are_told),
		trigger_test(what_was_given_back_tells_no_more),
		trigger_test(control_group_that_goes_takes_its_trigger_with_it),
		trigger_test(control_group_that_comes_again_is_watched_anew),
		trigger_test(what_cannot_be_watched_is_counted),
		trigger_test(there_are_no_more_than_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
