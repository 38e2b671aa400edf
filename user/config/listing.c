// SPDX-License-Identifier: Apache-2.0
/*
 * Both texts walk the table of keys in its order; section headings of the YAML come from comparing each dotted name with the one before:
 *
 *      profiling.window            profiling:
 *                                    window: 60s
 *      profiling.cpu.enabled         cpu:
 *                                      enabled: true
 *
 * which needs the keys of a section to stand together in the table (a unit test says so).
 */
#include "user/config/listing.h"

#include <stdio.h>
#include <string.h>

#include "user/base/arena.h"
#include "user/base/buf.h"
#include "user/config/config.h"
#include "user/config/key.h"
#include "user/config/metric.h"
#include "user/config/rule.h"
#include "user/config/value.h"
#include "user/config/wait_kind.h"
#include "user/config/yaml.h"

#define ORIGIN_COLUMN 48

/* Bytes of the sections that two dotted names share: "profiling.cpu." of profiling.cpu.clock and profiling.cpu.kernel. */
static size_t shared_sections(const char *a, const char *b)
{
	size_t shared = 0;

	for (size_t i = 0; a[i] && a[i] == b[i]; i++) {
		if (a[i] == '.')
			shared = i + 1;
	}
	return shared;
}

static unsigned int count_dots(const char *s, size_t len)
{
	unsigned int n = 0;

	for (size_t i = 0; i < len; i++)
		n += s[i] == '.';
	return n;
}

/* Opens the sections that lead to the key and writes "key:" at its depth. */
static void open_key(const char *name, const char *before, struct buf *to)
{
	size_t done = shared_sections(name, before);
	unsigned int depth = count_dots(name, done);
	const char *p = name + done, *dot;

	for (; (dot = strchr(p, '.')); p = dot + 1)
		buf__printf(to, "%*s%.*s:\n", 2 * (int)depth++, "", (int)(dot - p), p);
	buf__printf(to, "%*s%s: ", 2 * (int)depth, "", p);
}

/* A value that waits for the window says so: the number alone would hide where to change it. */
static const char *origin_of(const struct config *c, const struct key *k)
{
	const char *origin = config__origin(c, k);

	if (!strcmp(origin, "default") && !strcmp(k->fallback, "window"))
		return "default: profiling.window";
	return origin;
}

void listing__show(const struct config *c, struct buf *to)
{
	const char *before = "";

	buf__printf(to, "# file: %s\n", config__path(c) ? config__path(c) : "none, built-in defaults");
	for (uint32_t i = 0; i < key__count(); i++) {
		const struct key *k = key__get(i);
		size_t start, width;

		if (!shared_sections(k->name, before) && !buf__err(to))
			buf__append_str(to, "\n");
		start = to->len;
		open_key(k->name, before, to);
		if (k->type == KEY_RULES && c->alerts.n) {
			/* the list stands below, so its origin goes on the key's own line */
			buf__printf(to, "%*s# %s", ORIGIN_COLUMN - (int)strlen(k->name) - 2, "",
				    origin_of(c, k));
			value__format(k, c, to);
		} else {
			value__format(k, c, to);
			width = to->len - start;
			for (size_t j = start; j < to->len; j++) {
				if (to->data[j] == '\n')
					width = to->len - j - 1;
			}
			buf__printf(to, "%*s # %s",
				    width < ORIGIN_COLUMN ? (int)(ORIGIN_COLUMN - width) - 1 : 0, "",
				    origin_of(c, k));
		}
		buf__append_str(to, "\n");
		before = k->name;
	}
}

void listing__waiting(const struct config *running, const struct config *fresh, struct buf *to)
{
	struct buf a, b;
	const char *comma = "";

	buf__init(&a, CONFIG_ARENA_MAX);
	buf__init(&b, CONFIG_ARENA_MAX);
	for (uint32_t i = 0; i < key__count(); i++) {
		const struct key *k = key__get(i);

		if (k->change != KEY_CHANGES_AT_START)
			continue;
		buf__clear(&a);
		buf__clear(&b);
		value__format(k, running, &a);
		value__format(k, fresh, &b);
		if (!strcmp(buf__str(&a), buf__str(&b)))
			continue;
		buf__printf(to, "%s%s", comma, k->name);
		comma = ", ";
	}
	buf__done(&a);
	buf__done(&b);
}

/* A cell of a Markdown table: '|' would end it. */
static void cell(struct buf *to, const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			buf__append_char(to, '\\');
		buf__append_char(to, *text);
	}
}

