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

/*
 * f [0x10000, 0x10008) with rules, then without: a [0x10010, 0x10040), which goes on behind its first return, at an aligned label, b [0x10040, 0x10050) with padding of int3, behind which
 * what is not aligned belongs to it, data that looks like a function of its own, c [0x10060, 0x10070); g [0x10070, 0x10071) with rules
 */
static const char assembler_between[] = ".text\n"
					"f: .cfi_startproc\n.skip 7,0x90\nret\n.cfi_endproc\n"
					".p2align 4\n"
					"a: push %rbp\nje 1f\npop %rbp\nret\n.p2align 5\n1: pop %rbp\nret\n"
					".p2align 5\n"
					"b: xor %eax,%eax\nret\n.skip 5,0xcc\nxor %eax,%eax\njmp b\n"
					".p2align 4,0xcc\n.byte 6,6,0xc3\n.p2align 5\n"
					"c: ud2\n.skip 3,0x90\n"
					".p2align 4\n"
					"g: .cfi_startproc\nret\n.cfi_endproc\n"
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

static void between_rules_functions_are_told_by_where_the_one_before_ends(void **state)
{
	const uint64_t vaddrs[] = {0x10007, 0x10008, 0x10010, 0x10020, 0x10022, 0x1003f, 0x10040,
				   0x10048, 0x1004e, 0x10050, 0x10060, 0x1006f, 0x10070};
	const struct function_range f = {0x10000, 0x10008}, a = {0x10010, 0x10040}, b = {0x10040, 0x10050},
				    data = {0x10050, 0x10060}, c = {0x10060, 0x10070}, g = {0x10070, 0x10071},
				    none = {0, 0};
	const struct function_range wanted[] = {f, none, a, a, a, a, b, b, b, data, c, c, g};
	struct elf *e = assemble(assembler_between, "");
	struct function_range got[13];

	(void)state;
	assert_int_equal(function_range__find(e, vaddrs, 13, got), 0);
	for (size_t i = 0; i < 13; i++)
		if (got[i].start != wanted[i].start || got[i].end != wanted[i].end)
			fail_msg("%#jx: [%#jx, %#jx)", (uintmax_t)vaddrs[i], (uintmax_t)got[i].start,
				 (uintmax_t)got[i].end);
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
		cmocka_unit_test(between_rules_functions_are_told_by_where_the_one_before_ends),
		cmocka_unit_test(a_file_without_rules_tells_nothing),
	};

	return cmocka_run_group_tests(tests, folder__set_up, folder__tear_down);
}
