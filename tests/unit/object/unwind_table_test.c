// SPDX-License-Identifier: Apache-2.0
/*
 * Rows are compared with what the assembler's source says, instruction by instruction: each test assembles a few functions at 0x10000, so that the
 * low half of an address is the offset in the source.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/folder.h"
#include "user/base/buf.h"
#include "user/object/elf.h"
#include "user/object/unwind_table.h"

#define TEXT_PAGE 1 /* 0x10000 */
#define FLAGS     "-shared -nostdlib -Wl,-Ttext=0x10000 -Wl,--build-id=none "

#define ROW(at, base, off, fp, fpo)                                                         \
	{                                                                                   \
		.pc = (at), .cfa = (base), .cfa_off = (off), .saved = (fp), .fp_off = (fpo) \
	}
#define DERIVED(at, base, off, fp, fpo) ROW(at, ROW_DERIVED | (base), off, fp, fpo)
#define ROW_KIND(at, kind)              ROW(at, kind, 0, 0, 0)
#define RSP                             ROW_REG_RSP
#define RBP                             ROW_REG_RBP

/* f: 6 bytes, a frame pointer pushed and popped */
#define FRAME_FUNCTION                                           \
	"f: .cfi_startproc\n"                                    \
	"push %rbp\n.cfi_def_cfa_offset 16\n.cfi_offset 6,-16\n" \
	"mov %rsp,%rbp\n.cfi_def_cfa_register 6\n"               \
	"pop %rbp\n.cfi_def_cfa 7,8\n.cfi_restore 6\n"           \
	"ret\n.cfi_endproc\n"
#define FRAME_ROWS                                                         \
	ROW(0, RSP, 1, ROW_FP_SAME, 0), ROW(1, RSP, 2, ROW_FP_AT_CFA, -2), \
		ROW(4, RBP, 2, ROW_FP_AT_CFA, -2), ROW(5, RSP, 1, ROW_FP_SAME, 0)

struct fixture {
	char folder[FOLDER_MAX];
	int fd;
	struct elf *elf;
	struct unwind_table *table;
	struct unwind_row rows[ROW_PAGE_SIZE];
	uint32_t n;
	struct unwind_page_stats stats;
};

static struct fixture fx;

static void close_table(void)
{
	unwind_table__free(fx.table);
	elf__free(fx.elf);
	fx.table = NULL;
	fx.elf = NULL;
}

static void open_table(const struct unwind_table_opts *opts)
{
	close_table();
	assert_int_equal(elf__open(fx.fd, &fx.elf), 0);
	assert_int_equal(unwind_table__open(fx.elf, opts, &fx.table), 0);
}

static void build_page(uint64_t page)
{
	assert_int_equal(unwind_table__build_page(fx.table, page, fx.rows, ROW_PAGE_SIZE, &fx.n, &fx.stats),
			 0);
	assert_int_equal(fx.stats.rows, fx.n);
}

/* Assembles and links the source, and opens what came out. */
static void assemble(const char *source, const char *flags, const struct unwind_table_opts *opts)
{
	char path[64], command[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/t.S", fx.folder);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, ".text\n%s\n.section .note.GNU-stack,\"\",@progbits\n", source);
	assert_int_equal(fclose(f), 0);
	/* the linker warns of what some tests are about */
	snprintf(command, sizeof(command), "cd %s && gcc %s -o t.so t.S 2>log || { cat log; false; }",
		 fx.folder, flags);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof(path), "%s/t.so", fx.folder);
	if (fx.fd >= 0)
		close(fx.fd);
	fx.fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fx.fd >= 0);
	open_table(opts);
}

static void expect_rows(const struct unwind_row *rows, uint32_t n)
{
	for (uint32_t i = 0; i < n && i < fx.n; i++) {
		if (memcmp(&fx.rows[i], &rows[i], sizeof(rows[i])))
			fail_msg("row %u: pc %#x cfa %#x %d saved %#x %d, wanted pc %#x cfa %#x %d saved %#x "
				 "%d",
				 i, fx.rows[i].pc, fx.rows[i].cfa, fx.rows[i].cfa_off, fx.rows[i].saved,
				 fx.rows[i].fp_off, rows[i].pc, rows[i].cfa, rows[i].cfa_off, rows[i].saved,
				 rows[i].fp_off);
	}
	assert_int_equal(fx.n, n);
}

#define EXPECT(...)                                                         \
	do {                                                                \
		static const struct unwind_row wanted_[] = {__VA_ARGS__};   \
		expect_rows(wanted_, sizeof(wanted_) / sizeof(wanted_[0])); \
	} while (0)

static void each_instruction_has_its_row(void **state)
{
	(void)state;
	assemble(FRAME_FUNCTION, FLAGS, NULL);
	assert_int_equal(unwind_table__sources(fx.table), UNWIND_SOURCE_EH_FRAME_HDR);
	assert_int_equal(unwind_table__n_fdes(fx.table), 1);
	build_page(TEXT_PAGE);
	EXPECT(FRAME_ROWS, ROW_KIND(6, ROW_CFA_NONE));
	assert_int_equal(fx.stats.fdes, 1);
	assert_int_equal(unwind_row__find(fx.rows, fx.n, 3)->pc, 1);
	assert_int_equal(unwind_row__find(fx.rows, fx.n, 4)->pc, 4);
	assert_int_equal(unwind_row__find(fx.rows, fx.n, 0xffff)->cfa, ROW_CFA_NONE);
	assert_int_equal(unwind_table__build_page(fx.table, 7777, fx.rows, 10, &fx.n, NULL), -ENOENT);
	assert_int_equal(unwind_table__build_page(fx.table, UINT64_MAX, fx.rows, 10, &fx.n, NULL), -ENOENT);
	assert_int_equal(unwind_table__build_page(fx.table, TEXT_PAGE, fx.rows, 4, &fx.n, NULL), -E2BIG);
	assert_int_equal(unwind_table__build_page(fx.table, TEXT_PAGE, fx.rows, 5, &fx.n, NULL), 0);
}

