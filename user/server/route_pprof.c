/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /debug/pprof/: what Go's net/http/pprof serves of one program, of the whole machine, for the tools and scrapers that know these paths.
 *
 * `seconds` means the next seconds, for every profile; without it `profile` takes 30, and the others what the last complete window has. Answers are
 * gzip files with neither Content-Encoding nor anything that would make a client unpack them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exporters/format/pprof.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/profile/merge.h"
#include "user/profile/profile.h"
#include "user/server/ask.h"
#include "user/server/link.h"
#include "user/server/pprof_text.h"
#include "user/server/server.h"
#include "user/store/index.h"

#define PROFILE_SECONDS 30
#define LOOK_US         200000 /* has the client hung up? */
#define PREFIX          "/debug/pprof/"

static const struct pprof_page {
	const char *name, *event;
	uint32_t seconds;      /* without the parameter; 0: the last complete window */
	const char *states[2]; /* of off-CPU time; NULL: all */
	bool ignores_debug;
	const char *help;
	const char *chosen; /* event of chosen processes that have it; NULL: the same */
	bool is_dump;       /* debug=2 is one stack after the other, as when a Go program panics */
} pages[] = {
	{"profile", "cpu", PROFILE_SECONDS, {NULL}, true, "on-CPU time over the next seconds (default 30)"},
	{"heap",
	 "alloc",
	 0,
	 {NULL},
	 false,
	 "allocations of the last complete window; with seconds over the next seconds; of Go programs that "
	 "are "
	 "chosen (pid and the like) what they have in use",
	 "heap"},
	{"allocs", "alloc", 0, {NULL}, false, "the same", "heap"},
	{"block",
	 "offcpu",
	 0,
	 {"blocked", "disk"},
	 false,
	 "time that threads were blocked, of the last complete window"},
	{"mutex", "lock", 10, {NULL}, false, "waits for locks"},
	{"goroutine",
	 "threads",
	 1,
	 {NULL},
	 false,
	 "the stacks of all threads; with pid and the like the goroutines of Go programs, threads of others",
	 "goroutine",
	 true},
	{"threadcreate", "threadcreate", 0, {NULL}, false, "where threads and processes were created"},
	{"delta_heap", "alloc", 10, {NULL}, false, "as heap, over the next seconds (default 10)"},
	{"delta_block",
	 "offcpu",
	 10,
	 {"blocked", "disk"},
	 false,
	 "as block, over the next seconds (default 10)"},
	{"delta_mutex", "lock", 10, {NULL}, false, "as mutex"},
};

static const struct pprof_page *page_of(const struct http_request *r)
{
	for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++)
		if (!strcmp(strrchr(r->target.path, '/') + 1, pages[i].name))
			return &pages[i];
	return NULL;
}

static enum work work_of_page(const struct http_request *r)
{
	const struct pprof_page *p = page_of(r);

	return p && (p->seconds || request__param(&r->target, "seconds")) ? WORK_CAPTURE : WORK_QUERY;
}

/* Go's rules: `profile` takes its default for nonsense, the others refuse it, and refuse debug beside it. */
static bool read_seconds(const struct http_request *r, const struct pprof_page *p, uint64_t *ret,
			 struct response *to)
{
	const char *text = request__param(&r->target, "seconds"),
		   *debug = request__param(&r->target, "debug");
	uint64_t n = 0;
	int err = request__number(&r->target, "seconds", p->seconds, 86400, &n);

	*ret = p->seconds;
	if (!text)
		return true;
	if (p->ignores_debug) {
		*ret = err || !n ? p->seconds : n;
		return true;
	}
	if (err || !n) {
		response__fail(to, 400, "invalid value for \"seconds\" - must be a positive integer");
		return false;
	}
	if (debug && strcmp(debug, "0")) {
		response__fail(to, 400, "seconds and debug params are incompatible");
		return false;
	}
	*ret = n;
	return true;
}

