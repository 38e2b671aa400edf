// SPDX-License-Identifier: Apache-2.0
/*
 * everprof captures: what was kept because something was wrong: list it, look at one, keep it, delete it, ask for one.
 */
#include "user/cmd/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/alert/capture_bundle.h"
#include "user/alert/capture_head.h"
#include "user/alert/capture_trigger.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/cmd/command.h"
#include "user/cmd/control.h"
#include "user/cmd/config_choice.h"
#include "user/config/config.h"
#include "user/profile/amount.h"
#include "user/query/printable.h"
#include "user/store/capture_folder.h"

#define OUTPUT_MAX ((size_t)64 << 20)
#define WAIT_MAX_S 4000 /* beyond the longest range */
#define WAIT_US    200000

struct request {
	struct config_choice choice;
	const char *store, *rule;
	struct buf trigger; /* lines of key=value */
	bool wait;
};

static const struct command captures;

/* -- list and show -- */

static void print_when(uint64_t real_ns, struct buf *b)
{
	char date[11], hms[7];

	clock__format_date(real_ns, date);
	clock__format_hms(real_ns, hms);
	buf__printf(b, "%s %.2s:%.2s:%.2s", date, hms, hms + 2, hms + 4);
}

static void print_events(uint32_t events, struct buf *b)
{
	const char *comma = "";

	for (int ev = 0; ev < EVENT_N; ev++) {
		if (!(events >> ev & 1))
			continue;
		buf__printf(b, "%s%s", comma, event__name((enum event)ev));
		comma = ",";
	}
	if (!events)
		buf__append_char(b, '-');
}

static void print_row(const struct request *r, const struct capture_folder *f, struct buf *b)
{
	struct capture_head h = {0};

	if (capture_head__read(r->store, f, &h)) {
		snprintf(h.rule, sizeof(h.rule), "%s", f->rule);
		snprintf(h.target, sizeof(h.target), "%s", f->name.target);
		snprintf(h.value, sizeof(h.value), "%s", f->name.value);
		snprintf(h.cause, sizeof(h.cause), "(its meta.json cannot be read)");
	}
	buf__printf(b, "%-12s  ", f->name.id);
	print_when(f->name.time_ms * NS_PER_MS, b);
	buf__printf(b, "  %c %8s  ", f->is_pinned ? 'p' : ' ',
		    amount__format((int64_t)f->bytes, "bytes").text);
	printable__append(b, h.rule);
	buf__append_str(b, ": ");
	printable__append(b, h.target);
	buf__append_str(b, "; ");
	printable__append(b, *h.condition ? h.condition : h.cause);
	if (*h.value)
		buf__printf(b, ", was %s", h.value);
	buf__append_str(b, "; ");
	print_events(h.events, b);
	buf__append_str(b, h.is_cut_short ? ", cut short\n" : "\n");
}

/* Those that the agent has not written yet, if one runs: as it says. */
static void print_under_way(const struct request *r, struct buf *b)
{
	struct err e = {""};
	struct buf answer;

	buf__init(&answer, CONTROL_ANSWER_MAX);
	if (!control__ask(r->store, "captures", r->rule ? r->rule : "", &answer, &e))
		buf__append(b, answer.data, answer.len);
	buf__done(&answer);
}

static int list(void *request, char **operands, uint32_t n_operands)
{
	const struct request *r = request;
	struct capture_folder *all = NULL;
	uint32_t n = 0, n_shown = 0;
	char rule[CAPTURE_RULE_MAX] = "";
	struct err e = {""};
	size_t header_len;
	struct buf b;
	int status, err = capture_folder__list(r->store, CAPTURE_FOLDERS_MAX, &all, &n);

	(void)operands, (void)n_operands;
	if (r->rule)
		capture_name__format_rule(r->rule, rule);
	buf__init(&b, OUTPUT_MAX);
	if (!err)
		buf__printf(&b, "%-12s  %-19s  %c %8s  %s\n", "ID", "WHEN (UTC)", 'P', "SIZE", "WHAT");
	for (uint32_t i = 0; !err && i < n; i++) {
		if (r->rule && strcmp(all[i].rule, rule))
			continue;
		print_row(r, &all[i], &b);
		n_shown++;
	}
	free(all);
	if (err) {
		buf__done(&b);
		err__set(&e, err, "cannot list '%s/captures': %s", r->store, strerror(-err));
		return command__fail(&captures, &e, err);
	}
	header_len = b.len;
	print_under_way(r, &b);
	if (!n_shown && b.len == header_len)
		fprintf(stderr, "everprof: captures: there are none in '%s'\n", r->store);
	status = command__print(&captures, &b);
	buf__done(&b);
	return status;
}

static bool is_under_way(const struct request *r, const char *id)
{
	struct err e = {""};
	struct buf state;
	int err;

	buf__init(&state, CONTROL_ANSWER_MAX);
	err = control__ask(r->store, "capture", id, &state, &e);
	buf__done(&state);
	return !err;
}

