/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link - the serving process's end of the wire: asks, and waits for the answer.
 *
 * Owns: the socket, a thread that reads it. Thread: any number may ask at once. Limit: LINK_WAITING_MAX at once, and LINK_BURST messages and then LINK_RATE a second:
 * whoever would be faster waits for his turn, and clients that make him so fill the queue of questions (503). Errors: what the collector answers, -EPIPE where it
 * is gone (then the process ends itself: there is nothing to serve), -EAGAIN too many.
 */
#ifndef EVERPROF_SERVER_LINK_H
#define EVERPROF_SERVER_LINK_H

#include <stdbool.h>
#include <stdint.h>

#define LINK_WAITING_MAX 64
#define LINK_BURST       1000
#define LINK_RATE        2500

struct buf;
struct cancel;
struct link;
struct store_file;
struct store_name;

int link__new(int socket, struct link **ret);
/* An own array, free it. event NULL: all. */
int link__list(struct link *l, const char *event, uint64_t from_ns, uint64_t to_ns, bool windows_only,
	       struct store_file **ret_files, uint32_t *ret_n);
/* The bytes of a file, of the metrics, and of what was recorded in a range (bare pprof) once it is over. */
int link__read_file(struct link *l, const struct store_name *name, struct buf *to);
int link__metrics(struct link *l, struct buf *to);
int link__usage(struct link *l, struct buf *to);
/* Of one process, with its series; pid 0: the host's. */
int link__usage_series(struct link *l, uint32_t pid, struct buf *to);
/* JSON: the rules, or the alerts alone. */
int link__rules(struct link *l, bool alerts_only, struct buf *to);
/* `cancel` (NULL: cannot be) is looked at now and then. */
int link__live(struct link *l, const char *event, uint64_t from_ns, uint64_t to_ns, uint32_t rate_hz,
	       const struct cancel *cancel, struct buf *to);
/* A timeline of the scheduler from now on (exporters/format/trace.h). */
int link__trace(struct link *l, uint64_t to_ns, const struct cancel *cancel, struct buf *to);

/* An own array, free it. */
struct capture_folder;
int link__captures(struct link *l, struct capture_folder **ret, uint32_t *ret_n);
/* By its id, or by rule/folder, which is quicker. */
int link__capture_file(struct link *l, const char *id, const char *file, struct buf *to);
/* What the agent answers, or its error and its line. */
struct err;
int link__command(struct link *l, const char *verb, const char *text, struct buf *to, struct err *err);

#endif
