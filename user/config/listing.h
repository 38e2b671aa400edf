/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listing - the configuration as a person reads it: `config show`, docs/configuration.md, and what a reload leaves to the next start.
 *
 * Owns: nothing. Thread: any. Limit: the buffer's. Errors: sticky in the buffer.
 */
#ifndef EVERPROF_CONFIG_LISTING_H
#define EVERPROF_CONFIG_LISTING_H

struct buf;
struct config;

/* Every effective value as YAML that loads to the same configuration, with its origin as a comment. */
void listing__show(const struct config *c, struct buf *to);
/* The names of keys that change at a start only (key.h) and have another value in `fresh` than in `running`, with ", " between them. */
void listing__waiting(const struct config *running, const struct config *fresh, struct buf *to);
/* The reference of all keys, rules, metrics and events, as Markdown. */
void listing__reference(struct buf *to);

#endif
