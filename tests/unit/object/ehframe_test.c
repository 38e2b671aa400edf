// SPDX-License-Identifier: Apache-2.0
#include <dwarf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/base/cursor.h"
#include "user/object/ehframe.h"

#define SECTION    0x400000ull
#define BYTES(...) ((const uint8_t[]){__VA_ARGS__})

static const struct cfi_base eh_frame = {.section = SECTION};
static const struct cfi_base debug_frame = {.is_debug_frame = true};

/* version 1, "zR", code 1, data -8, RA 16, pcrel sdata4, then def_cfa rsp+8, RA at -8 */
static const uint8_t cie_bytes[] = {0x14, 0,    0,  0, 0,    0,    0, 0, 1,    'z', 'R', 0,
				    1,    0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1,   0,   0};
/* at 24: its CIE is 28 bytes back from the pointer; starts 0x100 behind the pointer, 0x20 long, no augmentation data, advance 1, offset 16 */
static const uint8_t fde_bytes[] = {0x10, 0, 0, 0, 28, 0, 0, 0, 0, 1, 0, 0, 0x20, 0, 0, 0, 0, 0x41, 0x0e, 16};

static struct cfi_head head_of(const struct cfi_base *base, uint64_t offset, const uint8_t *bytes, size_t len)
{
	struct cfi_head h = {0};

	assert_int_equal(cfi_head__parse(base, offset + len, offset, bytes, len, &h), 0);
	return h;
}

static struct cie plain_cie(void)
{
	struct cfi_head h = head_of(&eh_frame, 0, cie_bytes, sizeof(cie_bytes));
	struct cie cie = {0};

	assert_int_equal(cie__parse(&eh_frame, &h, cie_bytes, &cie), 0);
	return cie;
}

static int cie_of(const struct cfi_base *base, const uint8_t *bytes, size_t len, struct cie *ret_cie)
{
	struct cfi_head h = head_of(base, 0, bytes, len);

	return cie__parse(base, &h, bytes, ret_cie);
}

static void a_plain_cie_and_fde_are_read_whole(void **state)
{
	struct cfi_head h = head_of(&eh_frame, 24, fde_bytes, sizeof(fde_bytes));
	struct cie cie = plain_cie();
	struct fde fde;

	(void)state;
	assert_int_equal(cie.version, 1);
	assert_int_equal(cie.code_align, 1);
	assert_int_equal(cie.data_align, -8);
	assert_int_equal(cie.ra_reg, 16);
	assert_int_equal(cie.pointer_enc, DW_EH_PE_pcrel | DW_EH_PE_sdata4);
	assert_true(cie.has_aug_data);
	assert_false(cie.is_signal);
	assert_int_equal(cie.program_len, 7);
	assert_ptr_equal(cie.program, cie_bytes + 17);

	assert_int_equal(h.kind, CFI_FDE);
	assert_int_equal(h.cie_offset, 0);
	assert_int_equal(h.size, sizeof(fde_bytes));
	assert_int_equal(fde__parse(&eh_frame, &h, fde_bytes, &cie, &fde), 0);
	assert_int_equal(fde.start, SECTION + 24 + 8 + 0x100);
	assert_int_equal(fde.end, fde.start + 0x20);
	assert_int_equal(fde.program_len, 3);
	assert_int_equal(fde.program_at, SECTION + 24 + 17);
}

static void heads_tell_the_kind_in_each_dialect(void **state)
{
	struct cfi_head h;

	(void)state;
	h = head_of(&eh_frame, 0, BYTES(0, 0, 0, 0), 4);
	assert_int_equal(h.kind, CFI_TERMINATOR);
	assert_int_equal(h.size, 4);
	h = head_of(&debug_frame, 0, BYTES(4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff), 8);
	assert_int_equal(h.kind, CFI_CIE);
	h = head_of(&debug_frame, 100, BYTES(4, 0, 0, 0, 7, 0, 0, 0), 8);
	assert_int_equal(h.kind, CFI_FDE);
	assert_int_equal(h.cie_offset, 7);
	/* 64-bit lengths: the id is as long in .debug_frame, and stays 4 bytes in .eh_frame */
	h = head_of(&debug_frame, 100,
		    BYTES(0xff, 0xff, 0xff, 0xff, 8, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0), 20);
	assert_int_equal(h.kind, CFI_FDE);
	assert_int_equal(h.cie_offset, 9);
	assert_int_equal(h.body, 20);
	assert_int_equal(h.size, 20);
	h = head_of(&eh_frame, 100, BYTES(0xff, 0xff, 0xff, 0xff, 4, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0), 16);
	assert_int_equal(h.kind, CFI_FDE);
	assert_int_equal(h.cie_offset, 100);
	assert_int_equal(h.body, 16);
}

