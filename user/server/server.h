/* SPDX-License-Identifier: Apache-2.0 */
/*
 * server - the process that serves: what its routes share, and the table of them.
 *
 * Owns: see struct server. Thread: routes run on any; what changes is behind the locks of its parts. Limit: settings. Errors: server__main says why and exits.
 */
#ifndef EVERPROF_SERVER_SERVER_H
#define EVERPROF_SERVER_SERVER_H

#include <pthread.h>
#include <stdint.h>

#include "user/base/buf.h"
#include "user/server/http.h"
#include "user/server/settings.h"

struct digest_cache;
struct link;
struct sessions;
struct workers;

struct server {
	const struct settings *settings;
	struct link *link;
	struct http *http;
	struct digest_cache *digests;
	struct sessions *sessions;
	struct workers *captures; /* what is recorded for somebody, by sessions and while they wait */
	pthread_mutex_t metrics_lock;
	struct buf metrics;   /* as the collector told them … */
	uint64_t metrics_ns;  /* … at that time */
	struct buf whole;     /* how whole the stacks of the last window of CPU time are, as metrics … */
	uint64_t whole_of_ns; /* … and when it began */
	pthread_mutex_t usage_lock;
	struct buf usage; /* likewise */
	uint64_t usage_ns;
	struct server_told {
		pthread_mutex_t lock;
		struct buf text;
		uint64_t told_ns;
	} rules, alerts; /* likewise */
};

struct route {
	const char *path; /* "/healthz"; a '*' at the end stands for anything behind */
	enum role role;
	enum work work;
	void (*answer)(struct server *s, const struct http_request *r, struct response *to);
	/* NULL: always `work`; else asked where the request's parameters decide */
	enum work (*work_of)(const struct http_request *r);
	enum methods methods; /* where nothing is said: to look */
};

/* Tables of routes, one a file; end in a path of NULL. */
extern const struct route page_routes[], pprof_routes[], query_routes[], series_routes[], session_routes[],
	metric_routes[], trace_routes[], memory_routes[], rule_routes[], capture_routes[], webhook_routes[];

bool server__find_route(void *ctx, const struct http_request *r, struct http_route *ret);
void server__answer(void *ctx, const void *route, const struct http_request *r, struct response *to);
/* What stands behind the '*' of the route's path. */
const char *server__rest(const struct http_request *r, const char *route_path);
/* The process's main: fds as enum settings_fd. The exit status. */
int server__main(void);

#endif