static int find(const struct request *r, const char *id, struct capture_folder *f, struct err *e)
{
	int err = capture_folder__find(r->store, id, f);

	if (err == -ENOTUNIQ)
		return err__set(e, err, "more than one capture begins with '%s'", id);
	if (err == -ENOENT && is_under_way(r, id))
		return err__set(
			e, err,
			"the capture '%s' is not written yet: `everprof captures list` tells when it is", id);
	if (err == -ENOENT)
		return err__set(e, err, "there is no capture '%s' in '%s'", id, r->store);
	return err ? err__set(e, err, "cannot look for '%s' in '%s': %s", id, r->store, strerror(-err)) : 0;
}

#define BOLD  "\033[1m"
#define RED   "\033[1;31m"
#define PLAIN "\033[0m"

/* What a line of the summary is shown in; NULL: as it is. */
static const char *colour_of(const char *line, size_t len, bool is_first)
{
	size_t upper = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"), blank = strspn(line, " ");

	if (is_first || (len > 3 && !strncmp(line, "== ", 3)) || upper >= 2)
		return BOLD;
	if (!strncmp(line + blank, "DEADLOCK ", 9) || !strncmp(line + blank, "STANDSTILL ", 11))
		return RED;
	return NULL;
}

/* On a terminal the eye finds its way by them; text is the summary, a line an end. */
static void print_summary(const char *text, struct buf *to)
{
	bool is_first = true, coloured = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");

	while (*text) {
		size_t len = strcspn(text, "\n");
		const char *colour = coloured ? colour_of(text, len, is_first) : NULL;

		buf__append_str(to, colour ? colour : "");
		buf__append(to, text, len);
		buf__append_str(to, colour ? PLAIN : "");
		text += len;
		if (*text)
			buf__append_char(to, *text++);
		is_first = false;
	}
}

static int show(void *request, char **operands, uint32_t n_operands)
{
	static char names[CAPTURE_FILES_MAX][CAPTURE_FILE_NAME_MAX];
	static uint64_t lens[CAPTURE_FILES_MAX];
	const struct request *r = request;
	const char *id = *operands;
	struct capture_folder f;
	struct err e = {""};
	struct buf b, text;
	uint32_t n = 0;
	int fd = FD_CLOSED, status, err = find(r, id, &f, &e);

	(void)n_operands;
	if (err)
		return command__fail(&captures, &e, err);
	buf__init(&b, OUTPUT_MAX);
	buf__init(&text, OUTPUT_MAX / 4);
	err = capture_folder__open(r->store, &f, CAPTURE_SUMMARY, &fd);
	if (!err)
		err = io__read_fd(fd, OUTPUT_MAX / 4, &text);
	io__close(&fd);
	if (!err)
		print_summary(buf__str(&text), &b);
	buf__done(&text);
	if (!err)
		err = capture_folder__files(r->store, &f, names, lens, &n);
	if (err) {
		buf__done(&b);
		err__set(&e, err, "cannot read the capture '%s': %s", id, strerror(-err));
		return command__fail(&captures, &e, err);
	}
	buf__printf(&b, "\n%s/captures/%s/%s%s\n", r->store, f.rule, f.text, f.is_pinned ? "  (pinned)" : "");
	for (uint32_t i = 0; i < n; i++)
		buf__printf(&b, "  %-28s %10s\n", names[i], amount__format((int64_t)lens[i], "bytes").text);
	status = command__print(&captures, &b);
	buf__done(&b);
	return status;
}

/* -- pin, unpin, delete -- */

/* Each of them, until one fails; what: as pin, unpin and delete say it. */
static int change(const struct request *r, char **ids, const char *what,
		  int (*one)(const char *store, const struct capture_folder *f))
{
	struct capture_folder f;
	struct err e = {""};
	int err = 0;

	for (; *ids && !err; ids++) {
		err = find(r, *ids, &f, &e);
		if (err)
			break;
		err = one(r->store, &f);
		if (err == -EBUSY)
			err__set(&e, err, "'%s' is pinned: unpin it first", *ids);
		else if (err)
			err__set(&e, err, "cannot %s '%s': %s", what, *ids, strerror(-err));
	}
	return err ? command__fail(&captures, &e, err) : EXIT_DONE;
}

static int pin_one(const char *store, const struct capture_folder *f)
{
	return capture_folder__pin(store, f, true);
}

static int unpin_one(const char *store, const struct capture_folder *f)
{
	return capture_folder__pin(store, f, false);
}

static int pin(void *request, char **ids, uint32_t n)
{
	(void)n;
	return change(request, ids, "pin", pin_one);
}

static int unpin(void *request, char **ids, uint32_t n)
{
	(void)n;
	return change(request, ids, "unpin", unpin_one);
}

static int delete (void *request, char **ids, uint32_t n)
{
	(void)n;
	return change(request, ids, "delete", capture_folder__delete);
}

/* -- trigger -- */

