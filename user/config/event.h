/* SPDX-License-Identifier: Apache-2.0 */
/*
 * event - the kinds of profile that everprof makes, by the names that users and files know them.
 *
 * Owns: nothing. Thread: any. Limit: EVENT_N. Errors: -ENOENT for an unknown name.
 */
#ifndef EVERPROF_CONFIG_EVENT_H
#define EVERPROF_CONFIG_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "bpf/event.h"

const char *event__name(enum event ev);
const char *event__help(enum event ev);
/* What a row of the event counts ("samples"), and what it adds up ("cpu", NULL where counting is all) in which unit. */
const char *event__counted(enum event ev);
const char *event__added(enum event ev);
const char *event__unit(enum event ev);
int event__find(const char *name, enum event *ret_ev);
/*
 * Does a profile of this event tell how things are at a moment (threads, goroutines, the heap in use), rather than what happened in a stretch of time? States
 * of several moments are never added up: of a range the last one counts. false for unknown names.
 */
bool event__is_state(const char *name);

#endif
