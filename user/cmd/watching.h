/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watching - the agent's pass over what everything uses (pipeline/usage), and what happens in between, for all who look: rules, captures, the page. A pass a
 * second where somebody looks, else one in five seconds.
 *
 * Owns: the usage, a timer. Thread: the loop's. Limit: WATCHERS_MAX. Errors: -errno at the start; a pass that fails is logged.
 */
#ifndef EVERPROF_CMD_WATCHING_H
#define EVERPROF_CMD_WATCHING_H

#include <stdbool.h>
#include <stdint.h>

#include "user/config/host_event.h"
#include "user/pipeline/usage.h"

#define WATCHERS_MAX 8

struct ceiling;
struct collector;
struct loop;
struct watching;

/* Any may be NULL, but who takes samples says when. */
struct watcher {
	void *ctx;
	bool (*is_asking)(void *ctx);                             /* samples are of use now */
	void (*sample)(void *ctx, const struct metric_sample *s); /* see usage__pass for their order */
	void (*done)(void *ctx, uint64_t at_ns);                  /* all samples of a pass were told */
	void (*event)(void *ctx, const struct host_event *e);     /* what happened once, between passes */
	uint64_t want[SCOPE_N];                                   /* metrics, bits 1 << enum metric_id */
};

/* Both are borrowed; ceiling may be NULL. */
int watching__new(struct loop *loop, struct collector *collector, struct ceiling *ceiling,
		  struct watching **ret);
void watching__free(struct watching *w);
/* Its number, or -E2BIG. */
int watching__add(struct watching *w, const struct watcher *watcher);
/* What the watcher of that number wants from now on. */
void watching__want(struct watching *w, int watcher, const uint64_t want[SCOPE_N]);
/* Above which percentages of pressure the kernel is to tell at once (usage__arm): a pass follows then. */
void watching__arm(struct watching *w, const double above[SCOPE_N][PRESSURE_LINES]);
/* For collector_ports.happened: logs it and tells the watchers; after a kill for memory the windows so far are written, the victim's last in them. */
void watching__happened(struct watching *w, const struct host_event *e);
/* What is known by now. */
struct usage *watching__usage(struct watching *w);
/* The same for somebody who looks at the host as it is: a second old at the most, and so for the next minute. */
struct usage *watching__look(struct watching *w);

#endif
