/* SPDX-License-Identifier: Apache-2.0 */
/*
 * selection - which samples of a profile are meant: patterns on labels, as the parameters of a URL give them.
 *
 * Of one label any pattern may match, of each label that is named one must. Patterns are the shell's (`*`, `?`, `[a-z]`). `comm` matches a thread's name or its
 * process's; `container` and `pod` also by their beginning, from SELECTION_PREFIX_MIN characters on.
 *
 * Owns: nothing (borrowed texts). Thread: any. Limit: SELECTION_MAX patterns. Errors: -ENOENT no such label, -E2BIG.
 */
#ifndef EVERPROF_QUERY_SELECTION_H
#define EVERPROF_QUERY_SELECTION_H

#include <stdbool.h>
#include <stdint.h>

#define SELECTION_MAX        16
#define SELECTION_PREFIX_MIN 6
#define SELECTION_TEXT_MAX   24 /* of a label that is a number */

struct err;
struct profile;

struct selection {
	struct {
		const char *key, *pattern;
	} items[SELECTION_MAX];
	uint32_t n;
};

/* Is that the name of a label that can be selected by? */
bool selection__is_key(const char *key);
int selection__add(struct selection *s, const char *key, const char *pattern);
/* The text of a label of somebody's row, NULL where it has none; `number` is room for one that is a number. */
typedef const char *(*selection_text_fn)(const void *row, const char *key, char number[SELECTION_TEXT_MAX],
					 const void *ctx);
bool selection__matches(const struct selection *s, selection_text_fn text, const void *row, const void *ctx);
/* For profile__merge_as: ctx is a struct selection. */
bool selection__keeps(const struct profile *p, uint32_t labels, void *ctx);
/* Adds what is meant of `from` to `into`. */
int selection__merge(const struct selection *s, struct profile *into, const struct profile *from);

#endif
