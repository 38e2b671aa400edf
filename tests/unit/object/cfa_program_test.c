// SPDX-License-Identifier: Apache-2.0
#include <dwarf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/object/cfa_program.h"
#include "user/object/ehframe.h"

#define START      0x1000ull
#define END        0x200000ull
#define RANGES_MAX 64

struct told {
	uint64_t start, end;
	struct cfa_state state;
};

static struct told told[RANGES_MAX];
static size_t n_told;
static uint64_t stopped_at;

static void tell(uint64_t start, uint64_t end, const struct cfa_state *state, void *ctx)
{
	assert_ptr_equal(ctx, told);
	assert_true(n_told < RANGES_MAX && start < end);
	assert_true(n_told == 0 || told[n_told - 1].end == start);
	told[n_told++] = (struct told){.start = start, .end = end, .state = *state};
}

/* The CIE says: CFA = rsp + 8, return address at CFA - 8. */
static int run_until(uint64_t stop, const uint8_t *program, size_t len)
{
	static const uint8_t initial[] = {DW_CFA_def_cfa, 7, 8, DW_CFA_offset | 16, 1};
	static const struct cfi_base base = {.section = 0x400000};
	const struct cie cie = {
		.code_align = 1,
		.data_align = -8,
		.ra_reg = 16,
		.pointer_enc = DW_EH_PE_udata4,
		.program = initial,
		.program_len = sizeof(initial),
	};
	const struct fde fde = {.start = START, .end = END, .program = program, .program_len = len};

	n_told = 0;
	stopped_at = 0;
	return cfa_program__run(&cfa_registers_x86_64, &base, &cie, &fde, stop, tell, told, &stopped_at);
}

#define RUN(...) run_until(END, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void expect_cfa(size_t i, uint64_t start, uint64_t reg, int64_t offset)
{
	assert_true(i < n_told);
	assert_int_equal(told[i].start, start);
	assert_int_equal(told[i].state.cfa.kind, CFA_REGISTER);
	assert_int_equal(told[i].state.cfa.reg, reg);
	assert_int_equal(told[i].state.cfa.offset, offset);
}

static void an_empty_program_is_the_initial_rules_throughout(void **state)
{
	(void)state;
	assert_int_equal(RUN(DW_CFA_nop), 0);
	assert_int_equal(n_told, 1);
	expect_cfa(0, START, 7, 8);
	assert_int_equal(told[0].end, END);
	assert_int_equal(told[0].state.ra.kind, CFA_AT_OFFSET);
	assert_int_equal(told[0].state.ra.offset, -8);
	assert_int_equal(told[0].state.fp.kind, CFA_UNSET);
}

static void each_way_to_advance_goes_as_far_as_it_says(void **state)
{
	(void)state;
	assert_int_equal(RUN(DW_CFA_advance_loc | 5, DW_CFA_def_cfa_offset, 16, DW_CFA_advance_loc1, 0xff,
			     DW_CFA_def_cfa_offset, 24, DW_CFA_advance_loc2, 0x00, 0x02,
			     DW_CFA_def_cfa_offset, 32, DW_CFA_advance_loc4, 0x00, 0x00, 0x01, 0x00,
			     DW_CFA_def_cfa_offset, 40, DW_CFA_MIPS_advance_loc8, 1, 0, 0, 0, 0, 0, 0, 0,
			     DW_CFA_def_cfa_offset, 48, DW_CFA_set_loc, 0x00, 0x00, 0x1f, 0x00,
			     DW_CFA_def_cfa_offset, 56),
			 0);
	assert_int_equal(n_told, 7);
	expect_cfa(0, START, 7, 8);
	expect_cfa(1, START + 5, 7, 16);
	expect_cfa(2, START + 5 + 0xff, 7, 24);
	expect_cfa(3, START + 5 + 0xff + 0x200, 7, 32);
	expect_cfa(4, START + 5 + 0xff + 0x200 + 0x10000, 7, 40);
	expect_cfa(5, START + 5 + 0xff + 0x200 + 0x10000 + 1, 7, 48);
	expect_cfa(6, 0x1f0000, 7, 56);
	assert_int_equal(told[6].end, END);
}

static void each_way_to_define_the_cfa_is_followed(void **state)
{
	(void)state;
	assert_int_equal(RUN(DW_CFA_def_cfa, 6, 16, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_register, 10,
			     DW_CFA_advance_loc | 1, DW_CFA_def_cfa_sf, 7, 0x7e, DW_CFA_advance_loc | 1,
			     DW_CFA_def_cfa_offset_sf, 0x7f, DW_CFA_GNU_args_size, 0x80, 0x01,
			     DW_CFA_advance_loc | 1, DW_CFA_def_cfa_expression, 2, DW_OP_breg7, 8),
			 0);
	assert_int_equal(n_told, 5);
	expect_cfa(0, START, 6, 16);
	expect_cfa(1, START + 1, 10, 16);
	expect_cfa(2, START + 2, 7, 16);
	expect_cfa(3, START + 3, 7, 8);
	assert_int_equal(told[4].state.cfa.kind, CFA_IS_EXPRESSION);
	assert_int_equal(told[4].state.cfa.expr_len, 2);
	assert_int_equal(told[4].state.cfa.expr[0], DW_OP_breg7);
}

