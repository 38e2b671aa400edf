/* SPDX-License-Identifier: Apache-2.0 */
/*
 * everprof flamegraph: a profile, several, or a part of a store, as one file to look at.
 */
#include "user/cmd/cmd.h"

#include <errno.h>

#include "exporters/format/format.h"
#include "user/base/err.h"
#include "user/cmd/command.h"
#include "user/cmd/inputs.h"
#include "user/cmd/output.h"
#include "user/config/units.h"
#include "user/profile/diff.h"
#include "user/profile/profile.h"
#include "user/query/source.h"

struct request {
	struct source_opts source;
	struct output_opts output;
	const char *path, *base;
};

static int take_threshold(const struct command_option *o, void *at, char *value, struct err *e)
{
	uint64_t ppm;

	(void)o;
	if (units__parse_share(value, &ppm, NULL) || ppm > 1000000)
		return err__set(e, -EINVAL, "expected a share of the whole, such as 0.1%%, found '%s'",
				units__quote(value).text);
	*(uint32_t *)at = (uint32_t)ppm;
	return 0;
}

static const struct command_option options[] = {
	{'o', "output", "FILE", OPTION_TEXT(struct request, path),
	 "default flamegraph.svg; by its end: .svg a picture, .html a page to look around in, .json for "
	 "speedscope, .flame.json for programs, .folded text"},
	{0, "type", "TYPE", OPTION_TEXT(struct request, output.format.type),
	 "sample type, as samples or cpu (default: the profile's own)"},
	{0, "by", "LABEL", OPTION_TEXT(struct request, output.format.root_label),
	 "this label's text as the lowest frame: process, container, comm, …"},
	{0, "threshold", "SHARE", take_threshold,
	 OPTION_AT(struct request, output.format.threshold_ppm, uint32_t),
	 "fold calls away that have less than this of the whole (default 0.02%; 0%: none)"},
	{0, "base", "FILE", OPTION_TEXT(struct request, base),
	 "show what changed since that profile: blue is less, orange is more"},
	{INPUTS_IDLE(struct request, output.keep_idle)},
	{INPUTS_EVENT(struct request, source)},
	{INPUTS_FROM(struct request, source)},
	{INPUTS_TO(struct request, source)},
};

static const struct command flamegraph = {
	.name = "flamegraph",
	.synopsis = "[options] [FILE|URL|DIR]...",
	.text = "Draws a profile. " INPUTS_WHAT,
	COMMAND_OPTIONS(options),
};

static int load(const struct request *r, const struct operands *from, struct profile **ret, struct err *e)
{
	struct profile *p = NULL, *base = NULL;
	int err = inputs__load((const char *const *)from->items, from->n, &r->source, &p, e);

	if (!err && !r->base) {
		*ret = p;
		return 0;
	}
	if (!err)
		err = inputs__load(&r->base, 1, &r->source, &base, e);
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
	struct operands from;
	struct err e = {""};
	int err, status = command__parse(&flamegraph, argc, argv, &r, &from);

	if (status != COMMAND_GO_ON)
		return status;
	if (!inputs__is_range(&r.source))
		return command__misuse(&flamegraph, "--from must lie before --to");
	if (!output__is_known(r.path))
		return command__misuse(&flamegraph, OUTPUT_UNKNOWN, r.path);
	err = load(&r, &from, &p, &e);
	if (!err)
		err = output__write_as(p, r.path, &r.output, &e);
	profile__free(p);
	return err ? command__fail(&flamegraph, &e, err) : EXIT_DONE;
}
