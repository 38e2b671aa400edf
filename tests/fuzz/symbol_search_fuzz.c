// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a symbol table (the first half) and its names (the rest): what is found is what looking at each symbol by itself finds, in its order.
 */
#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/elf_image.h"
#include "user/object/elf.h"
#include "user/object/symbol_search.h"

#define N_NAMES 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[N_NAMES] = {"malloc", "je_malloc", "runtime.allgs", "oc"};

struct naive {
	const uint8_t *symbols;
	const char *strings;
	size_t n, n_strings, next;
};

static bool is_name(const struct naive *t, uint32_t at, size_t i)
{
	size_t len = strlen(names[i]) + 1;

	return at < t->n_strings && len <= t->n_strings - at && !memcmp(t->strings + at, names[i], len);
}

/* Moves to the next symbol that has one of the names; false: there is none. */
static bool next_symbol(struct naive *t, Elf64_Sym *ret, size_t *ret_name)
{
	while (t->next < t->n) {
		memcpy(ret, t->symbols + t->next++ * sizeof(*ret), sizeof(*ret));
		for (*ret_name = 0; *ret_name < N_NAMES; ++*ret_name)
			if (is_name(t, ret->st_name, *ret_name))
				return true;
	}
	return false;
}

static int compare(const Elf64_Sym *symbol, size_t i, void *naive)
{
	Elf64_Sym expected;
	size_t name;

	if (!next_symbol(naive, &expected, &name) || name != i || memcmp(&expected, symbol, sizeof(expected)))
		abort();
	return 0;
}

static size_t n_places(const struct naive *t)
{
	size_t n = 0;

	for (size_t at = 0; at < t->n_strings; at++)
		for (size_t i = 0; i < N_NAMES; i++)
			n += is_name(t, (uint32_t)at, i);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct elf_image image;
	size_t half = size / 2, name;
	struct naive naive = {.symbols = data, .n = half / sizeof(Elf64_Sym), .n_strings = size - half};
	struct elf *e = NULL;
	Elf64_Sym left;
	int fd, err;

	naive.strings = (const char *)data + half;
	elf_image__init(&image, ET_DYN, EM_X86_64);
	elf_image__section(&image, ".symtab", SHT_SYMTAB, 0, elf_image__add(&image, data, half), half)
		->sh_link = 2;
	elf_image__section(&image, ".strtab", SHT_STRTAB, 0,
			   elf_image__add(&image, naive.strings, size - half), size - half);
	fd = elf_image__fd(&image);
	if (elf__open(fd, &e))
		abort();
	err = symbol_search__each(e, elf__section(e, 1), names, N_NAMES, compare, &naive);
	/* past so many places some are left out */
	if (n_places(&naive) <= SYMBOL_SEARCH_PLACES && (err || next_symbol(&naive, &left, &name)))
		abort();
	elf__free(e);
	close(fd);
	return 0;
}
