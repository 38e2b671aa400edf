// SPDX-License-Identifier: Apache-2.0
/*
 * The socket's packets keep their bounds (SOCK_SEQPACKET), so a question is whole or not there; an answer that does not fit a packet goes as a sealed memfd beside it.
 *
 * The path of a socket holds 107 bytes, that of a store more: it is named through the store's folder, held open.
 */
#include "user/cmd/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "user/base/loop.h"
#include "user/base/memfd.h"
#include "user/server/wire.h"
#include "user/store/store.h"

struct control_verb {
	const char *name;
	bool is_open;
	control_fn fn;
	void *ctx;
};

struct control {
	struct loop *loop;
	struct loop_source *source, *timer;
	struct store *store;
	char *store_dir;
	int dir_fd, fd;
	int err; /* why it cannot listen, as it was said last */
	struct control_verb verbs[CONTROL_VERBS_MAX];
	int n_verbs;
};

struct connection {
	struct control *control;
	struct loop_source *source, *timer;
	int fd;
};

static socklen_t address_of(int dir_fd, struct sockaddr_un *a)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(a->sun_path, sizeof(a->sun_path), "/proc/self/fd/%d/" CONTROL_SOCKET, dir_fd);
	return sizeof(*a);
}

/* -- the agent's end -- */

static void connection__end(struct connection *n)
{
	loop__remove(n->control->loop, n->source);
	if (n->timer)
		loop__remove(n->control->loop, n->timer);
	io__close(&n->fd);
	free(n);
}

static bool may_ask(int fd)
{
	struct ucred who;
	socklen_t len = sizeof(who);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) && (who.uid == 0 || who.uid == geteuid());
}

static int control__answer(struct control *c, char *question, bool is_server, struct buf *to, struct err *err)
{
	char *text = strchr(question, '\n');

	if (text)
		*text++ = '\0';
	else
		text = question + strlen(question);
	for (int i = 0; i < c->n_verbs; i++)
		if (!strcmp(c->verbs[i].name, question) && (c->verbs[i].is_open || !is_server))
			return c->verbs[i].fn(c->verbs[i].ctx, text, to, err);
	return err__set(err, -EOPNOTSUPP, "the agent is of another version: it does not know what is asked");
}

int control__answer_server(struct control *c, char *question, struct buf *to)
{
	struct err err = {""};
	struct buf answer;
	int code;

	buf__init(&answer, CONTROL_ANSWER_MAX);
	code = control__answer(c, question, true, &answer, &err);
	if (code)
		buf__printf(to, "error %d\n%s", -code, err__text(&err, code));
	else
		buf__printf(to, "ok\n%s", buf__str(&answer));
	buf__done(&answer);
	return 0;
}

static int on_question(int fd, uint32_t events, void *ctx)
{
	struct connection *n = ctx;
	char question[CONTROL_QUESTION_MAX + 1], head[ERR_TEXT_MAX + 32];
	struct err err = {""};
	ssize_t len = recv(fd, question, CONTROL_QUESTION_MAX, MSG_DONTWAIT);
	int answer_fd = FD_CLOSED, code;
	struct buf to;

	(void)events;
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (len > 0) {
		question[len] = '\0';
		buf__init(&to, CONTROL_ANSWER_MAX);
		code = control__answer(n->control, question, false, &to, &err);
		if (!code)
			code = buf__err(&to);
		if (!code)
			code = memfd__new("everprof-answer", to.data, to.len, &answer_fd);
		if (code)
			snprintf(head, sizeof(head), "error %d\n%s", -code, err__text(&err, code));
		else
			snprintf(head, sizeof(head), "ok\n");
		buf__done(&to);
		wire__send(fd, head, strlen(head), answer_fd); /* who asked may be gone */
		io__close(&answer_fd);
	}
	connection__end(n);
	return 0;
}

static int on_late(uint64_t n_expired, void *ctx)
{
	(void)n_expired;
	connection__end(ctx);
	return 0;
}

static int on_connection(int fd, uint32_t events, void *ctx)
{
	struct control *c = ctx;
	struct connection *n;
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (peer < 0)
		return 0;
	n = may_ask(peer) ? calloc(1, sizeof(*n)) : NULL;
	if (!n) {
		io__close(&peer);
		return 0;
	}
	*n = (struct connection){.control = c, .fd = peer};
	if (loop__add_fd(c->loop, peer, EPOLLIN, on_question, n, &n->source)) {
		io__close(&n->fd);
		free(n);
		return 0;
	}
	if (loop__add_timer(c->loop, CONTROL_WAIT_MS * 1000000ull, 0, on_late, n, &n->timer))
		connection__end(n);
	return 0;
}

static int control__listen(struct control *c)
{
	struct sockaddr_un a;
	socklen_t len;
	mode_t mask;
	int code;

	c->dir_fd = open(c->store_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c->dir_fd >= 0 && !store__holds(c->store, c->dir_fd))
		return -ESTALE;
	c->fd = c->dir_fd < 0 ? -1 : socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		return -errno;
	/* the store's lock is ours: what stands there is of an agent that is gone */
	unlinkat(c->dir_fd, CONTROL_SOCKET, 0);
	len = address_of(c->dir_fd, &a);
	mask = umask(0177);
	code = bind(c->fd, (struct sockaddr *)&a, len) ? -errno : 0;
	umask(mask);
	return code                ? code
	       : listen(c->fd, 16) ? -errno
				   : loop__add_fd(c->loop, c->fd, EPOLLIN, on_connection, c, &c->source);
}

