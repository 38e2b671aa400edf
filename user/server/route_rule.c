// SPDX-License-Identifier: Apache-2.0
/* /api/v1/rules and /api/v1/alerts, in the shape of Prometheus' own. The collector is asked once a second at most, however many look. */
#include "user/base/clock.h"
#include "user/server/link.h"
#include "user/server/server.h"

#define FRESH_NS NS_PER_SEC

static void answer_with(struct server *s, struct server_told *t, bool alerts_only, struct response *to)
{
	uint64_t now = clock__mono_ns();
	int err = 0;

	pthread_mutex_lock(&t->lock);
	if (!t->text.len || now - t->told_ns > FRESH_NS) {
		buf__clear(&t->text);
		err = link__rules(s->link, alerts_only, &t->text);
		t->told_ns = now;
	}
	if (!err)
		buf__append(&to->body, t->text.data, t->text.len);
	pthread_mutex_unlock(&t->lock);
	if (err)
		response__fail_err(to, err, NULL);
	else
		to->type = "application/json";
}

static void answer_rules(struct server *s, const struct http_request *r, struct response *to)
{
	(void)r;
	answer_with(s, &s->rules, false, to);
}

static void answer_alerts(struct server *s, const struct http_request *r, struct response *to)
{
	(void)r;
	answer_with(s, &s->alerts, true, to);
}

const struct route rule_routes[] = {
	{"/api/v1/rules", ROLE_VIEW, WORK_QUERY, answer_rules, NULL},
	{"/api/v1/alerts", ROLE_VIEW, WORK_QUERY, answer_alerts, NULL},
	{NULL, 0, 0, NULL, NULL},
};
