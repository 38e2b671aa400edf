/* SPDX-License-Identifier: Apache-2.0 */
/* Reading: ids come from the profile itself and were checked when they went in, so nothing here can fail. */
#include "user/profile/profile.h"

#include <errno.h>
#include <string.h>

#include "user/profile/profile_impl.h"

const struct profile_meta *profile__meta(const struct profile *p)
{
	return &p->meta;
}

bool profile__sealed(const struct profile *p)
{
	return p->sealed;
}

uint32_t profile__n_types(const struct profile *p)
{
	return p->n_types;
}

struct value_type profile__type(const struct profile *p, uint32_t i)
{
	return p->types[i];
}

int profile__find_type(const struct profile *p, const char *name, uint32_t *ret_i)
{
	const char *wanted = name ? name : profile__str(p, p->meta.default_type);

	if (!p->n_types)
		return -ENOENT;
	for (uint32_t i = 0; i < p->n_types && *wanted; i++) {
		if (!strcmp(profile__str(p, p->types[i].type), wanted)) {
			*ret_i = i;
			return 0;
		}
	}
	/* others write a default that is no type of theirs; pprof takes the last then, too */
	if (name && *name)
		return -ENOENT;
	*ret_i = p->n_types - 1;
	return 0;
}

const char *profile__str(const struct profile *p, uint32_t id)
{
	return intern__str(p->strings, id, NULL);
}

uint32_t profile__n_strings(const struct profile *p)
{
	return intern__count(p->strings);
}

uint32_t profile__n_mappings(const struct profile *p)
{
	return p->mappings.n;
}

const struct mapping *profile__get_mapping(const struct profile *p, uint32_t id)
{
	return table__at(&p->mappings, id - 1);
}

uint32_t profile__n_functions(const struct profile *p)
{
	return p->functions.n;
}

const struct function *profile__get_function(const struct profile *p, uint32_t id)
{
	return table__at(&p->functions, id - 1);
}

uint32_t profile__n_locations(const struct profile *p)
{
	return p->locations.n;
}

const struct location *profile__get_location(const struct profile *p, uint32_t id)
{
	return table__at(&p->locations, id - 1);
}

const struct line *profile__lines(const struct profile *p, const struct location *l)
{
	return table__at(&p->lines, l->first_line);
}

uint32_t profile__n_stacks(const struct profile *p)
{
	return stack_table__count(&p->stacks);
}

void profile__get_stack_node(const struct profile *p, uint32_t stack, uint32_t *ret_location,
			     uint32_t *ret_parent)
{
	const struct stack_node *node = stack_table__node(&p->stacks, stack);

	*ret_location = node->item;
	*ret_parent = node->parent;
}

uint32_t profile__get_stack(const struct profile *p, uint32_t stack, uint32_t *out, uint32_t max)
{
	return stack_table__get(&p->stacks, stack, out, max);
}

uint32_t profile__n_label_sets(const struct profile *p)
{
	return p->label_sets.n;
}

const struct label *profile__get_labels(const struct profile *p, uint32_t labels, uint32_t *ret_n)
{
	const struct label_set *set;

	if (!labels) {
		*ret_n = 0;
		return NULL;
	}
	set = table__at(&p->label_sets, labels - 1);
	*ret_n = set->n;
	return table__at(&p->labels, set->first);
}

const struct label *profile__find_label(const struct profile *p, uint32_t labels, const char *key)
{
	const struct label *l;
	uint32_t n, id;

	if (intern__find(p->strings, key, strlen(key), &id))
		return NULL;
	l = profile__get_labels(p, labels, &n);
	for (uint32_t i = 0; i < n; i++) {
		if (l[i].key == id)
			return &l[i];
	}
	return NULL;
}

uint32_t profile__n_samples(const struct profile *p)
{
	return p->samples.n;
}

const struct sample *profile__get_sample(const struct profile *p, uint32_t i)
{
	return table__at(&p->samples, i);
}

uint32_t profile__n_comments(const struct profile *p)
{
	return p->comments.n;
}

uint32_t profile__comment_string(const struct profile *p, uint32_t i)
{
	return *(const uint32_t *)table__at(&p->comments, i);
}

const char *profile__get_comment(const struct profile *p, uint32_t i)
{
	return profile__str(p, profile__comment_string(p, i));
}
