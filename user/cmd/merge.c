/* SPDX-License-Identifier: Apache-2.0 */
/*
 * everprof merge: several profiles, or a part of a store, as one file that any tool opens.
 */
#include "user/cmd/cmd.h"

#include "user/base/err.h"
#include "user/cmd/command.h"
#include "user/cmd/inputs.h"
#include "user/cmd/output.h"
#include "user/profile/profile.h"
#include "user/query/source.h"

struct request {
	struct source_opts source;
	const char *path;
	struct output_opts output;
};

static const struct command_option options[] = {
	{'o', "output", "FILE", OPTION_TEXT(struct request, path),
	 "by its end: .pb.gz .pb.zst pprof, .folded, .svg, .html, .json speedscope; - is standard output "
	 "(pprof)"},
	{INPUTS_IDLE(struct request, output.keep_idle)},
	{INPUTS_EVENT(struct request, source)},
	{INPUTS_FROM(struct request, source)},
	{INPUTS_TO(struct request, source)},
};

static const struct command merge = {
	.name = "merge",
	.synopsis = "-o FILE [options] [FILE|URL|DIR]...",
	.text = "Adds profiles up into one file that any tool opens. " INPUTS_WHAT,
	COMMAND_OPTIONS(options),
};

int cmd_merge(int argc, char **argv)
{
	struct request r = {0};
	struct profile *p = NULL;
	struct operands from;
	struct err e = {""};
	int err, status = command__parse(&merge, argc, argv, &r, &from);

	if (status != COMMAND_GO_ON)
		return status;
	if (!inputs__is_range(&r.source))
		return command__misuse(&merge, "--from must lie before --to");
	if (!r.path)
		return command__misuse(&merge, "-o FILE says where the sum goes");
	if (!output__is_known(r.path))
		return command__misuse(&merge, OUTPUT_UNKNOWN, r.path);
	err = inputs__load((const char *const *)from.items, from.n, &r.source, &p, &e);
	if (!err)
		err = output__write_as(p, r.path, &r.output, &e);
	profile__free(p);
	return err ? command__fail(&merge, &e, err) : EXIT_DONE;
}
