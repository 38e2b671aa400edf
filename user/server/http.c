/* SPDX-License-Identifier: Apache-2.0 */
#include "user/server/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "user/server/deadline.h"
#include "user/server/http_answer.h"
#include "user/server/workers.h"

#define QUERY_THREADS    2
#define QUERY_QUEUE      64
#define CONNECTION_BYTES (32u << 10) /* headers of a request, in its own pool */

struct http {
	const struct settings *settings;
	struct http_router router;
	struct MHD_Daemon *daemons[2];
	struct workers *queries, *captures;
	struct deadlines *deadlines; /* of requests that are not whole */
	struct http_outgoing outgoing;
	struct http_stats stats; /* atomic */
};

/* One request from its first byte to its last answer. */
struct exchange {
	struct http *http;
	struct MHD_Connection *connection;
	struct http_request request;
	struct response response;
	struct http_route route;
	int parse_err;
	bool has_large_body; /* more than is taken: all of it is thrown away */
	bool is_checked, is_suspended, is_answered, wants_gzip;
};

/* Of a request whose head is no HTTP the library tells the target, but not the end: what it left is freed with the next one, or with the connection. */
struct connection {
	struct exchange *last;
	struct deadline deadline;
};

static struct connection *connection_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static int fd_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? info->connect_fd : FD_CLOSED;
}

static void count(uint64_t *what, int by)
{
	__atomic_add_fetch(what, (uint64_t)by, __ATOMIC_RELAXED);
}

/* -- who may come in -- */

bool http__is_our_host(const char *host, const char (*hosts)[SETTINGS_HOST_MAX], uint32_t n_hosts)
{
	char name[SETTINGS_HOST_MAX];
	unsigned char address[16];
	size_t len = strcspn(host, ":");

	if (*host == '[') {
		const char *end = strchr(host, ']');

		if (!end || (end[1] && end[1] != ':'))
			return false;
		host++;
		len = (size_t)(end - host);
	}
	if (!len || len >= sizeof(name))
		return false;
	memcpy(name, host, len);
	name[len] = '\0';
	/* a page of somebody else's can make a browser come here by a name, not by an address */
	if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1 ||
	    !strcasecmp(name, "localhost"))
		return true;
	for (uint32_t i = 0; i < n_hosts; i++)
		if (!strcasecmp(name, hosts[i]))
			return true;
	return false;
}

bool http__is_same_origin(const char *origin, const char *host)
{
	const char *rest = strstr(origin, "://");

	return rest && !strcasecmp(rest + 3, host);
}

/* "gzip;q=0" is a refusal; what is named itself counts before a '*'. */
bool http__takes_gzip(const char *accepted)
{
	bool takes_any = false;

	while (accepted && *accepted) {
		size_t len = strcspn(accepted, ","), blank = strspn(accepted, " \t");
		size_t name = strcspn(accepted + blank, "; \t,");
		const char *q = memmem(accepted, len, "q=", 2);
		bool is_wanted = !q || strtod(q + 2, NULL) > 0;

		if (name == 4 && !strncasecmp(accepted + blank, "gzip", name))
			return is_wanted;
		if (name == 1 && accepted[blank] == '*')
			takes_any = is_wanted;
		accepted += len + (accepted[len] == ',');
	}
	return takes_any;
}

static const char *header(struct exchange *x, const char *name)
{
	return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

/* The parser joins what comes twice; a request that names two hosts means no good. */
static enum MHD_Result count_header(void *ctx, enum MHD_ValueKind kind, const char *key, const char *value)
{
	(void)kind, (void)value;
	*(int *)ctx += !strcasecmp(key, "Host");
	return MHD_YES;
}

/* No browser comes over a Unix socket: whatever Host a client puts there is as good. */
static bool is_local_socket(struct exchange *x)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	return info && info->client_addr && info->client_addr->sa_family == AF_UNIX;
}

static bool may_come_from_there(struct exchange *x, const char *version)
{
	const char *host = header(x, "Host"), *origin = header(x, "Origin"),
		   *site = header(x, "Sec-Fetch-Site");
	const struct settings *s = x->http->settings;
	int n_hosts = 0;

	MHD_get_connection_values(x->connection, MHD_HEADER_KIND, count_header, &n_hosts);
	if (n_hosts > 1 || (!host && strcmp(version, "HTTP/1.0"))) {
		response__fail(&x->response, 400, "a request has one Host");
		return false;
	}
	if (host && !is_local_socket(x) && !http__is_our_host(host, s->hosts, s->n_hosts)) {
		response__fail(&x->response, 421,
			       "this server is not asked under that name; server.hosts lists names that may "
			       "be used");
		return false;
	}
	if (origin && (!host || !http__is_same_origin(origin, host))) {
		response__fail(&x->response, 403, "another site's page may not ask here");
		return false;
	}
	if (site && strcmp(site, "same-origin") && strcmp(site, "none") &&
	    strcmp(x->request.target.path, "/")) {
		response__fail(&x->response, 403, "another site's page may not ask here");
		return false;
	}
	return true;
}

