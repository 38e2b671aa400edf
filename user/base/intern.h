/* SPDX-License-Identifier: Apache-2.0 */
/*
 * intern - each distinct string once, under a small number.
 *
 * Id 0 is always the empty string, so that zeroed structs mean "no name".
 *
 * Owns: copies of the strings. Thread: one owner. Limit: bytes given at init. Errors: -ENOMEM, -E2BIG.
 */
#ifndef EVERPROF_BASE_INTERN_H
#define EVERPROF_BASE_INTERN_H

#include <stddef.h>
#include <stdint.h>

struct intern;

struct intern *intern__new(size_t limit_bytes);
void intern__free(struct intern *in);
/* For an owner that shares one budget among several tables; nothing is given back. */
void intern__set_limit(struct intern *in, size_t limit_bytes);
int intern__add(struct intern *in, const char *s, size_t len, uint32_t *ret_id);
int intern__find(const struct intern *in, const char *s, size_t len, uint32_t *ret_id); /* -ENOENT */
/* NUL-terminated, borrowed until the table is freed; the length goes to ret_len where not NULL. Id must be valid. */
const char *intern__str(const struct intern *in, uint32_t id, size_t *ret_len);
uint32_t intern__count(const struct intern *in);
size_t intern__bytes(const struct intern *in);

#endif
