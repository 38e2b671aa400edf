// SPDX-License-Identifier: Apache-2.0
/* /api/v1/captures: what was kept when something was wrong: the list, one, its files, pins, and asking for one. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/format/json.h"
#include "exporters/format/pprof.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/config/event.h"
#include "user/profile/diff.h"
#include "user/profile/profile.h"
#include "user/query/time_point.h"
#include "user/server/ask.h"
#include "user/server/link.h"
#include "user/server/server.h"
#include "user/server/show.h"
#include "user/store/capture_folder.h"

#define PREFIX        "/api/v1/captures/"
#define LISTED        200
#define LISTED_MAX    500 /* each is a message to the collector, which counts them */
#define META_MAX      ((size_t)16 << 20)
#define PROFILE_MAX   ((size_t)384 << 20)
#define TRIGGER_BYTES 4096

/* -- the list -- */

static json_t *read_meta(struct server *s, const struct capture_folder *f)
{
	char path[CAPTURE_RULE_MAX + CAPTURE_NAME_MAX + 1];
	json_t *meta = NULL;
	struct buf b;

	buf__init(&b, META_MAX);
	/* where it is, so that the collector has nothing to look for */
	snprintf(path, sizeof(path), "%s/%s", f->rule, f->text);
	if (!link__capture_file(s->link, path, CAPTURE_META, &b))
		meta = json_loadb((const char *)b.data, b.len, 0, NULL);
	buf__done(&b);
	return json_is_object(meta) ? meta : (json_decref(meta), json_object());
}

/* What a list needs of it; the rest is at /api/v1/captures/ID. */
static json_t *brief(const struct capture_folder *f, json_t *meta)
{
	static const char *const kept[] = {"rule",    "fired", "fired_unix_ns", "target",
					   "trigger", "range", "episode",       "labels"};
	json_t *o = json_object(), *events = json_array(), *e;
	const char *name;

	json_object_set_new(o, "id", json_string(f->name.id));
	json_object_set_new(o, "rule", json_string(f->rule));
	json_object_set_new(o, "fired_unix_ns", json_integer((json_int_t)(f->name.time_ms * NS_PER_MS)));
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		if (json_object_get(meta, kept[i]))
			json_object_set(o, kept[i], json_object_get(meta, kept[i]));
	json_object_foreach(json_object_get(meta, "events"), name, e) if (!json_object_get(e, "missing"))
		json_array_append_new(events, json_string(name));
	json_object_set_new(o, "events", events);
	json_object_set_new(o, "bytes", json_integer((json_int_t)f->bytes));
	json_object_set_new(o, "pinned", json_boolean(f->is_pinned));
	return o;
}

static int dump(const char *bytes, size_t len, void *to)
{
	buf__append(to, bytes, len);
	return buf__err(to) ? -1 : 0;
}

/* Takes the JSON. */
static void answer_json(json_t *j, struct response *to)
{
	to->type = "application/json";
	json_dump_callback(j, dump, &to->body, JSON_COMPACT);
	buf__append_char(&to->body, '\n');
	json_decref(j);
}

static int read_times(const struct request *r, uint64_t *from_ns, uint64_t *to_ns, struct err *e)
{
	const char *from = request__param(r, "from"), *to = request__param(r, "to");
	uint64_t now = clock__real_ns();
	int err = 0;

	*from_ns = 0;
	*to_ns = UINT64_MAX;
	if (from && *from)
		err = time_point__parse(from, now, from_ns, e);
	if (!err && to && *to)
		err = time_point__parse(to, now, to_ns, e);
	return err;
}

static void answer_list(struct server *s, const struct http_request *r, struct response *to)
{
	const char *rule = request__param(&r->target, "rule");
	struct capture_folder *all = NULL;
	uint64_t from_ns, to_ns, n_shown = 0, max;
	struct err e = {""};
	uint32_t n = 0;
	json_t *list;
	int err = read_times(&r->target, &from_ns, &to_ns, &e);

	if (!err && request__number(&r->target, "n", LISTED, LISTED_MAX, &max))
		err = err__set(&e, -EINVAL, "n: a number up to %d is expected", LISTED_MAX);
	if (!err)
		err = link__captures(s->link, &all, &n);
	if (err) {
		response__fail_err(to, err, &e);
		return;
	}
	list = json_array();
	for (uint32_t i = n; i-- && n_shown < max;) {
		uint64_t at_ns = all[i].name.time_ms * NS_PER_MS;
		json_t *meta;

		if (at_ns < from_ns || at_ns >= to_ns || (rule && *rule && strcmp(rule, all[i].rule)))
			continue;
		meta = read_meta(s, &all[i]);
		json_array_append_new(list, brief(&all[i], meta));
		json_decref(meta);
		n_shown++;
	}
	free(all);
	answer_json(json_pack("{s:o}", "captures", list), to);
}

