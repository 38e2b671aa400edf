// SPDX-License-Identifier: Apache-2.0
#include "user/object/code_function.h"

#include "user/object/x86_insn.h"

#define START_ALIGN      16
#define SHORT_JUMP_BYTES 2

static bool ends(enum x86_flow flow)
{
	return flow == X86_FLOW_JUMP || flow == X86_FLOW_JUMP_INDIRECT || flow == X86_FLOW_RETURN ||
	       flow == X86_FLOW_STOP;
}

/* The place in the same function that the instruction may lead to; 0: none. A jump with a long displacement may be the call of another function that ends this one. */
static uint64_t place_ahead(const struct x86_insn *in, uint64_t next)
{
	enum x86_flow flow = x86_insn__flow(in);

	return flow == X86_FLOW_BRANCH || (flow == X86_FLOW_JUMP && in->len == SHORT_JUMP_BYTES)
		       ? next + (uint64_t)in->imm
		       : 0;
}

static size_t skip_padding(const uint8_t *bytes, size_t len, size_t at)
{
	uint8_t n;

	while (at < len && (n = x86_insn__padding(bytes + at, len - at)) != 0)
		at += n;
	return at;
}

bool code_function__find(const uint8_t *bytes, size_t len, uint64_t start, bool is_behind_end, uint64_t vaddr,
			 struct function_range *ret_range)
{
	bool has_ended = is_behind_end, is_found = false;
	uint64_t reach = start, to; /* up to where branches of the function lead, at least */
	struct x86_insn in;
	size_t at = 0;

	for (; at < len; at += in.len) {
		if (has_ended)
			at = skip_padding(bytes, len, at);
		if (has_ended && (start + at) % START_ALIGN == 0 && start + at >= reach) {
			if (start + at > vaddr)
				break;
			reach = start + at + 1;
			ret_range->start = start + at;
			is_found = true;
		}
		if (x86_insn__parse(bytes + at, len - at, &in)) /* data, among code */
			in = (struct x86_insn){.len = 1};
		has_ended = ends(x86_insn__flow(&in));
		to = place_ahead(&in, start + at + in.len);
		if (to >= reach && to < start + len)
			reach = to + 1;
	}
	if (is_found)
		ret_range->end = start + (at < len ? at : len);
	return is_found && vaddr < ret_range->end;
}
