/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/folder.h"
#include "user/base/file_stamp.h"

static char path[FOLDER_MAX + 8];

static void put(const char *text, const struct timespec *when)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(futimens(fd, (const struct timespec[]){*when, *when}), 0);
	close(fd);
}

static struct file_stamp stamp(void)
{
	struct file_stamp s;

	assert_true(file_stamp__take(path, &s));
	return s;
}

static void any_change_is_another_stamp(void **state)
{
	const struct timespec first = {.tv_sec = 1000, .tv_nsec = 5}, older = {.tv_sec = 900},
			      later = {.tv_sec = 1000, .tv_nsec = 6};
	struct file_stamp a, b, none;

	(void)state;
	snprintf(path, sizeof(path), "%s/file", test_dir);
	assert_false(file_stamp__take(path, &none));
	put("one", &first);
	a = stamp();
	b = stamp();
	assert_true(file_stamp__is_same(&a, &b));
	assert_false(file_stamp__is_same(&a, &none));
	put("two", &later); /* within the same second */
	b = stamp();
	assert_false(file_stamp__is_same(&a, &b));
	put("two", &older);
	a = stamp();
	assert_false(file_stamp__is_same(&a, &b));
	/* what makes that it may be read, or not */
	usleep(20000); /* the kernel's clock for files goes by its ticks */
	assert_int_equal(chmod(path, 0644), 0);
	b = stamp();
	assert_false(file_stamp__is_same(&a, &b));
	assert_int_equal(unlink(path), 0);
	assert_false(file_stamp__take(path, &b));
	assert_true(file_stamp__is_same(&b, &none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		folder_test(any_change_is_another_stamp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
