/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inputs - what commands over recordings read: files, folders, stores, and the options that choose from a store.
 *
 * Owns: the profile is the caller's. Thread: the main one. Limit: source.h. Errors: -errno with one clear line.
 */
#ifndef EVERPROF_CMD_INPUTS_H
#define EVERPROF_CMD_INPUTS_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct profile;
struct source_opts;

/* getopt values of --event, --from, --to; a command's own begin at INPUTS_OPT_MAX. */
enum { INPUTS_EVENT = 256, INPUTS_FROM, INPUTS_TO, INPUTS_OPT_MAX };

/* One of the above; -EINVAL with the err set. */
int inputs__option(struct source_opts *o, int opt, const char *value, struct err *err);
/* Is the range empty? Then false. */
bool inputs__is_range(const struct source_opts *o);
/* The sum of all paths; without any the store of the configuration. */
int inputs__load(const char *const *paths, uint32_t n, const struct source_opts *o,
		 struct profile **ret_profile, struct err *err);

#endif
