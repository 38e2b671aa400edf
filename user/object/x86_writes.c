// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. Whoever follows the stack pointer through code must notice each instruction that changes a register it relies on, also those
 * whose result it does not understand.
 *
 * Idea. As for lengths, a letter an opcode says which operand is written; vector instructions write general registers in a few known cases.
 *
 *      .  none           e  the r/m operand     g  the reg operand      x  both
 *      o  the register in the opcode            a  rax                  d  rax and rdx
 *      s  rsi, rdi, rcx, rax (strings)          c  rcx                  4  rax, rcx, rdx, rbx
 *      A  group of arithmetic: e, but not of cmp                        T  group of test, not, neg (e), mul, div (d)
 *      F  group of inc and dec (e), call, jmp, push                     X  exchange of rax with o
 *      y  rax, rcx, r11 (system call)
 *
 * Invariants. Rather one too many than one too few: a register that is said to be written is only no longer known.
 *
 * Reference. Intel SDM volume 2; AMD APM volume 3 for XOP.
 */
#include "user/object/x86_insn.h"

/*                                 0 1 2 3 4 5 6 7 8 9 a b c d e f */
static const char writes_one[] = "eeggaa..eeggaa.." /* 0 */
				 "eeggaa..eeggaa.." /* 1 */
				 "eeggaa..eeggaa.." /* 2 */
				 "eeggaa.........." /* 3 */
				 "................" /* 4 */
				 "........oooooooo" /* 5 */
				 "...g.....g.gssss" /* 6 */
				 "................" /* 7 */
				 "AAAA..xxeeggeg.e" /* 8 */
				 "XXXXXXXXad.....a" /* 9 */
				 "aa..ssss..ssssss" /* a */
				 "oooooooooooooooo" /* b */
				 "ee....ee........" /* c */
				 "eeee...a.......a" /* d */
				 "ccccaa......aa.." /* e */
				 "......TT......FF" /* f */;

static const char writes_0f[] = "e.gg.y.y........" /* 0 */
				"................" /* 1 */
				"ee..........gg.." /* 2 */
				".ddd............" /* 3 */
				"gggggggggggggggg" /* 4 */
				"g..............." /* 5 */
				"................" /* 6 */
				"........e.....e." /* 7 */
				"................" /* 8 */
				"eeeeeeeeeeeeeeee" /* 9 */
				"..4.ee.....eeeeg" /* a */
				"eegeggggg.eegggg" /* b */
				"xx...g.eoooooooo" /* c */
				".......g........" /* d */
				"................" /* e */
				"................" /* f */;

static uint32_t bit(uint8_t reg)
{
	return 1u << reg;
}

/* A register operand of an instruction on bytes: without REX, 4 to 7 are ah, ch, dh and bh. */
static uint8_t byte_reg(const struct x86_insn *in, uint8_t reg, bool is_byte)
{
	return is_byte && in->encoding == X86_LEGACY && !in->has_rex && reg >= 4 && reg < 8 ? reg - 4 : reg;
}

static bool is_of_bytes(const struct x86_insn *in)
{
	if (in->map == X86_MAP_0F)
		return (in->opcode & 0xf0) == 0x90 || in->opcode == 0xb0 || in->opcode == 0xc0;
	if (in->map != X86_MAP_ONE)
		return false;
	if (in->opcode < 0x40)
		return !(in->opcode & 1);
	switch (in->opcode) {
	case 0x80:
	case 0x84:
	case 0x86:
	case 0x88:
	case 0x8a:
	case 0xc0:
	case 0xc6:
	case 0xd0:
	case 0xd2:
	case 0xf6:
	case 0xfe:
		return true;
	default:
		return (in->opcode & 0xf8) == 0xb0;
	}
}

static uint32_t rm_bit(const struct x86_insn *in)
{
	return in->has_modrm && in->modrm >= 0xc0 ? bit(byte_reg(in, x86_insn__rm(in), is_of_bytes(in))) : 0;
}

static uint32_t reg_bit(const struct x86_insn *in)
{
	return bit(byte_reg(in, x86_insn__reg(in), is_of_bytes(in)));
}

static uint32_t of_letter(const struct x86_insn *in, char letter)
{
	switch (letter) {
	case 'e':
		return rm_bit(in);
	case 'g':
		return reg_bit(in);
	case 'x':
		return rm_bit(in) | reg_bit(in);
	case 'o':
		return bit(byte_reg(in, x86_insn__opcode_reg(in), is_of_bytes(in)));
	case 'X':
		return in->opcode == 0x90 && !(in->rex & 1) ? 0
							    : bit(x86_insn__opcode_reg(in)) | bit(X86_RAX);
	case 'a':
		return bit(X86_RAX);
	case 'c':
		return bit(X86_RCX);
	case 'd':
		return bit(X86_RAX) | bit(X86_RDX);
	case '4':
		return bit(X86_RAX) | bit(X86_RCX) | bit(X86_RDX) | bit(X86_RBX);
	case 's':
		return bit(X86_RSI) | bit(X86_RDI) | bit(X86_RCX) | bit(X86_RAX);
	case 'y':
		return bit(X86_RAX) | bit(X86_RCX) | bit(X86_R11);
	case 'A':
		return x86_insn__group(in) == 7 ? 0 : rm_bit(in);
	case 'T':
		return x86_insn__group(in) < 2   ? 0
		       : x86_insn__group(in) < 4 ? rm_bit(in)
						 : bit(X86_RAX) | bit(X86_RDX);
	case 'F':
		return x86_insn__group(in) < 2 ? rm_bit(in) : 0;
	default:
		return 0;
	}
}

