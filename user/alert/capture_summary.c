// SPDX-License-Identifier: Apache-2.0
/* summary.txt: what fired, what the target did, and what of that is new, on one page. */
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
#include "user/query/go_origins.h"
#include "user/query/idle.h"
#include "user/query/printable.h"
#include "user/query/top.h"

#define SLACK_NS  (1500 * NS_PER_MS) /* slices are of a second */
#define TOP_ROWS  15
#define WORD_MAX  512
#define TWICE_MIN 0.01 /* of the total: what is less is no change worth a line */

static void print_time(uint64_t real_ns, struct buf *b)
{
	char date[11], hms[7];

	clock__format_date(real_ns, date);
	clock__format_hms(real_ns, hms);
	buf__printf(b, "%s %.2s:%.2s:%.2s.%03u UTC", date, hms, hms + 2, hms + 4,
		    (unsigned)(real_ns / NS_PER_MS % 1000));
}

static void print_field(struct buf *b, const char *name, const char *text)
{
	if (!text || !*text)
		return;
	buf__printf(b, "%-12s", name);
	printable__append(b, text);
	buf__append_char(b, '\n');
}

static void print_condition(const struct capture_case *c, struct buf *b)
{
	const struct capture_request *r = &c->request;
	char value[CASE_VALUE_MAX];

	print_field(b, "condition", r->condition);
	if (r->metric < METRIC_N) {
		capture_value__format(r->metric, r->value, false, value);
		buf__printf(b, "%-12s%s is %s", "value", metric__get(r->metric)->name, value);
		capture_value__format(r->metric, r->threshold, false, value);
		buf__printf(b, ", the threshold %s", value);
		if (r->held_ns)
			buf__printf(b, ", for %.0f s by then", (double)r->held_ns / NS_PER_SEC);
		buf__append_char(b, '\n');
	}
	print_field(b, "cause", r->cause);
}

static void print_pairs(struct buf *b, const char *name, const struct capture_pair *pairs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		buf__printf(b, "%-12s", i ? "" : name);
		printable__append(b, pairs[i].key);
		buf__append_str(b, " = ");
		printable__append(b, pairs[i].value);
		buf__append_char(b, '\n');
	}
}

static void print_target(const struct capture_case *c, struct buf *b)
{
	const struct metric_target *t = &c->request.target;
	char text[WORD_MAX];

	capture_target__describe(t, c->request.selection, text, sizeof(text));
	print_field(b, "target", text);
	if (c->request.selection)
		return;
	print_field(b, "  exe", t->exe);
	if (t->scope != SCOPE_CGROUP)
		print_field(b, "  cgroup", t->cgroup);
	print_field(b, "  unit", t->unit);
	if (t->scope != SCOPE_CONTAINER)
		print_field(b, "  container", t->container);
	print_field(b, "  pod", t->pod);
}

static void print_processes(const struct capture_case *c, struct buf *b)
{
	for (uint32_t i = 0; i < c->n_processes; i++) {
		const struct capture_process *p = &c->processes[i];

		buf__printf(b, "%-12s%s%-8u ", i ? "" : "processes", p->depth ? "  " : "> ", p->pid);
		printable__append(b, p->comm);
		buf__printf(b, "  (%c, parent %u, %u threads, %s resident)", p->state, p->parent,
			    p->n_threads, amount__format((int64_t)p->resident_bytes, "bytes").text);
		if (*p->command_line) {
			buf__append_str(b, "  ");
			printable__append(b, p->command_line);
		}
		buf__append_char(b, '\n');
		if (i == 19 && c->n_processes > 20) {
			buf__printf(b, "%-12s  and %u more, in meta.json\n", "", c->n_processes - 20);
			break;
		}
	}
}

static void print_head(const struct capture_case *c, struct buf *b)
{
	const struct capture_request *r = &c->request;

	printable__append(b, r->rule);
	buf__append_str(b, " on ");
	printable__append(b, c->host);
	buf__append_str(b, ", ");
	print_time(r->fired_real_ns, b);
	buf__append_str(b, "\n\n");
	print_condition(c, b);
	print_target(c, b);
	buf__printf(b, "%-12s%.3g s before to %.3g s after that moment%s\n", "range",
		    (double)r->before_ns / NS_PER_SEC, (double)r->after_ns / NS_PER_SEC,
		    c->is_cut_short ? ", cut short: everprof ended before it was over" : "");
	if (c->raised_hz)
		buf__printf(b, "%-12s%u Hz after it, in the place of %u Hz\n", "frequency", c->raised_hz,
			    c->configured_hz);
	print_pairs(b, "labels", r->labels, r->n_labels);
	print_pairs(b, "annotations", r->annotations, r->n_annotations);
	print_processes(c, b);
	for (uint32_t ev = 0; ev < EVENT_N; ev++)
		if (c->not_recorded >> ev & 1)
			buf__printf(b, "%-12s%s is not recorded (profiling.%s.enabled)\n", "missing",
				    event__name((enum event)ev), event__name((enum event)ev));
}

/* -- one event -- */

/* asked_ns: what it should span; 0: no matter. */
static void print_span(const char *name, const struct profile *p, uint64_t asked_ns, struct buf *b)
{
	const struct profile_meta *m;
	const char *unit;
	int64_t total = capture_account__total(p, &unit);

	if (!p)
		return;
	m = profile__meta(p);
	buf__printf(b, "  %-9s%12s in %.1f s", name, amount__format(total, unit).text,
		    (double)m->duration_ns / NS_PER_SEC);
	if (!strcmp(unit, "nanoseconds") && m->duration_ns > 0)
		buf__printf(b, ", %s of one CPU's time", amount__percent(total, m->duration_ns).text);
	buf__append_str(b, ", from ");
	print_time((uint64_t)m->time_ns, b);
	if (asked_ns > (uint64_t)m->duration_ns + SLACK_NS)
		buf__printf(b, "; %.0f s were asked for, there is no more", (double)asked_ns / NS_PER_SEC);
	buf__append_char(b, '\n');
}

