// SPDX-License-Identifier: Apache-2.0
/*
 * A program is built by the Go compiler of the machine, and our rows are held against the rules that it writes for debuggers (.debug_frame, read by libdw):
 * these say where the CFA is, not where the frame pointer was saved, which is checked where the code tells it.
 */
#include <elfutils/libdw.h>
#include <dwarf.h>
#include <errno.h>
#include <fcntl.h>
#include <libelf.h>
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
#include "tests/support/go_image.h"
#include "user/base/buf.h"
#include "user/object/elf.h"
#include "user/object/go_rows.h"
#include "user/object/gopclntab.h"
#include "user/object/unwind_table.h"

struct fixture {
	char folder[FOLDER_MAX];
	int fd;
	struct elf *elf;
	struct gopclntab *go;
	struct unwind_table *table;
	uint64_t page; /* that rows are of */
	struct unwind_row rows[ROW_PAGE_SIZE];
	uint32_t n_rows;
};

static struct fixture fx;

static const char program[] =
	"package main\n"
	"import \"fmt\"\n"
	"//go:noinline\n"
	"func leaf(a int) int { return a*a + 7 }\n"
	"//go:noinline\n"
	"func framed(a int) int { var b [100]int; for i := range b { b[i] = leaf(a + i) }; return b[a&63] }\n"
	"func main() { fmt.Println(framed(3)) }\n";

static bool build(const char *go)
{
	char path[80], command[400];
	FILE *f;

	snprintf(path, sizeof(path), "%s/main.go", fx.folder);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(program, f);
	fclose(f);
	snprintf(command, sizeof(command),
		 "cd '%s' && export HOME=\"${HOME:-/root}\" && CGO_ENABLED=0 GO111MODULE=off "
		 "GOTOOLCHAIN=local GOFLAGS= "
		 "GOPROXY=off %s build -ldflags=-compressdwarf=false -o program main.go >/dev/null 2>&1",
		 fx.folder, go);
	if (system(command))
		return false;
	snprintf(path, sizeof(path), "%s/program", fx.folder);
	fx.fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fx.fd >= 0);
	assert_int_equal(elf__open(fx.fd, &fx.elf), 0);
	assert_int_equal(gopclntab__load(fx.elf, 0, &fx.go), 0);
	assert_int_equal(unwind_table__open(fx.elf, NULL, &fx.table), 0);
	assert_true(unwind_table__sources(fx.table) & UNWIND_SOURCE_GO);
	fx.page = UINT64_MAX;
	return true;
}

static void close_all(void)
{
	unwind_table__free(fx.table);
	gopclntab__free(fx.go);
	elf__free(fx.elf);
	close(fx.fd);
	memset(&fx.elf, 0, sizeof(fx) - offsetof(struct fixture, elf));
}

static const struct unwind_row *row_at(uint64_t at)
{
	if (at >> ROW_PAGE_BITS != fx.page) {
		fx.page = at >> ROW_PAGE_BITS;
		assert_int_equal(
			unwind_table__build_page(fx.table, fx.page, fx.rows, ROW_PAGE_SIZE, &fx.n_rows, NULL),
			0);
	}
	return unwind_row__find(fx.rows, fx.n_rows, at & (ROW_PAGE_SIZE - 1));
}

static bool find(const char *name, uint32_t *ret_index, struct gopclntab_function *ret)
{
	for (uint32_t i = 0; i < gopclntab__count(fx.go); i++) {
		if (gopclntab__get(fx.go, i, ret) || strcmp(ret->name, name))
			continue;
		*ret_index = i;
		return true;
	}
	return false;
}