static void padding_goes_on_and_a_hole_does_not(void **state)
{
	(void)state;
	/* 6 + 10 = 16: padding; 22 + 42 = 64: a hole */
	assemble(FRAME_FUNCTION
		 ".p2align 4\n"
		 "g: .cfi_startproc\npush %rbx\n.cfi_def_cfa_offset 16\nnop\nnop\nnop\npop %rbx\n"
		 ".cfi_def_cfa_offset 8\nret\n.cfi_endproc\n"
		 ".p2align 6\nh: .cfi_startproc\nret\n.cfi_endproc\n",
		 FLAGS, NULL);
	build_page(TEXT_PAGE);
	/* f's last rule, the padding and g's first rule are the same row */
	EXPECT(FRAME_ROWS, ROW(17, RSP, 2, ROW_FP_SAME, 0), ROW(21, RSP, 1, ROW_FP_SAME, 0),
	       ROW_KIND(22, ROW_CFA_NONE), ROW(64, RSP, 1, ROW_FP_SAME, 0), ROW_KIND(65, ROW_CFA_NONE));
	assert_int_equal(fx.stats.fdes, 3);
}

static void a_function_goes_on_in_the_next_page(void **state)
{
	(void)state;
	assemble("f: .cfi_startproc\npush %rbp\n.cfi_def_cfa_offset 16\n.cfi_offset 6,-16\n.skip 0x1fffe\n"
		 "pop %rbp\n.cfi_def_cfa_offset 8\n.cfi_restore 6\nret\n.cfi_endproc\n",
		 FLAGS, NULL);
	build_page(TEXT_PAGE);
	EXPECT(ROW(0, RSP, 1, ROW_FP_SAME, 0), ROW(1, RSP, 2, ROW_FP_AT_CFA, -2));
	build_page(TEXT_PAGE + 1);
	EXPECT(ROW(0, RSP, 2, ROW_FP_AT_CFA, -2));
	build_page(TEXT_PAGE + 2);
	EXPECT(ROW(0, RSP, 1, ROW_FP_SAME, 0), ROW_KIND(1, ROW_CFA_NONE));
}

static void padding_reaches_over_the_end_of_a_page(void **state)
{
	(void)state;
	assemble(".skip 0xfffa\n" FRAME_FUNCTION
		 ".skip 15\ng: .cfi_startproc\n.cfi_undefined rip\nnop\n.cfi_endproc\n",
		 FLAGS, NULL);
	build_page(TEXT_PAGE + 1);
	EXPECT(ROW(0, RSP, 1, ROW_FP_SAME, 0), ROW_KIND(15, ROW_CFA_END), ROW_KIND(16, ROW_CFA_NONE));
	assemble(".skip 0xfffa\n" FRAME_FUNCTION
		 ".skip 16\ng: .cfi_startproc\n.cfi_undefined rip\nnop\n.cfi_endproc\n",
		 FLAGS, NULL);
	build_page(TEXT_PAGE + 1);
	EXPECT(ROW_KIND(0, ROW_CFA_NONE), ROW_KIND(16, ROW_CFA_END), ROW_KIND(17, ROW_CFA_NONE));
}

static void special_rules_become_special_rows(void **state)
{
	(void)state;
	assemble(/* 0: vfork: the return address waits in rdi */
		 "a: .cfi_startproc\npop %rdi\n.cfi_adjust_cfa_offset -8\n.cfi_register "
		 "rip,rdi\nret\n.cfi_endproc\n"
		 /* 2: stack realignment: CFA = *(rbp - 8), rbp saved at rbp + 0 */
		 "b: .cfi_startproc\n.cfi_escape 0x0f,0x03,0x76,0x78,0x06\n.cfi_escape "
		 "0x10,0x06,0x02,0x76,0x00\n"
		 "nop\n"
		 /* 3: CFA = *(rsp + 24) + 16 */
		 ".cfi_escape 0x0f,0x05,0x77,0x18,0x06,0x23,0x10\nnop\n"
		 /* 4: CFA from r10 */
		 ".cfi_def_cfa r10,0\n.cfi_restore 6\nnop\n"
		 /* 5: rbp saved at rsp + 8, while the CFA is rsp + 32: at CFA - 24 */
		 ".cfi_def_cfa 7,32\n.cfi_escape 0x10,0x06,0x02,0x77,0x08\nnop\n"
		 /* 6: rbp lost */
		 ".cfi_undefined 6\nnop\n"
		 /* 7: rbp in rax: a row cannot say that */
		 ".cfi_register 6,0\nnop\n"
		 /* 8 on: remembered, changed and restored */
		 ".cfi_def_cfa 7,8\n.cfi_same_value 6\nnop\n.cfi_remember_state\n.cfi_def_cfa 6,16\nnop\n"
		 ".cfi_restore_state\nnop\n.cfi_endproc\n",
		 FLAGS, NULL);
	build_page(TEXT_PAGE);
	EXPECT(ROW(0, RSP, 1, ROW_FP_SAME, 0),
	       ROW(1, RSP, 0, ROW_FP_SAME | ROW_RA_REG | 5 << ROW_RA_REG_SHIFT, 0),
	       ROW(2, RBP | ROW_CFA_DEREF, -1, ROW_FP_AT_FP, 0),
	       ROW(3, RSP | ROW_CFA_DEREF | 2 << ROW_DEREF_ADD_SHIFT, 3, ROW_FP_AT_FP, 0),
	       ROW(4, 10, 0, ROW_FP_SAME, 0), ROW(5, RSP, 4, ROW_FP_AT_CFA, -3),
	       ROW(6, RSP, 4, ROW_FP_UNKNOWN, 0), ROW(8, RSP, 1, ROW_FP_SAME, 0),
	       ROW(9, RBP, 2, ROW_FP_SAME, 0), ROW(10, RSP, 1, ROW_FP_SAME, 0), ROW_KIND(11, ROW_CFA_NONE));
	assert_int_equal(fx.stats.unsupported[UNWIND_UNSUPPORTED_FP_RULE], 1);
}

