/* SPDX-License-Identifier: Apache-2.0 */
#include "user/cmd/inputs.h"

#include <unistd.h>

#include "user/base/clock.h"
#include "user/config/config.h"
#include "user/query/time_point.h"

int inputs__take_time(const struct command_option *o, void *at, char *value, struct err *e)
{
	(void)o;
	return time_point__parse(value, clock__real_ns(), at, e);
}

bool inputs__is_range(const struct source_opts *o)
{
	return !o->from_ns || !o->to_ns || o->from_ns < o->to_ns;
}

/* The store that the agent of this configuration writes. */
static int find_store(struct inputs *in, struct err *e)
{
	struct config_opts co = {.env = environ};
	int err = config__load(&co, &in->config, e);

	if (!err)
		in->path = in->config->output.directory;
	return err;
}

int inputs__open(struct inputs *in, const char *const *paths, uint32_t n, const struct source_opts *o,
		 struct err *err)
{
	int code;

	*in = (struct inputs){0};
	code = n ? 0 : find_store(in, err);
	if (!code)
		source__init(&in->source, n ? paths : &in->path, n ? n : 1, o);
	return code;
}

void inputs__done(struct inputs *in)
{
	config__free(in->config);
	*in = (struct inputs){0};
}

int inputs__load(const char *const *paths, uint32_t n, const struct source_opts *o,
		 struct profile **ret_profile, struct err *err)
{
	struct inputs in;
	int code = inputs__open(&in, paths, n, o, err);

	if (!code)
		code = source__load(&in.source, ret_profile, err);
	inputs__done(&in);
	return code;
}
