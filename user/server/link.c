/* SPDX-License-Identifier: Apache-2.0 */
#include "user/server/link.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/base/memfd.h"
#include "user/server/cancel.h"
#include "user/server/wire.h"
#include "user/store/capture_folder.h"
#include "user/store/index.h"

#define REPLY_BYTES_MAX ((size_t)512 << 20)
#define LOOK_NS         (200 * NS_PER_MS)
#define STEP_NS         (NS_PER_SEC / LINK_RATE)

/* in any second, with those that the collector had not read before */
_Static_assert(LINK_BURST + LINK_RATE + LINK_WAITING_MAX < WIRE_MESSAGES_A_SECOND, "it is not replaced");

struct waiting {
	uint64_t id; /* 0: free */
	bool is_done;
	int err, fd;
};

struct link {
	int socket;
	bool is_broken;
	pthread_mutex_t lock;
	pthread_cond_t answered;
	uint64_t last_id;
	uint64_t turn_ns; /* of the next message */
	struct waiting waiting[LINK_WAITING_MAX];
};

static void link__answer(struct link *l, const struct wire_reply *r, int fd)
{
	pthread_mutex_lock(&l->lock);
	for (int i = 0; i < LINK_WAITING_MAX; i++) {
		struct waiting *w = &l->waiting[i];

		if (w->id != r->id || w->is_done)
			continue;
		w->is_done = true;
		w->err = r->err;
		w->fd = fd;
		fd = FD_CLOSED;
		pthread_cond_broadcast(&l->answered);
		break;
	}
	pthread_mutex_unlock(&l->lock);
	io__close(&fd);
}

static void *link__read(void *ctx)
{
	struct link *l = ctx;
	struct wire_reply r;
	int fd, n;

	while ((n = wire__receive(l->socket, &r, sizeof(r), &fd)) == sizeof(r) && r.magic == WIRE_MAGIC)
		link__answer(l, &r, fd);
	pthread_mutex_lock(&l->lock);
	l->is_broken = true;
	pthread_cond_broadcast(&l->answered);
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

int link__new(int socket, struct link **ret)
{
	struct link *l = calloc(1, sizeof(*l));
	pthread_condattr_t attr;
	pthread_t thread;
	int err;

	if (!l)
		return -ENOMEM;
	l->socket = socket;
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->answered, &attr);
	pthread_condattr_destroy(&attr);
	err = -pthread_create(&thread, NULL, link__read, l);
	if (err) {
		free(l);
		return err;
	}
	pthread_detach(thread);
	*ret = l;
	return 0;
}

static struct waiting *link__slot(struct link *l)
{
	for (int i = 0; i < LINK_WAITING_MAX; i++)
		if (!l->waiting[i].id)
			return &l->waiting[i];
	return NULL;
}

/* text: of text_len bytes, or NULL. */
static int link__send(struct link *l, struct wire_request *r, const char *text)
{
	char bytes[sizeof(*r) + WIRE_TEXT_MAX];

	r->magic = WIRE_MAGIC;
	memcpy(bytes, r, sizeof(*r));
	if (r->text_len)
		memcpy(bytes + sizeof(*r), text, r->text_len);
	return wire__send(l->socket, bytes, sizeof(*r) + r->text_len, FD_CLOSED);
}

static void wait_a_while(struct link *l)
{
	struct timespec until;
	uint64_t ns = clock__mono_ns() + LOOK_NS;

	until = (struct timespec){.tv_sec = (time_t)(ns / NS_PER_SEC), .tv_nsec = (long)(ns % NS_PER_SEC)};
	pthread_cond_timedwait(&l->answered, &l->lock, &until);
}

static void link__cancel(struct link *l, uint64_t target)
{
	/* its answer has no slot and is dropped */
	struct wire_request r = {.type = WIRE_CANCEL, .id = UINT64_MAX, .target = target};

	link__send(l, &r, NULL);
}

/* Until it is the message's turn. What clients ask for is cheap for them; to be replaced would end what all others wait for. */
static void link__await_turn(struct link *l)
{
	uint64_t now = clock__mono_ns(), at;

	pthread_mutex_lock(&l->lock);
	if (l->turn_ns + LINK_BURST * STEP_NS < now)
		l->turn_ns = now - LINK_BURST * STEP_NS;
	at = l->turn_ns;
	l->turn_ns += STEP_NS;
	pthread_mutex_unlock(&l->lock);
	if (at > now)
		usleep((useconds_t)((at - now) / 1000 + 1));
}

/* Sends and waits; ret_fd is the caller's. */
static int link__ask(struct link *l, struct wire_request *r, const char *text, const struct cancel *cancel,
		     int *ret_fd)
{
	struct waiting *w;
	bool told = false;
	int err;

	link__await_turn(l);
	pthread_mutex_lock(&l->lock);
	w = l->is_broken ? NULL : link__slot(l);
	if (!w) {
		err = l->is_broken ? -EPIPE : -EAGAIN;
		goto out;
	}
	r->id = ++l->last_id;
	*w = (struct waiting){.id = r->id, .fd = FD_CLOSED};
	err = link__send(l, r, text);
	while (!err && !w->is_done && !l->is_broken) {
		wait_a_while(l);
		if (!told && cancel__is_wanted(cancel)) {
			link__cancel(l, r->id);
			told = true;
		}
	}
	if (!err)
		err = w->is_done ? w->err : -EPIPE;
	*ret_fd = w->fd;
	*w = (struct waiting){0};
out:
	pthread_mutex_unlock(&l->lock);
	return err;
}

