// SPDX-License-Identifier: Apache-2.0
#include "user/alert/notice.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "exporters/format/json.h"
#include "user/alert/capture_case.h"
#include "user/base/buf.h"
#include "user/base/hashmap.h"

#define NS_PER_SEC 1000000000ull

void notice__time(uint64_t real_ns, char ret_text[NOTICE_TIME_MAX])
{
	time_t s = (time_t)(real_ns / NS_PER_SEC);
	struct tm tm;
	size_t n = strftime(ret_text, NOTICE_TIME_MAX, "%Y-%m-%dT%H:%M:%S", gmtime_r(&s, &tm));

	snprintf(ret_text + n, NOTICE_TIME_MAX - n, ".%03uZ", (unsigned)(real_ns % NS_PER_SEC / 1000000));
}

void notice__target(const struct metric_target *t, char ret_text[NOTICE_TEXT_MAX])
{
	const char *path = t->scope == SCOPE_CONTAINER && t->container ? t->container : t->cgroup;

	if (t->scope == SCOPE_PROCESS)
		snprintf(ret_text, NOTICE_TEXT_MAX, "pid %u (%s)", t->pid, t->comm ? t->comm : "?");
	else if (t->scope == SCOPE_SYSTEM)
		snprintf(ret_text, NOTICE_TEXT_MAX, "host");
	else
		snprintf(ret_text, NOTICE_TEXT_MAX, "%s", path ? path : "?");
}

static void format_value(enum metric_id metric, double value, char ret[CASE_VALUE_MAX])
{
	if (metric == METRIC_N || isnan(value))
		snprintf(ret, CASE_VALUE_MAX, "-");
	else
		capture_value__format(metric, value, false, ret);
}

/* ---- labels ----------------------------------------------------------------------------------------------------------- */

/* A later one of the same name takes the place of an earlier. */
static void add(struct notice_labels *l, const char *key, const char *value)
{
	uint32_t i = 0;

	if (!value || !*value)
		return;
	while (i < l->n && strcmp(l->items[i].key, key))
		i++;
	if (i == NOTICE_PAIRS_MAX)
		return;
	l->items[i] = (struct notice_pair){key, value};
	if (i == l->n)
		l->n++;
}

static void notice__labels(const struct alert_news *n, const struct notice_opts *o, struct notice_labels *ret)
{
	const struct metric_target *t = n->target;

	*ret = (struct notice_labels){0};
	add(ret, "instance", o->host);
	add(ret, "scope", scope__name(t->scope));
	if (t->pid)
		snprintf(ret->pid, sizeof(ret->pid), "%u", t->pid);
	add(ret, "pid", ret->pid);
	add(ret, "comm", t->comm);
	add(ret, "exe", t->exe);
	add(ret, "cgroup", t->cgroup);
	add(ret, "unit", t->unit);
	add(ret, "container", t->container);
	add(ret, "pod", t->pod);
	for (uint32_t i = 0; i < n->rule->labels.n; i++)
		add(ret, n->rule->labels.items[i].key, n->rule->labels.items[i].value);
	/* nothing takes the place of this one */
	add(ret, "alertname", n->rule->name);
}

static int write_pair(struct buf *to, const char *comma, const char *key, const char *value)
{
	buf__append_str(to, comma);
	json__string(to, key);
	buf__append_char(to, ':');
	json__string(to, value);
	return 0;
}

void notice__write_labels(const struct alert_news *n, const struct notice_opts *o, struct buf *to)
{
	struct notice_labels l;

	notice__labels(n, o, &l);
	buf__append_char(to, '{');
	for (uint32_t i = 0; i < l.n; i++)
		write_pair(to, i ? "," : "", l.items[i].key, l.items[i].value);
	buf__append_char(to, '}');
}

/* ---- annotations ------------------------------------------------------------------------------------------------------ */

struct words {
	char target[NOTICE_TEXT_MAX], value[CASE_VALUE_MAX], threshold[CASE_VALUE_MAX],
		since[NOTICE_TIME_MAX];
	const char *metric, *host, *rule, *capture;
};

