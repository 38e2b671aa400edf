// SPDX-License-Identifier: Apache-2.0
/* Of summary.txt, what there is of one event: how much and when, whose, in which stacks, and what of that is other than normally. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/alert/capture_account.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/profile/amount.h"
#include "user/profile/diff.h"
#include "user/profile/profile.h"
#include "user/query/deadlocks.h"
#include "user/query/go_origins.h"
#include "user/query/hot_stacks.h"
#include "user/query/printable.h"
#include "user/query/top.h"

#define SLACK_NS    (1500 * NS_PER_MS) /* slices are of a second */
#define ROWS        12
#define ROWS_STACKS 6
#define ROWS_WHO    6
#define CHANGE_MIN  0.01 /* of the total: what is less is no change worth a line */

void capture_account__format_rate(const struct capture_account *a, const struct profile *p,
				  char ret_text[ACCOUNT_RATE_MAX])
{
	const char *unit;
	int64_t total = capture_account__total(p, &unit), length = profile__meta(p)->duration_ns;
	double seconds = (double)length / NS_PER_SEC;

	if (a->is_state && !strcmp(unit, "count"))
		snprintf(ret_text, ACCOUNT_RATE_MAX, "%s %s", amount__format(total, unit).text,
			 event__counted(a->event));
	else if (a->is_state || length <= 0)
		snprintf(ret_text, ACCOUNT_RATE_MAX, "%s", amount__format(total, unit).text);
	else if (a->event == EVENT_CPU)
		snprintf(ret_text, ACCOUNT_RATE_MAX, "%.3g%% of one CPU",
			 100 * (double)total / (double)length);
	else if (!strcmp(unit, "nanoseconds"))
		snprintf(ret_text, ACCOUNT_RATE_MAX, "%.3g threads at a time",
			 (double)total / (double)length);
	else
		snprintf(ret_text, ACCOUNT_RATE_MAX, "%s/s",
			 amount__format((int64_t)((double)total / seconds), unit).text);
}

/* -- how much, and when -- */

static void print_hms(uint64_t real_ns, struct buf *b)
{
	char hms[7];

	clock__format_hms(real_ns, hms);
	buf__printf(b, "%.2s:%.2s:%.2s", hms, hms + 2, hms + 4);
}

/* asked_ns: what it should span; 0: no matter. */
static void print_span(const struct capture_account *a, const char *name, const struct profile *p,
		       uint64_t asked_ns, struct buf *b)
{
	const struct profile_meta *m;
	char rate[ACCOUNT_RATE_MAX];
	const char *unit;
	int64_t total = capture_account__total(p, &unit);

	if (!p)
		return;
	m = profile__meta(p);
	capture_account__format_rate(a, p, rate);
	buf__printf(b, "  %-8s%12s in %5.1f s  %-22s from ", name, amount__format(total, unit).text,
		    (double)m->duration_ns / NS_PER_SEC, rate);
	print_hms((uint64_t)m->time_ns, b);
	buf__append_str(b, " to ");
	print_hms((uint64_t)(m->time_ns + m->duration_ns), b);
	if (asked_ns > (uint64_t)m->duration_ns + SLACK_NS)
		buf__printf(b, "; %.0f s were asked for, there is no more", (double)asked_ns / NS_PER_SEC);
	buf__append_char(b, '\n');
}

static void print_normal(const struct capture_account *a, struct buf *b)
{
	char rate[ACCOUNT_RATE_MAX];
	const char *unit;
	int64_t total = capture_account__total(a->baseline.profile, &unit);

	capture_account__format_rate(a, a->baseline.profile, rate);
	buf__printf(b, "  %-8s%12s in %5.1f s  %-22s the %s: ", "normally", amount__format(total, unit).text,
		    (double)profile__meta(a->baseline.profile)->duration_ns / NS_PER_SEC, rate,
		    a->baseline.kind);
	print_hms(a->baseline.from_ns, b);
	buf__append_str(b, " to ");
	print_hms(a->baseline.to_ns, b);
	buf__printf(b, ", %u files of %.0f s in all, scaled\n", a->baseline.n_files,
		    (double)a->baseline.observed_ns / NS_PER_SEC);
}

static void print_spans(const struct capture_case *c, const struct capture_account *a, struct buf *b)
{
	if (a->is_state) {
		print_span(a, "then", a->whole, 0, b);
	} else {
		print_span(a, "before", a->of[WHEN_BEFORE], c->request.before_ns, b);
		print_span(a, "after", a->of[WHEN_AFTER], c->is_cut_short ? 0 : c->request.after_ns, b);
	}
	if (a->baseline.profile)
		print_normal(a, b);
	else
		buf__printf(b, "  nothing to compare with: %s\n", a->no_baseline);
	if (a->hidden.total) {
		buf__append_str(b, "  left out below: ");
		idle_hidden__print(&a->hidden, b);
		buf__append_char(b, '\n');
	}
}

static void print_losses(const struct profile *p, struct buf *b)
{
	for (uint32_t i = 0; i < profile__n_comments(p); i++) {
		const char *comment = profile__get_comment(p, i);

		if ((strncmp(comment, "lost ", 5) && strncmp(comment, "given up", 8)) ||
		    !strncmp(comment, "lost in all: ", 13))
			continue;
		buf__append_str(b, "  on the whole machine: ");
		printable__append(b, comment);
		buf__append_char(b, '\n');
	}
}

/* -- rows: value, share, and the same thing normally -- */

static void print_title(const struct capture_account *a, const char *title, struct buf *b)
{
	buf__printf(b, "\n  %s\n  %12s %8s", title, "now", "share");
	if (capture_account__normal(a))
		buf__printf(b, " %12s", "normally");
	buf__append_char(b, '\n');
}

