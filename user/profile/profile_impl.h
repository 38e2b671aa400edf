/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_impl - the profile's insides, for the files of this folder only.
 *
 * Owns, Thread, Limit, Errors: as profile.h says. Elements are kept at id - 1; samples at their number.
 */
#ifndef EVERPROF_PROFILE_PROFILE_IMPL_H
#define EVERPROF_PROFILE_PROFILE_IMPL_H

#include "user/base/intern.h"
#include "user/profile/profile.h"
#include "user/profile/stack_table.h"
#include "user/profile/table.h"

/* A run of the flat column of labels. */
struct label_set {
	uint32_t first, n;
};

struct profile {
	size_t limit_bytes;
	size_t own_bytes; /* all but the stacks; what they may take is the rest */
	bool sealed, is_list, adds_late;
	uint32_t n_added_up; /* adds_late: so many samples were left the last time */
	struct profile_meta meta;
	struct value_type types[PROFILE_VALUES_MAX];
	uint32_t n_types;
	struct intern *strings;
	struct table mappings;   /* struct mapping */
	struct table functions;  /* struct function */
	struct table locations;  /* struct location */
	struct table lines;      /* struct line, runs of it belong to locations */
	struct table label_sets; /* struct label_set */
	struct table labels;     /* struct label */
	struct table samples;    /* struct sample */
	struct table comments;   /* uint32_t, strings */
	struct stack_table stacks;
	struct table depths; /* uint16_t, frames of each stack */
};

/* Bytes that may still be taken. */
static inline size_t profile__room(const struct profile *p)
{
	size_t used = p->own_bytes + stack_table__bytes(&p->stacks);

	return used < p->limit_bytes ? p->limit_bytes - used : 0;
}

/* To be called where a column or the strings grew: moves the stacks' limit. */
void profile__account(struct profile *p);
/* Samples in the order of the tree, equal ones as one: see adds_late. */
int profile__add_up(struct profile *p);

#endif
