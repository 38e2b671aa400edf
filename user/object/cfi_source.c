// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. A page of code needs a hundred FDEs out of a section of megabytes. They lie mostly, not always, next to each other, and each
 * needs a CIE from somewhere else in the section.
 *
 * Idea. A window of some pages over the section that follows the reads, and the few CIEs of a file kept aside, so that going to one does not
 * move the window.
 *
 *      section   |CIE|FDE|FDE|FDE|CIE|FDE|FDE|FDE|FDE| … |
 *                         [------- window -------]
 *
 * Invariants. A record is parsed only when all its bytes are in our memory. Every byte that is fetched or handed to a parser is
 * taken from the reader's budget first, so that a page of hostile rules costs a fraction of a second, once.
 *
 * Cost. One pread for about a hundred records in file order; no memory between two readers.
 *
 * What it does not do. Look for records: offsets come from fde_index.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "user/base/io.h"
#include "user/object/cfi_source.h"
#include "user/object/elf.h"

#define WINDOW_BYTES (16u << 10)
#define WINDOW_ALIGN 4096u /* starts below what is asked for: records may come in falling order too */
/* a byte that is parsed and run takes about that much longer than one that is only read */
#define RECORD_WEIGHT 16
#define CIE_MAX       (64u << 10)

/* -- where the bytes are -- */

static bool has_bytes(const struct elf *e, const struct elf_section *s)
{
	return s && s->type != SHT_NOBITS && s->size && s->offset <= elf__file_size(e) &&
	       s->size <= elf__file_size(e) - s->offset;
}

int cfi_source__init_at(struct cfi_source *s, const struct elf *e, uint64_t vaddr)
{
	const struct elf_section *section = elf__find_section(e, ".eh_frame");
	uint64_t left;
	int err;

	*s = (struct cfi_source){.elf = e, .base = {.section = vaddr}};
	err = elf__vaddr_to_offset(e, vaddr, &s->offset, &left);
	if (err)
		return err;
	s->size = left;
	if (has_bytes(e, section) && section->vaddr == vaddr && section->size < left)
		s->size = section->size;
	return 0;
}

int cfi_source__init_eh_frame(struct cfi_source *s, const struct elf *e)
{
	const struct elf_section *section = elf__find_section(e, ".eh_frame");

	if (!has_bytes(e, section) || !(section->flags & SHF_ALLOC))
		return -ENOENT;
	*s = (struct cfi_source){
		.elf = e,
		.base = {.section = section->vaddr},
		.offset = section->offset,
		.size = section->size,
	};
	return 0;
}

int cfi_source__init_debug_frame(struct cfi_source *s, const struct elf *e, size_t limit)
{
	const struct elf_section *section = elf__find_section(e, ".debug_frame");
	int err;

	if (!section)
		section = elf__find_section(e, ".zdebug_frame");
	if (!has_bytes(e, section))
		return -ENOENT;
	*s = (struct cfi_source){
		.elf = e,
		.base = {.is_debug_frame = true},
		.offset = section->offset,
		.size = section->size,
		.in_memory = section->flags & SHF_COMPRESSED || section->name[1] == 'z',
	};
	if (!s->in_memory)
		return 0;
	buf__init(&s->bytes, limit);
	err = elf__read_section(e, section, limit, &s->bytes);
	if (err)
		cfi_source__done(s);
	else
		s->size = s->bytes.len;
	return err;
}

void cfi_source__done(struct cfi_source *s)
{
	if (!s)
		return;
	if (s->in_memory)
		buf__done(&s->bytes);
	*s = (struct cfi_source){0};
}

/* -- reading -- */

void cfi_reader__init(struct cfi_reader *r, const struct cfi_source *s)
{
	memset(r, 0, sizeof(*r));
	r->source = s;
	r->budget = CFI_READER_BUDGET;
	buf__init(&r->window, CFI_RECORD_MAX + WINDOW_BYTES);
	for (size_t i = 0; i < CFI_READER_CIES; i++)
		buf__init(&r->cies[i].bytes, CIE_MAX);
}

void cfi_reader__done(struct cfi_reader *r)
{
	if (!r)
		return;
	buf__done(&r->window);
	for (size_t i = 0; i < CFI_READER_CIES; i++)
		buf__done(&r->cies[i].bytes);
}

static int spend(struct cfi_reader *r, uint64_t bytes)
{
	if (bytes > r->budget)
		return -E2BIG;
	r->budget -= bytes;
	return 0;
}