static void rules_that_do_not_fit_are_counted_by_reason(void **state)
{
	(void)state;
	assemble(
		"f: .cfi_startproc\nnop\n"
		".cfi_def_cfa_offset 12\nnop\n"                            /* 1 no multiple of 8 */
		".cfi_def_cfa_offset 8388608\nnop\n"                       /* 2 too large */
		".cfi_def_cfa_offset 262136\nnop\n"                        /* 3 the largest */
		".cfi_def_cfa 17,8\nnop\n"                                 /* 4 from xmm0 */
		".cfi_def_cfa 7,8\n.cfi_offset rip,-16\nnop\n"             /* 5 return address elsewhere */
		".cfi_restore rip\n.cfi_offset rsp,-24\nnop\n"             /* 6 stack pointer elsewhere */
		".cfi_restore rsp\n.cfi_escape 0x0f,0x02,0x77,0x08\nnop\n" /* 7 an expression that is an offset */
		".cfi_escape 0x0f,0x04,0x77,0x08,0x06,0x06\nnop\n"         /* 8 two derefs */
		".cfi_escape 0x0f,0x05,0x77,0x08,0x06,0x23,0x20\nnop\n" /* 9 *(rsp+8)+32 */
		".cfi_endproc\n",
		FLAGS, NULL);
	build_page(TEXT_PAGE);
	EXPECT(ROW(0, RSP, 1, ROW_FP_SAME, 0), ROW_KIND(1, ROW_CFA_UNSUPPORTED),
	       ROW(3, RSP, 32767, ROW_FP_SAME, 0), ROW_KIND(4, ROW_CFA_UNSUPPORTED),
	       ROW(7, RSP, 1, ROW_FP_SAME, 0), ROW_KIND(8, ROW_CFA_UNSUPPORTED), ROW_KIND(10, ROW_CFA_NONE));
	assert_int_equal(fx.stats.unsupported[UNWIND_UNSUPPORTED_CFA_OFFSET], 3);
	assert_int_equal(fx.stats.unsupported[UNWIND_UNSUPPORTED_CFA_REGISTER], 1);
	assert_int_equal(fx.stats.unsupported[UNWIND_UNSUPPORTED_RA_RULE], 1);
	assert_int_equal(fx.stats.unsupported[UNWIND_UNSUPPORTED_SP_RULE], 1);
	assert_int_equal(fx.stats.unsupported[UNWIND_UNSUPPORTED_CFA_EXPRESSION], 1);
	assert_string_equal(unwind_unsupported__name(UNWIND_UNSUPPORTED_SP_RULE), "sp_rule");
}

static void a_large_frame_has_more_bits(void **state)
{
	(void)state;
	/* as lame's encoder has it, and with a push in it */
	assemble("f: .cfi_startproc\nnop\n"
		 ".cfi_def_cfa_offset 262136\nnop\n"
		 ".cfi_def_cfa_offset 262144\nnop\n"
		 ".cfi_def_cfa_offset 540080\n.cfi_offset 6,-48\nnop\n"
		 ".cfi_def_cfa_offset 1659080\nnop\n"
		 ".cfi_def_cfa_offset 8388600\nnop\n"
		 ".cfi_def_cfa_offset 8388608\nnop\n"
		 ".cfi_endproc\n",
		 FLAGS, NULL);
	build_page(TEXT_PAGE);
	EXPECT(ROW(0, RSP, 1, ROW_FP_SAME, 0), ROW(1, RSP, 32767, ROW_FP_SAME, 0),
	       ROW(2, ROW_CFA_WIDE | RSP, INT16_MIN, ROW_FP_SAME, 0),
	       ROW(3, ROW_CFA_WIDE | RSP, 67510 - 65536, 1 << ROW_WIDE_SHIFT | ROW_FP_AT_CFA, -6),
	       ROW(4, ROW_CFA_WIDE | RSP, 207385 - 3 * 65536, 3 << ROW_WIDE_SHIFT | ROW_FP_AT_CFA, -6),
	       ROW(5, ROW_CFA_WIDE | RSP, -1, 15 << ROW_WIDE_SHIFT | ROW_FP_AT_CFA, -6),
	       ROW_KIND(6, ROW_CFA_UNSUPPORTED), ROW_KIND(7, ROW_CFA_NONE));
	assert_int_equal(unwind_row__cfa_bytes(&fx.rows[1]), 262136);
	assert_int_equal(unwind_row__cfa_bytes(&fx.rows[3]), 540080);
	assert_int_equal(unwind_row__cfa_bytes(&fx.rows[4]), 1659080);
	assert_int_equal(unwind_row__cfa_bytes(&fx.rows[5]), 8388600);
}

