// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bpf/code_pages.h"
#include "user/base/io.h"
#include "user/pipeline/jvms.h"
#include "user/runtime/jvm.h"

static const struct task_key first = {.start_ns = 5, .tgid = 42, .exec_id = 1};
static const struct task_key second = {.start_ns = 5, .tgid = 42, .exec_id = 2}; /* by an exec */
static const struct task_key third = {.start_ns = 9, .tgid = 42, .exec_id = 1};  /* the pid was used again */

static struct jvms jvms;

static struct jvm *new_reading(void)
{
	struct jvm *j = calloc(1, sizeof(*j));

	assert_non_null(j);
	j->refs = 1;
	return j;
}

static int new_descriptor(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static uint32_t put(const struct task_key *key, int fd)
{
	struct jvm *j = new_reading();
	uint32_t number = 0;

	assert_int_equal(jvms__put(&jvms, key, j, fd, &number), 0);
	jvm__unref(j);
	return number;
}

static int teardown(void **state)
{
	(void)state;
	jvms__done(&jvms);
	jvms = (struct jvms){0};
	return 0;
}

static void a_reading_is_of_one_incarnation(void **state)
{
	(void)state;
	put(&first, FD_CLOSED);
	assert_non_null(jvms__find(&jvms, &first));
	assert_null(jvms__find(&jvms, &second));
	assert_null(jvms__find(&jvms, &third));
	put(&second, FD_CLOSED);
	put(&third, FD_CLOSED);
	assert_int_equal(jvms.n, 3);
	jvms__remove(&jvms, &first);
	assert_null(jvms__find(&jvms, &first));
	assert_non_null(jvms__find(&jvms, &second));
	assert_non_null(jvms__find(&jvms, &third));
}

static void each_reading_has_a_number_of_its_own(void **state)
{
	uint32_t before, after;

	(void)state;
	before = put(&first, FD_CLOSED);
	after = put(&first, FD_CLOSED);
	assert_int_equal(jvms.n, 1);
	assert_true(before > CODE_PAGES_UNTOLD);
	assert_int_not_equal(before, after);
	assert_null(jvms__find_number(&jvms, before));
	assert_ptr_equal(jvms__find_number(&jvms, after), jvms__find(&jvms, &first));
	/* they begin again, and never with that of code of which nothing is told */
	jvms.n_numbers = CODE_PAGES_NUMBERS - 2;
	before = put(&second, FD_CLOSED);
	after = put(&third, FD_CLOSED);
	assert_int_equal(before, CODE_PAGES_FIRST + CODE_PAGES_NUMBERS - 1);
	assert_int_equal(after, CODE_PAGES_UNTOLD + 1);
}

static void a_descriptor_lives_as_long_as_its_reading(void **state)
{
	int one = new_descriptor(), two = new_descriptor(), three = new_descriptor();
	struct jvm *j = new_reading();
	uint32_t number;

	(void)state;
	put(&first, one);
	assert_int_equal(jvms__find(&jvms, &first)->mem_fd, one);
	put(&first, two);
	assert_false(is_open(one));
	assert_true(is_open(two));
	jvms__remove(&jvms, &first);
	assert_false(is_open(two));
	for (uint32_t i = 0; i < JVMS_MAX; i++)
		put(&(struct task_key){.tgid = i + 1}, FD_CLOSED);
	assert_int_equal(jvms__put(&jvms, &first, j, three, &number), -E2BIG);
	assert_false(is_open(three));
	jvm__unref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_reading_is_of_one_incarnation, teardown),
		cmocka_unit_test_teardown(each_reading_has_a_number_of_its_own, teardown),
		cmocka_unit_test_teardown(a_descriptor_lives_as_long_as_its_reading, teardown),
	};

	return cmocka_run_group_tests_name("jvms", tests, NULL, NULL);
}
