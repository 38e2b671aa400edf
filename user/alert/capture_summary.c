// SPDX-License-Identifier: Apache-2.0
/*
 * summary.txt: read this first. What fired and since when, what of that is not normal, and what to type next come before all detail, for somebody who has just
 * been woken up.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/alert/capture_account.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/config/units.h"
#include "user/profile/amount.h"
#include "user/profile/diff.h"
#include "user/profile/profile.h"
#include "user/query/deadlocks.h"
#include "user/query/go_origins.h"
#include "user/query/go_waits.h"
#include "user/query/hot_stacks.h"
#include "user/query/printable.h"
#include "user/query/top.h"

#define WORD_MAX      512
#define PROCESSES_MAX 20
#define HOTTEST_MAX   65536
#define CHANGE_MIN    0.05 /* of the total: what is less is not in short */
#define LOG_MARGIN_NS (60 * NS_PER_SEC)

static void print_time(uint64_t real_ns, struct buf *b)
{
	char date[11], hms[7];

	clock__format_date(real_ns, date);
	clock__format_hms(real_ns, hms);
	buf__printf(b, "%s %.2s:%.2s:%.2s", date, hms, hms + 2, hms + 4);
}

static void print_field(struct buf *b, const char *name, const char *text)
{
	if (!text || !*text)
		return;
	buf__printf(b, "%-14s", name);
	printable__append(b, text);
	buf__append_char(b, '\n');
}

static void print_pairs(struct buf *b, const char *name, const struct capture_pair *pairs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		buf__printf(b, "%-14s", i ? "" : name);
		printable__append(b, pairs[i].key);
		buf__append_str(b, " = ");
		printable__append(b, pairs[i].value);
		buf__append_char(b, '\n');
	}
}

/* -- the first lines: what fired, of whom, when -- */

static void print_value(const struct capture_case *c, double value, struct buf *b)
{
	char text[CASE_VALUE_MAX];

	capture_value__format(c->request.metric, value, false, text);
	buf__append_str(b, text);
}

/* To the second: who is read this to has no use for more. */
static void print_duration(uint64_t ns, struct buf *b)
{
	char text[UNITS_TEXT_MAX];

	units__format_duration(ns < NS_PER_SEC ? ns : ns / NS_PER_SEC * NS_PER_SEC, text);
	buf__append_str(b, text);
}

static void print_headline(const struct capture_case *c, struct buf *b)
{
	const struct capture_request *r = &c->request;
	char who[WORD_MAX];

	capture_target__describe(&r->target, r->selection, who, sizeof(who));
	printable__append(b, r->rule);
	buf__append_str(b, ": ");
	printable__append(b, who);
	buf__append_str(b, " on ");
	printable__append(b, c->host);
	buf__append_char(b, '\n');
	print_time(r->fired_real_ns, b);
	buf__append_str(b, " UTC");
	if (r->condition) {
		buf__append_str(b, ": ");
		printable__append(b, r->condition);
	}
	if (r->cause) {
		buf__append_str(b, r->condition ? ", " : ": ");
		printable__append(b, r->cause);
	}
	buf__append_char(b, '\n');
}

/* -- in short -- */

static void print_since(const struct capture_case *c, struct buf *b)
{
	const struct capture_request *r = &c->request;

	if (r->metric >= METRIC_N)
		return;
	buf__printf(b, "  %s was ", metric__get(r->metric)->name);
	print_value(c, r->value, b);
	buf__append_str(b, " then; the threshold is ");
	print_value(c, r->threshold, b);
	if (r->held_ns >= NS_PER_SEC) {
		buf__append_str(b, ", and it had held for ");
		print_duration(r->held_ns, b);
		buf__append_str(b, ", since ");
		print_time(r->fired_real_ns - r->held_ns, b);
		buf__append_str(b, " UTC");
	}
	buf__append_char(b, '\n');
}

static void print_hottest(const struct capture_account *a, struct buf *b)
{
	const struct profile *whole = capture_account__whole(a);
	struct hot_stack hot[HOT_STACKS_MAX];
	int64_t total = capture_account__total(whole, NULL);
	struct buf stack;
	const char *text;
	uint32_t n;

	if (hot_stacks__find(whole, NULL, hot, &n) || !n)
		return;
	buf__init(&stack, HOTTEST_MAX);
	hot_stack__print(whole, hot[0].stack, &stack);
	text = buf__str(&stack);
	/* the mark alone is not a place */
	buf__printf(b, "           %s of it %s  %s\n", amount__percent(hot[0].value, total).text,
		    !strncmp(text, "[truncated: ", 12) && !strstr(text, " > ") ? "without a stack:" : "in",
		    text);
	buf__done(&stack);
}

