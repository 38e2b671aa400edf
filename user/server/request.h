/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request - the target of an HTTP request taken apart: a path, and parameters in their order.
 *
 * Bytes of the network come here first. Percent signs are decoded once, '+' is a blank in parameters; NUL, control characters and what is no UTF-8 are refused,
 * and so is a path with an empty segment, "." or "..": no route has them, and nothing behind may have to think of it.
 *
 * Owns: one block with all texts. Thread: one owner. Limit: REQUEST_TARGET_MAX bytes, REQUEST_PARAMS_MAX. Errors: -EBADMSG, -E2BIG, -ENOMEM.
 */
#ifndef EVERPROF_SERVER_REQUEST_H
#define EVERPROF_SERVER_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_TARGET_MAX 8192
#define REQUEST_PARAMS_MAX 48

struct request_param {
	const char *name, *value;
};

struct request {
	char *block;
	const char *path;  /* "/debug/pprof/" */
	const char *query; /* as it came, "" for none */
	struct request_param params[REQUEST_PARAMS_MAX];
	uint32_t n_params;
};

/* Pure but for memory. */
int request__parse(const char *target, size_t len, struct request *ret);
void request__done(struct request *r);
/* The first one of that name, or NULL. */
const char *request__param(const struct request *r, const char *name);
/* -EBADMSG where it is there and no whole number of at most `max`; fallback where it is not there. */
int request__number(const struct request *r, const char *name, uint64_t fallback, uint64_t max,
		    uint64_t *ret);

#endif
