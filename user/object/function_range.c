// SPDX-License-Identifier: Apache-2.0
#include "user/object/function_range.h"

#include <errno.h>
#include <string.h>

#include "user/object/unwind_rules.h"

/* The last FDE of the slice that starts at or before the address, if it reaches over it. */
static struct function_range range_of(struct cfi_reader *reader, const struct fde_slice *slice,
				      uint64_t vaddr)
{
	const struct fde_ref *ref = slice->n ? &slice->refs[0] : NULL;
	const struct cie *cie;
	struct fde fde;

	if (!ref || ref->start > vaddr || cfi_reader__fde(reader, ref->offset, &fde, &cie) ||
	    fde.start != ref->start || vaddr >= fde.end)
		return (struct function_range){0};
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
			ret_ranges[i] = range_of(&reader, &slice, vaddrs[i]);
	}
	fde_slice__done(&slice);
	cfi_reader__done(&reader);
	unwind_rules__done(&rules);
	return err;
}
