/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rule_impl - what the readers of a rule's fields share.
 *
 * Owns: nothing. Thread: one owner. Limit: rule.h. Errors: what was expected and what was found; who calls says where.
 */
#ifndef EVERPROF_CONFIG_RULE_IMPL_H
#define EVERPROF_CONFIG_RULE_IMPL_H

#include "user/config/rule.h"
#include "user/config/yaml.h"

struct rule_reader {
	const char *file;
	struct arena *arena;
	struct err *e;
};

int rule_reader__wrong_kind(struct rule_reader *r, const struct yaml_node *node, const char *expected);
/* ret NULL: no memory. */
const char *rule_reader__copy(struct rule_reader *r, const char *text);
int rule_reader__take_span(struct rule_reader *r, const struct yaml_node *node, uint64_t max_ns,
			   uint64_t *ret_ns);
/* An unknown key below a field; known ends with NULL. */
int rule_reader__unknown_below(struct rule_reader *r, const struct yaml_node *node, const char *const *known);

/* One field, by the key of the node. */
int rule__take_field(struct rule_reader *r, const struct yaml_node *node, struct rule *rule);
int rule__take_name(struct rule_reader *r, const struct yaml_node *node, struct rule *rule);
/* What concerns two fields at once, when all of them are in. */
int rule__check_whole(struct rule *rule, struct err *e);

/* Each keeps what the node does not speak of, so that defaults, template and rule can be read one after the other. */
int rule__take_duration(struct rule_reader *r, const struct yaml_node *node, struct rule *rule);
int rule__take_keep_firing(struct rule_reader *r, const struct yaml_node *node, struct rule *rule);
int rule__take_capture(struct rule_reader *r, const struct yaml_node *node, struct rule *rule);
int rule__take_limits(struct rule_reader *r, const struct yaml_node *node, struct rule *rule);
int rule__take_labels(struct rule_reader *r, const struct yaml_node *node, struct rule *rule);
int rule__take_annotations(struct rule_reader *r, const struct yaml_node *node, struct rule *rule);
int rule__take_notify(struct rule_reader *r, const struct yaml_node *node, struct rule *rule);

#endif
