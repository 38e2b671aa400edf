/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gc_label - which rows of a window of CPU time are garbage collection: the label gc.
 *
 * Owns: two bytes a stack node of the window. Thread: one. Limit: none. Errors: -ENOMEM.
 */
#ifndef EVERPROF_PIPELINE_GC_LABEL_H
#define EVERPROF_PIPELINE_GC_LABEL_H

#include <stdint.h>

struct gc_labels;
struct profile;
struct window;
struct window_row;

/* p has a location for each frame of the window, locations[frame] its id. All are borrowed. */
int gc_labels__new(const struct window *w, const struct profile *p, const uint32_t *locations,
		   struct gc_labels **ret);
void gc_labels__free(struct gc_labels *l);
/* "" where it is none. */
const char *gc_labels__of(const struct gc_labels *l, const struct window_row *row);

#endif
