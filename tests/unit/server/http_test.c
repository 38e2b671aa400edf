/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <malloc.h>
#include <netinet/in.h>
#include <pthread.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/server/http.h"
#include "user/server/http_answer.h"
#include "user/server/session.h"
#include "user/server/workers.h"

static void addresses_localhost_and_configured_names_are_ours(void **state)
{
	static const char names[2][SETTINGS_HOST_MAX] = {"node-1", "prof.example.org"};
	static const char *const ours[] = {"localhost",   "localhost:9909",      "LocalHost:1",
					   "127.0.0.1",   "127.0.0.1:9909",      "10.0.0.7:80",
					   "[::1]",       "[::1]:9909",          "node-1",
					   "NODE-1:9909", "prof.example.org:443"};
	static const char *const others[] = {
		"",     ":80",    "evil.example", "localhost.evil.example", "127.0.0.1.evil.example",
		"[::1", "[::1]x", "node-12",      "xprof.example.org",      "[evil.example]"};

	(void)state;
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		if (!http__is_our_host(ours[i], names, 2))
			fail_msg("'%s' is ours", ours[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (http__is_our_host(others[i], names, 2))
			fail_msg("'%s' is not ours", others[i]);
}

static void an_origin_is_ours_only_with_our_very_host(void **state)
{
	(void)state;
	assert_true(http__is_same_origin("http://localhost:9909", "localhost:9909"));
	assert_true(http__is_same_origin("https://node", "node"));
	assert_false(http__is_same_origin("http://localhost:9909", "localhost:9910"));
	assert_false(http__is_same_origin("http://localhost:9909.evil.example", "localhost:9909"));
	assert_false(http__is_same_origin("null", "localhost:9909"));
	assert_false(http__is_same_origin("", ""));
}

static void gzip_is_taken_where_it_is_not_refused(void **state)
{
	static const char *const takes[] = {"gzip", "deflate, gzip", "GZIP;q=0.5", "br;q=0, gzip ; q=1",
					    "*",    "br, *;q=0.1"},
				 *const refuses[] = {
					 "",      "identity",    "br",          "gzip;q=0", "gzip; q=0.000",
					 "*;q=0", "gzip;q=0, *", "*, gzip;q=0", "xgzip",    "gzipped"};

	(void)state;
	assert_false(http__takes_gzip(NULL));
	for (size_t i = 0; i < sizeof(takes) / sizeof(*takes); i++)
		if (!http__takes_gzip(takes[i]))
			fail_msg("'%s' takes it", takes[i]);
	for (size_t i = 0; i < sizeof(refuses) / sizeof(*refuses); i++)
		if (http__takes_gzip(refuses[i]))
			fail_msg("'%s' refuses it", refuses[i]);
}

static void a_tag_is_known_in_either_form(void **state)
{
	static const char tag[] = "W/\"00ff\"",
			  *const known[] = {"\"00ff\"", "W/\"00ff\"", "\"1\", W/\"00ff\"", "*",
					    "\"1\" , \"00ff\""},
			  *const others[] = {"",     "\"00fe\"", "\"00f\"",   "W/",
					     "00ff", "\"00ff",   "\"00ff0\"", ","};

	(void)state;
	assert_false(http_answer__is_known(NULL, tag));
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (!http_answer__is_known(known[i], tag))
			fail_msg("'%s' knows it", known[i]);
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (http_answer__is_known(others[i], tag))
			fail_msg("'%s' does not know it", others[i]);
}

/*
 * -- a server over seven routes: /quick, /large, /capture, /query that waits until it is let go, /echo, which says how long the body was, /asset, a packed page, and /change, which
 * takes POST alone --
 */

/* gzip of "body{}" and a line's end */
static const uint8_t page[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02,
			       0x03, 0x4b, 0xca, 0x4f, 0xa9, 0xac, 0xae, 0xe5, 0x02,
			       0x00, 0xb2, 0x68, 0x82, 0x20, 0x07, 0x00, 0x00, 0x00};

static struct {
	struct http *http;
	struct workers *captures;
	int port;
	char path[64]; /* of its Unix socket */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_held;
} server = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void hold(bool held)
{
	pthread_mutex_lock(&server.lock);
	server.is_held = held;
	pthread_cond_broadcast(&server.changed);
	pthread_mutex_unlock(&server.lock);
}

static bool find_route(void *ctx, const struct http_request *r, struct http_route *ret)
{
	static const struct {
		const char *path;
		enum work work;
		enum methods methods;
	} routes[] = {{"/quick", WORK_QUICK, METHODS_LOOK},   {"/large", WORK_QUICK, METHODS_LOOK},
		      {"/query", WORK_QUERY, METHODS_LOOK},   {"/capture", WORK_CAPTURE, METHODS_LOOK},
		      {"/echo", WORK_QUERY, METHODS_BOTH},    {"/asset", WORK_QUICK, METHODS_LOOK},
		      {"/change", WORK_QUICK, METHODS_CHANGE}};

	(void)ctx;
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
		if (strcmp(r->target.path, routes[i].path))
			continue;
		*ret = (struct http_route){.route = routes[i].path,
					   .role = ROLE_NONE,
					   .methods = routes[i].methods,
					   .work = routes[i].work};
		return true;
	}
	return false;
}

#define LARGE_BYTES ((size_t)200 << 20)

/* Memory that nobody reads is none. */
static void make_large(struct buf *b)
{
	if (buf__reserve(b, LARGE_BYTES))
		b->len = LARGE_BYTES;
}

static void answer_route(void *ctx, const void *route, const struct http_request *r, struct response *to)
{
	(void)ctx;
	if (!strcmp(route, "/query")) {
		pthread_mutex_lock(&server.lock);
		while (server.is_held)
			pthread_cond_wait(&server.changed, &server.lock);
		pthread_mutex_unlock(&server.lock);
	}
	if (!strcmp(route, "/asset"))
		to->asset = (struct asset){page, sizeof(page)};
	else if (!strcmp(route, "/large"))
		make_large(&to->body);
	else
		buf__printf(&to->body, "%s %zu\n", (const char *)route, r->body.len);
}

/* Everybody may everything here: who may what is credential_test's. */
static int start_server(void **state)
{
	static struct settings settings = {.max_connections = 200};
	const struct http_router router = {.find = find_route, .answer = answer_route};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(a);
	struct sockaddr_un u = {.sun_family = AF_UNIX};
	int fds[2] = {socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
		      socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
	struct err err;

	(void)state;
	if (fds[0] < 0 || bind(fds[0], (struct sockaddr *)&a, len) || listen(fds[0], 128) ||
	    getsockname(fds[0], (struct sockaddr *)&a, &len))
		return -1;
	server.port = ntohs(a.sin_port);
	snprintf(server.path, sizeof(server.path), "/tmp/everprof-http-test.%d", (int)getpid());
	strcpy(u.sun_path, server.path);
	if (fds[1] < 0 || bind(fds[1], (struct sockaddr *)&u, sizeof(u)) || listen(fds[1], 8))
		return -1;
	return workers__new(1, 0, &server.captures) ||
	       http__start(&settings, fds, &router, server.captures, &server.http, &err);
}

static int connect_to_server(void)
{
	const struct sockaddr_in a = {.sin_family = AF_INET,
				      .sin_port = htons((uint16_t)server.port),
				      .sin_addr = {htonl(INADDR_LOOPBACK)}};
	const struct timeval limit = {.tv_sec = 10};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	assert_int_equal(connect(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

#define NO_ANSWER 0  /* the connection ends without one */
#define NO_END    -1 /* nothing comes, and the connection stays */

/* The status of what comes, up to the end of the connection, which is closed here, too. Its text, if somebody wants it. */
static int read_status(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;
	int status;

	while (len + 1 < size && (n = read(fd, text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	status = !len && n < 0 && errno == EAGAIN ? NO_END : NO_ANSWER;
	sscanf(text, "HTTP/1.1 %d", &status);
	io__close(&fd);
	return status;
}

static int status_of(const void *request, size_t len, bool is_shut)
{
	int fd = connect_to_server();
	char text[4096];

	/* who refuses early may close before all is there */
	(void)!send(fd, request, len, MSG_NOSIGNAL);
	if (is_shut)
		shutdown(fd, SHUT_WR);
	return read_status(fd, text, sizeof(text));
}

#define H           "Host: localhost\r\n"
#define CLOSE       "Connection: close\r\n\r\n"
#define WHOLE(text) text, sizeof(text) - 1, false
#define CUT(text)   text, sizeof(text) - 1, true

static const struct {
	const char *request;
	size_t len;
	bool is_cut; /* the client's side ends with it */
	int status;
} cases[] = {
	/* what is one */
	{WHOLE("GET /quick HTTP/1.1\r\n" H CLOSE), 200},
	{WHOLE("HEAD /quick HTTP/1.1\r\n" H CLOSE), 200},
	{WHOLE("POST /echo HTTP/1.1\r\n" H "Content-Length: 3\r\n" CLOSE "abc"), 200},
	{WHOLE("GET /quick HTTP/1.0\r\n\r\n"), 200},
	{WHOLE("\r\nGET /quick HTTP/1.1\r\n" H CLOSE), 200},
	{WHOLE("GET /quick?a=%41&b=c+d HTTP/1.1\r\n" H CLOSE), 200},
	{CUT("GET /quick HTTP/1.1\r\n" H "\r\n"), 200},
	/* targets */
	{WHOLE("GET /nothing HTTP/1.1\r\n" H CLOSE), 404},
	{WHOLE("GET quick HTTP/1.1\r\n" H CLOSE), 400},
	{WHOLE("GET http://localhost/quick HTTP/1.1\r\n" H CLOSE), 400},
	{WHOLE("GET * HTTP/1.1\r\n" H CLOSE), 400},
	{WHOLE("GET //quick HTTP/1.1\r\n" H CLOSE), 400},
	{WHOLE("GET /./quick HTTP/1.1\r\n" H CLOSE), 400},
	{WHOLE("GET /../quick HTTP/1.1\r\n" H CLOSE), 400},
	{WHOLE("GET /a/%2e%2e/quick HTTP/1.1\r\n" H CLOSE), 400},
	{WHOLE("GET /quick%00 HTTP/1.1\r\n" H CLOSE), 400},
	{WHOLE("GET /quick%0a HTTP/1.1\r\n" H CLOSE), 400},
	{WHOLE("GET /quick%7f HTTP/1.1\r\n" H CLOSE), 400},
	{WHOLE("GET /quick%4 HTTP/1.1\r\n" H CLOSE), 400},
	{WHOLE("GET /quick%zz HTTP/1.1\r\n" H CLOSE), 400},
	{WHOLE("GET /%c0%ae HTTP/1.1\r\n" H CLOSE), 400},
	{WHOLE("GET /quick?a=%ff HTTP/1.1\r\n" H CLOSE), 400},
	{WHOLE("GET /quick?%00=a HTTP/1.1\r\n" H CLOSE), 400},
	{WHOLE("GET /quick\x01 HTTP/1.1\r\n" H CLOSE), 400},
	/* methods */
	{WHOLE("PUT /quick HTTP/1.1\r\n" H CLOSE), 405},
	{WHOLE("POST /quick HTTP/1.1\r\n" H CLOSE), 405},
	{WHOLE("POST /quick HTTP/1.1\r\n" H "Content-Length: 3\r\n" CLOSE "abc"), 405},
	{WHOLE("GET /change HTTP/1.1\r\n" H CLOSE), 405},
	{WHOLE("HEAD /change HTTP/1.1\r\n" H CLOSE), 405},
	{WHOLE("POST /change HTTP/1.1\r\n" H CLOSE), 200},
	{WHOLE("OPTIONS /quick HTTP/1.1\r\n" H CLOSE), 204},
	{WHOLE("OPTIONS /nothing HTTP/1.1\r\n" H CLOSE), 404},
	{WHOLE("PUT /nothing HTTP/1.1\r\n" H CLOSE), 404},
	{WHOLE("get /quick HTTP/1.1\r\n" H CLOSE), 405},
	{WHOLE("CONNECT /quick HTTP/1.1\r\n" H CLOSE), 405},
	{WHOLE("\x16\x03\x01\x02\x00 /quick HTTP/1.1\r\n" H CLOSE), 405},
	/* versions */
	{WHOLE("GET /quick HTTP/2.0\r\n" H CLOSE), 505},
	{WHOLE("GET /quick HTTP/1.9\r\n" H CLOSE), 200},
	{WHOLE("GET /quick FTP/1.1\r\n" H CLOSE), 400},
	{WHOLE("GET /quick\r\n" H CLOSE), 400},
	{WHOLE("abc /def\r\n\r\n"), 400},
	{WHOLE("a b c d e\r\n\r\n"), 400},
	/* heads */
	{WHOLE("GET /quick HTTP/1.1\r\n" CLOSE), 400},
	{WHOLE("GET /quick HTTP/1.1\r\n" H H CLOSE), 400},
	{WHOLE("GET /quick HTTP/1.1\r\nHost: evil.example\r\n" CLOSE), 421},
	{WHOLE("GET /quick HTTP/1.1\r\nHost:\r\n" CLOSE), 421},
	{WHOLE("GET /quick HTTP/1.1\r\n" H "Origin: http://evil.example\r\n" CLOSE), 403},
	{WHOLE("GET /quick HTTP/1.1\r\n" H "no colon\r\n" CLOSE), 400},
	{WHOLE("POST /echo HTTP/1.1\r\n" H "Content-Length: -1\r\n" CLOSE), 400},
	{WHOLE("POST /echo HTTP/1.1\r\n" H "Content-Length: 3x\r\n" CLOSE), 400},
	{WHOLE("POST /echo HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n" CLOSE), 413},
	{WHOLE("POST /echo HTTP/1.1\r\n" H "Content-Length: 1048577\r\n" CLOSE), 413},
	{WHOLE("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n" CLOSE "zz\r\n"), 400},
	{WHOLE("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n" CLOSE "3\r\nabcdef"), 400},
	/* cut */
	{CUT(""), NO_ANSWER},
	{CUT("GET"), NO_ANSWER},
	{CUT("GET /quick"), NO_ANSWER},
	{CUT("GET /quick HTTP/1.1"), NO_ANSWER},
	{CUT("GET /quick HTTP/1.1\r\n"), NO_ANSWER},
	{CUT("GET /quick HTTP/1.1\r\nHost: loc"), NO_ANSWER},
	{CUT("GET /quick HTTP/1.1\r\n" H), NO_ANSWER},
	{CUT("POST /echo HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\nabc"), NO_ANSWER},
	{CUT("POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n9\r\nabc"), NO_ANSWER},
};

static void what_is_no_request_is_told_so(void **state)
{
	int n_wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int status = status_of(cases[i].request, cases[i].len, cases[i].is_cut);

		if (status == cases[i].status)
			continue;
		n_wrong++;
		print_error("'%s'%s: %d, not %d\n", cases[i].request, cases[i].is_cut ? " and no more" : "",
			    status, cases[i].status);
	}
	assert_int_equal(n_wrong, 0);
}

/* No page of somebody else's comes that way. */
static void over_a_unix_socket_any_name_will_do(void **state)
{
	static const char request[] = "GET /quick HTTP/1.1\r\nHost: evil.example\r\n" CLOSE;
	struct sockaddr_un u = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[4096];

	(void)state;
	strcpy(u.sun_path, server.path);
	assert_int_equal(connect(fd, (struct sockaddr *)&u, sizeof(u)), 0);
	unlink(server.path);
	assert_int_equal(io__write_full(fd, request, strlen(request)), 0);
	assert_int_equal(read_status(fd, text, sizeof(text)), 200);
}

static int ask(const char *request, char *text, size_t size)
{
	int fd = connect_to_server();

	assert_int_equal(io__write_full(fd, request, strlen(request)), 0);
	return read_status(fd, text, size);
}

static void a_route_tells_its_methods(void **state)
{
	char text[4096];

	(void)state;
	assert_int_equal(ask("OPTIONS /quick HTTP/1.1\r\n" H CLOSE, text, sizeof(text)), 204);
	assert_non_null(strstr(text, "\r\nAllow: GET, HEAD, OPTIONS\r\n"));
	assert_int_equal(ask("GET /change HTTP/1.1\r\n" H CLOSE, text, sizeof(text)), 405);
	assert_non_null(strstr(text, "\r\nAllow: POST, OPTIONS\r\n"));
	assert_int_equal(ask("DELETE /echo HTTP/1.1\r\n" H CLOSE, text, sizeof(text)), 405);
	assert_non_null(strstr(text, "\r\nAllow: GET, HEAD, POST, OPTIONS\r\n"));
}

/* Packed or not, the tag is the same. */
static void a_page_that_is_known_is_not_sent_again(void **state)
{
	static const char *const ways[] = {"", "Accept-Encoding: gzip\r\n"};
	char text[4096], request[256], tag[64];

	(void)state;
	for (int i = 0; i < 2; i++) {
		snprintf(request, sizeof(request), "GET /asset HTTP/1.1\r\n" H "%s" CLOSE, ways[i]);
		assert_int_equal(ask(request, text, sizeof(text)), 200);
		assert_int_equal(!strstr(text, "\r\nContent-Encoding: gzip\r\n"), !i);
		assert_int_equal(!strstr(text, "body{}"), i);
		assert_non_null(strstr(text, "\r\nETag: "));
		assert_int_equal(sscanf(strstr(text, "\r\nETag: "), "\r\nETag: %63s", tag), 1);
		snprintf(request, sizeof(request),
			 "GET /asset HTTP/1.1\r\n" H "%sIf-None-Match: \"x\", %s\r\n" CLOSE, ways[!i], tag);
		assert_int_equal(ask(request, text, sizeof(text)), 304);
		assert_non_null(strstr(text, tag));
		assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
		snprintf(request, sizeof(request),
			 "GET /asset HTTP/1.1\r\n" H "%sIf-None-Match: \"x\"\r\n" CLOSE, ways[i]);
		assert_int_equal(ask(request, text, sizeof(text)), 200);
	}
}

/* One that has `before`, so many filling letters, and `after`. */
static int status_of_long(const char *before, size_t n, const char *after)
{
	size_t a = strlen(before), b = strlen(after);
	char *request = malloc(a + n + b);
	int status;

	assert_non_null(request);
	memcpy(request, before, a);
	memset(request + a, 'a', n);
	memcpy(request + a + n, after, b);
	status = status_of(request, a + n + b, false);
	free(request);
	return status;
}

static void what_is_too_large_is_told_so(void **state)
{
	char head[200];

	(void)state;
	assert_int_equal(status_of_long("GET /quick?a=", REQUEST_TARGET_MAX - 9, " HTTP/1.1\r\n" H CLOSE),
			 200);
	assert_int_equal(status_of_long("GET /quick?a=", REQUEST_TARGET_MAX, " HTTP/1.1\r\n" H CLOSE), 414);
	assert_int_equal(status_of_long("GET /quick?a=", 60000, " HTTP/1.1\r\n" H CLOSE), 414);
	assert_int_equal(status_of_long("GET /quick HTTP/1.1\r\n" H "X: ", 60000, "\r\n" CLOSE), 431);
	/* in chunks nobody knows how much will come: that is read to its end */
	for (size_t n = HTTP_BODY_MAX; n <= 3 * HTTP_THROWN_MAX; n += n == HTTP_BODY_MAX ? 1 : 300000) {
		snprintf(head, sizeof(head), "POST /echo HTTP/1.1\r\n" H "Content-Length: %zu\r\n" CLOSE, n);
		if (n <= HTTP_THROWN_MAX)
			assert_int_equal(status_of_long(head, n, ""), n > HTTP_BODY_MAX ? 413 : 200);
		snprintf(head, sizeof(head),
			 "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n" CLOSE "%zx\r\n", n);
		assert_int_equal(status_of_long(head, n, "\r\n0\r\n\r\n"), n > HTTP_BODY_MAX ? 413 : 200);
	}
	/* one that does not want to send in vain is told before it does */
	assert_int_equal(status_of(WHOLE("POST /echo HTTP/1.1\r\n" H
					 "Content-Length: 65537\r\nExpect: 100-continue\r\n" CLOSE)),
			 413);
}

/* Connections that the server knows. */
static uint64_t n_connections(void)
{
	struct http_stats stats;

	http__stats(server.http, &stats);
	return stats.connections;
}

static void await_no_connection(void)
{
	uint64_t n = 1;

	for (int i = 0; i < 500 && (n = n_connections()); i++)
		usleep(10000);
	assert_int_equal(n, 0);
}

static void what_was_cut_holds_no_connection(void **state)
{
	static const char *const cut[] = {"G", "GET /quick HTTP/1.1\r\nHost: loc",
					  "POST /echo HTTP/1.1\r\n" H "Content-Length: 9\r\n\r\nabc",
					  "GET /query HTTP/1.1\r\n" H};
	int fds[64];

	(void)state;
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		const char *text = cut[i % (sizeof(cut) / sizeof(*cut))];

		fds[i] = connect_to_server();
		assert_int_equal(io__write_full(fds[i], text, strlen(text)), 0);
		shutdown(fds[i], SHUT_WR);
	}
	await_no_connection();
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		io__close(&fds[i]);
}

/* The same request by so many connections at once, to their ends. */
static void send_at_once(const char *request, size_t len, bool is_cut, size_t n)
{
	int fds[50];
	char text[4096];

	assert_true(n <= sizeof(fds) / sizeof(*fds));
	for (size_t i = 0; i < n; i++) {
		fds[i] = connect_to_server();
		(void)!send(fds[i], request, len, MSG_NOSIGNAL);
		if (is_cut)
			shutdown(fds[i], SHUT_WR);
	}
	for (size_t i = 0; i < n; i++)
		read_status(fds[i], text, sizeof(text));
	await_no_connection();
}

/* What is left of a hundred more when fifty have been there; each exchange is a kilobyte and more. */
static void what_is_no_request_leaves_nothing_behind(void **state)
{
	int n_wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t before, after;

		send_at_once(cases[i].request, cases[i].len, cases[i].is_cut, 50);
		before = mallinfo2().uordblks;
		send_at_once(cases[i].request, cases[i].len, cases[i].is_cut, 50);
		send_at_once(cases[i].request, cases[i].len, cases[i].is_cut, 50);
		after = mallinfo2().uordblks;
		if (after < before + 100 * 64)
			continue;
		n_wrong++;
		print_error("'%s'%s: %zu bytes each\n", cases[i].request,
			    cases[i].is_cut ? " and no more" : "", (after - before) / 100);
	}
	assert_int_equal(n_wrong, 0);
}

/* Two are answered at a time, 64 wait; whoever comes then is told to come again, and when. */
static void more_questions_than_may_wait_are_turned_away(void **state)
{
	static const char query[] = "GET /query HTTP/1.1\r\n" H CLOSE;
	char text[4096];
	int fds[66], fd;

	(void)state;
	hold(true);
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		fds[i] = connect_to_server();
		assert_int_equal(io__write_full(fds[i], query, strlen(query)), 0);
	}
	usleep(300000);
	fd = connect_to_server();
	assert_int_equal(io__write_full(fd, query, strlen(query)), 0);
	assert_int_equal(read_status(fd, text, sizeof(text)), 503);
	assert_non_null(strstr(text, "Retry-After: "));
	/* what takes no worker is answered as ever */
	assert_int_equal(status_of(WHOLE("GET /quick HTTP/1.1\r\n" H CLOSE)), 200);
	hold(false);
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		assert_int_equal(read_status(fds[i], text, sizeof(text)), 200);
}

static void wait_until_let_go(void *ctx)
{
	(void)ctx;
	pthread_mutex_lock(&server.lock);
	while (server.is_held)
		pthread_cond_wait(&server.changed, &server.lock);
	pthread_mutex_unlock(&server.lock);
}

static void nothing(void *ctx)
{
	(void)ctx;
}

/* server.max_captures is of both together. */
static void sessions_and_those_who_wait_share_their_places(void **state)
{
	static const char capture[] = "GET /capture HTTP/1.1\r\n" H CLOSE;
	const struct session_view want = {.event = "cpu", .duration_ns = NS_PER_SEC};
	struct sessions *sessions = NULL;
	struct session_view view;
	char text[4096];
	struct err err;
	int status;

	(void)state;
	assert_int_equal(sessions__new(NULL, server.captures, &sessions), 0);
	assert_int_equal(ask(capture, text, sizeof(text)), 200);
	hold(true);
	assert_int_equal(workers__push(server.captures, wait_until_let_go, nothing, NULL), 0);
	status = ask(capture, text, sizeof(text));
	assert_int_equal(sessions__start(sessions, &want, NULL, &view, &err), -EBUSY);
	hold(false);
	assert_int_equal(status, 429);
	assert_non_null(strstr(text, "server.max_captures"));
	for (int i = 0; i < 1000 && status == 429; i++, usleep(10000))
		status = ask(capture, text, sizeof(text));
	assert_int_equal(status, 200);
	free(sessions);
}

struct asker {
	struct workers *workers;
	int code; /* of asking back */
};

static void ask_back(void *ctx)
{
	struct asker *a = ctx;

	__atomic_store_n(&a->code, workers__push(a->workers, nothing, nothing, NULL), __ATOMIC_RELEASE);
}

/* A scraper that has all places and asks for the next as soon as it has one. */
static void whoever_is_answered_finds_his_place_free(void **state)
{
	struct asker a = {.code = 1};

	(void)state;
	assert_int_equal(workers__new(1, 0, &a.workers), 0);
	assert_int_equal(workers__push(a.workers, nothing, ask_back, &a), 0);
	for (int i = 0; i < 1000 && __atomic_load_n(&a.code, __ATOMIC_ACQUIRE) == 1; i++)
		usleep(10000);
	workers__free(a.workers);
	assert_int_equal(a.code, 0);
}

/* So many bytes of what comes; less at the end of the connection. */
static size_t read_bytes(int fd, size_t wanted)
{
	static char bytes[1 << 20];
	size_t len = 0;
	ssize_t n = 1;

	while (len < wanted && n > 0) {
		n = read(fd, bytes, wanted - len < sizeof(bytes) ? wanted - len : sizeof(bytes));
		len += n > 0 ? (size_t)n : 0;
	}
	return len;
}

/* However many clients take their time: what waits for them stays below a sum, and comes whole. */
static void large_answers_that_nobody_takes_are_a_few(void **state)
{
	static const char large[] = "GET /large HTTP/1.1\r\n" H CLOSE;
	int fds[HTTP_OUTGOING_BYTES / LARGE_BYTES], status = 0;
	char text[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		fds[i] = connect_to_server();
		assert_int_equal(io__write_full(fds[i], large, strlen(large)), 0);
		assert_int_equal(read_bytes(fds[i], 9), 9); /* it has begun */
	}
	assert_int_equal(ask(large, text, sizeof(text)), 503);
	assert_non_null(strstr(text, "Retry-After: "));
	assert_int_equal(status_of(WHOLE("GET /quick HTTP/1.1\r\n" H CLOSE)), 200);
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		assert_true(read_bytes(fds[i], SIZE_MAX) > LARGE_BYTES);
		io__close(&fds[i]);
	}
	for (int i = 0; i < 1000 && status != 200; i++, usleep(10000))
		status = ask(large, text, sizeof(text));
	assert_int_equal(status, 200);
}

static enum MHD_Result answer_slowly_taken(void *ctx, struct MHD_Connection *connection, const char *url,
					   const char *method, const char *version, const char *upload,
					   size_t *upload_len, void **con_cls)
{
	struct response r;
	enum MHD_Result queued;

	(void)url, (void)method, (void)version, (void)upload, (void)upload_len, (void)con_cls;
	response__init(&r);
	make_large(&r.body);
	queued = http_answer__queue(connection, &r, &(struct http_answer_opts){.outgoing = ctx});
	response__done(&r);
	return queued;
}

/* Less than the least rate is the end, though some bytes are taken now and then. */
static void who_takes_an_answer_too_slowly_loses_it(void **state)
{
	static const char any[] = "GET / HTTP/1.1\r\n" H CLOSE;
	struct http_outgoing all = {
		.limit_bytes = UINT64_MAX, .grace_ns = NS_PER_SEC / 2, .least_rate = 1u << 31};
	const union MHD_DaemonInfo *info;
	struct MHD_Daemon *d;
	int port = server.port, fd;

	(void)state;
	d = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, answer_slowly_taken, &all,
			     MHD_OPTION_END);
	assert_non_null(d);
	info = MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT);
	server.port = info->port;
	fd = connect_to_server();
	server.port = port;
	assert_int_equal(io__write_full(fd, any, strlen(any)), 0);
	assert_int_equal(read_bytes(fd, 9), 9);
	usleep(700000);
	assert_true(read_bytes(fd, SIZE_MAX) < LARGE_BYTES);
	io__close(&fd);
	for (int i = 0; i < 1000 && __atomic_load_n(&all.bytes, __ATOMIC_RELAXED); i++)
		usleep(10000);
	assert_int_equal(all.bytes, 0);
	MHD_stop_daemon(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_localhost_and_configured_names_are_ours),
		cmocka_unit_test(an_origin_is_ours_only_with_our_very_host),
		cmocka_unit_test(gzip_is_taken_where_it_is_not_refused),
		cmocka_unit_test(a_tag_is_known_in_either_form),
		cmocka_unit_test(what_is_no_request_is_told_so),
		cmocka_unit_test(over_a_unix_socket_any_name_will_do),
		cmocka_unit_test(a_route_tells_its_methods),
		cmocka_unit_test(a_page_that_is_known_is_not_sent_again),
		cmocka_unit_test(what_is_too_large_is_told_so),
		cmocka_unit_test(what_was_cut_holds_no_connection),
		cmocka_unit_test(what_is_no_request_leaves_nothing_behind),
		cmocka_unit_test(more_questions_than_may_wait_are_turned_away),
		cmocka_unit_test(sessions_and_those_who_wait_share_their_places),
		cmocka_unit_test(whoever_is_answered_finds_his_place_free),
		cmocka_unit_test(large_answers_that_nobody_takes_are_a_few),
		cmocka_unit_test(who_takes_an_answer_too_slowly_loses_it),
	};

	return cmocka_run_group_tests(tests, start_server, NULL);
}