static void each_way_to_save_a_register_is_followed(void **state)
{
	static const struct {
		uint8_t program[8];
		enum cfa_rule_kind kind;
		int64_t offset;
	} known[] = {
		{{DW_CFA_offset | 6, 2}, CFA_AT_OFFSET, -16},
		{{DW_CFA_offset_extended, 6, 3}, CFA_AT_OFFSET, -24},
		{{DW_CFA_offset_extended_sf, 6, 0x7f}, CFA_AT_OFFSET, 8},
		{{DW_CFA_GNU_negative_offset_extended, 6, 2}, CFA_AT_OFFSET, 16},
		{{DW_CFA_val_offset, 6, 2}, CFA_IS_OFFSET, -16},
		{{DW_CFA_val_offset_sf, 6, 0x7e}, CFA_IS_OFFSET, 16},
		{{DW_CFA_undefined, 6}, CFA_UNDEFINED, 0},
		{{DW_CFA_same_value, 6}, CFA_SAME, 0},
		{{DW_CFA_register, 6, 3}, CFA_REGISTER, 0},
		{{DW_CFA_expression, 6, 1, DW_OP_breg0}, CFA_AT_EXPRESSION, 0},
		{{DW_CFA_val_expression, 6, 1, DW_OP_breg0}, CFA_IS_EXPRESSION, 0},
		{{DW_CFA_offset | 6, 2, DW_CFA_restore | 6}, CFA_UNSET, 0},
		{{DW_CFA_offset | 6, 2, DW_CFA_restore_extended, 6}, CFA_UNSET, 0},
		{{DW_CFA_offset | 3, 2}, CFA_UNSET, 0}, /* rbx is not followed */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		assert_int_equal(run_until(END, known[i].program, sizeof(known[i].program)), 0);
		assert_int_equal(n_told, 1);
		assert_int_equal(told[0].state.fp.kind, known[i].kind);
		assert_int_equal(told[0].state.fp.offset, known[i].offset);
	}
	assert_int_equal(told[0].state.sp.kind, CFA_UNSET);
}

static void remembered_rules_come_back_whole(void **state)
{
	(void)state;
	assert_int_equal(RUN(DW_CFA_offset | 6, 2, DW_CFA_def_cfa, 6, 16, DW_CFA_remember_state,
			     DW_CFA_advance_loc | 1, DW_CFA_restore | 6, DW_CFA_def_cfa, 7, 8,
			     DW_CFA_undefined, 16, DW_CFA_advance_loc | 1, DW_CFA_restore_state),
			 0);
	assert_int_equal(n_told, 3);
	assert_int_equal(told[1].state.ra.kind, CFA_UNDEFINED);
	expect_cfa(2, START + 2, 6, 16);
	assert_int_equal(told[2].state.fp.kind, CFA_AT_OFFSET);
	assert_int_equal(told[2].state.ra.kind, CFA_AT_OFFSET);
}

static void damaged_programs_end_where_the_damage_is(void **state)
{
	uint8_t deep[CFA_DEPTH_MAX + 1];

	(void)state;
	assert_int_equal(RUN(DW_CFA_advance_loc | 4, 0x1c), -EBADMSG);
	assert_int_equal(n_told, 1);
	assert_int_equal(told[0].end, START + 4);
	assert_int_equal(stopped_at, START + 4);
	assert_int_equal(RUN(DW_CFA_restore_state), -EBADMSG);
	assert_int_equal(RUN(DW_CFA_advance_loc4, 1, 0), -EBADMSG);
	assert_int_equal(RUN(DW_CFA_set_loc, 0, 0, 0, 0), -EBADMSG); /* back */
	assert_int_equal(RUN(DW_CFA_def_cfa_expression, 3, DW_OP_breg7, 8), -EBADMSG);
	assert_int_equal(RUN(DW_CFA_def_cfa_expression, 2, DW_OP_breg7, 8, DW_CFA_def_cfa_offset, 8),
			 -EBADMSG);
	memset(deep, DW_CFA_remember_state, sizeof(deep));
	assert_int_equal(run_until(END, deep, sizeof(deep) - 1), 0);
	assert_int_equal(run_until(END, deep, sizeof(deep)), -E2BIG);
}

static void nothing_is_told_outside_of_the_function(void **state)
{
	(void)state;
	assert_int_equal(RUN(DW_CFA_advance_loc4, 0xff, 0xff, 0xff, 0x7f, DW_CFA_def_cfa_offset, 99, 0x1c),
			 0);
	assert_int_equal(n_told, 1);
	assert_int_equal(told[0].end, END);
	assert_int_equal(
		run_until(END,
			  (const uint8_t[]){DW_CFA_MIPS_advance_loc8, 255, 255, 255, 255, 255, 255, 255, 255},
			  9),
		-EBADMSG);
}

static void a_program_stops_once_its_page_is_over(void **state)
{
	static const uint8_t program[] = {DW_CFA_advance_loc | 16, DW_CFA_def_cfa_offset, 16,
					  DW_CFA_advance_loc | 16, 0x1c};

	(void)state;
	assert_int_equal(run_until(START + 20, program, sizeof(program)), 0);
	assert_int_equal(n_told, 2);
	assert_int_equal(told[1].end, START + 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_program_is_the_initial_rules_throughout),
		cmocka_unit_test(each_way_to_advance_goes_as_far_as_it_says),
		cmocka_unit_test(each_way_to_define_the_cfa_is_followed),
		cmocka_unit_test(each_way_to_save_a_register_is_followed),
		cmocka_unit_test(remembered_rules_come_back_whole),
		cmocka_unit_test(damaged_programs_end_where_the_damage_is),
		cmocka_unit_test(nothing_is_told_outside_of_the_function),
		cmocka_unit_test(a_program_stops_once_its_page_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
