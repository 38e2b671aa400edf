// SPDX-License-Identifier: Apache-2.0
#include "user/base/slots.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_CAP 64

static int slots__grow(struct slots *s)
{
	uint32_t cap = s->cap ? s->cap * 2 : FIRST_CAP, *free_slots;
	void **items = realloc(s->items, cap * sizeof(*items));

	if (!items)
		return -ENOMEM;
	s->items = items;
	free_slots = realloc(s->free, cap * sizeof(*free_slots));
	if (!free_slots)
		return -ENOMEM;
	s->free = free_slots;
	s->cap = cap;
	return 0;
}

int slots__add(struct slots *s, void *item, uint32_t *ret_slot)
{
	int err = !s->n_free && s->n == s->cap ? slots__grow(s) : 0;

	if (err)
		return err;
	*ret_slot = s->n_free ? s->free[--s->n_free] : s->n++;
	s->items[*ret_slot] = item;
	return 0;
}

void slots__remove(struct slots *s, uint32_t slot)
{
	s->items[slot] = NULL;
	s->free[s->n_free++] = slot;
}

void slots__done(struct slots *s)
{
	free(s->items);
	free(s->free);
	*s = (struct slots){0};
}

size_t slots__bytes(const struct slots *s)
{
	return s->cap * (sizeof(*s->items) + sizeof(*s->free));
}
