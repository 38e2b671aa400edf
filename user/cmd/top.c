/* SPDX-License-Identifier: Apache-2.0 */
/*
 * everprof top: where the value of a profile, of several, or of a store's last minutes is; and with --stacks, how whole its stacks are.
 */
#include "user/cmd/cmd.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/cmd/inputs.h"
#include "user/cmd/top_wall.h"
#include "user/config/units.h"
#include "user/profile/profile.h"
#include "user/query/completeness.h"
#include "user/query/deadlocks.h"
#include "user/query/go_origins.h"
#include "user/query/idle.h"
#include "user/query/printable.h"
#include "user/query/source.h"
#include "user/query/top.h"

#define DEFAULT_ROWS 10
#define OUTPUT_MAX   ((size_t)256 << 20)

enum { EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_NOT_HELD };
enum { OPT_SORT = INPUTS_OPT_MAX, OPT_TYPE, OPT_FOCUS, OPT_BY, OPT_STACKS, OPT_IDLE, OPT_WALL, OPT_CHECK };

static const char usage_text[] = "usage: everprof top [options] [FILE|DIR]...\n";

static const char help_text[] =
	"\n"
	"Shows where the value of a profile is. FILE is a pprof file (.pb.gz, .pb.zst; - is standard input), "
	"several are\n"
	"added up. DIR is a store, of which the last 10 minutes are shown, or a folder that `record` wrote. "
	"Without any, the store\n"
	"of the configuration.\n"
	"\n"
	"  -n, --rows N         how many rows (default 10, 0: all)\n"
	"      --sort flat|cum  by what a row itself has, or with all that it called (default flat)\n"
	"      --by WHAT        function (default), file, binary, process, thread, or a label: comm, "
	"container,\n"
	"                       cgroup, unit, pod, …; of waits: wait (default), state, syscall, idle;\n"
	"                       of CPU time: gc, whose garbage collection it is\n"
	"      --idle           waits of threads that only wait for work, too (profiling.offcpu.idle)\n"
	"      --focus REGEX    only stacks with such a function\n"
	"      --type TYPE      sample type, as samples or cpu (default: the profile's own)\n"
	"      --stacks         how much of each binary and runtime has whole stacks, and why the rest has "
	"not\n"
	"      --wall           of each thread (--by process, comm, …): its time on the wall, on a CPU, "
	"waiting by "
	"state, as sampled\n"
	"                       and as the kernel accounts it; of folders, or of files of the events cpu, "
	"offcpu "
	"and wall\n"
	"      --check          with --wall: exit status 3 where they differ by more than 2 % and three "
	"standard "
	"errors\n"
	"      --event EVENT    of a store or folder: cpu (default), offcpu, memory, …\n"
	"      --from TIME      of a store: now-1h, 2026-01-31T10:00:00Z (UTC) or seconds since 1970\n"
	"      --to TIME        the same\n"
	"  -h, --help           this text\n"
	"\n"
	"flat: value of the row alone · sum%: of this row and those above · cum: with all that it called\n";

struct request {
	struct top_opts top;
	struct source_opts source;
	uint32_t n_rows;
	bool stacks, idle, wall, check, help;
};

static int usage(const char *what, const char *value)
{
	if (value)
		fprintf(stderr, "everprof: top: %s '%s'\n", what, units__quote(value).text);
	else if (what)
		fprintf(stderr, "everprof: top: %s\n", what);
	fputs(usage_text, stderr);
	return EXIT_USAGE;
}

static int failed(const struct err *e, int code)
{
	fprintf(stderr, "everprof: top: %s\n", err__text(e, code));
	return EXIT_FAILED;
}

static int parse_option(int opt, struct request *r)
{
	struct err e = {""};
	uint64_t n;

	switch (opt) {
	case 'n':
		if (units__parse_count(optarg, &n, NULL) || n > UINT32_MAX)
			return usage("-n wants a number of rows, not", optarg);
		r->n_rows = (uint32_t)n;
		return 0;
	case OPT_SORT:
		if (strcmp(optarg, "flat") && strcmp(optarg, "cum"))
			return usage("--sort wants flat or cum, not", optarg);
		r->top.sort = *optarg == 'c' ? TOP_BY_CUM : TOP_BY_FLAT;
		return 0;
	case INPUTS_FROM:
	case INPUTS_TO:
	case INPUTS_EVENT:
		if (inputs__option(&r->source, opt, optarg, &e)) {
			fprintf(stderr, "everprof: top: %s\n", e.text);
			return EXIT_USAGE;
		}
		return 0;
	case OPT_TYPE:
		r->top.type = optarg;
		return 0;
	case OPT_FOCUS:
		r->top.focus = optarg;
		return 0;
	case OPT_BY:
		r->top.by = optarg;
		return 0;
	case OPT_IDLE:
		r->idle = true;
		return 0;
	case OPT_WALL:
		r->wall = true;
		return 0;
	case OPT_CHECK:
		r->check = true;
		return 0;
	case OPT_STACKS:
		r->stacks = true;
		return 0;
	case 'h':
		r->help = true;
		return 0;
	default:
		return usage(NULL, NULL);
	}
}

