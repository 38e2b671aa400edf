/* SPDX-License-Identifier: Apache-2.0 */
/*
 * location - from frame words to a profile's locations: mapping, address, function.
 *
 * Owns: nothing. Thread: that of the namer's symbolizer. Limit: the profile's. Errors: as naming.h.
 */
#ifndef EVERPROF_PIPELINE_LOCATION_H
#define EVERPROF_PIPELINE_LOCATION_H

#include <stdint.h>

struct naming;
struct profile;
struct window;

/* Adds a location for each frame of the window; locations[frame] is its id. ret_n_gone: frames whose file cannot be opened any more. */
int location__name_frames(const struct naming *n, const struct window *w, struct profile *p,
			  uint32_t *locations, uint64_t *ret_n_gone);

#endif
