/* SPDX-License-Identifier: Apache-2.0 */
/*
 * everprof top: where the value of a profile, of several, or of a store's last minutes is; and with --stacks, how whole its stacks are.
 */
#include "user/cmd/cmd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/cmd/command.h"
#include "user/cmd/inputs.h"
#include "user/cmd/top_wall.h"
#include "user/config/event.h"
#include "user/profile/profile.h"
#include "user/query/completeness.h"
#include "user/query/deadlocks.h"
#include "user/query/gather.h"
#include "user/query/go_origins.h"
#include "user/query/idle.h"
#include "user/query/printable.h"
#include "user/query/top.h"
#include "user/store/sum.h"

#define DEFAULT_ROWS 10
#define OUTPUT_MAX   ((size_t)256 << 20)

struct request {
	struct top_opts top;
	struct source_opts source;
	uint32_t n_rows;
	bool stacks, idle, wall, check;
};

static const struct command_option options[] = {
	{'n', "rows", "N", OPTION_COUNT(struct request, n_rows), "how many rows (default 10, 0: all)"},
	{0, "sort", "flat|cum", OPTION_CHOICE(struct request, top.sort),
	 "by what a row itself has, or with all that it called (default flat)"},
	{0, "by", "WHAT", OPTION_TEXT(struct request, top.by),
	 "function (default), file, binary, process, thread, or a label: comm, container, cgroup, unit, "
	 "pod, …; of waits: wait (default), state, syscall, idle; of CPU time: gc, whose garbage "
	 "collection it is"},
	{INPUTS_IDLE(struct request, idle)},
	{0, "focus", "REGEX", OPTION_TEXT(struct request, top.focus), "only stacks with such a function"},
	{0, "type", "TYPE", OPTION_TEXT(struct request, top.type),
	 "sample type, as samples or cpu (default: the profile's own)"},
	{0, "stacks", NULL, OPTION_FLAG(struct request, stacks),
	 "how much of each binary and runtime has whole stacks, and why the rest has not"},
	{0, "wall", NULL, OPTION_FLAG(struct request, wall),
	 "of each thread (--by process, comm, …): its time on the wall, on a CPU, waiting by state, as "
	 "sampled and as the kernel accounts it; of folders, or of files of the events cpu, offcpu and "
	 "wall"},
	{0, "check", NULL, OPTION_FLAG(struct request, check),
	 "with --wall: exit status 3 where they differ by more than 2 % and three standard errors"},
	{INPUTS_EVENT(struct request, source)},
	{INPUTS_FROM(struct request, source)},
	{INPUTS_TO(struct request, source)},
};

static const struct command top = {
	.name = "top",
	.synopsis = "[options] [FILE|URL|DIR]...",
	.text = "Shows where the value of a profile is. " INPUTS_WHAT,
	.end = "flat: value of the row alone · sum%: of this row and those above · cum: with all that it "
	       "called",
	COMMAND_OPTIONS(options),
};

#define DOUBT_PREFIX "doubt "

static int print_stacks(const struct profile *p, const struct request *r, bool colour, struct buf *to,
			struct err *e)
{
	static const enum completeness_by tables[] = {COMPLETENESS_BY_BINARY, COMPLETENESS_BY_RUNTIME};

	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		struct completeness *c;
		int err = completeness__new(p, tables[i], r->top.type, &c, e);

		if (err)
			return err;
		if (i)
			buf__append_char(to, '\n');
		completeness__print(c, r->n_rows, colour, to);
		completeness__free(c);
	}
	for (uint32_t i = 0; i < profile__n_comments(p); i++) {
		const char *comment = profile__get_comment(p, i);

		/* a stack that ended well may have gone wrong on its way */
		if (!strncmp(comment, DOUBT_PREFIX, strlen(DOUBT_PREFIX))) {
			buf__append_str(to, i ? "\nin " : "in ");
			printable__append(to, comment);
			buf__append_char(to, '\n');
		}
	}
	return 0;
}

/*
 * Passes parts on, and adds up those that tell who waits for whom, or who made whom: of threads and goroutines. They are states, so that is one of a store, and those
 * that are named.
 */