static int parse_arguments(int argc, char **argv, struct request *r)
{
	static const struct option options[] = {
		{"rows", required_argument, NULL, 'n'},
		{"sort", required_argument, NULL, OPT_SORT},
		{"by", required_argument, NULL, OPT_BY},
		{"focus", required_argument, NULL, OPT_FOCUS},
		{"type", required_argument, NULL, OPT_TYPE},
		{"idle", no_argument, NULL, OPT_IDLE},
		{"wall", no_argument, NULL, OPT_WALL},
		{"check", no_argument, NULL, OPT_CHECK},
		{"stacks", no_argument, NULL, OPT_STACKS},
		{"event", required_argument, NULL, INPUTS_EVENT},
		{"from", required_argument, NULL, INPUTS_FROM},
		{"to", required_argument, NULL, INPUTS_TO},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int opt, status = 0;

	optind = 0; /* glibc's own state goes too, so that this can be called again */
	while (!status && !r->help && (opt = getopt_long(argc, argv, "n:h", options, NULL)) != -1)
		status = parse_option(opt, r);
	if (!status && !inputs__is_range(&r->source))
		status = usage("--from must lie before --to", NULL);
	if (!status && r->check && !r->wall)
		status = usage("--check is of --wall", NULL);
	return status;
}

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

/* The table; idle waits are left out of it unless they are asked for. */
static int print_top(const struct profile *all, const struct request *r, bool colour, struct buf *to,
		     struct err *e)
{
	struct top_opts top = r->top;
	struct idle_hidden hidden = {0};
	struct profile *shown = NULL;
	struct top *t;
	int err = 0;

	if (!top.by)
		top.by = top__default_by(all);
	if (!r->idle && strcmp(top.by, IDLE_LABEL))
		err = idle__hide(all, top.type, &shown, &hidden);
	if (!err)
		err = top__new(shown ? shown : all, &top, &t, e);
	if (!err) {
		struct top_print_opts opts = {.n_rows = r->n_rows, .colour = colour, .hidden = &hidden};

		if (deadlocks__print(all, to) + go_origins__print(all, to))
			buf__printf(to, "\n");
		top__print(t, shown ? shown : all, &opts, to);
		top__free(t);
	}
	profile__free(shown);
	return err;
}

static int print_out(struct buf *b, struct err *e)
{
	int err = buf__err(b);

	if (!err && (fwrite(b->data, 1, b->len, stdout) != b->len || fflush(stdout)))
		err = errno ? -errno : -EIO;
	return err ? err__set(e, err, "cannot print: %s", strerror(-err)) : 0;
}

static int run(const struct request *r, const char *const *paths, uint32_t n, bool *ret_holds, struct err *e)
{
	bool colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	const struct top_wall_opts wall = {.by = r->top.by, .n_rows = r->n_rows, .colour = colour};
	struct profile *p = NULL;
	struct buf b;
	int err;

	buf__init(&b, OUTPUT_MAX);
	if (r->wall) {
		err = top_wall__print(paths, n, &r->source, &wall, &b, ret_holds, e);
	} else {
		err = inputs__load(paths, n, &r->source, &p, e);
		if (!err)
			err = r->stacks ? print_stacks(p, r, colour, &b, e) : print_top(p, r, colour, &b, e);
	}
	if (!err)
		err = print_out(&b, e);
	profile__free(p);
	buf__done(&b);
	return err;
}

int cmd_top(int argc, char **argv)
{
	struct request r = {.n_rows = DEFAULT_ROWS};
	struct err e = {""};
	bool holds = true;
	int err, status = parse_arguments(argc, argv, &r);

	if (status)
		return status;
	if (r.help) {
		printf("%s%s", usage_text, help_text);
		return EXIT_DONE;
	}
	err = run(&r, (const char *const *)argv + optind, (uint32_t)(argc - optind), &holds, &e);
	if (err)
		return failed(&e, err);
	return r.check && !holds ? EXIT_NOT_HELD : EXIT_DONE;
}
