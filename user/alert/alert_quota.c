// SPDX-License-Identifier: Apache-2.0
#include "user/alert/alert_quota.h"

#define HOUR_NS (3600ull * 1000000000)

uint32_t alert_quota__captures(const struct alert_quota *q, uint64_t rule, uint64_t real_ns)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < q->n; i++)
		/* one from the future (the clock was set back) counts: it did happen */
		if (q->captures[i].at_ns + HOUR_NS > real_ns && (!rule || q->captures[i].rule == rule))
			n++;
	return n;
}

uint64_t alert_quota__bytes(const struct alert_quota *q, uint64_t real_ns)
{
	uint64_t hour = real_ns / HOUR_NS, bytes = 0;

	for (int i = 0; i <= ALERT_QUOTA_HOURS; i++)
		if (q->hours[i].hour + ALERT_QUOTA_HOURS >= hour)
			bytes += q->hours[i].bytes;
	return bytes;
}

uint64_t alert_quota__captures_from_ns(const struct alert_quota *q, uint64_t rule, uint64_t limit,
				       uint64_t real_ns)
{
	uint64_t n = alert_quota__captures(q, rule, real_ns);
	uint32_t first = (q->next + ALERT_QUOTA_MAX - q->n) % ALERT_QUOTA_MAX;

	/* the oldest come first: so many of them have to go */
	for (uint32_t i = 0; i < q->n && n >= limit; i++) {
		uint32_t at = (first + i) % ALERT_QUOTA_MAX;
		uint64_t until_ns = q->captures[at].at_ns + HOUR_NS;

		if (until_ns <= real_ns || (rule && q->captures[at].rule != rule))
			continue;
		if (n-- == limit)
			return until_ns;
	}
	return 0;
}

uint64_t alert_quota__bytes_from_ns(const struct alert_quota *q, uint64_t limit, uint64_t real_ns)
{
	uint64_t hour = real_ns / HOUR_NS;

	for (uint64_t later = 0; later <= ALERT_QUOTA_HOURS + 1; later++)
		if (alert_quota__bytes(q, (hour + later) * HOUR_NS) < limit)
			return later ? (hour + later) * HOUR_NS : 0;
	return 0;
}

void alert_quota__begun(struct alert_quota *q, uint64_t rule, uint64_t real_ns)
{
	q->captures[q->next].at_ns = real_ns;
	q->captures[q->next].rule = rule;
	q->next = (q->next + 1) % ALERT_QUOTA_MAX;
	if (q->n < ALERT_QUOTA_MAX)
		q->n++;
}

void alert_quota__written(struct alert_quota *q, uint64_t bytes, uint64_t real_ns)
{
	uint64_t hour = real_ns / HOUR_NS;
	int at = (int)(hour % (ALERT_QUOTA_HOURS + 1));

	if (q->hours[at].hour != hour) {
		q->hours[at].hour = hour;
		q->hours[at].bytes = 0;
	}
	q->hours[at].bytes += bytes;
}

void alert_quota__turn_back(struct alert_quota *q, uint64_t real_ns)
{
	uint64_t hour = real_ns / HOUR_NS, bytes = 0;

	for (uint32_t i = 0; i < q->n; i++)
		if (q->captures[i].at_ns > real_ns)
			q->captures[i].at_ns = real_ns;
	for (int i = 0; i <= ALERT_QUOTA_HOURS; i++) {
		if (q->hours[i].hour <= hour)
			continue;
		bytes += q->hours[i].bytes;
		q->hours[i].hour = q->hours[i].bytes = 0;
	}
	if (bytes)
		alert_quota__written(q, bytes, real_ns);
}