/* -- one -- */

static int find(struct server *s, const char *id, struct capture_folder *ret)
{
	struct capture_folder *all = NULL;
	uint32_t n = 0;
	int err = link__captures(s->link, &all, &n);

	if (!err)
		err = -ENOENT;
	for (uint32_t i = 0; err == -ENOENT && i < n; i++) {
		if (strcmp(all[i].name.id, id))
			continue;
		*ret = all[i];
		err = 0;
	}
	free(all);
	return err;
}

static void answer_meta(struct server *s, const char *id, struct response *to)
{
	struct capture_folder f;
	json_t *meta;

	if (find(s, id, &f)) {
		response__fail(to, 404, "there is no such capture");
		return;
	}
	meta = read_meta(s, &f);
	json_object_set_new(meta, "id", json_string(id));
	json_object_set_new(meta, "pinned", json_boolean(f.is_pinned));
	json_object_set_new(meta, "folder", json_string(f.text));
	answer_json(meta, to);
}

static int load(struct server *s, const char *id, const char *file, const struct selection *selection,
		struct profile **ret, struct err *e)
{
	struct profile *all = NULL, *p = NULL;
	struct buf b;
	int err;

	buf__init(&b, PROFILE_MAX);
	err = link__capture_file(s->link, id, file, &b);
	if (err == -ENOENT)
		err__set(e, err, "the capture has no file '%s'", file);
	if (!err)
		err = pprof__decode(b.data, b.len, NULL, &all, e);
	buf__done(&b);
	p = err ? NULL : profile__new(NULL);
	if (!err)
		err = p ? selection__merge(selection, p, all) : -ENOMEM;
	profile__free(all);
	return profile__finish(p, err, ret);
}

/*
 * One of its profiles as a query would show it; with diff=baseline against what normal looked like, with diff=before what that moment changed: what came after it
 * against what was before, as if that had lasted as long.
 */
static void answer_profile(struct server *s, const struct http_request *r, const char *id, const char *file,
			   struct response *to)
{
	const char *against = request__param(&r->target, "diff");
	static const struct diff_opts by_time = {.by_time = true};
	struct profile *p = NULL, *base = NULL, *diff = NULL;
	struct err e = {""};
	char now[CAPTURE_FILE_NAME_MAX], other[CAPTURE_FILE_NAME_MAX];
	struct ask_for a;
	int err = ask__read(&r->target, &a, &e);
	bool is_before = against && !strcmp(against, "before");

	if (!err)
		err = show__check(&r->target, &e);
	if (!err && against && strcmp(against, "baseline") && !is_before)
		err = err__set(&e, -EINVAL, "diff: baseline or before is expected");
	if (is_before && !strncmp(file, "after.", 6))
		file += 6;
	snprintf(now, sizeof(now), "%s%.40s", is_before ? "after." : "", file);
	snprintf(other, sizeof(other), "%s.%.40s", against ? against : "", file);
	if (!err)
		err = load(s, id, now, &a.selection, &p, &e);
	if (!err && against)
		err = load(s, id, other, &a.selection, &base, &e);
	if (err == -ENOENT && p && !is_before)
		err__set(&e, err, "what is normal is not known here: the capture's summary says why");
	if (!err && against)
		err = profile__diff(base, p, is_before ? &by_time : NULL, &diff);
	if (diff) {
		profile__free(p);
		p = diff;
	}
	if (!err) {
		a.range.from_ns = (uint64_t)profile__meta(p)->time_ns;
		err = show__profile(&r->target, &a, &p, to, &e);
	}
	profile__free(p);
	profile__free(base);
	if (err)
		response__fail_err(to, err, &e);
}

static const char *type_of(const char *file)
{
	const char *dot = strrchr(file, '.');

	return !dot                    ? "application/octet-stream"
	       : !strcmp(dot, ".json") ? "application/json"
	       : !strcmp(dot, ".txt")  ? "text/plain; charset=utf-8"
				       : "application/octet-stream";
}

