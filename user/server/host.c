/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: what parses requests from a network will have a bug one day, and the collector may do everything. And a server that dies must not take the
 * profiles with it, nor stay dead.
 *
 * Idea: the server is another process: this same binary, started anew, so that it holds nothing of the collector's memory. It is given five things and nothing
 * else: two listening sockets, a socketpair, its settings in a memfd, and standard error. It gives up every privilege before it reads a byte of a client's
 * (sandbox.h), and then asks for files and profiles by messages that are checked as an enemy's.
 *
 * Invariants: a message is answered once. Replies to a process that was replaced go nowhere: their slot has another generation.
 *
 * Cost: one wake-up a message; a file of the store costs the collector one open.
 *
 * What it does not do: trust. It never reads what it hands over, and never waits for the other side: whose socket is full is replaced.
 */
#include "user/server/host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "user/base/arena.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/file_stamp.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "user/base/loop.h"
#include "user/base/memfd.h"
#include "user/config/target.h"
#include "user/server/listener.h"
#include "user/server/own_binary.h"
#include "user/server/settings.h"
#include "user/server/wire.h"

#define RESTART_FIRST_NS (100 * NS_PER_MS)
#define RESTART_MAX_NS   (30 * NS_PER_SEC)
#define STEADY_NS        (60 * NS_PER_SEC) /* after so long the next crash is a first one again */
/* The files are looked at so often, and taken once they have stood still (a certificate and its key are two writes): both less than docs/http.md's 20 s. */
#define RENEWAL_NS (18 * NS_PER_SEC)
#define SETTLE_NS  (1 * NS_PER_SEC)

#define MESSAGES_A_WAKE 32
#define REPLY_BYTES_MAX ((size_t)64 << 20)
#define TEXTS_BYTES_MAX ((size_t)4 << 20) /* no less than a configuration may have */

struct pending {
	bool is_used;
	uint64_t id;      /* as the port knows it */
	uint64_t wire_id; /* as the process does */
};

/* Of certificate, key, authorities and credentials. */
struct renewal {
	struct file_stamp files[4];
};

struct server_host {
	struct server_host_opts opts; /* its texts and hosts are of `texts` */
	struct arena texts;
	struct text_list hosts;
	struct server_port port;
	struct loop *loop;
	struct listener tcp, local;
	char url[LISTENER_URL_MAX + 16];
	struct settings *settings;
	struct renewal taken, seen; /* what the settings were read from; the newest look */
	struct loop_source *wire_source, *restart_timer, *renewal_timer;
	int wire; /* ours of the socketpair */
	pid_t pid;
	uint64_t started_ns, back_off_ns, restarts, next_id;
	uint64_t second_ns;
	uint32_t n_messages;
	struct pending pending[HOST_LIVE_MAX];
};

/* -- settings -- */

static int read_pem(const char *key, const char *path, char to[SETTINGS_PEM_MAX], struct err *err)
{
	struct buf b;
	int code;

	if (!path)
		return 0;
	buf__init(&b, SETTINGS_PEM_MAX);
	code = io__read_at(AT_FDCWD, path, SETTINGS_PEM_MAX - 1, &b);
	if (code)
		err__set(err, code, "%s: cannot read '%s': %s", key, path, strerror(-code));
	else
		memcpy(to, buf__str(&b), b.len + 1);
	if (b.data)
		explicit_bzero(b.data, b.len);
	buf__done(&b);
	return code;
}

static void renewal__look(struct renewal *r, const struct server_host_opts *o)
{
	const char *const paths[] = {o->tls_certificate, o->tls_key, o->tls_client_ca, o->credentials};

	*r = (struct renewal){0};
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		if (paths[i])
			file_stamp__take(paths[i], &r->files[i]);
}

static bool renewal__is_same(const struct renewal *a, const struct renewal *b)
{
	for (size_t i = 0; i < sizeof(a->files) / sizeof(*a->files); i++)
		if (!file_stamp__is_same(&a->files[i], &b->files[i]))
			return false;
	return true;
}

