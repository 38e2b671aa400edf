// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. A configuration file is written by people, by templates and, where somebody gained a foothold, by an enemy; the
 * agent that reads it runs as root. Errors must name the line, and no file may cost more than a few megabytes.
 *
 * Idea. libyaml's event parser (no tree of its own, no recursion) feeds a small stack of open containers:
 *
 *      events   MAP-START  SCALAR key  LIST-START  SCALAR  SCALAR  LIST-END  MAP-END
 *      stack    root ────> waits for a value of `key` ──> list ───────────> root
 *
 * Each event adds one node to the container on top. In a mapping a scalar is a key and the next node, of any kind, its value.
 *
 * Invariants. All nodes come from one arena, capped; depth, items, scalars and bytes are checked before they are stored; each
 * node knows its line; every key of a mapping is there once.
 *
 * Cost. Linear in the bytes, but for the search for duplicate keys: YAML_ITEMS_MAX squared comparisons in the worst mapping.
 *
 * What it does not do. Merge keys, several documents, keys that are not text.
 *
 * Reference: YAML 1.1 (libyaml 0.2.5 reads that and most of 1.2).
 */
#include "user/config/yaml.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/config/units.h"

#define YAML_ARENA_MAX (8u << 20)

struct builder {
	struct yaml *y;
	const char *name;
	struct err *e;
	struct yaml_node *stack[YAML_DEPTH_MAX];
	uint32_t depth;
	/* the key that waits for its value, of the mapping on top of the stack */
	const char *key[YAML_DEPTH_MAX];
	uint32_t key_line[YAML_DEPTH_MAX];
	uint32_t n_nodes;
	uint32_t n_documents;
};

static int __attribute__((format(printf, 4, 5)))
fail(struct builder *b, int code, size_t line, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX / 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err__set(b->e, code, "%s:%zu: %s", b->name, line, text);
}

static size_t line_of(const yaml_event_t *ev)
{
	return ev->start_mark.line + 1;
}

static int new_node(struct builder *b, const yaml_event_t *ev, enum yaml_kind kind,
		    struct yaml_node **ret_node)
{
	struct yaml_node *n;

	if (++b->n_nodes > YAML_NODES_MAX)
		return fail(b, -E2BIG, line_of(ev), "more than %d values in one file", YAML_NODES_MAX);
	n = arena__alloc(&b->y->arena, sizeof(*n));
	if (!n)
		return fail(b, -ENOMEM, line_of(ev), "out of memory");
	n->kind = kind;
	n->line = line_of(ev);
	n->text = "";
	*ret_node = n;
	return 0;
}

/* Hangs the node where the document stands: under the key that waits, at the end of the list, or as the root. */
static int attach(struct builder *b, const yaml_event_t *ev, struct yaml_node *n)
{
	struct yaml_node *top;

	if (!b->depth) {
		b->y->root = n;
		return 0;
	}
	top = b->stack[b->depth - 1];
	if (top->kind == YAML_MAP) {
		n->key = b->key[b->depth - 1];
		n->key_line = b->key_line[b->depth - 1];
		if (!n->key)
			return fail(b, -EINVAL, line_of(ev), "expected a key, found a list or a section");
		b->key[b->depth - 1] = NULL;
	}
	if (++top->n > YAML_ITEMS_MAX)
		return fail(b, -E2BIG, line_of(ev), "more than %d entries in one list or section",
			    YAML_ITEMS_MAX);
	if (top->last)
		top->last->next = n;
	else
		top->first = n;
	top->last = n;
	return 0;
}

/* Text of a scalar into the arena, checked to be what one line of an error and a C string can carry. */
static int take_text(struct builder *b, const yaml_event_t *ev, const char **ret_text)
{
	const yaml_char_t *v = ev->data.scalar.value;
	size_t len = ev->data.scalar.length;

	if (len > YAML_SCALAR_MAX)
		return fail(b, -E2BIG, line_of(ev), "a text of %zu bytes, at most %d are allowed", len,
			    YAML_SCALAR_MAX);
	for (size_t i = 0; i < len; i++) {
		if ((v[i] < ' ' && v[i] != '\t' && v[i] != '\n') || v[i] == 0x7f)
			return fail(b, -EINVAL, line_of(ev), "a control character (0x%02x) inside a text",
				    v[i]);
	}
	*ret_text = arena__strndup(&b->y->arena, (const char *)v, len);
	if (!*ret_text)
		return fail(b, -ENOMEM, line_of(ev), "out of memory");
	return 0;
}

