// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. Code without unwind rules can be followed by what its instructions do to the stack; for that one must know where each
 * instruction ends, and a wrong length makes nonsense of all that follow.
 *
 * Idea. The length depends on little: prefixes, the opcode's map, whether a ModRM byte follows, how many bytes of immediate. One letter an
 * opcode says it all, so each map is a string of sixteen rows of sixteen letters that one can check against the manual's tables:
 *
 *      prefixes │ REX or VEX/EVEX/XOP │ opcode │ ModRM │ SIB │ displacement │ immediate
 *
 *      .  nothing          b  imm8        w  imm16     z  imm32, imm16 after 66       v  imm of the operand's size (mov)
 *      M  ModRM            B  ModRM, b                 Z  ModRM, z                    J  rel32
 *      a  address (moffs)  e  imm16, imm8 (enter)      T  ModRM; of test b            U  ModRM; of test z
 *      p  a prefix or an escape, seen to before        x  invalid in 64-bit mode, or unknown here
 *
 * Invariants. Never reads behind `len`; an instruction is at most 15 bytes; what is not known is an error and not a guess.
 *
 * Cost. Some twenty nanoseconds.
 *
 * What it does not do. Say what the instruction computes; APX (REX2, extended EVEX); 3DNow! opcodes one by one; branches with an operand size prefix,
 * which processors of two makers read differently.
 *
 * Reference. Intel SDM volume 2, chapter 2 and appendix A; AMD APM volume 3, appendix A (XOP).
 */
#include "user/object/x86_insn.h"

#include <errno.h>
#include <string.h>

/*                              0 1 2 3 4 5 6 7 8 9 a b c d e f */
static const char map_one[] = "MMMMbzxxMMMMbzxp" /* 0 */
			      "MMMMbzxxMMMMbzxx" /* 1 */
			      "MMMMbzpxMMMMbzpx" /* 2 */
			      "MMMMbzpxMMMMbzpx" /* 3 */
			      "pppppppppppppppp" /* 4 */
			      "................" /* 5 */
			      "xxpMppppzZbB...." /* 6 */
			      "bbbbbbbbbbbbbbbb" /* 7 */
			      "BZxBMMMMMMMMMMMM" /* 8 */
			      "..........x....." /* 9 */
			      "aaaa....bz......" /* a */
			      "bbbbbbbbvvvvvvvv" /* b */
			      "BBw.ppBZe.w..bx." /* c */
			      "MMMMxxx.MMMMMMMM" /* d */
			      "bbbbbbbbJJxb...." /* e */
			      "p.pp..TU......MM" /* f */;

static const char map_0f[] = "MMMMx.....x.xM.B" /* 0 */
			     "MMMMMMMMMMMMMMMM" /* 1 */
			     "MMMMxxxxMMMMMMMM" /* 2 */
			     "......x.pxpxxxxx" /* 3 */
			     "MMMMMMMMMMMMMMMM" /* 4 */
			     "MMMMMMMMMMMMMMMM" /* 5 */
			     "MMMMMMMMMMMMMMMM" /* 6 */
			     "BBBBMMM.MMxxMMMM" /* 7 */
			     "JJJJJJJJJJJJJJJJ" /* 8 */
			     "MMMMMMMMMMMMMMMM" /* 9 */
			     "...MBMxx...MBMMM" /* a */
			     "MMMMMMMMMMBMMMMM" /* b */
			     "MMBMBBBM........" /* c */
			     "MMMMMMMMMMMMMMMM" /* d */
			     "MMMMMMMMMMMMMMMM" /* e */
			     "MMMMMMMMMMMMMMMM" /* f */;

static const char map_0f38[] = "MMMMMMMMMMMMxxxx" /* 0 */
			       "MxxxMMxMxxxxMMMx" /* 1 */
			       "MMMMMMxxMMMMxxxx" /* 2 */
			       "MMMMMMxMMMMMMMMM" /* 3 */
			       "MMxxxxxxxxxxxxxx" /* 4 */
			       "xxxxxxxxxxxxxxxx" /* 5 */
			       "xxxxxxxxxxxxxxxx" /* 6 */
			       "xxxxxxxxxxxxxxxx" /* 7 */
			       "MMMxxxxxxxxxxxxx" /* 8 */
			       "xxxxxxxxxxxxxxxx" /* 9 */
			       "xxxxxxxxxxxxxxxx" /* a */
			       "xxxxxxxxxxxxxxxx" /* b */
			       "xxxxxxxxMMMMMMxM" /* c */
			       "xxxxxxxxMxxMMMMM" /* d */
			       "xxxxxxxxxxxxxxxx" /* e */
			       "MMxxxMMxMMMMMxxx" /* f */;

