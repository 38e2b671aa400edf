/* SPDX-License-Identifier: Apache-2.0 */
/*
 * live - profiles of a range that is partly still to come: what `seconds=N`, sessions and the live page ask for.
 *
 * Nothing new is measured for them: they are taken out of the slices that are recorded anyway, so a range may begin in the past, as far back as the
 * history goes, and any number of them costs the programs that are profiled nothing.
 *
 * Owns: the asks that wait. Thread: that of its loop; naming happens on the publisher's. Limit: LIVE_ASKS_MAX. Errors: -EAGAIN too many, -errno.
 */
#ifndef EVERPROF_PIPELINE_LIVE_H
#define EVERPROF_PIPELINE_LIVE_H

#include <stdint.h>

#include "user/config/event.h"

#define LIVE_ASKS_MAX 32

struct collector;
struct live;
struct loop;
struct publisher;

/*
 * Called once for each ask, on the loop's thread: fd is a sealed memfd with the profile as bare pprof, the receiver's. err -ENODATA: nothing was recorded
 * then; -ECANCELED.
 */
typedef void (*live_done_fn)(void *ctx, uint64_t id, int err, int fd);

int live__new(struct loop *loop, struct collector *collector, struct publisher *publisher, struct live **ret);
/* After the publisher. Asks that still wait are done with -ECANCELED. */
void live__free(struct live *l);
/* [from_ns, to_ns) in CLOCK_MONOTONIC. Of a state, with an end that is still to come: what is now, at once. */
struct live_want {
	enum event event;
	uint64_t from_ns, to_ns;
	uint32_t rate_hz; /* at least so many samples a second meanwhile, where that can be; 0: as it is */
};

int live__ask(struct live *l, uint64_t id, const struct live_want *want, live_done_fn done, void *ctx);
/* Ends it soon, with -ECANCELED; unknown ids are fine. */
void live__cancel(struct live *l, uint64_t id);

#endif
