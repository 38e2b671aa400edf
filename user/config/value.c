// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. The same value comes from four places (table, file, environment, --set) and goes to two (struct config, `config show`);
 * five readers and writers a type would disagree.
 *
 * Idea. Every source becomes a YAML node first: a text is a scalar node, or is read as YAML where it is a list. One reader a type takes nodes; one writer
 * a type writes what that reader takes.
 *
 * Invariants. What value__format writes, value__take reads to the same value. A failing take leaves the member as it was.
 */
#include "user/config/value.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "user/base/arena.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/config/config.h"
#include "user/config/key.h"
#include "user/config/units.h"
#include "user/config/yaml.h"

static void *member(const struct key *k, const struct config *c)
{
	return (char *)(uintptr_t)c + k->offset;
}

static int unexpected(const struct key *k, const struct yaml_node *node, struct err *e)
{
	char expected[KEY_EXPECTED_MAX], scratch[YAML_DESCRIBE_MAX];

	key__expected(k, expected);
	return err__set(e, -EINVAL, "expected %s, found %s", expected, yaml__describe(node, scratch));
}

static int take_bool(const struct key *k, const struct yaml_node *node, bool *ret, struct err *e)
{
	static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {"false", "no", "off"};

	for (int i = 0; i < 3; i++) {
		if (!strcasecmp(node->text, yes[i]) || !strcasecmp(node->text, no[i])) {
			*ret = !strcasecmp(node->text, yes[i]);
			return 0;
		}
	}
	return unexpected(k, node, e);
}

static int take_number(const struct key *k, const struct yaml_node *node, uint64_t *ret, struct err *e)
{
	char expected[KEY_EXPECTED_MAX];
	uint64_t v = 0;
	int err;

	if (k->words && !strcmp(node->text, k->words)) {
		*ret = 0;
		return 0;
	}
	switch (k->type) {
	case KEY_DURATION:
		err = units__parse_duration(node->text, &v, e);
		break;
	case KEY_SIZE:
		err = units__parse_size(node->text, &v, e);
		break;
	case KEY_SHARE:
		err = units__parse_share(node->text, &v, e);
		break;
	default:
		err = units__parse_count(node->text, &v, e);
	}
	if (err == -EINVAL) /* the unit's own text knows neither range nor word */
		return unexpected(k, node, e);
	if (err)
		return err;
	if (v < k->min || v > k->max) {
		key__expected(k, expected);
		return err__set(e, -ERANGE, "expected %s, found '%s'", expected,
				units__quote(node->text).text);
	}
	*ret = v;
	return 0;
}

static int take_choice(const struct key *k, const struct yaml_node *node, uint32_t *ret, struct err *e)
{
	size_t len = strlen(node->text);
	const char *word = k->words;

	for (uint32_t i = 0; len; i++) {
		size_t n = strcspn(word, "|");

		if (n == len && !memcmp(word, node->text, n)) {
			*ret = i;
			return 0;
		}
		if (!word[n])
			break;
		word += n + 1;
	}
	return unexpected(k, node, e);
}