static void heads_that_reach_out_of_the_section_are_damage(void **state)
{
	static const uint8_t length_too_long[] = {5, 0, 0, 0, 0, 0, 0, 0};
	static const uint8_t reserved_length[] = {0xf0, 0xff, 0xff, 0xff, 0, 0, 0, 0};
	static const uint8_t huge_length[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
					      0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0};
	static const uint8_t before_section[] = {4, 0, 0, 0, 5, 0, 0, 0};
	static const uint8_t no_room_for_id[] = {2, 0, 0, 0, 0, 0};
	struct cfi_head h;

	(void)state;
	assert_int_equal(cfi_head__parse(&eh_frame, 8, 0, length_too_long, 8, &h), -EBADMSG);
	assert_int_equal(cfi_head__parse(&eh_frame, 8, 0, reserved_length, 8, &h), -EBADMSG);
	assert_int_equal(cfi_head__parse(&eh_frame, 16, 0, huge_length, 16, &h), -EBADMSG);
	assert_int_equal(cfi_head__parse(&eh_frame, 8, 0, before_section, 8, &h), -EBADMSG);
	assert_int_equal(cfi_head__parse(&eh_frame, 6, 0, no_room_for_id, 6, &h), -EBADMSG);
	assert_int_equal(cfi_head__parse(&eh_frame, 6, 7, no_room_for_id, 6, &h), -EBADMSG);
	assert_int_equal(cfi_head__parse(&eh_frame, 3, 0, no_room_for_id, 3, &h), -EBADMSG);
	assert_int_equal(cfi_head__parse(&debug_frame, 8, 0, BYTES(4, 0, 0, 0, 8, 0, 0, 0), 8, &h), -EBADMSG);
}

static void cie_versions_3_and_4_are_read_and_others_refused(void **state)
{
	/* version 3: the return address's register is a ULEB */
	static const uint8_t v3[] = {13, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 3, 0, 1, 0x78, 0x90, 0x01, 0, 0, 0};
	static const uint8_t v4[] = {14, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 4, 0, 8, 0, 4, 0x7c, 30, 0, 0, 0};
	uint8_t bytes[sizeof(v4)];
	struct cie cie;

	(void)state;
	assert_int_equal(cie_of(&debug_frame, v3, sizeof(v3), &cie), 0);
	assert_int_equal(cie.ra_reg, 144);
	assert_int_equal(cie.pointer_enc, DW_EH_PE_absptr);
	assert_false(cie.has_aug_data);
	assert_int_equal(cie_of(&debug_frame, v4, sizeof(v4), &cie), 0);
	assert_int_equal(cie.code_align, 4);
	assert_int_equal(cie.data_align, -4);
	assert_int_equal(cie.ra_reg, 30);
	assert_int_equal(cie.program_len, 3);
	for (int at = 0; at < 4; at++) {
		static const uint8_t wrong[4][2] = {
			{8, 2}, {8, 5}, {10, 4}, {11, 1}}; /* version, version, address size, segments */

		memcpy(bytes, v4, sizeof(v4));
		bytes[wrong[at][0]] = wrong[at][1];
		assert_int_equal(cie_of(&debug_frame, bytes, sizeof(bytes), &cie), -EOPNOTSUPP);
	}
}

