/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delivery - something to be told to somebody, as the bytes of a file that waits until it is done: a body to post, or a program to run.
 *
 *      everprof-delivery 1
 *      kind post                           kind run
 *      created 1700000000000000000         created …
 *      url http://127.0.0.1:9093/…         arg /usr/local/bin/on-capture
 *                                          arg set -e
 *                                          more echo what follows a newline of the same argument
 *      (an empty line)
 *      the body                            NAME=value, each ended by a NUL
 *
 * A version that does not know a word of it takes it for none, and drops it.
 *
 * Owns: nothing; a parsed delivery points into the bytes. Thread: any. Limit: DELIVERY_*_MAX. Errors: -EBADMSG for what is none.
 */
#ifndef EVERPROF_ALERT_DELIVERY_H
#define EVERPROF_ALERT_DELIVERY_H

#include <stddef.h>
#include <stdint.h>

#include "user/config/rule.h"

#define DELIVERY_BYTES_MAX ((size_t)256 << 10)
#define DELIVERY_LINE_MAX  1100
#define DELIVERY_ARGS_MAX  RULE_ARGS_MAX
#define DELIVERY_ENV_MAX   64

struct buf;

enum delivery_kind { DELIVERY_POST, DELIVERY_RUN };

struct delivery {
	enum delivery_kind kind;
	uint64_t created_ns; /* CLOCK_REALTIME */
	char url[DELIVERY_LINE_MAX];
	char args[DELIVERY_ARGS_MAX][DELIVERY_LINE_MAX];
	uint32_t n_args;
	const char *body; /* of a RUN: its variables; the last byte is a NUL */
	size_t body_len;
};

int delivery__parse(const void *bytes, size_t len, struct delivery *ret);
/* -EINVAL: a URL that no line holds, a text that is too long, too many. */
int delivery__write(enum delivery_kind kind, uint64_t created_ns, const char *url, const char *const *args,
		    uint32_t n_args, const void *body, size_t body_len, struct buf *to);

#endif
