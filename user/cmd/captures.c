// SPDX-License-Identifier: Apache-2.0
/*
 * everprof captures: what was kept because something was wrong: list it, look at one, keep it, delete it, ask for one.
 */
#include "user/cmd/cmd.h"

#include <errno.h>
#include <getopt.h>
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
#include "user/cmd/control.h"
#include "user/config/config.h"
#include "user/profile/amount.h"
#include "user/query/printable.h"
#include "user/store/capture_folder.h"

extern char **environ;

#define OUTPUT_MAX ((size_t)64 << 20)
#define WAIT_MAX_S 4000 /* beyond the longest range */
#define WAIT_US    200000

enum { EXIT_DONE, EXIT_FAILED, EXIT_USAGE };

static const char usage_text[] =
	"usage: everprof captures [list|show ID|pin ID|unpin ID|delete ID|trigger] [options]\n";

static const char help_text[] =
	"\n"
	"Captures are what the agent kept because a rule fired or somebody asked: profiles from before that "
	"moment to after it,\n"
	"what normal looked like, and a summary. Each is a folder below captures/ of the store, made of "
	"files that every tool reads.\n"
	"\n"
	"  list                 all of them, the newest last (default)\n"
	"  show ID              the summary of one, and where its files are; ID as `list` shows it, or a "
	"beginning of it\n"
	"  pin ID, unpin ID     keep it whatever the limits say, or not any more\n"
	"  delete ID...         delete it; one that is pinned stays\n"
	"  trigger              have the running agent keep what was recorded around now: of the machine, or "
	"of what is selected\n"
	"\n"
	"      --store DIR      the store (default: that of the configuration)\n"
	"      --rule NAME      list: of this rule only; trigger: under this name (default manual)\n"
	"\n"
	"of trigger:\n"
	"  -p, --pid PID        of this process\n"
	"      --comm GLOB      of threads and processes of this name\n"
	"      --cgroup GLOB    of this control group\n"
	"      --container GLOB of this container, also by the beginning of its id\n"
	"      --unit GLOB      of this systemd unit\n"
	"      --pod GLOB       of this pod\n"
	"  -e, --event LIST     cpu,offcpu,… (default: all that is recorded)\n"
	"      --before TIME    how much from before (default profiling.captures.before)\n"
	"      --after TIME     how much follows (default profiling.captures.after)\n"
	"  -F, --frequency HZ   samples a second for what follows, at most twice those configured\n"
	"      --cause TEXT     a line that says why\n"
	"      --wait           until it is written; prints its folder in the place of its id\n"
	"  -h, --help           this text\n";

struct request {
	const char *store;
	struct config *config; /* where the store is its */
	const char *rule;
	struct buf trigger; /* lines of key=value */
	bool wait, help;
};

enum {
	OPT_STORE = 256,
	OPT_RULE,
	OPT_COMM,
	OPT_CGROUP,
	OPT_CONTAINER,
	OPT_UNIT,
	OPT_POD,
	OPT_BEFORE,
	OPT_AFTER,
	OPT_CAUSE,
	OPT_WAIT
};

static int usage(const char *what)
{
	if (what)
		fprintf(stderr, "everprof: captures: %s\n", what);
	fputs(usage_text, stderr);
	return EXIT_USAGE;
}

static int fail(const struct err *e, int code)
{
	fprintf(stderr, "everprof: captures: %s\n", err__text(e, code));
	return EXIT_FAILED;
}

/* What the option is called in the text of a trigger; NULL: it is not for it. */
static const char *word_of(int opt)
{
	switch (opt) {
	case 'p':
		return "pid";
	case 'e':
		return "events";
	case 'F':
		return "frequency";
	case OPT_COMM:
		return "comm";
	case OPT_CGROUP:
		return "cgroup";
	case OPT_CONTAINER:
		return "container";
	case OPT_UNIT:
		return "unit";
	case OPT_POD:
		return "pod";
	case OPT_BEFORE:
		return "before";
	case OPT_AFTER:
		return "after";
	case OPT_CAUSE:
		return "cause";
	case OPT_RULE:
		return "rule";
	default:
		return NULL;
	}
}

static int parse_option(int opt, struct request *r)
{
	const char *word = word_of(opt);

	if (word && (strchr(optarg, '\n') || !*optarg))
		return usage("an option wants one line of text");
	if (word)
		buf__printf(&r->trigger, "%s=%s\n", word, optarg);
	if (opt == OPT_RULE)
		r->rule = optarg;
	else if (opt == OPT_STORE)
		r->store = optarg;
	else if (opt == OPT_WAIT)
		r->wait = true;
	else if (opt == 'h')
		r->help = true;
	else if (!word)
		return usage(NULL);
	return 0;
}

