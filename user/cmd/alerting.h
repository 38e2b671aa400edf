/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alerting - joins the rules to what the agent has: what the host uses once a second, captures, who is told, the store that keeps their memory.
 *
 * Owns: the engine, what it knows of profiles, deliveries. Thread: that of the loop; profiles are looked at on the publisher's, which ends first. Limit: theirs. Errors: -errno with one clear line at the start; a memory that
 * cannot be read or written is said and passed over.
 */
#ifndef EVERPROF_CMD_ALERTING_H
#define EVERPROF_CMD_ALERTING_H

struct alerting;
struct buf;
struct captures;
struct config;
struct control;
struct err;
struct loop;
struct publisher;
struct store;
struct watching;

/* All are borrowed and must outlive it. */
struct alerting_parts {
	struct loop *loop;
	struct watching *watching;
	struct captures *captures;
	struct publisher *publisher;
	struct store *store;
	struct control *control; /* NULL: nobody asks there */
};

/* The configuration is borrowed until the next alerting__set_config. */
int alerting__new(const struct config *c, const struct alerting_parts *parts, struct alerting **ret,
		  struct err *err);
/* Before alerting__set_config, which then cannot fail; where that does not follow, all stays as it is. */
int alerting__prepare(struct alerting *a, const struct config *c, struct err *err);
/* The configuration that was prepared. Rules that read the same as before keep their states. */
void alerting__set_config(struct alerting *a, const struct config *c);
/* Where people reach the server, "" for nowhere; for links in what is told. */
void alerting__set_url(struct alerting *a, const char *url);
/* Nothing is judged any more; what survives is on the disk. */
void alerting__stop(struct alerting *a);
/* After the captures were freed, whose last words come here, and the watching, which tells it of passes. */
void alerting__free(struct alerting *a);

void alerting__report_rules(const struct alerting *a, struct buf *to);
void alerting__report_alerts(const struct alerting *a, struct buf *to);
void alerting__print_metrics(const struct alerting *a, struct buf *to);

#endif
