/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml - the tree of one YAML document, with the line of everything, bounded.
 *
 * Only the part of YAML that a configuration needs: mappings with text keys, lists and scalars as text. Anchors, aliases and
 * tags are refused (the first two can blow a kilobyte up to gigabytes, the last changes what a value means), and so is a
 * key that stands twice in one mapping. What a scalar means (a number, a duration) is not decided here.
 *
 * Owns: all nodes and texts, until yaml__done. Thread: one owner. Limit: the YAML_*_MAX below.
 * Errors: -EINVAL with "NAME:LINE: what", -E2BIG over a limit, -ENOMEM.
 */
#ifndef EVERPROF_CONFIG_YAML_H
#define EVERPROF_CONFIG_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/arena.h"

struct buf;
struct err;

#define YAML_BYTES_MAX  (256u << 10)
#define YAML_DEPTH_MAX  16
#define YAML_SCALAR_MAX 4096
#define YAML_ITEMS_MAX  1024 /* entries of one list or mapping */
#define YAML_NODES_MAX  16384

enum yaml_kind { YAML_NOTHING, YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
	enum yaml_kind kind; /* NOTHING: `key:` with no value, `~` or `null` */
	uint32_t line;       /* from 1 */
	uint32_t n;          /* children */
	const char *key;     /* in a mapping, else NULL */
	uint32_t key_line;
	const char *text; /* SCALAR, else "" */
	struct yaml_node *first, *last, *next;
};

struct yaml {
	struct arena arena;
	struct yaml_node *root; /* a NOTHING node for an empty document */
};

/* `name` stands in errors where a person would look for the line, a file's path for one. */
int yaml__parse(const char *name, const void *bytes, size_t len, struct yaml *ret_yaml, struct err *e);
void yaml__done(struct yaml *y);

const struct yaml_node *yaml__child(const struct yaml_node *map, const char *key); /* or NULL */
/* "a list", "nothing", "'text'", for errors; the text is borrowed from `scratch`. */
#define YAML_DESCRIBE_MAX 96
/* In double quotes, so that the parser reads the same text. */
void yaml__quote(const char *text, struct buf *to);
/* On one line, `{a: 5m, b: [x, "y z"]}`, quoted only where it must be: what a person reads, and the parser reads the same from. */
void yaml__write_flow(const struct yaml_node *node, struct buf *to);
/* With everything below it, not its neighbours; NULL: no memory. The depth is bounded by YAML_DEPTH_MAX. */
struct yaml_node *yaml__copy(const struct yaml_node *node, struct arena *arena);
const char *yaml__describe(const struct yaml_node *node, char scratch[YAML_DESCRIBE_MAX]);

#define yaml__for_each(node, parent) for (node = (parent)->first; node; node = node->next)

#endif