/* VEX, EVEX and XOP: masks, bit manipulation and the moves out of vector registers. */
static uint32_t vector_writes(const struct x86_insn *in)
{
	uint8_t op = in->opcode;

	if (in->encoding == X86_XOP)
		return in->map == X86_MAP_XOP8 ? 0 : reg_bit(in) | rm_bit(in) | bit(in->vvvv);
	switch (in->map) {
	case X86_MAP_0F:
	case X86_MAP_5:
		if (op == 0x7e)
			return in->prefixes & X86_PREFIX_F3 ? 0 : rm_bit(in);
		return op == 0x2c || op == 0x2d || op == 0x50 || op == 0x78 || op == 0x79 || op == 0x93 ||
				       op == 0xc5 || op == 0xd7
			       ? reg_bit(in)
			       : 0;
	case X86_MAP_0F38:
		return op >= 0xe0 && in->encoding == X86_VEX ? reg_bit(in) | bit(in->vvvv) : 0;
	case X86_MAP_0F3A:
		if (op >= 0x14 && op <= 0x17)
			return rm_bit(in);
		return op == 0xf0 ? reg_bit(in) : 0;
	default:
		return 0;
	}
}

static uint32_t map_0f_writes(const struct x86_insn *in)
{
	uint32_t all = bit(X86_RAX) | bit(X86_RDX);

	switch (in->opcode) {
	case 0x01: /* smsw, xgetbv, rdtscp, rdpru, … */
		return rm_bit(in) | all | bit(X86_RCX);
	case 0x7e: /* after f3 it loads a vector register */
		return in->prefixes & X86_PREFIX_F3 ? 0 : rm_bit(in);
	case 0xb0:
	case 0xb1: /* cmpxchg */
		return rm_bit(in) | bit(X86_RAX);
	case 0xc7: /* cmpxchg16b, rdrand, rdseed, rdpid */
		return rm_bit(in) | all;
	default:
		return of_letter(in, writes_0f[in->opcode]);
	}
}

uint32_t x86_insn__writes(const struct x86_insn *in)
{
	if (in->encoding != X86_LEGACY)
		return vector_writes(in);
	switch (in->map) {
	case X86_MAP_ONE:
		return of_letter(in, writes_one[in->opcode]);
	case X86_MAP_0F:
		return map_0f_writes(in);
	case X86_MAP_0F38:
		return in->opcode >= 0xf0 ? reg_bit(in) | rm_bit(in) : 0;
	default:
		return in->opcode >= 0x14 && in->opcode <= 0x17 ? rm_bit(in) : 0;
	}
}

enum x86_flow x86_insn__flow(const struct x86_insn *in)
{
	uint8_t op = in->opcode;

	if (in->encoding != X86_LEGACY)
		return X86_FLOW_NEXT;
	if (in->map == X86_MAP_0F) {
		if ((op & 0xf0) == 0x80)
			return X86_FLOW_BRANCH;
		return op == 0x0b || op == 0xb9 || op == 0xff || op == 0x07 || op == 0x35 ? X86_FLOW_STOP
											  : X86_FLOW_NEXT;
	}
	if (in->map != X86_MAP_ONE)
		return X86_FLOW_NEXT;
	if ((op & 0xf0) == 0x70 || (op & 0xfc) == 0xe0)
		return X86_FLOW_BRANCH;
	switch (op) {
	case 0xe8:
		return X86_FLOW_CALL;
	case 0xe9:
	case 0xeb:
		return X86_FLOW_JUMP;
	case 0xc2:
	case 0xc3:
		return X86_FLOW_RETURN;
	case 0xca:
	case 0xcb:
	case 0xcc:
	case 0xcf:
	case 0xf1:
	case 0xf4:
		return X86_FLOW_STOP;
	case 0xff:
		return x86_insn__group(in) == 2   ? X86_FLOW_CALL_INDIRECT
		       : x86_insn__group(in) == 4 ? X86_FLOW_JUMP_INDIRECT
		       : x86_insn__group(in) == 3 || x86_insn__group(in) == 5 || x86_insn__group(in) == 7
			       ? X86_FLOW_STOP
			       : X86_FLOW_NEXT;
	default:
		return X86_FLOW_NEXT;
	}
}
