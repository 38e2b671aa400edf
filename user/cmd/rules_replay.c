// SPDX-License-Identifier: Apache-2.0
/*
 * everprof rules test: the same engine as the agent's, over a recorded series of metrics. It tells what would have fired, when and for whom; nothing is captured, and
 * nobody is told.
 */
#include "user/cmd/rules.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/alert/notice.h"
#include "user/alert/rule_engine.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/config/config.h"
#include "user/config/suggest.h"
#include "user/config/units.h"

#define FIELDS       5
#define SERIES_START 1700000000ull /* of the first second, when the series does not tell the time of day */

struct replay {
	struct rule_engine *engine;
	uint32_t n_fired;
	double second; /* of the pass that is open; < 0: none */
	struct metric_sample sample;
	char comm[64];
	bool has_sample;
};

static void print_news(void *ctx, const struct alert_news *n)
{
	struct replay *p = ctx;
	char who[NOTICE_TEXT_MAX];

	notice__target(n->target, who);
	if (n->kind == NEWS_FIRING) {
		p->n_fired++;
		printf("%10.0f s  %s fires for %s, value %.10g\n", p->second, n->rule->name, who, n->value);
	} else if (n->kind == NEWS_RESOLVED) {
		printf("%10.0f s  %s is over for %s\n", p->second, n->rule->name, who);
	}
}

static struct rule_time time_of(double second)
{
	uint64_t ns = (uint64_t)(second * 1e9);

	/* processes of a series have no start: they are as old as the host */
	return (struct rule_time){ns + NS_PER_SEC, SERIES_START * NS_PER_SEC + ns, ns + NS_PER_SEC};
}

static void end_sample(struct replay *p)
{
	if (p->has_sample)
		rule_engine__take(p->engine, &p->sample);
	p->has_sample = false;
}

static void begin_pass(struct replay *p, double second)
{
	struct rule_time now = time_of(second);

	end_sample(p);
	if (p->second >= 0)
		rule_engine__end(p->engine);
	p->second = second;
	rule_engine__begin(p->engine, &now);
}

static int unknown_metric(const char *name, struct err *e)
{
	struct suggest s;

	suggest__init(&s, name);
	for (int i = 0; i < METRIC_N; i++)
		suggest__offer(&s, metric__get(i)->name);
	return err__set(e, -EINVAL, "unknown metric '%s'%s", units__quote(name).text, suggest__text(&s));
}

/* One value; values of one target in one second are one sample. */
static int take_line(struct replay *p, char *line, struct err *e)
{
	char *fields[FIELDS], *end, *rest = line;
	enum metric_id metric;
	uint32_t pid;
	double second, value;

	for (int i = 0; i < FIELDS; i++) {
		fields[i] = strsep(&rest, ",");
		if (!fields[i])
			return err__set(e, -EINVAL,
					"expected SECONDS,PID,COMM,METRIC,VALUE, found %d of these", i);
	}
	second = strtod(fields[0], &end);
	if (*end || !(second >= 0) || second > 1e9 || floor(second) < p->second)
		return err__set(e, -EINVAL,
				"expected a time not before that of the line before, found '%.40s'",
				fields[0]);
	pid = (uint32_t)strtoul(fields[1], &end, 10);
	if (*end || !*fields[1])
		return err__set(e, -EINVAL, "expected a process id, found '%.40s'", fields[1]);
	if (metric__find(fields[3], &metric))
		return unknown_metric(fields[3], e);
	value = strtod(fields[4], &end);
	if (*end || !*fields[4] || !isfinite(value))
		return err__set(e, -EINVAL, "expected a number, found '%.40s'", fields[4]);
	if (floor(second) > p->second)
		begin_pass(p, floor(second));
	if (p->has_sample && p->sample.target.pid != pid)
		end_sample(p);
	if (!p->has_sample) {
		snprintf(p->comm, sizeof(p->comm), "%s", fields[2]);
		p->sample = (struct metric_sample){.target = {.scope = pid ? SCOPE_PROCESS : SCOPE_SYSTEM,
							      .pid = pid,
							      .comm = pid ? p->comm : NULL}};
		p->has_sample = true;
	}
	p->sample.values[metric] = value;
	p->sample.known |= 1ull << metric;
	return 0;
}

static int replay(struct replay *p, char *text, const char *path, struct err *e)
{
	uint32_t n = 0;
	char *line;
	int err;

	while ((line = strsep(&text, "\n"))) {
		n++;
		if (!*line || *line == '#')
			continue;
		err = take_line(p, line, e);
		if (err)
			return err__prefix(e, err, "%s:%u", path, n);
	}
	end_sample(p);
	if (p->second >= 0)
		rule_engine__end(p->engine);
	return 0;
}

int rules__replay(const struct config *c, const char *series_path, struct err *e)
{
	const struct rule_engine_opts opts = {.captures_per_hour = c->alerting.captures_per_hour,
					      .capture_bytes_per_day = UINT64_MAX};
	struct replay p = {.second = -1};
	const struct rule_port port = {.tell = print_news, .ctx = &p};
	const struct rule_time start = time_of(0);
	struct buf series;
	int err;

	buf__init(&series, RULES_SERIES_MAX);
	err = io__read_at(AT_FDCWD, series_path, RULES_SERIES_MAX - 1, &series);
	if (err)
		err__set(e, err, "cannot read '%s': %s", series_path, strerror(-err));
	else
		err = rule_engine__new(&opts, &port, &c->alerts, &start, &p.engine);
	if (!err)
		err = replay(&p, (char *)(uintptr_t)buf__str(&series), series_path, e);
	if (!err)
		printf("%u alarms\n", p.n_fired);
	rule_engine__free(p.engine);
	buf__done(&series);
	return err;
}
