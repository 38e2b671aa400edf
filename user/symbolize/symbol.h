/* SPDX-License-Identifier: Apache-2.0 */
/*
 * symbol - what an address is called, or why it has no name.
 *
 * Owns: nothing; strings are borrowed from whoever made the symbol. Thread: any. Limit: none. Errors: none.
 */
#ifndef EVERPROF_SYMBOLIZE_SYMBOL_H
#define EVERPROF_SYMBOLIZE_SYMBOL_H

#include <stddef.h>
#include <stdint.h>

/* Why an address has the name that it has, or none. */
enum symbol_reason {
	SYMBOL_NAMED,       /* a symbol covers it */
	SYMBOL_STRIPPED,    /* the file has no function symbols, nor has a debug file of it */
	SYMBOL_GAP,         /* it lies between the symbols */
	SYMBOL_OBJECT_GONE, /* the file could not be opened any more */
	SYMBOL_DAMAGED,     /* the file or its symbols contradict themselves */
	SYMBOL_FOREIGN,     /* not an ELF file of this kind of machine */
	SYMBOL_TOO_BIG,     /* the file's symbols are over a limit */
	SYMBOL_HIDDEN,      /* the kernel does not show its symbols */
	SYMBOL_NO_MEMORY,
	SYMBOL_REASON_MAX
};

/* One function at an address. Strings are never NULL, "" where not known. */
struct symbol_line {
	const char *name;        /* readable */
	const char *system_name; /* as in the symbol table */
	const char *file;
	uint32_t line;       /* 0: not known */
	uint32_t start_line; /* of the function; 0: not known */
};

/* Innermost inlined function first; the last line is the function that has the code. n_lines is 0 without a name. */
struct symbol {
	enum symbol_reason reason;
	uint32_t n_lines;
	const struct symbol_line *lines;
	uint64_t
		start; /* of the function that has the code, also where it has no name; the address itself where that is not known */
};

#define SYMBOL_FALLBACK_MAX 288 /* "[" NAME_MAX "]+0x" 16 digits */

/* "[libfoo.so]+0x1234": what a frame without a name is called. `path` may be a path or a name; returns buf. */
const char *symbol__fallback(char buf[SYMBOL_FALLBACK_MAX], const char *path, uint64_t vaddr);

#endif
