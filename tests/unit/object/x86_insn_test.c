// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/object/x86_insn.h"

/* Bytes as a string literal: their number is known. */
struct known {
	const char *text, *bytes;
	size_t len;
};
#define KNOWN(text, bytes)                      \
	{                                       \
		text, bytes, sizeof(bytes) - 1, \
	}

static struct x86_insn parse(const char *bytes, size_t len)
{
	struct x86_insn in = {0};

	assert_int_equal(x86_insn__parse((const uint8_t *)bytes, len, &in), 0);
	assert_int_equal(in.len, len);
	return in;
}
#define PARSE(bytes) parse(bytes, sizeof(bytes) - 1)

static const struct known lengths[] = {
	KNOWN("push %rbp", "\x55"),
	KNOWN("push %r12", "\x41\x54"),
	KNOWN("sub $8,%rsp", "\x48\x83\xec\x08"),
	KNOWN("sub $0x1000,%rsp", "\x48\x81\xec\x00\x10\x00\x00"),
	KNOWN("mov (%rax,%rbx,4),%ecx", "\x8b\x0c\x98"),
	KNOWN("mov 0x10(%rsp),%rax", "\x48\x8b\x44\x24\x10"),
	KNOWN("mov 0x12345678(%rbp),%eax", "\x8b\x85\x78\x56\x34\x12"),
	KNOWN("mov 0x1000,%eax", "\x8b\x04\x25\x00\x10\x00\x00"),
	KNOWN("lea 0x10(%rip),%rax", "\x48\x8d\x05\x10\x00\x00\x00"),
	KNOWN("movabs $…,%rax", "\x48\xb8\x01\x02\x03\x04\x05\x06\x07\x08"),
	KNOWN("mov $1,%ax", "\x66\xb8\x01\x00"),
	KNOWN("movabs %al,…", "\xa2\x01\x02\x03\x04\x05\x06\x07\x08"),
	KNOWN("movl $1,(%rax)", "\xc7\x00\x01\x00\x00\x00"),
	KNOWN("movw $1,(%rax)", "\x66\xc7\x00\x01\x00"),
	KNOWN("test $1,%dl", "\xf6\xc2\x01"),
	KNOWN("not %dl", "\xf6\xd2"),
	KNOWN("test $1,%edx", "\xf7\xc2\x01\x00\x00\x00"),
	KNOWN("neg %edx", "\xf7\xda"),
	KNOWN("enter $16,$0", "\xc8\x10\x00\x00"),
	KNOWN("ret $8", "\xc2\x08\x00"),
	KNOWN("nopw cs:0(%rax,%rax,1)", "\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00"),
	KNOWN("data16 data16 rex.W call", "\x66\x66\x48\xe8\x00\x00\x00\x01"),
	KNOWN("jne", "\x0f\x85\x00\x01\x00\x00"),
	KNOWN("pshufd $1,%xmm0,%xmm1", "\x66\x0f\x70\xc8\x01"),
	KNOWN("palignr $4,…", "\x66\x0f\x3a\x0f\xc1\x04"),
	KNOWN("aesenc", "\x66\x0f\x38\xdc\xc1"),
	KNOWN("extrq $1,$2,%xmm0", "\x66\x0f\x78\xc0\x01\x02"),
	KNOWN("mov %cr0,%rax", "\x0f\x20\xc0"),
	KNOWN("vzeroupper", "\xc5\xf8\x77"),
	KNOWN("vpxor %ymm", "\xc5\xfd\xef\xc0"),
	KNOWN("vpshufd $1", "\xc5\xf9\x70\xc1\x01"),
	KNOWN("vpermq $1", "\xc4\xe3\xfd\x00\xc1\x01"),
	KNOWN("andn %rax,%rbx,%rcx", "\xc4\xe2\xe0\xf2\xc8"),
	KNOWN("vmovdqu64 0x40(%rsp),%zmm0", "\x62\xf1\xfe\x48\x6f\x44\x24\x01"),
	KNOWN("vpternlogd $0xff", "\x62\xf3\x7d\x48\x25\xc0\xff"),
	KNOWN("vpcomb of XOP", "\x8f\xe8\x78\xcc\xc1\x02"),
	KNOWN("bextr of XOP", "\x8f\xea\x78\x10\xc1\x01\x02\x03\x04"),
	KNOWN("pop (%rax)", "\x8f\x00"),
	KNOWN("15 bytes, the most", "\x66\x66\x66\x66\x66\x66\x66\x48\x81\x04\x24\x01\x00\x00\x00"),
};