static const char map_0f3a[] = "xxxxxxxxBBBBBBBB" /* 0 */
			       "xxxxBBBBxxxxxxxx" /* 1 */
			       "BBBxxxxxxxxxxxxx" /* 2 */
			       "xxxxxxxxxxxxxxxx" /* 3 */
			       "BBBxBxxxxxxxxxxx" /* 4 */
			       "xxxxxxxxxxxxxxxx" /* 5 */
			       "BBBBxxxxxxxxxxxx" /* 6 */
			       "xxxxxxxxxxxxxxxx" /* 7 */
			       "xxxxxxxxxxxxxxxx" /* 8 */
			       "xxxxxxxxxxxxxxxx" /* 9 */
			       "xxxxxxxxxxxxxxxx" /* a */
			       "xxxxxxxxxxxxxxxx" /* b */
			       "xxxxxxxxxxxxBxBB" /* c */
			       "xxxxxxxxxxxxxxxB" /* d */
			       "xxxxxxxxxxxxxxxx" /* e */
			       "xxxxxxxxxxxxxxxx" /* f */;

/* Bytes on their way through the decoder. */
struct reader {
	const uint8_t *bytes;
	size_t at, len;
};

static bool take(struct reader *r, uint8_t *ret)
{
	if (r->at == r->len)
		return false;
	*ret = r->bytes[r->at++];
	return true;
}

static bool take_signed(struct reader *r, uint8_t n, int64_t *ret)
{
	const uint8_t *from = r->bytes + r->at;
	uint64_t v = 0;
	int32_t four;

	if (r->len - r->at < n)
		return false;
	r->at += n;
	/* the usual ones without a loop */
	if (n == 0) {
		*ret = 0;
	} else if (n == 1) {
		*ret = (int8_t)*from;
	} else if (n == 4) {
		memcpy(&four, from, sizeof(four));
		*ret = four;
	} else {
		memcpy(&v, from, n);
		*ret = (int64_t)(v << (64 - 8 * n)) >> (64 - 8 * n);
	}
	return true;
}

/* -- prefixes -- */

static uint8_t prefix_of(uint8_t byte)
{
	switch (byte) {
	case 0x66:
		return X86_PREFIX_66;
	case 0xf2:
		return X86_PREFIX_F2;
	case 0xf3:
		return X86_PREFIX_F3;
	case 0x67:
		return X86_PREFIX_67;
	case 0xf0:
		return X86_PREFIX_LOCK;
	case 0x64:
	case 0x65:
		return X86_PREFIX_SEGMENT;
	default:
		return 0;
	}
}

/* By the upper five bits: 26 2e 36 3e, 40 to 4f, 64 to 67, f0 f2 f3. */
static const bool may_be_prefix[32] = {
	[0x26 >> 3] = true, [0x2e >> 3] = true, [0x36 >> 3] = true, [0x3e >> 3] = true,
	[0x40 >> 3] = true, [0x48 >> 3] = true, [0x64 >> 3] = true, [0xf0 >> 3] = true,
};

/* Legacy prefixes and REX; on return `byte` is what follows them. A REX that is not the last of them counts for nothing. */
static bool take_prefixes(struct reader *r, struct x86_insn *in, uint8_t *byte)
{
	for (;;) {
		uint8_t prefix;

		if (!take(r, byte))
			return false;
		if (!may_be_prefix[*byte >> 3])
			return true;
		prefix = prefix_of(*byte);
		if (prefix || *byte == 0x26 || *byte == 0x2e || *byte == 0x36 || *byte == 0x3e) {
			/* of f2 and f3 the last counts */
			if (prefix & (X86_PREFIX_F2 | X86_PREFIX_F3))
				in->prefixes &= ~(X86_PREFIX_F2 | X86_PREFIX_F3);
			in->prefixes |= prefix;
			in->rex = 0;
			in->has_rex = false;
		} else if ((*byte & 0xf0) == 0x40) {
			in->rex = *byte & 15;
			in->has_rex = true;
		} else {
			return true;
		}
	}
}