static void plt_expression_becomes_one_row(void **state)
{
	static const char source[] =
		"f: .cfi_startproc\n"
		".cfi_escape 0x0f,0x0b,0x77,0x08,0x80,0x00,0x3f,0x1a,%s,0x2a,0x33,0x24,0x22\n"
		"nop\n.cfi_endproc\n";
	char text[256];

	(void)state;
	snprintf(text, sizeof(text), source, "0x3b");
	assemble(text, FLAGS, NULL);
	build_page(TEXT_PAGE);
	EXPECT(ROW(0, ROW_CFA_PLT, 11, ROW_FP_SAME, 0), ROW_KIND(1, ROW_CFA_NONE));
	snprintf(text, sizeof(text), source, "0x3a");
	assemble(text, FLAGS, NULL);
	build_page(TEXT_PAGE);
	EXPECT(ROW(0, ROW_CFA_PLT, 10, ROW_FP_SAME, 0), ROW_KIND(1, ROW_CFA_NONE));
	snprintf(text, sizeof(text), source, "0x39");
	assemble(text, FLAGS, NULL);
	build_page(TEXT_PAGE);
	EXPECT(ROW_KIND(0, ROW_CFA_UNSUPPORTED), ROW_KIND(1, ROW_CFA_NONE));
}

#define SIGRETURN "mov $15,%rax\nsyscall\n" /* 9 bytes */

static void signal_trampolines_start_one_byte_early(void **state)
{
	(void)state;
	/* as glibc has it: the FDE starts a byte before the code; then one that does not; then one without CFI */
	assemble("a: .cfi_startproc\n.cfi_signal_frame\nnop\n" SIGRETURN ".cfi_endproc\n.p2align 4\n"
		 "b: .cfi_startproc\n.cfi_signal_frame\n" SIGRETURN ".cfi_endproc\n.skip 23\n"
		 "c: " SIGRETURN ".skip 23\nd: mov $15,%eax\nsyscall\n.skip 24\n"
		 "e: .cfi_startproc\nret\n.cfi_endproc\n",
		 FLAGS, NULL);
	build_page(TEXT_PAGE);
	EXPECT(ROW_KIND(0, ROW_CFA_SIGNAL), ROW_KIND(25, ROW_CFA_NONE), ROW_KIND(47, ROW_CFA_SIGNAL),
	       ROW_KIND(57, ROW_CFA_NONE), ROW_KIND(79, ROW_CFA_SIGNAL), ROW_KIND(89, ROW_CFA_NONE),
	       ROW(111, RSP, 1, ROW_FP_SAME, 0), ROW_KIND(112, ROW_CFA_NONE));
}

static void a_signal_frame_that_is_no_trampoline_follows_its_rules(void **state)
{
	(void)state;
	assemble("a: .cfi_startproc\n.cfi_signal_frame\n.cfi_def_cfa 7,56\nnop\nnop\n.cfi_endproc\n", FLAGS,
		 NULL);
	build_page(TEXT_PAGE);
	EXPECT(ROW(0, RSP, 7, ROW_FP_SAME, 0), ROW_KIND(2, ROW_CFA_NONE));
}

static void a_trampoline_at_a_page_start_is_announced_in_the_page_before(void **state)
{
	(void)state;
	assemble("a: .cfi_startproc\nret\n.cfi_endproc\n.skip 0xffff\n"
		 "b: .cfi_startproc\n.cfi_signal_frame\n" SIGRETURN ".cfi_endproc\n",
		 FLAGS, NULL);
	build_page(TEXT_PAGE);
	EXPECT(ROW(0, RSP, 1, ROW_FP_SAME, 0), ROW_KIND(1, ROW_CFA_NONE), ROW_KIND(0xffff, ROW_CFA_SIGNAL));
	build_page(TEXT_PAGE + 1);
	EXPECT(ROW_KIND(0, ROW_CFA_SIGNAL), ROW_KIND(9, ROW_CFA_NONE));
	assemble("a: .cfi_startproc\nret\n.cfi_endproc\n.skip 0xffff\nb: " SIGRETURN, FLAGS, NULL);
	build_page(TEXT_PAGE);
	EXPECT(ROW(0, RSP, 1, ROW_FP_SAME, 0), ROW_KIND(1, ROW_CFA_NONE), ROW_KIND(0xffff, ROW_CFA_SIGNAL));
	build_page(TEXT_PAGE + 1);
	EXPECT(ROW_KIND(0, ROW_CFA_SIGNAL), ROW_KIND(9, ROW_CFA_NONE));
}

/* glibc's __start_context, 26 bytes; nobody called it, so it is looked up by the padding before it. */
#define CONTEXT                                                                                     \
	"mov %rbx,%rsp\nmov (%rsp),%rdi\ntest %rdi,%rdi\nje 1f\ncall a\nmov %rax,%rdi\n1: call a\n" \
	"hlt\n"

