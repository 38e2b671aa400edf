// SPDX-License-Identifier: Apache-2.0
/*
 * everprof doctor: what this kernel, these privileges and these mounts allow, what is lost, and how to get it.
 */
#include "user/cmd/cmd.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/config/config.h"
#include "user/kernel/probe.h"
#include "user/kernel/probe_report.h"

#define SETS_MAX   256
#define OUTPUT_MAX (1u << 20)

enum { EXIT_DONE, EXIT_FAILED, EXIT_USAGE };

static const char usage_text[] =
	"usage: everprof doctor [-c FILE] [--set KEY=VALUE]... [--store DIR] [--json]\n";

static const char help_text[] =
	"\n"
	"Tries what a profile needs on this machine, as this user, and says what is lost without it and what "
	"to do.\n"
	"Exit status: 0 everprof can run here (maybe with less), 1 it cannot.\n"
	"\n"
	"  -c, --config FILE    default /etc/everprof/profiler.yaml, then ./profiler.yaml\n"
	"      --set KEY=VALUE  as in `agent`: wins over the file and the environment\n"
	"      --store DIR      where profiles would be kept (profiling.output.directory)\n"
	"      --json           print the report as JSON\n"
	"  -h, --help           this text\n";

struct doctor_opts {
	struct config_opts config;
	const char *sets[SETS_MAX];
	const char *store;
	bool json;
};

static int usage(void)
{
	fputs(usage_text, stderr);
	return EXIT_USAGE;
}

static int failed(const struct err *e, int code)
{
	fprintf(stderr, "everprof: doctor: %s\n", err__text(e, code));
	return EXIT_FAILED;
}

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
	int err = 0;

	buf__init(&b, OUTPUT_MAX);
	if (json)
		err = probe_report__encode_json(r, &b);
	else
		probe_report__format(r, colour, &b);
	if (!err)
		err = buf__err(&b);
	if (!err && (fwrite(b.data, 1, b.len, stdout) != b.len || fflush(stdout)))
		err = errno ? -errno : -EIO;
	buf__done(&b);
	if (err)
		return failed(&e, err__set(&e, err, "cannot print: %s", strerror(-err)));
	return probe_report__obstacle(r) ? EXIT_FAILED : EXIT_DONE;
}

static int examine(const struct doctor_opts *o)
{
	struct probe_opts probe = {.live = true, .store = o->store};
	struct probe_report *r = calloc(1, sizeof(*r));
	struct config *c = NULL;
	struct err e = {0}, config_err = {0};
	int err;

	if (!r)
		return failed(&e, -ENOMEM);
	if (!config__load(&o->config, &c, &config_err)) {
		if (!probe.store)
			probe.store = c->output.directory;
		probe.debug_directories = c->symbols.debug_directories.items;
		probe.n_debug_directories = c->symbols.debug_directories.n;
		probe.frequency_hz = (uint32_t)c->cpu.frequency_hz;
		probe.memory_bytes = c->limits.memory_bytes;
	}
	err = probe__run(&probe, r);
	if (err) {
		err = failed(&e, err__set(&e, err, "cannot look at the root directory: %s", strerror(-err)));
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
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"set", required_argument, NULL, 's'},
		{"store", required_argument, NULL, 'd'},  {"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},         {0},
	};
	struct doctor_opts o = {.config = {.env = environ}};
	int opt;

	o.config.sets = o.sets;
	optind = 0; /* 0 and not 1: glibc's own state goes too, so that a test can call this again */
	while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			o.config.path = optarg;
			break;
		case 's':
			if (o.config.n_sets == SETS_MAX)
				return usage();
			o.sets[o.config.n_sets++] = optarg;
			break;
		case 'd':
			o.store = optarg;
			break;
		case 'j':
			o.json = true;
			break;
		case 'h':
			printf("%s%s", usage_text, help_text);
			return EXIT_DONE;
		default:
			return usage();
		}
	}
	return optind == argc ? examine(&o) : usage();
}
