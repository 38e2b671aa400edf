// SPDX-License-Identifier: Apache-2.0
#include "user/object/function_range.h"

#include <errno.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/object/code_bytes.h"
#include "user/object/code_function.h"
#include "user/object/unwind_rules.h"

/* How far around an address without rules its function is looked for, in bytes: some 0.2 ms. */
#define HOLE_AROUND (16u << 10)
/* So many addresses a call: who has more of them where no function can be told makes them up. */
#define HOLES_MAX 1024

/* In a stretch without rules. */
static struct function_range range_in_hole(const struct elf *e, uint64_t hole_from, uint64_t hole_to,
					   uint64_t vaddr)
{
	uint64_t from = vaddr - hole_from > HOLE_AROUND ? vaddr - HOLE_AROUND : hole_from;
	uint64_t to = hole_to - vaddr > HOLE_AROUND ? vaddr + HOLE_AROUND : hole_to, at;
	struct function_range range = {0};
	struct buf code;

	buf__init(&code, 2 * HOLE_AROUND);
	if (!code_bytes__read(e, from, to, &code, &at) ||
	    !code_function__find(code.data, code.len, at, at == hole_from, vaddr, &range))
		range = (struct function_range){0};
	buf__done(&code);
	return range;
}

/* The last FDE of the slice that starts at or before the address, if it reaches over it; else what lies between it and the next, while `holes_left`. */
static struct function_range range_of(const struct elf *e, struct cfi_reader *reader,
				      const struct fde_slice *slice, uint64_t vaddr, uint32_t *holes_left)
{
	const struct fde_ref *ref = slice->n ? &slice->refs[0] : NULL;
	const struct cie *cie;
	struct fde fde;

	if (!ref || ref->start > vaddr || cfi_reader__fde(reader, ref->offset, &fde, &cie) ||
	    fde.start != ref->start)
		return (struct function_range){0};
	if (vaddr >= fde.end && *holes_left == 0)
		return (struct function_range){0};
	if (vaddr >= fde.end) {
		--*holes_left;
		return range_in_hole(e, fde.end, slice->n > 1 ? slice->refs[1].start : UINT64_MAX, vaddr);
	}
	/* of two that overlap the later one counts, as for its rules */
	if (slice->n > 1 && slice->refs[1].start < fde.end)
		fde.end = slice->refs[1].start;
	return (struct function_range){.start = fde.start, .end = fde.end};
}

int function_range__find(const struct elf *e, const uint64_t *vaddrs, size_t n,
			 struct function_range *ret_ranges)
{
	struct unwind_rules rules = {0};
	struct fde_slice slice = {0};
	uint32_t holes_left = HOLES_MAX;
	struct cfi_reader reader;
	int err = unwind_rules__open_hdr(&rules, e);

	memset(ret_ranges, 0, n * sizeof(*ret_ranges));
	if (err)
		return err;
	cfi_reader__init(&reader, &rules.source);
	for (size_t i = 0; i < n && !err; i++) {
		if (i && vaddrs[i] < ret_ranges[i - 1].end) {
			ret_ranges[i] = ret_ranges[i - 1];
			continue;
		}
		err = fde_index__slice(&rules.index, vaddrs[i], vaddrs[i] + 1, &slice);
		if (!err)
			ret_ranges[i] = range_of(e, &reader, &slice, vaddrs[i], &holes_left);
	}
	fde_slice__done(&slice);
	cfi_reader__done(&reader);
	unwind_rules__done(&rules);
	return err;
}