/* libmicrohttpd asks for a client's certificate and leaves the judgement to us. The Unix socket has no TLS: its mode says who may. */
static bool has_good_certificate(struct exchange *x)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	unsigned n = 0, status = 1;

	if (!info || !info->tls_session)
		return true;
	return gnutls_certificate_get_peers(info->tls_session, &n) && n &&
	       !gnutls_certificate_verify_peers2(info->tls_session, &status) && !status;
}

/* A body that is worth reading only to be refused: who asks before he sends it, or would send more than is thrown away, is told at once. */
static bool has_vain_body(struct exchange *x)
{
	const char *text = header(x, "Content-Length");
	unsigned long long length = text ? strtoull(text, NULL, 10) : 0;

	return length > HTTP_THROWN_MAX || (length > HTTP_BODY_MAX && header(x, "Expect"));
}

static void refuse_body(struct exchange *x)
{
	response__fail(&x->response, 413, "a body of at most %u bytes is taken", HTTP_BODY_MAX);
}

static bool is_look(const char *method)
{
	return !strcmp(method, "GET") || !strcmp(method, "HEAD");
}

/* A browser says of a POST which page it is of, and of a GET over TLS or to this very host; of another, the picture in anybody's page, it says nothing. */
static bool may_be_forged(struct exchange *x)
{
	const char *agent = header(x, "User-Agent");

	return agent && !strncmp(agent, "Mozilla/", 8) && !header(x, "Sec-Fetch-Site");
}

/* Is it a method of the route? Else the response tells which are; OPTIONS asks for that. */
static bool is_method_of(struct exchange *x, const char *method)
{
	static const char *const allowed[] = {[METHODS_LOOK] = "GET, HEAD, OPTIONS",
					      [METHODS_CHANGE] = "POST, OPTIONS",
					      [METHODS_BOTH] = "GET, HEAD, POST, OPTIONS"};
	enum methods of = x->route.methods;
	bool is_post = !strcmp(method, "POST");

	if ((is_look(method) && of != METHODS_CHANGE) || (is_post && of != METHODS_LOOK))
		return true;
	if (!strcmp(method, "OPTIONS"))
		x->response.status = 204;
	else if (is_look(method))
		response__fail(&x->response, 405, "POST is expected: this changes something");
	else
		response__fail(&x->response, 405, "%s is what there is", allowed[of]);
	x->response.allow = allowed[of];
	return false;
}

/* Sets the response and says false where the request goes no further. */
static bool exchange__check(struct exchange *x, const char *method, const char *version)
{
	struct http_request *r = &x->request;
	const char *accept;
	bool is_found;

	if (x->parse_err) {
		response__fail(&x->response, x->parse_err == -E2BIG ? 414 : 400, "not a good request target");
		return false;
	}
	if (x->http->settings->wants_client_certificate && !has_good_certificate(x)) {
		response__fail(&x->response, 403,
			       "a client certificate that server.tls_client_ca knows is needed");
		return false;
	}
	if (!may_come_from_there(x, version))
		return false;
	accept = header(x, "Accept");
	r->accept = accept ? accept : "";
	r->may_be_forged = is_look(method) && may_be_forged(x);
	x->wants_gzip = http__takes_gzip(header(x, "Accept-Encoding"));
	r->role = credential_list__check(&x->http->settings->credentials, header(x, "Authorization"));
	is_found = x->http->router.find(x->http->router.ctx, r, &x->route);
	if (!is_found || r->role < x->route.role) {
		/* who may see nothing learns nothing of what there is */
		if (r->role == ROLE_NONE)
			response__fail(&x->response, 401,
				       "who are you? basic and bearer authentication are understood");
		else if (!is_found)
			response__fail(&x->response, 404, "there is no such page");
		else
			response__fail(&x->response, 403, "that takes the role capture");
		return false;
	}
	if (!is_method_of(x, method))
		return false;
	if (has_vain_body(x)) {
		refuse_body(x);
		return false;
	}
	return true;
}

/* -- work and answer -- */

