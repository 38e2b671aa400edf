// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. Compilers describe how to leave each function in three dialects that differ in small ways: .eh_frame (read by the
 * language runtimes at run time), .debug_frame (read by debuggers) and .eh_frame_hdr (a sorted index to the first).
 *
 * Idea. One reader for the records of both sections; the differences stand in cfi_base and in three places of this file:
 *
 *                       .eh_frame                                .debug_frame
 *      id of a CIE      0                                        all ones
 *      FDE's pointer    back from the pointer itself             from the section's start
 *      id's size        4, whatever the length's form            as the length's form: 4 or 8
 *
 * Layout of a record.   length (4, or ffffffff and 8) | id or pointer | body | program up to `length`
 *
 * Invariants. Nothing is believed that was not read inside the record; a record never reaches out of its section. A pointer that would
 * have to be loaded from memory (DW_EH_PE_indirect) is refused: it names data of a running process.
 *
 * Cost. One pass over the bytes of the record's body; the program is only delimited.
 *
 * Reference. LSB core 5.0, chapter 10.6 (exception frames); DWARF 5, section 6.4.1; System V ABI AMD64, section 4.2.4.
 */
#include <dwarf.h>
#include <errno.h>
#include <string.h>

#include "user/base/cursor.h"
#include "user/object/ehframe.h"

#define LENGTH_64BIT    0xffffffffu /* the escape before a 64-bit length */
#define LENGTH_RESERVED 0xfffffff0u
#define CIE_ID_32       0xffffffffu
#define CIE_ID_64       UINT64_MAX
#define ADDRESS_SIZE    8
#define HDR_VERSION     1
#define PE_FORMAT(enc)  ((enc)&0x0f)
#define PE_BASE(enc)    ((enc)&0x70)

/* -- encoded pointers -- */

/* The value as it is written, before what it is relative to is added. */
static int read_format(struct cursor *c, uint8_t format, uint64_t *ret_value)
{
	switch (format) {
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		*ret_value = cursor__u64(c);
		break;
	case DW_EH_PE_udata4:
		*ret_value = cursor__u32(c);
		break;
	case DW_EH_PE_sdata4:
		*ret_value = (uint64_t)(int64_t)(int32_t)cursor__u32(c);
		break;
	case DW_EH_PE_udata2:
		*ret_value = cursor__u16(c);
		break;
	case DW_EH_PE_sdata2:
		*ret_value = (uint64_t)(int64_t)(int16_t)cursor__u16(c);
		break;
	case DW_EH_PE_uleb128:
		*ret_value = cursor__uleb(c);
		break;
	case DW_EH_PE_sleb128:
		*ret_value = (uint64_t)cursor__sleb(c);
		break;
	default:
		return -EOPNOTSUPP;
	}
	return c->bad ? -EBADMSG : 0;
}

int eh_pointer__read(struct cursor *c, const struct cfi_base *base, uint8_t enc, uint64_t at,
		     uint64_t *ret_value)
{
	uint64_t value, relative_to = 0;
	int err;

	if (enc == DW_EH_PE_omit || (enc & DW_EH_PE_indirect))
		return -EOPNOTSUPP;
	switch (PE_BASE(enc)) {
	case DW_EH_PE_absptr:
		break;
	case DW_EH_PE_pcrel:
		relative_to = at;
		break;
	case DW_EH_PE_datarel:
		if (!base->data)
			return -EOPNOTSUPP;
		relative_to = base->data;
		break;
	default:
		return -EOPNOTSUPP;
	}
	err = read_format(c, PE_FORMAT(enc), &value);
	if (err)
		return err;
	*ret_value = value + relative_to;
	return 0;
}

/* -- records -- */

/* Reads the length field; ret_size counts the whole record. */
static int read_length(struct cursor *c, uint64_t left, bool *ret_is_64bit, uint64_t *ret_size)
{
	uint64_t length = cursor__u32(c);
	uint32_t field = 4;

	*ret_is_64bit = length == LENGTH_64BIT;
	if (*ret_is_64bit) {
		length = cursor__u64(c);
		field = 12;
	} else if (length >= LENGTH_RESERVED) {
		return -EBADMSG;
	}
	if (c->bad || left < field || length > left - field)
		return -EBADMSG;
	*ret_size = field + length;
	return 0;
}