static void print_values(const struct capture_account *a, int64_t value, int64_t total, int64_t normal,
			 const char *unit, struct buf *b)
{
	buf__printf(b, "  %12s %8s", amount__format(value, unit).text, amount__percent(value, total).text);
	if (capture_account__normal(a))
		buf__printf(b, " %12s", amount__format(normal, unit).text);
	buf__append_str(b, "  ");
}

static const struct top_row *find_row(const struct top *t, const char *name)
{
	for (uint32_t i = 0; t && i < t->n; i++)
		if (!strcmp(top__name(t, i), name))
			return &t->rows[i];
	return NULL;
}

/* By a label or by functions' own values; at least `least` rows, or nothing. */
static void print_by(const struct capture_account *a, const char *by, const char *title, uint32_t least,
		     uint32_t max, struct buf *b)
{
	const struct top_opts opts = {.sort = TOP_BY_FLAT, .by = by};
	const struct profile *normal = capture_account__normal(a);
	struct top *t = NULL, *n = NULL;

	if (top__new(capture_account__whole(a), &opts, &t, NULL))
		return;
	if (normal && top__new(normal, &opts, &n, NULL))
		n = NULL;
	if (t->n >= least && t->rows[0].flat > 0)
		print_title(a, title, b);
	for (uint32_t i = 0; t->n >= least && i < t->n && i < max && t->rows[i].flat > 0; i++) {
		const struct top_row *other = find_row(n, top__name(t, i));

		print_values(a, t->rows[i].flat, t->total, other ? other->flat : 0, t->unit, b);
		printable__append(b, top__name(t, i));
		buf__append_char(b, '\n');
	}
	top__free(n);
	top__free(t);
}

static void print_stacks(const struct capture_account *a, struct buf *b)
{
	const struct profile *whole = capture_account__whole(a);
	struct hot_stack hot[HOT_STACKS_MAX];
	const char *unit;
	int64_t total = capture_account__total(whole, &unit);
	uint32_t n;

	if (hot_stacks__find(whole, capture_account__normal(a), hot, &n) || !n)
		return;
	print_title(a, "Stacks, as they call", b);
	for (uint32_t i = 0; i < n && i < ROWS_STACKS; i++) {
		print_values(a, hot[i].value, total, hot[i].normal, unit, b);
		hot_stack__print(whole, hot[i].stack, b);
		buf__append_char(b, '\n');
	}
}

/* -- what is other than normally -- */

static int64_t flat_of(const struct top *t, const char *name)
{
	const struct top_row *r = find_row(t, name);

	return r ? r->flat : 0;
}

static void print_changes_of(const struct top *diff, const struct top *now, const struct top *normal,
			     struct buf *b)
{
	int64_t total = now->total > normal->total ? now->total : normal->total;

	for (uint32_t i = 0; i < diff->n && i < ROWS; i++) {
		const char *name = top__name(diff, i);
		int64_t change = diff->rows[i].flat;

		if ((double)llabs(change) < CHANGE_MIN * (double)total)
			break;
		if (!i)
			buf__printf(b, "\n  What changed, by functions' own\n  %12s %12s %12s\n", "change",
				    "now", "normally");
		buf__printf(b, "  %c%11s %12s %12s  ", change < 0 ? '-' : '+',
			    amount__format(llabs(change), now->unit).text,
			    amount__format(flat_of(now, name), now->unit).text,
			    amount__format(flat_of(normal, name), now->unit).text);
		printable__append(b, name);
		buf__append_char(b, '\n');
	}
}

static void print_changes(const struct capture_account *a, struct buf *b)
{
	const struct top_opts opts = {.sort = TOP_BY_FLAT, .by = "function"};
	const struct profile *whole = capture_account__whole(a), *base = capture_account__normal(a);
	struct top *now = NULL, *normal = NULL, *diff = NULL;
	struct profile *difference = NULL;

	if (base && !profile__diff(base, whole, NULL, &difference) && !top__new(whole, &opts, &now, NULL) &&
	    !top__new(base, &opts, &normal, NULL) && !top__new(difference, &opts, &diff, NULL))
		print_changes_of(diff, now, normal, b);
	top__free(now);
	top__free(normal);
	top__free(diff);
	profile__free(difference);
}

void capture_summary__print_event(const struct capture_case *c, const struct capture_account *a,
				  struct buf *b)
{
	buf__printf(b, "\n== %s: %s\n", event__name(a->event), event__help(a->event));
	if (!a->whole) {
		buf__printf(b, "  no profile: %s\n", a->missing);
		return;
	}
	print_spans(c, a, b);
	print_losses(a->whole, b);
	if (a->event == EVENT_THREADS) {
		buf__append_char(b, '\n');
		deadlocks__print(a->whole, b);
	}
	if (a->event == EVENT_GOROUTINE) {
		buf__append_char(b, '\n');
		go_origins__print(a->whole, b);
	}
	if (c->request.selection || c->request.target.scope != SCOPE_PROCESS)
		print_by(a, "process", "Processes", 1, ROWS_WHO, b);
	else
		print_by(a, "comm", "Threads, by their name", 2, ROWS_WHO, b);
	if (a->event != EVENT_CPU)
		print_by(a, a->is_state ? "state" : "wait", a->is_state ? "States" : "What was waited for", 1,
			 ROWS_WHO, b);
	print_stacks(a, b);
	print_changes(a, b);
	print_by(a, "function", "Functions by themselves", 1, ROWS, b);
}
