/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait_label - why, in which system call, for what kind of thing a row waited, and whether that was idling: the labels state, syscall, wait, idle.
 *
 * Owns: what it has found out of a window's functions and stacks. Thread: one. Limit: some 10 bytes a function and stack node of the window. Errors: -ENOMEM.
 */
#ifndef EVERPROF_PIPELINE_WAIT_LABEL_H
#define EVERPROF_PIPELINE_WAIT_LABEL_H

#include <stdint.h>

struct idle_match;
struct profile;
struct wait_labels;
struct window;
struct window_row;

/* "" where there is none. */
struct wait_label {
	const char *state, *syscall, *wait, *idle;
};

/* p has a location for each frame of the window, locations[frame] its id. All are borrowed; idle may be NULL: nothing is. */
int wait_labels__new(const struct window *w, const struct profile *p, const uint32_t *locations,
		     struct idle_match *idle, struct wait_labels **ret);
void wait_labels__free(struct wait_labels *l);
struct wait_label wait_labels__of(struct wait_labels *l, const struct window_row *row);

#endif
