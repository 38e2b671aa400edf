/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture_impl - what the parts of captures share: those under way (capture_slot.c), what follows them (capture_sequel.c), and the set of both (capture.c).
 *
 *      captures ──┬─ slots[]    one capture under way each                      ─┐
 *                 ├─ sequels[]  a capture that is written, its minutes after    ─┤ job: on the thread that may wait, one at a time
 *                 └─ upkeep     retention without a new one                     ─┘
 *
 * Owns: see capture.h. Thread: the loop's; a job's work is done on another, which has the job to itself meanwhile. Limit: capture.h. Errors: none.
 */
#ifndef EVERPROF_ALERT_CAPTURE_IMPL_H
#define EVERPROF_ALERT_CAPTURE_IMPL_H

#include "user/alert/capture.h"
#include "user/alert/capture_bundle.h"
#include "user/alert/capture_case.h"
#include "user/alert/capture_track.h"
#include "user/alert/capture_upkeep.h"
#include "user/store/capture_folder.h"

#define SEQUELS_MAX 16

struct capture_job {
	struct captures *owner;
	int (*work)(struct capture_job *j); /* on the thread that may wait */
	void (*done)(
		struct capture_job *
			j); /* afterwards, on the loop's; err -ECANCELED: that thread ends, nothing was done */
	bool is_at_work;    /* the other thread has it */
	int err;
};

/* What retention did; set by work. */
struct capture_tidying {
	struct capture_limits limits;
	uint64_t kept_bytes;
	uint32_t n_deleted;
	bool is_done;
};

enum capture_state { CAPTURE_FREE, CAPTURE_GATHERING, CAPTURE_MAKING, CAPTURE_WAITING };

struct capture_slot {
	struct capture_job job; /* first */
	enum capture_state state;
	struct capture_case *kase;
	struct capture_bundle bundle;
	bool is_made;
	uint64_t raise_until_ns, retry_at_ns, give_up_ns;
	uint32_t raise_hz;
	uint64_t bytes;
	struct capture_tidying tidying;
};

struct capture_sequel {
	struct capture_job job; /* first */
	bool is_used;
	struct capture_folder folder;
	struct capture_track track;
};

struct capture_upkeep_job {
	struct capture_job job; /* first */
	struct capture_tidying tidying;
};

struct captures {
	struct captures_opts opts; /* store_dir: our own copy */
	struct capture_port port;
	struct store *store;
	struct loop *loop;
	struct loop_source *tick, *slow, *event_source;
	int event_fd; /* rung by the other thread */
	struct queue *worked;
	struct capture_upkeep *upkeep;
	struct capture_slot slots[CAPTURES_MAX];
	struct capture_sequel sequels[SEQUELS_MAX];
	struct capture_upkeep_job upkeep_job;
	uint64_t next_ask, raised_since_ns;
	uint32_t raised_hz; /* wanted now */
	bool is_stopped;
	char lost_id[CAPTURE_ID_MAX]; /* of the last one */
	int lost_err;
	struct captures_stats stats;
};

/* ---- capture.c: the set ---- */
/* False: not now; the next tick tries again. */
bool captures__run(struct captures *c, struct capture_job *j);
/* As often as there is something to do. */
void captures__arm(struct captures *c);
void captures__follow_frequency(struct captures *c);
/* On the thread that may wait. */
void captures__tidy(struct captures *c, struct capture_tidying *t);
void captures__count_tidied(struct captures *c, struct capture_tidying *t);
struct capture_limits captures__limits(const struct captures *c);

/* ---- capture_slot.c: one under way ---- */
void capture_slot__init(struct capture_slot *s, struct captures *c);
/* kase becomes the slot's. */
void capture_slot__begin(struct capture_slot *s, struct capture_case *kase);
/* What is due. */
void capture_slot__step(struct capture_slot *s);
/* True: the ask was its; the fd is, too. */
bool capture_slot__take(struct capture_slot *s, uint64_t ask, int err, int fd);
/* The other thread is gone: what has a profile is written here. */
void capture_slot__finish(struct capture_slot *s);

/* ---- capture_sequel.c: what follows ---- */
/* The track becomes the sequel's. */
void capture_sequel__begin(struct captures *c, const struct capture_folder *folder,
			   struct capture_track *track);
void capture_sequels__step(struct captures *c, uint64_t mono_ns);
/* Writes what there is, here and now. */
void capture_sequels__finish(struct captures *c);

#endif
