/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slots - numbers for pointers: small, the same for as long as the thing is there, given again afterwards. What hash maps hold.
 *
 * Owns: the table, not what it points to. Thread: one. Limit: the caller's. Errors: -ENOMEM.
 */
#ifndef EVERPROF_BASE_SLOTS_H
#define EVERPROF_BASE_SLOTS_H

#include <stddef.h>
#include <stdint.h>

/* All zero is empty. */
struct slots {
	void **items;   /* [n]; NULL: free */
	uint32_t *free; /* [n_free] */
	uint32_t n, n_free, cap;
};

int slots__add(struct slots *s, void *item, uint32_t *ret_slot);
void slots__remove(struct slots *s, uint32_t slot);
void slots__done(struct slots *s);
size_t slots__bytes(const struct slots *s);

/* How many there are. */
static inline uint32_t slots__count(const struct slots *s)
{
	return s->n - s->n_free;
}

#endif