/* Asks for something whose bytes come in a file. */
static int link__fetch_with(struct link *l, struct wire_request *r, const char *text,
			    const struct cancel *cancel, struct buf *to)
{
	int fd = FD_CLOSED, err;

	r->text_len = text ? (uint32_t)strlen(text) : 0;
	err = r->text_len > WIRE_TEXT_MAX ? -E2BIG : link__ask(l, r, text, cancel, &fd);

	if (!err)
		err = fd < 0 ? -EBADMSG : memfd__read(fd, REPLY_BYTES_MAX, to);
	io__close(&fd);
	return err;
}

static int link__fetch(struct link *l, struct wire_request *r, const struct cancel *cancel, struct buf *to)
{
	return link__fetch_with(l, r, NULL, cancel, to);
}

int link__list(struct link *l, const char *event, uint64_t from_ns, uint64_t to_ns, bool windows_only,
	       struct store_file **ret_files, uint32_t *ret_n)
{
	struct wire_request r = {.type = WIRE_LIST,
				 .from_ns = from_ns,
				 .to_ns = to_ns,
				 .flags = windows_only ? WIRE_WINDOWS_ONLY : 0};
	struct buf b;
	int err;

	if (event && strlen(event) >= sizeof(r.event))
		return -EINVAL;
	if (event)
		strcpy(r.event, event);
	buf__init(&b, REPLY_BYTES_MAX);
	err = link__fetch(l, &r, NULL, &b);
	if (!err && b.len % sizeof(struct store_file))
		err = -EBADMSG;
	if (err) {
		buf__done(&b);
		return err;
	}
	*ret_n = (uint32_t)(b.len / sizeof(struct store_file));
	*ret_files = (struct store_file *)(void *)b.data; /* the buffer's memory becomes the caller's */
	return 0;
}

int link__read_file(struct link *l, const struct store_name *name, struct buf *to)
{
	struct wire_request r = {.type = WIRE_OPEN, .name = *name};

	return link__fetch(l, &r, NULL, to);
}

int link__metrics(struct link *l, struct buf *to)
{
	struct wire_request r = {.type = WIRE_METRICS};

	return link__fetch(l, &r, NULL, to);
}

int link__usage_series(struct link *l, uint32_t pid, struct buf *to)
{
	struct wire_request r = {.type = WIRE_USAGE, .flags = WIRE_SERIES, .target = pid};

	return link__fetch(l, &r, NULL, to);
}

int link__usage(struct link *l, struct buf *to)
{
	struct wire_request r = {.type = WIRE_USAGE};

	return link__fetch(l, &r, NULL, to);
}

int link__rules(struct link *l, bool alerts_only, struct buf *to)
{
	struct wire_request r = {.type = alerts_only ? WIRE_ALERTS : WIRE_RULES};

	return link__fetch(l, &r, NULL, to);
}

int link__live(struct link *l, const char *event, uint64_t from_ns, uint64_t to_ns, uint32_t rate_hz,
	       const struct cancel *cancel, struct buf *to)
{
	struct wire_request r = {.type = WIRE_LIVE, .from_ns = from_ns, .to_ns = to_ns, .rate_hz = rate_hz};

	if (strlen(event) >= sizeof(r.event))
		return -EINVAL;
	strcpy(r.event, event);
	return link__fetch(l, &r, cancel, to);
}

int link__trace(struct link *l, uint64_t to_ns, const struct cancel *cancel, struct buf *to)
{
	struct wire_request r = {.type = WIRE_TRACE, .to_ns = to_ns};

	return link__fetch(l, &r, cancel, to);
}

int link__captures(struct link *l, struct capture_folder **ret, uint32_t *ret_n)
{
	struct wire_request r = {.type = WIRE_CAPTURES};
	struct buf b;
	int err;

	buf__init(&b, REPLY_BYTES_MAX);
	err = link__fetch(l, &r, NULL, &b);
	if (!err && b.len % sizeof(struct capture_folder))
		err = -EBADMSG;
	if (err) {
		buf__done(&b);
		return err;
	}
	*ret_n = (uint32_t)(b.len / sizeof(struct capture_folder));
	*ret = (struct capture_folder *)(void *)b.data; /* the buffer's memory becomes the caller's */
	return 0;
}

int link__capture_file(struct link *l, const char *id, const char *file, struct buf *to)
{
	struct wire_request r = {.type = WIRE_CAPTURE_FILE};
	char text[WIRE_TEXT_MAX];
	int n = snprintf(text, sizeof(text), "%s/%s", id, file);

	return n < 0 || (size_t)n >= sizeof(text) ? -E2BIG : link__fetch_with(l, &r, text, NULL, to);
}

int link__command(struct link *l, const char *verb, const char *text, struct buf *to, struct err *e)
{
	struct wire_request r = {.type = WIRE_COMMAND};
	char question[WIRE_TEXT_MAX];
	struct buf b;
	int n = snprintf(question, sizeof(question), "%s\n%s", verb, text), err, code = 0;

	if (n < 0 || (size_t)n >= sizeof(question))
		return err__set(e, -E2BIG, "that is more than can be asked at once");
	buf__init(&b, REPLY_BYTES_MAX);
	err = link__fetch_with(l, &r, question, NULL, &b);
	if (!err && sscanf(buf__str(&b), "error %d", &code) == 1) {
		const char *line = strchr(buf__str(&b), '\n');

		err = err__set(e, code > 0 && code < 4096 ? -code : -EIO, "%s", line ? line + 1 : "refused");
	} else if (!err && b.len >= 3) {
		buf__append(to, b.data + 3, b.len - 3);
	}
	buf__done(&b);
	return err;
}