static uint8_t prefix_of_pp(uint8_t pp)
{
	static const uint8_t prefixes[4] = {0, X86_PREFIX_66, X86_PREFIX_F3, X86_PREFIX_F2};

	return prefixes[pp & 3];
}

/* The byte with R, X, B (inverted) and the map, and the one with W, vvvv (inverted) and pp. */
static void put_long_prefix(struct x86_insn *in, uint8_t p0, uint8_t p1)
{
	in->rex = (p0 & 0x80 ? 0 : 4) | (p0 & 0x40 ? 0 : 2) | (p0 & 0x20 ? 0 : 1) | (p1 & 0x80 ? 8 : 0);
	in->vvvv = (~p1 >> 3) & 15;
	in->prefixes |= prefix_of_pp(p1);
}

static bool take_vex(struct reader *r, struct x86_insn *in, uint8_t byte)
{
	uint8_t p0, p1;

	if (in->has_rex || (in->prefixes & (X86_PREFIX_66 | X86_PREFIX_F2 | X86_PREFIX_F3 | X86_PREFIX_LOCK)))
		return false;
	if (!take(r, &p0))
		return false;
	in->encoding = X86_VEX;
	in->map = X86_MAP_0F;
	if (byte == 0xc5) {
		put_long_prefix(in, p0 | 0x60, p0 & 0x7f);
	} else {
		if (!take(r, &p1))
			return false;
		put_long_prefix(in, p0, p1);
		in->map = p0 & 0x1f;
		if (byte == 0x8f)
			in->encoding = X86_XOP;
	}
	return take(r, &in->opcode);
}

static bool take_evex(struct reader *r, struct x86_insn *in)
{
	uint8_t p0, p1, p2;

	if (in->has_rex || (in->prefixes & (X86_PREFIX_66 | X86_PREFIX_F2 | X86_PREFIX_F3 | X86_PREFIX_LOCK)))
		return false;
	if (!take(r, &p0) || !take(r, &p1) || !take(r, &p2) || (p0 & 8) || !(p1 & 4))
		return false;
	in->encoding = X86_EVEX;
	in->map = p0 & 7;
	put_long_prefix(in, p0, p1);
	return take(r, &in->opcode);
}

static bool take_opcode(struct reader *r, struct x86_insn *in, uint8_t byte)
{
	in->opcode = byte;
	if (byte != 0x0f)
		return true;
	in->map = X86_MAP_0F;
	if (!take(r, &in->opcode))
		return false;
	if (in->opcode != 0x38 && in->opcode != 0x3a)
		return true;
	in->map = in->opcode == 0x38 ? X86_MAP_0F38 : X86_MAP_0F3A;
	return take(r, &in->opcode);
}

/* -- what follows the opcode -- */

/* Vector instructions: their maps are full, and only these have an immediate outside of 0f 3a. */
static char vector_form(const struct x86_insn *in)
{
	switch (in->map) {
	case X86_MAP_0F:
		if (in->opcode == 0x77)
			return '.';
		return (in->opcode >= 0x70 && in->opcode <= 0x73) || in->opcode == 0xc2 ||
				       (in->opcode >= 0xc4 && in->opcode <= 0xc6)
			       ? 'B'
			       : 'M';
	case X86_MAP_0F38:
		return 'M';
	case X86_MAP_0F3A:
		return 'B';
	case X86_MAP_5:
	case X86_MAP_6:
		return in->encoding == X86_EVEX ? 'M' : 'x';
	default:
		return 'x';
	}
}

static char form_of(const struct x86_insn *in)
{
	if (in->encoding == X86_XOP)
		return in->map == X86_MAP_XOP8   ? 'B'
		       : in->map == X86_MAP_XOP9 ? 'M'
		       : in->map == X86_MAP_XOPA ? 'Q'
						 : 'x';
	if (in->encoding != X86_LEGACY)
		return vector_form(in);
	switch (in->map) {
	case X86_MAP_ONE:
		return map_one[in->opcode];
	case X86_MAP_0F:
		/* extrq and insertq of SSE4a */
		if (in->opcode == 0x78 && (in->prefixes & (X86_PREFIX_66 | X86_PREFIX_F2)))
			return 'W';
		return map_0f[in->opcode];
	case X86_MAP_0F38:
		return map_0f38[in->opcode];
	default:
		return map_0f3a[in->opcode];
	}
}