/* The stack pointer's distance from the CFA that the compiler states, in units of 8; 0: none stated. */
static int stated(Dwarf_CFI *cfi, uint64_t at)
{
	Dwarf_Frame *frame = NULL;
	Dwarf_Op *ops;
	size_t n;
	int units = 0;

	if (dwarf_cfi_addrframe(cfi, at, &frame))
		return 0;
	if (!dwarf_frame_cfa(frame, &ops, &n) && n == 1) {
		if (ops[0].atom == DW_OP_breg7)
			units = (int)ops[0].number / 8;
		else if (ops[0].atom == DW_OP_bregx && ops[0].number == 7)
			units = (int)ops[0].number2 / 8;
	}
	free(frame);
	return units;
}

static void compare_with_debug_frame(void)
{
	uint64_t n_same = 0, n_other = 0;
	Elf *libelf;
	Dwarf *dwarf;
	Dwarf_CFI *cfi;

	elf_version(EV_CURRENT);
	libelf = elf_begin(fx.fd, ELF_C_READ_MMAP, NULL);
	dwarf = dwarf_begin_elf(libelf, DWARF_C_READ, NULL);
	assert_non_null(dwarf);
	cfi = dwarf_getcfi(dwarf);
	assert_non_null(cfi);
	for (uint32_t i = 0; i < gopclntab__count(fx.go); i++) {
		struct gopclntab_function f;

		/* what assembler functions do to the stack by hand the compiler does not know */
		if (gopclntab__get(fx.go, i, &f) || gopclntab__is_assembly(fx.go, i))
			continue;
		for (uint64_t at = f.start; at < f.end; at++) {
			const struct unwind_row *row = row_at(at);
			int wanted = stated(cfi, at);

			if (!wanted)
				continue;
			if (row->cfa == ROW_REG_RSP && row->cfa_off == wanted)
				n_same++;
			else if (n_other++ < 5)
				print_error("%s+%#llx: cfa %#x %d, stated %d\n", f.name,
					    (unsigned long long)(at - f.start), row->cfa, row->cfa_off,
					    wanted);
		}
	}
	assert_true(n_same > 100000);
	assert_int_equal(n_other, 0);
	dwarf_end(dwarf);
	elf_end(libelf);
}

/* In `framed`, the frame pointer is the caller's until its register is changed, and saved by then. */
static void check_frame_pointers(void)
{
	struct gopclntab_function f;
	uint32_t i, n_saved = 0;

	assert_true(find("main.leaf", &i, &f));
	for (uint64_t at = f.start; at < f.end; at++) {
		assert_int_equal(row_at(at)->cfa, ROW_REG_RSP);
		assert_int_equal(row_at(at)->cfa_off, 1);
		assert_int_equal(row_at(at)->saved, ROW_FP_SAME);
	}
	assert_true(find("main.framed", &i, &f));
	for (uint64_t at = f.start; at < f.end; at++) {
		const struct unwind_row *row = row_at(at);

		assert_int_equal(row->cfa, ROW_REG_RSP);
		assert_true(row->saved == ROW_FP_SAME || (row->saved == ROW_FP_AT_CFA && row->fp_off == -2));
		n_saved += row->saved == ROW_FP_AT_CFA;
	}
	assert_true(n_saved > (f.end - f.start) / 2);
	assert_int_equal(row_at(f.start)->saved, ROW_FP_SAME);
}

/* How many bytes of a function have rows of a kind. */
static uint32_t count(const char *name, uint8_t cfa, uint64_t *ret_len)
{
	struct gopclntab_function f;
	uint32_t n = 0, i;

	assert_true(find(name, &i, &f));
	for (uint64_t at = f.start; at < f.end; at++)
		n += row_at(at)->cfa == cfa;
	*ret_len = f.end - f.start;
	return n;
}