/* A client that closed its side of the connection will not read an answer. */
static bool client_is_gone(const void *of)
{
	const struct exchange *x = of;
	struct pollfd p = {.fd = fd_of(x->connection), .events = POLLRDHUP};

	return poll(&p, 1, 0) > 0 && p.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

static void exchange__work(struct exchange *x)
{
	x->http->router.answer(x->http->router.ctx, x->route.route, &x->request, &x->response);
	if (buf__err(&x->response.body))
		response__fail(&x->response, buf__err(&x->response.body) == -E2BIG ? 413 : 500,
			       "the answer is too large");
}

static void work(void *ctx)
{
	struct exchange *x = ctx;

	if (client_is_gone(x))
		response__fail(&x->response, 503, "the client hung up"); /* while it waited for its turn */
	else
		exchange__work(x);
}

static void resume(void *ctx)
{
	MHD_resume_connection(((struct exchange *)ctx)->connection);
}

static enum MHD_Result exchange__answer(struct exchange *x)
{
	enum MHD_Result queued;

	x->is_answered = true;
	queued = http_answer__queue(x->connection, &x->response,
				    &(struct http_answer_opts){.outgoing = &x->http->outgoing,
							       .is_tls = x->http->settings->is_tls,
							       .wants_gzip = x->wants_gzip,
							       .known = header(x, "If-None-Match")});
	if (x->response.status >= 400)
		count(&x->http->stats.refused, 1);
	return queued;
}

/*
 * What is more than may be goes nowhere. While a body comes the library takes no answer, and one that comes in chunks does not tell how long it will be: it is
 * read to its end, for as long as a request may take, so that its sender learns why it is refused.
 */
static void exchange__take_body(struct exchange *x, const char *upload, size_t len)
{
	x->has_large_body |= x->request.body.len + len > HTTP_BODY_MAX;
	if (!x->has_large_body)
		buf__append(&x->request.body, upload, len);
}

static void exchange__refuse_for_now(struct exchange *x)
{
	count(&x->http->stats.busy, 1);
	if (x->route.work == WORK_CAPTURE)
		response__fail(&x->response, 429,
			       "as many profiles as may be (server.max_captures) are being recorded: try "
			       "again later");
	else
		response__fail(&x->response, 503, "too many questions at once: try again later");
}

/* The request is whole. */
static enum MHD_Result exchange__dispatch(struct exchange *x)
{
	struct workers *w = x->route.work == WORK_CAPTURE ? x->http->captures : x->http->queries;

	if (x->has_large_body) {
		refuse_body(x);
		return exchange__answer(x);
	}
	if (x->route.work == WORK_QUICK) {
		exchange__work(x);
		return exchange__answer(x);
	}
	x->is_suspended = true;
	MHD_suspend_connection(x->connection);
	if (!workers__push(w, work, resume, x))
		return MHD_YES;
	exchange__refuse_for_now(x);
	MHD_resume_connection(x->connection);
	return MHD_YES;
}

static void await_no_request(struct exchange *x)
{
	struct connection *c = connection_of(x->connection);

	if (c)
		deadline__clear(x->http->deadlines, &c->deadline);
}

static enum MHD_Result on_access(void *ctx, struct MHD_Connection *connection, const char *url,
				 const char *method, const char *version, const char *upload,
				 size_t *upload_len, void **con_cls)
{
	struct exchange *x = *con_cls;

	(void)ctx, (void)url;
	if (!x)
		return MHD_NO;
	if (!x->is_checked) {
		x->is_checked = true;
		x->connection = connection;
		x->request.cancel = (struct cancel){client_is_gone, x};
		count(&x->http->stats.requests, 1);
		/* an early answer also ends an upload that nobody wants */
		return exchange__check(x, method, version) ? MHD_YES : exchange__answer(x);
	}
	if (*upload_len) {
		size_t len = *upload_len;

		*upload_len = 0;
		exchange__take_body(x, upload, len);
		return MHD_YES;
	}
	if (x->is_answered)
		return MHD_YES;
	await_no_request(x);
	return x->is_suspended ? exchange__answer(x) : exchange__dispatch(x);
}

static void exchange__free(struct exchange *x)
{
	if (!x)
		return;
	request__done(&x->request.target);
	buf__done(&x->request.body);
	response__done(&x->response);
	free(x);
}

/* The first that is heard of a request: its target as it came. */
static void *on_target(void *ctx, const char *target, struct MHD_Connection *connection)
{
	struct connection *c = connection_of(connection);
	struct exchange *x = c ? calloc(1, sizeof(*x)) : NULL;

	if (!x)
		return NULL;
	exchange__free(c->last);
	c->last = x;
	x->http = ctx;
	response__init(&x->response);
	buf__init(&x->request.body, HTTP_BODY_MAX);
	x->parse_err = request__parse(target, strlen(target), &x->request.target);
	return x;
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **con_cls,
			 enum MHD_RequestTerminationCode code)
{
	struct connection *c = connection_of(connection);
	struct http *h = ctx;

	if (c && c->last == *con_cls)
		c->last = NULL;
	exchange__free(*con_cls);
	*con_cls = NULL;
	if (c && code == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		deadline__set(h->deadlines, &c->deadline, fd_of(connection));
}

static void on_connection(void *ctx, struct MHD_Connection *connection, void **socket_ctx,
			  enum MHD_ConnectionNotificationCode code)
{
	struct connection *c = *socket_ctx;
	struct http *h = ctx;

	count(&h->stats.connections, code == MHD_CONNECTION_NOTIFY_STARTED ? 1 : -1);
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*socket_ctx = c = calloc(1, sizeof(*c));
		if (c)
			deadline__set(h->deadlines, &c->deadline, fd_of(connection));
	} else if (c) {
		deadline__clear(h->deadlines, &c->deadline);
		exchange__free(c->last);
		free(c);
	}
}

static void on_log(void *ctx, const char *fmt, va_list ap)
{
	char text[512];

	(void)ctx;
	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	log_debug("server: %s", text); /* what clients do wrong is no news */
}

/* -- life -- */

static struct MHD_Daemon *start_daemon(struct http *h, int fd, bool is_tls)
{
	const struct settings *s = h->settings;
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)s->certificate},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)s->key},
		{s->wants_client_certificate ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0,
		 (void *)s->client_ca},
		{MHD_OPTION_END, 0, NULL}};
	struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
			 (is_tls ? MHD_USE_TLS : 0);

	return MHD_start_daemon(flags, 0, NULL, NULL, on_access, h, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
				MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
				(unsigned)s->max_connections, MHD_OPTION_CONNECTION_TIMEOUT,
				(unsigned)HTTP_TIMEOUT_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				(size_t)CONNECTION_BYTES, MHD_OPTION_URI_LOG_CALLBACK, on_target, h,
				MHD_OPTION_NOTIFY_COMPLETED, on_completed, h, MHD_OPTION_NOTIFY_CONNECTION,
				on_connection, h, MHD_OPTION_ARRAY, is_tls ? tls : plain, MHD_OPTION_END);
}

