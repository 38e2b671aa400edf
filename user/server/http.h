/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http - connections, over libmicrohttpd: who may come in, and bytes out. What is asked and answered is the router's.
 *
 * Order of a request: target parsed, Host, Origin, who is it, may he, method; only then does a route see it. What takes long is done by workers while the
 * connection sleeps, so that slow clients cost a socket and nothing else, and that for HTTP_REQUEST_SECONDS at most.
 *
 * Owns: the daemons and their threads. Thread: routes are called on the connection's thread (quick ones) or a worker's. Limit: settings; HTTP_BODY_MAX.
 * Errors: -errno with one clear line at the start.
 */
#ifndef EVERPROF_SERVER_HTTP_H
#define EVERPROF_SERVER_HTTP_H

#include <stdint.h>

#include "user/server/cancel.h"
#include "user/server/credential.h"
#include "user/server/request.h"
#include "user/server/response.h"
#include "user/server/settings.h"

#define HTTP_BODY_MAX (64u << 10)
/* A body that is too large is read all the same, so that its sender comes to read the answer; not where its length tells that it would be more than that. */
#define HTTP_THROWN_MAX      (1u << 20)
#define HTTP_TIMEOUT_SECONDS 15 /* of silence */
#define HTTP_REQUEST_SECONDS 30 /* for a whole request */

struct err;
struct http;
struct workers;

enum work { WORK_QUICK, WORK_QUERY, WORK_CAPTURE };

/* What is asked by which method: GET and HEAD look, POST changes something. */
enum methods { METHODS_LOOK, METHODS_CHANGE, METHODS_BOTH };

struct http_request {
	struct request target;
	enum role role;
	const char *accept;   /* header, "" for none */
	bool may_be_forged;   /* a look of a browser that does not say whose page it is of */
	struct buf body;      /* of a POST */
	struct cancel cancel; /* when the client hangs up */
};

/* What a router says of a request before it is worked on: the role it takes (ROLE_NONE: everybody's), by which methods it comes, and where it is done. */
struct http_route {
	const void *route;
	enum role role;
	enum methods methods;
	enum work work;
};

/* find: false where there is no such thing. */
struct http_router {
	bool (*find)(void *ctx, const struct http_request *r, struct http_route *ret);
	void (*answer)(void *ctx, const void *route, const struct http_request *r, struct response *to);
	void *ctx;
};

struct http_stats {
	uint64_t requests, refused, busy; /* busy: 429 or 503 for want of a worker */
	uint64_t connections;             /* open now */
};

/* fds: listening sockets, FD_CLOSED for none; they become its own. captures: who does WORK_CAPTURE, borrowed; one more than they are is refused with 429. */
int http__start(const struct settings *s, const int fds[2], const struct http_router *router,
		struct workers *captures, struct http **ret, struct err *err);
void http__stats(struct http *h, struct http_stats *ret);
/* Pure: is a Host header one under which we may be asked? `hosts` are names that are, besides addresses and localhost. */
bool http__is_our_host(const char *host, const char (*hosts)[SETTINGS_HOST_MAX], uint32_t n_hosts);
/* Pure: does an Origin name the Host? */
bool http__is_same_origin(const char *origin, const char *host);
/* Pure: does an Accept-Encoding take gzip? NULL: there is none. */
bool http__takes_gzip(const char *accepted);

#endif