static void fill_hosts(const struct text_list *hosts, struct settings *s)
{
	if (!gethostname(s->hosts[0], SETTINGS_HOST_MAX - 1))
		s->n_hosts = 1;
	for (uint32_t i = 0; i < hosts->n && s->n_hosts < SETTINGS_HOSTS_MAX; i++)
		snprintf(s->hosts[s->n_hosts++], SETTINGS_HOST_MAX, "%s", hosts->items[i]);
}

static int fill_settings(const struct server_host_opts *o, struct settings *s, struct err *err)
{
	struct buf args;
	int code = 0;

	*s = (struct settings){.magic = SETTINGS_MAGIC,
			       .max_connections = o->max_connections,
			       .max_captures = o->max_captures,
			       .max_duration_ns = o->max_duration_ns,
			       .is_tls = o->tls_certificate != NULL,
			       .wants_client_certificate = o->tls_client_ca != NULL};
	fill_hosts(o->hosts, s);
	buf__init(&args, SETTINGS_ARGS_MAX);
	if (!io__read_at(AT_FDCWD, "/proc/self/cmdline", SETTINGS_ARGS_MAX, &args)) {
		s->args_len = (uint32_t)args.len;
		memcpy(s->args, args.data, args.len);
	}
	buf__done(&args);
	if (!o->tls_certificate != !o->tls_key)
		return err__set(err, -EINVAL,
				"server.tls_certificate and server.tls_key come together or not at all");
	if (o->tls_client_ca && !o->tls_certificate)
		return err__set(err, -EINVAL, "server.tls_client_ca needs server.tls_certificate");
	if (o->credentials)
		code = credential_list__read(o->credentials, &s->credentials, err);
	if (!code)
		code = read_pem("server.tls_certificate", o->tls_certificate, s->certificate, err);
	if (!code)
		code = read_pem("server.tls_key", o->tls_key, s->key, err);
	if (!code)
		code = read_pem("server.tls_client_ca", o->tls_client_ca, s->client_ca, err);
	return code;
}

/* -- the process -- */

static int host__spawn_with(struct server_host *h, int wire, int settings, pid_t *ret_pid)
{
	static char *const argv[] = {"everprof", "server-process", NULL};
	static char *const envp[] = {NULL};
	const int fds[] = {[SETTINGS_FD_WIRE] = wire,
			   [SETTINGS_FD_SETTINGS] = settings,
			   [SETTINGS_FD_TCP] = h->tcp.fd,
			   [SETTINGS_FD_UNIX] = h->local.fd};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	char path[PATH_MAX];
	sigset_t none;
	int code = 0;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	/* first out of the way of each other, then where they belong */
	for (int i = SETTINGS_FD_WIRE; i <= SETTINGS_FD_UNIX && !code; i++)
		if (fds[i] >= 0)
			code = posix_spawn_file_actions_adddup2(&actions, fds[i], i + 1000);
	for (int i = SETTINGS_FD_WIRE; i <= SETTINGS_FD_UNIX && !code; i++)
		code = fds[i] >= 0 ? posix_spawn_file_actions_adddup2(&actions, i + 1000, i)
				   : posix_spawn_file_actions_addclose(&actions, i);
	if (!code)
		code = posix_spawn_file_actions_addclosefrom_np(&actions, SETTINGS_FD_UNIX + 1);
	if (!code)
		code = posix_spawn(ret_pid, own_binary__path(path), &actions, &attr, argv, envp);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return -code;
}

static int on_wire(int fd, uint32_t events, void *ctx);

