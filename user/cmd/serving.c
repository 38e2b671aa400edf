/* SPDX-License-Identifier: Apache-2.0 */
#include "user/cmd/serving.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "user/cmd/alerting.h"
#include "user/cmd/capturing.h"
#include "user/cmd/control.h"
#include "user/cmd/watching.h"
#include "user/config/config.h"
#include "user/config/event.h"
#include "user/pipeline/cost.h"
#include "user/pipeline/live.h"
#include "user/pipeline/metrics.h"
#include "user/pipeline/tracing.h"
#include "user/pipeline/usage.h"
#include "user/server/host.h"
#include "user/store/capture_folder.h"
#include "user/store/store.h"

/* Of more, roll-ups are listed: windows are too many for one answer. */
#define WINDOWS_MAX_NS (31 * 24 * 3600 * NS_PER_SEC)

struct serving {
	struct serving_parts parts;
	char *store_dir;
	struct live *live;
	struct tracing *tracing;
	struct server_host *host;
};

static int append_file(const struct store_file *f, void *ctx)
{
	struct buf *to = ctx;

	buf__append(to, f, sizeof(*f));
	return buf__err(to);
}

static int on_list(void *ctx, const char *event, uint64_t from_ns, uint64_t to_ns, bool windows_only,
		   struct buf *to)
{
	struct store *store = ((struct serving *)ctx)->parts.store;

	if (windows_only && to_ns - from_ns <= WINDOWS_MAX_NS)
		return store__list_windows(store, event, from_ns, to_ns, append_file, to);
	return store__list(store, event, from_ns, to_ns, append_file, to);
}

static int on_open_file(void *ctx, const struct store_name *name, int *ret_fd)
{
	return store__open_file(((struct serving *)ctx)->parts.store, name, ret_fd);
}

static void on_live_done(void *ctx, uint64_t id, int err, int fd)
{
	struct serving *s = ctx;

	if (s->host)
		server_host__live_done(s->host, id, err, fd);
	else
		io__close(&fd);
}

static uint64_t to_mono(uint64_t real_ns)
{
	int64_t mono = (int64_t)real_ns - clock__mono_to_real_ns();

	return mono > 0 ? (uint64_t)mono : 0;
}

static int on_live(void *ctx, uint64_t id, const char *event, uint64_t from_ns, uint64_t to_ns,
		   uint32_t rate_hz)
{
	struct serving *s = ctx;
	struct live_want want = {.from_ns = to_mono(from_ns), .to_ns = to_mono(to_ns), .rate_hz = rate_hz};

	if (event__find(event, &want.event) || !collector__can_record(want.event))
		return -ENOENT;
	return live__ask(s->live, id, &want, on_live_done, s);
}

static int on_trace(void *ctx, uint64_t id, uint64_t to_ns)
{
	struct serving *s = ctx;

	return tracing__ask(s->tracing, id, to_mono(to_ns), on_live_done, s);
}

static void on_cancel(void *ctx, uint64_t id)
{
	live__cancel(((struct serving *)ctx)->live, id);
	tracing__cancel(((struct serving *)ctx)->tracing, id);
}

static void on_metrics(void *ctx, struct buf *to)
{
	const struct serving_parts *p = &((struct serving *)ctx)->parts;
	struct cost *c = malloc(sizeof(*c));

	if (!c)
		return;
	cost__gather(c, p->started_ns, p->collector, p->publisher, p->store, p->ceiling);
	metrics__print(c, "/proc", to);
	alerting__print_metrics(p->alerting, to);
	capturing__print_metrics(p->capturing, to);
	free(c);
}

static int on_usage(void *ctx, bool is_series, uint32_t pid, struct buf *to)
{
	struct usage *u = watching__look(((struct serving *)ctx)->parts.watching);

	return is_series ? usage__rows_of(u, pid, to) : usage__rows(u, to);
}

