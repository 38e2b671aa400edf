// SPDX-License-Identifier: Apache-2.0
/* A table that was read in part, beside the whole one of the same file: real files, random addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/buf.h"
#include "user/object/elf.h"
#include "user/object/symtab.h"
#include "user/object/symtab_part.h"

#define WANTED_MAX 300

/* Files with a .symtab, with a .dynsym only, with C++ names; and with stubs. */
static const char *const files[] = {"/proc/self/exe", "/usr/lib/x86_64-linux-gnu/libc.so.6",
				    "/usr/lib/x86_64-linux-gnu/libstdc++.so.6"};

static struct elf *open_elf(const char *path)
{
	struct elf *e;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return NULL;
	assert_int_equal(elf__open(fd, &e), 0);
	return e;
}

static void close_elf(struct elf *e)
{
	int fd = elf__fd(e);

	elf__free(e);
	close(fd);
}

static int ascending(const void *va, const void *vb)
{
	const uint64_t *a = va, *b = vb;

	return *a < *b ? -1 : *a > *b;
}

/* n addresses in and near functions, the first and the last of the table among them. */
static void pick(const struct symtab *whole, uint64_t *wanted, size_t n)
{
	uint32_t count = symtab__count(whole);

	for (size_t i = 0; i < n; i++) {
		uint32_t at = i == 0 ? 0 : i == 1 ? count - 1 : (uint32_t)rand() % count;
		struct symtab_symbol s = symtab__get(whole, at);

		wanted[i] = s.start + (uint64_t)rand() % (s.size + 64);
	}
	qsort(wanted, n, sizeof(*wanted), ascending);
}

/* Stubs are in a part where one of them is asked for. */
static void expect_same(const struct symtab *whole, const struct symtab *part, uint64_t vaddr,
			bool part_has_stubs)
{
	struct symtab_symbol a, b;
	int err = symtab__find(whole, vaddr, &a);

	if (!err && strstr(a.name, "@plt") && !part_has_stubs)
		return;
	assert_int_equal(part ? symtab__find(part, vaddr, &b) : -ENOENT, err);
	if (err)
		return;
	assert_int_equal(b.start, a.start);
	assert_int_equal(b.size, a.size);
	assert_string_equal(b.name, a.name);
}

static void compare(const struct elf *e, const struct symtab *whole, size_t n)
{
	uint64_t wanted[WANTED_MAX];
	struct symtab_opts opts = {.wanted = wanted, .n_wanted = n, .around = true};
	struct symtab *part = NULL;
	int err;

	pick(whole, wanted, n);
	err = symtab__load(&e, 1, &opts, &part);
	assert_true(err == 0 || err == -ENOENT);
	for (size_t i = 0; i < n; i++) {
		expect_same(whole, part, wanted[i], true);
		for (int k = 0; k < 32; k++)
			expect_same(whole, part,
				    wanted[i] - SYMTAB_REACH / 2 + (uint64_t)rand() % SYMTAB_REACH, false);
	}
	if (n == 1 && part && symtab__count(whole) > 1000)
		assert_true(symtab__count(part) < symtab__count(whole) / 2);
	symtab__free(part);
}

static void a_part_answers_as_the_whole_table_does(void **state)
{
	static const size_t sizes[] = {1, 2, 20, WANTED_MAX};
	int n_files = 0;

	(void)state;
	for (size_t f = 0; f < sizeof(files) / sizeof(*files); f++) {
		struct elf *e = open_elf(files[f]);
		struct symtab *whole;

		if (!e)
			continue;
		n_files++;
		assert_int_equal(symtab__load((const struct elf *const *)&e, 1, NULL, &whole), 0);
		for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
			for (int round = 0; round < 8; round++)
				compare(e, whole, sizes[i]);
		symtab__free(whole);
		close_elf(e);
	}
	assert_true(n_files >= 1);
}

static void stubs_that_are_asked_for_have_their_names(void **state)
{
	struct elf *e = open_elf("/proc/self/exe");
	struct symtab *whole;
	uint32_t n = 0;

	(void)state;
	assert_non_null(e);
	assert_int_equal(symtab__load((const struct elf *const *)&e, 1, NULL, &whole), 0);
	for (uint32_t i = 0; i < symtab__count(whole); i++) {
		struct symtab_symbol s = symtab__get(whole, i);
		struct symtab_opts opts = {.wanted = &s.start, .n_wanted = 1, .around = true};
		struct symtab *part;

		if (!strstr(s.name, "@plt"))
			continue;
		assert_int_equal(symtab__load((const struct elf *const *)&e, 1, &opts, &part), 0);
		expect_same(whole, part, s.start, true);
		symtab__free(part);
		n++;
	}
	assert_true(n > 0);
	symtab__free(whole);
	close_elf(e);
}

static int read_part(const struct elf *e, const struct elf_section *table, const struct elf_section *strings)
{
	const uint64_t vaddr = table->vaddr;
	const struct symtab_wanted w = {&vaddr, 1};
	struct buf symbols, names;
	int err;

	buf__init(&symbols, 1 << 20);
	buf__init(&names, 1 << 20);
	err = symtab_part__read(e, table, strings, &w, UINT64_MAX / 4, &symbols, &names);
	for (size_t i = 0; !err && i + sizeof(Elf64_Sym) <= symbols.len; i += sizeof(Elf64_Sym)) {
		Elf64_Sym sym;

		memcpy(&sym, symbols.data + i, sizeof(sym));
		assert_true(sym.st_name > 0 && sym.st_name < names.len);
	}
	buf__done(&symbols);
	buf__done(&names);
	return err;
}

static void sections_that_lie_are_refused(void **state)
{
	struct elf *e = open_elf("/proc/self/exe");
	const struct elf_section *table, *strings;
	struct elf_section bad;

	(void)state;
	assert_non_null(e);
	table = elf__find_section_type(e, SHT_SYMTAB);
	assert_non_null(table);
	strings = elf__section(e, table->link);
	assert_int_equal(read_part(e, table, strings), 0);
	bad = *table;
	bad.size = elf__file_size(e);
	assert_int_equal(read_part(e, &bad, strings), -EBADMSG);
	bad.offset = UINT64_MAX - 8;
	assert_int_equal(read_part(e, &bad, strings), -EBADMSG);
	bad = *table;
	bad.flags |= SHF_COMPRESSED;
	assert_int_equal(read_part(e, &bad, strings), -EOPNOTSUPP);
	bad = *strings;
	bad.size = 3; /* nearly all names are behind the end */
	assert_int_equal(read_part(e, table, &bad), 0);
	close_elf(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_part_answers_as_the_whole_table_does),
		cmocka_unit_test(stubs_that_are_asked_for_have_their_names),
		cmocka_unit_test(sections_that_lie_are_refused),
	};

	srand(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
