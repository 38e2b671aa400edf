// SPDX-License-Identifier: Apache-2.0
/* meta.json: the facts of a capture for programs, and for `everprof captures` and the page. Times are UTC, texts are UTF-8. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "user/alert/capture_account.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/profile/profile.h"
#include "user/profile/utf8.h"
#include "user/query/deadlocks.h"
#include "user/store/capture_folder.h"

#define META_VERSION  1
#define BUILD_IDS_MAX 512

/* Names come from programs: bytes that are no UTF-8 become U+FFFD, as in profiles. */
static json_t *text(const char *s)
{
	char room[1024], *clean = room;
	size_t len = s ? strlen(s) : 0;
	json_t *j;

	if (!s)
		return json_null();
	if (3 * len >= sizeof(room))
		clean = malloc(3 * len + 1);
	if (!clean)
		return json_null();
	clean[utf8__clean(s, len, clean)] = '\0';
	j = json_string(clean);
	if (clean != room)
		free(clean);
	return j ? j : json_null();
}

static void put(json_t *o, const char *key, json_t *value)
{
	json_object_set_new(o, key, value);
}

static void put_text(json_t *o, const char *key, const char *s)
{
	if (s && *s)
		put(o, key, text(s));
}

static json_t *number(double v)
{
	return isfinite(v) ? json_real(v) : json_null();
}

static json_t *seconds(uint64_t ns)
{
	return json_real((double)ns / NS_PER_SEC);
}

static json_t *utc(uint64_t real_ns)
{
	char date[11], hms[7], all[40];

	clock__format_date(real_ns, date);
	clock__format_hms(real_ns, hms);
	snprintf(all, sizeof(all), "%sT%.2s:%.2s:%.2s.%03uZ", date, hms, hms + 2, hms + 4,
		 (unsigned)(real_ns / NS_PER_MS % 1000));
	return json_string(all);
}

static json_t *target_json(const struct capture_case *c)
{
	const struct metric_target *t = &c->request.target;
	json_t *o = json_object(), *selectors;
	char name[CAPTURE_FIELD_MAX], described[512];

	capture_target__name(t, c->request.selection, name, sizeof(name));
	capture_target__describe(t, c->request.selection, described, sizeof(described));
	put(o, "name", text(name));
	put(o, "text", text(described));
	if (c->request.selection) {
		selectors = json_array();
		for (uint32_t i = 0; i < c->selection.n; i++)
			json_array_append_new(selectors,
					      json_pack("{s:o,s:o}", "label", text(c->selection.items[i].key),
							"pattern", text(c->selection.items[i].pattern)));
		put(o, "selectors", selectors);
		return o;
	}
	put(o, "scope", text(scope__name(t->scope)));
	if (t->pid)
		put(o, "pid", json_integer(t->pid));
	put_text(o, "comm", t->comm);
	put_text(o, "exe", t->exe);
	put_text(o, "cgroup", t->cgroup);
	put_text(o, "unit", t->unit);
	put_text(o, "container", t->container);
	put_text(o, "pod", t->pod);
	return o;
}

static json_t *trigger_json(const struct capture_case *c)
{
	const struct capture_request *r = &c->request;
	json_t *o = json_object();
	char value[CASE_VALUE_MAX];

	put_text(o, "condition", r->condition);
	put_text(o, "cause", r->cause);
	if (r->metric >= METRIC_N)
		return o;
	put(o, "metric", text(metric__get(r->metric)->name));
	put(o, "unit", text(metric__unit_name(metric__get(r->metric)->unit)));
	put(o, "value", number(r->value));
	capture_value__format(r->metric, r->value, false, value);
	put(o, "value_text", text(value));
	put(o, "threshold", number(r->threshold));
	put(o, "lower_is_worse", json_boolean(r->lower_is_worse));
	put(o, "held_seconds", seconds(r->held_ns));
	return o;
}

static json_t *series_json(const struct capture_case *c)
{
	int64_t to_real = (int64_t)(c->request.fired_real_ns - c->request.fired_mono_ns);
	json_t *points = json_array();

	for (uint32_t i = 0; i < c->n_points; i++)
		json_array_append_new(
			points, json_pack("[o,o]", seconds((uint64_t)((int64_t)c->points[i].at_ns + to_real)),
					  number(c->points[i].value)));
	return points;
}