static int encode_page(const struct http_request *r, const struct pprof_page *page, uint64_t seconds,
		       const struct profile *p, struct response *to)
{
	const char *debug = request__param(&r->target, "debug");
	bool is_delta = seconds && request__param(&r->target, "seconds") && !page->ignores_debug;

	if (debug && *debug && strcmp(debug, "0") && !page->ignores_debug)
		return !strcmp(debug, "2") && page->is_dump
			       ? pprof_text__dump(p, &to->body)
			       : pprof_text__print(p, page->name, !strcmp(debug, "2"), &to->body);
	to->type = "application/octet-stream";
	snprintf(to->file, sizeof(to->file), "%s%s", page->name, is_delta ? "-delta" : "");
	return pprof__encode(p, NULL, &to->body);
}

/* Of chosen processes, what they have of the page's other event, which is a state; false where they have nothing of it. */
static bool capture_chosen(struct server *s, const struct pprof_page *page, const struct selection *selection,
			   struct profile **ret)
{
	struct range now = {.event = page->chosen, .from_ns = clock__real_ns()};
	struct profile *p = NULL;

	if (!page->chosen || !selection->n)
		return false;
	now.to_ns = now.from_ns + NS_PER_SEC;
	if (!range__capture(s->link, &now, selection, NULL, &p, NULL) && profile__n_samples(p)) {
		*ret = p;
		return true;
	}
	profile__free(p);
	return false;
}

/* The same, less what they had so many seconds before: what Go's own pages answer to `seconds`. */
static int capture_change(struct server *s, const struct pprof_page *page, const struct selection *selection,
			  uint64_t seconds, const struct cancel *cancel, struct profile *before,
			  struct profile **ret, struct err *e)
{
	const struct profile_opts opts = {.limit_bytes = RANGE_BYTES_MAX};
	uint64_t until = clock__mono_ns() + seconds * NS_PER_SEC;
	struct profile *now = NULL, *sum = NULL;
	int err = 0;

	while (!err && clock__mono_ns() < until) {
		usleep(LOOK_US);
		err = cancel__is_wanted(cancel) ? -ECANCELED : 0;
	}
	if (!err && !capture_chosen(s, page, selection, &now))
		err = err__set(e, -ENOENT, "they have ended");
	if (!err)
		sum = profile__new(&opts);
	if (!err)
		err = sum ? profile__merge(sum, now) : -ENOMEM;
	if (!err)
		err = profile__merge_as(sum, before, &(struct profile_merge_opts){.negate = true});
	if (!err)
		profile__meta_mut(sum)->duration_ns = (int64_t)(seconds * NS_PER_SEC);
	profile__free(now);
	return profile__finish(sum, err, ret);
}

static void answer_page(struct server *s, const struct http_request *r, struct response *to)
{
	const struct pprof_page *page = page_of(r);
	struct selection selection;
	struct range range = {.event = page->event};
	struct profile *p = NULL, *change = NULL;
	struct err e = {""};
	uint64_t seconds;
	int err;

	if (!read_seconds(r, page, &seconds, to))
		return;
	err = ask__rate(&r->target, &range.rate_hz, &e);
	if (!err)
		err = ask__selection(&r->target, &selection, &e);
	for (int i = 0; !err && i < 2 && page->states[i]; i++)
		err = selection__add(&selection, "state", page->states[i]);
	if (!err && seconds * NS_PER_SEC > s->settings->max_duration_ns)
		err = err__set(&e, -EINVAL, "seconds: at most %" PRIu64 " (profiling.max_duration)",
			       (uint64_t)(s->settings->max_duration_ns / NS_PER_SEC));
	if (!err && capture_chosen(s, page, &selection, &p)) {
		/* who names seconds where none are needed wants what happens in them */
		if (seconds != page->seconds)
			err = capture_change(s, page, &selection, seconds, &r->cancel, p, &change, &e);
	} else if (!err && seconds) {
		range.from_ns = clock__real_ns();
		range.to_ns = range.from_ns + seconds * NS_PER_SEC;
		err = range__capture(s->link, &range, &selection, &r->cancel, &p, &e);
	} else if (!err) {
		err = range__last_window(s->link, &range, &e);
		if (!err)
			err = range__load(s->link, &range, &selection, &p, &e);
	}
	if (!err)
		err = encode_page(r, page, seconds, change ? change : p, to);
	profile__free(change);
	profile__free(p);
	if (err)
		response__fail_err(to, err, &e);
}

