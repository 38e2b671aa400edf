/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert_past - alarms that are over: a timeline shows them where no capture marks the place, too.
 *
 * Owns: copies of all texts. Thread: one owner. Limit: the last ALERT_PAST_MAX; not over a restart. Errors: none.
 */
#ifndef EVERPROF_ALERT_ALERT_PAST_H
#define EVERPROF_ALERT_ALERT_PAST_H

#include "user/alert/capture_case.h"
#include "user/alert/notice.h"

#define ALERT_PAST_MAX 128

struct past_alert {
	uint64_t fired_real_ns, ended_real_ns;
	char rule[RULE_NAME_MAX + 1];
	char of[NOTICE_TEXT_MAX], worst[CASE_VALUE_MAX];
	char capture[CAPTURE_ID_MAX]; /* "": none */
};

struct alert_past {
	struct past_alert ring[ALERT_PAST_MAX];
	uint32_t n, next;
};

/* news: of kind NEWS_RESOLVED. */
void alert_past__add(struct alert_past *p, const struct alert_news *news, const char *worst);
/* As JSON, [{"rule", "of", "worst", "capture", "firedAt", "endedAt"}, …], the oldest first. */
void alert_past__write(const struct alert_past *p, struct buf *to);

#endif
