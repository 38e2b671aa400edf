/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http_answer - a response as bytes and headers of a connection.
 *
 * Every answer says how it may be used: no sniffing, no framing, no referrer, and a policy under which a page runs its own scripts and styles and fetches
 * from here, and nothing else.
 *
 * A client that is slow holds memory for as long as it likes to be: of large answers no more than a sum wait to be taken (503), each as fast as a least rate.
 *
 * Owns: nothing. Thread: the connection's. Limit: http_outgoing. Errors: MHD_NO, and the connection is closed.
 */
#ifndef EVERPROF_SERVER_HTTP_ANSWER_H
#define EVERPROF_SERVER_HTTP_ANSWER_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>

#define HTTP_SMALL_BYTES    (64u << 10) /* these always go */
#define HTTP_OUTGOING_BYTES (512ull << 20)
#define HTTP_GRACE_NS       30000000000ull
#define HTTP_LEAST_RATE \
	(32u << 10) /* bytes a second: less than any line that a large answer is asked for over */

struct response;

struct http_outgoing {
	uint64_t bytes; /* of large bodies that are not sent to their end; atomic */
	uint64_t limit_bytes, grace_ns, least_rate;
};

struct http_answer_opts {
	struct http_outgoing *outgoing;
	bool is_tls, wants_gzip;
	const char *known; /* If-None-Match of who asks; NULL: none */
};

/* Pure: does an If-None-Match have that tag, W/"…"? */
bool http_answer__is_known(const char *known, const char *tag);

/* Takes the body out of the response. */
enum MHD_Result http_answer__queue(struct MHD_Connection *connection, struct response *r,
				   const struct http_answer_opts *opts);

#endif
