// SPDX-License-Identifier: Apache-2.0
#include "user/server/show.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "exporters/format/call_tree.h"
#include "exporters/format/format.h"
#include "exporters/format/json.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/profile/profile.h"
#include "user/query/idle.h"
#include "user/query/top.h"
#include "user/server/ask.h"
#include "user/server/gather.h"
#include "user/server/request.h"
#include "user/server/response.h"

#define TOP_ROWS     100
#define TOP_ROWS_MAX 100000

/* Words of the contract, and the formats' own names. */
static const struct format *format_of(const char *name)
{
	if (!name || !*name || !strcmp(name, "json"))
		name = "flame";
	return strcmp(name, "pprof-zstd") && strcmp(name, "pprof-bare") ? format__by_name(name) : NULL;
}

/* What is looked at shows no idle waits, and says how much they were; files keep all, and so does idle=1. */
static int hide_idle(const struct request *r, const struct ask_for *a, struct profile **p,
		     struct response *to)
{
	struct idle_hidden hidden;
	struct profile *shown = NULL;
	struct buf b;
	int err = request__param(r, "idle") ? 0 : idle__hide(*p, a->format.type, &shown, &hidden);

	if (err || !shown)
		return err;
	buf__init(&b, sizeof(to->note) * 4);
	idle_hidden__print(&hidden, &b);
	snprintf(to->note, sizeof(to->note), "without %s", buf__str(&b));
	/* a header has ASCII only */
	for (char *c = to->note; *c; c++)
		*c = *c < 0 ? '.' : *c;
	buf__done(&b);
	profile__free(*p);
	*p = shown;
	return 0;
}

static void answer_rows(const struct top *t, uint64_t n_rows, struct response *to)
{
	struct buf *b = &to->body;

	to->type = "application/json";
	buf__append_str(b, "{\"type\":");
	json__string(b, t->type);
	buf__append_str(b, ",\"unit\":");
	json__string(b, t->unit);
	buf__append_str(b, ",\"by\":");
	json__string(b, t->by);
	buf__printf(b, ",\"total\":%" PRId64 ",\"in_focus\":%" PRId64 ",\"n\":%u,\"rows\":[", t->total,
		    t->in_focus, t->n);
	for (uint32_t i = 0; i < t->n && i < n_rows; i++) {
		buf__append_str(b, i ? ",{\"name\":" : "{\"name\":");
		json__string(b, top__name(t, i));
		buf__printf(b, ",\"flat\":%" PRId64 ",\"cum\":%" PRId64 "}", t->rows[i].flat, t->rows[i].cum);
	}
	buf__append_str(b, "]}\n");
}

static int read_top(const struct request *r, struct top_opts *ret, uint64_t *ret_n, struct err *e)
{
	const char *sort = request__param(r, "sort");

	*ret = (struct top_opts){.by = request__param(r, "by"),
				 .type = request__param(r, "type"),
				 .focus = request__param(r, "focus"),
				 .sort = sort && !strcmp(sort, "cum") ? TOP_BY_CUM : TOP_BY_FLAT};
	if (request__number(r, "n", TOP_ROWS, TOP_ROWS_MAX, ret_n))
		return err__set(e, -EINVAL, "n: a number of rows up to %d is expected", TOP_ROWS_MAX);
	if (ret->focus && strlen(ret->focus) > 200)
		return err__set(e, -EINVAL, "focus: at most 200 characters");
	return 0;
}

/* format=top as JSON, format=text as `everprof top` prints it. */
static int answer_top(const struct request *r, const struct profile *p, bool as_text, struct response *to,
		      struct err *e)
{
	struct top_opts opts;
	uint64_t n;
	struct top *t;
	int err = read_top(r, &opts, &n, e);

	if (!err)
		err = top__new(p, &opts, &t, e);
	if (err)
		return err;
	if (as_text) {
		top__print(t, p, &(struct top_print_opts){.n_rows = (uint32_t)n}, &to->body);
	} else {
		answer_rows(t, n, to);
	}
	top__free(t);
	return 0;
}

static void describe(const struct request *r, const struct ask_for *a, const struct format *f,
		     struct response *to)
{
	char date[11], hms[7];

	to->type = f->media_type;
	if (strcmp(f->name, "pprof") && !request__param(r, "download"))
		return;
	clock__format_date(a->range.from_ns, date);
	clock__format_hms(a->range.from_ns, hms);
	snprintf(to->file, sizeof(to->file), "%s.%sT%sZ%s", a->range.event, date, hms, f->suffix);
}

/* format=top and format=text are tables, the others formats of files. */
static bool is_table(const char *format)
{
	return format && (!strcmp(format, "top") || !strcmp(format, "text"));
}

int show__check(const struct request *r, struct err *e)
{
	const char *format = request__param(r, "format");

	if (is_table(format) || format_of(format))
		return 0;
	return err__set(e, -EINVAL,
			"format: one of pprof json folded speedscope svg html top text is expected");
}

/* What a tree or a table of names answers needs no sum of all. */
int show__range(const struct request *r, const struct gather_opts *o, struct response *to, struct err *e)
{
	const char *format = request__param(r, "format");
	const struct format *f = is_table(format) ? NULL : format_of(format);
	struct profile *head = NULL;
	struct call_tree *tree = NULL;
	struct top_opts opts;
	struct top *top = NULL;
	uint64_t n;
	int err;

	if (f && f->draw) {
		err = gather__tree(o, &tree, &head, e);
		if (!err)
			err = f->draw(head, tree, &to->body);
		if (!err)
			describe(r, o->ask, f, to);
	} else if (format && !strcmp(format, "top")) {
		err = read_top(r, &opts, &n, e);
		if (!err)
			err = gather__top(o, &opts, &top, &head, e);
		if (!err)
			answer_rows(top, n, to);
	} else {
		return -EAGAIN;
	}
	top__free(top);
	call_tree__free(tree);
	profile__free(head);
	return err;
}

int show__profile(const struct request *r, const struct ask_for *a, struct profile **p, struct response *to,
		  struct err *e)
{
	const char *format = request__param(r, "format");
	const struct format *f = is_table(format) ? NULL : format_of(format);
	int err = !f || strncmp(f->name, "pprof", 5) ? hide_idle(r, a, p, to) : 0;

	if (err)
		return err;
	if (!f)
		return answer_top(r, *p, !strcmp(format, "text"), to, e);
	describe(r, a, f, to);
	err = f->encode(*p, &a->format, &to->body);
	if (err == -ENOENT)
		err__set(e, err, "the profile has no sample type '%s'", a->format.type ? a->format.type : "");
	return err;
}
