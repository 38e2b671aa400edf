/* SPDX-License-Identifier: Apache-2.0 */
/*
 * everprof diff: what changed between two profiles, as a table or as a file.
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
#include "user/cmd/output.h"
#include "user/profile/diff.h"
#include "user/profile/profile.h"
#include "user/query/idle.h"
#include "user/query/source.h"
#include "user/query/top.h"

#define OUTPUT_MAX   ((size_t)64 << 20)
#define DEFAULT_ROWS 20

struct request {
	struct source_opts source;
	struct top_opts top;
	const char *path;
	uint32_t n_rows;
	struct diff_opts diff;
	struct output_opts output;
};

static const struct command_option options[] = {
	{'o', "output", "FILE", OPTION_TEXT(struct request, path),
	 "write the difference instead: .svg and .html to look at, .pb.gz for `go tool pprof`"},
	{'n', "rows", "N", OPTION_COUNT(struct request, n_rows),
	 "how many rows of the table (default 20, 0: all)"},
	{0, "sort", "flat|cum", OPTION_CHOICE(struct request, top.sort),
	 "by what a row itself has, or with all that it called (default flat)"},
	{0, "by", "WHAT", OPTION_TEXT(struct request, top.by),
	 "function (default), file, binary, process, or a label"},
	{0, "type", "TYPE", OPTION_TEXT(struct request, top.type),
	 "sample type, as samples or cpu (default: the profile's own)"},
	{0, "by-time", NULL, OPTION_FLAG(struct request, diff.by_time),
	 "as if BEFORE had lasted as long as AFTER: rates against rates"},
	{INPUTS_IDLE(struct request, output.keep_idle)},
	{INPUTS_EVENT(struct request, source)},
	{INPUTS_FROM(struct request, source)},
	{INPUTS_TO(struct request, source)},
};

static const struct command diff = {
	.name = "diff",
	.synopsis = "[options] BEFORE AFTER",
	.text = "Tells what changed from BEFORE to AFTER: pprof files (.pb.gz, .pb.zst), stores, or folders "
		"that `record` wrote. In the table more is positive, and percentages are of BEFORE.",
	COMMAND_OPTIONS(options),
};

static int load(const struct request *r, const char *const paths[2], struct profile **ret, struct err *e)
{
	struct profile *sides[2] = {NULL, NULL};
	int err = inputs__load(&paths[0], 1, &r->source, &sides[0], e);

	if (!err)
		err = inputs__load(&paths[1], 1, &r->source, &sides[1], e);
	if (!err) {
		err = profile__diff(sides[0], sides[1], &r->diff, ret);
		if (err)
			err__set(e, err, "cannot compare '%s' and '%s': %s", paths[0], paths[1],
				 err == -EINVAL ? "they have different sample types" : strerror(-err));
	}
	profile__free(sides[0]);
	profile__free(sides[1]);
	return err;
}

static int print(const struct profile *p, const struct request *r, struct buf *to, struct err *e)
{
	struct idle_hidden hidden = {0};
	const struct top_print_opts opts = {.n_rows = r->n_rows,
					    .colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR"),
					    .hidden = &hidden};
	struct profile *shown = NULL;
	struct top *t = NULL;
	int err = r->output.keep_idle ? 0 : idle__hide(p, r->top.type, &shown, &hidden);

	if (!err)
		err = top__new(shown ? shown : p, &r->top, &t, e);
	if (!err)
		top__print(t, shown ? shown : p, &opts, to);
	top__free(t);
	profile__free(shown);
	return err;
}

int cmd_diff(int argc, char **argv)
{
	struct request r = {.n_rows = DEFAULT_ROWS, .top.by = "function"};
	struct profile *p = NULL;
	struct operands sides;
	struct err e = {""};
	struct buf b;
	int err, status = command__parse(&diff, argc, argv, &r, &sides);

	if (status != COMMAND_GO_ON)
		return status;
	if (sides.n != 2)
		return command__misuse(&diff, "two profiles are compared: BEFORE and AFTER");
	if (!inputs__is_range(&r.source))
		return command__misuse(&diff, "--from must lie before --to");
	if (r.path && !output__is_known(r.path))
		return command__misuse(&diff, OUTPUT_UNKNOWN, r.path);
	buf__init(&b, OUTPUT_MAX);
	err = load(&r, (const char *const *)sides.items, &p, &e);
	if (!err)
		err = r.path ? output__write_as(p, r.path, &r.output, &e) : print(p, &r, &b, &e);
	profile__free(p);
	status = err ? command__fail(&diff, &e, err) : command__print(&diff, &b);
	buf__done(&b);
	return status;
}
