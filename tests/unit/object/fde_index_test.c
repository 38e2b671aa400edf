// SPDX-License-Identifier: Apache-2.0
/* The table in the file and the array of our own are asked the same questions, and a plain loop over what was written knows the answers. */
#include <dwarf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/elf_image.h"
#include "user/object/cfi_source.h"
#include "user/object/elf.h"
#include "user/object/fde_index.h"

#define N           3000 /* nearly three strides */
#define RULES_VADDR 0x100000ull
#define CODE_VADDR  0x1000000ull
#define CODE_BYTES  0x1000000ull
#define CIE_BYTES   24
#define FDE_BYTES   20
#define HDR_BYTES   12

static struct elf_image image;
static struct fde_ref truth[N];
static uint8_t rules[HDR_BYTES + N * 8 + CIE_BYTES + N * FDE_BYTES];

struct fixture {
	struct elf *elf;
	int fd;
	struct cfi_source source;
	struct fde_index table, scanned;
};

static struct fixture fx;

static void put32(uint8_t *to, uint64_t v)
{
	uint32_t low = (uint32_t)v;

	memcpy(to, &low, 4);
}

/* FDE i lies at this offset of .eh_frame; they are written in falling order of address, so that sorting has something to do. */
static uint64_t fde_offset(size_t i)
{
	return CIE_BYTES + (N - 1 - i) * FDE_BYTES;
}

/* .eh_frame_hdr, and .eh_frame with one CIE and N FDEs of 4 to 19 bytes of code each. */
static void write_rules(void)
{
	static const uint8_t hdr[] = {1, 0x1b, 3, 0x3b};
	static const uint8_t cie[CIE_BYTES] = {CIE_BYTES - 4, 0, 0, 0,    0,  0, 0,    0,    1, 'z',
					       'R',           0, 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8,
					       0x90,          1};
	uint64_t eh_frame = HDR_BYTES + N * 8, start = CODE_VADDR;
	unsigned int seed = 3;

	memcpy(rules, hdr, 4);
	put32(rules + 4, eh_frame - 4);
	put32(rules + 8, N);
	memcpy(rules + eh_frame, cie, sizeof(cie));
	for (size_t i = 0; i < N; i++) {
		uint8_t *fde = rules + eh_frame + fde_offset(i);
		uint64_t at = RULES_VADDR + eh_frame + fde_offset(i);

		start += 20 + rand_r(&seed) % 4000;
		truth[i] = (struct fde_ref){.start = start, .offset = fde_offset(i)};
		put32(fde, FDE_BYTES - 4);
		put32(fde + 4, fde_offset(i) + 4);
		put32(fde + 8, start - (at + 8));
		put32(fde + 12, 4 + rand_r(&seed) % 16);
		put32(rules + HDR_BYTES + i * 8, start - RULES_VADDR);
		put32(rules + HDR_BYTES + i * 8 + 4, eh_frame + fde_offset(i));
	}
}

static int open_table(void)
{
	struct ehframe_hdr hdr;

	assert_int_equal(ehframe_hdr__parse(rules, 64, HDR_BYTES + N * 8, RULES_VADDR, &hdr), 0);
	return fde_index__open_table(&fx.table, fx.elf, &hdr, RULES_VADDR, ELF_IMAGE_DATA, &fx.source);
}

static void open_file(void)
{
	uint64_t at;

	elf_image__init(&image, ET_DYN, EM_X86_64);
	at = elf_image__add(&image, rules, sizeof(rules));
	elf_image__segment(&image, PT_LOAD, PF_R, RULES_VADDR, at, sizeof(rules));
	elf_image__segment(&image, PT_LOAD, PF_R | PF_X, CODE_VADDR, 0, 0)->p_memsz = CODE_BYTES;
	fx.fd = elf_image__fd(&image);
	assert_int_equal(elf__open(fx.fd, &fx.elf), 0);
	assert_int_equal(cfi_source__init_at(&fx.source, fx.elf, RULES_VADDR + HDR_BYTES + N * 8), 0);
}

static int tear_down(void **state)
{
	(void)state;
	fde_index__done(&fx.table);
	fde_index__done(&fx.scanned);
	cfi_source__done(&fx.source);
	elf__free(fx.elf);
	close(fx.fd);
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	memset(&fx, 0, sizeof(fx));
	write_rules();
	open_file();
	return 0;
}

/* The last that starts at or before `from`, all up to the first that starts at or after `to`. */
static void expect_slice(const struct fde_index *x, uint64_t from, uint64_t to)
{
	struct fde_slice s = {0};
	size_t first = 0, n = 0;

	while (first + 1 < N && truth[first + 1].start <= from)
		first++;
	while (first + n < N && (n == 0 || truth[first + n - 1].start < to))
		n++;
	assert_int_equal(fde_index__slice(x, from, to, &s), 0);
	assert_int_equal(s.n, n);
	assert_memory_equal(s.refs, &truth[first], n * sizeof(truth[0]));
	fde_slice__done(&s);
}

