// SPDX-License-Identifier: Apache-2.0
/*
 * Libraries of a few functions, of which some have rules and some have not, are assembled at 0x10000; the rows of those without are compared with what
 * the source does. The low half of an address is the offset in the source.
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
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/folder.h"
#include "user/object/code_rows.h"
#include "user/object/elf.h"
#include "user/object/unwind_table.h"

#define COVERED "f: .cfi_startproc\nret\n.cfi_endproc\n"
#define FLAGS   "-shared -nostdlib -Wl,-Ttext=0x10000 -Wl,--build-id=none "

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

static void close_all(void)
{
	unwind_table__free(fx.table);
	elf__free(fx.elf);
	if (fx.fd >= 0)
		close(fx.fd);
	fx.table = NULL;
	fx.elf = NULL;
	fx.fd = -1;
}

static void assemble(const char *source, const char *flags)
{
	char path[64], command[400];
	FILE *f;

	close_all();
	snprintf(path, sizeof(path), "%s/t.S", fx.folder);
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, ".text\n%s\n.section .note.GNU-stack,\"\",@progbits\n", source);
	assert_int_equal(fclose(f), 0);
	snprintf(command, sizeof(command), "cd %s && gcc %s -o t.so t.S 2>log || { cat log; false; }",
		 fx.folder, flags);
	assert_int_equal(system(command), 0);
	snprintf(path, sizeof(path), "%s/t.so", fx.folder);
	fx.fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fx.fd >= 0);
	assert_int_equal(elf__open(fx.fd, &fx.elf), 0);
	assert_int_equal(unwind_table__open(fx.elf, NULL, &fx.table), 0);
}

static void build(uint64_t page)
{
	assert_int_equal(unwind_table__build_page(fx.table, page, fx.rows, ROW_PAGE_SIZE, &fx.n, &fx.stats),
			 0);
}

#define SP(off)        ROW_DERIVED | ROW_REG_RSP, off, ROW_FP_SAME, 0
#define SAVED(off, at) ROW_DERIVED | ROW_REG_RSP, off, ROW_FP_AT_CFA, at
#define RULE(off)      ROW_REG_RSP, off, ROW_FP_SAME, 0 /* of the file itself */
#define NOTHING        ROW_CFA_NONE, 0, 0, 0

static void expect(uint16_t pc, uint8_t cfa, int16_t cfa_off, uint8_t saved, int16_t fp_off)
{
	const struct unwind_row *row = unwind_row__find(fx.rows, fx.n, pc);

	assert_non_null(row);
	if (row->cfa != cfa || row->cfa_off != cfa_off || row->saved != saved || row->fp_off != fp_off)
		fail_msg("%#x: cfa %#x %d saved %#x %d", pc, row->cfa, row->cfa_off, row->saved, row->fp_off);
}

/* A file with many rules: what has none is assembler. */
static void a_jump_to_nobody_knows_where_is_followed_among_code_with_rules(void **state)
{
	static const char rules[] = ".rept %d\n.cfi_startproc\nret\n.cfi_endproc\n.endr\n",
			  code[] = ".p2align 6\n.globl g\n.type g,@function\n"
				   "g: push %rbx\n"   /* 0x80 */
				   "jmp *%rax\n"      /* 0x81 */
				   "mov %rbx,%rax\n"  /* 0x83 */
				   "pop %rbx\nret\n"; /* 0x86 */
	char source[512];

	(void)state;
	for (int n = 127; n <= 128; n++) {
		int len = snprintf(source, sizeof(source), rules, n);

		snprintf(source + len, sizeof(source) - (size_t)len, "%s", code);
		assemble(source, FLAGS);
		build(1);
		expect(0x81, SP(2));
		if (n == 128)
			expect(0x83, SP(2));
		else
			expect(0x83, NOTHING);
	}
}

/* Where the CFA is read from a word there is another place for the mark. */
static void a_row_that_reads_the_cfa_is_marked_as_made_here(void **state)
{
	(void)state;
	assemble(".globl f\n.type f,@function\n"
		 "f: push %rbp\nmov %rsp,%rax\n"    /* 0, 1 */
		 "and $-16,%rsp\nmov %rax,(%rsp)\n" /* 4, 8 */
		 "mov %rsp,%rbp\nsub $64,%rsp\n"    /* 0xc, 0xf */
		 "mov %rbp,%rsp\npop %rsp\npop %rbp\nret\n",
		 FLAGS);
	build(1);
	expect(0x13, ROW_REG_RBP | ROW_CFA_DEREF | 2 << ROW_DEREF_ADD_SHIFT, 0,
	       ROW_FP_AT_CFA | ROW_DEREF_DERIVED, -2);
	assert_true(unwind_row__is_derived(unwind_row__find(fx.rows, fx.n, 0x13)));
}

