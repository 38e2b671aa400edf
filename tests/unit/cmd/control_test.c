// SPDX-License-Identifier: Apache-2.0
/* The socket that commands ask at, over a real store: what is answered, and that it is there again where it, or the store, went. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/support/folder.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/loop.h"
#include "user/cmd/control.h"
#include "user/store/store.h"

#define PATIENCE_NS (30 * NS_PER_SEC)
/* So long that it has looked twice at least, on a machine that is not busy: on one that is, a test of what does not happen proves less, and does not fail. */
#define TWO_LOOKS_US (2 * CONTROL_LOOK_NS / 1000 + 500000)

struct fixture {
	char dir[FOLDER_MAX];
	struct store *store;
	struct loop *loop;
	struct control *control;
	pthread_t thread;
};

static int on_echo(void *ctx, char *text, struct buf *to, struct err *err)
{
	(void)ctx;
	if (!*text)
		return err__set(err, -EINVAL, "say something");
	buf__append_str(to, text);
	return 0;
}

static void *run_loop(void *loop)
{
	loop__run(loop);
	return NULL;
}

static int set_up(void **state)
{
	static struct fixture f;
	struct store_opts opts = {.dir = f.dir};
	struct err err = {0};

	f = (struct fixture){0};
	assert_int_equal(folder__make(f.dir), 0);
	assert_int_equal(store__open(&opts, &f.store, &err), 0);
	assert_int_equal(loop__new(&f.loop), 0);
	assert_int_equal(control__new(f.loop, f.dir, f.store, &f.control), 0);
	assert_int_equal(control__add(f.control, "echo", false, on_echo, NULL), 0);
	assert_int_equal(pthread_create(&f.thread, NULL, run_loop, f.loop), 0);
	*state = &f;
	return 0;
}

static void end_agent(struct fixture *f)
{
	if (!f->control)
		return;
	loop__stop(f->loop);
	pthread_join(f->thread, NULL);
	control__free(f->control);
	f->control = NULL;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	end_agent(f);
	loop__free(f->loop);
	store__close(f->store);
	return folder__remove(f->dir);
}

static int ask(const struct fixture *f, const char *verb, const char *text)
{
	struct err err = {0};
	struct buf to;
	int code;

	buf__init(&to, 4096);
	code = control__ask(f->dir, verb, text, &to, &err);
	if (!code)
		assert_string_equal(buf__str(&to), text);
	buf__done(&to);
	return code;
}

static bool is_answered(const struct fixture *f)
{
	uint64_t until_ns = clock__mono_ns() + PATIENCE_NS;

	while (ask(f, "echo", "there?")) {
		if (clock__mono_ns() > until_ns)
			return false;
		usleep(20000);
	}
	return true;
}

static void shell(const struct fixture *f, const char *command)
{
	char line[512];

	snprintf(line, sizeof(line), "cd %s && %s", f->dir, command);
	assert_int_equal(system(line), 0);
}

static void a_question_is_answered_or_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ask(f, "echo", "one\ntwo"), 0);
	assert_int_equal(ask(f, "echo", ""), -EINVAL);
	assert_int_equal(ask(f, "other", "x"), -EOPNOTSUPP);
	shell(f, "[ $(stat -c %a control) = 600 ]");
	end_agent(f);
	assert_int_equal(ask(f, "echo", "x"), -ENOENT);
	shell(f, "[ ! -e control ]");
}

static void a_socket_that_was_removed_is_made_anew(void **state)
{
	struct fixture *f = *state;

	shell(f, "rm -r *");
	assert_int_equal(ask(f, "echo", "x"), -ENOENT);
	assert_true(is_answered(f));
}

/* Another folder under the path may be another agent's: it is ours when the store has taken it. */
static void in_another_folder_it_is_made_when_the_store_has_taken_that(void **state)
{
	static const uint8_t bytes[20] = {0x1f, 0x8b};
	struct fixture *f = *state;
	char away[FOLDER_MAX + 8];

	snprintf(away, sizeof(away), "%s.away", f->dir);
	assert_int_equal(rename(f->dir, away), 0);
	assert_int_equal(mkdir(f->dir, 0700), 0);
	usleep(TWO_LOOKS_US);
	assert_int_equal(ask(f, "echo", "x"), -ENOENT);
	assert_int_equal(
		store__put(f->store, "cpu", 1700000000 * NS_PER_SEC, NS_PER_SEC, bytes, sizeof(bytes)), 0);
	assert_true(is_answered(f));
	assert_int_equal(folder__remove(away), 0);
}

static void one_of_another_agent_is_left_alone(void **state)
{
	struct fixture *f = *state;

	shell(f, "echo another >x && mv -f x control");
	usleep(TWO_LOOKS_US);
	shell(f, "[ $(cat control) = another ]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_question_is_answered_or_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_socket_that_was_removed_is_made_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(in_another_folder_it_is_made_when_the_store_has_taken_that,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_of_another_agent_is_left_alone, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
