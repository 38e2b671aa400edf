/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture_request - what a capture is asked with, and what is told of it afterwards.
 *
 * Owns: nothing (borrowed texts). Thread: any. Limit: CAPTURE_PAIRS_MAX labels and annotations each, CAPTURE_POINTS_MAX points; more are left out.
 * Errors: none.
 */
#ifndef EVERPROF_ALERT_CAPTURE_REQUEST_H
#define EVERPROF_ALERT_CAPTURE_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "user/config/metric_sample.h"

#define CAPTURE_ID_MAX       32
#define CAPTURE_PATH_MAX     512
#define CAPTURE_POINTS_MAX   1200 /* of the series: ten minutes, two a second */
#define CAPTURE_PAIRS_MAX    32
#define CAPTURE_RANGE_MAX_NS (3600ull * 1000000000)

struct selection;

/* Of a metric. */
struct capture_point {
	uint64_t at_ns; /* CLOCK_MONOTONIC */
	double value;   /* in the metric's base unit */
};

struct capture_pair {
	const char *key, *value;
};

/* Called once for each capture that was begun, on the loop's thread. */
struct capture_result {
	const char *id;
	const char *path; /* of the folder; "" with err */
	uint64_t bytes;   /* on the disk */
	uint32_t events;  /* bits 1 << enum event: of which there is a profile */
	int err;          /* -ECANCELED: the agent ends; -ENOSPC, … */
};
typedef void (*capture_done_fn)(void *ctx, const struct capture_result *r);

/*
 * All of it is copied by captures__begin, but for `series` and `done`, which must stay callable until done was called.
 */
struct capture_request {
	const char *rule;      /* names the folder; "manual" and the like where no rule fired */
	const char *condition; /* as it was written, NULL: none */
	const char *cause;     /* one line for people: "held for 5m", "SIGUSR2"; NULL: none */
	struct metric_target target;
	const struct selection *selection; /* what it keeps, in the place of a target; NULL: the target's */
	enum metric_id metric;             /* METRIC_N: none */
	double value, threshold;           /* in the metric's base unit */
	bool lower_is_worse; /* the condition is `<`: the "highest" of an episode is its lowest */
	uint64_t episode;    /* the same for all captures of one episode, 0: one of its own */
	uint64_t fired_real_ns, fired_mono_ns; /* CLOCK_REALTIME and CLOCK_MONOTONIC of one moment */
	uint64_t
		held_ns; /* how long the condition had held by then; what is older shows what normal looks like */
	uint64_t before_ns, after_ns;
	uint32_t events; /* bits 1 << enum event; of what is not recorded that is told. 0: all that are */
	uint32_t frequency_hz; /* raised during `after`; 0: as it is */
	bool only_recorded;    /* the host is in need: nothing is recorded for it that is not anyway */
	bool baseline;
	const struct capture_pair *labels, *annotations;
	uint32_t n_labels, n_annotations;
	/*
	 * The metric's values from from_ns (CLOCK_MONOTONIC) on, the oldest first: called at the beginning, and once more at the end, where 0 means that
	 * the series is gone and the first answer stays. NULL: none.
	 */
	uint32_t (*series)(void *ctx, uint64_t from_ns, struct capture_point *ret, uint32_t max);
	capture_done_fn done; /* NULL: nobody */
	void *ctx;
};

/* A process as the capture tells of it: those above the target, itself, and those below. Texts "" where not known. */
struct capture_process {
	uint32_t pid, parent, n_threads;
	uint64_t start_ns, resident_bytes; /* start: CLOCK_BOOTTIME */
	int depth;                         /* below the target: 1, 2, …; above: -1, -2, … */
	char state;
	const char *comm, *exe, *cgroup;
	const char *command_line; /* blanks between arguments; "" where not allowed */
};
typedef void (*capture_process_fn)(void *ctx, const struct capture_process *p);

#endif