/* HOST:PORT with HOST a name or an IPv4 address, or [IPv6]:PORT. Whether the host is ours the kernel will say. */
static bool is_address(const char *text)
{
	static const char name[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
	const char *p = text;
	uint64_t port;
	size_t n;

	if (*p == '[') {
		n = strspn(p + 1, "0123456789abcdefABCDEF:.");
		if (!n || p[n + 1] != ']')
			return false;
		p += n + 2;
	} else {
		n = strspn(p, name);
		if (!n || n > 253)
			return false;
		p += n;
	}
	/* a count skips blanks, a port has none */
	return *p == ':' && p[1] >= '0' && p[1] <= '9' && !strchr(p, ' ') && !strchr(p, '\t') &&
	       !units__parse_count(p + 1, &port, NULL) && port <= 65535;
}

static int take_string(const struct key *k, const struct yaml_node *node, struct arena *arena,
		       const char **ret, struct err *e)
{
	size_t len = strlen(node->text);
	const char *copy;

	if (k->words && !strcmp(node->text, k->words)) {
		*ret = NULL;
		return 0;
	}
	if (!len || len >= PATH_MAX || strchr(node->text, '\n'))
		return unexpected(k, node, e);
	if (k->type == KEY_ADDRESS && !is_address(node->text))
		return unexpected(k, node, e);
	copy = arena__strndup(arena, node->text, len);
	if (!copy)
		return err__set(e, -ENOMEM, "out of memory");
	*ret = copy;
	return 0;
}

static bool is_list(const struct key *k)
{
	return k->type == KEY_TEXTS || k->type == KEY_PIDS || k->type == KEY_IDLE || k->type == KEY_RULES ||
	       k->type == KEY_RULE_PARTS || k->type == KEY_EXPORTERS;
}

/* Rules are read when all keys are known, since any of them may stand in a template: until then their tree is kept. */
static int take_rule_source(const struct yaml_node *node, const char *name, struct arena *arena,
			    struct rule_source *ret, struct err *e)
{
	ret->name = arena__strndup(arena, name, strlen(name));
	ret->node = yaml__copy(node, arena);
	return ret->name && ret->node ? 0 : err__set(e, -ENOMEM, "out of memory");
}

int value__take(const struct key *k, const struct yaml_node *node, const char *name, struct arena *arena,
		struct config *c, struct err *e)
{
	void *to = member(k, c);

	if (!is_list(k) && node->kind != YAML_SCALAR)
		return unexpected(k, node, e);
	switch (k->type) {
	case KEY_BOOL:
		return take_bool(k, node, to, e);
	case KEY_COUNT:
	case KEY_DURATION:
	case KEY_SIZE:
	case KEY_SHARE:
		return take_number(k, node, to, e);
	case KEY_CHOICE:
		return take_choice(k, node, to, e);
	case KEY_PATH:
	case KEY_ADDRESS:
	case KEY_TEXT:
		return take_string(k, node, arena, to, e);
	case KEY_TEXTS:
		return text_list__take(node, arena, to, e);
	case KEY_PIDS:
		return pid_list__take(node, arena, to, e);
	case KEY_IDLE:
		return idle_list__take(node, arena, to, e);
	case KEY_RULES:
	case KEY_RULE_PARTS:
		return take_rule_source(node, name, arena, to, e);
	case KEY_EXPORTERS:
		if (node->kind == YAML_SCALAR || node->kind == YAML_MAP || node->n)
			return err__set(e, -EINVAL, "expected an empty list, this version has no exporters");
		*(uint32_t *)to = 0;
		return 0;
	}
	return -EINVAL;
}

/* "nginx, redis": blanks around an item are not of it, as in YAML. */
static int take_commas(const struct key *k, const char *text, const char *name, struct arena *arena,
		       struct config *c, struct err *e)
{
	struct yaml_node list = {.kind = YAML_LIST, .line = 1, .text = ""}, *item;

	while (*(text += strspn(text, " "))) {
		size_t n = strcspn(text, ","), len = n;

		while (len && text[len - 1] == ' ')
			len--;
		item = list.n < YAML_ITEMS_MAX ? arena__alloc(arena, sizeof(*item)) : NULL;
		if (!item)
			return err__set(e, -E2BIG, "more than %d items, or out of memory", YAML_ITEMS_MAX);
		item->kind = YAML_SCALAR;
		item->text = arena__strndup(arena, text, len);
		if (!item->text)
			return err__set(e, -ENOMEM, "out of memory");
		if (list.last)
			list.last->next = item;
		else
			list.first = item;
		list.last = item;
		list.n++;
		text += n + (text[n] == ',');
	}
	return value__take(k, &list, name, arena, c, e);
}

int value__take_text(const struct key *k, const char *text, const char *name, struct arena *arena,
		     struct config *c, struct err *e)
{
	struct yaml_node node = {.kind = YAML_SCALAR, .line = 1, .text = text};
	struct yaml y;
	int err;

	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return err__set(e, -EINVAL, "a control character (0x%02x) inside the text", *p);
	}
	if (!is_list(k)) {
		/* where there is no type but text, programs write 1 and 0 */
		if (k->type == KEY_BOOL && (!strcmp(text, "1") || !strcmp(text, "0")))
			node.text = *text == '1' ? "true" : "false";
		if (!*text)
			node.kind = YAML_NOTHING;
		return value__take(k, &node, name, arena, c, e);
	}
	if (*text != '[' && (k->type == KEY_TEXTS || k->type == KEY_PIDS))
		return take_commas(k, text, name, arena, c, e);
	err = yaml__parse(name, text, strlen(text), &y, e);
	if (err)
		return err;
	err = value__take(k, y.root, name, arena, c, e);
	yaml__done(&y);
	return err;
}

static void format_source(const struct rule_source *s, struct buf *to)
{
	if (s->node && s->node->kind == YAML_MAP)
		yaml__write_flow(s->node, to);
	else
		buf__append_str(to, "{}");
}

static void format_rules(const struct rule_list *l, struct buf *to)
{
	if (!l->n)
		buf__append_str(to, "[]");
	for (uint32_t i = 0; i < l->n; i++)
		rule__format(&l->items[i], to);
}

static void format_number(const struct key *k, uint64_t v, struct buf *to)
{
	char text[UNITS_TEXT_MAX];

	if (k->words && !v) {
		buf__append_str(to, k->words);
		return;
	}
	switch (k->type) {
	case KEY_DURATION:
		units__format_duration(v, text);
		break;
	case KEY_SIZE:
		units__format_size(v, text);
		break;
	case KEY_SHARE:
		units__format_share(v, text);
		break;
	default:
		buf__printf(to, "%" PRIu64, v);
		return;
	}
	buf__append_str(to, text);
}

void value__format(const struct key *k, const struct config *c, struct buf *to)
{
	const void *from = member(k, c);
	const char *word, *text;

	switch (k->type) {
	case KEY_BOOL:
		buf__append_str(to, *(const bool *)from ? "true" : "false");
		break;
	case KEY_COUNT:
	case KEY_DURATION:
	case KEY_SIZE:
	case KEY_SHARE:
		format_number(k, *(const uint64_t *)from, to);
		break;
	case KEY_CHOICE:
		word = k->words;
		for (uint32_t i = *(const uint32_t *)from; i; i--)
			word += strcspn(word, "|") + 1;
		buf__printf(to, "%.*s", (int)strcspn(word, "|"), word);
		break;
	case KEY_PATH:
	case KEY_ADDRESS:
	case KEY_TEXT:
		text = *(const char *const *)from;
		if (text)
			yaml__quote(text, to);
		else
			buf__append_str(to, k->words);
		break;
	case KEY_TEXTS:
		text_list__format(from, to);
		break;
	case KEY_PIDS:
		pid_list__format(from, to);
		break;
	case KEY_IDLE:
		idle_list__format(from, to);
		break;
	case KEY_RULES:
		format_rules(&c->alerts, to);
		break;
	case KEY_RULE_PARTS:
		format_source(from, to);
		break;
	case KEY_EXPORTERS:
		buf__append_str(to, "[]");
		break;
	}
}