static void augmentation_letters_are_understood_or_refused(void **state)
{
	/* zPLRS: personality absptr (8 bytes), LSDA udata4, pointers sdata8 */
	static const uint8_t full[] = {30, 0,  0, 0, 0, 0, 0, 0, 1, 'z', 'P', 'L', 'R',  'S', 0, 1, 0x78,
				       16, 11, 0, 1, 2, 3, 4, 5, 6, 7,   8,   3,   0x0c, 0,   0, 0, 0};
	static const uint8_t unknown[] = {13, 0, 0, 0, 0, 0, 0, 0, 1, 'z', '?', 0, 1, 0x78, 16, 1, 0};
	static const uint8_t without_z[] = {12, 0, 0, 0, 0, 0, 0, 0, 1, 'R', 0, 1, 0x78, 16, 0x1b, 0};
	static const uint8_t data_too_long[] = {13,  0,   0, 0, 0,    0,  0, 0,   1,
						'z', 'R', 0, 1, 0x78, 16, 9, 0x1b};
	static const uint8_t endless_string[] = {8, 0, 0, 0, 0, 0, 0, 0, 1, 'z', 'R', 'R'};
	struct cie cie;

	(void)state;
	assert_int_equal(cie_of(&eh_frame, full, sizeof(full), &cie), 0);
	assert_int_equal(cie.pointer_enc, DW_EH_PE_sdata8);
	assert_true(cie.is_signal);
	assert_int_equal(cie.program_len, 4);
	assert_int_equal(cie_of(&eh_frame, unknown, sizeof(unknown), &cie), -EOPNOTSUPP);
	assert_int_equal(cie_of(&eh_frame, without_z, sizeof(without_z), &cie), -EOPNOTSUPP);
	assert_int_equal(cie_of(&eh_frame, data_too_long, sizeof(data_too_long), &cie), -EBADMSG);
	assert_int_equal(cie_of(&eh_frame, endless_string, sizeof(endless_string), &cie), -EBADMSG);
}

static int pointer(const struct cfi_base *base, uint8_t enc, const uint8_t *bytes, size_t len,
		   uint64_t *ret_value)
{
	struct cursor c;

	cursor__init(&c, bytes, len);
	return eh_pointer__read(&c, base, enc, 0x1000, ret_value);
}

