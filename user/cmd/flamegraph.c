/* SPDX-License-Identifier: Apache-2.0 */
/*
 * everprof flamegraph: a profile, several, or a part of a store, as one file to look at.
 */
#include "user/cmd/cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "exporters/format/format.h"
#include "user/base/err.h"
#include "user/cmd/inputs.h"
#include "user/cmd/output.h"
#include "user/config/units.h"
#include "user/profile/diff.h"
#include "user/profile/profile.h"
#include "user/query/source.h"

enum { EXIT_DONE, EXIT_FAILED, EXIT_USAGE };
enum { OPT_TYPE = INPUTS_OPT_MAX, OPT_BY, OPT_THRESHOLD, OPT_BASE, OPT_IDLE };

static const char usage_text[] = "usage: everprof flamegraph [options] [FILE|DIR]...\n";

static const char help_text[] =
	"\n"
	"Draws a profile. FILE is a pprof file (.pb.gz, .pb.zst; - is standard input), several are added up. "
	"DIR is a "
	"store, of which the\n"
	"last 10 minutes are drawn, or a folder that `record` wrote. Without any, the store of the "
	"configuration.\n"
	"\n"
	"  -o, --output FILE       default flamegraph.svg; by its end: .svg a picture, .html a page to look "
	"around in, "
	".json for\n"
	"                          speedscope, .flame.json for programs, .folded text\n"
	"      --type TYPE         sample type, as samples or cpu (default: the profile's own)\n"
	"      --by LABEL          this label's text as the lowest frame: process, container, comm, …\n"
	"      --threshold SHARE   fold calls away that have less than this of the whole (default 0.02%; 0%: "
	"none)\n"
	"      --base FILE         show what changed since that profile: blue is less, orange is more\n"
	"      --idle              waits of threads that only wait for work, too\n"
	"      --event EVENT       of a store or folder: cpu (default), offcpu, memory, …\n"
	"      --from TIME         of a store: now-1h, 2026-01-31T10:00:00Z (UTC) or seconds since 1970\n"
	"      --to TIME           the same\n"
	"  -h, --help              this text\n";

struct request {
	struct source_opts source;
	struct output_opts output;
	const char *path, *base;
	bool help;
};

static int usage(const char *what)
{
	if (what)
		fprintf(stderr, "everprof: flamegraph: %s\n", what);
	fputs(usage_text, stderr);
	return EXIT_USAGE;
}

static int parse_option(int opt, struct request *r)
{
	struct err e = {""};
	uint64_t ppm;

	switch (opt) {
	case 'o':
		r->path = optarg;
		return 0;
	case OPT_TYPE:
		r->output.format.type = optarg;
		return 0;
	case OPT_BY:
		r->output.format.root_label = optarg;
		return 0;
	case OPT_BASE:
		r->base = optarg;
		return 0;
	case OPT_THRESHOLD:
		if (units__parse_share(optarg, &ppm, &e) || ppm > 1000000)
			return usage("--threshold wants a share of the whole, such as 0.1%");
		r->output.format.threshold_ppm = (uint32_t)ppm;
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
		{"type", required_argument, NULL, OPT_TYPE},
		{"by", required_argument, NULL, OPT_BY},
		{"threshold", required_argument, NULL, OPT_THRESHOLD},
		{"base", required_argument, NULL, OPT_BASE},
		{"idle", no_argument, NULL, OPT_IDLE},
		{"event", required_argument, NULL, INPUTS_EVENT},
		{"from", required_argument, NULL, INPUTS_FROM},
		{"to", required_argument, NULL, INPUTS_TO},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int opt, status = 0;

	optind = 0;
	while (!status && !r->help && (opt = getopt_long(argc, argv, "o:h", options, NULL)) != -1)
		status = parse_option(opt, r);
	if (!status && !inputs__is_range(&r->source))
		status = usage("--from must lie before --to");
	if (!status && !output__is_known(r->path))
		status = usage("cannot tell the format of the output: use .svg, .html, .json or .folded");
	return status;
}

static int load(const struct request *r, int argc, char **argv, struct profile **ret, struct err *e)
{
	struct profile *p = NULL, *base = NULL;
	int err = inputs__load((const char *const *)argv + optind, (uint32_t)(argc - optind), &r->source, &p,
			       e);

	if (!err && !r->base) {
		*ret = p;
		return 0;
	}
	if (!err)
		err = source__load(&r->base, 1, &r->source, &base, e);
	if (!err) {
		err = profile__diff(base, p, NULL, ret);
		if (err)
			err__set(e, err, "cannot compare with '%s': other sample types, or too large",
				 r->base);
	}
	profile__free(base);
	profile__free(p);
	return err;
}

int cmd_flamegraph(int argc, char **argv)
{
	struct request r = {.path = "flamegraph.svg", .output = {.format = {.threshold_ppm = 200}}};
	struct profile *p = NULL;
	struct err e = {""};
	int err, status = parse_arguments(argc, argv, &r);

	if (status)
		return status;
	if (r.help) {
		printf("%s%s", usage_text, help_text);
		return EXIT_DONE;
	}
	err = load(&r, argc, argv, &p, &e);
	if (!err)
		err = output__write_as(p, r.path, &r.output, &e);
	profile__free(p);
	if (err)
		fprintf(stderr, "everprof: flamegraph: %s\n", err__text(&e, err));
	return err ? EXIT_FAILED : EXIT_DONE;
}