static void check_the_runtime(void)
{
	static const char *const ends[] = {"runtime.goexit", "runtime.mstart", "runtime.rt0_go"};
	uint64_t len;
	uint32_t n;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		n = count(ends[i], ROW_CFA_END, &len);
		assert_int_equal(n, len);
	}
	/* before they leave the stack they are functions as others, after it nothing stands before them */
	assert_in_range(count("runtime.mcall", ROW_CFA_END, &len), 1, len - 1);
	assert_in_range(count("runtime.morestack", ROW_CFA_END, &len), 1, len - 1);
	assert_in_range(count("runtime.mcall", ROW_REG_RSP, &len), 1, len - 1);
	/* these come back */
	n = count("runtime.systemstack", ROW_CFA_SWITCH,
		  &len); /* with a frame of its own, or else in doubt */
	n += count("runtime.systemstack", ROW_CFA_SWITCH | ROW_DERIVED, &len);
	assert_in_range(n, 1, len - 1);
	n = count("runtime.asmcgocall", ROW_CFA_SWITCH, &len); /* with a frame of its own, or else in doubt */
	n += count("runtime.asmcgocall", ROW_CFA_SWITCH | ROW_DERIVED, &len);
	assert_in_range(n, 1, len - 1);
	assert_int_equal(count("runtime.systemstack", ROW_CFA_END, &len), 0);
	/* and in all of it little is unknown */
	n = count("runtime.systemstack", ROW_CFA_NONE, &len);
	assert_true(n * 4 < len);
}

static void check_compiler(const char *go)
{
	if (!build(go))
		skip();
	compare_with_debug_frame();
	check_frame_pointers();
	check_the_runtime();
	close_all();
}

static void rows_agree_with_what_the_installed_compiler_states(void **state)
{
	(void)state;
	check_compiler("go");
}

static void rows_agree_with_what_the_distributions_compiler_states(void **state)
{
	(void)state;
	check_compiler("/usr/lib/go-1.19/bin/go");
}

static void open_image(uint32_t n, uint32_t step, uint32_t apart)
{
	fx.fd = go_image__fd(n, step, apart);
	assert_int_equal(elf__open(fx.fd, &fx.elf), 0);
	assert_int_equal(unwind_table__open(fx.elf, NULL, &fx.table), 0);
	assert_true(unwind_table__sources(fx.table) & UNWIND_SOURCE_GO);
}

static int build_page(uint64_t number)
{
	return unwind_table__build_page(fx.table, (GO_IMAGE_CODE >> ROW_PAGE_BITS) + number, fx.rows,
					ROW_PAGE_SIZE, &fx.n_rows, NULL);
}

static void a_page_costs_no_more_than_its_code_can_have(void **state)
{
	static const struct {
		uint32_t n, step, apart;
		int err;
	} cases[] = {
		{GO_ROWS_ENTRIES_MAX, 0, 0, 0},
		{GO_ROWS_ENTRIES_MAX + 1, 0, 0, -E2BIG}, /* without any code */
		{1000, 1, 4096, 0},
		{8192, 1, 4096, -E2BIG}, /* 32 MiB of records */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		open_image(cases[i].n, cases[i].step, cases[i].apart);
		assert_int_equal(build_page(0), cases[i].err);
		assert_true(unwind_table__bytes(fx.table) < GO_ROWS_TOUCHED_MAX + (1u << 20));
		close_all();
	}
}

static void pages_of_a_large_table_add_up_to_a_limit(void **state)
{
	(void)state;
	open_image(12000, 64, 4096); /* 4 MiB a page */
	for (uint64_t page = 0; page < 11; page++) {
		assert_int_equal(build_page(page), 0);
		assert_true(unwind_table__sources(fx.table) & UNWIND_SOURCE_GO);
		assert_true(unwind_table__bytes(fx.table) < UNWIND_GO_BYTES_MAX + (1u << 20));
	}
	close_all();
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
	return folder__remove(fx.folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_agree_with_what_the_installed_compiler_states),
		cmocka_unit_test(rows_agree_with_what_the_distributions_compiler_states),
		cmocka_unit_test(a_page_costs_no_more_than_its_code_can_have),
		cmocka_unit_test(pages_of_a_large_table_add_up_to_a_limit),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
