/* SPDX-License-Identifier: Apache-2.0 */
#include "user/cmd/inputs.h"

#include <unistd.h>

#include "user/base/clock.h"
#include "user/config/config.h"
#include "user/query/source.h"
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
static int load_default(const struct source_opts *o, struct profile **ret_profile, struct err *e)
{
	struct config_opts co = {.env = environ};
	struct config *c = NULL;
	int err = config__load(&co, &c, e);

	if (!err)
		err = source__load(&c->output.directory, 1, o, ret_profile, e);
	config__free(c);
	return err;
}

int inputs__load(const char *const *paths, uint32_t n, const struct source_opts *o,
		 struct profile **ret_profile, struct err *err)
{
	return n ? source__load(paths, n, o, ret_profile, err) : load_default(o, ret_profile, err);
}
