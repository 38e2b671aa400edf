// SPDX-License-Identifier: Apache-2.0
/* /api/v1/rules and /api/v1/alerts, in the shape of Prometheus' own. */
#include <stddef.h>

#include "user/server/link.h"
#include "user/server/server.h"

static void answer_with(struct server *s, bool alerts_only, struct response *to)
{
	int err = link__rules(s->link, alerts_only, &to->body);

	if (err)
		response__fail_err(to, err, NULL);
	else
		to->type = "application/json";
}

static void answer_rules(struct server *s, const struct http_request *r, struct response *to)
{
	(void)r;
	answer_with(s, false, to);
}

static void answer_alerts(struct server *s, const struct http_request *r, struct response *to)
{
	(void)r;
	answer_with(s, true, to);
}

const struct route rule_routes[] = {
	{"/api/v1/rules", ROLE_VIEW, WORK_QUICK, answer_rules, NULL},
	{"/api/v1/alerts", ROLE_VIEW, WORK_QUICK, answer_alerts, NULL},
	{NULL, 0, 0, NULL, NULL},
};