static json_t *processes_json(const struct capture_case *c)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < c->n_processes; i++) {
		const struct capture_process *p = &c->processes[i];
		char state[2] = {p->state, 0};
		json_t *o = json_pack("{s:i,s:i,s:i,s:i,s:I,s:o}", "pid", (int)p->pid, "parent",
				      (int)p->parent, "depth", p->depth, "threads", (int)p->n_threads,
				      "resident_bytes", (json_int_t)p->resident_bytes, "state", text(state));

		put(o, "start_boot_seconds", seconds(p->start_ns));
		put_text(o, "comm", p->comm);
		put_text(o, "exe", p->exe);
		put_text(o, "cgroup", p->cgroup);
		put_text(o, "command_line", p->command_line);
		json_array_append_new(all, o);
	}
	return all;
}

static json_t *pairs_json(const struct capture_pair *pairs, uint32_t n)
{
	json_t *o = json_object();

	for (uint32_t i = 0; i < n; i++) {
		json_t *key = text(pairs[i].key);

		put(o, json_string_value(key) ? json_string_value(key) : "", text(pairs[i].value));
		json_decref(key);
	}
	return o;
}

/* -- one event -- */

static json_t *span_json(const struct profile *p)
{
	const struct profile_meta *m = profile__meta(p);

	return json_pack("{s:o,s:o,s:o,s:I,s:i}", "from", utc((uint64_t)m->time_ns), "to",
			 utc((uint64_t)(m->time_ns + m->duration_ns)), "seconds",
			 seconds((uint64_t)m->duration_ns), "total",
			 (json_int_t)capture_account__total(p, NULL), "rows", (int)profile__n_samples(p));
}

/* "lost late_ticks: 9 (…)" */
static json_t *losses_json(const struct profile *p)
{
	json_t *o = json_object();

	for (uint32_t i = 0; i < profile__n_comments(p); i++) {
		char reason[64];
		unsigned long long n;

		if (sscanf(profile__get_comment(p, i), "lost %63[a-z_]: %llu", reason, &n) == 2)
			put(o, reason, json_integer((json_int_t)n));
	}
	return o;
}

static void add_deadlock(void *ctx, const struct profile *p, const struct deadlock *d)
{
	json_t *threads = json_array();

	(void)p;
	for (uint32_t i = 0; i < d->n; i++) {
		const struct deadlock_thread *t = &d->threads[i];

		json_array_append_new(
			threads, json_pack("{s:I,s:o,s:o,s:I,s:o}", "tid", (json_int_t)t->tid, "comm",
					   text(t->comm), "waits_for", text(t->lock_address), "holder_tid",
					   (json_int_t)t->holder_tid, "holder", text(t->holder)));
	}
	json_array_append_new(ctx, json_pack("{s:I,s:o,s:o}", "pid", (json_int_t)d->pid, "process",
					     text(d->process), "threads", threads));
}

static json_t *event_json(const struct capture_account *a)
{
	static const char *const names[WHEN_N] = {"before", "after"};
	json_t *o = json_object(), *baseline;
	const char *unit;
	uint32_t type = 0;

	if (!a->whole) {
		put(o, "missing", text(a->missing));
		return o;
	}
	capture_account__total(a->whole, &unit);
	profile__find_type(a->whole, NULL, &type);
	put(o, "type", text(profile__str(a->whole, profile__type(a->whole, type).type)));
	put(o, "unit", text(unit));
	put(o, "all", span_json(a->whole));
	for (int w = 0; w < WHEN_N && !a->is_state; w++)
		if (a->of[w])
			put(o, names[w], span_json(a->of[w]));
	put(o, "lost", losses_json(a->whole));
	if (a->event == EVENT_THREADS) {
		json_t *deadlocks = json_array();

		deadlocks__each(a->whole, add_deadlock, deadlocks);
		put(o, "deadlocks", deadlocks);
	}
	if (!a->baseline.profile) {
		put(o, "no_baseline", text(a->no_baseline));
		return o;
	}
	baseline = json_pack("{s:o,s:o,s:o,s:o,s:i,s:i,s:I}", "kind", text(a->baseline.kind), "from",
			     utc(a->baseline.from_ns), "to", utc(a->baseline.to_ns), "observed_seconds",
			     seconds(a->baseline.observed_ns), "files", (int)a->baseline.n_files,
			     "damaged_files", (int)a->baseline.n_damaged, "total",
			     (json_int_t)capture_account__total(a->baseline.profile, NULL));
	put(o, "baseline", baseline);
	return o;
}