static int move_window(struct cfi_reader *r, uint64_t offset, size_t len)
{
	uint64_t start = offset - offset % WINDOW_ALIGN;
	uint64_t want = offset - start + len;
	void *p;
	int err;

	if (want < WINDOW_BYTES)
		want = WINDOW_BYTES;
	if (want > r->source->size - start)
		want = r->source->size - start;
	err = spend(r, want);
	if (err)
		return err;
	buf__clear(&r->window);
	r->window_offset = start;
	p = buf__reserve(&r->window, want);
	if (!p)
		return buf__err(&r->window);
	err = io__pread_full(elf__fd(r->source->elf), p, want, r->source->offset + start);
	if (err)
		return err == -ENODATA ? -EBADMSG : err;
	r->window.len = want;
	r->n_read += want;
	return 0;
}

/* `len` bytes of the section at `offset`, borrowed until the next fetch. */
static int fetch(struct cfi_reader *r, uint64_t offset, size_t len, const uint8_t **ret_bytes)
{
	const struct cfi_source *s = r->source;
	int err;

	if (offset > s->size || len > s->size - offset)
		return -EBADMSG;
	if (len > CFI_RECORD_MAX)
		return -E2BIG;
	err = spend(r, (uint64_t)len * RECORD_WEIGHT);
	if (err)
		return err;
	if (s->in_memory) {
		*ret_bytes = s->bytes.data + offset;
		return 0;
	}
	if (offset < r->window_offset || offset + len > r->window_offset + r->window.len) {
		err = move_window(r, offset, len);
		if (err)
			return err;
	}
	*ret_bytes = r->window.data + (offset - r->window_offset);
	return 0;
}

int cfi_reader__head(struct cfi_reader *r, uint64_t offset, struct cfi_head *ret_head)
{
	const struct cfi_source *s = r->source;
	const uint8_t *bytes;
	size_t len;
	int err;

	if (offset >= s->size)
		return -EBADMSG;
	len = s->size - offset < CFI_HEAD_MAX ? s->size - offset : CFI_HEAD_MAX;
	err = fetch(r, offset, len, &bytes);
	return err ? err : cfi_head__parse(&s->base, s->size, offset, bytes, len, ret_head);
}

static int read_cie(struct cfi_reader *r, uint64_t offset, struct cfi_cie_slot *slot)
{
	struct cfi_head head;
	const uint8_t *bytes;
	int err = cfi_reader__head(r, offset, &head);

	if (err)
		return err;
	if (head.kind != CFI_CIE)
		return -EBADMSG;
	if (head.size > CIE_MAX)
		return -E2BIG;
	err = fetch(r, offset, head.size, &bytes);
	if (err)
		return err;
	buf__clear(&slot->bytes);
	buf__append(&slot->bytes, bytes, head.size);
	err = buf__err(&slot->bytes);
	return err ? err : cie__parse(&r->source->base, &head, slot->bytes.data, &slot->cie);
}

static int find_cie(struct cfi_reader *r, uint64_t offset, const struct cie **ret_cie)
{
	struct cfi_cie_slot *slot;

	for (size_t i = 0; i < CFI_READER_CIES; i++) {
		slot = &r->cies[i];
		if (slot->used && slot->offset == offset) {
			*ret_cie = &slot->cie;
			return slot->err;
		}
	}
	slot = &r->cies[r->next_slot++ % CFI_READER_CIES];
	slot->used = true;
	slot->offset = offset;
	slot->err = read_cie(r, offset, slot);
	*ret_cie = &slot->cie;
	return slot->err;
}

int cfi_reader__fde(struct cfi_reader *r, uint64_t offset, struct fde *ret_fde, const struct cie **ret_cie)
{
	const struct cie *cie;
	const uint8_t *bytes;
	struct cfi_head head;
	int err;

	err = cfi_reader__head(r, offset, &head);
	if (err)
		return err;
	if (head.kind != CFI_FDE)
		return -EBADMSG;
	err = find_cie(r, head.cie_offset, &cie);
	if (err)
		return err;
	/* the CIE first: fetching it may have moved the window */
	err = fetch(r, offset, head.size, &bytes);
	if (err)
		return err;
	err = fde__parse(&r->source->base, &head, bytes, cie, ret_fde);
	if (!err)
		*ret_cie = cie;
	return err;
}
