/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host_event - something that happened once, and that a rule may answer to: the kernel killed a process for memory, a signal ended one, a program of a new
 * build was seen for the first time.
 *
 * Owns: nothing; texts are borrowed for the time of the call that hands it over. Thread: any. Limit: none. Errors: none.
 */
#ifndef EVERPROF_CONFIG_HOST_EVENT_H
#define EVERPROF_CONFIG_HOST_EVENT_H

#include <stdint.h>

#include "user/config/metric_sample.h"

/* id, name in rules and metrics */
#define HOST_EVENTS(X)                  \
	X(OOM_KILL, "oom_kill")         \
	X(FATAL_SIGNAL, "fatal_signal") \
	X(NEW_BUILD, "new_build")

enum host_event_kind {
#define X(id, name) HOST_EVENT_##id,
	HOST_EVENTS(X)
#undef X
		HOST_EVENT_N
};

struct host_event {
	enum host_event_kind kind;
	struct metric_target target; /* the process: the victim; the first that was seen to run the build */
	uint64_t at_ns;              /* CLOCK_MONOTONIC */
	int signal;                  /* that ended it; 0 for a build */
	uint64_t rss_bytes;          /* OOM_KILL: what it had resident when it was chosen; 0: not known */
	const char *build_id;        /* NEW_BUILD: hex digits; else NULL */
	const char *path;            /* NEW_BUILD: of the program, as the process sees it; else NULL */
};

static inline const char *host_event__name(enum host_event_kind kind)
{
	static const char *const names[HOST_EVENT_N] = {
#define X(id, name) name,
		HOST_EVENTS(X)
#undef X
	};

	return names[kind];
}

#endif
