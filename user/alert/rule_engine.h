/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rule_engine - judges every target by every rule, once a second, and decides what is captured and who is told.
 *
 *      begin ─> take(sample) for each target ─> end:  what could fire is sorted by how bad it is, limits are applied, ports are called
 *               event(oom_kill, …) at any time in between
 *
 * Owns: targets, alerts, the count of captures. Thread: one owner; ports are called on it. Limit: rule_engine_opts; what has no room is counted.
 * Errors: -ENOMEM; -EBADMSG from a state that is damaged.
 */
#ifndef EVERPROF_ALERT_RULE_ENGINE_H
#define EVERPROF_ALERT_RULE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/alert/capture_request.h"
#include "user/config/rule.h"

#define RULE_TARGETS_KNOWN_MAX 20000
#define RULE_ALERTS_MAX        8192
#define RULE_TRENDS_MAX        4096
#define RULE_CAUSE_MAX         128

struct buf;
struct err;
struct profile_value;
struct rule_engine;

enum alert_news_kind { NEWS_FIRING, NEWS_CAPTURED, NEWS_RESOLVED };

/* What happened to an alert; borrowed for the time of the call. */
struct alert_news {
	enum alert_news_kind kind;
	const struct rule *rule;
	const struct metric_target *target; /* its texts do not change while it is told of */
	enum metric_id metric;              /* METRIC_N: an event */
	double value, threshold;            /* the value that fired, or a worse one since */
	uint64_t since_real_ns, fired_real_ns, ended_real_ns; /* held, fired, is over; 0: still fires */
	uint64_t episode;
	const char *capture; /* id, "": none */
	const char *path;    /* of its folder, "": that is not there yet */
	const char *refused; /* FIRING: why nothing is captured, "" */
	uint32_t n_left;     /* targets of the rule that could fire as well, and may not */
};

struct rule_port {
	/* As captures__begin; NULL: nothing is captured. */
	int (*capture)(void *ctx, const struct capture_request *r, char ret_id[CAPTURE_ID_MAX],
		       struct err *err);
	void (*tell)(void *ctx, const struct alert_news *news); /* NULL: nobody */
	/* What the last window's profile says; false: nothing. NULL: there are none. */
	bool (*of_profile)(void *ctx, const struct condition *c, const struct metric_target *target,
			   struct profile_value *ret);
	void *ctx;
};

struct rule_engine_opts {
	uint64_t captures_per_hour, capture_bytes_per_day;
	uint64_t window_ns;                           /* of a CPU profile: after so long there is the first */
	uint32_t max_targets, max_alerts, max_trends; /* 0: the *_MAX above */
	const char *host;                             /* for annotations; borrowed */
};

/* The clocks of one moment. */
struct rule_time {
	uint64_t mono_ns, real_ns, boot_ns;
};

struct rule_engine_stats {
	uint32_t n_rules, n_targets, n_pending, n_firing;
	uint64_t passes, fired, resolved, captures, refused; /* of captures: by a limit */
	uint64_t left;     /* could fire, and were not let: once each pass */
	uint64_t no_room;  /* targets and alerts for which there was none */
	uint64_t judge_ns; /* CPU time of all passes */
};

/* Do the rule's scope and patterns fit? */
bool rule__matches(const struct rule *r, const struct metric_target *t);
/* rules are borrowed and must live until the next rule_engine__set_rules. */
int rule_engine__new(const struct rule_engine_opts *opts, const struct rule_port *port,
		     const struct rule_list *rules, const struct rule_time *now, struct rule_engine **ret);
void rule_engine__free(struct rule_engine *e);
/* prepare makes what set_rules needs, which then cannot fail. Rules that read as before keep their states; alerts of others that fired are told to be over. */
int rule_engine__prepare(struct rule_engine *e, const struct rule_list *rules);
void rule_engine__set_rules(struct rule_engine *e, const struct rule_engine_opts *opts,
			    const struct rule_time *now);
/* Bits 1 << enum metric_id by scope: what has to be measured; above which percentages rules have thresholds of pressure, by line from psi_cpu_some_percent on, 0: none. */
void rule_engine__wants(const struct rule_engine *e, uint64_t ret_metrics[SCOPE_N]);
void rule_engine__pressures(const struct rule_engine *e, double ret_above[SCOPE_N][PRESSURE_LINES]);

void rule_engine__begin(struct rule_engine *e, const struct rule_time *now);
void rule_engine__take(struct rule_engine *e, const struct metric_sample *s);
void rule_engine__end(struct rule_engine *e);
void rule_engine__event(struct rule_engine *e, const struct host_event *event, const struct rule_time *now);

/* Calls fn for each alert that fires: to tell again those who forget. */
void rule_engine__each_firing(struct rule_engine *e, void (*fn)(void *ctx, const struct alert_news *news),
			      void *ctx);
void rule_engine__stats(const struct rule_engine *e, struct rule_engine_stats *ret);

/* What survives a restart (rule_memory.c). boot_id: targets but the system are another's after a boot. */
bool rule_engine__is_dirty(const struct rule_engine *e);
int rule_engine__save(struct rule_engine *e, const char *boot_id, struct buf *to);
int rule_engine__restore(struct rule_engine *e, const char *boot_id, const void *bytes, size_t len,
			 const struct rule_time *now);

/* As JSON in Prometheus' shape, with why what has not fired has not (rule_report.c); beside the alerts those that are over. */
void rule_engine__report_rules(const struct rule_engine *e, const char *host, struct buf *to);
void rule_engine__report_alerts(const struct rule_engine *e, const char *host, struct buf *to);
/* One rule, closely: from the next pass on its verdict on each target is kept, and print_close_up tells it, the worst first. -ENOENT: no such rule; -EAGAIN: no pass since. */
int rule_engine__look_at(struct rule_engine *e, const char *rule);
int rule_engine__print_close_up(struct rule_engine *e, const char *rule, struct buf *to);
/* For people, as `everprof rules` prints it; and for /metrics. */
void rule_engine__print(const struct rule_engine *e, struct buf *to);
void rule_engine__print_metrics(const struct rule_engine *e, struct buf *to);

#endif
