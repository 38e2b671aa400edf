/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spool - encoded windows that wait in memory until the disk takes them again.
 *
 * First in, first out. When there is no room the oldest go, because what just happened is asked for most; each one that goes is counted.
 *
 * Owns: copies of the bytes. Thread: one owner. Limit: bytes given at init. Errors: -E2BIG for a window that alone is over the
 * limit, -ENOMEM; in both cases the window is counted as lost.
 */
#ifndef EVERPROF_STORE_SPOOL_H
#define EVERPROF_STORE_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "user/store/name.h"

struct spool_item {
	struct spool_item *next;
	struct store_name name;
	size_t len;
	uint8_t bytes[];
};

struct spool {
	struct spool_item *first, *last;
	uint32_t n;
	size_t bytes, limit;
	uint64_t n_lost; /* windows, ever */
};

void spool__init(struct spool *s, size_t limit_bytes);
void spool__done(struct spool *s);
int spool__push(struct spool *s, const struct store_name *name, const void *bytes, size_t len);
/* Forgets the first, if there is one. */
void spool__pop(struct spool *s);

#endif
