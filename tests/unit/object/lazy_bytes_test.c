/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/io.h"
#include "user/object/lazy_bytes.h"

#define BLOCK  LAZY_BYTES_BLOCK
#define OFFSET 100 /* of the stretch in the file: blocks need not be aligned there */

/* A file whose byte at OFFSET + i is i mod 251. */
static int make_file(size_t len)
{
	int fd = memfd_create("lazy_bytes_test", MFD_CLOEXEC);
	uint8_t bytes[OFFSET + 4 * BLOCK];

	assert_true(fd >= 0 && len <= 4 * BLOCK);
	for (size_t i = 0; i < len; i++)
		bytes[OFFSET + i] = (uint8_t)(i % 251);
	assert_int_equal(pwrite(fd, bytes, OFFSET + len, 0), OFFSET + len);
	return fd;
}

static void only_what_is_touched_is_read(void **state)
{
	int fd = make_file(3 * BLOCK + 10);
	struct lazy_bytes b;
	const uint8_t *p;

	(void)state;
	assert_int_equal(lazy_bytes__open(&b, fd, OFFSET, 3 * BLOCK + 10), 0);
	assert_int_equal(b.n_read, 0);
	p = lazy_bytes__get(&b, BLOCK + 5, 4);
	assert_non_null(p);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(p[i], (BLOCK + 5 + i) % 251);
	assert_int_equal(b.n_read, 1);
	p = lazy_bytes__get(&b, 2 * BLOCK - 1, 2); /* over an edge */
	assert_int_equal(p[0], (2 * BLOCK - 1) % 251);
	assert_int_equal(p[1], 2 * BLOCK % 251);
	assert_int_equal(b.n_read, 2);
	assert_false(lazy_bytes__is_whole(&b));
	p = lazy_bytes__get(&b, 0, 3 * BLOCK + 10);
	for (size_t i = 0; i < 3 * BLOCK + 10; i++)
		assert_int_equal(p[i], i % 251);
	assert_true(lazy_bytes__is_whole(&b));
	assert_true(lazy_bytes__resident(&b) >= 4 * BLOCK);
	lazy_bytes__done(&b);
	close(fd);
}

static void nothing_is_had_beyond_the_end(void **state)
{
	int fd = make_file(BLOCK + 10);
	struct lazy_bytes b;

	(void)state;
	assert_int_equal(lazy_bytes__open(&b, fd, OFFSET, BLOCK + 10), 0);
	assert_non_null(lazy_bytes__get(&b, BLOCK, 10));
	assert_non_null(lazy_bytes__get(&b, BLOCK + 10, 0));
	assert_null(lazy_bytes__get(&b, BLOCK, 11));
	assert_null(lazy_bytes__get(&b, BLOCK + 11, 0));
	assert_null(lazy_bytes__get(&b, SIZE_MAX, 2));
	assert_null(lazy_bytes__get(&b, 2, SIZE_MAX));
	lazy_bytes__done(&b);
	assert_int_equal(lazy_bytes__open(&b, fd, 0, LAZY_BYTES_MAX + 1), -E2BIG);
	assert_int_equal(lazy_bytes__open(&b, fd, UINT64_MAX, 10), -E2BIG);
	close(fd);
}

static void without_its_file_it_knows_what_it_has_read(void **state)
{
	int fd = make_file(2 * BLOCK), other = make_file(2 * BLOCK);
	struct lazy_bytes b;

	(void)state;
	assert_int_equal(lazy_bytes__open(&b, fd, OFFSET, 2 * BLOCK), 0);
	assert_non_null(lazy_bytes__get(&b, 7, 1));
	lazy_bytes__attach(&b, FD_CLOSED);
	close(fd);
	assert_non_null(lazy_bytes__get(&b, 8, 1));
	assert_null(lazy_bytes__get(&b, BLOCK, 1));
	lazy_bytes__attach(&b, other);
	assert_int_equal(lazy_bytes__get(&b, BLOCK, 1)[0], BLOCK % 251);
	lazy_bytes__done(&b);
	close(other);
}

static void file_that_shrinks_or_changes_is_no_crash_and_no_change(void **state)
{
	int fd = make_file(2 * BLOCK);
	struct lazy_bytes b;
	const uint8_t *p;

	(void)state;
	assert_int_equal(lazy_bytes__open(&b, fd, OFFSET, 2 * BLOCK), 0);
	p = lazy_bytes__get(&b, 3, 1);
	assert_int_equal(pwrite(fd, "x", 1, OFFSET + 3), 1);
	assert_int_equal(lazy_bytes__get(&b, 3, 1)[0], 3);
	assert_ptr_equal(lazy_bytes__get(&b, 3, 1), p);
	assert_int_equal(ftruncate(fd, OFFSET + BLOCK + 5), 0);
	assert_null(lazy_bytes__get(&b, BLOCK, 1));
	assert_int_equal(p[0], 3);
	lazy_bytes__done(&b);
	close(fd);
}

static void string_is_found_over_the_edge_of_a_block_and_not_further(void **state)
{
	int fd = memfd_create("lazy_bytes_test", MFD_CLOEXEC);
	uint8_t bytes[2 * BLOCK];
	struct lazy_bytes b;

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	memcpy(bytes + 10, "short", 6);
	memcpy(bytes + BLOCK - 3, "longer", 7);
	assert_int_equal(pwrite(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_int_equal(lazy_bytes__open(&b, fd, 0, sizeof(bytes)), 0);
	assert_string_equal(lazy_bytes__string(&b, 10, 100), "short");
	assert_int_equal(b.n_read, 1);
	assert_null(lazy_bytes__string(&b, 10, 5)); /* the NUL is the sixth */
	assert_string_equal(lazy_bytes__string(&b, BLOCK - 3, 7), "longer");
	assert_int_equal(b.n_read, 2);
	assert_null(lazy_bytes__string(&b, BLOCK + 100, SIZE_MAX)); /* no NUL before the end */
	assert_null(lazy_bytes__string(&b, sizeof(bytes), 10));
	lazy_bytes__done(&b);
	close(fd);
}

static void borrowed_bytes_are_all_there(void **state)
{
	static const char bytes[] = "abc";
	struct lazy_bytes b;

	(void)state;
	lazy_bytes__borrow(&b, bytes, sizeof(bytes));
	assert_true(lazy_bytes__is_whole(&b));
	assert_ptr_equal(lazy_bytes__get(&b, 1, 2), bytes + 1);
	assert_string_equal(lazy_bytes__string(&b, 0, 10), "abc");
	assert_int_equal(lazy_bytes__resident(&b), 0);
	lazy_bytes__done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_touched_is_read),
		cmocka_unit_test(nothing_is_had_beyond_the_end),
		cmocka_unit_test(without_its_file_it_knows_what_it_has_read),
		cmocka_unit_test(file_that_shrinks_or_changes_is_no_crash_and_no_change),
		cmocka_unit_test(string_is_found_over_the_edge_of_a_block_and_not_further),
		cmocka_unit_test(borrowed_bytes_are_all_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
