/* SPDX-License-Identifier: Apache-2.0 */
/*
 * response - what a route answers.
 *
 * Owns: its body until it is handed to the connection. Thread: one owner. Limit: RESPONSE_BYTES_MAX. Errors: a status of 400 and more, and a line of text.
 */
#ifndef EVERPROF_SERVER_RESPONSE_H
#define EVERPROF_SERVER_RESPONSE_H

#include <stdbool.h>

#include "user/base/asset.h"
#include "user/base/buf.h"

#define RESPONSE_BYTES_MAX ((size_t)256 << 20)

struct err;

struct response {
	unsigned status; /* 200 at the start */
	const char *type;
	struct buf body;
	struct asset asset; /* gzip, in the place of a body */
	char file[96];      /* not "": to be saved under this name */
	char note[200];     /* not "": a header that tells what the answer leaves out */
	char location[128]; /* not "": redirect */
	const char *allow;  /* the methods that there are; NULL: not told */
	bool is_go;         /* an error in the form that `go tool pprof` prints */
};

void response__init(struct response *r);
void response__done(struct response *r);
/* Throws away what is there; text/plain, and the status tells the kind. */
void response__fail(struct response *r, unsigned status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same by a negative errno, with the err's text or the errno's. */
void response__fail_err(struct response *r, int code, const struct err *e);

#endif