static void print_losses(const struct profile *p, struct buf *b)
{
	for (uint32_t i = 0; i < profile__n_comments(p); i++) {
		const char *comment = profile__get_comment(p, i);

		if (strncmp(comment, "lost ", 5) && strncmp(comment, "given up", 8))
			continue;
		buf__append_str(b, "  on the whole machine: ");
		printable__append(b, comment);
		buf__append_char(b, '\n');
	}
}

static void print_rows(const struct top *t, const char *title, struct buf *b)
{
	if (!t->n)
		return;
	buf__printf(b, "\n  %s\n  %12s %8s %12s %8s\n", title, "self", "", "with callees", "");
	for (uint32_t i = 0; i < t->n && i < TOP_ROWS; i++) {
		const struct top_row *r = &t->rows[i];

		buf__printf(b, "  %12s %8s %12s %8s  ", amount__format(r->flat, t->unit).text,
			    amount__percent(r->flat, t->total).text, amount__format(r->cum, t->unit).text,
			    amount__percent(r->cum, t->total).text);
		printable__append(b, top__name(t, i));
		buf__append_char(b, '\n');
	}
}

static void print_top(const struct profile *p, enum top_sort sort, const char *title, struct buf *b)
{
	const struct top_opts opts = {.sort = sort, .by = "function"};
	struct top *t;

	if (top__new(p, &opts, &t, NULL))
		return;
	print_rows(t, title, b);
	top__free(t);
}

static int64_t cum_of(const struct top *t, const char *name)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (!strcmp(top__name(t, i), name))
			return t->rows[i].cum;
	return 0;
}

/* Which functions have more or less than they normally have, with what they call. */
static void print_changes(const struct profile *whole, const struct profile *baseline,
			  const struct profile *difference, struct buf *b)
{
	const struct top_opts opts = {.sort = TOP_BY_CUM, .by = "function"};
	struct top *now = NULL, *normal = NULL, *diff = NULL;
	int64_t total;

	if (top__new(whole, &opts, &now, NULL) || top__new(baseline, &opts, &normal, NULL) ||
	    top__new(difference, &opts, &diff, NULL))
		goto out;
	total = now->total > normal->total ? now->total : normal->total;
	buf__printf(b, "\n  What changed, with callees\n  %12s %12s %12s\n", "now", "normal", "change");
	for (uint32_t i = 0, n = 0; i < diff->n && n < TOP_ROWS; i++) {
		const char *name = top__name(diff, i);
		int64_t change = diff->rows[i].cum;
		char sign = change < 0 ? '-' : '+';

		if ((double)llabs(change) < TWICE_MIN * (double)total)
			break;
		n++;
		buf__printf(b, "  %12s %12s %c%11s  ", amount__format(cum_of(now, name), now->unit).text,
			    amount__format(cum_of(normal, name), now->unit).text, sign,
			    amount__format(llabs(change), now->unit).text);
		printable__append(b, name);
		buf__append_char(b, '\n');
	}
out:
	top__free(now);
	top__free(normal);
	top__free(diff);
}

/* The tables; idle waits are left out of both sides. */
static void print_tables(const struct capture_account *a, struct buf *b)
{
	struct profile *shown = NULL, *normal = NULL, *diff = NULL;
	struct idle_hidden hidden = {0}, ignored;
	const struct profile *whole;

	if (!idle__hide(a->whole, NULL, &shown, &hidden) && shown) {
		buf__append_str(b, "  left out below: ");
		idle_hidden__print(&hidden, b);
		buf__append_char(b, '\n');
	}
	whole = shown ? shown : a->whole;
	if (a->event == EVENT_GOROUTINE) {
		buf__append_char(b, '\n');
		go_origins__print(whole, b);
	}
	print_top(whole, TOP_BY_FLAT, "Top functions by themselves", b);
	print_top(whole, TOP_BY_CUM, "Top functions with what they call", b);
	if (a->diff && !idle__hide(a->baseline.profile, NULL, &normal, &ignored) &&
	    !profile__diff(normal ? normal : a->baseline.profile, whole, NULL, &diff))
		print_changes(whole, normal ? normal : a->baseline.profile, diff, b);
	profile__free(shown);
	profile__free(normal);
	profile__free(diff);
}

static void print_event(const struct capture_case *c, const struct capture_account *a, struct buf *b)
{
	buf__printf(b, "\n== %s: %s\n", event__name(a->event), event__help(a->event));
	if (!a->whole) {
		buf__printf(b, "  no profile: %s\n", a->missing);
		return;
	}
	print_span("all", a->whole, 0, b);
	print_span("before", a->of[WHEN_BEFORE], c->request.before_ns, b);
	print_span("after", a->of[WHEN_AFTER], c->is_cut_short ? 0 : c->request.after_ns, b);
	print_span("normal", a->baseline.profile, 0, b);
	if (a->baseline.profile)
		buf__printf(b, "  (normal: the %s, %u files of %.0f s in all, scaled)\n", a->baseline.kind,
			    a->baseline.n_files, (double)a->baseline.observed_ns / NS_PER_SEC);
	else
		buf__printf(b, "  nothing to compare with: %s\n", a->no_baseline);
	print_losses(a->whole, b);
	print_tables(a, b);
}

void capture_summary__print(const struct capture_case *c, const struct capture_account *accounts, uint32_t n,
			    struct buf *to)
{
	print_head(c, to);
	for (uint32_t i = 0; i < n; i++)
		print_event(c, &accounts[i], to);
}