static void what_contexts_return_to_is_an_end_mark(void **state)
{
	(void)state;
	assemble("a: .cfi_startproc\nret\n.cfi_endproc\n.p2align 4\n"
		 "b: .cfi_startproc\n" CONTEXT ".cfi_endproc\n.p2align 4\n"
		 "c: .cfi_startproc\nret\n.cfi_endproc\n",
		 FLAGS, NULL);
	build_page(TEXT_PAGE);
	EXPECT(ROW(0, RSP, 1, ROW_FP_SAME, 0), ROW_KIND(15, ROW_CFA_END), ROW(48, RSP, 1, ROW_FP_SAME, 0),
	       ROW_KIND(49, ROW_CFA_NONE));
	/* at a page's start it is announced in the page before */
	assemble("a: .cfi_startproc\nret\n.cfi_endproc\n.skip 0xffff\n"
		 "b: .cfi_startproc\n" CONTEXT ".cfi_endproc\n",
		 FLAGS, NULL);
	build_page(TEXT_PAGE);
	EXPECT(ROW(0, RSP, 1, ROW_FP_SAME, 0), ROW_KIND(1, ROW_CFA_NONE), ROW_KIND(0xffff, ROW_CFA_END));
	/* who has rules of its own is none */
	assemble("a: .cfi_startproc\nret\n.cfi_endproc\n.p2align 4\n"
		 "b: .cfi_startproc\n.cfi_def_cfa 6,16\n" CONTEXT ".cfi_endproc\n",
		 FLAGS, NULL);
	build_page(TEXT_PAGE);
	EXPECT(ROW(0, RSP, 1, ROW_FP_SAME, 0), ROW(16, RBP, 2, ROW_FP_SAME, 0), ROW_KIND(42, ROW_CFA_NONE));
}

static void entry_point_without_cfi_ends_with_its_call(void **state)
{
	(void)state;
	/* as musl writes it: 3 + 3 + 7 + 4 + 5 bytes */
	assemble(".globl _start\n_start: xor %rbp,%rbp\nmov %rsp,%rdi\nlea 0xe8e8e8(%rip),%rsi\nand "
		 "$-16,%rsp\n"
		 "call g\n.skip 20\ng: .cfi_startproc\nret\n.cfi_endproc\n",
		 "-static -nostdlib -Wl,-Ttext=0x10000 -Wl,--build-id=none", NULL);
	build_page(TEXT_PAGE);
	EXPECT(ROW_KIND(0, ROW_CFA_END), ROW_KIND(22, ROW_CFA_NONE), ROW(42, RSP, 1, ROW_FP_SAME, 0),
	       ROW_KIND(43, ROW_CFA_NONE));
	/* with CFI, the CFI is what counts */
	assemble(".globl _start\n_start: .cfi_startproc\nxor %rbp,%rbp\ncall g\n.cfi_endproc\ng: ret\n",
		 "-static -nostdlib -Wl,-Ttext=0x10000 -Wl,--build-id=none", NULL);
	build_page(TEXT_PAGE);
	EXPECT(ROW(0, RSP, 1, ROW_FP_SAME, 0), ROW_KIND(8, ROW_CFA_NONE));
}

#define CALL_OF_MAIN "call *%rbx\nmov %eax,%edi\ncall x\n" /* 2 + 2 + 5 bytes */

static void the_call_of_main_without_cfi_is_an_end_mark(void **state)
{
	(void)state;
	assemble("x: " CALL_OF_MAIN ".skip 31,0x90\nf: .cfi_startproc\n" CALL_OF_MAIN ".cfi_endproc\n", FLAGS,
		 NULL);
	build_page(TEXT_PAGE);
	EXPECT(ROW_KIND(0, ROW_CFA_END), ROW_KIND(9, ROW_CFA_NONE), ROW(40, RSP, 1, ROW_FP_SAME, 0),
	       ROW_KIND(49, ROW_CFA_NONE));
	/* where frame pointers are to go by they are */
	assemble("x: " CALL_OF_MAIN ".skip 31,0x90\n.section .gopclntab,\"a\"\n.quad 0\n", FLAGS, NULL);
	build_page(TEXT_PAGE);
	EXPECT(ROW_KIND(0, ROW_CFA_FRAME_POINTER));
}

/* As PHP's fibers have it, behind the jump that leads to it; the byte before it is looked up. */
static void what_contexts_of_boost_return_to_is_an_end_mark(void **state)
{
	(void)state;
	assemble("f: .cfi_startproc\nret\n.cfi_endproc\n.skip 31,0x90\n"
		 "g: push %rbp\njmp *%rbx\nxor %rdi,%rdi\ncall x\nhlt\n.skip 32,0x90\n",
		 FLAGS, NULL);
	build_page(TEXT_PAGE);
	assert_int_equal(unwind_row__find(fx.rows, fx.n, 34)->cfa, ROW_CFA_END);
	assert_int_equal(unwind_row__find(fx.rows, fx.n, 43)->cfa, ROW_CFA_END);
	assert_int_not_equal(unwind_row__find(fx.rows, fx.n, 33)->cfa, ROW_CFA_END);
	assert_int_not_equal(unwind_row__find(fx.rows, fx.n, 44)->cfa, ROW_CFA_END);
}

static void end_marks_win_over_everything(void **state)
{
	static const struct unwind_mark marks[] = {
		{0x10001, 0x10004}, {0x10010, 0x10020}, {0, 0}, {0x1fffe, 0x30000}};
	static const struct unwind_table_opts opts = {.end_marks = marks, .n_end_marks = 4};
	static const struct unwind_table_opts too_many = {.end_marks = marks,
							  .n_end_marks = UNWIND_MARKS_MAX + 1};
	struct unwind_table *t;

	(void)state;
	assemble(FRAME_FUNCTION, FLAGS, &opts);
	build_page(TEXT_PAGE);
	EXPECT(ROW(0, RSP, 1, ROW_FP_SAME, 0), ROW_KIND(1, ROW_CFA_END), ROW(4, RBP, 2, ROW_FP_AT_CFA, -2),
	       ROW(5, RSP, 1, ROW_FP_SAME, 0), ROW_KIND(6, ROW_CFA_NONE), ROW_KIND(0x10, ROW_CFA_END),
	       ROW_KIND(0x20, ROW_CFA_NONE), ROW_KIND(0xfffe, ROW_CFA_END));
	assert_int_equal(unwind_table__open(fx.elf, &too_many, &t), -E2BIG);
}

