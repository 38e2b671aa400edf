/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: a program may have 60 MB of symbols and as many of their names, and one that is made for it has more; a limit of memory counts them
 * while they are read. A string table is in no order, so names cannot be read along with the symbols.
 *
 * Idea: the names first. They pass by in blocks, and where one that is sought ends there, its place is noted. A symbol is one of those that are sought iff
 * its name begins at such a place.
 *
 *      names     …\0je_malloc\0…          one that ends with another (malloc) is at both places, as linkers merge ends
 *                   ^  ^
 *      symbols   [st_name] [st_name] …    each looked up among the places, by bisection
 *
 * Cost: a byte read each, and for each name in the table one look at its length and its last two letters; where these are of a name that is sought, a comparison with each that is no
 * longer, SYMBOL_SEARCH_COMPARISONS in all. 60 MB of names and as many of symbols take 0.2 s.
 */
#include "user/object/symbol_search.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/bisect.h"
#include "user/base/io.h"
#include "user/object/elf.h"

#define BLOCK_SYMBOLS (SYMBOL_SEARCH_BLOCK / sizeof(Elf64_Sym))

struct place {
	uint64_t at; /* in the table of names */
	uint32_t name;
};

struct search {
	const struct elf *e;
	const char *const *names;
	size_t n_names;
	size_t shortest;
	bool ends[256][256];  /* the last two letters of names, the last one first */
	uint32_t comparisons; /* that are left */
	uint8_t block[SYMBOL_SEARCH_NAME_MAX + SYMBOL_SEARCH_BLOCK];
	struct place places[SYMBOL_SEARCH_PLACES];
	size_t n_places;
};

/* Names that end at the NUL, which `len` bytes that are none stand before. */
static void note(struct search *s, const uint8_t *nul, size_t len, uint64_t at)
{
	if (len < s->shortest || !s->ends[nul[-1]][nul[-2]])
		return;
	for (size_t i = 0; i < s->n_names && s->n_places < SYMBOL_SEARCH_PLACES && s->comparisons; i++) {
		size_t n = strlen(s->names[i]);

		if (n > len)
			continue;
		s->comparisons--;
		if (!memcmp(nul - n, s->names[i], n))
			s->places[s->n_places++] = (struct place){.at = at - n, .name = (uint32_t)i};
	}
}

static int by_place(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

static int find_places(struct search *s, const struct elf_section *strings)
{
	size_t kept = 0, n;

	for (uint64_t at = 0; at < strings->size; at += n) {
		uint8_t *fresh = s->block + kept, *p = fresh, *end;
		const uint8_t *name = memrchr(s->block, 0, kept); /* the one that goes on in this block */
		int err;

		n = strings->size - at < SYMBOL_SEARCH_BLOCK ? (size_t)(strings->size - at)
							     : SYMBOL_SEARCH_BLOCK;
		err = io__pread_full(elf__fd(s->e), fresh, n, strings->offset + at);
		if (err)
			return err == -ENODATA ? -EBADMSG : err;
		end = fresh + n;
		name = name ? name + 1 : s->block;
		while (p < end && (p = memchr(p, 0, (size_t)(end - p))) != NULL) {
			note(s, p, (size_t)(p - name), at + (uint64_t)(p - fresh));
			name = ++p;
		}
		kept = (size_t)(end - s->block) < SYMBOL_SEARCH_NAME_MAX ? (size_t)(end - s->block)
									 : SYMBOL_SEARCH_NAME_MAX;
		memmove(s->block, end - kept, kept);
	}
	qsort(s->places, s->n_places, sizeof(*s->places), by_place);
	return s->comparisons ? 0 : -E2BIG;
}

static const struct place *place_at(const struct search *s, uint64_t at)
{
	uint64_t i = bisect__count(s->n_places, k, s->places[k].at < at);

	return i < s->n_places && s->places[i].at == at ? &s->places[i] : NULL;
}

static int pass_symbols(struct search *s, const struct elf_section *symbols, symbol_search_fn fn, void *ctx)
{
	uint64_t n = symbols->size / sizeof(Elf64_Sym);

	for (uint64_t first = 0; first < n; first += BLOCK_SYMBOLS) {
		size_t step = n - first < BLOCK_SYMBOLS ? (size_t)(n - first) : BLOCK_SYMBOLS;
		int err = io__pread_full(elf__fd(s->e), s->block, step * sizeof(Elf64_Sym),
					 symbols->offset + first * sizeof(Elf64_Sym));

		if (err)
			return err == -ENODATA ? -EBADMSG : err;
		for (size_t i = 0; i < step; i++) {
			const struct place *p;
			Elf64_Sym one;

			memcpy(&one, s->block + i * sizeof(one), sizeof(one));
			p = place_at(s, one.st_name);
			err = p ? fn(&one, p->name, ctx) : 0;
			if (err)
				return err;
		}
	}
	return 0;
}

static int check(const struct elf *e, const struct elf_section *s)
{
	if (s->type == SHT_NOBITS || s->type == SHT_NULL)
		return -ENOENT;
	if (s->flags & SHF_COMPRESSED)
		return -EOPNOTSUPP;
	if (s->offset > elf__file_size(e) || s->size > elf__file_size(e) - s->offset)
		return -EBADMSG;
	return s->size > SYMBOL_SEARCH_BYTES ? -E2BIG : 0;
}

int symbol_search__each(const struct elf *e, const struct elf_section *symbols, const char *const *names,
			size_t n_names, symbol_search_fn fn, void *ctx)
{
	const struct elf_section *strings = elf__section(e, symbols->link);
	int err = strings ? check(e, symbols) : -ENOENT;
	struct search *s;

	if (!err)
		err = check(e, strings);
	if (err)
		return err;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->e = e;
	s->names = names;
	s->n_names = n_names;
	s->comparisons = SYMBOL_SEARCH_COMPARISONS;
	s->shortest = SYMBOL_SEARCH_NAME_MAX;
	for (size_t i = 0; i < n_names; i++) {
		size_t len = strlen(names[i]);

		s->ends[(uint8_t)names[i][len - 1]][(uint8_t)names[i][len - 2]] = true;
		s->shortest = len < s->shortest ? len : s->shortest;
	}
	err = find_places(s, strings);
	if (!err && s->n_places)
		err = pass_symbols(s, symbols, fn, ctx);
	free(s);
	return err;
}
