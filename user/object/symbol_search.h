/* SPDX-License-Identifier: Apache-2.0 */
/*
 * symbol_search - of a file's symbol table, those that have one of some names.
 *
 * Owns: nothing. Thread: any. Limit: SYMBOL_SEARCH_BYTES of symbols and of names, SYMBOL_SEARCH_COMPARISONS of these with those that are sought, which have two
 * letters at least; memory is two blocks of SYMBOL_SEARCH_BLOCK, whatever the file says. Errors: -ENOENT no table of names, -E2BIG over a limit, -EOPNOTSUPP compressed, -EBADMSG, -ENOMEM, and what the function returns.
 */
#ifndef EVERPROF_OBJECT_SYMBOL_SEARCH_H
#define EVERPROF_OBJECT_SYMBOL_SEARCH_H

#include <elf.h>
#include <stddef.h>

struct elf;
struct elf_section;

#define SYMBOL_SEARCH_BYTES       (256u << 20)
#define SYMBOL_SEARCH_BLOCK       (64u << 10)
#define SYMBOL_SEARCH_NAME_MAX    256        /* bytes of a name that is sought */
#define SYMBOL_SEARCH_COMPARISONS (1u << 25) /* half a second */
#define SYMBOL_SEARCH_PLACES \
	512 /* at which the table of names may have them: each is there once, or in front of itself as the end of a longer one */

/* A symbol with names[i]; what it returns, if not 0, ends the search. */
typedef int (*symbol_search_fn)(const Elf64_Sym *symbol, size_t i, void *ctx);

int symbol_search__each(const struct elf *e, const struct elf_section *symbols, const char *const *names,
			size_t n_names, symbol_search_fn fn, void *ctx);

#endif