static bool take_modrm(struct reader *r, struct x86_insn *in)
{
	uint8_t mod, rm, sib, n = 0;
	int64_t disp = 0;

	in->has_modrm = true;
	if (!take(r, &in->modrm))
		return false;
	mod = in->modrm >> 6;
	rm = in->modrm & 7;
	/* control and debug registers: mod is not looked at */
	if (in->encoding == X86_LEGACY && in->map == X86_MAP_0F && (in->opcode & 0xfc) == 0x20)
		in->modrm |= 0xc0;
	if (in->modrm >= 0xc0)
		return true;
	in->base = rm | (in->rex & 1) << 3;
	n = mod == 1 ? 1 : mod == 2 ? 4 : 0;
	if (rm == 4) {
		if (!take(r, &sib))
			return false;
		in->base = (sib & 7) | (in->rex & 1) << 3;
		in->index = ((sib >> 3) & 7) | (in->rex & 2) << 2;
		if (in->index == X86_RSP)
			in->index = X86_NO_REG;
		if (mod == 0 && (sib & 7) == 5) {
			in->base = X86_NO_REG;
			n = 4;
		}
	} else if (mod == 0 && rm == 5) {
		in->base = X86_RIP;
		n = 4;
	}
	if (!take_signed(r, n, &disp))
		return false;
	in->disp = (int32_t)disp;
	return true;
}

static uint8_t immediate_size(const struct x86_insn *in, char form)
{
	bool is_short = (in->prefixes & X86_PREFIX_66) && !x86_insn__is_wide(in);

	switch (form) {
	case 'b':
	case 'B':
		return 1;
	case 'w':
	case 'W':
		return 2;
	case 'e':
		return 3;
	case 'z':
	case 'Z':
		return is_short ? 2 : 4;
	case 'v':
		return x86_insn__is_wide(in) ? 8 : is_short ? 2 : 4;
	case 'J':
	case 'Q':
		return 4;
	case 'a':
		return in->prefixes & X86_PREFIX_67 ? 4 : 8;
	case 'T':
		return x86_insn__group(in) < 2 ? 1 : 0;
	case 'U':
		return x86_insn__group(in) >= 2 ? 0 : is_short ? 2 : 4;
	default:
		return 0;
	}
}

static bool has_modrm(char form)
{
	static const bool has['Z' + 1] = {
		['M'] = true, ['B'] = true, ['Z'] = true, ['T'] = true,
		['U'] = true, ['Q'] = true, ['W'] = true,
	};

	return form <= 'Z' && has[(uint8_t)form];
}

static bool take_operands(struct reader *r, struct x86_insn *in)
{
	char form = form_of(in);

	if (form == 'x' || form == 'p')
		return false;
	if (form == 'J' && (in->prefixes & X86_PREFIX_66) && !x86_insn__is_wide(in))
		return false;
	if (has_modrm(form) && !take_modrm(r, in))
		return false;
	return take_signed(r, immediate_size(in, form), &in->imm);
}

int x86_insn__parse(const uint8_t *bytes, size_t len, struct x86_insn *ret_insn)
{
	struct reader r = {.bytes = bytes, .len = len < X86_INSN_MAX ? len : X86_INSN_MAX};
	struct x86_insn in = {.base = X86_NO_REG, .index = X86_NO_REG};
	uint8_t byte;
	bool ok;

	if (!take_prefixes(&r, &in, &byte))
		return -EBADMSG;
	if (byte == 0xc4 || byte == 0xc5 || (byte == 0x8f && r.at < r.len && (bytes[r.at] & 0x1f) >= 8))
		ok = take_vex(&r, &in, byte);
	else if (byte == 0x62)
		ok = take_evex(&r, &in);
	else
		ok = take_opcode(&r, &in, byte);
	if (!ok || !take_operands(&r, &in))
		return -EBADMSG;
	in.len = r.at;
	*ret_insn = in;
	return 0;
}

uint8_t x86_insn__padding(const uint8_t *bytes, size_t len)
{
	struct x86_insn in;
	uint8_t n = 0;

	while (n < len && n < UINT8_MAX && bytes[n] == 0)
		n++;
	if (n >= 2 || n == len)
		return n;
	if (bytes[0] == 0xcc)
		return 1;
	if (x86_insn__parse(bytes, len, &in) || in.encoding != X86_LEGACY || in.has_rex)
		return 0;
	if ((in.map == X86_MAP_ONE && in.opcode == 0x90) || (in.map == X86_MAP_0F && in.opcode == 0x1f))
		return in.len;
	return 0;
}
