// SPDX-License-Identifier: Apache-2.0
/*
 * everprof: the table of subcommands, and nothing else.
 */
#include <stdio.h>
#include <string.h>

#include "user/cmd/cmd.h"
#include "user/cmd/program.h"
#include "user/config/suggest.h"
#include "user/server/courier.h"
#include "user/server/server.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *text;
} commands[] = {
	{"agent", cmd_agent, "record everything, always, into a store"},
	{"record", cmd_record, "record for a while into one file"},
	{"top", cmd_top, "show where the time of a recording went"},
	{"flamegraph", cmd_flamegraph, "draw a recording as one file to look at"},
	{"captures", cmd_captures, "show, pin, delete and ask for what was kept when something was wrong"},
	{"merge", cmd_merge, "add recordings up into one"},
	{"diff", cmd_diff, "tell what changed between two recordings"},
	{"rules", cmd_rules, "show what rules see and why they have not fired, and check them"},
	{"doctor", cmd_doctor, "tell what this host allows, and what to do about the rest"},
	{"config", cmd_config, "check or show the configuration"},
};

static void help(FILE *to)
{
	fputs("usage: everprof COMMAND [options]\n\n", to);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].text);
	fputs("\n`everprof COMMAND --help` tells more; `everprof --version` the version.\n", to);
}

static int run(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(argv[0], commands[i].name))
			return commands[i].run(argc, argv);
	return -1;
}

static int no_command(const char *name)
{
	struct suggest s;

	suggest__init(&s, name);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		suggest__offer(&s, commands[i].name);
	fprintf(stderr, "everprof: there is no command '%s'%s\n", name, suggest__text(&s));
	return 2;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	int status;

	if (!strcmp(name, "--version") || !strcmp(name, "-V") || !strcmp(name, "version"))
		return printf("everprof %s\n", EVERPROF_VERSION) < 0;
	if (!strcmp(name, "help") && argc > 2) {
		char *argv_help[] = {argv[2], "--help", NULL};

		status = run(2, argv_help);
		return status < 0 ? no_command(argv[2]) : status;
	}
	if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
		help(stdout);
		return 0;
	}
	/* what the agent starts, not people */
	if (!strcmp(name, "server-process"))
		return server__main();
	if (!strcmp(name, "courier-process"))
		return courier__main();
	if (!strcmp(name, "run-process"))
		return run_process__main(argc - 1, argv + 1);
	if (!*name) {
		help(stderr);
		return 2;
	}
	status = run(argc - 1, argv + 1);
	return status < 0 ? no_command(name) : status;
}
