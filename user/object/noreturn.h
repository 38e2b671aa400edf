/* SPDX-License-Identifier: Apache-2.0 */
/*
 * noreturn - where a file calls, or has, functions that never return: what follows a call of one is not reached by it.
 *
 * Owns: the addresses. Thread: one owner. Limit: NORETURN_MAX addresses; symbol tables of more than NORETURN_SYMBOLS_MAX bytes are not looked through.
 * Errors: -ENOMEM; what cannot be read names nothing.
 */
#ifndef EVERPROF_OBJECT_NORETURN_H
#define EVERPROF_OBJECT_NORETURN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf;

#define NORETURN_MAX         4096
#define NORETURN_SYMBOLS_MAX (4u << 20)

/* Ascending. */
struct noreturn {
	uint64_t *vaddrs;
	size_t n;
};

/* Fills a zeroed one: stubs to such functions of other files, and the file's own by its dynamic symbols. */
int noreturn__load(const struct elf *e, struct noreturn *n);
void noreturn__done(struct noreturn *n);
bool noreturn__has(const struct noreturn *n, uint64_t vaddr);
/* Pure: does a function of that name never return? */
bool noreturn__is_name(const char *name);

#endif
