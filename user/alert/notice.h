/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notice - what is told of an alert, as the bytes that others expect: the body of an Alertmanager webhook (version 4), alerts for Alertmanager's own API
 * (version 2), variables for a program.
 *
 *      labels       alertname, instance, scope, then comm pid exe cgroup unit container pod as far as they are known, then the rule's own, which win
 *      annotations  the rule's, filled in: {target} {value} {threshold} {metric} {since} {host} {rule} {capture}; since when it held, which is before it fired
 *
 * What fires and what is over have the same labels: by them others know that it is the same alert.
 *
 * Owns: nothing. Thread: any. Limit: the buf's. Errors: the buf's.
 */
#ifndef EVERPROF_ALERT_NOTICE_H
#define EVERPROF_ALERT_NOTICE_H

#include <stddef.h>
#include <stdint.h>

#include "user/alert/rule_engine.h"

#define NOTICE_PAIRS_MAX (RULE_PAIRS_MAX + 10)
#define NOTICE_TEXT_MAX  160
/* Alertmanager forgets what it is not told again; it is told again this often, and to forget after three of it. */
#define NOTICE_AGAIN_NS (60ull * 1000000000)

struct buf;

struct notice_opts {
	const char *host;
	const char *url; /* where people reach the agent, ends with '/'; "": nowhere */
	uint64_t real_ns;
};

struct notice_pair {
	const char *key, *value;
};

struct notice_labels {
	struct notice_pair items[NOTICE_PAIRS_MAX];
	uint32_t n;
	char pid[16];
};

void notice__write_labels(const struct alert_news *n, const struct notice_opts *o, struct buf *to);
void notice__write_annotations(const struct alert_news *n, const struct notice_opts *o, struct buf *to);
void notice__write_webhook(const struct alert_news *n, const struct notice_opts *o, struct buf *to);
/* One alert of the list that Alertmanager's API takes; and that list of one. */
void notice__write_alert(const struct alert_news *n, const struct notice_opts *o, struct buf *to);
void notice__write_alertmanager(const struct alert_news *n, const struct notice_opts *o, struct buf *to);
/* One text of a rule, filled in. */
void notice__fill(const char *text, const struct alert_news *n, const struct notice_opts *o, struct buf *to);
/* "NAME=value", each ended by a NUL. */
void notice__write_environment(const struct alert_news *n, const struct notice_opts *o, struct buf *to);
/* "pid 4711 (api)", "/system.slice/api.service", "host". */
void notice__target(const struct metric_target *t, char ret_text[NOTICE_TEXT_MAX]);
/* "2026-01-31T23:59:59.123Z" */
#define NOTICE_TIME_MAX 32
void notice__time(uint64_t real_ns, char ret_text[NOTICE_TIME_MAX]);

#endif
