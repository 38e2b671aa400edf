/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session - recordings that somebody starts, looks after and fetches later.
 *
 * Owns: each session's result until SESSION_KEPT_NS after its end. Thread: any. Limit: the workers that it is given, for as many run at once (one more is -EBUSY); SESSIONS_MAX and
 * SESSIONS_BYTES_MAX are kept, the oldest finished ones go first. Errors: -EBUSY, -ENOENT, -EAGAIN (not done yet), -ECANCELED, -errno.
 */
#ifndef EVERPROF_SERVER_SESSION_H
#define EVERPROF_SERVER_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "user/query/selection.h"

#define SESSIONS_MAX       64
#define SESSIONS_BYTES_MAX ((size_t)64 << 20)
#define SESSION_KEPT_NS    (15ull * 60 * 1000000000)
#define SESSION_ID_MAX     17

struct buf;
struct err;
struct link;
struct sessions;
struct workers;

enum session_status { SESSION_STARTED, SESSION_RUNNING, SESSION_DONE, SESSION_FAILED, SESSION_CANCELLED };

struct session_view {
	char id[SESSION_ID_MAX];
	char event[16];
	uint64_t started_ns, duration_ns; /* CLOCK_REALTIME */
	uint32_t rate_hz;                 /* see struct range */
	enum session_status status;
	double progress; /* 0 to 1 */
	char error[160];
	uint64_t bytes;
};

/* Both are borrowed; whoever else records something for somebody shares the workers. */
int sessions__new(struct link *link, struct workers *workers, struct sessions **ret);
/* want: its event, duration and rate; the selection is copied. */
int sessions__start(struct sessions *s, const struct session_view *want, const struct selection *selection,
		    struct session_view *ret, struct err *err);
int sessions__view(struct sessions *s, const char *id, struct session_view *ret);
uint32_t sessions__list(struct sessions *s, struct session_view *out, uint32_t max);
int sessions__cancel(struct sessions *s, const char *id);
/* The file (gzip pprof). */
int sessions__download(struct sessions *s, const char *id, struct buf *to, struct session_view *ret);
const char *session_status__name(enum session_status status);

#endif