static void add_build_ids(json_t *o, const struct profile *p)
{
	for (uint32_t id = 1; p && id <= profile__n_mappings(p) && json_object_size(o) < BUILD_IDS_MAX;
	     id++) {
		const struct mapping *m = profile__get_mapping(p, id);

		if (m->build_id)
			put(o, profile__str(p, m->build_id), text(profile__str(p, m->filename)));
	}
}

static json_t *files_json(const struct capture_file *files, uint32_t n)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(all, json_pack("{s:s,s:I}", "name", files[i].name, "bytes",
						     (json_int_t)files[i].len));
	return all;
}

static void put_accounts(json_t *root, const struct capture_case *c, const struct capture_account *accounts,
			 uint32_t n)
{
	json_t *events = json_object(), *build_ids = json_object(), *missing = json_array();

	for (uint32_t i = 0; i < n; i++) {
		if (accounts[i].whole || !accounts[i].is_extra)
			put(events, event__name(accounts[i].event), event_json(&accounts[i]));
		add_build_ids(build_ids, accounts[i].whole);
	}
	for (uint32_t ev = 0; ev < EVENT_N; ev++)
		if (c->not_recorded >> ev & 1)
			json_array_append_new(missing, text(event__name((enum event)ev)));
	put(root, "events", events);
	put(root, "not_recorded", missing);
	put(root, "build_ids", build_ids);
}

static json_t *frequency_json(const struct capture_case *c)
{
	json_t *o = json_pack("{s:i}", "configured_hz", (int)c->configured_hz);

	if (c->raised_hz)
		put(o, "raised_hz", json_integer(c->raised_hz));
	return o;
}

static json_t *root_json(const struct capture_case *c)
{
	const struct capture_request *r = &c->request;
	json_t *root = json_object();
	char episode[20];

	snprintf(episode, sizeof(episode), "%016" PRIx64, r->episode);
	put(root, "version", json_integer(META_VERSION));
	put(root, "id", text(c->id));
	put(root, "rule", text(r->rule));
	put(root, "fired", utc(r->fired_real_ns));
	put(root, "fired_unix_ns", json_integer((json_int_t)r->fired_real_ns));
	put(root, "target", target_json(c));
	put(root, "trigger", trigger_json(c));
	put(root, "episode", text(episode));
	put(root, "range",
	    json_pack("{s:o,s:o,s:b}", "before_seconds", seconds(r->before_ns), "after_seconds",
		      seconds(r->after_ns), "cut_short", c->is_cut_short));
	put(root, "host", text(c->host));
	put(root, "kernel", text(c->kernel));
	put(root, "everprof", text(EVERPROF_VERSION));
	put(root, "frequency", frequency_json(c));
	put(root, "labels", pairs_json(r->labels, r->n_labels));
	put(root, "annotations", pairs_json(r->annotations, r->n_annotations));
	return root;
}

static int append(const char *bytes, size_t len, void *ctx)
{
	buf__append(ctx, bytes, len);
	return buf__err(ctx) ? -1 : 0;
}

int capture_meta__write_json(json_t *root, struct buf *to)
{
	int err = root && !json_dump_callback(root, append, to, JSON_INDENT(1) | JSON_REAL_PRECISION(15))
			  ? 0
			  : -ENOMEM;

	json_decref(root);
	buf__append_char(to, '\n');
	return err ? err : buf__err(to);
}

int capture_meta__encode(const struct capture_case *c, const struct capture_account *accounts, uint32_t n,
			 const struct capture_file *files, uint32_t n_files, struct buf *to)
{
	json_t *root = root_json(c);

	put_accounts(root, c, accounts, n);
	put(root, "series", series_json(c));
	put(root, "metrics", capture_track__json(&c->track));
	put(root, "processes", processes_json(c));
	put(root, "files", files_json(files, n_files));
	return capture_meta__write_json(root, to);
}