static void lengths_are_those_of_the_manual(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		uint8_t bytes[32] = {0};
		struct x86_insn in;

		memcpy(bytes, lengths[i].bytes, lengths[i].len);
		/* with other bytes behind it, and without */
		if (x86_insn__parse(bytes, sizeof(bytes), &in) || in.len != lengths[i].len)
			fail_msg("%s", lengths[i].text);
		parse(lengths[i].bytes, lengths[i].len);
	}
}

static void a_cut_instruction_is_none(void **state)
{
	struct x86_insn in;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (size_t len = 0; len < lengths[i].len; len++)
			if (x86_insn__parse((const uint8_t *)lengths[i].bytes, len, &in) != -EBADMSG)
				fail_msg("%s", lengths[i].text);
}

static void what_is_invalid_in_64_bit_mode_is_refused(void **state)
{
	static const struct known invalid[] = {
		KNOWN("push %es", "\x06\x90\x90\x90\x90\x90\x90\x90"),
		KNOWN("daa", "\x27\x90\x90\x90\x90\x90\x90\x90"),
		KNOWN("far call", "\x9a\x90\x90\x90\x90\x90\x90\x90"),
		KNOWN("into", "\xce\x90\x90\x90\x90\x90\x90\x90"),
		KNOWN("aam", "\xd4\x0a\x90\x90\x90\x90\x90\x90"),
		KNOWN("VEX after REX", "\x48\xc5\xf8\x77\x90\x90\x90\x90"),
		KNOWN("VEX after 66", "\x66\xc5\xf8\x77\x90\x90\x90\x90"),
		KNOWN("an unknown opcode of 0f", "\x0f\x0a\x90\x90\x90\x90\x90\x90"),
		KNOWN("a branch of two sizes", "\x66\xe9\x00\x00\x00\x00\x90\x90"),
	};
	static const uint8_t endless[32] = {[0 ... 31] = 0x66};
	struct x86_insn in;

	(void)state;
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
		if (x86_insn__parse((const uint8_t *)invalid[i].bytes, invalid[i].len, &in) != -EBADMSG)
			fail_msg("%s", invalid[i].text);
	assert_int_equal(x86_insn__parse(endless, sizeof(endless), &in), -EBADMSG);
}

static void operands_are_found(void **state)
{
	struct x86_insn in = PARSE("\x4d\x8b\x64\xcd\xf8"); /* mov -8(%r13,%rcx,8),%r12 */

	(void)state;
	assert_true(x86_insn__is_memory(&in));
	assert_int_equal(in.base, 13);
	assert_int_equal(in.index, X86_RCX);
	assert_int_equal(in.disp, -8);
	assert_int_equal(x86_insn__reg(&in), 12);
	in = PARSE("\x8b\x04\x25\x00\x10\x00\x00");
	assert_int_equal(in.base, X86_NO_REG);
	assert_int_equal(in.disp, 0x1000);
	in = PARSE("\x48\x8d\x05\xf0\xff\xff\xff");
	assert_int_equal(in.base, X86_RIP);
	assert_int_equal(in.disp, -16);
	in = PARSE("\x64\x48\x8b\x04\x25\x28\x00\x00\x00");
	assert_int_equal(in.prefixes, X86_PREFIX_SEGMENT);
	in = PARSE("\x48\x83\xc4\xf8");
	assert_int_equal(in.imm, -8);
	assert_int_equal(x86_insn__rm(&in), X86_RSP);
	/* a REX that another prefix follows counts for nothing */
	in = PARSE("\x48\x66\x89\xc3");
	assert_false(x86_insn__is_wide(&in));
}

#define BIT(reg) (1u << (reg))