static void fill_words(const struct alert_news *n, const struct notice_opts *o, struct words *w)
{
	notice__target(n->target, w->target);
	format_value(n->metric, n->value, w->value);
	format_value(n->metric, n->threshold, w->threshold);
	notice__time(n->since_real_ns, w->since);
	w->metric = n->metric == METRIC_N ? n->rule->condition.text : metric__get(n->metric)->name;
	w->host = o->host;
	w->rule = n->rule->name;
	w->capture = *n->path ? n->path : *n->capture ? n->capture : *n->refused ? n->refused : "no capture";
}

static const char *find_word(const struct words *w, const char *name, size_t len)
{
	const struct notice_pair known[] = {{"target", w->target},       {"value", w->value},
					    {"threshold", w->threshold}, {"since", w->since},
					    {"metric", w->metric},       {"host", w->host},
					    {"rule", w->rule},           {"capture", w->capture}};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strlen(known[i].key) == len && !memcmp(known[i].key, name, len))
			return known[i].value;
	return NULL;
}

/* {word} is filled in; what is no word of ours stays as it is. */
static void expand(const char *text, const struct words *w, struct buf *to)
{
	while (*text) {
		size_t n = strcspn(text, "{"), len;
		const char *value;

		buf__append(to, text, n);
		text += n;
		if (!*text)
			break;
		len = strcspn(text + 1, "}");
		value = text[1 + len] == '}' ? find_word(w, text + 1, len) : NULL;
		if (value) {
			buf__append_str(to, value);
			text += len + 2;
		} else {
			buf__append_char(to, *text++);
		}
	}
}

void notice__fill(const char *text, const struct alert_news *n, const struct notice_opts *o, struct buf *to)
{
	struct words w;

	fill_words(n, o, &w);
	expand(text, &w, to);
}

void notice__write_annotations(const struct alert_news *n, const struct notice_opts *o, struct buf *to)
{
	const char *comma = "";
	struct words w;
	struct buf text;

	fill_words(n, o, &w);
	buf__append_char(to, '{');
	buf__init(&text, 1 << 16);
	for (uint32_t i = 0; i < n->rule->annotations.n; i++) {
		buf__clear(&text);
		expand(n->rule->annotations.items[i].value, &w, &text);
		write_pair(to, comma, n->rule->annotations.items[i].key, buf__str(&text));
		comma = ",";
	}
	write_pair(to, comma, "value", w.value);
	write_pair(to, ",", "condition", n->rule->condition.text);
	if (*n->capture)
		write_pair(to, ",", "capture", n->capture);
	if (*n->refused)
		write_pair(to, ",", "no_capture", n->refused);
	if (n->n_left) {
		buf__printf(to, ",\"left_out\":\"%u more targets held as well\"", n->n_left);
	}
	buf__append_char(to, '}');
	buf__done(&text);
}

/* ---- bodies ----------------------------------------------------------------------------------------------------------- */

static void write_url(const struct alert_news *n, const struct notice_opts *o, struct buf *to)
{
	struct buf url;

	buf__init(&url, 4096);
	if (*o->url)
		buf__printf(&url, "%s", o->url);
	if (*o->url && *n->capture)
		buf__printf(&url, "#capture=%s", n->capture);
	json__string(to, buf__str(&url));
	buf__done(&url);
}

static uint64_t fingerprint(const struct alert_news *n, const struct notice_opts *o)
{
	struct notice_labels l;
	uint64_t h = 14695981039346656037ull;

	notice__labels(n, o, &l);
	for (uint32_t i = 0; i < l.n; i++) {
		for (const char *p = l.items[i].key; *p; p++)
			h = (h ^ (uint8_t)*p) * 1099511628211ull;
		for (const char *p = l.items[i].value; *p; p++)
			h = (h ^ (uint8_t)*p) * 1099511628211ull;
	}
	return h;
}

