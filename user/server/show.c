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
#include "user/config/event.h"
#include "user/profile/diff.h"
#include "user/profile/profile.h"
#include "user/query/gather.h"
#include "user/query/idle.h"
#include "user/query/name_search.h"
#include "user/query/top.h"
#include "user/server/ask.h"
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
static bool hides_idle(const struct request *r, const struct format *f)
{
	return (!f || strncmp(f->name, "pprof", 5)) && !request__param(r, "idle");
}

static void tell_hidden(const struct idle_hidden *hidden, struct response *to)
{
	struct buf b;

	if (!hidden->total)
		return;
	buf__init(&b, sizeof(to->note) * 4);
	idle_hidden__print(hidden, &b);
	snprintf(to->note, sizeof(to->note), "without %s", buf__str(&b));
	/* a header has ASCII only */
	for (char *c = to->note; *c; c++)
		*c = *c < 0 ? '.' : *c;
	buf__done(&b);
}

static int hide_idle(const struct ask_for *a, struct profile **p, struct response *to)
{
	struct idle_hidden hidden;
	struct profile *shown = NULL;
	int err = idle__hide(*p, a->format.type, &shown, &hidden);

	if (err || !shown)
		return err;
	tell_hidden(&hidden, to);
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

	const char *by = request__param(r, "by");

	*ret = (struct top_opts){.by = by ? by : "function",
				 .type = request__param(r, "type"),
				 .search = request__param(r, "focus"),
				 .sort = sort && !strcmp(sort, "cum") ? TOP_BY_CUM : TOP_BY_FLAT};
	if (request__number(r, "n", TOP_ROWS, TOP_ROWS_MAX, ret_n))
		return err__set(e, -EINVAL, "n: a number of rows up to %d is expected", TOP_ROWS_MAX);
	if (ret->search && strlen(ret->search) > NAME_SEARCH_MAX)
		return err__set(e, -EINVAL, "focus: at most %d characters", NAME_SEARCH_MAX);
	return 0;
}

/* format=top as JSON, format=text as `everprof top` prints it. */
static void answer_table(const struct top *t, const struct profile *head, const char *format, uint64_t n,
			 struct response *to)
{
	if (!strcmp(format, "text"))
		top__print(t, head, &(struct top_print_opts){.n_rows = (uint32_t)n}, &to->body);
	else
		answer_rows(t, n, to);
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

static int show_tree(const struct request *r, const struct format *f, const struct ask_for *a,
		     const struct gather_opts *o, struct response *to, struct err *e)
{
	const struct call_tree_opts opts = format__tree_opts(&a->format);
	struct gathered g = {0};
	struct call_tree *tree;
	int err = gather__tree(o, &opts, &tree, &g, e);

	if (err)
		return err;
	tell_hidden(&g.hidden, to);
	describe(r, a, f, to);
	err = f->draw(g.head, tree, &to->body);
	call_tree__free(tree);
	profile__free(g.head);
	return err;
}

static int show_table(const struct request *r, const struct gather_opts *o, const char *format,
		      struct response *to, struct err *e)
{
	struct gathered g = {0};
	struct top_opts opts;
	struct top *top;
	uint64_t n;
	int err = read_top(r, &opts, &n, e);

	if (!err)
		err = gather__top(o, &opts, &top, &g, e);
	if (err)
		return err;
	tell_hidden(&g.hidden, to);
	answer_table(top, g.head, format, n, to);
	top__free(top);
	profile__free(g.head);
	return 0;
}

/* A sum, or the difference of two: in the shape that is asked for. */
static int show_sealed(const struct request *r, const struct ask_for *a, const struct profile *p,
		       struct response *to, struct err *e)
{
	const char *format = request__param(r, "format");
	const struct format *f = is_table(format) ? NULL : format_of(format);
	struct top_opts opts;
	struct top *top;
	uint64_t n;
	int err;

	if (f) {
		describe(r, a, f, to);
		err = f->encode(p, &a->format, &to->body);
		if (err == -ENOENT)
			err__set(e, err, "the profile has no sample type '%s'",
				 a->format.type ? a->format.type : "");
		return err;
	}
	err = read_top(r, &opts, &n, e);
	if (!err)
		err = top__new(p, &opts, &top, e);
	if (err)
		return err;
	answer_table(top, p, format, n, to);
	top__free(top);
	return 0;
}

static int show_sum(const struct request *r, const struct ask_for *a, const struct gather_opts *o,
		    struct response *to, struct err *e)
{
	const struct gather_sum_opts sum = range__sum_opts(&a->range);
	struct gather_opts of_now = *o, of_base = *o;
	struct profile *now = NULL, *base = NULL, *diff = NULL;
	struct idle_hidden hidden = {0};
	int err;

	of_now.base = of_base.base = NULL;
	of_base.parts = o->base;
	err = gather__sum(&of_now, &sum, &now, &hidden, e);
	if (!err && o->base) {
		err = gather__sum(&of_base, &sum, &base, NULL, e);
		if (err)
			err__prefix(e, err, "what is to be compared with");
		if (!err)
			err = profile__diff(base, now, &(struct diff_opts){.by_time = o->by_time}, &diff);
	}
	if (!err) {
		tell_hidden(&hidden, to);
		err = show_sealed(r, a, diff ? diff : now, to, e);
	}
	profile__free(diff);
	profile__free(base);
	profile__free(now);
	return err;
}

int show__parts(const struct request *r, const struct ask_for *a, const struct parts *parts,
		const struct parts *base, struct response *to, struct err *e)
{
	const char *format = request__param(r, "format");
	const struct format *f = is_table(format) ? NULL : format_of(format);
	/* who is on a CPU does not wait: there is nothing to look for */
	bool may_wait = strcmp(a->range.event, event__name(EVENT_CPU)) != 0;
	const struct gather_opts o = {.parts = parts,
				      .base = base,
				      .by_time = !event__is_state(a->range.event),
				      .selection = &a->selection,
				      .hides_idle = may_wait && hides_idle(r, f),
				      .type = a->format.type};

	if (f && f->draw)
		return show_tree(r, f, a, &o, to, e);
	return f || base ? show_sum(r, a, &o, to, e) : show_table(r, &o, format, to, e);
}

int show__profile(const struct request *r, const struct ask_for *a, struct profile **p, struct response *to,
		  struct err *e)
{
	const char *format = request__param(r, "format");
	int err = hides_idle(r, is_table(format) ? NULL : format_of(format)) ? hide_idle(a, p, to) : 0;

	return err ? err : show_sealed(r, a, *p, to, e);
}
