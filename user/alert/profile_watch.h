/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_watch - what rules want to know of profiles, asked of each window where it is named, told to the rules where they are judged.
 *
 *      thread that names windows:  look(profile) ─> a table of shares ──┐ one lock
 *      thread that judges rules:   set(rules), then turn() each pass  <─┘     find(condition, target)
 *
 * Owns: tables, its copy of the patterns, what is remembered of builds. Thread: look on one, all else on another. Limit: SHARE_WANTS_MAX patterns; share_table.h,
 * build_drift.h. Errors: -ENOMEM.
 */
#ifndef EVERPROF_ALERT_PROFILE_WATCH_H
#define EVERPROF_ALERT_PROFILE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "user/alert/profile_value.h"
#include "user/config/condition.h"
#include "user/config/metric_sample.h"

struct profile;
struct profile_watch;
struct rule_list;

/* store: where the windows of agents before this one are; NULL: nowhere. */
int profile_watch__new(const char *store, struct profile_watch **ret);
void profile_watch__free(struct profile_watch *w);
/* Which patterns: those of the rules, copied. -E2BIG: more than SHARE_WANTS_MAX, the rest is not known. */
int profile_watch__set(struct profile_watch *w, const struct rule_list *rules);
/* A window of CPU time, sealed. now_ns: CLOCK_MONOTONIC. */
void profile_watch__look(struct profile_watch *w, const struct profile *p, uint64_t now_ns);
/* From now on find() tells what the last look has found. */
void profile_watch__turn(struct profile_watch *w, uint64_t now_ns);
/* false: there was no window for the last two, or no sample of the target in it. */
bool profile_watch__find(const struct profile_watch *w, const struct condition *c,
			 const struct metric_target *target, struct profile_value *ret);

#endif