int cfi_head__parse(const struct cfi_base *base, uint64_t section_size, uint64_t offset, const uint8_t *bytes,
		    size_t len, struct cfi_head *ret_head)
{
	struct cfi_head h = {.offset = offset};
	uint32_t id_at, id_size;
	struct cursor c;
	bool is_64bit;
	uint64_t id;
	int err;

	if (offset > section_size)
		return -EBADMSG;
	cursor__init(&c, bytes, len);
	err = read_length(&c, section_size - offset, &is_64bit, &h.size);
	if (err)
		return err;
	id_at = cursor__offset(&c);
	id_size = is_64bit && base->is_debug_frame ? 8 : 4;
	h.body = id_at + id_size;
	if (h.size == id_at) {
		h.kind = CFI_TERMINATOR;
		*ret_head = h;
		return 0;
	}
	if (h.size < h.body)
		return -EBADMSG;
	id = id_size == 8 ? cursor__u64(&c) : cursor__u32(&c);
	if (c.bad)
		return -EBADMSG;
	if (base->is_debug_frame) {
		h.kind = id == (id_size == 8 ? CIE_ID_64 : CIE_ID_32) ? CFI_CIE : CFI_FDE;
		h.cie_offset = id;
	} else {
		h.kind = id == 0 ? CFI_CIE : CFI_FDE;
		if (id > offset + id_at)
			return -EBADMSG;
		h.cie_offset = offset + id_at - id;
	}
	if (h.kind == CFI_FDE && h.cie_offset >= section_size)
		return -EBADMSG;
	*ret_head = h;
	return 0;
}

/* The letters after 'z' say what the augmentation data hold, in that order; an unknown one ends what can be understood. */
static int read_augmentation(struct cursor *data, const struct cfi_base *base, const char *letters,
			     uint64_t at, struct cie *cie)
{
	for (; *letters; letters++) {
		uint64_t personality;
		uint8_t enc;

		switch (*letters) {
		case 'L':
			cursor__u8(data);
			break;
		case 'R':
			cie->pointer_enc = cursor__u8(data);
			break;
		case 'S':
			cie->is_signal = true;
			break;
		case 'B': /* arm64: return addresses signed with key B */
			break;
		case 'P':
			/* only skipped, so neither what it is relative to nor where it points matters */
			enc = cursor__u8(data);
			if (PE_BASE(enc) == DW_EH_PE_aligned ||
			    eh_pointer__read(data, base, PE_FORMAT(enc), at, &personality))
				return -EOPNOTSUPP;
			break;
		default:
			return -EOPNOTSUPP;
		}
	}
	return data->bad ? -EBADMSG : 0;
}

int cie__parse(const struct cfi_base *base, const struct cfi_head *head, const uint8_t *bytes,
	       struct cie *ret_cie)
{
	struct cie cie = {.pointer_enc = DW_EH_PE_absptr};
	const char *letters;
	struct cursor c;
	int err;

	if (head->kind != CFI_CIE)
		return -EBADMSG;
	cursor__init(&c, bytes, head->size);
	cursor__seek(&c, head->body);
	cie.version = cursor__u8(&c);
	if (cie.version != 1 && cie.version != 3 && cie.version != 4)
		return c.bad ? -EBADMSG : -EOPNOTSUPP;
	letters = cursor__cstr(&c);
	if (cie.version == 4) {
		uint8_t address_size = cursor__u8(&c), selector_size = cursor__u8(&c);

		if (address_size != ADDRESS_SIZE || selector_size != 0)
			return c.bad ? -EBADMSG : -EOPNOTSUPP;
	}
	cie.code_align = cursor__uleb(&c);
	cie.data_align = cursor__sleb(&c);
	cie.ra_reg = cie.version == 1 ? cursor__u8(&c) : cursor__uleb(&c);
	if (c.bad)
		return -EBADMSG;
	if (letters[0] == 'z') {
		struct cursor data = cursor__sub(&c, cursor__uleb(&c));

		cie.has_aug_data = true;
		err = read_augmentation(&data, base, letters + 1, 0, &cie);
		if (err)
			return err;
	} else if (letters[0]) {
		return -EOPNOTSUPP;
	}
	if (c.bad)
		return -EBADMSG;
	cie.program_len = cursor__left(&c);
	cie.program = cursor__bytes(&c, cie.program_len);
	*ret_cie = cie;
	return 0;
}

