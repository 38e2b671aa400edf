// SPDX-License-Identifier: Apache-2.0
#include "user/alert/alert_past.h"

#include <stdio.h>

#include "exporters/format/json.h"
#include "user/base/buf.h"

void alert_past__add(struct alert_past *p, const struct alert_news *news, const char *worst)
{
	struct past_alert *a = &p->ring[p->next];

	*a = (struct past_alert){.fired_real_ns = news->fired_real_ns, .ended_real_ns = news->ended_real_ns};
	snprintf(a->rule, sizeof(a->rule), "%s", news->rule->name);
	snprintf(a->worst, sizeof(a->worst), "%s", worst);
	snprintf(a->capture, sizeof(a->capture), "%s", news->capture);
	notice__target(news->target, a->of);
	p->next = (p->next + 1) % ALERT_PAST_MAX;
	p->n += p->n < ALERT_PAST_MAX;
}

static void write_field(const char *key, const char *text, struct buf *to)
{
	buf__printf(to, "\"%s\":", key);
	json__string(to, text);
	buf__append_char(to, ',');
}

static void write_one(const struct past_alert *a, struct buf *to)
{
	char fired[NOTICE_TIME_MAX], ended[NOTICE_TIME_MAX];

	notice__time(a->fired_real_ns, fired);
	notice__time(a->ended_real_ns, ended);
	buf__append_char(to, '{');
	write_field("rule", a->rule, to);
	write_field("of", a->of, to);
	write_field("worst", a->worst, to);
	write_field("capture", a->capture, to);
	buf__printf(to, "\"firedAt\":\"%s\",\"endedAt\":\"%s\"}", fired, ended);
}

void alert_past__write(const struct alert_past *p, struct buf *to)
{
	buf__append_char(to, '[');
	for (uint32_t i = 0; i < p->n; i++) {
		if (i)
			buf__append_char(to, ',');
		write_one(&p->ring[(p->next + ALERT_PAST_MAX - p->n + i) % ALERT_PAST_MAX], to);
	}
	buf__append_char(to, ']');
}