/* The function that has grown most, by itself. */
static void print_grown(const struct capture_account *a, struct buf *b)
{
	const struct top_opts opts = {.sort = TOP_BY_FLAT, .by = "function"};
	const struct profile *whole = capture_account__whole(a), *base = capture_account__normal(a);
	int64_t total = capture_account__total(whole, NULL);
	struct profile *difference = NULL;
	struct top *t = NULL;

	/* of what is shown: waits for work grow with the time of day */
	if (!base || profile__diff(base, whole, NULL, &difference) || top__new(difference, &opts, &t, NULL)) {
		profile__free(difference);
		return;
	}
	for (uint32_t i = 0; i < t->n; i++) {
		if ((double)t->rows[i].flat < CHANGE_MIN * (double)total)
			continue;
		buf__printf(b, "           most above normal: %s more in ",
			    amount__format(t->rows[i].flat, t->unit).text);
		printable__append(b, top__name(t, i));
		buf__append_char(b, '\n');
		break;
	}
	top__free(t);
	profile__free(difference);
}

static void print_deadlock(void *ctx, const struct profile *p, const struct deadlock *d)
{
	struct buf *b = ctx;

	(void)p;
	buf__printf(b, "  DEADLOCK %u thread%s of process ", d->n, d->n == 1 ? "" : "s");
	printable__append(b, d->process);
	buf__printf(b, " (%" PRId64 ") wait%s for ever:\n", d->pid, d->n == 1 ? "s" : "");
	for (uint32_t i = 0; i < d->n; i++) {
		buf__append_str(b, "       ");
		deadlock_thread__print(&d->threads[i], b);
	}
}

/* Of the process that was asked for, or of those in which all stand still. */
static void print_go_waits(const struct capture_case *c, const struct capture_account *a, struct buf *b)
{
	struct go_waits waits[GO_WAITS_MAX];
	uint32_t n = go_waits__of(a->whole, waits);

	for (uint32_t i = 0; i < n; i++) {
		const struct go_waits *w = &waits[i];
		const char *comma = "";

		if (!go_waits__all_stand(w) && c->request.target.pid != w->pid)
			continue;
		buf__printf(b,
			    go_waits__all_stand(w) ? "  STANDSTILL all %" PRId64 " goroutines of process "
						   : "           %" PRId64 " goroutines of process ",
			    w->n_for_another);
		printable__append(b, w->process);
		buf__printf(b, " (%" PRId64 ") wait for another one%s: ", w->pid,
			    go_waits__all_stand(w) ? ", and only a timer or a signal can end that" : "");
		for (uint32_t r = 0; r < GO_WAITS_REASONS; r++) {
			if (!w->by_reason[r])
				continue;
			buf__printf(b, "%s%s %" PRId64, comma, go_waits__reason(r), w->by_reason[r]);
			comma = ", ";
		}
		buf__append_str(b, *comma ? "\n" : "none\n");
	}
}

static void print_rate(const struct capture_account *a, struct buf *b)
{
	char rate[WHEN_N][ACCOUNT_RATE_MAX] = {"", ""}, normal[ACCOUNT_RATE_MAX] = "";

	for (int w = 0; w < WHEN_N; w++)
		if (a->of[w])
			capture_account__format_rate(a, a->of[w], rate[w]);
	if (a->baseline.profile)
		capture_account__format_rate(a, a->baseline.profile, normal);
	buf__printf(b, "  %-8s ", event__name(a->event));
	if (a->of[WHEN_BEFORE] && a->of[WHEN_AFTER])
		buf__printf(b, "%s before that moment, %s after it", rate[WHEN_BEFORE], rate[WHEN_AFTER]);
	else
		buf__printf(b, "%s %s", a->of[WHEN_BEFORE] ? rate[WHEN_BEFORE] : rate[WHEN_AFTER],
			    a->is_state          ? "then"
			    : a->of[WHEN_BEFORE] ? "before that moment"
						 : "after that moment");
	if (*normal)
		buf__printf(b, "; normally %s", normal);
	buf__append_char(b, '\n');
}

static void print_short_event(const struct capture_case *c, const struct capture_account *a, struct buf *b)
{
	if (!a->whole && a->is_extra)
		return;
	if (!a->whole) {
		buf__printf(b, "  %-8s none: %s\n", event__name(a->event), a->missing);
		return;
	}
	print_rate(a, b);
	if (a->event == EVENT_GOROUTINE)
		print_go_waits(c, a, b);
	if (a->event != EVENT_GOROUTINE || !go_origins__print_first(a->whole, b))
		print_hottest(a, b);
	print_grown(a, b);
}

