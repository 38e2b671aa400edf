// SPDX-License-Identifier: Apache-2.0
/*
 * everprof rules: which there are, where they stand and why; whether a file of them is good; what they would have done.
 */
#include "user/cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
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
#include "user/cmd/control.h"
#include "user/config/config.h"
#include "user/pipeline/collector.h"

extern char **environ;

#define SERIES_BYTES_MAX ((size_t)256 << 20)
#define FIELDS           5
#define SERIES_START     1700000000ull /* of the first second, when the series does not tell the time of day */

enum { EXIT_DONE, EXIT_FAILED, EXIT_USAGE };

static const char usage_text[] = "usage: everprof rules [list|check [FILE]|test FILE SERIES] [options]\n";

static const char help_text[] =
	"\n"
	"Rules (`alerts` in the configuration) capture by themselves when something is wrong.\n"
	"\n"
	"  list                 of the running agent: each rule, what it sees, and why it has not fired "
	"(default)\n"
	"  check FILE           are the rules of the file good, and can this version record what they "
	"capture\n"
	"  test FILE SERIES     what the rules of the file would have done: SERIES has lines of\n"
	"                       SECONDS,PID,COMM,METRIC,VALUE (pid 0 is the system; values in the metric's "
	"base unit, by rising time)\n"
	"\n"
	"      --json           list: as JSON, like /api/v1/rules\n"
	"      --store DIR      list: of the agent of this store (default: that of the configuration)\n"
	"  -c, --config FILE    the configuration, where --store is not given\n"
	"  -h, --help           this text\n";

struct rules {
	const char *store, *config;
	bool json;
};

static int fail(const struct err *e, int code)
{
	fprintf(stderr, "everprof: rules: %s\n", err__text(e, code));
	return EXIT_FAILED;
}

static int load(const char *path, struct config **ret, struct err *e)
{
	const struct config_opts o = {.path = path, .env = environ};

	return config__load(&o, ret, e);
}

/* ---- list ------------------------------------------------------------------------------------------------------------- */

static int list(const struct rules *r)
{
	struct config *c = NULL;
	struct err e = {0};
	struct buf answer;
	int err = 0;

	buf__init(&answer, CONTROL_ANSWER_MAX);
	if (!r->store)
		err = load(r->config, &c, &e);
	if (!err)
		err = control__ask(r->store ? r->store : c->output.directory, "rules", r->json ? "json" : "",
				   &answer, &e);
	if (!err)
		fwrite(answer.data, 1, answer.len, stdout);
	buf__done(&answer);
	config__free(c);
	return err ? fail(&e, err) : EXIT_DONE;
}

/* ---- check ------------------------------------------------------------------------------------------------------------ */

static void print_rule(const struct rule *r)
{
	printf("%s: %s, scope %s\n", r->name, r->condition.text, scope__name(r->scope));
	for (enum event ev = 0; ev < EVENT_N; ev++)
		if (r->capture_events >> ev & 1 && !collector__can_record(ev))
			printf("  warning: captures %s, which this version does not record\n",
			       event__name(ev));
	if (r->scope != SCOPE_PROCESS &&
	    (r->match.comm.n || r->match.process.n || r->match.exe.n || r->match.pid.n))
		printf("  warning: matches by a process's name or id, which a %s does not have: it never "
		       "fires\n",
		       scope__name(r->scope));
	if (r->captures && !r->duration_ns && !r->hits && !condition_set__is_event(&r->condition))
		printf("  warning: fires with the first value that holds\n");
}

static int check(const struct rules *r, const char *path)
{
	struct config *c = NULL;
	struct err e = {0};
	int err = load(path ? path : r->config, &c, &e);

	if (err)
		return fail(&e, err);
	for (uint32_t i = 0; i < c->alerts.n; i++)
		print_rule(&c->alerts.items[i]);
	printf("%u rules are good\n", c->alerts.n);
	config__free(c);
	return EXIT_DONE;
}

/* ---- test ------------------------------------------------------------------------------------------------------------- */

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
			return err__set(e, -EINVAL, "expected SECONDS,PID,COMM,METRIC,VALUE");
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
		return err__set(e, -EINVAL, "unknown metric '%.40s'", fields[3]);
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

static int test(const char *rules_path, const char *series_path)
{
	const struct rule_engine_opts opts = {.captures_per_hour = 1000, .capture_bytes_per_day = UINT64_MAX};
	struct replay p = {.second = -1};
	const struct rule_port port = {.tell = print_news, .ctx = &p};
	const struct rule_time start = time_of(0);
	struct config *c = NULL;
	struct err e = {0};
	struct buf series;
	int err = load(rules_path, &c, &e);

	buf__init(&series, SERIES_BYTES_MAX);
	if (!err) {
		err = io__read_at(AT_FDCWD, series_path, SERIES_BYTES_MAX - 1, &series);
		if (err)
			err__set(&e, err, "cannot read '%s': %s", series_path, strerror(-err));
	}
	if (!err)
		err = rule_engine__new(&opts, &port, &c->alerts, &start, &p.engine);
	if (!err)
		err = replay(&p, (char *)(uintptr_t)buf__str(&series), series_path, &e);
	if (!err)
		printf("%u alarms\n", p.n_fired);
	rule_engine__free(p.engine);
	buf__done(&series);
	config__free(c);
	return err ? fail(&e, err) : EXIT_DONE;
}

/* ---- arguments -------------------------------------------------------------------------------------------------------- */

static int usage(void)
{
	fputs(usage_text, stderr);
	return EXIT_USAGE;
}

enum { OPT_JSON = 256, OPT_STORE };

int cmd_rules(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, OPT_JSON},
		{"store", required_argument, NULL, OPT_STORE},
		{"config", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{},
	};
	struct rules r = {0};
	const char *what;
	int opt, n;

	optind = 1;
	while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (opt) {
		case OPT_JSON:
			r.json = true;
			break;
		case OPT_STORE:
			r.store = optarg;
			break;
		case 'c':
			r.config = optarg;
			break;
		case 'h':
			printf("%s%s", usage_text, help_text);
			return EXIT_DONE;
		default:
			return usage();
		}
	}
	n = argc - optind;
	what = n ? argv[optind] : "list";
	if (!strcmp(what, "list") && n <= 1)
		return list(&r);
	if (!strcmp(what, "check") && n <= 2)
		return check(&r, n == 2 ? argv[optind + 1] : NULL);
	if (!strcmp(what, "test") && n == 3)
		return test(argv[optind + 1], argv[optind + 2]);
	return usage();
}