static void reference_keys(struct buf *to)
{
	char expected[KEY_EXPECTED_MAX];
	const char *before = "";

	for (uint32_t i = 0; i < key__count(); i++) {
		const struct key *k = key__get(i);
		size_t n = strcspn(k->name, ".");

		if (strncmp(k->name, before, n) || before[n] != k->name[n]) {
			buf__printf(to, "\n### %.*s\n\n", (int)n, k->name);
			buf__append_str(to, "| key | default | value | what it does |\n|---|---|---|---|\n");
		}
		key__expected(k, expected);
		buf__printf(to, "| `%s` | `%s` | ", k->name, k->fallback);
		cell(to, expected);
		buf__append_str(to, " | ");
		cell(to, k->help);
		if (k->change == KEY_CHANGES_AT_START)
			buf__append_str(to, " Another value counts with the next start.");
		buf__append_str(to, " |\n");
		before = k->name;
	}
}

/* The patterns that come with everprof, as they are read from the word that stands for them. */
static int reference_shipped(struct buf *to)
{
	struct yaml_node word = {.kind = YAML_SCALAR, .line = 1, .text = "defaults"};
	struct idle_list l;
	struct arena arena;
	int err;

	arena__init(&arena, CONFIG_ARENA_MAX);
	err = idle_list__take(&word, &arena, &l, NULL);
	buf__append_str(to, "\n```yaml\n");
	for (uint32_t i = 0; !err && i < l.n; i++) {
		buf__append_str(to, "- ");
		idle_pattern__format(&l.patterns[i], to);
		buf__append_char(to, '\n');
	}
	buf__append_str(to, "```\n");
	arena__done(&arena);
	return err;
}

static int reference_idle(struct buf *to)
{
	int err;

	buf__append_str(
		to,
		"\n## Idle patterns (`profiling.offcpu.idle`)\n\n"
		"Threads that wait for work fill every profile of waits. A blocked wait that a pattern fits "
		"carries the pattern's name in\n"
		"the label `idle`; it stays in the file, and `everprof top` and pictures leave it out until "
		"`--idle` is given, and say how much it was.\n"
		"An item of the list is the word `defaults`, the name of one of those, `\"!NAME\"` to leave "
		"one out, or a pattern of your own: a name and\n"
		"conditions, each a shell pattern or a list of them. All that are given must hold, of a list "
		"one; the first pattern that fits counts.\n\n"
		"```yaml\n"
		"profiling:\n"
		"  offcpu:\n"
		"    idle: [defaults, \"!session\", {name: my pool, wait: futex, function: \"pool_wait*\", "
		"process: [api, \"api-*\"]}]\n"
		"```\n\n"
		"| condition | compared with |\n|---|---|\n");
#define IDLE_ROW(member, text) buf__append_str(to, "| `" #member "` | " text " |\n");
	IDLE_CONDITIONS(IDLE_ROW)
#undef IDLE_ROW
	buf__append_str(to, "\nThose that come with everprof:\n");
	err = reference_shipped(to);
	buf__append_str(to, "\n### Kinds of waits (label `wait`)\n\n| wait | for what |\n|---|---|\n");
	for (int k = WAIT_KIND_NONE + 1; k < WAIT_KIND_N; k++)
		buf__printf(to, "| `%s` | %s |\n", wait_kind__name((enum wait_kind)k),
			    wait_kind__text((enum wait_kind)k));
	return err;
}

static void reference_conditions(struct buf *to)
{
	buf__append_str(
		to,
		"\n### Conditions\n\n"
		"```yaml\n"
		"condition: cpu_usage_percent > 80\n"
		"condition: {metric: rss, above: 2GiB, clear: 1.5GiB}\n"
		"condition: {metric: thread_count, above: 500, below: 2}            # outside of a band\n"
		"condition: {metric: alloc_rate, rise: 50%, over: 10m, min: 1MB/s}  # against the mean of "
		"ten minutes\n"
		"condition: {metric: function_share, of: \"json_*\", above: 25%}   # of the last window's "
		"samples\n"
		"condition: {metric: rss, steps: [1GiB, 2GiB, 4GiB]}\n"
		"condition: {metric: fd_count, predict: 65536, within: 10m, over: 5m}\n"
		"condition: oom_kill                                                # an event of the host\n"
		"condition: {any: [cpu_usage_percent > 90, {all: [rss > 2GiB, major_fault_rate > 100/s]}]}\n"
		"```\n\n"
		"A list is `all` of its conditions; `any` and `all` go two levels deep. A value that was not "
		"measured never holds. Events are:");
	for (int i = 0; i < HOST_EVENT_N; i++)
		buf__printf(to, "%s `%s`", i ? "," : "", host_event__name(i));
	buf__append_str(to, ".\n\n| word | what it does |\n|---|---|\n");
	for (const struct condition_field *f = condition_set__fields(); f->name; f++)
		buf__printf(to, "| `%s` | %s |\n", f->name, f->help);
}

