/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rule_alert - an alert, and the target that it belongs to, as the parts of the engine see them.
 *
 * Owns: see rule_engine.h. Thread: one owner. Limit: rule_engine.h. Errors: none.
 */
#ifndef EVERPROF_ALERT_RULE_ALERT_H
#define EVERPROF_ALERT_RULE_ALERT_H

#include "user/alert/alert_state.h"
#include "user/alert/capture_case.h"
#include "user/alert/capture_request.h"
#include "user/alert/notice.h"
#include "user/alert/rule_engine.h"
#include "user/alert/trend.h"

#define NONE             UINT32_MAX
#define ALERT_POINTS_MAX 600 /* of the series that a capture shows */
#define ALERT_SERIES_MAX 128 /* alerts that keep one while they are pending; what fires always does */
#define ALERT_NAME_MAX   256

/* Why what could fire does not, or what fires is not captured. */
enum alert_wait {
	WAIT_NOTHING,
	WAIT_LEARNING,
	WAIT_COOLING,
	WAIT_TARGETS, /* as many of the rule fire as may */
	WAIT_N
};

enum { NAME_COMM, NAME_EXE, NAME_CGROUP, NAME_UNIT, NAME_CONTAINER, NAME_POD, NAME_N };

/* What an alert keeps of its target, so that it can be told of when that is gone. */
struct alert_names {
	char text[NAME_N][ALERT_NAME_MAX]; /* "": not known */
};

struct alert_point {
	uint64_t at_ns;
	double value;
	uint32_t term; /* that it is of */
};

/* Of one term: each has a unit of its own, so values of two are never compared, but how bad they are (condition__severity). */
struct alert_worst {
	uint32_t term;
	double value, threshold;
};

struct alert {
	bool is_used, is_event;
	bool is_lost; /* its capture: the agent ended meanwhile, another is due */
	uint16_t rule;
	uint32_t target, next;
	struct alert_state state;
	uint64_t meant_ns;    /* the rule last matched the target; CLOCK_MONOTONIC */
	enum outcome outcome; /* of this pass */
	enum alert_wait wait;
	uint32_t term;            /* the one that speaks for it */
	double value, threshold;  /* of that term, now */
	struct alert_worst worst; /* since it fired */
	double captured; /* how bad it was at the last capture of the episode; what cooling is compared with */
	/* CLOCK_REALTIME; since: it held, before it fired; over: the episode that fired last, 0: it goes on */
	uint64_t since_real_ns, fired_real_ns, over_real_ns, cooling_until_ns;
	uint64_t busy_until_ns; /* its last capture is under way until then, CLOCK_MONOTONIC */
	uint32_t n_under_way;   /* captures; it stays as long */
	uint64_t episode;
	char capture[CAPTURE_ID_MAX]; /* the last one */
	char *path;                   /* of its folder; NULL: that is not there yet, or there is none */
	char refused[RULE_CAUSE_MAX];
	struct metric_target told; /* borrows from names */
	struct alert_names *names;
	struct trend *trends[CONDITION_TERMS_MAX];
	struct alert_point *points; /* a ring */
	uint32_t n_points, next_point;
	uint32_t generation;
};

struct target {
	struct metric_target key; /* texts NULL; the names are the alerts' */
	uint64_t texts;           /* hash */
	uint64_t first_ns;        /* CLOCK_MONOTONIC, first seen */
	uint64_t exec_ns;         /* … seen to run another program than before; 0: never */
	uint32_t exec_id;
	uint64_t matches[(RULES_MAX + 63) / 64];
	uint64_t alerted[(RULES_MAX + 63) / 64]; /* of which it has an alert */
	uint32_t pass, first_alert;
	bool is_used;
	char comm[16]; /* for lists */
};

/* What one rule said of a target in the last pass. */
struct verdict {
	uint32_t pid, target, term;
	enum outcome outcome;
	double value, threshold;
	char name[NOTICE_TEXT_MAX];
};

struct close_up {
	uint64_t rule, until_ns;   /* hash, 0: none is looked at; CLOCK_MONOTONIC */
	uint32_t pass, since_pass; /* that the verdicts are of; after which it began */
	struct verdict *verdicts;
	uint32_t n, cap, n_left_out;
};

#endif
