// SPDX-License-Identifier: Apache-2.0
/*
 * everprof rules: which there are, where they stand and why; whether a file of them is good; what they would have done.
 */
#include "user/cmd/cmd.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/cmd/command.h"
#include "user/cmd/control.h"
#include "user/cmd/rules.h"
#include "user/cmd/config_choice.h"
#include "user/config/config.h"

#define LOOK_AGAIN_MS 1200 /* a pass of the agent takes a second to come */
#define LOOKS         4

struct request {
	struct config_choice choice;
	const char *store;
	bool json;
};

static const struct command rules;

/* ---- list ------------------------------------------------------------------------------------------------------------- */

/* One rule is looked at from when it is asked for: its answer comes with the next pass. */
static int ask(const struct request *r, const char *store, const char *rule, struct buf *answer,
	       struct err *e)
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

static int list(void *request, char **operands, uint32_t n)
{
	struct request *r = request;
	struct config *c = NULL;
	struct err e = {0};
	struct buf answer;
	int err, status;

	if (n && r->json)
		return command__misuse(&rules, "--json is of all rules, not of one");
	buf__init(&answer, CONTROL_ANSWER_MAX);
	err = config_choice__find_store(&r->choice, &r->store, &c, &e);
	if (!err)
		err = ask(r, r->store, *operands, &answer, &e);
	status = err ? command__fail(&rules, &e, err) : command__print(&rules, &answer);
	buf__done(&answer);
	config__free(c);
	return status;
}

/* ---- check, test ------------------------------------------------------------------------------------------------------ */

/* With the rules of a file; path NULL: the configuration's own. */
static int load(const struct request *r, const char *path, struct config **ret, struct err *e)
{
	struct config_opts o = r->choice.opts;

	o.path = path ? path : o.path;
	return config__load(&o, ret, e);
}

static int check(void *request, char **operands, uint32_t n)
{
	struct config *c = NULL;
	struct err e = {0};
	int err = load(request, *operands, &c, &e);

	(void)n;
	if (err)
		return command__fail(&rules, &e, err);
	rules__check(c);
	config__free(c);
	return EXIT_DONE;
}

static int test(void *request, char **operands, uint32_t n)
{
	struct config *c = NULL;
	struct err e = {0};
	int err = load(request, operands[0], &c, &e);

	(void)n;
	if (!err)
		err = rules__replay(c, operands[1], &e);
	config__free(c);
	return err ? command__fail(&rules, &e, err) : EXIT_DONE;
}

/* ---- arguments -------------------------------------------------------------------------------------------------------- */

static const struct command_word words[] = {
	{"list", "[RULE]", 0, 1, list,
	 "of the running agent: each rule, what it sees, and why it has not fired (default); of RULE each "
	 "target: its value, the threshold, its state and why"},
	{"check", "[FILE]", 0, 1, check,
	 "are the rules of the file good, can this version record what they capture, does anything match "
	 "now"},
	{"test", "FILE SERIES", 2, 2, test,
	 "what the rules of the file would have done: SERIES is the meta.json of a capture, or has lines of "
	 "SECONDS,PID,COMM,METRIC,VALUE (pid 0 is the system; values in the metric's base unit, by rising "
	 "time)"},
};

static const struct command_option options[] = {
	{0, "json", NULL, OPTION_FLAG(struct request, json), "list: as JSON, like /api/v1/rules"},
	{0, "store", "DIR", OPTION_TEXT(struct request, store),
	 "list: of the agent of this store (default: that of the configuration)"},
	{CONFIG_CHOICE_FILE(struct request, choice)},
	{CONFIG_CHOICE_SET(struct request, choice)},
};

static const struct command rules = {
	.name = "rules",
	.synopsis = "[list [RULE]|check [FILE]|test FILE SERIES] [options]",
	.text = "Rules (`alerts` in the configuration) capture by themselves when something is wrong.",
	.first_is_default = true,
	COMMAND_WORDS(words),
	COMMAND_OPTIONS(options),
};

int cmd_rules(int argc, char **argv)
{
	struct request r = {.choice = {.opts = {.env = environ}}};
	struct operands o;
	int status = command__parse(&rules, argc, argv, &r, &o);

	return status == COMMAND_GO_ON ? command__run(&rules, &o, &r) : status;
}
