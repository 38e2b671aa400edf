/* SPDX-License-Identifier: Apache-2.0 */
#include "user/server/wire.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "user/base/io.h"

/* A small word, ended by NUL, and nothing behind it. */
static bool is_event(const char event[STORE_EVENT_MAX], bool may_be_empty)
{
	size_t len = strnlen(event, STORE_EVENT_MAX);

	if (len == STORE_EVENT_MAX || (!len && !may_be_empty))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!((event[i] >= 'a' && event[i] <= 'z') || (i && event[i] >= '0' && event[i] <= '9')))
			return false;
	for (size_t i = len; i < STORE_EVENT_MAX; i++)
		if (event[i])
			return false;
	return true;
}

/* A name is good where writing it and reading that gives the same name. */
static bool is_name(const struct store_name *n)
{
	struct store_name again;
	char date[STORE_DATE_MAX], file[STORE_NAME_MAX];
	uint64_t day_s;

	if (!is_event(n->event, false) || n->start_s > STORE_START_MAX || !n->seconds ||
	    n->seconds > STORE_SECONDS_MAX || n->serial > STORE_SERIAL_MAX || n->codec > STORE_ZSTD)
		return false;
	store_name__format_date(n, date);
	store_name__format(n, file);
	return !store_name__parse_date(date, &day_s) && !store_name__parse(file, day_s, &again) &&
	       !store_name__compare(n, &again);
}

/* Of those that have one there is some, as C knows it; the others have none. */
static bool is_text(const struct wire_request *r, const char *text)
{
	if (r->type != WIRE_CAPTURE_FILE && r->type != WIRE_COMMAND)
		return !r->text_len;
	return r->text_len && r->text_len <= WIRE_TEXT_MAX && !memchr(text, 0, r->text_len);
}

int wire__check(const void *bytes, size_t len, struct wire_request *ret)
{
	struct wire_request r;
	uint8_t is_late;

	if (len < sizeof(r))
		return -EBADMSG;
	/* a bool that is neither 0 nor 1 may not even be looked at */
	memcpy(&is_late, (const char *)bytes + offsetof(struct wire_request, name.is_late), 1);
	if (is_late > 1)
		return -EBADMSG;
	memcpy(&r, bytes, sizeof(r));
	if (r.magic != WIRE_MAGIC || !r.type || r.type >= WIRE_TYPE_MAX || r.zero ||
	    r.rate_hz > (r.type == WIRE_LIVE ? WIRE_RATE_MAX : 0) || len - sizeof(r) != r.text_len)
		return -EBADMSG;
	if (!is_text(&r, (const char *)bytes + sizeof(r)))
		return -EBADMSG;
	if ((r.type == WIRE_LIST || r.type == WIRE_LIVE) &&
	    (!is_event(r.event, r.type == WIRE_LIST) || r.from_ns > r.to_ns || r.to_ns > INT64_MAX))
		return -EBADMSG;
	if (r.type == WIRE_TRACE && (r.from_ns > r.to_ns || r.to_ns > INT64_MAX))
		return -EBADMSG;
	if (r.type == WIRE_OPEN && !is_name(&r.name))
		return -EBADMSG;
	*ret = r;
	return 0;
}

int wire__send(int socket, const void *message, size_t len, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {.iov_base = (void *)message, .iov_len = len};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	if (fd >= 0) {
		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	return sendmsg(socket, &m, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -errno;
}

/* What came beside a message: one fd, or -EBADMSG with all of them closed. */
static int take_fd(struct msghdr *m, int *ret_fd)
{
	int n = 0;

	*ret_fd = FD_CLOSED;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < bytes / sizeof(int); i++, n++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			io__close(ret_fd);
			*ret_fd = fd;
		}
	}
	if (n <= 1 && !(m->msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return 0;
	io__close(ret_fd);
	return -EBADMSG;
}

int wire__receive(int socket, void *message, size_t size, int *ret_fd)
{
	union {
		char bytes[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = message, .iov_len = size};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	ssize_t n;
	int err;

	do
		n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	*ret_fd = FD_CLOSED;
	if (n < 0)
		return -errno;
	if (!n)
		return -EPIPE;
	err = take_fd(&m, ret_fd);
	return err ? err : (int)n;
}
