/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/elf_image.h"
#include "user/object/elf.h"
#include "user/object/symbol_search.h"

#define FOUND_MAX 64

static const char *const names[] = {"malloc", "je_malloc", "a_name_of_some_letters"};
static struct elf_image image;
static char strings[3 * SYMBOL_SEARCH_BLOCK];

struct found {
	uint64_t value[FOUND_MAX];
	size_t name[FOUND_MAX];
	uint32_t n, stop_after;
};

static int take(const Elf64_Sym *symbol, size_t i, void *ctx)
{
	struct found *f = ctx;

	assert_true(f->n < FOUND_MAX);
	f->value[f->n] = symbol->st_value;
	f->name[f->n++] = i;
	return f->n == f->stop_after ? -E2BIG : 0;
}

static int search(const Elf64_Sym *symbols, size_t n, size_t n_strings, uint64_t flags, struct found *ret)
{
	int fd, err;
	struct elf *e;

	elf_image__init(&image, ET_DYN, EM_X86_64);
	elf_image__section(&image, ".symtab", SHT_SYMTAB, 0,
			   elf_image__add(&image, symbols, n * sizeof(*symbols)), n * sizeof(*symbols))
		->sh_link = 2;
	elf_image__section(&image, ".strtab", SHT_STRTAB, 0, elf_image__add(&image, strings, n_strings),
			   n_strings)
		->sh_flags |= flags;
	fd = elf_image__fd(&image);
	assert_int_equal(elf__open(fd, &e), 0);
	err = symbol_search__each(e, elf__section(e, 1), names, 3, take, ret);
	elf__free(e);
	close(fd);
	return err;
}

static void a_name_may_be_the_end_of_another(void **state)
{
	static const char table[] = "\0je_malloc\0other\0mallocx\0mallo";
	const Elf64_Sym symbols[] = {
		{.st_name = 0, .st_value = 1},  {.st_name = 1, .st_value = 2},
		{.st_name = 4, .st_value = 3},  {.st_name = 11, .st_value = 4},
		{.st_name = 17, .st_value = 5}, {.st_name = 4, .st_value = 6},
		{.st_name = 25, .st_value = 7}, {.st_name = 99999, .st_value = 8},
	};
	struct found f = {0};

	(void)state;
	memcpy(strings, table, sizeof(table));
	assert_int_equal(search(symbols, 8, sizeof(table), 0, &f), 0);
	assert_int_equal(f.n, 3);
	assert_int_equal(f.value[0], 2);
	assert_int_equal(f.name[0], 1);
	assert_int_equal(f.value[1], 3);
	assert_int_equal(f.name[1], 0);
	assert_int_equal(f.value[2], 6);
	/* without its end it is no name */
	f = (struct found){0};
	memcpy(strings, "\0malloc", 7);
	assert_int_equal(search(&symbols[1], 1, 7, 0, &f), 0);
	assert_int_equal(f.n, 0);
}

static void names_over_the_edge_of_a_block_are_found(void **state)
{
	const size_t len = strlen(names[2]);

	(void)state;
	for (size_t block = 1; block <= 2; block++)
		for (size_t before = 0; before <= len + 1; before++) {
			const size_t at = block * SYMBOL_SEARCH_BLOCK - before;
			const Elf64_Sym symbol = {.st_name = (uint32_t)at, .st_value = 7};
			struct found f = {0};

			memset(strings, 'x', sizeof(strings));
			strings[at - 1] = '\0';
			memcpy(strings + at, names[2], len + 1);
			assert_int_equal(search(&symbol, 1, sizeof(strings), 0, &f), 0);
			assert_int_equal(f.n, 1);
			assert_int_equal(f.name[0], 2);
		}
}

static void symbols_of_many_blocks_are_all_looked_at(void **state)
{
	enum { N = 3 * SYMBOL_SEARCH_BLOCK / sizeof(Elf64_Sym) };
	static Elf64_Sym symbols[N];
	struct found f = {0};

	(void)state;
	memcpy(strings, "\0malloc", 8);
	symbols[0] = symbols[N - 1] = (Elf64_Sym){.st_name = 1, .st_value = 5};
	symbols[SYMBOL_SEARCH_BLOCK / sizeof(Elf64_Sym)] = symbols[0];
	assert_int_equal(search(symbols, N, 8, 0, &f), 0);
	assert_int_equal(f.n, 3);
	f = (struct found){.stop_after = 2};
	assert_int_equal(search(symbols, N, 8, 0, &f), -E2BIG);
	assert_int_equal(f.n, 2);
}

static void tables_that_are_not_there_are_refused(void **state)
{
	const Elf64_Sym symbol = {.st_name = 1};
	struct found f = {0};

	(void)state;
	memcpy(strings, "\0malloc", 8);
	assert_int_equal(search(&symbol, 1, 8, SHF_COMPRESSED, &f), -EOPNOTSUPP);
	assert_int_equal(search(&symbol, 1, 0, 0, &f), 0);
	assert_int_equal(f.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_may_be_the_end_of_another),
		cmocka_unit_test(names_over_the_edge_of_a_block_are_found),
		cmocka_unit_test(symbols_of_many_blocks_are_all_looked_at),
		cmocka_unit_test(tables_that_are_not_there_are_refused),
	};

	return cmocka_run_group_tests_name("symbol_search", tests, NULL, NULL);
}
