/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rule - what is to be captured, and when: one entry of `alerts`, parsed and checked.
 *
 *      name         HighCPUUsage                     unique; names the folder of its captures
 *      condition    cpu_usage_percent > 80           see condition_set.h
 *      duration     5m | {count: 20, in: 30s}        how long the condition must hold, or in how many of so many seconds
 *      action       capture_cpu_profile              capture_<event>_profile, keep, none: one or a list
 *      scope        system | cgroup | container | process
 *      match        {comm: "api-*", unit: [a, b]}    which of the scope's things; of each kind one pattern must match; {label: {unit: a}} says the same
 *      capture      {before: 30s, after: 30s}        what is kept around the moment it fires, in how much detail
 *      clear, keep_firing                            when what fires is over
 *      limits       {cooldown: 10m, targets: 5}      how often it may
 *      labels, annotations, notify                   what is told, and whom
 *      template     hot                              fields that stand in alerting.templates.hot, below them alerting.defaults
 *
 * Owns: nothing, texts live in the arena given. Thread: any. Limit: RULES_MAX rules, YAML's limits, RULE_NAME_MAX, the *_MAX below.
 * Errors: -EINVAL; -E2BIG, -ENOMEM; the err names file, line and key.
 */
#ifndef EVERPROF_CONFIG_RULE_H
#define EVERPROF_CONFIG_RULE_H

#include <stddef.h>
#include <stdint.h>

#include "user/config/condition_set.h"
#include "user/config/target.h"

struct arena;
struct buf;
struct err;
struct yaml_node;

#define RULES_MAX            256
#define RULE_NAME_MAX        64
#define RULE_DURATION_MAX_NS (24ull * 3600 * 1000000000)
#define RULE_CAPTURE_MAX_NS  (600ull * 1000000000)
#define RULE_HITS_MAX_NS     (600ull * 1000000000) /* of `in`, which is kept by the second */
#define RULE_PAIRS_MAX       16                    /* labels, annotations */
#define RULE_PAIR_TEXT_MAX   1024
#define RULE_NOTIFY_MAX      8
#define RULE_ARGS_MAX        32 /* of a program that is run, with its path */
#define RULE_TARGETS_MAX     64

struct rule_pair {
	const char *key, *value;
};

struct rule_pairs {
	struct rule_pair items[RULE_PAIRS_MAX];
	uint32_t n;
};

enum notify_kind { NOTIFY_WEBHOOK, NOTIFY_ALERTMANAGER, NOTIFY_RUN };

struct rule_notify {
	enum notify_kind kind;
	const char *url;       /* WEBHOOK, ALERTMANAGER */
	struct text_list argv; /* RUN */
};

struct rule_limits {
	uint64_t cooldown_ns;    /* of a target, after it fired … */
	uint64_t escalation_ppm; /* … unless the value is so much worse than then */
	uint64_t targets;        /* that may fire at once */
	uint64_t captures_per_hour;
	uint64_t learning_ns; /* after the start of the agent and of a process */
};

struct rule {
	const char *name;
	struct condition_set condition;
	uint64_t duration_ns;      /* without a break, or … */
	uint64_t hits, hits_in_ns; /* … in so many seconds of these; hits 0: not so */
	uint64_t keep_firing_ns;   /* after it was over */
	const char *clear;         /* as written, NULL: not */
	bool captures;             /* an action but `none` */
	uint32_t capture_events;   /* bits 1 << enum event; 0: all that are recorded */
	enum scope scope;
	struct target_set match;
	uint64_t before_ns, after_ns;
	uint64_t frequency_hz; /* raised during `after`, 0: not */
	bool baseline;
	struct rule_limits limits;
	struct rule_pairs labels, annotations;
	struct rule_notify notify[RULE_NOTIFY_MAX];
	uint32_t n_notify;
	uint32_t line; /* where it stands, for messages later */
};

struct rule_list {
	const struct rule *items;
	uint32_t n;
};

/* What rules are made from; nodes live as long as the arena. */
struct rule_source {
	const char *name; /* of the file, for errors */
	const struct yaml_node *node;
};

/* One field of a rule, for the reference of the configuration. */
struct rule_field {
	const char *name, *type, *fallback, *help; /* fallback NULL: the field must be there */
};

/* defaults, templates: fields of rules, and sections of those by name; NULL or without a node: none. */
int rule__parse_list(const struct rule_source *rules, const struct rule_source *defaults,
		     const struct rule_source *templates, struct arena *arena, struct rule_list *ret_rules,
		     struct err *e);
/* "capture_cpu_profile" */
#define RULE_ACTION_MAX 48
int rule__parse_action(const char *text, uint32_t *ret_events, struct err *e);
void rule__format_action(unsigned int event, char ret_text[RULE_ACTION_MAX]);
/* As an item of a YAML list, whole, so that it reads to the same rule without templates. */
void rule__format(const struct rule *r, struct buf *to);
/* Ends with a field without a name. */
const struct rule_field *rule__fields(void);

#endif