static void code_without_rules_is_followed(void **state)
{
	(void)state;
	assemble(COVERED ".p2align 6\n.globl g\n.type g,@function\n"
			 "g: push %rbp\n"  /* 0x40 */
			 "mov %rsp,%rbp\n" /* 0x41 */
			 "sub $16,%rsp\n"  /* 0x44 */
			 "call h\n"        /* 0x48 */
			 "leave\n"         /* 0x4d */
			 "ret\n"           /* 0x4e */
			 ".skip 49,0x90\n"
			 "h: push %rbx\n" /* 0x80 */
			 "pop %rbx\nret\n",
		 FLAGS);
	build(1);
	expect(0, RULE(1));
	expect(0x20, NOTHING);
	expect(0x40, SP(1));
	expect(0x41, SP(2));
	expect(0x44, SAVED(2, -2));
	expect(0x48, SAVED(4, -2));
	expect(0x4d, SAVED(4, -2));
	expect(0x4e, SP(1));
	expect(0x4f, NOTHING);
	expect(0x80, SP(1));
	expect(0x81, SP(2));
	expect(0x82, SP(1));
	expect(0x83, NOTHING);
	assert_true(fx.stats.derived >= 8);
}

static void code_with_rules_gives_none_of_them_up(void **state)
{
	(void)state;
	/* the rules are wrong, and they are what counts */
	assemble("f: .cfi_startproc\n.cfi_def_cfa 7,64\npush %rax\npop %rax\nret\n.cfi_endproc\n", FLAGS);
	build(1);
	expect(0, RULE(8));
	expect(1, RULE(8));
	expect(3, NOTHING);
	assert_int_equal(fx.stats.derived, 0);
}

static void a_function_is_known_by_a_call_from_code_with_rules(void **state)
{
	(void)state;
	/* not aligned, no symbol, behind another one */
	assemble("f: .cfi_startproc\ncall 1f\nret\n.cfi_endproc\n.skip 59,0x90\nret\n1: push "
		 "%rdx\nnop\n.skip 20,0x90\npop %rdx\nret\n",
		 FLAGS "-Wl,--strip-all");
	build(1);
	expect(0x42, SP(1));
	expect(0x43, SP(2));
	expect(0x58, SP(2));
	expect(0x59, SP(1));
}

/* Of the commands of busybox, which is linked to one address, and calls them through a table. */
static void a_function_is_known_by_a_pointer_in_data_that_needs_no_relocation(void **state)
{
	const char *source =
		COVERED ".skip 64,0x90\n1: push %rdx\nnop\n.skip 20,0x90\npop %rdx\nret\n"
			".globl _start\n_start: jmp f\n.section %s\n.byte 1\n.p2align 3\n.quad 1b\n";
	static const struct {
		const char *section;
		bool is_known;
	} cases[] = {{".data", true}, {".rodata", false}};
	char text[512];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), source, cases[i].section);
		assemble(text,
			 "-static -no-pie -nostdlib -Wl,-Ttext=0x10000 -Wl,--build-id=none -Wl,--strip-all");
		build(1);
		if (cases[i].is_known) {
			expect(0x41, SP(1));
			expect(0x42, SP(2));
		} else {
			expect(0x42, NOTHING);
		}
	}
}

/*
 * Pages without rules in a file that has thousands of them: V8's builtins keep frame pointers, and are walked by those; libavcodec's assembler does not, and is followed. A function that
 * has a frame pointer now and then is no sign.
 */
static void assembler_in_a_file_of_many_rules_is_followed(void **state)
{
	const char *source =
		".rept 4100\n.cfi_startproc\nret\n.cfi_endproc\n.endr\n.balign 65536,0x90\n%s"
		".balign 65536,0x90\n.rept 8192\npush %%rbx\npop %%rbx\nret\n.balign 16,0x90\n.endr\n";
	/* mov %rsp,%rbp as gcc and clang, and as V8 have it */
	const char *framed[] = {
		".rept 4096\npush %rbp\n.byte 0x48,0x89,0xe5\npop %rbp\nret\n.balign 16,0x90\n.endr\n",
		".rept 4096\npush %rbp\n.byte 0x48,0x8b,0xec\npop %rbp\nret\n.balign 16,0x90\n.endr\n"};
	char text[1024];

	(void)state;
	snprintf(text, sizeof(text), source, "push %rbp\nmov %rsp,%rbp\npop %rbp\nret\n");
	assemble(text, FLAGS);
	build(4);
	expect(0x100, SP(1));
	expect(0x101, SP(2));
	for (int i = 0; i < 2; i++) {
		snprintf(text, sizeof(text), source, framed[i]);
		assemble(text, FLAGS);
		build(4);
		expect(0x101, NOTHING);
	}
}