int fde__parse(const struct cfi_base *base, const struct cfi_head *head, const uint8_t *bytes,
	       const struct cie *cie, struct fde *ret_fde)
{
	struct fde fde = {0};
	struct cursor c;
	uint64_t len;
	int err;

	if (head->kind != CFI_FDE)
		return -EBADMSG;
	cursor__init(&c, bytes, head->size);
	cursor__seek(&c, head->body);
	err = eh_pointer__read(&c, base, cie->pointer_enc, base->section + head->offset + head->body,
			       &fde.start);
	if (err)
		return err;
	/* the length is written as the address is, but is relative to nothing */
	err = read_format(&c, PE_FORMAT(cie->pointer_enc), &len);
	if (err)
		return err;
	if (len > UINT64_MAX - fde.start)
		return -EBADMSG;
	fde.end = fde.start + len;
	if (cie->has_aug_data)
		cursor__skip(&c, cursor__uleb(&c));
	if (c.bad)
		return -EBADMSG;
	fde.program_at = base->section + head->offset + cursor__offset(&c);
	fde.program_len = cursor__left(&c);
	fde.program = cursor__bytes(&c, fde.program_len);
	*ret_fde = fde;
	return 0;
}

/* -- .eh_frame_hdr -- */

static uint8_t format_size(uint8_t enc)
{
	switch (PE_FORMAT(enc)) {
	case DW_EH_PE_udata2:
	case DW_EH_PE_sdata2:
		return 2;
	case DW_EH_PE_udata4:
	case DW_EH_PE_sdata4:
		return 4;
	case DW_EH_PE_absptr:
	case DW_EH_PE_udata8:
	case DW_EH_PE_sdata8:
		return 8;
	default:
		return 0;
	}
}

int ehframe_hdr__parse(const uint8_t *bytes, size_t len, uint64_t size, uint64_t vaddr,
		       struct ehframe_hdr *ret_hdr)
{
	struct cfi_base base = {.section = vaddr, .data = vaddr};
	struct ehframe_hdr h = {0};
	uint8_t frame_enc, count_enc;
	struct cursor c;
	int err;

	cursor__init(&c, bytes, len < size ? len : size);
	if (cursor__u8(&c) != HDR_VERSION)
		return c.bad ? -EBADMSG : -EOPNOTSUPP;
	frame_enc = cursor__u8(&c);
	count_enc = cursor__u8(&c);
	h.table_enc = cursor__u8(&c);
	err = eh_pointer__read(&c, &base, frame_enc, vaddr + cursor__offset(&c), &h.eh_frame);
	if (err)
		return err;
	if (count_enc != DW_EH_PE_omit && h.table_enc != DW_EH_PE_omit) {
		err = eh_pointer__read(&c, &base, count_enc, vaddr + cursor__offset(&c), &h.n);
		if (err)
			return err;
		h.value_size = h.table_enc & DW_EH_PE_indirect ? 0 : format_size(h.table_enc);
	}
	h.table_offset = cursor__offset(&c);
	if (h.value_size && h.n > (size - h.table_offset) / (2u * h.value_size))
		return -EBADMSG;
	*ret_hdr = h;
	return 0;
}

uint64_t ehframe_hdr__value(const struct ehframe_hdr *hdr, uint64_t hdr_vaddr, const uint8_t *bytes,
			    uint64_t at)
{
	struct cfi_base base = {.section = hdr_vaddr, .data = hdr_vaddr};
	uint64_t value = 0;
	struct cursor c;
	int32_t near;

	/* what linkers write, and what opening a table reads a hundred thousand times */
	if (hdr->table_enc == (DW_EH_PE_datarel | DW_EH_PE_sdata4)) {
		memcpy(&near, bytes, sizeof(near));
		return hdr_vaddr + (uint64_t)(int64_t)near;
	}
	cursor__init(&c, bytes, hdr->value_size);
	if (eh_pointer__read(&c, &base, hdr->table_enc, at, &value))
		return 0;
	return value;
}