static void control__close(struct control *c)
{
	if (c->source)
		loop__remove(c->loop, c->source);
	c->source = NULL;
	io__close(&c->fd);
	io__close(&c->dir_fd);
}

/* A socket there that is not ours is of an agent that took the folder from us. */
static bool is_there(const struct control *c)
{
	return c->source && io__leads_to(AT_FDCWD, c->store_dir, c->dir_fd) &&
	       !faccessat(c->dir_fd, CONTROL_SOCKET, F_OK, AT_SYMLINK_NOFOLLOW);
}

static void control__look(struct control *c)
{
	int err;

	if (is_there(c))
		return;
	control__close(c);
	err = control__listen(c);
	if (err)
		control__close(c);
	if (err && err != c->err)
		log_warn("agent: cannot listen on '%s/" CONTROL_SOCKET "': %s, will retry", c->store_dir,
			 strerror(-err));
	c->err = err;
}

static int on_look(uint64_t n_expired, void *ctx)
{
	(void)n_expired;
	control__look(ctx);
	return 0;
}

int control__new(struct loop *loop, const char *store_dir, struct store *store, struct control **ret)
{
	struct control *c = calloc(1, sizeof(*c));
	int code;

	if (!c)
		return -ENOMEM;
	*c = (struct control){.loop = loop, .store = store, .dir_fd = FD_CLOSED, .fd = FD_CLOSED};
	c->store_dir = strdup(store_dir);
	code = c->store_dir ? loop__add_timer(loop, CONTROL_LOOK_NS, CONTROL_LOOK_NS, on_look, c, &c->timer)
			    : -ENOMEM;
	if (code) {
		control__free(c);
		return code;
	}
	control__look(c);
	*ret = c;
	return 0;
}

void control__free(struct control *c)
{
	if (!c)
		return;
	if (c->timer)
		loop__remove(c->loop, c->timer);
	if (c->source)
		unlinkat(c->dir_fd, CONTROL_SOCKET, 0);
	control__close(c);
	free(c->store_dir);
	free(c);
}

int control__add(struct control *c, const char *verb, bool is_open, control_fn fn, void *ctx)
{
	if (c->n_verbs == CONTROL_VERBS_MAX)
		return -E2BIG;
	c->verbs[c->n_verbs++] = (struct control_verb){verb, is_open, fn, ctx};
	return 0;
}

/* -- a command's end -- */

static int connect_to(const char *store_dir, int *ret_fd, struct err *err)
{
	struct sockaddr_un a;
	int dir = open(store_dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, code = 0;
	socklen_t len;

	if (dir < 0)
		return err__set(err, -errno, "cannot open the store '%s': %s", store_dir, strerror(errno));
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		code = -errno;
	len = address_of(dir, &a);
	if (!code && connect(fd, (struct sockaddr *)&a, len))
		code = -errno;
	io__close(&dir);
	if (!code) {
		*ret_fd = fd;
		return 0;
	}
	io__close(&fd);
	if (code == -EACCES || code == -EPERM)
		return err__set(err, code, "the agent answers root only");
	return err__set(err, -ENOENT,
			"no agent is running with the store '%s': start one, or name its store with --store",
			store_dir);
}

static int take_answer(int fd, struct buf *to, struct err *err)
{
	char head[ERR_TEXT_MAX + 64];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int answer = FD_CLOSED, code, n;

	if (poll(&p, 1, 2 * CONTROL_WAIT_MS) <= 0)
		return err__set(err, -ETIMEDOUT, "the agent does not answer");
	n = wire__receive(fd, head, sizeof(head) - 1, &answer);
	if (n <= 0)
		return err__set(err, -EPIPE,
				"the agent does not answer: it answers root and its own user only");
	head[n] = '\0';
	if (sscanf(head, "error %d", &code) == 1) {
		const char *text = strchr(head, '\n');

		code = code > 0 && code < 4096 ? -code : -EIO;
		io__close(&answer);
		return err__set(err, code, "%s", text ? text + 1 : strerror(-code));
	}
	code = answer < 0 ? 0 : memfd__read(answer, CONTROL_ANSWER_MAX, to);
	io__close(&answer);
	return code ? err__set(err, code, "cannot read the agent's answer: %s", strerror(-code)) : 0;
}

int control__ask(const char *store_dir, const char *verb, const char *text, struct buf *to, struct err *err)
{
	char question[CONTROL_QUESTION_MAX];
	int fd, code, n = snprintf(question, sizeof(question), "%s\n%s", verb, text);

	if (n < 0 || (size_t)n >= sizeof(question))
		return err__set(err, -E2BIG, "that is more than can be asked at once");
	code = connect_to(store_dir, &fd, err);
	if (code)
		return code;
	code = wire__send(fd, question, (size_t)n, FD_CLOSED);
	if (code)
		err__set(err, code, "cannot ask the agent: %s", strerror(-code));
	else
		code = take_answer(fd, to, err);
	io__close(&fd);
	return code;
}
