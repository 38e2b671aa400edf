// SPDX-License-Identifier: Apache-2.0
/*
 * Functions found by their unwind rules in small files made with gcc, at known addresses.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/folder.h"
#include "user/object/elf.h"
#include "user/object/function_range.h"

/* f [0x10000, 0x10010), a hole, g [0x10020, 0x10021), h [0x10021, 0x10030) */
static const char two_functions[] = ".text\n"
				    "f: .cfi_startproc\n.skip 16,0x90\n.cfi_endproc\n"
				    ".skip 16,0xcc\n"
				    "g: .cfi_startproc\nret\n.cfi_endproc\n"
				    "h: .cfi_startproc\n.skip 15,0x90\n.cfi_endproc\n"
				    ".section .note.GNU-stack,\"\",@progbits\n";

static int fd;

static struct elf *assemble(const char *source, const char *flags)
{
	char path[64], command[512];
	struct elf *e;
	FILE *f;

	snprintf(path, sizeof(path), "%s/t.S", test_dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(source, f);
	assert_int_equal(fclose(f), 0);
	snprintf(command, sizeof(command),
		 "cd %s && gcc -shared -nostdlib -s -Wl,-Ttext=0x10000 %s -o t.so t.S", test_dir, flags);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof(path), "%s/t.so", test_dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(elf__open(fd, &e), 0);
	return e;
}

static void addresses_are_told_the_function_that_holds_them(void **state)
{
	const uint64_t vaddrs[] = {0xffff,  0x10000, 0x10005, 0x1000f, 0x10010,
				   0x1001f, 0x10020, 0x10021, 0x1002f, 0x10030};
	const struct function_range wanted[] = {
		{0, 0}, {0x10000, 0x10010}, {0x10000, 0x10010}, {0x10000, 0x10010}, {0, 0},
		{0, 0}, {0x10020, 0x10021}, {0x10021, 0x10030}, {0x10021, 0x10030}, {0, 0}};
	struct elf *e = assemble(two_functions, "");
	struct function_range got[10];

	(void)state;
	assert_int_equal(function_range__find(e, vaddrs, 10, got), 0);
	for (size_t i = 0; i < 10; i++) {
		assert_int_equal(got[i].start, wanted[i].start);
		assert_int_equal(got[i].end, wanted[i].end);
	}
	assert_int_equal(function_range__find(e, vaddrs, 0, got), 0);
	elf__free(e);
	close(fd);
}

static void a_file_without_rules_tells_nothing(void **state)
{
	const uint64_t vaddrs[] = {0x10000, 0x10005};
	struct elf *e = assemble(".text\nf: .skip 16,0x90\n.section .note.GNU-stack,\"\",@progbits\n",
				 "-Wl,--no-eh-frame-hdr");
	struct function_range got[2] = {{1, 1}, {1, 1}};

	(void)state;
	assert_int_equal(function_range__find(e, vaddrs, 2, got), -ENOENT);
	assert_int_equal(got[0].end, 0);
	assert_int_equal(got[1].end, 0);
	elf__free(e);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_told_the_function_that_holds_them),
		cmocka_unit_test(a_file_without_rules_tells_nothing),
	};

	return cmocka_run_group_tests(tests, folder__set_up, folder__tear_down);
}