static void pointers_are_read_in_each_encoding(void **state)
{
	static const uint8_t minus_two[] = {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	static const struct cfi_base with_data = {.section = SECTION, .data = 0x9000};
	static const struct {
		uint8_t enc;
		uint64_t value;
	} known[] = {
		{DW_EH_PE_absptr, (uint64_t)-2},
		{DW_EH_PE_udata2, 0xfffe},
		{DW_EH_PE_udata4, 0xfffffffe},
		{DW_EH_PE_udata8, (uint64_t)-2},
		{DW_EH_PE_sdata2, (uint64_t)-2},
		{DW_EH_PE_sdata4, (uint64_t)-2},
		{DW_EH_PE_sdata8, (uint64_t)-2},
		{DW_EH_PE_pcrel | DW_EH_PE_sdata4, 0xffe},
		{DW_EH_PE_pcrel | DW_EH_PE_sdata8, 0xffe},
		{DW_EH_PE_datarel | DW_EH_PE_sdata4, 0x8ffe},
	};
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		assert_int_equal(pointer(&with_data, known[i].enc, minus_two, 8, &value), 0);
		assert_true(value == known[i].value);
		assert_int_equal(pointer(&with_data, known[i].enc, minus_two, 1, &value), -EBADMSG);
	}
	assert_int_equal(pointer(&eh_frame, DW_EH_PE_uleb128, BYTES(0x80, 0x01), 2, &value), 0);
	assert_int_equal(value, 128);
	assert_int_equal(pointer(&eh_frame, DW_EH_PE_sleb128, BYTES(0x7f), 1, &value), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(pointer(&eh_frame, DW_EH_PE_datarel | DW_EH_PE_sdata4, minus_two, 8, &value),
			 -EOPNOTSUPP);
	assert_int_equal(pointer(&eh_frame, DW_EH_PE_indirect | DW_EH_PE_pcrel, minus_two, 8, &value),
			 -EOPNOTSUPP);
	assert_int_equal(pointer(&eh_frame, DW_EH_PE_textrel | DW_EH_PE_udata4, minus_two, 8, &value),
			 -EOPNOTSUPP);
	assert_int_equal(pointer(&eh_frame, DW_EH_PE_aligned, minus_two, 8, &value), -EOPNOTSUPP);
	assert_int_equal(pointer(&eh_frame, DW_EH_PE_omit, minus_two, 8, &value), -EOPNOTSUPP);
	assert_int_equal(pointer(&eh_frame, 0x05, minus_two, 8, &value), -EOPNOTSUPP);
}

static void fdes_that_wrap_or_end_early_are_damage(void **state)
{
	/* absolute pointers: 8 + 8 bytes */
	uint8_t bytes[32] = {28, 0, 0, 0, 28, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2};
	struct cie cie = plain_cie();
	struct cfi_head h;
	struct fde fde;

	(void)state;
	cie.pointer_enc = DW_EH_PE_absptr;
	h = head_of(&eh_frame, 24, bytes, sizeof(bytes));
	assert_int_equal(fde__parse(&eh_frame, &h, bytes, &cie, &fde), -EBADMSG);
	bytes[16] = 0;
	assert_int_equal(fde__parse(&eh_frame, &h, bytes, &cie, &fde), 0);
	bytes[24] = 100; /* augmentation data longer than the record */
	assert_int_equal(fde__parse(&eh_frame, &h, bytes, &cie, &fde), -EBADMSG);
	bytes[0] = 10;
	h = head_of(&eh_frame, 24, bytes, 14);
	assert_int_equal(fde__parse(&eh_frame, &h, bytes, &cie, &fde), -EBADMSG);
	cie.pointer_enc |= DW_EH_PE_indirect;
	assert_int_equal(fde__parse(&eh_frame, &h, bytes, &cie, &fde), -EOPNOTSUPP);
}

static void the_search_table_is_bounded_by_its_section(void **state)
{
	/* version 1, pcrel sdata4, udata4, datarel sdata4; .eh_frame 0x30 behind the pointer; 2 pairs */
	uint8_t bytes[28] = {1, 0x1b, 3, 0x3b, 0x30, 0, 0, 0, 2, 0, 0, 0, 0, 0xf0, 0xff, 0xff, 0x40, 0, 0, 0};
	struct ehframe_hdr hdr;

	(void)state;
	assert_int_equal(ehframe_hdr__parse(bytes, sizeof(bytes), sizeof(bytes), SECTION, &hdr), 0);
	assert_int_equal(hdr.eh_frame, SECTION + 4 + 0x30);
	assert_int_equal(hdr.n, 2);
	assert_int_equal(hdr.value_size, 4);
	assert_int_equal(hdr.table_offset, 12);
	assert_int_equal(ehframe_hdr__value(&hdr, SECTION, bytes + 12, SECTION + 12), SECTION - 0x1000);
	assert_int_equal(ehframe_hdr__value(&hdr, SECTION, bytes + 16, SECTION + 16), SECTION + 0x40);
	bytes[8] = 3;
	assert_int_equal(ehframe_hdr__parse(bytes, sizeof(bytes), sizeof(bytes), SECTION, &hdr), -EBADMSG);
	assert_int_equal(ehframe_hdr__parse(bytes, 7, 7, SECTION, &hdr), -EBADMSG);
	bytes[3] = 0x01; /* ULEB pairs cannot be bisected */
	assert_int_equal(ehframe_hdr__parse(bytes, sizeof(bytes), sizeof(bytes), SECTION, &hdr), 0);
	assert_int_equal(hdr.value_size, 0);
	bytes[3] = DW_EH_PE_omit;
	assert_int_equal(ehframe_hdr__parse(bytes, sizeof(bytes), sizeof(bytes), SECTION, &hdr), 0);
	assert_int_equal(hdr.n, 0);
	bytes[0] = 2;
	assert_int_equal(ehframe_hdr__parse(bytes, sizeof(bytes), sizeof(bytes), SECTION, &hdr), -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_cie_and_fde_are_read_whole),
		cmocka_unit_test(heads_tell_the_kind_in_each_dialect),
		cmocka_unit_test(heads_that_reach_out_of_the_section_are_damage),
		cmocka_unit_test(cie_versions_3_and_4_are_read_and_others_refused),
		cmocka_unit_test(augmentation_letters_are_understood_or_refused),
		cmocka_unit_test(pointers_are_read_in_each_encoding),
		cmocka_unit_test(fdes_that_wrap_or_end_early_are_damage),
		cmocka_unit_test(the_search_table_is_bounded_by_its_section),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