struct tap {
	struct parts parts; /* to be walked over */
	const struct parts *from;
	struct store_sum states;
	part_fn fn; /* the walk's */
	void *ctx;
};

static bool is_of_states(const struct profile *p)
{
	uint32_t type;

	return !profile__find_type(p, event__counted(EVENT_THREADS), &type) ||
	       !profile__find_type(p, event__counted(EVENT_GOROUTINE), &type);
}

static int tap_part(const struct profile *part, void *ctx)
{
	struct tap *t = ctx;
	int err = t->fn(part, t->ctx);

	if (!err && is_of_states(part))
		err = store_sum__add_profile(&t->states, part, NULL);
	return err;
}

static int tap_each(const struct parts *parts, const struct parts_walk *how, part_fn fn, void *ctx,
		    struct err *err)
{
	struct tap *t = (struct tap *)parts; /* its first member */

	store_sum__done(&t->states);
	t->fn = fn;
	t->ctx = ctx;
	return t->from->each(t->from, how, tap_part, t, err);
}

static int print_states(struct tap *t, struct buf *to)
{
	struct profile *p;
	int err = store_sum__take(&t->states, &p);

	if (err)
		return err == -ENODATA ? 0 : err;
	if (deadlocks__print(p, to) + go_origins__print(p, to))
		buf__append_char(to, '\n');
	profile__free(p);
	return 0;
}

/* The table; idle waits are left out of it unless they are asked for. */
static int print_top(const struct parts *parts, const struct request *r, bool colour, struct buf *to,
		     struct err *e)
{
	struct tap tap = {.parts = {.each = tap_each}, .from = parts};
	const struct gather_opts o = {.parts = &tap.parts,
				      .hides_idle = !r->idle && (!r->top.by || strcmp(r->top.by, IDLE_LABEL)),
				      .type = r->top.type};
	struct gathered g;
	struct top *t;
	int err;

	store_sum__init(&tap.states, SOURCE_SUM_MAX);
	err = gather__top(&o, &r->top, &t, &g, e);
	if (!err) {
		const struct top_print_opts opts = {
			.n_rows = r->n_rows, .colour = colour, .hidden = &g.hidden};

		err = print_states(&tap, to);
		top__print(t, g.head, &opts, to);
		top__free(t);
		profile__free(g.head);
	}
	store_sum__done(&tap.states);
	return err;
}

static int print_of(const struct source *from, const struct request *r, bool colour, struct buf *to,
		    struct err *e)
{
	struct profile *p = NULL;
	int err;

	if (!r->stacks)
		return print_top(&from->parts, r, colour, to, e);
	err = source__load(from, &p, e);
	if (!err)
		err = print_stacks(p, r, colour, to, e);
	profile__free(p);
	return err;
}

static int run(const struct request *r, const struct operands *from, struct buf *to, bool *ret_holds,
	       struct err *e)
{
	bool colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	const struct top_wall_opts wall = {.by = r->top.by, .n_rows = r->n_rows, .colour = colour};
	const char *const *paths = (const char *const *)from->items;
	struct inputs in;
	int err;

	if (r->wall)
		return top_wall__print(paths, from->n, &r->source, &wall, to, ret_holds, e);
	err = inputs__open(&in, paths, from->n, &r->source, e);
	if (!err)
		err = print_of(&in.source, r, colour, to, e);
	inputs__done(&in);
	return err;
}

int cmd_top(int argc, char **argv)
{
	struct request r = {.n_rows = DEFAULT_ROWS};
	struct operands from;
	struct err e = {""};
	bool holds = true;
	struct buf b;
	int err, status = command__parse(&top, argc, argv, &r, &from);

	if (status != COMMAND_GO_ON)
		return status;
	if (!inputs__is_range(&r.source))
		return command__misuse(&top, "--from must lie before --to");
	if (r.check && !r.wall)
		return command__misuse(&top, "--check is of --wall");
	buf__init(&b, OUTPUT_MAX);
	err = run(&r, &from, &b, &holds, &e);
	status = err ? command__fail(&top, &e, err) : command__print(&top, &b);
	buf__done(&b);
	return status == EXIT_DONE && r.check && !holds ? EXIT_NOT_HELD : status;
}