static int take_key(struct builder *b, const yaml_event_t *ev)
{
	struct yaml_node *map = b->stack[b->depth - 1], *other;
	const char *key;
	int err;

	err = take_text(b, ev, &key);
	if (err)
		return err;
	if (!*key)
		return fail(b, -EINVAL, line_of(ev), "an empty key");
	yaml__for_each(other, map)
	{
		if (!strcmp(other->key, key))
			return fail(b, -EINVAL, line_of(ev), "%s: key stands twice, first in line %u",
				    units__quote(key).text, other->key_line);
	}
	b->key[b->depth - 1] = key;
	b->key_line[b->depth - 1] = line_of(ev);
	return 0;
}

static bool says_nothing(const yaml_event_t *ev)
{
	const char *v = (const char *)ev->data.scalar.value;

	return ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (!*v || !strcmp(v, "~") || !strcmp(v, "null"));
}

static int on_scalar(struct builder *b, const yaml_event_t *ev)
{
	struct yaml_node *n;
	int err;

	if (ev->data.scalar.anchor || ev->data.scalar.tag)
		return fail(b, -EINVAL, line_of(ev), "anchors (&) and tags (!) are not allowed");
	if (b->depth && b->stack[b->depth - 1]->kind == YAML_MAP && !b->key[b->depth - 1])
		return take_key(b, ev);
	err = new_node(b, ev, says_nothing(ev) ? YAML_NOTHING : YAML_SCALAR, &n);
	if (!err && n->kind == YAML_SCALAR)
		err = take_text(b, ev, &n->text);
	if (!err)
		err = attach(b, ev, n);
	return err;
}

static int on_start(struct builder *b, const yaml_event_t *ev, enum yaml_kind kind, bool marked)
{
	struct yaml_node *n;
	int err;

	if (marked)
		return fail(b, -EINVAL, line_of(ev), "anchors (&) and tags (!) are not allowed");
	if (b->depth == YAML_DEPTH_MAX)
		return fail(b, -E2BIG, line_of(ev), "nested deeper than %d levels", YAML_DEPTH_MAX);
	err = new_node(b, ev, kind, &n);
	if (!err)
		err = attach(b, ev, n);
	if (err)
		return err;
	b->key[b->depth] = NULL;
	b->stack[b->depth++] = n;
	return 0;
}