static void go_code_without_rules_keeps_frame_pointers(void **state)
{
	(void)state;
	assemble(FRAME_FUNCTION ".skip 40\n.section .gopclntab,\"a\"\n.quad 0\n", FLAGS, NULL);
	assert_int_equal(unwind_table__sources(fx.table),
			 UNWIND_SOURCE_EH_FRAME_HDR | UNWIND_SOURCE_FRAME_POINTERS);
	build_page(TEXT_PAGE);
	EXPECT(FRAME_ROWS, ROW_KIND(6, ROW_CFA_FRAME_POINTER));
}

static void every_source_gives_the_same_rows(void **state)
{
	static const char *const flags[] = {
		FLAGS "-Wl,--no-eh-frame-hdr",
		FLAGS "-Wl,--strip-all",
		FLAGS "-Wl,--compress-debug-sections=zlib",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		assemble(FRAME_FUNCTION, flags[i], NULL);
		assert_int_equal(unwind_table__sources(fx.table),
				 i == 0 ? UNWIND_SOURCE_EH_FRAME : UNWIND_SOURCE_EH_FRAME_HDR);
		build_page(TEXT_PAGE);
		EXPECT(FRAME_ROWS, ROW_KIND(6, ROW_CFA_NONE));
	}
	for (size_t i = 0; i < 3; i += 2) {
		assemble(".cfi_sections .debug_frame\n" FRAME_FUNCTION, flags[i], NULL);
		assert_int_equal(unwind_table__sources(fx.table), UNWIND_SOURCE_DEBUG_FRAME);
		build_page(TEXT_PAGE);
		EXPECT(FRAME_ROWS, ROW_KIND(6, ROW_CFA_NONE));
	}
}

static void take_section_headers_away(void)
{
	static const uint64_t nothing;
	static const uint32_t no_count;

	assert_int_equal(pwrite(fx.fd, &nothing, 8, 40), 8);  /* e_shoff */
	assert_int_equal(pwrite(fx.fd, &no_count, 4, 60), 4); /* e_shnum, e_shstrndx */
	open_table(NULL);
	assert_int_equal(elf__n_sections(fx.elf), 0);
}

static void files_without_section_headers_are_served_by_segments(void **state)
{
	(void)state;
	assemble(FRAME_FUNCTION, FLAGS, NULL);
	take_section_headers_away();
	build_page(TEXT_PAGE);
	EXPECT(FRAME_ROWS, ROW_KIND(6, ROW_CFA_NONE));
}

static void data_in_the_segment_of_the_code_is_no_code(void **state)
{
	uint32_t derived;

	(void)state;
	/* g has no rules; what looks like it lies among constants, in the same segment */
	assemble(FRAME_FUNCTION ".skip 26\ng: push %rbx\nret\n.skip 62\n"
				".section .rodata,\"a\",@progbits\n.p2align 6\npush %rbx\nret\n.skip 62\n",
		 FLAGS "-Wl,-z,noseparate-code", NULL);
	build_page(TEXT_PAGE);
	EXPECT(FRAME_ROWS, ROW_KIND(6, ROW_CFA_NONE), DERIVED(32, RSP, 1, ROW_FP_SAME, 0),
	       DERIVED(33, RSP, 2, ROW_FP_SAME, 0), ROW_KIND(34, ROW_CFA_NONE));
	derived = fx.stats.derived;
	/* nobody can tell without the sections */
	take_section_headers_away();
	build_page(TEXT_PAGE);
	assert_true(fx.stats.derived > derived);
}

static void debug_frame_fills_the_holes_of_eh_frame(void **state)
{
	(void)state;
	assemble(
		".cfi_sections .eh_frame\n" FRAME_FUNCTION ".skip 26\n"
		"g: nop\nnop\nnop\n.skip 29\nh: .cfi_startproc\nret\n.cfi_endproc\n"
		".section .debug_frame,\"\",@progbits\n"
		/* DWARF64, version 4: CFA = rsp + 24; of g, and of f, where .eh_frame counts */
		"1: .long 0xffffffff\n.quad 3f-2f\n2: .quad -1\n.byte 4\n.asciz \"\"\n.byte 8,0\n.uleb128 1\n"
		".sleb128 -8\n.uleb128 16\n.byte 0x0c,7,24,0x90,1\n.balign 8\n3:\n"
		".long 0xffffffff\n.quad 5f-4f\n4: .quad 1b-.debug_frame\n.quad g\n.quad 3\n5:\n"
		".long 0xffffffff\n.quad 7f-6f\n6: .quad 1b-.debug_frame\n.quad f\n.quad 6\n7:\n"
		/* one of a function that the linker discarded */
		".long 0xffffffff\n.quad 9f-8f\n8: .quad 1b-.debug_frame\n.quad 0\n.quad 100\n9:\n",
		"-static -nostdlib -Wl,-Ttext=0x10000 -Wl,--build-id=none -Wl,--eh-frame-hdr -Wl,-ef", NULL);
	assert_int_equal(unwind_table__sources(fx.table),
			 UNWIND_SOURCE_EH_FRAME_HDR | UNWIND_SOURCE_DEBUG_FRAME);
	assert_int_equal(unwind_table__n_fdes(fx.table), 2 + 2);
	build_page(TEXT_PAGE);
	EXPECT(FRAME_ROWS, ROW_KIND(6, ROW_CFA_NONE), ROW(32, RSP, 3, ROW_FP_SAME, 0),
	       ROW_KIND(35, ROW_CFA_NONE), ROW(64, RSP, 1, ROW_FP_SAME, 0), ROW_KIND(65, ROW_CFA_NONE));
}