static int host__start(struct server_host *h)
{
	int pair[2] = {FD_CLOSED, FD_CLOSED}, settings = FD_CLOSED, code;

	code = memfd__new("everprof-settings", h->settings, sizeof(*h->settings), &settings);
	if (!code && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		code = -errno;
	if (!code && fcntl(pair[0], F_SETFL, O_NONBLOCK))
		code = -errno;
	if (!code)
		code = host__spawn_with(h, pair[1], settings, &h->pid);
	if (!code) {
		h->wire = pair[0];
		pair[0] = FD_CLOSED;
		h->started_ns = clock__mono_ns();
		code = loop__add_fd(h->loop, h->wire, EPOLLIN, on_wire, h, &h->wire_source);
	}
	io__close(&settings);
	io__close(&pair[0]);
	io__close(&pair[1]);
	return code;
}

/* Ends the process, if it has not ended, and forgets what it waited for. */
static void host__stop(struct server_host *h)
{
	if (h->wire_source)
		loop__remove(h->loop, h->wire_source);
	h->wire_source = NULL;
	io__close(&h->wire);
	if (h->pid > 0) {
		kill(h->pid, SIGKILL);
		waitpid(h->pid, NULL, 0);
	}
	h->pid = 0;
	for (int i = 0; i < HOST_LIVE_MAX; i++)
		if (h->pending[i].is_used)
			h->port.cancel(h->port.ctx, h->pending[i].id);
	memset(h->pending, 0, sizeof(h->pending));
}

static void host__restart(struct server_host *h, const char *why)
{
	uint64_t delay = h->back_off_ns;

	if (clock__mono_ns() - h->started_ns > STEADY_NS)
		delay = RESTART_FIRST_NS;
	log_warn("server: the process that serves %s; it is started again in %.1f s, profiling goes on", why,
		 (double)delay / NS_PER_SEC);
	host__stop(h);
	h->restarts++;
	h->back_off_ns = delay * 2 < RESTART_MAX_NS ? delay * 2 : RESTART_MAX_NS;
	loop__set_timer(h->restart_timer, delay, 0);
}

static int on_restart(uint64_t n_expired, void *ctx)
{
	struct server_host *h = ctx;
	int code = h->pid ? 0 : host__start(h);

	(void)n_expired;
	if (code) {
		log_warn("server: cannot start the process that serves: %s", strerror(-code));
		loop__set_timer(h->restart_timer, RESTART_MAX_NS, 0);
	}
	return 0;
}

/* Files that were renewed, and are not just being, are read again; what cannot be used stays out, and the old ones go on. */
static int on_renewal(uint64_t n_expired, void *ctx)
{
	struct server_host *h = ctx;
	struct renewal before = h->seen;
	struct settings *fresh;
	struct err err = {0};

	(void)n_expired;
	renewal__look(&h->seen, &h->opts);
	if (renewal__is_same(&h->seen, &h->taken))
		return 0;
	if (!renewal__is_same(&h->seen, &before))
		return loop__set_timer(h->renewal_timer, SETTLE_NS, RENEWAL_NS);
	fresh = calloc(1, sizeof(*fresh));
	if (!fresh)
		return 0;
	h->taken = h->seen;
	if (fill_settings(&h->opts, fresh, &err)) {
		log_warn("%s; the old ones stay in use", err.text);
		free(fresh);
		return 0;
	}
	/* a backup's link, or an owner that was set again, is nothing that anybody's connection should end for */
	if (!memcmp(fresh, h->settings, sizeof(*fresh))) {
		explicit_bzero(fresh, sizeof(*fresh));
		free(fresh);
		return 0;
	}
	explicit_bzero(h->settings, sizeof(*h->settings));
	free(h->settings);
	h->settings = fresh;
	log_info("server: certificates and credentials were renewed");
	host__stop(h);
	loop__set_timer(h->restart_timer, 1, 0);
	return 0;
}

/* -- answers -- */

static int host__reply(struct server_host *h, uint64_t wire_id, int code, int fd)
{
	const struct wire_reply r = {.magic = WIRE_MAGIC, .err = code, .id = wire_id};

	return wire__send(h->wire, &r, sizeof(r), code ? FD_CLOSED : fd);
}

static int host__reply_bytes(struct server_host *h, uint64_t wire_id, int code, struct buf *b)
{
	int fd = FD_CLOSED;

	if (!code)
		code = buf__err(b);
	if (!code)
		code = memfd__new("everprof-reply", b->data, b->len, &fd);
	code = host__reply(h, wire_id, code, fd);
	io__close(&fd);
	return code;
}

static int host__list(struct server_host *h, const struct wire_request *r)
{
	struct buf b;
	int code;

	buf__init(&b, REPLY_BYTES_MAX);
	code = h->port.list(h->port.ctx, r->event[0] ? r->event : NULL, r->from_ns, r->to_ns,
			    r->flags & WIRE_WINDOWS_ONLY, &b);
	code = host__reply_bytes(h, r->id, code, &b);
	buf__done(&b);
	return code;
}

static int host__metrics(struct server_host *h, const struct wire_request *r)
{
	struct buf b;
	int code;

	buf__init(&b, REPLY_BYTES_MAX);
	h->port.metrics(h->port.ctx, &b);
	buf__printf(&b,
		    "# HELP everprof_server_restarts_total Times that the process that serves was started "
		    "again.\n"
		    "# TYPE everprof_server_restarts_total counter\neverprof_server_restarts_total %llu\n",
		    (unsigned long long)h->restarts);
	code = host__reply_bytes(h, r->id, 0, &b);
	buf__done(&b);
	return code;
}

static int host__usage(struct server_host *h, const struct wire_request *r)
{
	struct buf b;
	int code;

	buf__init(&b, REPLY_BYTES_MAX);
	code = r->target > UINT32_MAX ? -EINVAL
	       : h->port.usage ? h->port.usage(h->port.ctx, r->flags & WIRE_SERIES, (uint32_t)r->target, &b)
			       : -EOPNOTSUPP;
	code = host__reply_bytes(h, r->id, code, &b);
	buf__done(&b);
	return code;
}

static int host__rules(struct server_host *h, const struct wire_request *r)
{
	struct buf b;
	int code = h->port.rules ? 0 : -ENOENT;

	buf__init(&b, REPLY_BYTES_MAX);
	if (!code)
		h->port.rules(h->port.ctx, r->type == WIRE_ALERTS, &b);
	code = host__reply_bytes(h, r->id, code, &b);
	buf__done(&b);
	return code;
}

/* The list of captures, or what a command says. */
static int host__text(struct server_host *h, const struct wire_request *r, char *text)
{
	struct buf b;
	int code = -EOPNOTSUPP;

	buf__init(&b, REPLY_BYTES_MAX);
	if (r->type == WIRE_CAPTURES && h->port.captures)
		code = h->port.captures(h->port.ctx, &b);
	else if (r->type == WIRE_COMMAND && h->port.command)
		code = h->port.command(h->port.ctx, text, &b);
	code = host__reply_bytes(h, r->id, code, &b);
	buf__done(&b);
	return code;
}

static int host__capture_file(struct server_host *h, const struct wire_request *r, char *text)
{
	char *slash = strrchr(text, '/');
	int fd = FD_CLOSED, code = -ENOENT;

	if (slash && h->port.capture_file) {
		*slash = '\0';
		code = h->port.capture_file(h->port.ctx, text, slash + 1, &fd);
	}
	code = host__reply(h, r->id, code, fd);
	io__close(&fd);
	return code;
}

static int host__open_file(struct server_host *h, const struct wire_request *r)
{
	int fd = FD_CLOSED, code = h->port.open_file(h->port.ctx, &r->name, &fd);

	code = host__reply(h, r->id, code, fd);
	io__close(&fd);
	return code;
}

/* What is answered when its time is over: LIVE and TRACE. */
static int host__later(struct server_host *h, const struct wire_request *r)
{
	uint64_t now = clock__real_ns();
	struct pending *p = NULL;
	int code = -EAGAIN;

	for (int i = 0; i < HOST_LIVE_MAX && !p; i++)
		if (!h->pending[i].is_used)
			p = &h->pending[i];
	if (r->to_ns > now && r->to_ns - now > h->opts.max_duration_ns)
		code = -E2BIG;
	else if (p) {
		*p = (struct pending){.is_used = true, .id = ++h->next_id, .wire_id = r->id};
		code = r->type == WIRE_TRACE
			       ? h->port.trace(h->port.ctx, p->id, r->to_ns)
			       : h->port.live(h->port.ctx, p->id, r->event, r->from_ns, r->to_ns, r->rate_hz);
		if (code)
			p->is_used = false;
	}
	return code ? host__reply(h, r->id, code, FD_CLOSED) : 0;
}

static int host__cancel(struct server_host *h, const struct wire_request *r)
{
	for (int i = 0; i < HOST_LIVE_MAX; i++)
		if (h->pending[i].is_used && h->pending[i].wire_id == r->target)
			h->port.cancel(h->port.ctx, h->pending[i].id);
	return host__reply(h, r->id, 0, FD_CLOSED);
}

void server_host__live_done(struct server_host *h, uint64_t id, int err, int fd)
{
	for (int i = 0; i < HOST_LIVE_MAX; i++) {
		struct pending *p = &h->pending[i];

		if (!p->is_used || p->id != id)
			continue;
		p->is_used = false;
		if (host__reply(h, p->wire_id, err, fd))
			host__restart(h, "does not read its answers");
		break;
	}
	io__close(&fd);
}

static int host__answer(struct server_host *h, const struct wire_request *r, char *text)
{
	switch (r->type) {
	case WIRE_LIST:
		return host__list(h, r);
	case WIRE_OPEN:
		return host__open_file(h, r);
	case WIRE_LIVE:
	case WIRE_TRACE:
		return host__later(h, r);
	case WIRE_CANCEL:
		return host__cancel(h, r);
	case WIRE_USAGE:
		return host__usage(h, r);
	case WIRE_RULES:
	case WIRE_ALERTS:
		return host__rules(h, r);
	case WIRE_CAPTURES:
	case WIRE_COMMAND:
		return host__text(h, r, text);
	case WIRE_CAPTURE_FILE:
		return host__capture_file(h, r, text);
	default:
		return host__metrics(h, r);
	}
}

static bool host__is_flooded(struct server_host *h)
{
	uint64_t now = clock__mono_ns();

	if (now - h->second_ns > NS_PER_SEC) {
		h->second_ns = now;
		h->n_messages = 0;
	}
	return ++h->n_messages > WIRE_MESSAGES_A_SECOND;
}

static int on_wire(int fd, uint32_t events, void *ctx)
{
	struct server_host *h = ctx;
	struct wire_request r;
	const char *why = NULL;

	(void)events;
	for (int i = 0; i < MESSAGES_A_WAKE && !why; i++) {
		char bytes[sizeof(r) + WIRE_TEXT_MAX + 1];
		int given, n = wire__receive(fd, bytes, sizeof(bytes) - 1, &given);

		if (n == -EAGAIN)
			break;
		io__close(&given); /* nobody hands us files */
		if (n < 0)
			why = n == -EBADMSG ? "sent what is no message" : "ended";
		else if (wire__check(bytes, (size_t)n, &r))
			why = "sent what is no message";
		else if (host__is_flooded(h))
			why = "asks too much";
		else if (bytes[n] = '\0', host__answer(h, &r, bytes + sizeof(r)))
			why = "does not read its answers";
	}
	if (why)
		host__restart(h, why);
	return 0;
}

/* -- life -- */

static int host__keep_text(struct server_host *h, const char *from, const char **to)
{
	*to = from ? arena__strndup(&h->texts, from, strlen(from)) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

/* The files that they name are read for as long as the host lives, and the caller's configuration is replaced before. */
static int host__keep_opts(struct server_host *h, const struct server_host_opts *o)
{
	const char **const texts[] = {&h->opts.listen,          &h->opts.socket,  &h->opts.credentials,
				      &h->opts.tls_certificate, &h->opts.tls_key, &h->opts.tls_client_ca};
	uint32_t n = o->hosts ? o->hosts->n : 0;
	const char **hosts;
	int code = 0;

	arena__init(&h->texts, TEXTS_BYTES_MAX);
	h->opts = *o;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		code = host__keep_text(h, *texts[i], texts[i]) ?: code;
	hosts = arena__alloc(&h->texts, (n + 1) * sizeof(*hosts));
	if (!hosts)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		code = host__keep_text(h, o->hosts->items[i], &hosts[i]) ?: code;
	h->hosts = (struct text_list){.items = hosts, .n = n};
	h->opts.hosts = &h->hosts;
	return code;
}

static int host__bind(struct server_host *h, struct err *err)
{
	const struct server_host_opts *o = &h->opts;
	int code = o->listen ? listener__bind_tcp(o->listen, &h->tcp, err) : 0;

	if (code)
		return code;
	if (o->listen && !h->tcp.is_local && !h->settings->credentials.n && !o->tls_client_ca &&
	    !o->open_to_the_network)
		return err__set(err, -EPERM,
				"server.listen: '%s' can be reached from other hosts, and nobody has to say "
				"who he is: "
				"set server.credentials, or server.listen_without_authentication: true",
				h->tcp.address);
	if (o->socket)
		code = listener__bind_unix(o->socket, &h->local, err);
	if (!code && o->listen)
		code = listener__listen(&h->tcp, err);
	if (!code && o->socket)
		code = listener__listen(&h->local, err);
	if (!code && o->listen)
		snprintf(h->url, sizeof(h->url), "http%s://%s/", o->tls_certificate ? "s" : "",
			 h->tcp.address);
	return code;
}

int server_host__new(const struct server_host_opts *opts, const struct server_port *port, struct loop *loop,
		     struct server_host **ret, struct err *err)
{
	struct server_host *h = calloc(1, sizeof(*h));
	int code;

	if (!h)
		return -ENOMEM;
	*h = (struct server_host){.port = *port,
				  .loop = loop,
				  .tcp = {.fd = FD_CLOSED},
				  .local = {.fd = FD_CLOSED},
				  .wire = FD_CLOSED,
				  .back_off_ns = RESTART_FIRST_NS};
	h->settings = calloc(1, sizeof(*h->settings));
	code = host__keep_opts(h, opts);
	renewal__look(&h->taken, &h->opts);
	h->seen = h->taken;
	if (!code)
		code = h->settings ? fill_settings(&h->opts, h->settings, err) : -ENOMEM;
	if (!code)
		code = host__bind(h, err);
	if (!code) {
		code = loop__add_timer(loop, LOOP_TIMER_OFF, 0, on_restart, h, &h->restart_timer);
		if (!code)
			code = loop__add_timer(loop, RENEWAL_NS, RENEWAL_NS, on_renewal, h,
					       &h->renewal_timer);
		if (!code)
			code = host__start(h);
		if (code)
			err__set(err, code, "server: cannot start the process that serves: %s",
				 strerror(-code));
	}
	if (code)
		server_host__free(h);
	else
		*ret = h;
	return code;
}

void server_host__free(struct server_host *h)
{
	if (!h)
		return;
	host__stop(h);
	if (h->restart_timer)
		loop__remove(h->loop, h->restart_timer);
	if (h->renewal_timer)
		loop__remove(h->loop, h->renewal_timer);
	if (h->opts.socket && h->local.fd >= 0)
		unlink(h->opts.socket);
	io__close(&h->tcp.fd);
	io__close(&h->local.fd);
	if (h->settings)
		explicit_bzero(h->settings, sizeof(*h->settings));
	free(h->settings);
	arena__done(&h->texts);
	free(h);
}

void server_host__renew(struct server_host *h)
{
	loop__set_timer(h->renewal_timer, 1, RENEWAL_NS);
}

const char *server_host__url(const struct server_host *h)
{
	return h->url;
}
