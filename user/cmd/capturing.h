/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capturing - joins captures to what the agent has: the collector's history, the publisher's thread, the store, /proc; and hears who asks for one.
 *
 * Owns: the captures, their live asks. Thread: that of the loop. Limit: theirs. Errors: -errno with one clear line at the start.
 */
#ifndef EVERPROF_CMD_CAPTURING_H
#define EVERPROF_CMD_CAPTURING_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct capturing;
struct captures;
struct collector;
struct config;
struct control;
struct err;
struct loop;
struct publisher;
struct store;
struct watching;

/* All are borrowed and must outlive it, but for the publisher: free that between capturing__stop and capturing__free. */
struct capturing_parts {
	struct loop *loop;
	struct collector *collector;
	struct publisher *publisher;
	struct store *store;
	struct watching *watching;
	struct control *control; /* NULL: nobody asks there */
};

int capturing__new(const struct config *c, const struct capturing_parts *parts, struct capturing **ret,
		   struct err *err);
void capturing__set_config(struct capturing *g, const struct config *c);
/* Nothing is begun any more, and nothing given to the publisher. */
void capturing__stop(struct capturing *g);
void capturing__free(struct capturing *g);
/* For the rules. */
struct captures *capturing__captures(struct capturing *g);
/* For Prometheus. NULL prints nothing. */
void capturing__print_metrics(const struct capturing *g, struct buf *to);
/* A capture as text asks for it (user/alert/capture_trigger.h), which is changed; the answer is its id, a line. cause NULL: as the text says. */
int capturing__trigger(struct capturing *g, char *text, const char *cause, struct buf *to, struct err *err);

#endif
