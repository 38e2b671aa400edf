/* SPDX-License-Identifier: Apache-2.0 */
/*
 * telling - tells others what rules found: puts it into the queue of deliveries, and works through that.
 *
 *      fires      webhook · Alertmanager · program, where no capture was begun
 *      captured   Alertmanager (the same alert, with the capture) · program, with the capture's path
 *      is over    webhook · Alertmanager · program
 *      fires on   Alertmanager, one post a minute with all that it is to know
 *
 * Owns: the queue, the process that posts, the program that runs. Thread: that of its loop. Limit: the queue's; one post and one program at a time.
 * Errors: -errno at the start; later ones are said, counted and tried again.
 */
#ifndef EVERPROF_CMD_TELLING_H
#define EVERPROF_CMD_TELLING_H

struct alert_news;
struct buf;
struct config;
struct loop;
struct telling;

/* host: borrowed. store_fd: of the store's folder, borrowed; < 0: what waits is in memory. */
int telling__new(const struct config *c, const char *host, struct loop *loop, int store_fd,
		 struct telling **ret);
void telling__set_config(struct telling *t, const struct config *c);
/* Another folder stands there now. */
void telling__set_store(struct telling *t, int store_fd);
void telling__set_url(struct telling *t, const char *url);
void telling__free(struct telling *t);
void telling__tell(struct telling *t, const struct alert_news *n);
/* To those who forget: first each alarm that fires, then they are told of all of them at once. */
void telling__collect(struct telling *t, const struct alert_news *n);
void telling__tell_collected(struct telling *t);
void telling__print_metrics(const struct telling *t, struct buf *to);

#endif
