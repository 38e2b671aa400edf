// SPDX-License-Identifier: Apache-2.0
/*
 * everprof doctor: what this kernel, these privileges and these mounts allow, what is lost, and how to get it.
 */
#include "user/cmd/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/cmd/command.h"
#include "user/cmd/config_choice.h"
#include "user/config/config.h"
#include "user/kernel/probe.h"
#include "user/kernel/probe_report.h"

#define OUTPUT_MAX (1u << 20)

struct request {
	struct config_choice choice;
	const char *store;
	bool json;
};

static const struct command_option options[] = {
	{CONFIG_CHOICE_FILE(struct request, choice)},
	{CONFIG_CHOICE_SET(struct request, choice)},
	{0, "store", "DIR", OPTION_TEXT(struct request, store),
	 "where profiles would be kept (profiling.output.directory)"},
	{0, "json", NULL, OPTION_FLAG(struct request, json), "print the report as JSON"},
};

static const struct command doctor = {
	.name = "doctor",
	.synopsis = "[-c FILE] [--set KEY=VALUE]... [--store DIR] [--json]",
	.text = "Tries what a profile needs on this machine, as this user, and says what is lost without it "
		"and what "
		"to do.\nExit status: 0 everprof can run here (maybe with less), 1 it cannot.",
	COMMAND_OPTIONS(options),
};

/* A configuration that cannot be loaded keeps the agent from starting: a finding like the others. */
static void add_config_check(struct probe_report *r, const struct config *c, const struct err *e)
{
	const char *path = c ? config__path(c) : NULL;
	struct probe_check check = {
		.group = "configuration",
		.name = "config",
		.title = "profiler.yaml",
		.need = PROBE_VITAL,
		.state = c ? PROBE_OK : PROBE_MISSING,
		.lost = c ? "" : "everything: the agent does not start with it",
		.remedy = c ? "" : "everprof config check FILE, until it says nothing",
	};

	if (c)
		snprintf(check.found, sizeof(check.found), "%s", path ? path : "no file: the defaults");
	else
		snprintf(check.found, sizeof(check.found), "%.*s", PROBE_TEXT_MAX - 1, e->text);
	probe_report__add(r, &check);
}

static int print_report(const struct probe_report *r, bool json)
{
	bool colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	struct err e = {0};
	struct buf b;
	int err = 0, status;

	buf__init(&b, OUTPUT_MAX);
	if (json)
		err = probe_report__encode_json(r, &b);
	else
		probe_report__format(r, colour, &b);
	status = err ? command__fail(&doctor, &e, err) : command__print(&doctor, &b);
	buf__done(&b);
	if (status != EXIT_DONE)
		return status;
	return probe_report__obstacle(r) ? EXIT_FAILED : EXIT_DONE;
}

static int examine(const struct request *o)
{
	struct probe_opts probe = {.live = true, .store = o->store};
	struct probe_report *r = calloc(1, sizeof(*r));
	struct config *c = NULL;
	struct err e = {0}, config_err = {0};
	int err;

	if (!r)
		return command__fail(&doctor, &e, -ENOMEM);
	if (!config__load(&o->choice.opts, &c, &config_err)) {
		if (!probe.store)
			probe.store = c->output.directory;
		probe.debug_directories = c->symbols.debug_directories.items;
		probe.n_debug_directories = c->symbols.debug_directories.n;
		probe.frequency_hz = (uint32_t)c->cpu.frequency_hz;
		probe.memory_bytes = c->limits.memory_bytes;
	}
	err = probe__run(&probe, r);
	if (err) {
		err = command__fail(
			&doctor, &e,
			err__set(&e, err, "cannot look at the root directory: %s", strerror(-err)));
	} else {
		add_config_check(r, c, &config_err);
		err = print_report(r, o->json);
	}
	config__free(c);
	free(r);
	return err;
}

int cmd_doctor(int argc, char **argv)
{
	struct request r = {.choice = {.opts = {.env = environ}}};
	struct operands rest;
	int status = command__parse(&doctor, argc, argv, &r, &rest);

	if (status != COMMAND_GO_ON)
		return status;
	return rest.n ? command__misuse(&doctor, COMMAND_TAKES_NONE, *rest.items) : examine(&r);
}
