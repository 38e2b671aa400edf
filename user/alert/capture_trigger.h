/* SPDX-License-Identifier: Apache-2.0 */
/*
 * capture_trigger - a capture that somebody asks for, as text: lines `key=value`, from the command line, from a request, from an alert of somebody else.
 *
 *      pid=4711  |  comm=api-*  cgroup=…  container=…  pod=…  unit=…  exe=…  process=…     of each kind that is named one must match; none: the machine
 *      before=30s after=10s events=cpu,offcpu frequency=499 baseline=yes|no
 *      rule=NAME cause=TEXT label.KEY=VALUE annotation.KEY=VALUE
 *
 * The text comes from the process that serves the network: it is read as an enemy's.
 *
 * Owns: nothing; texts lie in the caller's copy of the text, which is cut up. Thread: any. Limit: TRIGGER_TEXT_MAX bytes. Errors: -EINVAL, the err names the line.
 */
#ifndef EVERPROF_ALERT_CAPTURE_TRIGGER_H
#define EVERPROF_ALERT_CAPTURE_TRIGGER_H

#include <stddef.h>

#include "user/alert/capture_request.h"
#include "user/query/selection.h"

#define TRIGGER_TEXT_MAX 4096
#define TRIGGER_RULE     "manual"

struct err;

/* What the text does not say is as it was before: fill in defaults first. */
struct capture_trigger {
	struct capture_request request;
	struct selection selection; /* n 0: none */
	uint32_t pid;               /* 0: none */
	struct capture_pair labels[CAPTURE_PAIRS_MAX], annotations[CAPTURE_PAIRS_MAX];
};

/* `text` is changed, and must live as long as the trigger. */
int capture_trigger__parse(char *text, struct capture_trigger *t, struct err *err);
/* Of a whole machine, of all events that are recorded, at this moment. */
void capture_trigger__init(struct capture_trigger *t, uint64_t before_ns, uint64_t after_ns);

#endif