static const struct elf_section *section(const char *name)
{
	const struct elf_section *s = elf__find_section(fx.elf, name);

	assert_non_null(s);
	return s;
}

#define TWO_FUNCTIONS FRAME_FUNCTION ".skip 26\ng: .cfi_startproc\nret\n.cfi_endproc\n"
#define TWO_ROWS \
	FRAME_ROWS, ROW_KIND(6, ROW_CFA_NONE), ROW(32, RSP, 1, ROW_FP_SAME, 0), ROW_KIND(33, ROW_CFA_NONE)

static void an_unsorted_search_table_is_not_used(void **state)
{
	uint8_t pairs[16], swapped[16];

	(void)state;
	assemble(TWO_FUNCTIONS, FLAGS, NULL);
	build_page(TEXT_PAGE);
	EXPECT(TWO_ROWS);
	assert_int_equal(pread(fx.fd, pairs, 16, section(".eh_frame_hdr")->offset + 12), 16);
	memcpy(swapped, pairs + 8, 8);
	memcpy(swapped + 8, pairs, 8);
	assert_int_equal(pwrite(fx.fd, swapped, 16, section(".eh_frame_hdr")->offset + 12), 16);
	open_table(NULL);
	assert_int_equal(unwind_table__sources(fx.table), UNWIND_SOURCE_EH_FRAME);
	build_page(TEXT_PAGE);
	EXPECT(TWO_ROWS);
}

static void a_damaged_fde_is_counted_and_its_neighbours_stay(void **state)
{
	static const uint8_t absurd[4] = {0xf0, 0xff, 0xff, 0x7f};
	int32_t first;
	uint64_t fde;

	(void)state;
	assemble(TWO_FUNCTIONS, FLAGS, NULL);
	/* the first pair's second half: where the FDE is, relative to the header */
	assert_int_equal(pread(fx.fd, &first, 4, section(".eh_frame_hdr")->offset + 16), 4);
	fde = section(".eh_frame_hdr")->offset + first;
	assert_int_equal(pwrite(fx.fd, absurd, 4, fde), 4);
	open_table(NULL);
	build_page(TEXT_PAGE);
	/* what the FDE would have said is found out from the instructions */
	EXPECT(DERIVED(0, RSP, 1, ROW_FP_SAME, 0), DERIVED(1, RSP, 2, ROW_FP_SAME, 0),
	       DERIVED(4, RSP, 2, ROW_FP_AT_CFA, -2), DERIVED(5, RSP, 1, ROW_FP_SAME, 0),
	       ROW_KIND(6, ROW_CFA_NONE), ROW(32, RSP, 1, ROW_FP_SAME, 0), ROW_KIND(33, ROW_CFA_NONE));
	assert_int_equal(fx.stats.damaged, 1);
	assert_int_equal(fx.stats.derived, 4);
}

static void a_damaged_program_is_unsupported_from_there_on(void **state)
{
	(void)state;
	/* 0x1c is no instruction of DWARF; a restore without a remember */
	assemble("f: .cfi_startproc\nnop\n.cfi_def_cfa_offset 16\nnop\n.cfi_escape "
		 "0x1c\nnop\nnop\n.cfi_endproc\n"
		 "g: .cfi_startproc\nnop\n.cfi_def_cfa_offset 24\nnop\n.cfi_escape 0x0b\nnop\n.cfi_endproc\n",
		 FLAGS, NULL);
	build_page(TEXT_PAGE);
	EXPECT(ROW(0, RSP, 1, ROW_FP_SAME, 0), ROW(1, RSP, 2, ROW_FP_SAME, 0),
	       ROW_KIND(2, ROW_CFA_UNSUPPORTED), ROW(4, RSP, 1, ROW_FP_SAME, 0),
	       ROW(5, RSP, 3, ROW_FP_SAME, 0), ROW_KIND(6, ROW_CFA_UNSUPPORTED), ROW_KIND(7, ROW_CFA_NONE));
	assert_int_equal(fx.stats.unsupported[UNWIND_UNSUPPORTED_PROGRAM], 2);
}

static void of_overlapping_functions_the_later_start_wins(void **state)
{
	(void)state;
	/* the rules by hand: f has [0, 64) and CFA rsp+8, g has [16, 32) and rsp+16 */
	assemble("f: .skip 16\ng: .skip 48\n"
		 ".section .eh_frame,\"a\",@unwind\n"
		 "1: .long 2f-.-4\n.long 0\n.byte 1\n.asciz \"zR\"\n.byte "
		 "1,0x78,16,1,0x1b,0x0c,7,8,0x90,1\n.balign 8\n"
		 "2: .long 3f-.-4\n.long .-1b\n.long f-.\n.long 64\n.byte 0\n.balign 8\n"
		 "3: .long 4f-.-4\n.long .-1b\n.long g-.\n.long 16\n.byte 0,0x0e,16\n.balign 8\n4:\n",
		 FLAGS "-Wl,--no-eh-frame-hdr", NULL);
	build_page(TEXT_PAGE);
	EXPECT(ROW(0, RSP, 1, ROW_FP_SAME, 0), ROW(16, RSP, 2, ROW_FP_SAME, 0), ROW_KIND(32, ROW_CFA_NONE));
}

