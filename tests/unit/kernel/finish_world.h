/* SPDX-License-Identifier: Apache-2.0 */
/*
 * finish_world - a process made by hand, to walk the stack of.
 *
 * Object 7 at 0x400000 (64 KiB of code, virtual addresses from 0), code in no file at 0x700000, a stack from 0x7ff000 on. Return
 * addresses on the stack point behind the call, so the frames they give are one less.
 */
#ifndef EVERPROF_TESTS_UNIT_KERNEL_FINISH_WORLD_H
#define EVERPROF_TESTS_UNIT_KERNEL_FINISH_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "user/kernel/finish.h"

#define CODE      0x400000ull
#define CODE_END  0x410000ull
#define JIT       0x700000ull
#define JIT_END   0x710000ull
#define STACK     0x7ff000ull
#define OBJECT    7
#define ROWS_MAX  64
#define FRAME(at) frame_of_object(OBJECT, (at)-CODE)

struct world {
	struct unfinished_record *record;
	struct unwind_row rows[ROWS_MAX];
	uint32_t n_rows;
	int mapping_end, rows_end; /* what the ports answer instead, where not 0 */
	bool has_code;
	uint64_t jit_rule; /* the one row of the code in no file; 0: none */
	struct walk walk;
};

int setup(void **state);
int teardown(void **state);
/* The row that holds from `pc` on; rows are added in order. */
void row(struct world *w, uint16_t pc, uint8_t cfa, int16_t cfa_off, uint8_t saved, int16_t fp_off);
void put(struct world *w, uint64_t addr, uint64_t value);
struct finish_ports world__ports(struct world *w);
void walk(struct world *w, uint64_t pc);
void expect(const struct world *w, uint8_t end, uint32_t n, const uint64_t *words);

#define EXPECT(w, end, ...)                                               \
	do {                                                              \
		const uint64_t words_[] = {__VA_ARGS__};                  \
		expect(w, end, sizeof(words_) / sizeof(*words_), words_); \
	} while (0)

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