static void reference_rules(struct buf *to)
{
	buf__append_str(to, "\n## Rules (`alerts`)\n\n"
			    "| field | default | value | what it does |\n|---|---|---|---|\n");
	for (const struct rule_field *f = rule__fields(); f->name; f++) {
		if (f->fallback)
			buf__printf(to, "| `%s` | `%s` | %s | %s |\n", f->name, f->fallback, f->type,
				    f->help);
		else
			buf__printf(to, "| `%s` | must be there | %s | %s |\n", f->name, f->type, f->help);
	}
	reference_conditions(to);
	buf__append_str(to, "\nIn scope `system`, percentages of CPU are of all CPUs; elsewhere of one CPU, "
			    "as in `top`.\n"
			    "\n### Metrics of a condition\n\n"
			    "| metric | written as | scopes | what it is |\n|---|---|---|---|\n");
	for (int id = 0; id < METRIC_N; id++) {
		const struct metric *m = metric__get(id);
		const char *comma = "";

		buf__printf(to, "| `%s` | %s | ", m->name, metric__unit_name(m->unit));
		for (int s = 0; s < SCOPE_N; s++) {
			if (m->scopes & 1u << s) {
				buf__printf(to, "%s%s", comma, scope__name(s));
				comma = ", ";
			}
		}
		buf__printf(to, " | %s |\n", m->help);
	}
}

static void reference_environment(struct buf *to)
{
	char name[KEY_ENV_MAX];

	buf__append_str(to, "\n## Environment\n\n"
			    "A key's name in capitals, dots as underscores, after `EVERPROF_`: "
			    "`profiling.cpu.frequency` is\n"
			    "`EVERPROF_PROFILING_CPU_FREQUENCY`. Lists are written `a,b` (blanks around the "
			    "items do not count) or as YAML, "
			    "`[\"a\", \"b\"]`; switches may be `1` and `0`.\n"
			    "A variable that begins like a section of the configuration but names no key is "
			    "an error, apart from those that\n"
			    "Kubernetes makes of the services around a container. Understood as well:\n\n"
			    "| variable | the same as | key |\n|---|---|---|\n");
	for (uint32_t i = 0; i < key__count(); i++) {
		const struct key *k = key__get(i);

		if (!k->env)
			continue;
		key__env_name(k, name);
		buf__printf(to, "| `%s` | `%s`, which wins where both are set | `%s` |\n", k->env, name,
			    k->name);
	}
}

static void reference_events(struct buf *to)
{
	static const bool on[EVENT_N] = {
#define EVENT_ON(id, name, on_, counted, added, unit, help) on_,
		EVENTS(EVENT_ON)
#undef EVENT_ON
	};

	buf__append_str(to, "\n## Events\n\n| event | on by default | what it is |\n|---|---|---|\n");
	for (int ev = 0; ev < EVENT_N; ev++)
		buf__printf(to, "| `%s` | %s | %s |\n", event__name(ev), on[ev] ? "yes" : "no",
			    event__help(ev));
}

void listing__reference(struct buf *to)
{
	buf__append_str(
		to, "# Configuration\n\n"
		    "<!-- Written by `everprof config reference`; a test compares the two. -->\n\n"
		    "One YAML file, `/etc/everprof/profiler.yaml` or the one that `-c` names. Where "
		    "a key is set more than once, the later\n"
		    "wins: built-in default, file, environment, `--set key=value`. `everprof config "
		    "show` prints every effective value and\n"
		    "where it came from; `everprof config check FILE` says whether a file is good. "
		    "SIGHUP, or a change of the file, loads it again: a bad one is\n"
		    "refused and the running configuration stays. Where another value counts with the next "
		    "start only, it says so below, and the log names it.\n\n"
		    "Durations are written `500ms 30s 5m 1h 7d`, sizes `64KiB 10MB 2GiB` (1024 with "
		    "an i, 1000 without), rates\n"
		    "`100MB/hour`, shares `80%`. A bare number is an error where the unit matters; "
		    "percentages and counts may stand bare.\n"
		    "Unknown keys, wrong types, values out of range, keys that stand twice, anchors, "
		    "aliases and tags are errors of one line\n"
		    "that name file, line, key and what was expected.\n\n"
		    "## Keys\n");
	reference_keys(to);
	buf__append_str(to, "\nPatterns of `targets` are shell patterns (`*`, `?`, `[a-z]`). A process is "
			    "included where any pattern of any kind\n"
			    "matches, or where there is none at all; exclusion beats inclusion.\n");
	reference_events(to);
	if (reference_idle(to))
		return; /* out of memory, or the shipped patterns are not right: a test reads them */
	reference_rules(to);
	reference_environment(to);
}
