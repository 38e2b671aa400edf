// SPDX-License-Identifier: Apache-2.0
/*
 * everprof rules: which there are, where they stand and why; whether a file of them is good; what they would have done.
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
#include "user/cmd/control.h"
#include "user/cmd/rules.h"
#include "user/config/config.h"

extern char **environ;

#define LOOK_AGAIN_MS 1200 /* a pass of the agent takes a second to come */
#define LOOKS         4

enum { EXIT_DONE, EXIT_FAILED, EXIT_USAGE };

static const char usage_text[] =
	"usage: everprof rules [list [RULE]|check [FILE]|test FILE SERIES] [options]\n";

static const char help_text[] =
	"\n"
	"Rules (`alerts` in the configuration) capture by themselves when something is wrong.\n"
	"\n"
	"  list                 of the running agent: each rule, what it sees, and why it has not fired "
	"(default)\n"
	"  list RULE            each target of that rule: its value, the threshold, its state and why\n"
	"  check FILE           are the rules of the file good, can this version record what they "
	"capture, does anything match now\n"
	"  test FILE SERIES     what the rules of the file would have done: SERIES has lines of\n"
	"                       SECONDS,PID,COMM,METRIC,VALUE (pid 0 is the system; values in the metric's "
	"base unit, by rising time)\n"
	"\n"
	"      --json           list: as JSON, like /api/v1/rules\n"
	"      --store DIR      list: of the agent of this store (default: that of the configuration)\n"
	"  -c, --config FILE    the configuration, where --store is not given\n"
	"  -h, --help           this text\n";

struct rules {
	const char *store, *config;
	bool json;
};

static int fail(const struct err *e, int code)
{
	fprintf(stderr, "everprof: rules: %s\n", err__text(e, code));
	return EXIT_FAILED;
}

static int load(const char *path, struct config **ret, struct err *e)
{
	const struct config_opts o = {.path = path, .env = environ};

	return config__load(&o, ret, e);
}

/* ---- list ------------------------------------------------------------------------------------------------------------- */

/* One rule is looked at from when it is asked for: its answer comes with the next pass. */
static int ask(const struct rules *r, const char *store, const char *rule, struct buf *answer, struct err *e)
{
	char text[RULE_NAME_MAX + 16];
	int err = -EAGAIN;

	if (!rule)
		return control__ask(store, "rules", r->json ? "json" : "", answer, e);
	snprintf(text, sizeof(text), "rule %s", rule);
	for (int i = 0; err == -EAGAIN && i < LOOKS; i++) {
		if (i)
			usleep(LOOK_AGAIN_MS * 1000);
		buf__clear(answer);
		err = control__ask(store, "rules", text, answer, e);
	}
	return err;
}

static int list(const struct rules *r, const char *rule)
{
	struct config *c = NULL;
	struct err e = {0};
	struct buf answer;
	int err = 0;

	buf__init(&answer, CONTROL_ANSWER_MAX);
	if (!r->store)
		err = load(r->config, &c, &e);
	if (!err)
		err = ask(r, r->store ? r->store : c->output.directory, rule, &answer, &e);
	if (!err)
		fwrite(answer.data, 1, answer.len, stdout);
	buf__done(&answer);
	config__free(c);
	return err ? fail(&e, err) : EXIT_DONE;
}

/* ---- check, test ------------------------------------------------------------------------------------------------------ */

static int check(const struct rules *r, const char *path)
{
	struct config *c = NULL;
	struct err e = {0};
	int err = load(path ? path : r->config, &c, &e);

	if (err)
		return fail(&e, err);
	rules__check(c);
	config__free(c);
	return EXIT_DONE;
}

static int test(const char *rules_path, const char *series_path)
{
	struct config *c = NULL;
	struct err e = {0};
	int err = load(rules_path, &c, &e);

	if (!err)
		err = rules__replay(c, series_path, &e);
	config__free(c);
	return err ? fail(&e, err) : EXIT_DONE;
}

/* ---- arguments -------------------------------------------------------------------------------------------------------- */

static int usage(void)
{
	fputs(usage_text, stderr);
	return EXIT_USAGE;
}

enum { OPT_JSON = 256, OPT_STORE };

int cmd_rules(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, OPT_JSON},
		{"store", required_argument, NULL, OPT_STORE},
		{"config", required_argument, NULL, 'c'},
		{"help", no_argument, NULL, 'h'},
		{},
	};
	struct rules r = {0};
	const char *what;
	int opt, n;

	optind = 1;
	while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		switch (opt) {
		case OPT_JSON:
			r.json = true;
			break;
		case OPT_STORE:
			r.store = optarg;
			break;
		case 'c':
			r.config = optarg;
			break;
		case 'h':
			printf("%s%s", usage_text, help_text);
			return EXIT_DONE;
		default:
			return usage();
		}
	}
	n = argc - optind;
	what = n ? argv[optind] : "list";
	if (!strcmp(what, "list") && n <= 2 && !(n == 2 && r.json))
		return list(&r, n == 2 ? argv[optind + 1] : NULL);
	if (!strcmp(what, "check") && n <= 2)
		return check(&r, n == 2 ? argv[optind + 1] : NULL);
	if (!strcmp(what, "test") && n == 3)
		return test(argv[optind + 1], argv[optind + 2]);
	return usage();
}
