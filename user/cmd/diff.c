/* SPDX-License-Identifier: Apache-2.0 */
/*
 * everprof diff: what changed between two profiles, as a table or as a file.
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
#include "user/cmd/output.h"
#include "user/config/units.h"
#include "user/profile/diff.h"
#include "user/profile/profile.h"
#include "user/query/idle.h"
#include "user/query/source.h"
#include "user/query/top.h"

#define OUTPUT_MAX   ((size_t)64 << 20)
#define DEFAULT_ROWS 20

enum { EXIT_DONE, EXIT_FAILED, EXIT_USAGE };
enum { OPT_BY = INPUTS_OPT_MAX, OPT_TYPE, OPT_SORT, OPT_IDLE };

static const char usage_text[] = "usage: everprof diff [options] BEFORE AFTER\n";

static const char help_text[] =
	"\n"
	"Tells what changed from BEFORE to AFTER: pprof files (.pb.gz, .pb.zst), stores, or folders that "
	"`record` wrote. In the "
	"table\n"
	"more is positive, and percentages are of BEFORE.\n"
	"\n"
	"  -o, --output FILE    write the difference instead: .svg and .html to look at, .pb.gz for `go tool "
	"pprof`\n"
	"  -n, --rows N         how many rows of the table (default 20, 0: all)\n"
	"      --sort flat|cum  by what a row itself has, or with all that it called (default flat)\n"
	"      --by WHAT        function (default), file, binary, process, or a label\n"
	"      --type TYPE      sample type (default: the profile's own)\n"
	"      --idle           waits of threads that only wait for work, too\n"
	"      --event EVENT    of a store or folder: cpu (default), offcpu, memory, …\n"
	"      --from TIME      of stores: now-1h, 2026-01-31T10:00:00Z (UTC) or seconds since 1970\n"
	"      --to TIME        the same\n"
	"  -h, --help           this text\n";

struct request {
	struct source_opts source;
	struct top_opts top;
	const char *path;
	uint32_t n_rows;
	struct output_opts output;
	bool help;
};

static int usage(const char *what)
{
	if (what)
		fprintf(stderr, "everprof: diff: %s\n", what);
	fputs(usage_text, stderr);
	return EXIT_USAGE;
}

static int parse_option(int opt, struct request *r)
{
	struct err e = {""};
	uint64_t n;

	switch (opt) {
	case 'o':
		r->path = optarg;
		return 0;
	case 'n':
		if (units__parse_count(optarg, &n, NULL) || n > UINT32_MAX)
			return usage("-n wants a number of rows");
		r->n_rows = (uint32_t)n;
		return 0;
	case OPT_SORT:
		if (strcmp(optarg, "flat") && strcmp(optarg, "cum"))
			return usage("--sort wants flat or cum");
		r->top.sort = *optarg == 'c' ? TOP_BY_CUM : TOP_BY_FLAT;
		return 0;
	case OPT_BY:
		r->top.by = optarg;
		return 0;
	case OPT_TYPE:
		r->top.type = optarg;
		return 0;
	case OPT_IDLE:
		r->output.keep_idle = true;
		return 0;
	case INPUTS_EVENT:
	case INPUTS_FROM:
	case INPUTS_TO:
		return inputs__option(&r->source, opt, optarg, &e) ? usage(e.text) : 0;
	case 'h':
		r->help = true;
		return 0;
	default:
		return usage(NULL);
	}
}

static int parse_arguments(int argc, char **argv, struct request *r)
{
	static const struct option options[] = {
		{"output", required_argument, NULL, 'o'},
		{"rows", required_argument, NULL, 'n'},
		{"sort", required_argument, NULL, OPT_SORT},
		{"by", required_argument, NULL, OPT_BY},
		{"type", required_argument, NULL, OPT_TYPE},
		{"idle", no_argument, NULL, OPT_IDLE},
		{"event", required_argument, NULL, INPUTS_EVENT},
		{"from", required_argument, NULL, INPUTS_FROM},
		{"to", required_argument, NULL, INPUTS_TO},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int opt, status = 0;

	optind = 0;
	while (!status && !r->help && (opt = getopt_long(argc, argv, "o:n:h", options, NULL)) != -1)
		status = parse_option(opt, r);
	if (status || r->help)
		return status;
	if (argc - optind != 2)
		return usage("two profiles are compared: BEFORE and AFTER");
	if (!inputs__is_range(&r->source))
		return usage("--from must lie before --to");
	if (r->path && !output__is_known(r->path))
		return usage("cannot tell the format of the output: use " OUTPUT_SUFFIXES);
	return 0;
}

static int load(const struct request *r, const char *const paths[2], struct profile **ret, struct err *e)
{
	struct profile *sides[2] = {NULL, NULL};
	int err = source__load(&paths[0], 1, &r->source, &sides[0], e);

	if (!err)
		err = source__load(&paths[1], 1, &r->source, &sides[1], e);
	if (!err) {
		err = profile__diff(sides[0], sides[1], NULL, ret);
		if (err)
			err__set(e, err, "cannot compare '%s' and '%s': %s", paths[0], paths[1],
				 err == -EINVAL ? "they have different sample types" : strerror(-err));
	}
	profile__free(sides[0]);
	profile__free(sides[1]);
	return err;
}

static int print(const struct profile *p, const struct request *r, struct err *e)
{
	struct idle_hidden hidden = {0};
	const struct top_print_opts opts = {.n_rows = r->n_rows,
					    .colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR"),
					    .hidden = &hidden};
	struct profile *shown = NULL;
	struct top *t;
	struct buf b;
	int err = r->output.keep_idle ? 0 : idle__hide(p, r->top.type, &shown, &hidden);

	if (!err)
		err = top__new(shown ? shown : p, &r->top, &t, e);
	if (err) {
		profile__free(shown);
		return err;
	}
	buf__init(&b, OUTPUT_MAX);
	top__print(t, shown ? shown : p, &opts, &b);
	err = buf__err(&b);
	if (!err && (fwrite(b.data, 1, b.len, stdout) != b.len || fflush(stdout)))
		err = err__set(e, -EIO, "cannot print: %s", strerror(errno));
	buf__done(&b);
	top__free(t);
	profile__free(shown);
	return err;
}

int cmd_diff(int argc, char **argv)
{
	struct request r = {.n_rows = DEFAULT_ROWS};
	struct profile *p = NULL;
	struct err e = {""};
	int err, status = parse_arguments(argc, argv, &r);

	if (status)
		return status;
	if (r.help) {
		printf("%s%s", usage_text, help_text);
		return EXIT_DONE;
	}
	err = load(&r, (const char *const *)argv + optind, &p, &e);
	if (!err)
		err = r.path ? output__write_as(p, r.path, &r.output, &e) : print(p, &r, &e);
	profile__free(p);
	if (err)
		fprintf(stderr, "everprof: diff: %s\n", err__text(&e, err));
	return err ? EXIT_FAILED : EXIT_DONE;
}
