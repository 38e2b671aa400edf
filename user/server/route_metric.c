/* SPDX-License-Identifier: Apache-2.0 */
/* /metrics and /healthz. What the collector tells is asked for once a second at most, however many scrape. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "exporters/format/json.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/profile/profile.h"
#include "user/query/completeness.h"
#include "user/server/link.h"
#include "user/server/range.h"
#include "user/server/server.h"
#include "user/server/session.h"

#define FRESH_NS NS_PER_SEC
#define TEXT     "text/plain; version=0.0.4; charset=utf-8"
#define OPEN     "application/openmetrics-text; version=1.0.0; charset=utf-8"

/* "# TYPE x_total counter" is "# TYPE x counter" there, and so is HELP. */
static void append_open_line(const char *line, size_t len, struct buf *to)
{
	static const char suffix[] = "_total";
	const size_t n = sizeof(suffix) - 1;
	const char *name = line + 7, *end;

	if (len < 8 || (strncmp(line, "# HELP ", 7) && strncmp(line, "# TYPE ", 7))) {
		buf__append(to, line, len);
		return;
	}
	end = memchr(name, ' ', len - 7);
	if (!end || (size_t)(end - name) < n || memcmp(end - n, suffix, n)) {
		buf__append(to, line, len);
		return;
	}
	buf__append(to, line, (size_t)(end - line) - n);
	buf__append(to, end, len - (size_t)(end - line));
}

static void append_open(const struct buf *text, struct buf *to)
{
	const char *p = (const char *)text->data, *end = p + text->len;

	while (p && p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t len = newline ? (size_t)(newline - p) + 1 : (size_t)(end - p);

		append_open_line(p, len, to);
		p += len;
	}
	buf__append_str(to, "# EOF\n");
}

static void print_own(struct server *s, struct buf *b)
{
	struct http_stats h;
	struct rusage u = {0};

	http__stats(s->http, &h);
	getrusage(RUSAGE_SELF, &u);
	buf__printf(b,
		    "# HELP everprof_http_requests_total Requests that came in.\n# TYPE "
		    "everprof_http_requests_total counter\n"
		    "everprof_http_requests_total %" PRIu64 "\n"
		    "# HELP everprof_http_refused_total Requests that were answered with an error.\n# TYPE "
		    "everprof_http_refused_total counter\n"
		    "everprof_http_refused_total %" PRIu64 "\n"
		    "# HELP everprof_http_busy_total Requests that found too much being done.\n# TYPE "
		    "everprof_http_busy_total counter\n"
		    "everprof_http_busy_total %" PRIu64 "\n"
		    "# HELP everprof_http_connections Connections that are open.\n# TYPE "
		    "everprof_http_connections gauge\n"
		    "everprof_http_connections %" PRIu64 "\n"
		    "# HELP everprof_server_cpu_seconds_total CPU time of the process that serves.\n# TYPE "
		    "everprof_server_cpu_seconds_total counter\n"
		    "everprof_server_cpu_seconds_total %.6f\n"
		    "# HELP everprof_server_resident_max_bytes The most that it had resident.\n# TYPE "
		    "everprof_server_resident_max_bytes gauge\n"
		    "everprof_server_resident_max_bytes %" PRIu64 "\n",
		    h.requests, h.refused, h.busy, h.connections,
		    (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
			    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6,
		    (uint64_t)u.ru_maxrss * 1024);
}

static void print_shares(const struct completeness *c, struct buf *b)
{
	buf__append_str(b, "# HELP everprof_whole_stacks_ratio CPU time with a whole stack, of the last "
			   "complete window, by "
			   "runtime.\n# TYPE everprof_whole_stacks_ratio gauge\n");
	for (uint32_t i = 1; i < completeness__n_rows(c); i++) {
		struct completeness_row row = completeness__row(c, i);

		buf__append_str(b, "everprof_whole_stacks_ratio{runtime=");
		json__string(b, row.name);
		buf__printf(b, "} %.6f\n", row.total > 0 ? (double)row.complete / (double)row.total : 1.0);
	}
}

/* Counted anew when there is another window. */
static void print_whole(struct server *s, struct buf *b)
{
	struct range range = {.event = "cpu"};
	struct completeness *c = NULL;
	struct profile *p = NULL;
	struct err e = {""};
	int err = range__last_window(s->link, &range, &e);

	pthread_mutex_lock(&s->metrics_lock);
	if (!err && range.from_ns != s->whole_of_ns) {
		s->whole_of_ns = range.from_ns;
		buf__clear(&s->whole);
		err = range__load(s->link, &range, NULL, &p, &e);
		if (!err)
			err = completeness__new(p, COMPLETENESS_BY_RUNTIME, NULL, &c, &e);
		if (!err)
			print_shares(c, &s->whole);
		completeness__free(c);
		profile__free(p);
	}
	buf__append(b, s->whole.data, s->whole.len);
	pthread_mutex_unlock(&s->metrics_lock);
}

static void answer_metrics(struct server *s, const struct http_request *r, struct response *to)
{
	bool open = strstr(r->accept, "application/openmetrics-text") != NULL;
	uint64_t now = clock__mono_ns();
	struct buf all;
	int err = 0;

	pthread_mutex_lock(&s->metrics_lock);
	if (!s->metrics.len || now - s->metrics_ns > FRESH_NS) {
		buf__clear(&s->metrics);
		err = link__metrics(s->link, &s->metrics);
		s->metrics_ns = now;
	}
	buf__init(&all, RESPONSE_BYTES_MAX);
	buf__append(&all, s->metrics.data, s->metrics.len);
	pthread_mutex_unlock(&s->metrics_lock);
	if (err) {
		response__fail_err(to, err, NULL);
	} else {
		print_own(s, &all);
		print_whole(s, &all);
		to->type = open ? OPEN : TEXT;
		if (open)
			append_open(&all, &to->body);
		else
			buf__append(&to->body, all.data, all.len);
	}
	buf__done(&all);
}

static void answer_health(struct server *s, const struct http_request *r, struct response *to)
{
	(void)s, (void)r;
	buf__append_str(&to->body, "ok\n");
}

const struct route metric_routes[] = {
	{"/metrics", ROLE_VIEW, WORK_QUERY, answer_metrics, NULL},
	{"/debug/pprof/metrics", ROLE_VIEW, WORK_QUERY, answer_metrics, NULL},
	{"/healthz", ROLE_NONE, WORK_QUICK, answer_health, NULL},
	{NULL, 0, 0, NULL, NULL},
};
