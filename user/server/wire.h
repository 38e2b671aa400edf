/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire - what the server's process asks of the collector, and what it gets: small messages of fixed size over a socketpair of packets.
 *
 * The one side is privileged and the other faces the network, so a request is taken apart as if an enemy had written it: wire__check says which fields may be
 * used. Everything large passes as an fd beside the reply: a sealed memfd, or a file of the store opened for reading.
 *
 *      request                         reply
 *      LIST    event, from, to         memfd: struct store_file[]
 *      OPEN    name                    the file
 *      LIVE    event, from, to         memfd: bare pprof, when `to` is over
 *      CANCEL  target                  nothing; the LIVE of that id fails with ECANCELED
 *      METRICS                         memfd: text
 *      USAGE   target                  memfd: struct usage_head, struct usage_row[] (config/usage_row.h); with WIRE_SERIES of the process `target` alone (0:
 *                                      of none) and struct usage_row_point[]
 *      RULES, ALERTS                   memfd: JSON
 *      TRACE   to                      memfd: a timeline of the scheduler (exporters/format/trace.h) from now, when `to` is over; CANCEL ends it, too
 *
 *      CAPTURES                        memfd: struct capture_folder[]
 *      CAPTURE_FILE  "id/file", or "rule/folder/file" as CAPTURES tells them, where nothing need be looked for: the file
 *      COMMAND  "VERB\n…"              memfd: "ok\n…" or "error <errno>\n<line>" (user/cmd/control.h; only what it lets the server ask)
 *
 * Owns: nothing; fds are the receiver's. Thread: any. Limit: one message. Errors: -EBADMSG for what is no message; -EAGAIN; -EPIPE the other side is gone.
 */
#ifndef EVERPROF_SERVER_WIRE_H
#define EVERPROF_SERVER_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "user/store/name.h"

#define WIRE_MAGIC 0x31767265u /* "erv1" */

enum wire_type {
	WIRE_LIST = 1,
	WIRE_OPEN,
	WIRE_LIVE,
	WIRE_CANCEL,
	WIRE_METRICS,
	WIRE_TRACE,
	WIRE_USAGE,
	WIRE_RULES,
	WIRE_ALERTS,
	WIRE_CAPTURES,
	WIRE_CAPTURE_FILE,
	WIRE_COMMAND,
	WIRE_TYPE_MAX
};

/* More is no load of clients: something else speaks there, and the process is replaced. Its end of the wire waits before that (link.c). */
#define WIRE_MESSAGES_A_SECOND 4000

#define WIRE_RATE_MAX 1000
#define WIRE_TEXT_MAX 4352

enum wire_flags {
	WIRE_WINDOWS_ONLY = 1, /* LIST: no roll-up in the place of windows that are still there */
	WIRE_SERIES = 2
};

struct wire_request {
	uint32_t magic, type;
	uint64_t id;
	uint64_t from_ns, to_ns; /* CLOCK_REALTIME */
	uint64_t target;
	uint32_t flags;
	uint32_t rate_hz;  /* LIVE: at least so many samples a second, where that can be; 0: as it is */
	uint32_t text_len; /* CAPTURE_FILE, COMMAND: bytes of text that follow the struct; else 0 */
	uint32_t zero;
	char event[STORE_EVENT_MAX]; /* LIST: "" is all */
	struct store_name name;
};

struct wire_reply {
	uint32_t magic;
	int32_t err; /* 0 or -errno */
	uint64_t id;
};

_Static_assert(sizeof(struct wire_request) <= 256, "a request is one small packet");

/* 0, or -EBADMSG where the bytes are no request that may be acted on. The text, where there is one, is what follows the struct: no NUL in it. */
int wire__check(const void *bytes, size_t len, struct wire_request *ret);
/* fd FD_CLOSED: none. Never blocks where the socket does not. */
int wire__send(int socket, const void *message, size_t len, int fd);
/* One message and its fd or FD_CLOSED; the length, or -errno. More than one fd, or a message that was cut: -EBADMSG. */
int wire__receive(int socket, void *message, size_t size, int *ret_fd);

#endif
