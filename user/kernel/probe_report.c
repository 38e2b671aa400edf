// SPDX-License-Identifier: Apache-2.0
#include "user/kernel/probe_report.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/kernel/probe.h"

#define TITLE_WIDTH 26
#define STATE_WIDTH 8

/* What a person reads as the state: a spare check that fails is no defect. */
static const char *shown_state(const struct probe_check *c)
{
	if (c->need == PROBE_SPARE && c->state != PROBE_OK)
		return "absent";
	return probe_state__name(c->state);
}

static const char *colour_of(const struct probe_check *c)
{
	if (c->state == PROBE_OK)
		return "\033[32m";
	if (c->need == PROBE_SPARE)
		return "\033[2m";
	return c->state == PROBE_MISSING ? "\033[31m" : "\033[33m";
}

/* Text from files of the system: a control character in it must not reach a terminal. */
static void append_found(struct buf *to, const char *text)
{
	for (; *text; text++)
		buf__append_char(to, (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
}

static void format_check(const struct probe_check *c, bool colour, struct buf *to)
{
	const char *state = shown_state(c);

	buf__printf(to, "  %s%-*s%s  %-*s ", colour ? colour_of(c) : "", STATE_WIDTH, state,
		    colour ? "\033[0m" : "", TITLE_WIDTH, c->title);
	append_found(to, c->found);
	buf__append_char(to, '\n');
	if (c->state == PROBE_OK)
		return;
	if (*c->lost)
		buf__printf(to, "%*s lost: %s\n", STATE_WIDTH + 4 + TITLE_WIDTH, "", c->lost);
	if (*c->remedy)
		buf__printf(to, "%*s to do: %s\n", STATE_WIDTH + 4 + TITLE_WIDTH, "", c->remedy);
}

void probe_report__format_verdict(const struct probe_report *r, struct buf *to)
{
	const struct probe_check *obstacle = probe_report__obstacle(r);
	uint32_t n = probe_report__n_reduced(r);

	if (obstacle) {
		buf__printf(to, "cannot run: %s: ", obstacle->title);
		append_found(to, obstacle->found);
		if (*obstacle->remedy)
			buf__printf(to, " (%s)", obstacle->remedy);
	} else if (n) {
		buf__printf(to, "works, with %u feature%s reduced", n, n == 1 ? "" : "s");
	} else {
		buf__append_str(to, "everything works");
	}
}

void probe_report__format(const struct probe_report *r, bool colour, struct buf *to)
{
	const char *group = "";

	for (uint32_t i = 0; i < r->n; i++) {
		if (strcmp(group, r->checks[i].group)) {
			group = r->checks[i].group;
			buf__printf(to, "%s%s%s\n", colour ? "\033[1m" : "", group, colour ? "\033[0m" : "");
		}
		format_check(&r->checks[i], colour, to);
	}
	buf__append_char(to, '\n');
	probe_report__format_verdict(r, to);
	buf__append_char(to, '\n');
}

/* What the system said may be any bytes; JSON wants UTF-8. */
static json_t *found_json(const char *text)
{
	char clean[PROBE_TEXT_MAX];
	json_t *s = json_string(text);
	size_t i;

	if (s)
		return s;
	for (i = 0; i < sizeof(clean) - 1 && text[i]; i++)
		clean[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
	clean[i] = '\0';
	return json_string(clean);
}

static json_t *check_json(const struct probe_check *c)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:s}", "group", c->group, "name", c->name,
			 "title", c->title, "need", probe_need__name(c->need), "state",
			 probe_state__name(c->state), "found", found_json(c->found), "lost", c->lost,
			 "remedy", c->remedy);
}

int probe_report__encode_json(const struct probe_report *r, struct buf *to)
{
	json_t *checks = json_array(), *root = NULL;
	struct buf verdict;
	char *text = NULL;
	int ret = -ENOMEM;

	buf__init(&verdict, 4096);
	probe_report__format_verdict(r, &verdict);
	for (uint32_t i = 0; i < r->n; i++)
		if (json_array_append_new(checks, check_json(&r->checks[i])))
			goto out;
	root = json_pack("{s:o, s:b, s:i, s:O}", "verdict", found_json(buf__str(&verdict)), "can_run",
			 !probe_report__obstacle(r), "reduced", (int)probe_report__n_reduced(r), "checks",
			 checks);
	text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	if (!text)
		goto out;
	buf__append_str(to, text);
	buf__append_char(to, '\n');
	ret = buf__err(to);
out:
	free(text);
	json_decref(root);
	json_decref(checks);
	buf__done(&verdict);
	return ret;
}
