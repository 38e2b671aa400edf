// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "user/base/arena.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/config/idle_pattern.h"
#include "user/config/yaml.h"

struct fixture {
	struct arena arena;
	struct idle_list list;
	struct err e;
};

static int set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){0};
	arena__init(&f.arena, 8 << 20);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	arena__done(&((struct fixture *)*state)->arena);
	return 0;
}

/* The tree is gone afterwards, as it is in a loaded configuration. */
static int parse(struct fixture *f, const char *text)
{
	struct yaml y;
	int err;

	f->e.text[0] = '\0';
	err = yaml__parse("f", text, strlen(text), &y, &f->e);
	if (err)
		return err;
	err = idle_list__take(y.root, &f->arena, &f->list, &f->e);
	yaml__done(&y);
	return err;
}

static void take(struct fixture *f, const char *text)
{
	if (parse(f, text))
		fail_msg("%s: %s", text, f->e.text);
}

static void assert_refused(struct fixture *f, const char *text, int err, const char *says)
{
	assert_int_equal(parse(f, text), err);
	if (!strstr(f->e.text, says))
		fail_msg("%s: '%s' does not say '%s'", text, f->e.text, says);
}

static uint32_t count_named(const struct idle_list *l, const char *name)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < l->n; i++)
		n += !strcmp(l->patterns[i].name, name);
	return n;
}

static void defaults_are_those_that_come_with_it(void **state)
{
	struct fixture *f = *state;

	take(f, "[defaults]");
	assert_int_equal(f->list.n_items, 1);
	assert_true(f->list.n > 10);
	assert_true(count_named(&f->list, "event loop") > 0);
	assert_int_equal(count_named(&f->list, "accept"), 1);
	take(f, "[]");
	assert_int_equal(f->list.n, 0);
}

static void one_is_taken_or_left_out_by_its_name(void **state)
{
	struct fixture *f = *state;
	uint32_t all;

	take(f, "[defaults]");
	all = f->list.n;
	take(f, "[defaults, \"!accept\"]");
	assert_int_equal(f->list.n, all - 1);
	assert_int_equal(count_named(&f->list, "accept"), 0);
	take(f, "[accept, signal]");
	assert_int_equal(f->list.n, 2);
	assert_string_equal(f->list.patterns[1].name, "signal");
	take(f, "accept");
	assert_int_equal(f->list.n, 1);
}

static void a_pattern_has_a_name_and_conditions(void **state)
{
	struct fixture *f = *state;
	const struct idle_pattern *p;

	take(f,
	     "- {name: my pool, wait: futex, function: [\"pool_*\", \"*wait\"], process: api, except: flush, "
	     "syscall: futex, leaf: x, comm: \"w-*\"}");
	assert_int_equal(f->list.n, 1);
	p = &f->list.patterns[0];
	assert_string_equal(p->name, "my pool");
	assert_int_equal(p->function.n, 2);
	assert_string_equal(p->function.items[1], "*wait");
	assert_string_equal(p->wait.items[0], "futex");
	assert_string_equal(p->process.items[0], "api");
	assert_string_equal(p->except.items[0], "flush");
	assert_string_equal(p->syscall.items[0], "futex");
	assert_string_equal(p->leaf.items[0], "x");
	assert_string_equal(p->comm.items[0], "w-*");
}

static void errors_say_which_item_and_what_was_expected(void **state)
{
	struct fixture *f = *state;

	assert_refused(f, "[defaults, acept]", -EINVAL,
		       "[1]: no idle pattern 'acept', did you mean 'accept'?");
	assert_refused(f, "[accept, \"!timer\"]", -EINVAL, "no idle pattern 'timer' to be left out");
	assert_refused(f, "[{wait: futex}]", -EINVAL, "[0]: expected a name");
	assert_refused(f, "[{name: \"a\\tb\", wait: futex}]", -EINVAL, "expected a name");
	assert_refused(f, "[{name: defaults, wait: futex}]", -EINVAL, "expected a name");
	assert_refused(f, "[{name: a}]", -EINVAL, "a: expected a condition");
	assert_refused(f, "[{name: a, except: x}]", -EINVAL, "a: expected a condition");
	assert_refused(f, "[{name: a, wait: fuutex}]", -EINVAL, "did you mean 'futex'?");
	assert_refused(f, "[{name: a, syscall: fuutex}]", -EINVAL, "no system call 'fuutex'");
	assert_refused(f, "[{name: a, functoin: x}]", -EINVAL, "did you mean 'function'?");
	assert_refused(f, "[{name: a, wait: {b: c}}]", -EINVAL, "a: wait: expected a list of texts");
	assert_refused(f, "[[a]]", -EINVAL, "expected a pattern such as");
	assert_refused(f, "{name: a}", -EINVAL, "expected a list of idle patterns");
}

static void shell_patterns_need_no_known_word(void **state)
{
	struct fixture *f = *state;

	take(f, "- {name: a, wait: \"f*\", syscall: \"epoll_*\"}");
	assert_int_equal(f->list.n, 1);
}

static void more_patterns_than_there_may_be_are_refused(void **state)
{
	struct fixture *f = *state;
	struct buf b;

	buf__init(&b, 1 << 20);
	for (int i = 0; i < IDLE_PATTERNS_MAX + 1; i++)
		buf__printf(&b, "- {name: p%d, comm: c}\n", i);
	assert_refused(f, buf__str(&b), -E2BIG, "more than 256 patterns");
	buf__done(&b);
}

/* What is written is read to the same, the patterns that come with it one by one too. */
static void what_is_formatted_is_read_to_the_same(void **state)
{
	static const char *const texts[] = {
		"[]", "[defaults]",
		"[defaults, \"!event loop\", {name: \"a b\", wait: [\"futex\"], function: "
		"[\"q\\\"\\\\uote\", \"*\"]}]"};
	struct fixture *f = *state;
	struct buf a, b;

	buf__init(&a, 1 << 20);
	buf__init(&b, 1 << 20);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		take(f, texts[i]);
		buf__clear(&a);
		idle_list__format(&f->list, &a);
		take(f, buf__str(&a));
		buf__clear(&b);
		idle_list__format(&f->list, &b);
		assert_string_equal(buf__str(&a), buf__str(&b));
	}
	take(f, "[defaults]");
	buf__clear(&a);
	for (uint32_t i = 0; i < f->list.n; i++) {
		buf__append_str(&a, "- ");
		idle_pattern__format(&f->list.patterns[i], &a);
		buf__append_char(&a, '\n');
	}
	take(f, buf__str(&a));
	buf__clear(&b);
	for (uint32_t i = 0; i < f->list.n; i++) {
		buf__append_str(&b, "- ");
		idle_pattern__format(&f->list.patterns[i], &b);
		buf__append_char(&b, '\n');
	}
	assert_string_equal(buf__str(&a), buf__str(&b));
	buf__done(&a);
	buf__done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(defaults_are_those_that_come_with_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_is_taken_or_left_out_by_its_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_pattern_has_a_name_and_conditions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(errors_say_which_item_and_what_was_expected, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(shell_patterns_need_no_known_word, set_up, tear_down),
		cmocka_unit_test_setup_teardown(more_patterns_than_there_may_be_are_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_is_formatted_is_read_to_the_same, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
