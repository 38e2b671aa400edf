// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as code without rules: the first two say where a known function starts, what follows is code, and any of it may be read as a jump table.
 * Twice the same comes out, for a compiler's code and for assembler; and a function that is told by the bytes alone holds the address that was asked for.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/object/code_function.h"
#include "user/object/code_sweep.h"

#define CODE_VADDR 0x10000ull
#define CODE_MAX   (1u << 15)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *code;
	size_t len;
};

static bool read_memory(void *ctx, uint64_t vaddr, void *to, size_t len)
{
	const struct input *in = ctx;
	uint64_t at = vaddr - CODE_VADDR;

	if (at >= in->len || in->len - at < len)
		return false;
	memcpy(to, in->code + at, len);
	return true;
}

static struct code_sweep *sweep_once(const struct input *in, uint16_t start, unsigned int habits)
{
	const struct code_memory memory = {.read = read_memory, .ctx = (void *)in};
	struct code_sweep *s;

	if (code_sweep__new(in->code, in->len, CODE_VADDR, &memory, habits, &s))
		abort();
	code_sweep__allow(s, 0, UINT64_MAX);
	code_sweep__add_start(s, CODE_VADDR + start);
	code_sweep__find_starts(s, in->code, in->len, CODE_VADDR);
	code_sweep__run(s);
	code_sweep__run_rest(s);
	return s;
}

static void check(const struct input *in, uint16_t start, unsigned int habits)
{
	struct code_sweep *a = sweep_once(in, start, habits), *b = sweep_once(in, start, habits);

	for (uint64_t at = CODE_VADDR - 1; at <= CODE_VADDR + in->len; at++) {
		uint8_t len_a = 0, len_b = 0;
		const struct stack_state *s = code_sweep__find(a, at, &len_a),
					 *t = code_sweep__find(b, at, &len_b);

		if (!s != !t || len_a != len_b || (s && !stack_state__equals(s, t)))
			abort();
		if (s && (at < CODE_VADDR || len_a == 0 || at + len_a > CODE_VADDR + in->len))
			abort();
	}
	code_sweep__free(a);
	code_sweep__free(b);
}

static void check_function(const struct input *in, uint16_t start)
{
	uint64_t vaddr = CODE_VADDR + start / 2;
	struct function_range r;

	if (code_function__find(in->code, in->len, CODE_VADDR, start % 2, vaddr, &r) &&
	    (r.start < CODE_VADDR || r.start > vaddr || r.end <= vaddr || r.end > CODE_VADDR + in->len))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {.code = data + 2, .len = size - 2};
	uint16_t start;

	if (size < 2 || size > CODE_MAX)
		return 0;
	memcpy(&start, data, sizeof(start));
	check(&in, start, 0);
	check(&in, start, STACK_HABIT_ASSEMBLER);
	check_function(&in, start);
	return 0;
}
