/* SPDX-License-Identifier: Apache-2.0 */
#include "user/cmd/config_choice.h"

#include <errno.h>
#include <stdio.h>

#include "user/base/err.h"

int config_choice__take_set(const struct command_option *o, void *at, char *value, struct err *e)
{
	struct config_choice *s = at;

	(void)o;
	if (s->opts.n_sets == CONFIG_CHOICE_MAX)
		return err__set(e, -E2BIG, "at most %d settings can be given", CONFIG_CHOICE_MAX);
	s->sets[s->opts.n_sets++] = value;
	s->opts.sets = s->sets;
	return 0;
}

int config_choice__add(struct config_choice *s, const char *key, const char *value, struct err *e)
{
	char *set;

	if (asprintf(&set, "%s=%s", key, value) < 0)
		return err__set(e, -ENOMEM, "out of memory");
	return config_choice__take_set(NULL, s, set, e);
}

int config_choice__find_store(const struct config_choice *s, const char **store, struct config **ret,
			      struct err *e)
{
	int err = *store ? 0 : config__load(&s->opts, ret, e);

	if (!err && !*store)
		*store = (*ret)->output.directory;
	return err;
}