static void both_kinds_of_index_give_the_same_slices(void **state)
{
	unsigned int seed = 4;

	(void)state;
	assert_int_equal(open_table(), 0);
	assert_int_equal(fde_index__scan(&fx.scanned, fx.elf, &fx.source), 0);
	assert_int_equal(fx.table.n, N);
	assert_int_equal(fx.scanned.n, N);
	assert_true(fde_index__bytes(&fx.table) <= 3 * sizeof(uint64_t));
	for (int i = 0; i < 1000; i++) {
		/* half of them at the very start of a function */
		uint64_t from =
			i % 2 ? truth[rand_r(&seed) % N].start : CODE_VADDR + rand_r(&seed) % CODE_BYTES;
		uint64_t to = from + (i % 3 ? 65536 : 1 + rand_r(&seed) % 3000000);

		expect_slice(&fx.table, from, to);
		expect_slice(&fx.scanned, from, to);
	}
	expect_slice(&fx.table, 0, UINT64_MAX);
	expect_slice(&fx.table, 0, 1);
	expect_slice(&fx.table, UINT64_MAX - 1, UINT64_MAX);
}

static void of_entries_with_one_start_the_last_counts(void **state)
{
	struct fde_slice s = {0};

	(void)state;
	/* entries 1022 to 1025 around the border of two strides */
	for (size_t i = 1022; i <= 1025; i++)
		assert_int_equal(
			pwrite(fx.fd, rules + HDR_BYTES + 1022 * 8, 4, ELF_IMAGE_DATA + HDR_BYTES + i * 8),
			4);
	assert_int_equal(open_table(), 0);
	assert_int_equal(fde_index__slice(&fx.table, truth[1021].start, truth[1026].start, &s), 0);
	assert_int_equal(s.n, 3);
	assert_int_equal(s.refs[0].start, truth[1021].start);
	assert_int_equal(s.refs[1].start, truth[1022].start);
	assert_int_equal(s.refs[1].offset, truth[1025].offset);
	assert_int_equal(s.refs[2].start, truth[1026].start);
	fde_slice__done(&s);
}

static void tables_that_lie_are_refused_when_opened(void **state)
{
	uint64_t at = ELF_IMAGE_DATA + HDR_BYTES + 2500 * 8;
	uint8_t zero[4] = {0}, far[4] = {0xff, 0xff, 0xff, 0x7f}, kept[8];

	(void)state;
	assert_int_equal(pread(fx.fd, kept, 8, at), 8);
	assert_int_equal(pwrite(fx.fd, zero, 4, at), 4);
	assert_int_equal(open_table(), -EBADMSG);
	assert_int_equal(pwrite(fx.fd, kept, 8, at), 8);
	assert_int_equal(pwrite(fx.fd, far, 4, at + 4), 4);
	assert_int_equal(open_table(), -EBADMSG);
	assert_int_equal(pwrite(fx.fd, kept, 8, at), 8);
	assert_int_equal(open_table(), 0);
}

static void a_table_that_changes_later_is_damage_not_a_wrong_slice(void **state)
{
	uint8_t zero[8] = {0};
	struct fde_slice s = {0};

	(void)state;
	assert_int_equal(open_table(), 0);
	assert_int_equal(pwrite(fx.fd, zero, 8, ELF_IMAGE_DATA + HDR_BYTES + 2500 * 8), 8);
	assert_int_equal(fde_index__slice(&fx.table, truth[2400].start, truth[2600].start, &s), -EBADMSG);
	assert_int_equal(ftruncate(fx.fd, ELF_IMAGE_DATA + 100), 0);
	assert_int_equal(fde_index__slice(&fx.table, truth[2400].start, truth[2600].start, &s), -EBADMSG);
	fde_slice__done(&s);
}

static void a_scan_leaves_out_functions_without_code(void **state)
{
	uint8_t zero[4] = {0};

	(void)state;
	/* one of length zero, one that starts outside of the code, one of a CIE that is none */
	assert_int_equal(pwrite(fx.fd, zero, 4, ELF_IMAGE_DATA + HDR_BYTES + N * 8 + fde_offset(5) + 12), 4);
	assert_int_equal(pwrite(fx.fd, zero, 4, ELF_IMAGE_DATA + HDR_BYTES + N * 8 + fde_offset(6) + 8), 4);
	assert_int_equal(
		pwrite(fx.fd, &(uint32_t){8}, 4, ELF_IMAGE_DATA + HDR_BYTES + N * 8 + fde_offset(7) + 4), 4);
	assert_int_equal(fde_index__scan(&fx.scanned, fx.elf, &fx.source), 0);
	assert_int_equal(fx.scanned.n, N - 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_kinds_of_index_give_the_same_slices, set_up, tear_down),
		cmocka_unit_test_setup_teardown(of_entries_with_one_start_the_last_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tables_that_lie_are_refused_when_opened, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_table_that_changes_later_is_damage_not_a_wrong_slice,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_scan_leaves_out_functions_without_code, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