static void written_registers_are_named(void **state)
{
	struct x86_insn in;

	(void)state;
#define WRITES(bytes, mask)                                    \
	do {                                                   \
		in = PARSE(bytes);                             \
		assert_int_equal(x86_insn__writes(&in), mask); \
	} while (0)
	WRITES("\x48\x01\xc4", BIT(X86_RSP));                        /* add %rax,%rsp */
	WRITES("\x48\x39\xc4", 0);                                   /* cmp %rax,%rsp */
	WRITES("\x48\x83\xfc\x08", 0);                               /* cmp $8,%rsp */
	WRITES("\x48\x03\x20", BIT(X86_RSP));                        /* add (%rax),%rsp */
	WRITES("\x48\x01\x04\x24", 0);                               /* add %rax,(%rsp) */
	WRITES("\xb4\x01", BIT(X86_RAX));                            /* mov $1,%ah */
	WRITES("\x40\xb4\x01", BIT(X86_RSP));                        /* mov $1,%spl */
	WRITES("\x0f\x94\xc5", BIT(X86_RCX));                        /* sete %ch */
	WRITES("\x40\x0f\x94\xc5", BIT(X86_RBP));                    /* sete %bpl */
	WRITES("\x48\x87\xe5", BIT(X86_RSP) | BIT(X86_RBP));         /* xchg %rsp,%rbp */
	WRITES("\x90", 0);                                           /* nop */
	WRITES("\x95", BIT(X86_RAX) | BIT(X86_RBP));                 /* xchg %eax,%ebp */
	WRITES("\x48\x0f\x44\xe8", BIT(X86_RBP));                    /* cmove %rax,%rbp */
	WRITES("\x0f\xcd", BIT(X86_RBP));                            /* bswap %ebp */
	WRITES("\x66\x48\x0f\x7e\xc5", BIT(X86_RBP));                /* movq %xmm0,%rbp */
	WRITES("\xf3\x0f\x7e\xe8", 0);                               /* movq %xmm0,%xmm5 */
	WRITES("\x66\x0f\xd7\xe8", BIT(X86_RBP));                    /* pmovmskb %xmm0,%ebp */
	WRITES("\x66\x0f\xef\xe8", 0);                               /* pxor %xmm0,%xmm5 */
	WRITES("\xc4\xe2\xe0\xf2\xe8", BIT(X86_RBP) | BIT(X86_RBX)); /* andn %rax,%rbx,%rbp */
	WRITES("\x0f\xa2", BIT(X86_RAX) | BIT(X86_RBX) | BIT(X86_RCX) | BIT(X86_RDX)); /* cpuid */
	WRITES("\x48\xf7\xe5", BIT(X86_RAX) | BIT(X86_RDX));                           /* mul %rbp */
	WRITES("\x48\xff\xc5", BIT(X86_RBP));                                          /* inc %rbp */
	WRITES("\xff\xd5", 0);                                                         /* call *%rbp */
#undef WRITES
}

static void flow_is_told_apart(void **state)
{
	struct x86_insn in;

	(void)state;
#define FLOW(bytes, flow)                                    \
	do {                                                 \
		in = PARSE(bytes);                           \
		assert_int_equal(x86_insn__flow(&in), flow); \
	} while (0)
	FLOW("\x90", X86_FLOW_NEXT);
	FLOW("\x74\x05", X86_FLOW_BRANCH);
	FLOW("\x0f\x84\x05\x00\x00\x00", X86_FLOW_BRANCH);
	FLOW("\xe2\xfe", X86_FLOW_BRANCH);
	FLOW("\xeb\x05", X86_FLOW_JUMP);
	FLOW("\x3e\xff\xe0", X86_FLOW_JUMP_INDIRECT);
	FLOW("\xff\x25\x00\x00\x00\x00", X86_FLOW_JUMP_INDIRECT);
	FLOW("\xe8\x05\x00\x00\x00", X86_FLOW_CALL);
	FLOW("\xff\x15\x00\x00\x00\x00", X86_FLOW_CALL_INDIRECT);
	FLOW("\xf2\xc3", X86_FLOW_RETURN);
	FLOW("\x0f\x0b", X86_FLOW_STOP);
	FLOW("\xf4", X86_FLOW_STOP);
	FLOW("\x0f\x05", X86_FLOW_NEXT);
	FLOW("\xff\x30", X86_FLOW_NEXT); /* push (%rax) */
#undef FLOW
}

static void gaps_are_told_from_code(void **state)
{
	(void)state;
	assert_int_equal(x86_insn__padding((const uint8_t *)"\x66\x90", 2), 2);
	assert_int_equal(x86_insn__padding((const uint8_t *)"\x0f\x1f\x40\x00", 4), 4);
	assert_int_equal(x86_insn__padding((const uint8_t *)"\xcc\x55", 2), 1);
	assert_int_equal(x86_insn__padding((const uint8_t *)"\0\0\0\x55", 4), 3);
	assert_int_equal(x86_insn__padding((const uint8_t *)"\x00\xc0", 2), 0); /* add %al,%al */
	assert_int_equal(x86_insn__padding((const uint8_t *)"\x55", 1), 0);
	assert_int_equal(x86_insn__padding((const uint8_t *)"", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_are_those_of_the_manual),
		cmocka_unit_test(a_cut_instruction_is_none),
		cmocka_unit_test(what_is_invalid_in_64_bit_mode_is_refused),
		cmocka_unit_test(operands_are_found),
		cmocka_unit_test(written_registers_are_named),
		cmocka_unit_test(flow_is_told_apart),
		cmocka_unit_test(gaps_are_told_from_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
