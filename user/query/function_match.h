/* SPDX-License-Identifier: Apache-2.0 */
/*
 * function_match - which stacks of a profile have a function in them, inlined or not, at any depth.
 *
 * Owns: two tables, of locations and of stacks. Thread: one owner; the profile must outlive it. Limit: none. Errors: -EINVAL not sealed, -ENOMEM.
 */
#ifndef EVERPROF_QUERY_FUNCTION_MATCH_H
#define EVERPROF_QUERY_FUNCTION_MATCH_H

#include <stdbool.h>
#include <stdint.h>

struct function_match;
struct profile;

/* name: the whole name, as tables and graphs show it. */
int function_match__new(const struct profile *p, const char *name, struct function_match **ret);
void function_match__free(struct function_match *m);
bool function_match__has(struct function_match *m, uint32_t stack);

#endif
