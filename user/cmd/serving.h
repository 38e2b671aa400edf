/* SPDX-License-Identifier: Apache-2.0 */
/*
 * serving - joins the server's host to what the agent has: the store, the collector, the publisher.
 *
 * Owns: the host, the live asks. Thread: that of the loop. Limit: theirs. Errors: -errno with one clear line at the start; where only the address is taken, the
 * agent goes on and says so.
 */
#ifndef EVERPROF_CMD_SERVING_H
#define EVERPROF_CMD_SERVING_H

#include <stdint.h>

struct alerting;
struct capturing;
struct ceiling;
struct collector;
struct control;
struct config;
struct err;
struct loop;
struct publisher;
struct serving;
struct store;
struct watching;

/* What it answers from; all are borrowed and must outlive it, but for the publisher: free that before serving__free, so that nothing is named any more. */
struct serving_parts {
	struct loop *loop;
	struct collector *collector;
	struct publisher *publisher;
	struct store *store;
	struct ceiling *ceiling;
	struct watching *watching;
	struct alerting *alerting;
	struct capturing *capturing;
	struct control *control; /* NULL: nobody can ask for captures */
	uint64_t started_ns;
};

/* *ret stays NULL where nothing is to be served, or the address is taken. */
int serving__new(const struct config *c, const struct serving_parts *parts, struct serving **ret,
		 struct err *err);
/* Where it is reached, or "". */
const char *serving__url(const struct serving *s);
/* Certificates and credentials that were renewed are taken now; they are by themselves, a little later. */
void serving__renew(struct serving *s);
/* Nobody is answered any more. */
void serving__stop(struct serving *s);
void serving__free(struct serving *s);

#endif
