/* SPDX-License-Identifier: Apache-2.0 */
/*
 * symtab - the functions of an ELF file by address: .symtab, .dynsym, the tables of debug files, PLT entries.
 *
 * A name is given only to what a symbol covers: an address in a gap has none, rather than its neighbour's.
 *
 * Owns: entries and names, nothing of the file. Thread: one loads, any reads. Limit: symtab_opts. Errors: -ENOENT
 * no function symbols, -E2BIG over a limit, -EBADMSG damaged, -ENOMEM.
 */
#ifndef EVERPROF_OBJECT_SYMTAB_H
#define EVERPROF_OBJECT_SYMTAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf;
struct symtab;

#define SYMTAB_SYMBOLS_MAX (4u << 20)  /* function symbols of one file, aliases included */
#define SYMTAB_NAME_MAX    8192        /* bytes; longer names are cut */
#define SYMTAB_UNSIZED_MAX (16u << 10) /* bytes that a symbol without a size may cover */
#define SYMTAB_REACH       SYMTAB_UNSIZED_MAX
/* for what reaches into it, and what that is bounded by */
#define SYMTAB_AROUND   (SYMTAB_REACH + SYMTAB_UNSIZED_MAX)
#define SYMTAB_NEST_MAX 16 /* symbols inside a symbol that a lookup looks past */

struct symtab_opts {
	size_t limit_bytes; /* memory of the finished table; 0: 64 MiB */
	size_t read_bytes;  /* a section of the file; 0: 256 MiB */
	/* Where set: only symbols that cover one of these ascending addresses are kept, so that a table that is too
	 * large to be kept whole still names what is asked now. */
	const uint64_t *wanted;
	size_t n_wanted;
	/* And all that lies within SYMTAB_AROUND of them: within SYMTAB_REACH the answers are those of the whole table, of which some thousandth is read;
	 * stubs are there where one is asked for. */
	bool around;
};

struct symtab_symbol {
	uint64_t start, size;
	const char *name; /* as in the file, less its version; borrowed until the table is freed */
};

/* -- pure: tables as bytes -- */
struct symtab_source {
	const void *symbols; /* Elf64_Sym[], any alignment */
	size_t symbols_len;
	const char *strings;
	size_t strings_len;
	bool is_complete;   /* it has every function, so that one without a size reaches to the next */
	const char *suffix; /* appended to each name, or NULL */
};

struct symtab_range {
	uint64_t start, end; /* executable addresses */
};

/* At most UINT8_MAX sources. Ranges in any order, overlaps allowed. */
int symtab__parse(const struct symtab_source *sources, size_t n_sources, const struct symtab_range *exec,
		  size_t n_exec, const struct symtab_opts *opts, struct symtab **ret_table);

/* -- files -- */
/*
 * files[0] is the object itself; debug files of it may follow. Reads .symtab of each, .dynsym where there is none,
 * and the PLT of the object. A damaged table among several is left out.
 */
int symtab__load(const struct elf *const *files, size_t n_files, const struct symtab_opts *opts,
		 struct symtab **ret_table);
void symtab__free(struct symtab *t);

/* The innermost symbol that covers the address; -ENOENT. */
int symtab__find(const struct symtab *t, uint64_t vaddr, struct symtab_symbol *ret_symbol);
/* The addresses [start, end) around vaddr for which symtab__find gives the same answer, a symbol or none. */
void symtab__stretch(const struct symtab *t, uint64_t vaddr, uint64_t *ret_start, uint64_t *ret_end);
uint32_t symtab__count(const struct symtab *t);
/* Symbol i in ascending order of address. */
struct symtab_symbol symtab__get(const struct symtab *t, uint32_t i);
size_t symtab__bytes(const struct symtab *t);

#endif
