// SPDX-License-Identifier: Apache-2.0
#include "user/alert/capture_trigger.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/clock.h"
#include "user/base/err.h"
#include "user/config/event.h"
#include "user/config/target.h"
#include "user/config/units.h"
#include "user/profile/utf8.h"

#define FREQUENCY_MAX 10000

void capture_trigger__init(struct capture_trigger *t, uint64_t before_ns, uint64_t after_ns)
{
	*t = (struct capture_trigger){0};
	t->request = (struct capture_request){.rule = TRIGGER_RULE,
					      .cause = "asked for by hand",
					      .metric = METRIC_N,
					      .fired_real_ns = clock__real_ns(),
					      .fired_mono_ns = clock__mono_ns(),
					      .before_ns = before_ns,
					      .after_ns = after_ns,
					      .baseline = true};
}

static int read_events(char *value, uint32_t *ret, struct err *err)
{
	char *rest = value, *word;
	enum event ev;

	*ret = 0;
	while ((word = strsep(&rest, ","))) {
		if (event__find(word, &ev))
			return err__set(err, -EINVAL, "events: there is no event '%s'",
					units__quote(word).text);
		*ret |= 1u << ev;
	}
	return 0;
}

static int read_count(const char *value, uint64_t max, uint32_t *ret, struct err *err)
{
	uint64_t n;
	int code = units__parse_count(value, &n, err);

	if (code)
		return code;
	if (!n || n > max)
		return err__set(err, -EINVAL, "from 1 to %llu is expected", (unsigned long long)max);
	*ret = (uint32_t)n;
	return 0;
}

static int read_range(const char *value, uint64_t *ret, struct err *err)
{
	uint64_t ns;
	int code = units__parse_duration(value, &ns, err);

	if (!code && ns > CAPTURE_RANGE_MAX_NS)
		return err__set(err, -EINVAL, "at most 1h is expected");
	if (!code)
		*ret = ns;
	return code;
}

static int read_yes(const char *value, bool *ret, struct err *err)
{
	if (strcmp(value, "yes") && strcmp(value, "no"))
		return err__set(err, -EINVAL, "yes or no is expected");
	*ret = !strcmp(value, "yes");
	return 0;
}

static void add_pair(struct capture_pair *pairs, uint32_t *n, const char *key, const char *value)
{
	if (*key && *n < CAPTURE_PAIRS_MAX)
		pairs[(*n)++] = (struct capture_pair){key, value};
}

static int add_selector(struct capture_trigger *t, const char *key, const char *value, struct err *err)
{
	/* what tells processes apart: a capture of a state or a trace would be of nobody */
	static const char *const kinds[] = {"comm", "process",   "exe", "cgroup",
					    "unit", "container", "pod", "namespace"};
	int code = -ENOENT;

	for (size_t i = 0; code == -ENOENT && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i], key))
			code = selection__add(&t->selection, kinds[i], value);
	if (code == -ENOENT)
		return err__set(err, -EINVAL, "there is no such word");
	if (!code && (!*value || strlen(value) > TARGET_PATTERN_MAX))
		code = -EINVAL;
	return code ? err__set(err, -EINVAL, "a pattern of 1 to %d bytes is expected, at most %d of them",
			       TARGET_PATTERN_MAX, SELECTION_MAX)
		    : 0;
}

static int read_line(struct capture_trigger *t, const char *key, char *value, struct err *err)
{
	struct capture_request *r = &t->request;

	if (!strcmp(key, "pid"))
		return read_count(value, TARGET_PID_MAX, &t->pid, err);
	if (!strcmp(key, "before"))
		return read_range(value, &r->before_ns, err);
	if (!strcmp(key, "after"))
		return read_range(value, &r->after_ns, err);
	if (!strcmp(key, "events"))
		return read_events(value, &r->events, err);
	if (!strcmp(key, "frequency"))
		return read_count(value, FREQUENCY_MAX, &r->frequency_hz, err);
	if (!strcmp(key, "baseline"))
		return read_yes(value, &r->baseline, err);
	if (!strcmp(key, "rule") && *value) {
		r->rule = value;
		return 0;
	}
	if (!strcmp(key, "cause")) {
		r->cause = value;
		return 0;
	}
	if (!strncmp(key, "label.", 6)) {
		add_pair(t->labels, &r->n_labels, key + 6, value);
		return 0;
	}
	if (!strncmp(key, "annotation.", 11)) {
		add_pair(t->annotations, &r->n_annotations, key + 11, value);
		return 0;
	}
	return add_selector(t, key, value, err);
}

int capture_trigger__parse(char *text, struct capture_trigger *t, struct err *err)
{
	char *rest = text, *line;
	int code = 0;

	if (strlen(text) > TRIGGER_TEXT_MAX || !utf8__valid(text, strlen(text)))
		return err__set(err, -EINVAL, "the text of a trigger is at most %d bytes of UTF-8",
				TRIGGER_TEXT_MAX);
	while (!code && (line = strsep(&rest, "\n"))) {
		char *value = strchr(line, '=');

		if (!*line)
			continue;
		if (!value)
			return err__set(err, -EINVAL, "'%s': key=value is expected", units__quote(line).text);
		*value++ = '\0';
		code = read_line(t, line, value, err);
		if (code)
			return err__prefix(err, code, "%s", units__quote(line).text);
	}
	if (t->pid && t->selection.n)
		return err__set(err, -EINVAL, "pid stands alone: a process has one name only");
	if (!(t->request.before_ns + t->request.after_ns))
		return err__set(err, -EINVAL, "before and after: not both 0");
	t->request.labels = t->labels;
	t->request.annotations = t->annotations;
	if (t->selection.n)
		t->request.selection = &t->selection;
	return 0;
}
