/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture_case - all that is known of one capture while it is made: what it was asked with, copied, and what was found out since.
 *
 * Filled on the loop's thread, then handed to the thread that makes the files, which only reads it.
 *
 * Owns: an arena with all texts, the fds of its profiles. Thread: one at a time. Limit: CASE_BYTES_MAX of texts, CASE_PROCESSES_MAX processes; more are left out.
 * Errors: -ENOMEM, -EINVAL.
 */
#ifndef EVERPROF_ALERT_CAPTURE_CASE_H
#define EVERPROF_ALERT_CAPTURE_CASE_H

#include "user/alert/capture_request.h"
#include "user/alert/capture_track.h"
#include "user/base/arena.h"
#include "user/config/event.h"
#include "user/query/selection.h"
#include "user/store/capture_name.h"

#define CASE_BYTES_MAX     ((size_t)8 << 20)
#define CASE_PROCESSES_MAX 256
#define CASE_POINTS_NS     (300ull * 1000000000) /* of the series, before it fired */
#define CASE_VALUE_MAX     48

struct profile;

enum capture_when { WHEN_BEFORE, WHEN_AFTER, WHEN_N };

/* Of one event. A dump has the moment alone: it stands in WHEN_BEFORE. */
struct capture_part {
	enum event event;
	bool is_dump;
	bool is_extra; /* nobody asked for it by name */
	struct {
		uint64_t ask;  /* 0: there is nothing to ask for */
		bool is_asked; /* else it is tried again */
		bool is_over;
		int err, fd; /* FD_CLOSED with err */
	} of[WHEN_N];
};

struct capture_case {
	struct arena arena;
	struct capture_request request; /* its texts are ours */
	struct selection selection;
	struct capture_name name;
	char id[CAPTURE_ID_MAX];
	char path[CAPTURE_PATH_MAX]; /* where its folder will be */
	char host[65], kernel[200];
	uint32_t configured_hz, raised_hz; /* 0: not raised */
	struct capture_point *points;
	uint32_t n_points;
	struct capture_track track; /* of the target; of a selection, the host's */
	struct capture_process *processes;
	uint32_t n_processes;
	struct capture_part parts[EVENT_N];
	uint32_t n_parts;
	uint32_t not_recorded; /* bits: asked for, and not recorded */
	bool is_cut_short;     /* the agent ended before `after` was over */
};

int capture_case__new(const struct capture_request *r, const char *id, struct capture_case **ret);
void capture_case__free(struct capture_case *c);
void capture_case__add_process(struct capture_case *c, const struct capture_process *p);
/* Asks the request for the series once more. */
void capture_case__read_series(struct capture_case *c);

/* -- the target -- */
/* "nginx-4711", "system", "nginx.service", "3fa9c1d2e4f5": for names of folders. */
void capture_target__name(const struct metric_target *t, const struct selection *s, char *ret_text,
			  size_t size);
/* "process nginx (pid 4711)": for people. */
void capture_target__describe(const struct metric_target *t, const struct selection *s, char *ret_text,
			      size_t size);
bool capture_target__is_same(const struct metric_target *a, const struct metric_target *b);
/* For profile__merge_as, ctx is a struct capture_case: is a sample of the target? Exact names, no patterns; a control group holds those below it. */
bool capture_case__keeps(const struct profile *p, uint32_t labels, void *ctx);

/* A metric's value with its unit, "93.5%", "120MB"; bare_name: with nothing that a folder's name may not have. */
void capture_value__format(enum metric_id metric, double value, bool bare_name,
			   char ret_text[CASE_VALUE_MAX]);

#endif
