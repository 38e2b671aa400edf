/* SPDX-License-Identifier: Apache-2.0 */
/*
 * everprof merge: several profiles, or a part of a store, as one file that any tool opens.
 */
#include "user/cmd/cmd.h"

#include <getopt.h>
#include <stdio.h>

#include "user/base/err.h"
#include "user/cmd/inputs.h"
#include "user/cmd/output.h"
#include "user/profile/profile.h"
#include "user/query/source.h"

enum { EXIT_DONE, EXIT_FAILED, EXIT_USAGE };
enum { OPT_IDLE = INPUTS_OPT_MAX };

static const char usage_text[] = "usage: everprof merge -o FILE [options] [FILE|DIR]...\n";

static const char help_text[] =
	"\n"
	"Adds profiles up. FILE is a pprof file (.pb.gz, .pb.zst; - is standard input). DIR is a store, of "
	"which the last "
	"10 minutes are\n"
	"taken, or a folder that `record` wrote. Without any, the store of the configuration.\n"
	"\n"
	"  -o, --output FILE   by its end: .pb.gz .pb.zst pprof, .folded, .svg, .html, .json speedscope; - "
	"is standard "
	"output (pprof)\n"
	"      --idle          in what is made to be looked at: waits of threads that only wait for work, "
	"too\n"
	"      --event EVENT   of a store or folder: cpu (default), offcpu, memory, …\n"
	"      --from TIME     of a store: now-1h, 2026-01-31T10:00:00Z (UTC) or seconds since 1970\n"
	"      --to TIME       the same\n"
	"  -h, --help          this text\n";

static int usage(const char *what)
{
	if (what)
		fprintf(stderr, "everprof: merge: %s\n", what);
	fputs(usage_text, stderr);
	return EXIT_USAGE;
}

struct request {
	struct source_opts source;
	const char *path;
	struct output_opts output;
	bool help;
};

static int parse_arguments(int argc, char **argv, struct request *r)
{
	static const struct option options[] = {
		{"output", required_argument, NULL, 'o'},
		{"idle", no_argument, NULL, OPT_IDLE},
		{"event", required_argument, NULL, INPUTS_EVENT},
		{"from", required_argument, NULL, INPUTS_FROM},
		{"to", required_argument, NULL, INPUTS_TO},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct err e = {""};
	int opt;

	optind = 0;
	while (!r->help && (opt = getopt_long(argc, argv, "o:h", options, NULL)) != -1) {
		if (opt == 'o')
			r->path = optarg;
		else if (opt == OPT_IDLE)
			r->output.keep_idle = true;
		else if (opt == 'h')
			r->help = true;
		else if (opt == '?')
			return usage(NULL);
		else if (inputs__option(&r->source, opt, optarg, &e))
			return usage(e.text);
	}
	if (r->help)
		return 0;
	if (!inputs__is_range(&r->source))
		return usage("--from must lie before --to");
	if (!r->path)
		return usage("-o FILE says where the sum goes");
	return output__is_known(r->path)
		       ? 0
		       : usage("cannot tell the format of the output: use " OUTPUT_SUFFIXES);
}

int cmd_merge(int argc, char **argv)
{
	struct request r = {0};
	struct profile *p = NULL;
	struct err e = {""};
	int err, status = parse_arguments(argc, argv, &r);

	if (status)
		return status;
	if (r.help) {
		printf("%s%s", usage_text, help_text);
		return EXIT_DONE;
	}
	err = inputs__load((const char *const *)argv + optind, (uint32_t)(argc - optind), &r.source, &p, &e);
	if (!err)
		err = output__write_as(p, r.path, &r.output, &e);
	profile__free(p);
	if (err)
		fprintf(stderr, "everprof: merge: %s\n", err__text(&e, err));
	return err ? EXIT_FAILED : EXIT_DONE;
}
