/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pressure_trigger - the kernel's word that tasks waited for more than a share of some second, in the moment that it became true.
 *
 * Owns: a descriptor each, in the loop. Thread: the loop's. Limit: PRESSURE_TRIGGERS_MAX of a set. Errors: -E2BIG; -errno where this kernel, this user or this
 * file knows no triggers: then only the sums are there to be read.
 */
#ifndef EVERPROF_PIPELINE_PRESSURE_TRIGGER_H
#define EVERPROF_PIPELINE_PRESSURE_TRIGGER_H

#include <stdbool.h>
#include <stdint.h>

#include "user/config/metric.h"
#include "user/process/host_stat.h"

#define PRESSURE_TRIGGERS_MAX 64

struct loop;
struct loop_source;

/* All that one owner has. */
struct pressure_triggers {
	struct loop *loop;
	void (*fired)(void *ctx); /* one of them has; NULL: nobody wants to know at once */
	void *ctx;
	uint32_t n; /* that are armed */
	uint32_t
		window_us; /* of the last that was: a second, or two where this user may have no shorter one */
	uint64_t n_fired, n_refused; /* refused: no room, or not by this kernel */
};

struct pressure_trigger {
	struct pressure_triggers *of; /* NULL: not armed */
	struct loop_source *source;
	int fd;
	double percent;
	bool has_fired;
	bool is_gone; /* with its control group */
};

/* Which file and which of its lines a metric is of, by its number from psi_cpu_some_percent on. */
enum pressure_kind pressure_line__kind(int line);

/* path: of the file; fires when more than percent of a second were lost to waiting, or of two seconds, where this user may have no shorter window. */
int pressure_trigger__arm(struct pressure_trigger *t, struct pressure_triggers *of, const char *path,
			  int line, double percent);
void pressure_trigger__disarm(struct pressure_trigger *t);
/* What it has told since this was asked last, as a percentage above its own; 0: nothing. */
double pressure_trigger__take(struct pressure_trigger *t);

#endif
