/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x86_insn - one x86-64 instruction: how long it is, which one it is, where its operands are, and which registers it may change.
 *
 * Pure: bytes in, struct out. Registers are numbered as the machine encodes them (rax 0, rcx 1, rdx 2, rbx 3, rsp 4, rbp 5, rsi 6, rdi 7, r8 …).
 *
 * Owns: nothing. Thread: any. Limit: X86_INSN_MAX bytes. Errors: -EBADMSG cut off, invalid in 64-bit mode, or not known here.
 */
#ifndef EVERPROF_OBJECT_X86_INSN_H
#define EVERPROF_OBJECT_X86_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define X86_INSN_MAX 15

enum x86_reg {
	X86_RAX = 0,
	X86_RCX = 1,
	X86_RDX = 2,
	X86_RBX = 3,
	X86_RSP = 4,
	X86_RBP = 5,
	X86_RSI = 6,
	X86_RDI = 7,
	X86_R11 = 11,
	X86_R14 = 14,
	X86_REGS = 16,
	X86_RIP = 16, /* as a base only */
	X86_NO_REG = 17,
};

/* Opcode maps: one byte, after 0f, after 0f 38, after 0f 3a; 5 and 6 by EVEX only; XOP's three. */
enum x86_map { X86_MAP_ONE, X86_MAP_0F, X86_MAP_0F38, X86_MAP_0F3A, X86_MAP_5 = 5, X86_MAP_6 };
enum x86_xop_map { X86_MAP_XOP8 = 8, X86_MAP_XOP9, X86_MAP_XOPA };

enum x86_encoding { X86_LEGACY, X86_VEX, X86_EVEX, X86_XOP };

enum x86_prefix {
	X86_PREFIX_66 = 1,
	X86_PREFIX_F2 = 2,
	X86_PREFIX_F3 = 4,
	X86_PREFIX_67 = 8,
	X86_PREFIX_LOCK = 16,
	X86_PREFIX_SEGMENT = 32, /* fs or gs: the address is not of the stack */
};

struct x86_insn {
	uint8_t len;
	uint8_t encoding, map, opcode;
	uint8_t prefixes; /* enum x86_prefix, those that VEX and EVEX imply included */
	uint8_t rex;      /* W 8, R 4, X 2, B 1, whichever prefix has them */
	bool has_rex;     /* of the legacy encoding: bytes 4..7 are spl…dil, not ah…bh */
	bool has_modrm;
	uint8_t modrm, vvvv;
	uint8_t base, index; /* of the memory operand: enum x86_reg */
	int32_t disp;
	int64_t imm; /* sign-extended; of two immediates the first */
};

int x86_insn__parse(const uint8_t *bytes, size_t len, struct x86_insn *ret_insn);

/* Length of what assemblers and linkers fill gaps with, if that is what stands there: nop, int3, zeros; else 0. */
uint8_t x86_insn__padding(const uint8_t *bytes, size_t len);

/* The general registers that it may change, a bit each: explicit operands and implied ones, the stack pointer of push, pop, call and ret left out. */
uint32_t x86_insn__writes(const struct x86_insn *in);

/* Where control goes after an instruction. A direct target is `imm` bytes behind its end. */
enum x86_flow {
	X86_FLOW_NEXT,
	X86_FLOW_BRANCH, /* to the target or on */
	X86_FLOW_JUMP,
	X86_FLOW_JUMP_INDIRECT,
	X86_FLOW_CALL,
	X86_FLOW_CALL_INDIRECT,
	X86_FLOW_RETURN,
	X86_FLOW_STOP, /* traps: nothing follows */
};

enum x86_flow x86_insn__flow(const struct x86_insn *in);

static inline uint8_t x86_insn__reg(const struct x86_insn *in)
{
	return ((in->modrm >> 3) & 7) | (in->rex & 4) << 1;
}

/* Bits 3..5 of ModRM where they extend the opcode. */
static inline uint8_t x86_insn__group(const struct x86_insn *in)
{
	return (in->modrm >> 3) & 7;
}

static inline uint8_t x86_insn__rm(const struct x86_insn *in)
{
	return (in->modrm & 7) | (in->rex & 1) << 3;
}

static inline bool x86_insn__is_memory(const struct x86_insn *in)
{
	return in->has_modrm && in->modrm < 0xc0;
}

/* The register in the low bits of the opcode. */
static inline uint8_t x86_insn__opcode_reg(const struct x86_insn *in)
{
	return (in->opcode & 7) | (in->rex & 1) << 3;
}

static inline bool x86_insn__is_wide(const struct x86_insn *in)
{
	return in->rex & 8;
}

#endif