static int await(const struct request *r, const char *id, struct err *e)
{
	struct capture_folder f;

	for (uint64_t i = 0; i < WAIT_MAX_S * 1000000ull / WAIT_US; i++) {
		struct buf state;
		int err;

		if (!capture_folder__find(r->store, id, &f)) {
			printf("%s/captures/%s/%s\n", r->store, f.rule, f.text);
			return 0;
		}
		buf__init(&state, CONTROL_ANSWER_MAX);
		err = i % 5 ? 0 : control__ask(r->store, "capture", id, &state, e);
		buf__done(&state);
		if (err)
			return err;
		usleep(WAIT_US);
	}
	return err__set(e, -ETIMEDOUT, "the capture '%s' does not appear", id);
}

static int trigger(void *request, char **operands, uint32_t n)
{
	struct request *r = request;
	struct err e = {""};
	struct buf id;
	int err;

	(void)operands, (void)n;
	buf__init(&id, CONTROL_ANSWER_MAX);
	err = control__ask(r->store, "trigger", buf__str(&r->trigger), &id, &e);
	if (!err && id.len && id.data[id.len - 1] == '\n')
		id.len--;
	if (!err && !r->wait)
		puts(buf__str(&id));
	else if (!err)
		err = await(r, buf__str(&id), &e);
	buf__done(&id);
	return err ? command__fail(&captures, &e, err) : EXIT_DONE;
}

/* -- arguments -- */

/* A line of a trigger's text, where most options are called alike. */
static int take_line(const struct command_option *o, void *at, char *value, struct err *e)
{
	if (strchr(value, '\n') || !*value)
		return err__set(e, -EINVAL, "expected one line of text");
	buf__printf(at, "%s=%s\n", o->letter == 'e' ? "events" : o->name, value);
	return 0;
}

/* Of a trigger, and of `list`. */
static int take_rule(const struct command_option *o, void *at, char *value, struct err *e)
{
	struct request *r = at;

	r->rule = value;
	return take_line(o, &r->trigger, value, e);
}

#define MANY UINT32_MAX

static const struct command_word words[] = {
	{"list", NULL, 0, 0, list, "all of them, the newest last (default)"},
	{"show", "ID", 1, 1, show,
	 "the summary of one, and where its files are; ID as `list` shows it, or a beginning of it"},
	{"pin", "ID...", 1, MANY, pin, "keep it whatever the limits say"},
	{"unpin", "ID...", 1, MANY, unpin, "not any more"},
	{"delete", "ID...", 1, MANY, delete, "delete it; one that is pinned stays"},
	{"trigger", NULL, 0, 0, trigger,
	 "have the running agent keep what was recorded around now: of the machine, or of what is selected"},
};

#define LINE take_line, OPTION_AT(struct request, trigger, struct buf)

static const struct command_option options[] = {
	{0, "store", "DIR", OPTION_TEXT(struct request, store),
	 "the store (default: that of the configuration)"},
	{CONFIG_CHOICE_FILE(struct request, choice)},
	{0, "rule", "NAME", take_rule, 0,
	 "list: of this rule only; trigger: under this name (default manual)"},
	{.text = "of trigger:"},
	{'p', "pid", "PID", LINE, "of this process"},
	{0, "comm", "GLOB", LINE, "of threads and processes of this name"},
	{0, "cgroup", "GLOB", LINE, "of this control group"},
	{0, "container", "GLOB", LINE, "of this container, also by the beginning of its id"},
	{0, "unit", "GLOB", LINE, "of this systemd unit"},
	{0, "pod", "GLOB", LINE, "of this pod"},
	{'e', "event", "LIST", LINE, "cpu,offcpu,… (default: all that is recorded)"},
	{0, "before", "TIME", LINE, "how much from before (default profiling.captures.before)"},
	{0, "after", "TIME", LINE, "how much follows (default profiling.captures.after)"},
	{'F', "frequency", "HZ", LINE, "samples a second for what follows, at most twice those configured"},
	{0, "cause", "TEXT", LINE, "a line that says why"},
	{0, "wait", NULL, OPTION_FLAG(struct request, wait),
	 "until it is written; prints its folder in the place of its id"},
};

static const struct command captures = {
	.name = "captures",
	.synopsis = "[list|show ID|pin ID...|unpin ID...|delete ID...|trigger] [options]",
	.text = "Captures are what the agent kept because a rule fired or somebody asked: profiles from "
		"before that moment to after it, what normal looked like, and a summary. Each is a folder "
		"below captures/ of the store, made of files that every tool reads.",
	.first_is_default = true,
	COMMAND_WORDS(words),
	COMMAND_OPTIONS(options),
};

int cmd_captures(int argc, char **argv)
{
	struct request r = {.choice = {.opts = {.env = environ}}};
	struct config *config = NULL;
	struct operands o;
	struct err e = {""};
	int status, err;

	buf__init(&r.trigger, TRIGGER_TEXT_MAX);
	status = command__parse(&captures, argc, argv, &r, &o);
	if (status == COMMAND_GO_ON) {
		err = config_choice__find_store(&r.choice, &r.store, &config, &e);
		status = err ? command__fail(&captures, &e, err) : command__run(&captures, &o, &r);
	}
	config__free(config);
	buf__done(&r.trigger);
	return status;
}