static void on_rules(void *ctx, bool alerts_only, struct buf *to)
{
	const struct serving_parts *p = &((struct serving *)ctx)->parts;

	if (alerts_only)
		alerting__report_alerts(p->alerting, to);
	else
		alerting__report_rules(p->alerting, to);
}

static int on_captures(void *ctx, struct buf *to)
{
	const struct serving *s = ctx;
	struct capture_folder *all = NULL;
	uint32_t n = 0;
	int err = capture_folder__list(s->store_dir, CAPTURE_FOLDERS_MAX, &all, &n);

	if (!err)
		buf__append(to, all, n * sizeof(*all));
	free(all);
	return err;
}

static int on_capture_file(void *ctx, const char *id, const char *file, int *ret_fd)
{
	const struct serving *s = ctx;
	struct capture_folder f;
	int err = capture_folder__locate(s->store_dir, id, &f);

	return err ? err : capture_folder__open(s->store_dir, &f, file, ret_fd);
}

static int on_command(void *ctx, char *text, struct buf *to)
{
	struct serving *s = ctx;

	return s->parts.control ? control__answer_server(s->parts.control, text, to) : -EOPNOTSUPP;
}

static int serving__start(struct serving *s, const struct config *c, struct err *err)
{
	const struct server_host_opts opts = {
		.listen = c->server.listen,
		.socket = c->server.socket,
		.credentials = c->server.credentials,
		.tls_certificate = c->server.tls_certificate,
		.tls_key = c->server.tls_key,
		.tls_client_ca = c->server.tls_client_ca,
		.hosts = &c->server.hosts,
		.open_to_the_network = c->server.open_to_the_network,
		.max_connections = (uint32_t)c->server.max_connections,
		.max_captures = (uint32_t)c->server.max_captures,
		.max_duration_ns = c->profiling.max_duration_ns,
	};
	const struct server_port port = {.list = on_list,
					 .open_file = on_open_file,
					 .live = on_live,
					 .trace = on_trace,
					 .cancel = on_cancel,
					 .metrics = on_metrics,
					 .usage = on_usage,
					 .rules = on_rules,
					 .captures = on_captures,
					 .capture_file = on_capture_file,
					 .command = on_command,
					 .ctx = s};
	int code = live__new(s->parts.loop, s->parts.collector, s->parts.publisher, &s->live);

	if (!code)
		code = tracing__new(s->parts.loop, s->parts.collector, &s->tracing);
	if (code)
		return err__set(err, code, "server: cannot start: %s", strerror(-code));
	return server_host__new(&opts, &port, s->parts.loop, &s->host, err);
}

int serving__new(const struct config *c, const struct serving_parts *parts, struct serving **ret,
		 struct err *err)
{
	struct serving *s;
	int code;

	*ret = NULL;
	if (!c->server.listen && !c->server.socket)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->parts = *parts;
	s->store_dir = strdup(c->output.directory);
	code = s->store_dir ? serving__start(s, c, err) : -ENOMEM;
	if (code) {
		serving__free(s);
		if (code != -EADDRINUSE)
			return code;
		log_warn("%s; nothing is served, profiling goes on", err__text(err, code));
		return 0;
	}
	if (*server_host__url(s->host))
		log_info("agent: serving %s", server_host__url(s->host));
	if (c->server.socket)
		log_info("agent: serving on '%s'", c->server.socket);
	*ret = s;
	return 0;
}

const char *serving__url(const struct serving *s)
{
	return s && s->host ? server_host__url(s->host) : "";
}

void serving__renew(struct serving *s)
{
	if (s && s->host)
		server_host__renew(s->host);
}

void serving__stop(struct serving *s)
{
	if (!s)
		return;
	server_host__free(s->host);
	s->host = NULL;
}

void serving__free(struct serving *s)
{
	if (!s)
		return;
	serving__stop(s);
	live__free(s->live);
	tracing__free(s->tracing);
	free(s->store_dir);
	free(s);
}
