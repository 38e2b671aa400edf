/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_answer - a response as bytes and headers of a connection.
 *
 * Every answer says how it may be used: no sniffing, no framing, no referrer, and a policy under which a page runs its own scripts and styles and fetches
 * from here, and nothing else.
 *
 * Owns: nothing. Thread: the connection's. Limit: none. Errors: MHD_NO, and the connection is closed.
 */
#ifndef EVERPROF_SERVER_HTTP_ANSWER_H
#define EVERPROF_SERVER_HTTP_ANSWER_H

#include <microhttpd.h>
#include <stdbool.h>

struct response;

struct http_answer_opts {
	bool is_tls, wants_gzip;
	const char *known; /* If-None-Match of who asks; NULL: none */
};

/* Pure: does an If-None-Match have that tag, W/"…"? */
bool http_answer__is_known(const char *known, const char *tag);

/* Takes the body out of the response. */
enum MHD_Result http_answer__queue(struct MHD_Connection *connection, struct response *r,
				   const struct http_answer_opts *opts);

#endif
