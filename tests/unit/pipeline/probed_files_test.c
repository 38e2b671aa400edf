// SPDX-License-Identifier: Apache-2.0
/* What a window knows of those who use a file that was left out of it, and what the next one stands for. No probe is put anywhere. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/object/alloc_sites.h"
#include "user/pipeline/probed_files.h"

#define SECOND 1e9

static const struct alloc_sites sites = {.sites = {{.name = "malloc", .offset = 64, .size = ALLOC_SIZE_ARG1}},
					 .n = 1};

/* What the calls of the n-th file that was added say. */
static uint64_t file_bit(uint32_t n)
{
	return probed_files__bit(n << 8 | 3);
}

static void add(struct probed_files *f, uint64_t ino)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(probed_files__add(f, fd, 1, ino, "file", &sites), 0);
}

static void choose(struct probed_files *f, uint32_t n)
{
	uint32_t groups;

	assert_int_equal(probed_files__choose(f, 0, &groups), n);
}

/* reader_fd: one that answers no question, so that all files are taken for read; none: nobody reads any. */
static struct probed_files *two_files(int reader_fd)
{
	struct probed_files *f;

	assert_int_equal(probed_files__new(-1, reader_fd, &f), 0);
	add(f, 1);
	add(f, 2);
	return f;
}

static void who_uses_a_file_that_was_left_out_is_not_known(void **state)
{
	int no_program = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct probed_files *f = two_files(no_program);

	(void)state;
	choose(f, 2);
	assert_int_equal(probed_files__spare(f), 0);
	assert_true(probed_files__miss(f, file_bit(0)));
	assert_true(probed_files__miss(f, file_bit(1) | file_bit(7)));
	assert_false(probed_files__miss(f, file_bit(2)));
	assert_false(probed_files__miss(f, 0));
	probed_files__free(f);
	close(no_program);
}

static void nor_where_it_could_not_be_probed(void **state)
{
	struct probed_files *f = two_files(-1);

	(void)state;
	choose(f, 2);
	assert_int_equal(probed_files__spare(f), 2);
	assert_true(probed_files__miss(f, file_bit(0)));
	assert_false(probed_files__miss(f, file_bit(2)));
	probed_files__free(f);
}

static void the_next_window_stands_for_that_time_too(void **state)
{
	int no_program = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct probed_files *f = two_files(no_program);

	(void)state;
	choose(f, 2);
	assert_true(probed_files__longer(f, file_bit(0), SECOND) == 0);
	probed_files__spare(f);
	probed_files__end_window(f, SECOND);
	choose(f, 2);
	assert_true(fabs(probed_files__longer(f, file_bit(0), SECOND) - 1) < 1e-9);
	assert_true(fabs(probed_files__longer(f, file_bit(1) | file_bit(9), 2 * SECOND) - 0.5) < 1e-9);
	assert_true(probed_files__longer(f, file_bit(9), SECOND) == 0);
	/* a time that is long past is let go of */
	probed_files__spare(f);
	probed_files__end_window(f, 60 * SECOND);
	choose(f, 2);
	assert_true(fabs(probed_files__longer(f, file_bit(0), SECOND) - 10) < 1e-9);
	/* this window had it: nothing is owed */
	probed_files__end_window(f, SECOND);
	choose(f, 2);
	assert_true(probed_files__longer(f, file_bit(0), SECOND) == 0);
	probed_files__free(f);
	close(no_program);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_uses_a_file_that_was_left_out_is_not_known),
		cmocka_unit_test(nor_where_it_could_not_be_probed),
		cmocka_unit_test(the_next_window_stands_for_that_time_too),
	};

	return cmocka_run_group_tests_name("probed_files", tests, NULL, NULL);
}