static void write_times(const struct alert_news *n, uint64_t firing_ends_ns, struct buf *to)
{
	char text[NOTICE_TIME_MAX] = "0001-01-01T00:00:00Z";

	notice__time(n->fired_real_ns, text);
	buf__printf(to, ",\"startsAt\":\"%s\"", text);
	if (n->ended_real_ns)
		notice__time(n->ended_real_ns, text);
	else if (firing_ends_ns)
		notice__time(firing_ends_ns, text);
	else
		snprintf(text, sizeof(text), "0001-01-01T00:00:00Z");
	buf__printf(to, ",\"endsAt\":\"%s\",\"generatorURL\":", text);
}

void notice__write_webhook(const struct alert_news *n, const struct notice_opts *o, struct buf *to)
{
	const char *status = n->ended_real_ns ? "resolved" : "firing";

	buf__printf(to,
		    "{\"version\":\"4\",\"groupKey\":\"everprof/%016" PRIx64
		    "\",\"truncatedAlerts\":0,\"status\":\"%s\","
		    "\"receiver\":\"everprof\",\"groupLabels\":",
		    fingerprint(n, o), status);
	notice__write_labels(n, o, to);
	buf__append_str(to, ",\"commonLabels\":");
	notice__write_labels(n, o, to);
	buf__append_str(to, ",\"commonAnnotations\":");
	notice__write_annotations(n, o, to);
	buf__append_str(to, ",\"externalURL\":");
	json__string(to, o->url);
	buf__printf(to, ",\"alerts\":[{\"status\":\"%s\",\"labels\":", status);
	notice__write_labels(n, o, to);
	buf__append_str(to, ",\"annotations\":");
	notice__write_annotations(n, o, to);
	write_times(n, 0, to);
	write_url(n, o, to);
	buf__printf(to, ",\"fingerprint\":\"%016" PRIx64 "\"}]}\n", fingerprint(n, o));
}

void notice__write_alert(const struct alert_news *n, const struct notice_opts *o, struct buf *to)
{
	buf__append_str(to, "{\"labels\":");
	notice__write_labels(n, o, to);
	buf__append_str(to, ",\"annotations\":");
	notice__write_annotations(n, o, to);
	write_times(n, o->real_ns + 3 * NOTICE_AGAIN_NS, to);
	write_url(n, o, to);
	buf__append_char(to, '}');
}

void notice__write_alertmanager(const struct alert_news *n, const struct notice_opts *o, struct buf *to)
{
	buf__append_char(to, '[');
	notice__write_alert(n, o, to);
	buf__append_str(to, "]\n");
}

static void variable(struct buf *to, const char *name, const char *value)
{
	buf__printf(to, "EVERPROF_%s=%s", name, value ? value : "");
	buf__append_char(to, '\0');
}

void notice__write_environment(const struct alert_news *n, const struct notice_opts *o, struct buf *to)
{
	const struct metric_target *t = n->target;
	char pid[16];
	struct words w;

	fill_words(n, o, &w);
	snprintf(pid, sizeof(pid), "%u", t->pid);
	/* of what was told to be over before its capture was there, a program is still told to have fired: that is what it waits for */
	variable(to, "STATUS", n->kind == NEWS_RESOLVED ? "resolved" : "firing");
	variable(to, "RULE", n->rule->name);
	variable(to, "CONDITION", n->rule->condition.text);
	variable(to, "CAPTURE", n->path);
	variable(to, "CAPTURE_ID", n->capture);
	variable(to, "TARGET", w.target);
	variable(to, "SCOPE", scope__name(t->scope));
	variable(to, "PID", t->pid ? pid : "");
	variable(to, "COMM", t->comm);
	variable(to, "CGROUP", t->cgroup);
	variable(to, "UNIT", t->unit);
	variable(to, "CONTAINER", t->container);
	variable(to, "POD", t->pod);
	variable(to, "METRIC", w.metric);
	variable(to, "VALUE", w.value);
	variable(to, "THRESHOLD", w.threshold);
	variable(to, "SINCE", w.since);
	variable(to, "HOST", o->host);
}
