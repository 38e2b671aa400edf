// SPDX-License-Identifier: Apache-2.0
/*
 * everprof config: check a file, show what is in effect, print the reference of all keys.
 */
#include "user/cmd/cmd.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/config/config.h"
#include "user/config/listing.h"

#define SETS_MAX   256
#define OUTPUT_MAX (16u << 20)

enum { EXIT_DONE, EXIT_FAILED, EXIT_USAGE };

static const char usage_text[] = "usage: everprof config check FILE\n"
				 "       everprof config show [-c FILE] [--set KEY=VALUE]...\n"
				 "       everprof config reference\n";

static const char help_text[] =
	"\n"
	"check      say whether FILE is a good configuration: nothing and exit 0, or one line and exit 1\n"
	"show       print every effective value, and where it came from, as YAML that can be loaded again\n"
	"reference  print the reference of all keys as Markdown (docs/configuration.md)\n"
	"\n"
	"  -c, --config FILE    default /etc/everprof/profiler.yaml, then ./profiler.yaml\n"
	"      --set KEY=VALUE  as in `agent`: wins over the file and the environment\n"
	"  -h, --help           this text\n";

static int usage(void)
{
	fputs(usage_text, stderr);
	return EXIT_USAGE;
}

static int help(void)
{
	printf("%s%s", usage_text, help_text);
	return EXIT_DONE;
}

static int failed(const struct err *e, int code)
{
	fprintf(stderr, "everprof: config: %s\n", err__text(e, code));
	return EXIT_FAILED;
}

static int print(struct buf *b)
{
	struct err e = {0};
	int err = buf__err(b);

	if (!err && (fwrite(b->data, 1, b->len, stdout) != b->len || fflush(stdout)))
		err = errno ? -errno : -EIO;
	buf__done(b);
	return err ? failed(&e, err__set(&e, err, "cannot print: %s", strerror(-err))) : EXIT_DONE;
}

static int check(const char *path)
{
	/* the file alone: what this shell's environment would change is no property of the file */
	struct config_opts o = {.path = path};
	struct config *c = NULL;
	struct err e = {0};
	int err = config__load(&o, &c, &e);

	config__free(c);
	return err ? failed(&e, err) : EXIT_DONE;
}

static int show(const struct config_opts *o)
{
	struct config *c = NULL;
	struct err e = {0};
	struct buf b;
	int err;

	err = config__load(o, &c, &e);
	if (err)
		return failed(&e, err);
	buf__init(&b, OUTPUT_MAX);
	listing__show(c, &b);
	config__free(c);
	return print(&b);
}

static int reference(void)
{
	struct buf b;

	buf__init(&b, OUTPUT_MAX);
	listing__reference(&b);
	return print(&b);
}

int cmd_config(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"set", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *sets[SETS_MAX];
	struct config_opts o = {.sets = sets, .env = environ};
	const char *verb;
	int n, opt;

	optind = 0; /* 0 and not 1: glibc's own state goes too, so that a test can call this again */
	while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (opt) {
		case 'c':
			o.path = optarg;
			break;
		case 's':
			if (o.n_sets == SETS_MAX)
				return usage();
			sets[o.n_sets++] = optarg;
			break;
		case 'h':
			return help();
		default:
			return usage();
		}
	}
	n = argc - optind;
	verb = n ? argv[optind] : "";
	if (!strcmp(verb, "check") && n == 2 && !o.path && !o.n_sets)
		return check(argv[optind + 1]);
	if (!strcmp(verb, "show") && n == 1)
		return show(&o);
	if (!strcmp(verb, "reference") && n == 1 && !o.path && !o.n_sets)
		return reference();
	return usage();
}
