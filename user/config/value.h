/* SPDX-License-Identifier: Apache-2.0 */
/*
 * value - one key's value: from a YAML node or a text into struct config, and back to YAML.
 *
 * Owns: nothing, texts live in the arena given. Thread: one loader. Limit: the key's range.
 * Errors: -EINVAL, -ERANGE, -E2BIG, -ENOMEM; the err tells what was expected and what was found, not where.
 */
#ifndef EVERPROF_CONFIG_VALUE_H
#define EVERPROF_CONFIG_VALUE_H

struct arena;
struct buf;
struct config;
struct err;
struct key;
struct yaml_node;

/* `name` is where the node comes from; errors inside rules name it with their line, as they stand many lines below their key. */
int value__take(const struct key *k, const struct yaml_node *node, const char *name, struct arena *arena,
		struct config *c, struct err *e);
/* The same from the environment, --set or the table: a scalar as it is, lists as `a,b` or in YAML, `[a, b]`. */
int value__take_text(const struct key *k, const char *text, const char *name, struct arena *arena,
		     struct config *c, struct err *e);
/* Appends the value as YAML; rules as a block indented by two under their key, all else on the line. */
void value__format(const struct key *k, const struct config *c, struct buf *to);

#endif