static void the_vdso_is_covered_where_its_functions_are(void **state)
{
	const Elf64_Ehdr *vdso = (const void *)getauxval(AT_SYSINFO_EHDR);
	uint32_t n_functions = 0;
	struct buf symbols;

	(void)state;
	if (!vdso)
		skip();
	close(fx.fd);
	fx.fd = memfd_create("vdso", MFD_CLOEXEC);
	/* not more than the section headers' end: what lies behind the image may not be readable */
	assert_true(write(fx.fd, vdso, vdso->e_shoff + (size_t)vdso->e_shnum * sizeof(Elf64_Shdr)) > 0);
	open_table(NULL);
	buf__init(&symbols, 1 << 16);
	assert_int_equal(elf__read_section(fx.elf, section(".dynsym"), 1 << 16, &symbols), 0);
	for (size_t i = 0; i < symbols.len / sizeof(Elf64_Sym); i++) {
		const Elf64_Sym *s = (const Elf64_Sym *)(const void *)symbols.data + i;

		if (ELF64_ST_TYPE(s->st_info) != STT_FUNC)
			continue;
		n_functions++;
		build_page(s->st_value >> ROW_PAGE_BITS);
		for (uint64_t at = s->st_value; at < s->st_value + s->st_size; at++)
			assert_true(unwind_row__find(fx.rows, fx.n, at)->cfa < ROW_CFA_NONE);
	}
	assert_true(n_functions >= 4);
	buf__done(&symbols);
}

static void object_files_and_other_machines_are_refused(void **state)
{
	struct unwind_table *t;
	static const uint16_t arm64 = EM_AARCH64, relocatable = ET_REL;

	(void)state;
	assemble(FRAME_FUNCTION, FLAGS, NULL);
	close_table();
	assert_int_equal(pwrite(fx.fd, &arm64, 2, 18), 2);
	assert_int_equal(elf__open(fx.fd, &fx.elf), 0);
	assert_int_equal(unwind_table__open(fx.elf, NULL, &t), -EOPNOTSUPP);
	elf__free(fx.elf);
	fx.elf = NULL;
	assert_int_equal(pwrite(fx.fd, &(uint16_t){EM_X86_64}, 2, 18), 2);
	assert_int_equal(pwrite(fx.fd, &relocatable, 2, 16), 2);
	assert_int_equal(elf__open(fx.fd, &fx.elf), 0);
	assert_int_equal(unwind_table__open(fx.elf, NULL, &t), -EOPNOTSUPP);
}

static void opening_a_large_library_takes_little_memory(void **state)
{
	uint64_t pages = 0;

	(void)state;
	close(fx.fd);
	fx.fd = open("/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY | O_CLOEXEC);
	assert_true(fx.fd >= 0);
	open_table(NULL);
	assert_true(unwind_table__n_fdes(fx.table) > 1000);
	assert_true(unwind_table__bytes(fx.table) < 4096);
	for (uint64_t page = 0; page < 64; page++) {
		int err = unwind_table__build_page(fx.table, page, fx.rows, ROW_PAGE_SIZE, &fx.n, &fx.stats);

		assert_true(err == 0 || err == -ENOENT);
		pages += !err;
		/* a page's work is of a page: its code, its FDEs, their part of the table */
		assert_true(err || fx.stats.bytes < 512 * 1024);
		assert_int_equal(err ? 0 : fx.stats.damaged, 0);
	}
	assert_true(pages > 10);
}

static int set_up(void **state)
{
	(void)state;
	fx.fd = -1;
	return folder__make(fx.folder);
}

static int tear_down(void **state)
{
	(void)state;
	close_table();
	close(fx.fd);
	return folder__remove(fx.folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_instruction_has_its_row),
		cmocka_unit_test(padding_goes_on_and_a_hole_does_not),
		cmocka_unit_test(a_function_goes_on_in_the_next_page),
		cmocka_unit_test(padding_reaches_over_the_end_of_a_page),
		cmocka_unit_test(special_rules_become_special_rows),
		cmocka_unit_test(rules_that_do_not_fit_are_counted_by_reason),
		cmocka_unit_test(a_large_frame_has_more_bits),
		cmocka_unit_test(plt_expression_becomes_one_row),
		cmocka_unit_test(signal_trampolines_start_one_byte_early),
		cmocka_unit_test(a_signal_frame_that_is_no_trampoline_follows_its_rules),
		cmocka_unit_test(a_trampoline_at_a_page_start_is_announced_in_the_page_before),
		cmocka_unit_test(what_contexts_return_to_is_an_end_mark),
		cmocka_unit_test(entry_point_without_cfi_ends_with_its_call),
		cmocka_unit_test(the_call_of_main_without_cfi_is_an_end_mark),
		cmocka_unit_test(what_contexts_of_boost_return_to_is_an_end_mark),
		cmocka_unit_test(end_marks_win_over_everything),
		cmocka_unit_test(go_code_without_rules_keeps_frame_pointers),
		cmocka_unit_test(every_source_gives_the_same_rows),
		cmocka_unit_test(files_without_section_headers_are_served_by_segments),
		cmocka_unit_test(data_in_the_segment_of_the_code_is_no_code),
		cmocka_unit_test(debug_frame_fills_the_holes_of_eh_frame),
		cmocka_unit_test(an_unsorted_search_table_is_not_used),
		cmocka_unit_test(a_damaged_fde_is_counted_and_its_neighbours_stay),
		cmocka_unit_test(a_damaged_program_is_unsupported_from_there_on),
		cmocka_unit_test(of_overlapping_functions_the_later_start_wins),
		cmocka_unit_test(the_vdso_is_covered_where_its_functions_are),
		cmocka_unit_test(object_files_and_other_machines_are_refused),
		cmocka_unit_test(opening_a_large_library_takes_little_memory),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
