/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert_quota - how many captures rules have made in the last hour, and how many bytes in the last day: what the limits of the host are compared with.
 *
 * In wall-clock time, so that a restart forgets nothing; a clock that is set back makes the limits tighter for a while, never wider.
 *
 * Owns: nothing (flat). Thread: one owner. Limit: ALERT_QUOTA_MAX captures an hour. Errors: none.
 */
#ifndef EVERPROF_ALERT_ALERT_QUOTA_H
#define EVERPROF_ALERT_ALERT_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#define ALERT_QUOTA_MAX   1000
#define ALERT_QUOTA_HOURS 24

struct alert_quota {
	struct {
		uint64_t at_ns;      /* CLOCK_REALTIME */
		uint64_t rule;       /* hash */
	} captures[ALERT_QUOTA_MAX]; /* a ring */
	uint32_t n, next;
	struct {
		uint64_t hour; /* since 1970 */
		uint64_t bytes;
	} hours[ALERT_QUOTA_HOURS + 1];
};

/* In the hour before now; rule 0: of all. */
uint32_t alert_quota__captures(const struct alert_quota *q, uint64_t rule, uint64_t real_ns);
uint64_t alert_quota__bytes(const struct alert_quota *q, uint64_t real_ns);
/* When fewer than `limit` captures, or bytes, will stand in the time before: 0 if that is so now. */
uint64_t alert_quota__captures_from_ns(const struct alert_quota *q, uint64_t rule, uint64_t limit,
				       uint64_t real_ns);
uint64_t alert_quota__bytes_from_ns(const struct alert_quota *q, uint64_t limit, uint64_t real_ns);
void alert_quota__begun(struct alert_quota *q, uint64_t rule, uint64_t real_ns);
void alert_quota__written(struct alert_quota *q, uint64_t bytes, uint64_t real_ns);
/* The clock was set back: what is of the future counts as of now. */
void alert_quota__turn_back(struct alert_quota *q, uint64_t real_ns);

#endif
