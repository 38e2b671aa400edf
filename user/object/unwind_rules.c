// SPDX-License-Identifier: Apache-2.0
#include <elf.h>
#include <errno.h>

#include "user/base/buf.h"
#include "user/object/elf.h"
#include "user/object/unwind_rules.h"

#define HDR_HEAD_MAX 32 /* .eh_frame_hdr up to its table, in the widest encodings */

/* .eh_frame_hdr by the segment that the run time uses, else by its section. */
static int find_hdr(const struct elf *e, uint64_t *ret_vaddr, uint64_t *ret_size)
{
	const struct elf_section *s;

	for (uint32_t i = 0; i < elf__n_segments(e); i++) {
		const struct elf_segment *p = elf__segment(e, i);

		if (p->type != PT_GNU_EH_FRAME)
			continue;
		*ret_vaddr = p->vaddr;
		*ret_size = p->filesz;
		return 0;
	}
	s = elf__find_section(e, ".eh_frame_hdr");
	if (!s || s->type == SHT_NOBITS)
		return -ENOENT;
	*ret_vaddr = s->vaddr;
	*ret_size = s->size;
	return 0;
}

int unwind_rules__open_hdr(struct unwind_rules *r, const struct elf *e)
{
	uint64_t vaddr, size, offset, left;
	struct ehframe_hdr hdr;
	struct buf head;
	int err;

	err = find_hdr(e, &vaddr, &size);
	if (!err)
		err = elf__vaddr_to_offset(e, vaddr, &offset, &left);
	if (err)
		return err;
	if (size > left)
		size = left;
	buf__init(&head, HDR_HEAD_MAX);
	err = elf__read_vaddr(e, vaddr, size < HDR_HEAD_MAX ? size : HDR_HEAD_MAX, &head);
	if (!err)
		err = ehframe_hdr__parse(head.data, head.len, size, vaddr, &hdr);
	buf__done(&head);
	if (!err)
		err = cfi_source__init_at(&r->source, e, hdr.eh_frame);
	if (err)
		return err;
	err = fde_index__open_table(&r->index, e, &hdr, vaddr, offset, &r->source);
	if (!err)
		r->is_open = true;
	return err;
}

static int open_by_scan(struct unwind_rules *r, const struct elf *e)
{
	int err = fde_index__scan(&r->index, e, &r->source);

	if (err)
		cfi_source__done(&r->source);
	else
		r->is_open = true;
	return err;
}

int unwind_rules__open_eh_frame(struct unwind_rules *r, const struct elf *e)
{
	int err = cfi_source__init_eh_frame(&r->source, e);

	return err ? err : open_by_scan(r, e);
}

int unwind_rules__open_debug_frame(struct unwind_rules *r, const struct elf *e, size_t limit)
{
	int err = cfi_source__init_debug_frame(&r->source, e, limit);

	return err ? err : open_by_scan(r, e);
}

void unwind_rules__done(struct unwind_rules *r)
{
	if (!r || !r->is_open)
		return;
	fde_index__done(&r->index);
	cfi_source__done(&r->source);
	r->is_open = false;
}
