/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cancel - how who waits for a recording learns that nobody wants it any more: a session that was cancelled, a client that hung up.
 *
 * Owns: nothing. Thread: `is_wanted` is called by the one that waits, a few times a second. Limit: it must not block. Errors: none.
 */
#ifndef EVERPROF_SERVER_CANCEL_H
#define EVERPROF_SERVER_CANCEL_H

#include <stdbool.h>
#include <stddef.h>

struct cancel {
	bool (*is_wanted)(const void *of); /* NULL: never */
	const void *of;
};

static inline bool cancel__is_wanted(const struct cancel *c)
{
	return c && c->is_wanted && c->is_wanted(c->of);
}

#endif