static void answer_file(struct server *s, const struct http_request *r, const char *id, const char *file,
			struct response *to)
{
	size_t len = strlen(file);
	bool is_profile = len > 6 && !strcmp(file + len - 6, ".pb.gz");
	int err;

	if (is_profile && request__param(&r->target, "format")) {
		answer_profile(s, r, id, file, to);
		return;
	}
	err = link__capture_file(s->link, id, file, &to->body);
	if (err) {
		response__fail(to, err == -ENOENT || err == -EINVAL ? 404 : 500,
			       "there is no such file in a capture of that id");
		return;
	}
	to->type = type_of(file);
	if (is_profile)
		snprintf(to->file, sizeof(to->file), "everprof.%.20s.%.60s", id, file);
}

/* "ID", "ID/FILE" */
static bool split(const struct http_request *r, char id[CAPTURE_FIELD_MAX], const char **ret_file)
{
	const char *rest = r->target.path + strlen(PREFIX), *slash = strchr(rest, '/');
	size_t len = slash ? (size_t)(slash - rest) : strlen(rest);

	if (!len || len >= CAPTURE_FIELD_MAX || (slash && strchr(slash + 1, '/')))
		return false;
	memcpy(id, rest, len);
	id[len] = '\0';
	*ret_file = slash ? slash + 1 : NULL;
	return true;
}

static void answer_one(struct server *s, const struct http_request *r, struct response *to)
{
	char id[CAPTURE_FIELD_MAX];
	const char *file;

	if (!split(r, id, &file))
		response__fail(to, 404, "there is no such page");
	else if (file)
		answer_file(s, r, id, file, to);
	else
		answer_meta(s, id, to);
}

/* -- changing -- */

static void answer_change(struct server *s, const struct http_request *r, struct response *to)
{
	const char *verb = r->target.path + strlen("/api/v1/capture/"),
		   *id = request__param(&r->target, "id");
	struct err e = {""};
	int err;

	if (strcmp(verb, "pin") && strcmp(verb, "unpin") && strcmp(verb, "delete")) {
		response__fail(to, 404, "there is no such page");
		return;
	}
	if (!id || !*id || strlen(id) >= CAPTURE_FIELD_MAX) {
		response__fail(to, 400, "id: the id of a capture is expected");
		return;
	}
	err = link__command(s->link, verb, id, &to->body, &e);
	if (err == -EBUSY)
		response__fail(to, 409, "%s", e.text);
	else if (err)
		response__fail_err(to, err, &e);
	else
		buf__append_str(&to->body, "done\n");
}

/* The parameters are the lines of a trigger (user/alert/capture_trigger.h). */
static void answer_trigger(struct server *s, const struct http_request *r, struct response *to)
{
	struct err e = {""};
	struct buf text, id;
	int err = 0;

	buf__init(&text, TRIGGER_BYTES);
	buf__init(&id, 256);
	for (uint32_t i = 0; !err && i < r->target.n_params; i++) {
		const struct request_param *p = &r->target.params[i];

		if (strpbrk(p->name, "=\n") || strchr(p->value, '\n'))
			err = err__set(&e, -EINVAL, "a parameter is one line");
		buf__printf(&text, "%s=%s\n", p->name, p->value);
	}
	if (!err)
		err = buf__err(&text);
	if (!err)
		err = link__command(s->link, "trigger", buf__str(&text), &id, &e);
	if (err) {
		response__fail_err(to, err, &e);
	} else {
		to->status = 202;
		to->type = "application/json";
		id.len -= id.len && id.data[id.len - 1] == '\n';
		buf__append_str(&to->body, "{\"id\":");
		json__string(&to->body, buf__str(&id));
		buf__append_str(&to->body, "}\n");
	}
	buf__done(&text);
	buf__done(&id);
}

const struct route capture_routes[] = {
	{"/api/v1/captures", ROLE_VIEW, WORK_QUERY, answer_list, NULL},
	{PREFIX "trigger", ROLE_CAPTURE, WORK_QUERY, answer_trigger, NULL, METHODS_CHANGE},
	{"/api/v1/capture/*", ROLE_CAPTURE, WORK_QUERY, answer_change, NULL, METHODS_CHANGE},
	{PREFIX "*", ROLE_VIEW, WORK_QUERY, answer_one, NULL},
	{NULL, 0, 0, NULL, NULL},
};
