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

/*        enum         name           text */
#define SYMBOL_REASONS(X)                                                                       \
	X(NAMED, "named", "a symbol covers the address")                                        \
	X(STRIPPED, "stripped", "the file has no function symbols, nor has a debug file of it") \
	X(GAP, "gap", "the address lies between the symbols")                                   \
	X(OBJECT_GONE, "object_gone", "the file could not be opened any more")                  \
	X(DAMAGED, "damaged", "the file or its symbols contradict themselves")                  \
	X(FOREIGN, "foreign", "not an ELF file of this kind of machine")                        \
	X(TOO_BIG, "too_big", "the file's symbols are over a limit")                            \
	X(HIDDEN, "hidden", "the kernel does not show its symbols")                             \
	X(NO_MAP, "no_map", "code in no file, and no perf map of its process names it")         \
	X(NO_MEMORY, "no_memory", "out of memory")

enum symbol_reason {
#define X(id, name, text) SYMBOL_##id,
	SYMBOL_REASONS(X)
#undef X
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

const char *symbol_reason__name(enum symbol_reason reason);
const char *symbol_reason__text(enum symbol_reason reason);
/* "[libfoo.so]+0x1234": what a frame without a name is called. `path` may be a path or a name; returns buf. */
const char *symbol__fallback(char buf[SYMBOL_FALLBACK_MAX], const char *path, uint64_t vaddr);

#endif
