/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inputs - what commands over recordings read: files, folders, stores, and the options that choose from a store.
 *
 * Owns: the configuration that names the store; the profile is the caller's. Thread: the main one. Limit: source.h. Errors: -errno with one clear line.
 */
#ifndef EVERPROF_CMD_INPUTS_H
#define EVERPROF_CMD_INPUTS_H

#include <stdbool.h>
#include <stdint.h>

#include "user/cmd/command.h"
#include "user/query/source.h"

struct config;
struct err;
struct profile;

#define INPUTS_WHAT                                                                                  \
	"FILE is a pprof file (.pb.gz, .pb.zst; - is standard input), several are added up. DIR is " \
	"a store, of which the last 10 minutes are taken, or a folder that `record` wrote. Without " \
	"any, the store of the configuration."

int inputs__take_time(const struct command_option *o, void *at, char *value, struct err *e);

/* Rows for a request with a `struct source_opts`. */
#define INPUTS_EVENT(type, field)                            \
	0, "event", "EVENT", OPTION_TEXT(type, field.event), \
		"of a store or folder: cpu (default), offcpu, memory, …"
#define INPUTS_FROM(type, field)                                                        \
	0, "from", "TIME", inputs__take_time, OPTION_AT(type, field.from_ns, uint64_t), \
		"of a store: now-1h, 2026-01-31T10:00:00Z (UTC) or seconds since 1970"
#define INPUTS_TO(type, field) \
	0, "to", "TIME", inputs__take_time, OPTION_AT(type, field.to_ns, uint64_t), "the same"
/* Where waits are shown: into a bool. */
#define INPUTS_IDLE(type, field)                   \
	0, "idle", NULL, OPTION_FLAG(type, field), \
		"waits of threads that only wait for work, too (profiling.offcpu.idle)"

/* Is the range empty? Then false. */
bool inputs__is_range(const struct source_opts *o);
/* The sum of all paths; without any the store of the configuration. */
int inputs__load(const char *const *paths, uint32_t n, const struct source_opts *o,
		 struct profile **ret_profile, struct err *err);
/* The same to be walked over. Paths and options are borrowed. */
struct inputs {
	struct source source;
	const char *path;      /* of the store of the configuration, … */
	struct config *config; /* … which is this */
};
int inputs__open(struct inputs *in, const char *const *paths, uint32_t n, const struct source_opts *o,
		 struct err *err);
void inputs__done(struct inputs *in);

#endif