static int parse_arguments(int argc, char **argv, struct request *r)
{
	static const struct option options[] = {
		{"store", required_argument, NULL, OPT_STORE},
		{"rule", required_argument, NULL, OPT_RULE},
		{"pid", required_argument, NULL, 'p'},
		{"comm", required_argument, NULL, OPT_COMM},
		{"cgroup", required_argument, NULL, OPT_CGROUP},
		{"container", required_argument, NULL, OPT_CONTAINER},
		{"unit", required_argument, NULL, OPT_UNIT},
		{"pod", required_argument, NULL, OPT_POD},
		{"event", required_argument, NULL, 'e'},
		{"before", required_argument, NULL, OPT_BEFORE},
		{"after", required_argument, NULL, OPT_AFTER},
		{"frequency", required_argument, NULL, 'F'},
		{"cause", required_argument, NULL, OPT_CAUSE},
		{"wait", no_argument, NULL, OPT_WAIT},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int opt, status = 0;

	optind = 0;
	while (!status && !r->help && (opt = getopt_long(argc, argv, "p:e:F:h", options, NULL)) != -1)
		status = parse_option(opt, r);
	return status;
}

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

static int flush(struct buf *b)
{
	int err = buf__err(b);

	if (!err && (fwrite(b->data, 1, b->len, stdout) != b->len || fflush(stdout)))
		err = -EIO;
	buf__done(b);
	return err;
}

static int list(const struct request *r)
{
	struct capture_folder *all = NULL;
	uint32_t n = 0, n_shown = 0;
	char rule[CAPTURE_RULE_MAX] = "";
	struct err e = {""};
	struct buf b;
	int err = capture_folder__list(r->store, &all, &n);

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
		return fail(&e, err);
	}
	if (!n_shown)
		fprintf(stderr, "everprof: captures: there are none in '%s'\n", r->store);
	return flush(&b) ? EXIT_FAILED : EXIT_DONE;
}

static int find(const struct request *r, const char *id, struct capture_folder *f, struct err *e)
{
	int err = capture_folder__find(r->store, id, f);

	if (err == -ENOTUNIQ)
		return err__set(e, err, "more than one capture begins with '%s'", id);
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

static int show(const struct request *r, const char *id)
{
	static char names[CAPTURE_FILES_MAX][CAPTURE_FILE_NAME_MAX];
	static uint64_t lens[CAPTURE_FILES_MAX];
	struct capture_folder f;
	struct err e = {""};
	struct buf b, text;
	uint32_t n = 0;
	int fd = FD_CLOSED, err = find(r, id, &f, &e);

	if (err)
		return fail(&e, err);
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
		return fail(&e, err);
	}
	buf__printf(&b, "\n%s/captures/%s/%s%s\n", r->store, f.rule, f.text, f.is_pinned ? "  (pinned)" : "");
	for (uint32_t i = 0; i < n; i++)
		buf__printf(&b, "  %-28s %10s\n", names[i], amount__format((int64_t)lens[i], "bytes").text);
	return flush(&b) ? EXIT_FAILED : EXIT_DONE;
}

/* -- pin, unpin, delete -- */

static int change(const struct request *r, const char *verb, const char *id)
{
	struct capture_folder f;
	struct err e = {""};
	int err = find(r, id, &f, &e);

	if (err)
		return fail(&e, err);
	if (!strcmp(verb, "delete"))
		err = capture_folder__delete(r->store, &f);
	else
		err = capture_folder__pin(r->store, &f, !strcmp(verb, "pin"));
	if (err == -EBUSY)
		err__set(&e, err, "'%s' is pinned: unpin it first", id);
	else if (err)
		err__set(&e, err, "cannot %s '%s': %s", verb, id, strerror(-err));
	return err ? fail(&e, err) : EXIT_DONE;
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

static int trigger(const struct request *r)
{
	struct err e = {""};
	struct buf id;
	int err;

	buf__init(&id, CONTROL_ANSWER_MAX);
	err = control__ask(r->store, "trigger", buf__str((struct buf *)&r->trigger), &id, &e);
	if (!err && id.len && id.data[id.len - 1] == '\n')
		id.len--;
	if (!err && !r->wait)
		puts(buf__str(&id));
	else if (!err)
		err = await(r, buf__str(&id), &e);
	buf__done(&id);
	return err ? fail(&e, err) : EXIT_DONE;
}

static int run(const struct request *r, int argc, char **argv)
{
	const char *verb = argc ? argv[0] : "list";
	int status = EXIT_DONE;

	if (!strcmp(verb, "list"))
		return argc > 1 ? usage("list takes no ID") : list(r);
	if (!strcmp(verb, "trigger"))
		return argc > 1 ? usage("trigger takes options only") : trigger(r);
	if (!strcmp(verb, "show"))
		return argc != 2 ? usage("show wants an ID") : show(r, argv[1]);
	if (strcmp(verb, "pin") && strcmp(verb, "unpin") && strcmp(verb, "delete"))
		return usage("there is no such word");
	if (argc < 2)
		return usage("it wants an ID");
	for (int i = 1; i < argc && status == EXIT_DONE; i++)
		status = change(r, verb, argv[i]);
	return status;
}

int cmd_captures(int argc, char **argv)
{
	const struct config_opts co = {.env = environ};
	struct request r = {0};
	struct err e = {""};
	int status, err = 0;

	buf__init(&r.trigger, TRIGGER_TEXT_MAX);
	status = parse_arguments(argc, argv, &r);
	if (!status && r.help) {
		printf("%s%s", usage_text, help_text);
	} else if (!status) {
		if (!r.store)
			err = config__load(&co, &r.config, &e);
		if (!err && !r.store)
			r.store = r.config->output.directory;
		status = err ? fail(&e, err) : run(&r, argc - optind, argv + optind);
	}
	config__free(r.config);
	buf__done(&r.trigger);
	return status;
}
