// SPDX-License-Identifier: Apache-2.0
#include "user/query/wall.h"

#include <inttypes.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/base/intern.h"
#include "user/profile/amount.h"
#include "user/profile/profile.h"
#include "user/query/printable.h"

#define BOLD  "\033[1m"
#define PLAIN "\033[0m"
#define WIDTH 10

enum { ACCOUNTED = -1, SAMPLED = -2, STOLEN = -3 }; /* sampled: all states */

static const struct {
	const char *head;
	enum wall_part part;
	int state; /* or as follows */
} columns[] = {
	{"on-CPU", WALL_ON_CPU, ACCOUNTED},
	{"sampled", WALL_ON_CPU, SAMPLED},
	{"stolen", WALL_ON_CPU, STOLEN},
	{"waiting", WALL_WAITING, ACCOUNTED},
	{"sampled", WALL_WAITING, SAMPLED},
	{"blocked", WALL_WAITING, WAIT_BLOCKED},
	{"disk", WALL_WAITING, WAIT_DISK},
	{"stopped", WALL_WAITING, WAIT_STOPPED},
	{"for a CPU", WALL_FOR_CPU, ACCOUNTED},
	{"sampled", WALL_FOR_CPU, SAMPLED},
	{"runnable", WALL_FOR_CPU, WAIT_RUNNABLE},
	{"preempted", WALL_FOR_CPU, WAIT_PREEMPTED},
	{"throttled", WALL_FOR_CPU, WAIT_THROTTLED},
};

#define N_COLUMNS (sizeof(columns) / sizeof(*columns))

static void print_time(struct buf *b, int64_t ns, bool is_known)
{
	buf__printf(b, " %*s", WIDTH, !is_known ? "-" : ns ? amount__format(ns, "nanoseconds").text : "0");
}

static void print_row(const struct wall *w, const struct wall_row *r, const char *name, struct buf *b)
{
	bool is_known = r == &w->all || r->is_accounted;

	buf__printf(b, "%*s", WIDTH, is_known ? amount__format(r->wall, "nanoseconds").text : "-");
	for (size_t i = 0; i < N_COLUMNS; i++) {
		if (columns[i].state == ACCOUNTED)
			print_time(b, r->exact[columns[i].part], is_known);
		else if (columns[i].state == SAMPLED)
			print_time(b, wall_row__sampled(r, columns[i].part), true);
		else if (columns[i].state == STOLEN)
			print_time(b, r->stolen, is_known);
		else
			print_time(b, r->states[columns[i].state], true);
	}
	print_time(b, wall_row__residual(r), true);
	buf__printf(b, " %8s %c ", amount__percent(wall_row__residual(r), r->wall).text,
		    wall_row__holds(r) ? ' ' : '!');
	printable__append(b, name);
	if (r->id)
		buf__printf(b, " (%" PRIu64 ")", r->id);
	buf__append_char(b, '\n');
}

/* Waits are scaled to the account when they are written: what they were before, the file says. */
static void print_calibration(const struct profile *waits, struct buf *b)
{
	for (uint32_t i = 0; i < profile__n_comments(waits); i++) {
		const char *comment = profile__get_comment(waits, i);

		if (strncmp(comment, "waits by ", 9))
			continue;
		printable__append(b, comment);
		buf__append_char(b, '\n');
	}
}

void wall__print(const struct wall *w, const struct profile *waits, const struct wall_print_opts *opts,
		 struct buf *to)
{
	uint32_t n = opts->n_rows && opts->n_rows < w->n ? opts->n_rows : w->n, n_unheld = 0;

	for (uint32_t i = 0; i < w->n; i++)
		n_unheld += !wall_row__holds(&w->rows[i]);
	buf__append_str(to, "Wall time by ");
	printable__append(to, w->by);
	buf__printf(to,
		    ": %s of %u rows in %s. wall, on-CPU, stolen, waiting and for a CPU are as the kernel "
		    "accounts "
		    "them; residual is what was sampled, less that\n",
		    amount__format(w->all.wall, "nanoseconds").text, w->n,
		    amount__format(w->duration_ns, "nanoseconds").text);
	print_calibration(waits, to);
	buf__printf(to, "%s%*s", opts->colour ? BOLD : "", WIDTH, "wall");
	for (size_t i = 0; i < N_COLUMNS; i++)
		buf__printf(to, " %*s", WIDTH, columns[i].head);
	buf__printf(to, " %*s %8s   ", WIDTH, "residual", "of wall");
	printable__append(to, w->by);
	buf__printf(to, "%s\n", opts->colour ? PLAIN : "");
	for (uint32_t i = 0; i < n; i++)
		print_row(w, &w->rows[i], intern__str(w->names, w->rows[i].name, NULL), to);
	if (n < w->n)
		buf__printf(to, "and %u more\n", w->n - n);
	print_row(w, &w->all, "all", to);
	if (n_unheld)
		buf__printf(to,
			    "%u rows (!) are off by more than %.0f%% of their wall time and three standard "
			    "errors\n",
			    n_unheld, 100 * WALL_TOLERANCE);
	buf__printf(to, "The identity %s\n", wall__holds(w) ? "holds" : "does not hold");
}
