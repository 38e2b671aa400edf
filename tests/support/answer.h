/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer - what a server of this host answers to one request, on a connection of its own.
 *
 * Owns: its bytes; buf__done(&a.all). Thread: one. Limit: 64 MiB. Errors: a status of 0 where the connection ends without an answer.
 */
#ifndef EVERPROF_TESTS_SUPPORT_ANSWER_H
#define EVERPROF_TESTS_SUPPORT_ANSWER_H

#include <stddef.h>

#include "user/base/buf.h"

struct answer {
	int status;
	struct buf all; /* head, as text, and body */
	const char *body;
	size_t len;
};

/* FD_CLOSED: nobody listens there. */
int answer__connect(int port);
/* All return the status. This one takes fd. */
int answer__over(int fd, const char *request, struct answer *a);
int answer__ask(int port, const char *request, struct answer *a);
/* headers: whole lines, "" for none */
int answer__get(int port, const char *path, const char *headers, struct answer *a);
/* That alone. */
int answer__status(int port, const char *path, const char *headers);

#endif
