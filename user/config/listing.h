/* SPDX-License-Identifier: Apache-2.0 */
/*
 * listing - the configuration as a person reads it: `config show` and docs/configuration.md.
 *
 * Owns: nothing. Thread: any. Limit: the buffer's. Errors: sticky in the buffer.
 */
#ifndef EVERPROF_CONFIG_LISTING_H
#define EVERPROF_CONFIG_LISTING_H

struct buf;
struct config;

/* Every effective value as YAML that loads to the same configuration, with its origin as a comment. */
void listing__show(const struct config *c, struct buf *to);
/* The reference of all keys, rules, metrics and events, as Markdown. */
void listing__reference(struct buf *to);

#endif