static void answer_index(struct server *s, const struct http_request *r, struct response *to)
{
	(void)s, (void)r;
	to->type = "text/html; charset=utf-8";
	to->body.len = 0;
	buf__append_str(&to->body, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta "
				   "charset=\"utf-8\"><title>/debug/pprof/</title></head><body>\n"
				   "<h1>/debug/pprof/</h1>\n<p>Profiles of the whole machine; <code>pid comm "
				   "process exe cgroup unit container pod</code> "
				   "as parameters take a part, <code>seconds=N</code> asks for the next N "
				   "seconds.</p>\n<table>\n");
	for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++)
		buf__printf(&to->body, "<tr><td><a href=\"%s%s\">%s</a></td><td>%s</td></tr>\n",
			    pages[i].name, pages[i].ignores_debug ? "?seconds=30" : "?debug=1", pages[i].name,
			    pages[i].help);
	buf__append_str(
		&to->body,
		"<tr><td><a href=\"trace?seconds=1\">trace</a></td><td>what every thread did over the next "
		"seconds (default 1), as Chrome's trace events</td></tr>\n"
		"<tr><td><a href=\"cmdline\">cmdline</a></td><td>the agent's command line</td></tr>\n"
		"<tr><td><a href=\"symbol\">symbol</a></td><td>names are in the profiles: there is "
		"nothing to look up</td></tr>\n"
		"<tr><td><a href=\"metrics\">metrics</a></td><td>for Prometheus</td></tr>\n</table>\n"
		"<p><a href=\"/\">The page</a></p></body></html>\n");
}

static void answer_cmdline(struct server *s, const struct http_request *r, struct response *to)
{
	uint32_t len = s->settings->args_len;

	if (request__param(&r->target, "pid")) {
		response__fail(to, 403, "command lines of other processes may hold secrets and are not told");
		return;
	}
	/* NUL between them, none at the end */
	buf__append(&to->body, s->settings->args, len && !s->settings->args[len - 1] ? len - 1 : len);
}

/* Profiles have their names: who asks for addresses all the same learns that we would answer, and none of them. */
static void answer_symbol(struct server *s, const struct http_request *r, struct response *to)
{
	(void)s, (void)r;
	buf__append_str(&to->body, "num_symbols: 1\n");
}

static void answer_no_slash(struct server *s, const struct http_request *r, struct response *to)
{
	(void)s, (void)r;
	response__fail(to, 301, "/debug/pprof/");
	strcpy(to->location, PREFIX);
}

#define PAGE(path)                                                     \
	{                                                              \
		path, ROLE_VIEW, WORK_QUERY, answer_page, work_of_page \
	}

const struct route pprof_routes[] = {
	{"/debug/pprof", ROLE_VIEW, WORK_QUICK, answer_no_slash, NULL},
	{PREFIX, ROLE_VIEW, WORK_QUICK, answer_index, NULL},
	PAGE(PREFIX "profile"),
	PAGE(PREFIX "heap"),
	PAGE(PREFIX "allocs"),
	PAGE(PREFIX "block"),
	PAGE(PREFIX "mutex"),
	PAGE(PREFIX "goroutine"),
	PAGE(PREFIX "threadcreate"),
	PAGE(PREFIX "delta_heap"),
	PAGE(PREFIX "delta_block"),
	PAGE(PREFIX "delta_mutex"),
	/* as older dashboards call two of them */
	PAGE("/api/v1/profiling/heap"),
	PAGE("/api/v1/profiling/goroutine"),
	{PREFIX "cmdline", ROLE_VIEW, WORK_QUICK, answer_cmdline, NULL},
	{PREFIX "symbol", ROLE_VIEW, WORK_QUICK, answer_symbol, NULL, METHODS_BOTH},
	{NULL, 0, 0, NULL, NULL},
};
