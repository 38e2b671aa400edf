/* SPDX-License-Identifier: Apache-2.0 */
#include "user/server/server.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/err.h"
#include "user/base/heap.h"
#include "user/base/image.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "user/server/link.h"
#include "user/server/own_binary.h"
#include "user/server/range.h"
#include "user/server/sandbox.h"
#include "user/server/session.h"
#include "user/server/workers.h"

#define METRICS_BYTES_MAX ((size_t)1 << 20)
#define USAGE_BYTES_MAX   ((size_t)32 << 20)

static int read_settings(struct settings **ret)
{
	struct settings *s = malloc(sizeof(*s));
	int fd = SETTINGS_FD_SETTINGS, err = s ? io__pread_full(fd, s, sizeof(*s), 0) : -ENOMEM;

	io__close(&fd);
	if (!err && s->magic != SETTINGS_MAGIC)
		err = -EBADMSG;
	if (err)
		free(s);
	else
		*ret = s;
	return err;
}

static int fd_if_open(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? FD_CLOSED : fd;
}

static int server__open(struct server *s, struct err *err)
{
	const struct http_router router = {.find = server__find_route, .answer = server__answer, .ctx = s};
	const int fds[2] = {fd_if_open(SETTINGS_FD_TCP), fd_if_open(SETTINGS_FD_UNIX)};
	int code = link__new(SETTINGS_FD_WIRE, &s->link);

	pthread_mutex_init(&s->metrics_lock, NULL);
	buf__init(&s->metrics, METRICS_BYTES_MAX);
	buf__init(&s->whole, METRICS_BYTES_MAX);
	pthread_mutex_init(&s->usage_lock, NULL);
	buf__init(&s->usage, USAGE_BYTES_MAX);
	pthread_mutex_init(&s->rules.lock, NULL);
	buf__init(&s->rules.text, RESPONSE_BYTES_MAX);
	pthread_mutex_init(&s->alerts.lock, NULL);
	buf__init(&s->alerts.text, RESPONSE_BYTES_MAX);
	if (!code)
		code = digest_cache__new(&s->digests);
	if (!code)
		code = workers__new(s->settings->max_captures, 0, &s->captures);
	if (!code)
		code = sessions__new(s->link, s->captures, &s->sessions);
	if (code)
		return err__set(err, code, "server: cannot start: %s", strerror(-code));
	return http__start(s->settings, fds, &router, s->captures, &s->http, err);
}

/* Until the collector is gone: its end of the wire closes with it. */
static void wait_for_the_end(void)
{
	sigset_t all;
	int signo;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	while (!sigwait(&all, &signo) && signo != SIGTERM && signo != SIGINT)
		;
}

int server__main(void)
{
	static struct server s; /* there is one */
	struct settings *settings;
	struct err err = {0};
	int code;

	/* opened while files still can be: their tables of addresses, zones and random numbers */
	if (read_settings(&settings)) {
		fputs("everprof: server-process is started by the agent, not by people\n", stderr);
		return 2;
	}
	s.settings = settings;
	own_binary__be_child();
	heap__keep_warm();
	if (settings->is_tls)
		gnutls_global_init();
	image__give_back();
	code = sandbox__enter(SANDBOX_SERVES, &err);
	if (!code)
		code = server__open(&s, &err);
	if (code) {
		log_error("%s", err__text(&err, code));
		return 1;
	}
	wait_for_the_end();
	return 0; /* the system takes back what is left: nothing is to be written */
}