/* Said once: it is mostly the same reason for all. */
static void print_unknown(const struct capture_account *accounts, uint32_t n, struct buf *b)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!accounts[i].whole || accounts[i].baseline.profile)
			continue;
		buf__printf(b, "  What is normal of %s is not known: %s\n", event__name(accounts[i].event),
			    accounts[i].no_baseline);
		return;
	}
}

static void print_missing(const struct capture_case *c, struct buf *b)
{
	for (uint32_t ev = 0; ev < EVENT_N; ev++)
		if (c->not_recorded >> ev & 1 && c->request.only_recorded)
			buf__printf(b,
				    "  %-8s none: it is not recorded, and the machine had no CPU or memory "
				    "to spare\n",
				    event__name((enum event)ev));
		else if (c->not_recorded >> ev & 1)
			buf__printf(b, "  %-8s none: it is not recorded (profiling.%s.enabled)\n",
				    event__name((enum event)ev), event__name((enum event)ev));
	if (c->is_cut_short)
		buf__append_str(b, "  It is cut short: everprof ended before it was over\n");
}

static void print_short(const struct capture_case *c, const struct capture_account *accounts, uint32_t n,
			struct buf *b)
{
	buf__append_str(b, "\nIN SHORT\n");
	print_since(c, b);
	for (uint32_t i = 0; i < n; i++)
		if (accounts[i].whole)
			deadlocks__each(accounts[i].whole, print_deadlock, b);
	for (uint32_t i = 0; i < n; i++)
		print_short_event(c, &accounts[i], b);
	print_unknown(accounts, n, b);
	print_missing(c, b);
}

/* -- the minutes around -- */

struct spell {
	const char *title;
	int64_t from_s, to_s; /* around the moment: after the one, up to the other */
};

static const struct spell spells[] = {{"5m..2m", -300, -120}, {"2m..1m", -120, -60}, {"60s..30s", -60, -30},
				      {"30s..10s", -30, -10}, {"last 10s", -10, 0},  {"after", 0, 300}};
#define N_SPELLS (sizeof(spells) / sizeof(*spells))

static bool print_minutes_of(const struct capture_case *c, enum metric_id metric, struct buf *b)
{
	uint64_t fired = c->request.fired_mono_ns;
	char text[CASE_VALUE_MAX];
	bool is_known = false;
	size_t at = b->len;

	buf__printf(b, "  %-22s", metric__get(metric)->name);
	for (size_t i = 0; i < N_SPELLS; i++) {
		int64_t from = (int64_t)fired + spells[i].from_s * (int64_t)NS_PER_SEC;
		int64_t to = (int64_t)fired + spells[i].to_s * (int64_t)NS_PER_SEC;
		double mean = capture_track__mean(&c->track, metric, from > 0 ? (uint64_t)from + 1 : 0,
						  to > 0 ? (uint64_t)to + 1 : 0);

		is_known = is_known || !isnan(mean);
		/* of what is counted a mean has no use for parts */
		if (fabs(mean) >= 10 && (metric__get(metric)->unit == METRIC_COUNT ||
					 metric__get(metric)->unit == METRIC_COUNT_RATE))
			mean = round(mean);
		capture_value__format(metric, mean, false, text);
		buf__printf(b, " %10s", isnan(mean) ? "-" : text);
	}
	buf__append_char(b, '\n');
	if (!is_known)
		b->len = at;
	return is_known;
}

static void print_minutes(const struct capture_case *c, struct buf *b)
{
	size_t at = b->len;
	bool any = false;

	buf__printf(b, "\n%-24s", "HOW IT BUILT UP, means");
	for (size_t i = 0; i < N_SPELLS; i++)
		buf__printf(b, " %10s", spells[i].title);
	buf__append_char(b, '\n');
	for (uint32_t i = 0; i < c->track.n_metrics; i++)
		any |= print_minutes_of(c, c->track.metrics[i], b);
	if (!any)
		b->len = at;
}

/* -- what to type -- */

