/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stacks are a tree that shares its trunks, so the answer of a node is that of its own frame or its caller's, and is kept: each node is asked once,
 * whatever the number of samples above it.
 */
#include "user/query/function_match.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/profile/profile.h"

enum { UNKNOWN, NO, YES };

struct function_match {
	const struct profile *profile;
	bool *locations; /* [id] */
	uint8_t *stacks; /* [id], of the enum */
};

static bool has_function(const struct profile *p, const struct location *l, const char *name)
{
	for (uint32_t i = 0; i < l->n_lines; i++) {
		uint32_t f = profile__lines(p, l)[i].function;

		if (!strcmp(profile__str(p, profile__get_function(p, f)->name), name))
			return true;
	}
	return false;
}

int function_match__new(const struct profile *p, const char *name, struct function_match **ret)
{
	uint32_t n = profile__n_locations(p);
	struct function_match *m;

	if (!profile__sealed(p))
		return -EINVAL;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->profile = p;
	m->locations = calloc((size_t)n + 1, sizeof(*m->locations));
	m->stacks = calloc((size_t)profile__n_stacks(p) + 1, sizeof(*m->stacks));
	if (!m->locations || !m->stacks) {
		function_match__free(m);
		return -ENOMEM;
	}
	m->stacks[0] = NO;
	for (uint32_t i = 1; i <= n; i++)
		m->locations[i] = has_function(p, profile__get_location(p, i), name);
	*ret = m;
	return 0;
}

void function_match__free(struct function_match *m)
{
	if (!m)
		return;
	free(m->locations);
	free(m->stacks);
	free(m);
}

bool function_match__has(struct function_match *m, uint32_t stack)
{
	uint32_t at = stack, location, parent;
	uint8_t answer = UNKNOWN;

	/* up to where it is known, or shows … */
	while (!m->stacks[at] && answer == UNKNOWN) {
		profile__get_stack_node(m->profile, at, &location, &parent);
		if (m->locations[location])
			answer = m->stacks[at] = YES;
		else
			at = parent;
	}
	answer = m->stacks[at];
	/* … and what was passed on the way has the same answer */
	for (at = stack; !m->stacks[at]; at = parent) {
		profile__get_stack_node(m->profile, at, &location, &parent);
		m->stacks[at] = answer;
	}
	return answer == YES;
}
