/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture - what is kept when something is wrong: the profiles from before the moment to after it, what normal looked like, and all that explains them.
 *
 * A capture is a folder that appears whole (user/store/capture_folder.h has its place and its life). Nothing is measured for it that is not recorded
 * anyway, but for a raised frequency, so keeping costs the programs nothing; what takes long is done on a thread that sampling does not wait for.
 *
 *      begin ──> facts of the target, profile of [fired - before, fired) of each event ──> after is over ──> profile of [fired, fired + after)
 *            ──> on the publisher's thread: select, add up, baseline, difference, texts, meta.json, write ──> done, retention
 *
 * Owns: captures under way, copies of what they were asked with. Thread: that of its loop; ports as they say. Limit: CAPTURES_MAX under way,
 * captures_opts. Errors: -EBUSY one of that target is under way, -EAGAIN CAPTURES_MAX are; -EINVAL; the err is one line.
 */
#ifndef EVERPROF_ALERT_CAPTURE_H
#define EVERPROF_ALERT_CAPTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/alert/capture_request.h"
#include "user/config/event.h"

#define CAPTURES_MAX 8

struct buf;
struct captures;
struct err;
struct loop;
struct store;

typedef void (*capture_past_fn)(void *ctx, enum metric_id metric, uint64_t at_ns, double value);

/* What captures need of the agent. */
struct capture_port {
	/* Events that are recorded now, bits. */
	uint32_t (*recorded)(void *ctx);
	/* What was and will be recorded of all processes in a range (CLOCK_MONOTONIC), as bare pprof in a memfd: answers later, once, by
	 * captures__profile_done, or fails at once: -EAGAIN is tried again, -ENOENT it cannot be recorded. What is not recorded is, from then on. */
	int (*profile)(void *ctx, uint64_t ask, enum event ev, uint64_t from_ns, uint64_t to_ns);
	/* The same of a state that is looked at now: all threads, all goroutines. -EOPNOTSUPP: the event is none. NULL: there are none. */
	int (*dump)(void *ctx, uint64_t ask, enum event ev, const struct metric_target *target);
	void (*cancel)(void *ctx, uint64_t ask);
	/* Runs fn later on a thread that may wait for a disk; is_ending: the thread ends, nothing slow any more. -EAGAIN is tried again. */
	int (*run)(void *ctx, void (*fn)(void *fn_ctx, bool is_ending), void *fn_ctx);
	/* Samples a second and CPU from now on, 0: as configured. What it is now, which is less where a limit says so. */
	uint32_t (*raise)(void *ctx, uint32_t frequency_hz);
	/* What is remembered of the target's metrics, from from_ns (CLOCK_MONOTONIC) on, one metric after the other, each the oldest first. NULL: nothing. */
	void (*past)(void *ctx, const struct metric_target *target, uint64_t from_ns, capture_past_fn add,
		     void *add_ctx);
	/* The target's processes, at this moment. NULL: none. */
	void (*describe)(void *ctx, const struct metric_target *target, bool command_lines,
			 capture_process_fn add, void *add_ctx);
	void *ctx;
};

struct captures_opts {
	const char *store_dir;                   /* captures/ lies in it; copied */
	uint64_t retention_ns;                   /* 0: for ever */
	uint64_t max_bytes;                      /* 0: no limit */
	uint32_t max_per_rule;                   /* 0: no limit */
	uint32_t frequency_hz, max_frequency_hz; /* as configured, and the most that may be asked for */
	bool command_lines;                      /* may hold secrets */
};

/* Of one that is under way, and counts since the start. */
struct captures_stats {
	uint64_t n_begun, n_written, n_failed, n_refused, n_deleted, written_bytes;
	uint32_t n_running, n_waiting_for_disk;
	uint64_t raised_ns;  /* time in which the frequency was raised */
	uint64_t kept_bytes; /* on the disk, after the last upkeep */
};

/* store: where baselines come from, NULL: none. Both are borrowed. */
int captures__new(const struct captures_opts *opts, const struct capture_port *port, struct store *store,
		  struct loop *loop, struct captures **ret, struct err *err);
/* Nothing is begun, and nothing is run by the port, from now on; answers still come in. */
void captures__stop(struct captures *c);
/* After captures__stop and the end of the port's thread. What is under way is written as far as it is there, or done with -ECANCELED. */
void captures__free(struct captures *c);
void captures__set_opts(struct captures *c, const struct captures_opts *opts);
/* ret_id may be NULL. */
int captures__begin(struct captures *c, const struct capture_request *r, char ret_id[CAPTURE_ID_MAX],
		    struct err *err);
/* Is a capture of this very target under way? */
bool captures__is_busy(const struct captures *c, const struct metric_target *target);
/* 0: it is under way. -ENOENT: there is none of that id any more, or never was; else why the last one of that id was lost. */
int captures__state(const struct captures *c, const char *id);
/* Those under way: start with *cursor = 0; NULL at the end. */
const struct capture_case *captures__next_under_way(const struct captures *c, uint32_t *cursor);
/* For the port: the answer to `ask`. fd: a memfd that becomes the captures', FD_CLOSED with err. -ENODATA: nothing was recorded then. */
void captures__profile_done(struct captures *c, uint64_t ask, int err, int fd);
/* What a pass has measured of each target, for the minutes around; and its end. */
/* Is there one that takes samples? */
bool captures__are_tracked(const struct captures *c);
void captures__take_sample(struct captures *c, const struct metric_sample *s);
void captures__pass_done(struct captures *c, uint64_t mono_ns);
void captures__stats(const struct captures *c, struct captures_stats *ret);

#endif
