// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/image.h"

#define PAGES 16
#define BYTES ((size_t)PAGES * 4096)

/* Resident KiB of the mapping that begins here. */
static long resident_kib(const void *at)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	char line[512], head[32];
	long kib = -1, found = 0;

	assert_non_null(f);
	snprintf(head, sizeof(head), "%lx-", (unsigned long)(uintptr_t)at);
	while (kib < 0 && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, head, strlen(head)))
			found = 1;
		else if (found)
			sscanf(line, "Rss: %ld", &kib);
	}
	fclose(f);
	return kib;
}

/* A file of PAGES pages, page i full of 'a' + i, mapped privately. */
static char *map_file(void)
{
	FILE *f = tmpfile();
	char *at;

	assert_non_null(f);
	for (size_t i = 0; i < BYTES; i++)
		assert_int_not_equal(fputc('a' + (int)(i / 4096), f), EOF);
	assert_int_equal(fflush(f), 0);
	at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fileno(f), 0);
	assert_true(at != MAP_FAILED);
	fclose(f);
	return at;
}

static void touch(const char *at)
{
	for (int i = 0; i < PAGES; i++)
		assert_int_equal(((const volatile char *)at)[i * 4096], 'a' + i);
}

static void pages_of_a_file_that_were_only_read_are_let_go_and_come_back(void **state)
{
	char *at = map_file();

	(void)state;
	assert_int_equal(mprotect(at, BYTES, PROT_READ), 0);
	touch(at);
	assert_int_equal(resident_kib(at), BYTES / 1024);
	image__give_back();
	assert_int_equal(resident_kib(at), 0);
	touch(at);
	munmap(at, BYTES);
}

static void what_was_written_before_it_was_protected_stays(void **state)
{
	char *at = map_file();

	(void)state;
	at[3 * 4096 + 7] = 'R';
	assert_int_equal(mprotect(at, BYTES, PROT_READ), 0);
	image__give_back();
	assert_int_equal(at[3 * 4096 + 7], 'R');
	touch(at);
	munmap(at, BYTES);
}

static void what_may_be_written_is_left_alone(void **state)
{
	char *at = map_file();

	(void)state;
	touch(at);
	image__give_back();
	assert_int_equal(resident_kib(at), BYTES / 1024);
	munmap(at, BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_of_a_file_that_were_only_read_are_let_go_and_come_back),
		cmocka_unit_test(what_was_written_before_it_was_protected_stays),
		cmocka_unit_test(what_may_be_written_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
