/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest - what a profile says of who, without its stacks: values by label set. Timelines and lists of what ran are added up from digests, which are a
 * hundredth of the profiles and cheap to keep.
 *
 * Owns: its rows and texts. Thread: one builder, then any number of readers. Limit: one row a label set. Errors: -EINVAL not sealed, -ENOMEM, -E2BIG.
 */
#ifndef EVERPROF_QUERY_DIGEST_H
#define EVERPROF_QUERY_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "user/profile/profile.h"
#include "user/query/selection.h"

#define DIGEST_KEYS 10

struct digest;

struct digest_row {
	uint32_t texts[DIGEST_KEYS]; /* by digest_key; 0: none */
	int64_t values[PROFILE_VALUES_MAX];
};

/* function NULL: all; else of those stacks alone that have a function of that name. */
int digest__new(const struct profile *p, const char *function, struct digest **ret);
void digest__free(struct digest *d);
size_t digest__bytes(const struct digest *d);
uint32_t digest__n_rows(const struct digest *d);
const struct digest_row *digest__row(const struct digest *d, uint32_t i);
/* Types as in the profile. */
uint32_t digest__n_types(const struct digest *d);
const char *digest__type(const struct digest *d, uint32_t i);
const char *digest__unit(const struct digest *d, uint32_t i);
uint32_t digest__default_type(const struct digest *d);
/* The place of a label in texts, or -1: digests do not keep it. */
int digest__key(const char *label);
/* NULL where the row has none. */
const char *digest__text(const struct digest *d, const struct digest_row *row, int key);
/* As selection__matches asks; row is a struct digest_row, ctx the digest. */
const char *digest__label_text(const void *row, const char *key, char number[SELECTION_TEXT_MAX],
			       const void *ctx);

#endif
