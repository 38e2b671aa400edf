// SPDX-License-Identifier: Apache-2.0
/*
 * everprof config: check a file, show what is in effect, print the reference of all keys.
 */
#include "user/cmd/cmd.h"

#include <unistd.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/cmd/command.h"
#include "user/cmd/config_choice.h"
#include "user/config/config.h"
#include "user/config/listing.h"

#define OUTPUT_MAX (16u << 20)

struct request {
	struct config_choice choice;
};

static const struct command config;

static int check(void *request, char **operands, uint32_t n)
{
	const struct config_opts *s = &((const struct request *)request)->choice.opts;
	/* the file alone: what this shell's environment would change is no property of the file */
	const struct config_opts o = {.path = *operands};
	struct config *c = NULL;
	struct err e = {0};
	int err;

	(void)n;
	if (s->path || s->n_sets)
		return command__misuse(&config, "check is of the file alone: it takes neither -c nor --set");
	err = config__load(&o, &c, &e);
	config__free(c);
	return err ? command__fail(&config, &e, err) : EXIT_DONE;
}

static int show(void *request, char **operands, uint32_t n)
{
	const struct config_opts *s = &((const struct request *)request)->choice.opts;
	struct config *c = NULL;
	struct err e = {0};
	struct buf b;
	int err, status;

	(void)operands, (void)n;
	err = config__load(s, &c, &e);
	if (err)
		return command__fail(&config, &e, err);
	buf__init(&b, OUTPUT_MAX);
	listing__show(c, &b);
	config__free(c);
	status = command__print(&config, &b);
	buf__done(&b);
	return status;
}

static int reference(void *request, char **operands, uint32_t n)
{
	struct buf b;
	int status;

	(void)request, (void)operands, (void)n;
	buf__init(&b, OUTPUT_MAX);
	listing__reference(&b);
	status = command__print(&config, &b);
	buf__done(&b);
	return status;
}

static const struct command_word words[] = {
	{"check", "FILE", 1, 1, check,
	 "say whether FILE is a good configuration: nothing and exit 0, or one line and exit 1"},
	{"show", NULL, 0, 0, show,
	 "print every effective value, and where it came from, as YAML that can be loaded again"},
	{"reference", NULL, 0, 0, reference,
	 "print the reference of all keys as Markdown (docs/configuration.md)"},
};

static const struct command_option options[] = {
	{CONFIG_CHOICE_FILE(struct request, choice)},
	{CONFIG_CHOICE_SET(struct request, choice)},
};

static const struct command config = {
	.name = "config",
	.synopsis = "check FILE\nshow [-c FILE] [--set KEY=VALUE]...\nreference",
	.text = "Checks a configuration, or shows what one means.",
	COMMAND_WORDS(words),
	COMMAND_OPTIONS(options),
};

int cmd_config(int argc, char **argv)
{
	struct request r = {.choice = {.opts = {.env = environ}}};
	struct operands o;
	int status = command__parse(&config, argc, argv, &r, &o);

	return status == COMMAND_GO_ON ? command__run(&config, &o, &r) : status;
}
