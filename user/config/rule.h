/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rule - what is to be captured, and when: one entry of `alerts`, parsed and checked.
 *
 *      name       HighCPUUsage                     unique; names the folder of its captures
 *      condition  cpu_usage_percent > 80           METRIC OP VALUE[UNIT], OP one of > >= < <=
 *      duration   5m                               how long the condition must hold
 *      action     capture_cpu_profile              capture_<event>_profile, one or a list
 *      scope      system | cgroup | container | process
 *      match      {comm: "api-*", unit: [a, b]}    which of the scope's things; of each kind one pattern must match
 *      capture    {before: 30s, after: 30s}        what is kept around the moment it fires
 *
 * Owns: nothing, texts live in the arena given. Thread: any. Limit: RULES_MAX rules, YAML's limits, RULE_NAME_MAX.
 * Errors: -EINVAL; -E2BIG, -ENOMEM; the err names file, line and key.
 */
#ifndef EVERPROF_CONFIG_RULE_H
#define EVERPROF_CONFIG_RULE_H

#include <stddef.h>
#include <stdint.h>

#include "user/config/condition.h"
#include "user/config/target.h"

struct arena;
struct err;
struct yaml_node;

#define RULES_MAX            256
#define RULE_NAME_MAX        64
#define RULE_DURATION_MAX_NS (24ull * 3600 * 1000000000)
#define RULE_CAPTURE_MAX_NS  (600ull * 1000000000)

struct rule {
	const char *name;
	struct condition condition;
	uint64_t duration_ns;
	uint32_t capture_events; /* bits 1 << enum event */
	enum scope scope;
	struct target_set match;
	uint64_t before_ns, after_ns;
	uint32_t line; /* where it stands, for messages later */
};

struct rule_list {
	const struct rule *items;
	uint32_t n;
};

/* One field of a rule, for the reference of the configuration. */
struct rule_field {
	const char *name, *type, *fallback, *help; /* fallback NULL: the field must be there */
};

/* `name` is the file's, for errors. */
int rule__parse_list(const char *name, const struct yaml_node *node, struct arena *arena,
		     struct rule_list *ret_rules, struct err *e);
/* "capture_cpu_profile" */
#define RULE_ACTION_MAX 48
int rule__parse_action(const char *text, uint32_t *ret_events, struct err *e);
void rule__format_action(unsigned int event, char ret_text[RULE_ACTION_MAX]);
/* Ends with a field without a name. */
const struct rule_field *rule__fields(void);

#endif
