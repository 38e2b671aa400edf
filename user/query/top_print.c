/* SPDX-License-Identifier: Apache-2.0 */
#include "user/query/top.h"

#include <string.h>
#include <time.h>

#include "user/base/buf.h"
#include "user/profile/profile.h"
#include "user/profile/amount.h"
#include "user/query/idle.h"
#include "user/query/printable.h"

#define BOLD  "\033[1m"
#define DIM   "\033[2m"
#define PLAIN "\033[0m"

static void print_head(const struct top *t, const struct profile *p, struct buf *b)
{
	const struct profile_meta *m = profile__meta(p);
	time_t seconds = (time_t)(m->time_ns / 1000000000);
	char text[64];
	struct tm tm;

	buf__append_str(b, "Type: ");
	printable__append(b, t->type);
	if (m->time_ns > 0 && gmtime_r(&seconds, &tm) &&
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm))
		buf__printf(b, "  Time: %s", text);
	if (m->duration_ns > 0)
		buf__printf(b, "  Duration: %s", amount__format(m->duration_ns, "nanoseconds").text);
	buf__printf(b, "  Total: %s", amount__format(t->total, t->unit).text);
	/* of one CPU, as pprof says it */
	if (m->duration_ns > 0 && !strcmp(t->unit, "nanoseconds"))
		buf__printf(b, " (%s)", amount__percent(t->total, m->duration_ns).text);
	buf__append_char(b, '\n');
	for (uint32_t i = 0; i < profile__n_comments(p); i++) {
		const char *comment = profile__get_comment(p, i);

		if (strncmp(comment, "lost ", 5))
			continue;
		printable__append(b, comment);
		buf__append_char(b, '\n');
	}
}

static void print_gc(const struct top *t, struct buf *b)
{
	struct buf text;

	buf__init(&text, 1024);
	if (gc_share__print(&t->gc, &text))
		buf__printf(b, "Garbage collection: %s\n", buf__str(&text));
	buf__done(&text);
}

void top__print(const struct top *t, const struct profile *p, const struct top_print_opts *opts,
		struct buf *b)
{
	uint32_t n = opts->n_rows && opts->n_rows < t->n ? opts->n_rows : t->n;
	int64_t sum = 0;

	print_head(t, p, b);
	print_gc(t, b);
	if (opts->hidden && opts->hidden->total) {
		buf__append_str(b, "Hidden: ");
		idle_hidden__print(opts->hidden, b);
		buf__append_str(b, "; --idle shows them\n");
	}
	for (uint32_t i = 0; i < n; i++)
		sum += t->rows[i].flat;
	buf__printf(b, "Showing %u of %u by ", n, t->n);
	printable__append(b, t->by);
	buf__printf(b, ": %s, %s of the total", amount__format(sum, t->unit).text,
		    amount__percent(sum, t->total).text);
	if (t->in_focus != t->total)
		buf__printf(b, "; in focus %s, %s", amount__format(t->in_focus, t->unit).text,
			    amount__percent(t->in_focus, t->total).text);
	buf__printf(b, "\n%s%12s %8s %8s %12s %8s  %s%s\n", opts->colour ? BOLD : "", "flat", "flat%", "sum%",
		    "cum", "cum%", t->by, opts->colour ? PLAIN : "");
	sum = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct top_row *r = &t->rows[i];

		sum += r->flat;
		buf__printf(b, "%s%12s %8s %8s %12s %8s%s  ", opts->colour && !r->flat ? DIM : "",
			    amount__format(r->flat, t->unit).text, amount__percent(r->flat, t->total).text,
			    amount__percent(sum, t->total).text, amount__format(r->cum, t->unit).text,
			    amount__percent(r->cum, t->total).text, opts->colour && !r->flat ? PLAIN : "");
		printable__append(b, top__name(t, i));
		buf__append_char(b, '\n');
	}
}
