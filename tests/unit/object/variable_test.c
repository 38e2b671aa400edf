/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/elf_image.h"
#include "user/object/elf.h"
#include "user/object/variable.h"

int variable_test_known = 7; /* of this very program */

static void symbols_of_data_are_found_by_name(void **state)
{
	static const char strings[] = "\0runtime.allgs\0runtime.allg\0f";
	const Elf64_Sym symbols[] = {
		{0},
		{.st_name = 1,
		 .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT),
		 .st_shndx = 1,
		 .st_value = 0x100},
		{.st_name = 15,
		 .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT),
		 .st_shndx = 1,
		 .st_value = 0x200},
		{.st_name = 28,
		 .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
		 .st_shndx = 1,
		 .st_value = 0x300},
		{.st_name = 9999,
		 .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_OBJECT),
		 .st_shndx = 1,
		 .st_value = 1},
	};
	static const char *const names[] = {"runtime.allgs", "f", "runtime.allg", "none"};
	static struct elf_image image;
	uint64_t at[4] = {0};
	struct elf *e;
	int fd;

	(void)state;
	elf_image__init(&image, ET_EXEC, EM_X86_64);
	elf_image__section(&image, ".symtab", SHT_SYMTAB, 0, elf_image__add(&image, symbols, sizeof(symbols)),
			   sizeof(symbols))
		->sh_link = 2;
	elf_image__section(&image, ".strtab", SHT_STRTAB, 0, elf_image__add(&image, strings, sizeof(strings)),
			   sizeof(strings));
	fd = elf_image__fd(&image);
	assert_int_equal(elf__open(fd, &e), 0);
	assert_int_equal(variable__find_symbols(e, names, 4, at), 0);
	assert_int_equal(at[0], 0x100);
	assert_int_equal(at[1], 0); /* a function */
	assert_int_equal(at[2], 0x200);
	assert_int_equal(at[3], 0);
	elf__free(e);
	close(fd);
}

static void symbols_of_a_file(void **state)
{
	static const char *const names[] = {"variable_test_known", "variable_test_unknown"};
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	uint64_t at[2] = {0};
	struct elf *e;

	(void)state;
	assert_int_equal(elf__open(fd, &e), 0);
	assert_int_equal(variable__find_symbols(e, names, 2, at), 0);
	assert_int_not_equal(at[0], 0);
	/* the same distance from another known place as in memory */
	assert_int_equal(at[1], 0);
	elf__free(e);
	close(fd);
}

static void operands_relative_to_the_instruction(void **state)
{
	static const uint8_t code[] = {
		0x48, 0x8d, 0x05, 0x10, 0,    0,    0,    /* lea 0x10(%rip),%rax */
		0x48, 0x8b, 0x4c, 0x24, 0x08,             /* mov 8(%rsp),%rcx */
		0x83, 0x3d, 0xf0, 0xff, 0xff, 0xff, 0x00, /* cmpl $0,-0x10(%rip) */
		0x48, 0x8b, 0x05, 0xfd, 0xff, 0xff, 0xff, /* mov -3(%rip): the first one again */
		0xc3,
	};
	uint64_t at[8];

	(void)state;
	assert_int_equal(variable__parse_operands(code, sizeof(code), 0x1000, at, 8), 2);
	assert_int_equal(at[0], 0x1017);
	assert_int_equal(at[1], 0x1003);
	assert_int_equal(variable__parse_operands(code, sizeof(code), 0x1000, at, 1), 1);
	/* what is cut off is not read */
	assert_int_equal(variable__parse_operands(code, 6, 0x1000, at, 8), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(symbols_of_data_are_found_by_name),
		cmocka_unit_test(symbols_of_a_file),
		cmocka_unit_test(operands_relative_to_the_instruction),
	};

	return cmocka_run_group_tests_name("variable", tests, NULL, NULL);
}