static void print_command(struct buf *b, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void print_command(struct buf *b, const char *what, const char *fmt, ...)
{
	char text[WORD_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	buf__printf(b, "  %-66s %s\n", text, what);
}

/* A name that a shell takes as it is. */
static bool is_plain(const char *s)
{
	return s && *s && *s != '-' &&
	       strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@._:/-") == strlen(s);
}

static void print_journal(const struct capture_case *c, struct buf *b)
{
	const struct capture_request *r = &c->request;
	char from[2][11], hms[2][7];
	uint64_t since = r->fired_real_ns - (r->held_ns > r->before_ns ? r->held_ns : r->before_ns);
	uint64_t at[2] = {since - LOG_MARGIN_NS, r->fired_real_ns + r->after_ns};

	if (!is_plain(r->target.unit))
		return;
	for (int i = 0; i < 2; i++) {
		clock__format_date(at[i], from[i]);
		clock__format_hms(at[i], hms[i]);
	}
	buf__printf(
		b, "  journalctl -u %s --since \"%s %.2s:%.2s:%.2s UTC\" --until \"%s %.2s:%.2s:%.2s UTC\"\n",
		r->target.unit, from[0], hms[0], hms[0] + 2, hms[0] + 4, from[1], hms[1], hms[1] + 2,
		hms[1] + 4);
}

static const struct capture_account *first_with_profile(const struct capture_account *accounts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (accounts[i].whole)
			return &accounts[i];
	return NULL;
}

static void print_next(const struct capture_case *c, const struct capture_account *accounts, uint32_t n,
		       struct buf *b)
{
	const struct capture_account *a = first_with_profile(accounts, n);
	const char *ev = a ? event__name(a->event) : "";

	buf__append_str(b, "\nLOOK NEXT\n");
	if (is_plain(c->path))
		buf__printf(b, "  cd %s\n", c->path);
	if (a) {
		print_command(b, "where it goes", "everprof top %s.pb.gz", ev);
		print_command(b, "the same to click on", "everprof flamegraph -o %s.html %s.pb.gz", ev, ev);
	}
	if (a && a->of[WHEN_BEFORE] && a->of[WHEN_AFTER])
		print_command(b, "what that moment changed",
			      "everprof diff --by-time before.%s.pb.gz after.%s.pb.gz", ev, ev);
	if (a && a->diff) {
		print_command(b, "what is not normal", "everprof diff baseline.%s.pb.gz %s.pb.gz", ev, ev);
		print_command(b, "the same, in a browser",
			      "go tool pprof -http=: -diff_base baseline.%s.pb.gz %s.pb.gz", ev, ev);
	}
	print_journal(c, b);
	print_command(b, "no limit deletes it then", "everprof captures --store ../../.. pin %s", c->id);
}

/* -- who it is -- */

static void print_target(const struct capture_case *c, struct buf *b)
{
	const struct metric_target *t = &c->request.target;

	if (c->request.selection)
		return;
	print_field(b, "  exe", t->exe);
	print_field(b, "  cgroup", t->cgroup);
	print_field(b, "  unit", t->unit);
	print_field(b, "  container", t->container);
	print_field(b, "  pod", t->pod);
}

static void print_processes(const struct capture_case *c, struct buf *b)
{
	for (uint32_t i = 0; i < c->n_processes; i++) {
		const struct capture_process *p = &c->processes[i];

		buf__printf(b, "  %-12s%s%-8u ", i ? "" : "processes", p->depth ? "  " : "> ", p->pid);
		printable__append(b, p->comm);
		buf__printf(b, "  (%c, parent %u, %u thread%s, %s resident)", p->state, p->parent,
			    p->n_threads, p->n_threads == 1 ? "" : "s",
			    amount__format((int64_t)p->resident_bytes, "bytes").text);
		if (*p->command_line) {
			buf__append_str(b, "  ");
			printable__append(b, p->command_line);
		}
		buf__append_char(b, '\n');
		if (i == PROCESSES_MAX - 1 && c->n_processes > PROCESSES_MAX) {
			buf__printf(b, "  %-12s  and %u more, in meta.json\n", "",
				    c->n_processes - PROCESSES_MAX);
			break;
		}
	}
}

static void print_who(const struct capture_case *c, struct buf *b)
{
	const struct capture_request *r = &c->request;

	buf__append_str(b, "\nWHO, AND WHAT WAS ASKED FOR\n");
	print_target(c, b);
	print_processes(c, b);
	buf__append_str(b, "  range       ");
	print_duration(r->before_ns, b);
	buf__append_str(b, " before to ");
	print_duration(r->after_ns, b);
	buf__append_str(b, " after that moment\n");
	if (c->raised_hz)
		buf__printf(b, "  frequency   %u Hz after it, in the place of %u Hz\n", c->raised_hz,
			    c->configured_hz);
	print_pairs(b, "  labels", r->labels, r->n_labels);
	print_pairs(b, "  annotations", r->annotations, r->n_annotations);
	buf__append_str(b, "  kernel      ");
	printable__append(b, c->kernel);
	buf__append_char(b, '\n');
}

void capture_summary__print(const struct capture_case *c, const struct capture_account *accounts, uint32_t n,
			    struct buf *to)
{
	print_headline(c, to);
	print_short(c, accounts, n, to);
	print_minutes(c, to);
	print_next(c, accounts, n, to);
	print_who(c, to);
	for (uint32_t i = 0; i < n; i++)
		if (accounts[i].whole || !accounts[i].is_extra)
			capture_summary__print_event(c, &accounts[i], to);
}
