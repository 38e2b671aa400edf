// SPDX-License-Identifier: Apache-2.0
/*
 * everprof rules test: the same engine as the agent's, over a recorded series of metrics. It tells what would have fired, when and for whom; nothing is captured, and
 * nobody is told.
 */
#include "user/cmd/rules.h"

#include <stdint.h>
#include <stdio.h>

#include "user/alert/notice.h"
#include "user/alert/rule_engine.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/cmd/rules_series.h"
#include "user/config/config.h"
#include "user/query/printable.h"

#define RULES_PRINTED_MAX ((size_t)16 << 20)
#define SERIES_START      1700000000ull /* of the first second: the series does not tell the time of day */

struct replay {
	struct rule_engine *engine;
	uint32_t n_fired;
	double second; /* of the pass that is open; < 0: none */
};

static void print_news(void *ctx, const struct alert_news *n)
{
	struct replay *p = ctx;
	char who[NOTICE_TEXT_MAX];
	struct buf b;

	notice__target(n->target, who);
	buf__init(&b, NOTICE_TEXT_MAX);
	printable__append(&b, who);
	if (n->kind == NEWS_FIRING) {
		p->n_fired++;
		printf("%10.0f s  %s fires for %s, value %.10g\n", p->second, n->rule->name, buf__str(&b),
		       n->value);
	} else if (n->kind == NEWS_RESOLVED) {
		printf("%10.0f s  %s is over for %s\n", p->second, n->rule->name, buf__str(&b));
	}
	buf__done(&b);
}

static struct rule_time time_of(double second)
{
	uint64_t ns = (uint64_t)(second * 1e9);

	/* processes of a series have no start: they are as old as the host */
	return (struct rule_time){ns + NS_PER_SEC, SERIES_START * NS_PER_SEC + ns, ns + NS_PER_SEC};
}

static void begin_pass(void *ctx, double second)
{
	struct rule_time now = time_of(second);
	struct replay *p = ctx;

	if (p->second >= 0)
		rule_engine__end(p->engine);
	p->second = second;
	rule_engine__begin(p->engine, &now);
}

static void take(void *ctx, const struct metric_sample *s)
{
	struct replay *p = ctx;

	rule_engine__take(p->engine, s);
}

int rules__replay(const struct config *c, const char *series_path, struct err *e)
{
	const struct rule_engine_opts opts = {.captures_per_hour = c->alerting.captures_per_hour,
					      .capture_bytes_per_day = UINT64_MAX};
	struct replay p = {.second = -1};
	const struct rule_port port = {.tell = print_news, .ctx = &p};
	const struct rules_series_sink sink = {begin_pass, take, &p};
	const struct rule_time start = time_of(0);
	struct buf rules;
	int err = rule_engine__new(&opts, &port, &c->alerts, &start, &p.engine);

	if (!err)
		err = rules_series__read(series_path, &sink, e);
	if (!err && p.second >= 0)
		rule_engine__end(p.engine);
	if (!err) {
		printf("%u alarm%s; at the end:\n", p.n_fired, p.n_fired == 1 ? "" : "s");
		buf__init(&rules, RULES_PRINTED_MAX);
		rule_engine__print(p.engine, &rules);
		fputs(buf__str(&rules), stdout);
		buf__done(&rules);
	}
	rule_engine__free(p.engine);
	return err;
}
