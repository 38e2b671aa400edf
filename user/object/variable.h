/* SPDX-License-Identifier: Apache-2.0 */
/*
 * variable - where the variables of a program lie, by the symbols of its file or by the code that uses them.
 *
 * Owns: nothing. Thread: any. Limit: those of symbol_search, VARIABLE_CODE_MAX bytes of a function.
 * Errors: -ENOENT no symbol table; no such function, -EBADMSG damaged, -E2BIG over a limit, -ENOMEM.
 */
#ifndef EVERPROF_OBJECT_VARIABLE_H
#define EVERPROF_OBJECT_VARIABLE_H

#include <stddef.h>
#include <stdint.h>

#define VARIABLE_CODE_MAX 65536

struct elf;

/* ret_vaddrs[i] is where names[i] lies, untouched where no symbol says so. */
int variable__find_symbols(const struct elf *e, const char *const *names, size_t n, uint64_t *ret_vaddrs);

/*
 * Pure. Addresses that instructions of the code at `vaddr` name relative to themselves, in the order in which they first come: at most max;
 * returns how many. What cannot be decoded ends it.
 */
size_t variable__parse_operands(const uint8_t *code, size_t len, uint64_t vaddr, uint64_t *ret_vaddrs,
				size_t max);

#endif
