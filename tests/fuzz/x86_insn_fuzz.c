// SPDX-License-Identifier: Apache-2.0
/* Any bytes as instructions: none is longer than what is there, what cuts it makes it none, and what it does to a stack is bounded. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "user/object/stack_state.h"
#include "user/object/x86_insn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stack_state s = stack_state__at_entry();

	for (size_t at = 0; at < size;) {
		struct x86_insn in, cut;
		struct unwind_row row;

		if (x86_insn__padding(data + at, size - at) > size - at)
			abort();
		if (x86_insn__parse(data + at, size - at, &in)) {
			at++;
			continue;
		}
		if (in.len == 0 || in.len > size - at || in.len > X86_INSN_MAX)
			abort();
		if (!x86_insn__parse(data + at, in.len - 1, &cut) || x86_insn__parse(data + at, in.len, &cut))
			abort();
		if (x86_insn__writes(&in) >> X86_REGS)
			abort();
		stack_state__step(&s, &in, size & STACK_HABIT_GO);
		row = stack_state__row(&s);
		if ((row.cfa == ROW_REG_RSP && row.cfa_off < 1) || s.slot < 0)
			abort();
		at += in.len;
	}
	return 0;
}
