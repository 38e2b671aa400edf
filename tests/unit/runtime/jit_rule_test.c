// SPDX-License-Identifier: Apache-2.0
/* The image is qemu's own, as it lay in its memory; it says so much as that its code has one frame of 1,216 bytes. */
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

#include "user/runtime/jit_rule.h"

#define IMAGE      "tests/fuzz/corpus/elf/jit_image"
#define CODE_START 0x7f3cd800002dull
#define CODE_END   0x7f3cdffff000ull

struct image {
	uint8_t bytes[4096];
	size_t len;
};

static struct image read_qemu(void)
{
	struct image i = {.len = 0};
	int fd = open(IMAGE, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, i.bytes, sizeof(i.bytes));

	assert_true(n > (ssize_t)sizeof(Elf64_Ehdr));
	i.len = (size_t)n;
	close(fd);
	return i;
}

static Elf64_Shdr *section(struct image *i, uint32_t at)
{
	Elf64_Ehdr h;

	memcpy(&h, i->bytes, sizeof(h));
	return (Elf64_Shdr *)(void *)(i->bytes + h.e_shoff + at * sizeof(Elf64_Shdr));
}

static void qemu_has_one_frame_for_all_of_its_code(void **state)
{
	struct image i = read_qemu();
	struct jit_rule rule;

	(void)state;
	assert_int_equal(jit_rule__of_image(i.bytes, i.len, &rule), 0);
	assert_int_equal(rule.start, CODE_START);
	assert_int_equal(rule.end, CODE_END);
	assert_int_equal(ROW_CFA_BASE(rule.row.cfa), ROW_REG_RSP);
	assert_int_equal(unwind_row__cfa_bytes(&rule.row), 1216);
	assert_int_equal(ROW_FP_RULE(rule.row.saved), ROW_FP_AT_CFA);
	assert_int_equal(unwind_row__fp_bytes(&rule.row), -16);
}

static void code_that_the_rule_does_not_cover_whole_has_none(void **state)
{
	struct image i = read_qemu();
	struct jit_rule rule;
	Elf64_Phdr *segment = (Elf64_Phdr *)(void *)(i.bytes + sizeof(Elf64_Ehdr));

	(void)state;
	/* the section and its segment go on where the FDE does not */
	section(&i, 1)->sh_size *= 2;
	segment->p_memsz *= 2;
	assert_int_equal(jit_rule__of_image(i.bytes, i.len, &rule), -EOPNOTSUPP);
}

static void code_of_less_than_a_page_is_one_function_not_all(void **state)
{
	struct image i = read_qemu();
	struct jit_rule rule;

	(void)state;
	section(&i, 1)->sh_size = 4096;
	assert_int_equal(jit_rule__of_image(i.bytes, i.len, &rule), -EOPNOTSUPP);
}

static void a_section_that_runs_over_is_refused(void **state)
{
	struct image i = read_qemu();
	struct jit_rule rule;

	(void)state;
	section(&i, 1)->sh_size = UINT64_MAX - 4096;
	assert_true(jit_rule__of_image(i.bytes, i.len, &rule) < 0);
}

static void what_is_cut_short_is_refused(void **state)
{
	struct image i = read_qemu();
	struct jit_rule rule;

	(void)state;
	for (size_t len = 0; len < i.len - 64; len += 13)
		assert_true(jit_rule__of_image(i.bytes, len, &rule) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(qemu_has_one_frame_for_all_of_its_code),
		cmocka_unit_test(code_that_the_rule_does_not_cover_whole_has_none),
		cmocka_unit_test(code_of_less_than_a_page_is_one_function_not_all),
		cmocka_unit_test(a_section_that_runs_over_is_refused),
		cmocka_unit_test(what_is_cut_short_is_refused),
	};

	return cmocka_run_group_tests_name("jit_rule", tests, NULL, NULL);
}