static void http__stop(struct http *h)
{
	if (!h)
		return;
	for (int i = 0; i < 2; i++)
		if (h->daemons[i])
			MHD_quiesce_daemon(h->daemons[i]);
	workers__free(h->queries);
	for (int i = 0; i < 2; i++)
		if (h->daemons[i])
			MHD_stop_daemon(h->daemons[i]);
	deadlines__free(h->deadlines);
	free(h);
}

int http__start(const struct settings *s, const int fds[2], const struct http_router *router,
		struct workers *captures, struct http **ret, struct err *err)
{
	struct http *h = calloc(1, sizeof(*h));
	int code;

	if (!h)
		return -ENOMEM;
	*h = (struct http){.settings = s,
			   .router = *router,
			   .captures = captures,
			   .outgoing = {.limit_bytes = HTTP_OUTGOING_BYTES,
					.grace_ns = HTTP_GRACE_NS,
					.least_rate = HTTP_LEAST_RATE}};
	code = workers__new(QUERY_THREADS, QUERY_QUEUE, &h->queries);
	if (!code)
		code = deadlines__new(HTTP_REQUEST_SECONDS * NS_PER_SEC, &h->deadlines);
	for (int i = 0; !code && i < 2; i++) {
		if (fds[i] < 0)
			continue;
		h->daemons[i] = start_daemon(h, fds[i], i == 0 && s->is_tls);
		if (!h->daemons[i])
			code = -EIO;
	}
	if (!code && !h->daemons[0] && !h->daemons[1])
		code = -ENOTCONN;
	if (code) {
		http__stop(h);
		return err__set(err, code, "server: cannot start HTTP%s",
				s->is_tls ? ": is the certificate good, and is it the key's?" : "");
	}
	*ret = h;
	return 0;
}

void http__stats(struct http *h, struct http_stats *ret)
{
	ret->requests = __atomic_load_n(&h->stats.requests, __ATOMIC_RELAXED);
	ret->refused = __atomic_load_n(&h->stats.refused, __ATOMIC_RELAXED);
	ret->busy = __atomic_load_n(&h->stats.busy, __ATOMIC_RELAXED);
	ret->connections = __atomic_load_n(&h->stats.connections, __ATOMIC_RELAXED);
}