static void a_function_over_the_edge_of_a_page_has_rows_on_both_sides(void **state)
{
	(void)state;
	assemble(COVERED ".skip 0xff7f,0x90\n.globl g\n.type g,@function\ng: push %rbx\nsub $32,%rsp\n.skip "
			 "0x100,0x90\nadd "
			 "$32,%rsp\npop %rbx\nret\n",
		 FLAGS);
	build(1);
	expect(0xff80, SP(1));
	expect(0xff81, SP(2));
	expect(0xffff, SP(6));
	build(2);
	expect(0, SP(6));
	expect(0x84, SP(6));
	expect(0x85, SP(6)); /* add $32,%rsp: before it is done */
	expect(0x89, SP(2));
	expect(0x8a, SP(1));
	expect(0x8b, NOTHING);
	assert_int_equal(fx.stats.derived, 3); /* the one at the page's start, too */
}

static void the_pieces_of_init_are_one_function(void **state)
{
	(void)state;
	assemble(COVERED ".section .init,\"ax\"\nsub $8,%rsp\n.section .init,\"ax\"\nnop\nadd $8,%rsp\nret\n",
		 FLAGS "-Wl,--section-start=.init=0xf000 -Wl,--strip-all");
	build(0);
	expect(0xf000, SP(1));
	expect(0xf004, SP(2));
	expect(0xf005, SP(2));
	expect(0xf009, SP(1));
}

static void padding_costs_no_more_than_a_look(void **state)
{
	uint64_t bytes;

	(void)state;
	assemble(COVERED ".skip 63,0x90\ng: .cfi_startproc\nret\n.cfi_endproc\n.skip 4096,0xcc\n", FLAGS);
	build(1);
	bytes = fx.stats.bytes;
	assert_int_equal(fx.stats.derived, 0);
	assemble(COVERED ".skip 63,0x90\ng: .cfi_startproc\nret\n.cfi_endproc\n.skip 4095,0xcc\nret\n",
		 FLAGS);
	build(1);
	assert_true(fx.stats.bytes > bytes);
}

static void no_holes_give_no_rows_and_too_large_ones_are_refused(void **state)
{
	static const struct code_hole far_apart[] = {{0x10000, 0x10100}, {0x90000, 0x90100}};
	struct row_list list = {.rows = fx.rows, .max = ROW_PAGE_SIZE};
	struct code_rows_stats stats;

	(void)state;
	assemble(COVERED, FLAGS);
	assert_int_equal(code_rows__build(fx.elf, NULL, 0, NULL, 0, 0x10000, 0x20000, &list, &stats), 0);
	assert_int_equal(list.n, 1);
	assert_int_equal(list.rows[0].cfa, ROW_CFA_NONE);
	list.n = 0;
	assert_int_equal(code_rows__build(fx.elf, NULL, 0, far_apart, 2, 0x10000, 0x20000, &list, &stats),
			 -E2BIG);
}

/* What the distribution calls its small C library has no rules at all but for its stubs. */
static void most_of_a_c_library_without_rules_is_known(void **state)
{
	static const char path[] = "/lib/ld-musl-x86_64.so.1";
	uint64_t known = 0, all = 0;

	(void)state;
	if (access(path, R_OK))
		skip();
	close_all();
	fx.fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(elf__open(fx.fd, &fx.elf), 0);
	assert_int_equal(unwind_table__open(fx.elf, NULL, &fx.table), 0);
	for (uint64_t page = 0; page < 16; page++) {
		const struct elf_section *text = elf__find_section(fx.elf, ".text");

		if (unwind_table__build_page(fx.table, page, fx.rows, ROW_PAGE_SIZE, &fx.n, NULL))
			continue;
		for (uint64_t at = page << ROW_PAGE_BITS; at < (page + 1) << ROW_PAGE_BITS; at++) {
			if (at < text->vaddr || at >= text->vaddr + text->size)
				continue;
			known += unwind_row__find(fx.rows, fx.n, at & (ROW_PAGE_SIZE - 1))->cfa !=
				 ROW_CFA_NONE;
			all++;
		}
	}
	print_message("%llu of %llu bytes\n", (unsigned long long)known, (unsigned long long)all);
	assert_true(all > 100000);
	assert_true(known * 10 > all * 9);
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
	close_all();
	return folder__remove(fx.folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_jump_to_nobody_knows_where_is_followed_among_code_with_rules),
		cmocka_unit_test(a_row_that_reads_the_cfa_is_marked_as_made_here),
		cmocka_unit_test(code_without_rules_is_followed),
		cmocka_unit_test(code_with_rules_gives_none_of_them_up),
		cmocka_unit_test(a_function_is_known_by_a_call_from_code_with_rules),
		cmocka_unit_test(a_function_is_known_by_a_pointer_in_data_that_needs_no_relocation),
		cmocka_unit_test(assembler_in_a_file_of_many_rules_is_followed),
		cmocka_unit_test(a_function_over_the_edge_of_a_page_has_rows_on_both_sides),
		cmocka_unit_test(the_pieces_of_init_are_one_function),
		cmocka_unit_test(padding_costs_no_more_than_a_look),
		cmocka_unit_test(no_holes_give_no_rows_and_too_large_ones_are_refused),
		cmocka_unit_test(most_of_a_c_library_without_rules_is_known),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
