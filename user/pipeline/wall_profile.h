/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wall_profile - what the kernel accounts of each thread in a window, as a profile: time on a CPU, waiting for one, waiting for something else, and their
 * sum. `everprof top --wall` holds the samples of cpu and offcpu against it.
 *
 * Owns: nothing but what it returns. Thread: any; the window must be closed. Limit: the profile's. Errors: -ENOMEM, -E2BIG.
 */
#ifndef EVERPROF_PIPELINE_WALL_PROFILE_H
#define EVERPROF_PIPELINE_WALL_PROFILE_H

#include <stdbool.h>

#define WALL_EVENT "wall"

struct profile;
struct window;

/* w: of waits. Its only frame is the thread's name. */
int wall_profile__make(const struct window *w, bool label_tid, struct profile **ret_profile);

#endif