static int on_event(struct builder *b, const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (++b->n_documents > 1)
			return fail(b, -EINVAL, line_of(ev), "a second document (---), one is allowed");
		return 0;
	case YAML_SCALAR_EVENT:
		return on_scalar(b, ev);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(b, ev, YAML_LIST,
				ev->data.sequence_start.anchor || ev->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		return on_start(b, ev, YAML_MAP, ev->data.mapping_start.anchor || ev->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		b->depth--;
		return 0;
	case YAML_ALIAS_EVENT:
		return fail(b, -EINVAL, line_of(ev), "aliases (*) are not allowed");
	default:
		return 0;
	}
}

static int parser_error(struct builder *b, const yaml_parser_t *p)
{
	const char *problem = p->problem ? p->problem : "not YAML", *hint = "";

	if (p->error == YAML_MEMORY_ERROR)
		return fail(b, -ENOMEM, p->mark.line + 1, "out of memory");
	if (p->error == YAML_READER_ERROR)
		return err__set(b->e, -EINVAL, "%s: byte %zu: %s", b->name, p->problem_offset, problem);
	if (strstr(problem, "cannot start any token"))
		hint = " (indent with spaces, not tabs; a text that begins with @, % or ` takes quotes)";
	else if (p->context && strstr(p->context, "a block "))
		hint = " (is it indented as the lines above?)";
	return fail(b, -EINVAL, p->problem_mark.line + 1, "not valid YAML: %s%s%s%s", problem,
		    p->context ? " " : "", p->context ? p->context : "", hint);
}

static int build(struct builder *b, yaml_parser_t *p)
{
	bool done = false;
	yaml_event_t ev;
	int err = 0;

	while (!done && !err) {
		if (!yaml_parser_parse(p, &ev))
			return parser_error(b, p);
		done = ev.type == YAML_STREAM_END_EVENT;
		err = on_event(b, &ev);
		yaml_event_delete(&ev);
	}
	return err;
}

int yaml__parse(const char *name, const void *bytes, size_t len, struct yaml *ret_yaml, struct err *e)
{
	struct yaml y = {0};
	struct builder b = {.y = &y, .name = name, .e = e};
	yaml_parser_t p;
	int err;

	if (len > YAML_BYTES_MAX)
		return err__set(e, -E2BIG, "%s: %zu bytes, at most %u are allowed", name, len,
				YAML_BYTES_MAX);
	if (!yaml_parser_initialize(&p))
		return err__set(e, -ENOMEM, "%s: out of memory", name);
	arena__init(&y.arena, YAML_ARENA_MAX);
	yaml_parser_set_encoding(&p, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&p, bytes ? bytes : (const void *)"", len);
	err = build(&b, &p);
	yaml_parser_delete(&p);
	if (!err && !y.root) {
		y.root = arena__alloc(&y.arena, sizeof(*y.root));
		if (y.root)
			*y.root = (struct yaml_node){.kind = YAML_NOTHING, .line = 1, .text = ""};
		else
			err = err__set(e, -ENOMEM, "%s: out of memory", name);
	}
	if (err)
		arena__done(&y.arena);
	else
		*ret_yaml = y;
	return err;
}

void yaml__done(struct yaml *y)
{
	if (!y)
		return;
	arena__done(&y->arena);
	y->root = NULL;
}

const struct yaml_node *yaml__child(const struct yaml_node *map, const char *key)
{
	const struct yaml_node *n;

	if (map->kind != YAML_MAP)
		return NULL;
	yaml__for_each(n, map)
	{
		if (!strcmp(n->key, key))
			return n;
	}
	return NULL;
}

const char *yaml__describe(const struct yaml_node *node, char scratch[YAML_DESCRIBE_MAX])
{
	switch (node->kind) {
	case YAML_NOTHING:
		return "nothing";
	case YAML_LIST:
		return "a list";
	case YAML_MAP:
		return "a section";
	case YAML_SCALAR:
		break;
	}
	snprintf(scratch, YAML_DESCRIBE_MAX, "'%s'", units__quote(node->text).text);
	return scratch;
}

void yaml__quote(const char *text, struct buf *to)
{
	buf__append_char(to, '"');
	for (; *text; text++) {
		if (*text == '\n') {
			buf__append_str(to, "\\n");
		} else if (*text == '\t') {
			buf__append_str(to, "\\t");
		} else {
			if (*text == '"' || *text == '\\')
				buf__append_char(to, '\\');
			buf__append_char(to, *text);
		}
	}
	buf__append_char(to, '"');
}

static bool is_plain(const char *text)
{
	static const char inner[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./%+-*?<>=() ";
	size_t len = strlen(text);

	return len && strspn(text, inner) == len && strspn(text, inner) &&
	       strchr(inner, *text) - inner < 65 && text[len - 1] != ' ' && strcasecmp(text, "null");
}

static void write_text(const char *text, struct buf *to)
{
	if (is_plain(text))
		buf__append_str(to, text);
	else
		yaml__quote(text, to);
}

void yaml__write_flow(const struct yaml_node *node, struct buf *to)
{
	const struct yaml_node *child;

	if (node->kind == YAML_SCALAR || node->kind == YAML_NOTHING) {
		if (node->kind == YAML_SCALAR)
			write_text(node->text, to);
		else
			buf__append_str(to, "null");
		return;
	}
	buf__append_char(to, node->kind == YAML_MAP ? '{' : '[');
	yaml__for_each(child, node)
	{
		buf__append_str(to, child == node->first ? "" : ", ");
		if (node->kind == YAML_MAP) {
			write_text(child->key, to);
			buf__append_str(to, ": ");
		}
		yaml__write_flow(child, to);
	}
	buf__append_char(to, node->kind == YAML_MAP ? '}' : ']');
}

struct yaml_node *yaml__copy(const struct yaml_node *node, struct arena *arena)
{
	struct yaml_node *copy = arena__alloc(arena, sizeof(*copy)), *to;
	const struct yaml_node *child;

	if (!copy)
		return NULL;
	*copy = (struct yaml_node){
		.kind = node->kind, .line = node->line, .key_line = node->key_line, .n = node->n};
	copy->text = arena__strndup(arena, node->text, strlen(node->text));
	if (node->key)
		copy->key = arena__strndup(arena, node->key, strlen(node->key));
	if (!copy->text || !copy->key != !node->key)
		return NULL;
	yaml__for_each(child, node)
	{
		to = yaml__copy(child, arena);
		if (!to)
			return NULL;
		if (copy->last)
			copy->last->next = to;
		else
			copy->first = to;
		copy->last = to;
	}
	return copy;
}
