/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rule_engine_impl - what the parts of the engine share.
 *
 *      rule_state[rule]            target[i] ── first_alert ─> alert ─> alert …          (one alert for a rule and a target that it has a state with)
 *
 * Owns: see rule_engine.h. Thread: one owner. Limit: rule_engine.h. Errors: none.
 */
#ifndef EVERPROF_ALERT_RULE_ENGINE_IMPL_H
#define EVERPROF_ALERT_RULE_ENGINE_IMPL_H

#include "user/alert/alert_past.h"
#include "user/alert/alert_programs.h"
#include "user/alert/alert_quota.h"
#include "user/alert/rule_alert.h"
#include "user/alert/rule_engine.h"
#include "user/alert/rule_judge.h"
#include "user/base/hashmap.h"

#define ALERT_CAPTURES 16

/* What is known of a rule besides its alerts. */
struct rule_state {
	uint64_t hash;
	struct alert_timing timing;
	uint32_t n_firing, n_pending, n_targets, n_known; /* of the last pass */
	uint32_t n_left; /* of the last pass: held, and had to wait for a limit */
	uint32_t n_few;  /* … had too few samples */
	uint64_t most;   /* samples, of those */
	uint64_t fired, captures, refused;
	bool has_best; /* the value that came closest in the last pass */
	double best, best_threshold, best_severity;
	uint32_t best_pid, best_term;
	char best_comm[16];
};

struct alert_capture {
	struct rule_engine *engine;
	uint32_t alert, generation, term;
	bool is_used;
	char id[CAPTURE_ID_MAX];
};

struct rule_engine {
	struct rule_engine_opts opts;
	struct rule_port port;
	struct rule_list rules;
	struct rule_state *states; /* as rules */
	struct rule_list next_rules;
	struct rule_state *next_states; /* prepared; NULL: none */
	struct target *targets;
	uint32_t n_targets, targets_cap, free_target;
	struct hashmap by_key;
	struct alert *alerts;
	uint32_t n_alerts, alerts_cap, free_alert, n_trends, n_series;
	uint32_t *ready; /* alerts of this pass that could fire */
	uint32_t n_ready, ready_cap;
	struct alert_capture captures[ALERT_CAPTURES];
	struct close_up close_up;
	struct alert_quota quota;
	struct alert_programs programs;
	struct alert_past past;
	struct rule_time now;
	uint64_t started_ns, next_episode, cpu_begin_ns;
	uint32_t pass;
	double system_cpu_percent, available_percent; /* of the host, NaN: not known */
	bool is_dirty;
	struct rule_engine_stats stats;
};

/* ---- rule_engine.c ---- */
/* Times of the wall clock may be in the future: it was set back. */
void rule_engine__turn_back(struct rule_engine *e);

/* ---- rule_target.c: who is there ---- */
struct target *rule_engine__see(struct rule_engine *e, const struct metric_target *t);
void rule_engine__drop_target(struct rule_engine *e, uint32_t index);
struct alert *rule_engine__find_alert(struct rule_engine *e, uint32_t rule, const struct target *t);
/* NULL: no room. */
struct alert *rule_engine__add_alert(struct rule_engine *e, uint32_t rule, struct target *t);
void rule_engine__free_alert(struct rule_engine *e, struct alert *a);
void rule_engine__forget_trends(struct rule_engine *e, struct alert *a);
/* The value of now, for the series of its captures. */
void rule_engine__note_point(struct rule_engine *e, struct alert *a);
int alert__name(struct alert *a, const struct metric_target *t);

/* ---- rule_report.c: in words ---- */
#define WHY_MAX 320
void rule_engine__why(const struct rule_engine *e, const struct alert *a, char ret[WHY_MAX]);
/* With its unit; "-" where there is none. */
void rule__format_value(const struct rule *r, uint32_t term, double value, char ret[CASE_VALUE_MAX]);

/* ---- rule_close_up.c: one rule, each target ---- */
void close_up__expire(struct rule_engine *e);
void close_up__note(struct rule_engine *e, uint32_t target, const struct metric_target *t,
		    const struct judgement *j);

/* ---- rule_fire.c: what is done ---- */
void rule_engine__fire_ready(struct rule_engine *e);
void rule_engine__rise(struct rule_engine *e, struct alert *a);
void rule_engine__resolve(struct rule_engine *e, struct alert *a);
void rule_engine__fire_event(struct rule_engine *e, struct alert *a, double value);
/* The agent ended while it was under way. */
void rule_engine__lose_capture(struct rule_engine *e, struct alert *a);
struct alert_news rule_engine__news(const struct rule_engine *e, const struct alert *a,
				    enum alert_news_kind kind);
const char *alert_wait__text(enum alert_wait wait);

#endif
