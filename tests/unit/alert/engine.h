/* SPDX-License-Identifier: Apache-2.0 */
/*
 * engine - the engine of rules over a fake of what captures and tells: rules as text, targets as a few numbers, a second a pass.
 *
 * Owns: a fixture is set_up's, tear_down frees it. Thread: one. Limit: MANY captures. Errors: a failed assertion.
 */
#ifndef EVERPROF_TESTS_ALERT_ENGINE_H
#define EVERPROF_TESTS_ALERT_ENGINE_H

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/alert/profile_value.h"
#include "user/alert/rule_engine.h"
#include "user/base/arena.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/config/event.h"
#include "user/config/yaml.h"

#define S    1000000000ull
#define MB   1e6
#define MANY 400

struct fixture {
	struct arena arena;
	struct rule_list rules;
	struct rule_engine *engine;
	struct rule_engine_opts opts;
	struct rule_time now;
	/* what the fake saw */
	uint32_t n_captures, n_firing, n_resolved, n_captured;
	uint32_t pids[MANY];
	struct capture_request last;
	char last_cause[128], last_refused[128], last_path[64], last_annotation[256];
	uint32_t last_left;
	double last_value;
	/* of the last news of any kind */
	enum metric_id last_metric;
	double last_worst, last_threshold;
	char last_id[CAPTURE_ID_MAX];
	uint64_t last_since_ns, last_fired_ns, last_ended_ns;
	bool is_full, answers_at_once;
	uint64_t bytes;
	struct profile_value profile; /* of every target; n 0: there is none */
};

void read_rules(struct fixture *f, const char *text);
/* Long after its start, so that nothing is learning. */
void start(struct fixture *f, const char *text);
int set_up(void **state);
int tear_down(void **state);
/* Of a process; pid 0: of the host. */
struct metric_sample sample_of(const struct fixture *f, uint32_t pid, enum metric_id id, double value);
void tick(struct fixture *f);
/* One pass over process 1, by that name. */
void pass_named_one(struct fixture *f, const char *comm, enum metric_id id, double value);
/* One pass over one process, or the host, with two metrics. */
void pass_two(struct fixture *f, uint32_t pid, enum metric_id id, double value, enum metric_id other,
	      double other_value);
/* One pass over processes 1..n with these values, NULL: none. */
void pass_of(struct fixture *f, enum metric_id id, const double *values, uint32_t n);
void pass_one(struct fixture *f, enum metric_id id, double value);

#define CPU        METRIC_cpu_usage_percent
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
