/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the route of a path: the tables of the route_*.c files, one after the other. */
#include <string.h>

#include "user/base/heap.h"
#include "user/server/server.h"

static bool is_match(const char *path, const char *pattern)
{
	size_t len = strlen(pattern);

	if (len && pattern[len - 1] == '*')
		return !strncmp(path, pattern, len - 1) && path[len - 1];
	return !strcmp(path, pattern);
}

bool server__find_route(void *ctx, const struct http_request *r, struct http_route *ret)
{
	static const struct route *const tables[] = {
		memory_routes, page_routes,  pprof_routes, query_routes,   series_routes, session_routes,
		metric_routes, trace_routes, rule_routes,  capture_routes, webhook_routes};

	(void)ctx;
	for (size_t t = 0; t < sizeof(tables) / sizeof(*tables); t++) {
		for (const struct route *route = tables[t]; route->path; route++) {
			if (!is_match(r->target.path, route->path))
				continue;
			*ret = (struct http_route){.route = route,
						   .role = route->role,
						   .methods = route->methods,
						   .work = route->work_of ? route->work_of(r) : route->work};
			/* whoever starts a recording needs more than a look */
			if (ret->work == WORK_CAPTURE && ret->role < ROLE_CAPTURE)
				ret->role = ROLE_CAPTURE;
			return true;
		}
	}
	return false;
}

void server__answer(void *ctx, const void *of, const struct http_request *r, struct response *to)
{
	const struct route *route = of;

	route->answer(ctx, r, to);
	if (route->work != WORK_QUICK)
		heap__give_back();
}

const char *server__rest(const struct http_request *r, const char *route_path)
{
	return r->target.path + strlen(route_path) - 1;
}
