/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_choice - which configuration a command is told to use: its file, and what wins over it.
 *
 * Owns: nothing but what config_choice__add makes, which lives as long as the program. Thread: the main one. Limit: CONFIG_CHOICE_MAX. Errors: -errno with one clear line.
 */
#ifndef EVERPROF_CMD_CONFIG_CHOICE_H
#define EVERPROF_CMD_CONFIG_CHOICE_H

#include "user/cmd/command.h"
#include "user/config/config.h"

#define CONFIG_CHOICE_MAX 256

struct config_choice {
	struct config_opts opts; /* env is the command's to set */
	const char *sets[CONFIG_CHOICE_MAX];
};

int config_choice__take_set(const struct command_option *o, void *at, char *value, struct err *e);

/* Rows for a request with a `struct config_choice`. */
#define CONFIG_CHOICE_FILE(type, field)                            \
	'c', "config", "FILE", OPTION_TEXT(type, field.opts.path), \
		"default /etc/everprof/profiler.yaml, then ./profiler.yaml"
#define CONFIG_CHOICE_SET(type, field)                                                                \
	0, "set", "KEY=VALUE", config_choice__take_set, OPTION_AT(type, field, struct config_choice), \
		"wins over the file and the environment (`everprof config reference` lists the keys)"

/* The same as --set KEY=VALUE. */
int config_choice__add(struct config_choice *s, const char *key, const char *value, struct err *e);
/* What *store is told to be; where it is NULL, that of the configuration, which then is loaded into *ret. */
int config_choice__find_store(const struct config_choice *s, const char **store, struct config **ret,
			      struct err *e);

#endif
