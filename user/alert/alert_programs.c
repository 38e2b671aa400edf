// SPDX-License-Identifier: Apache-2.0
#include "user/alert/alert_programs.h"

#include <stddef.h>
#include <string.h>

#include "user/alert/rule_memory.h"

static uint64_t add_text(uint64_t h, const char *text)
{
	/* its NUL too: ("ab", "c") is not ("a", "bc") */
	return rule_memory__hash(h, text ? text : "", (text ? strlen(text) : 0) + 1);
}

uint64_t alert_program__of(const struct metric_target *t)
{
	const char *name = t->scope == SCOPE_PROCESS  ? (t->exe ? t->exe : t->comm)
			   : t->scope == SCOPE_CGROUP ? t->cgroup
						      : t->pod; /* a container's id is new each time */
	uint64_t h = rule_memory__hash(RULE_MEMORY_HASH, &(uint32_t){t->scope}, sizeof(uint32_t));

	if (!name || t->scope == SCOPE_SYSTEM)
		return 0;
	h = add_text(h, name);
	if (t->scope == SCOPE_PROCESS) {
		h = add_text(h, t->comm); /* what an interpreter runs */
		h = add_text(h, t->unit);
		h = add_text(h, t->pod);
	}
	return h ? h : 1;
}

void alert_programs__note(struct alert_programs *l, const struct alert_program *p)
{
	struct alert_program *at = &l->items[0];

	for (int i = 0; i < ALERT_PROGRAMS_MAX; i++) {
		struct alert_program *o = &l->items[i];

		if (o->rule == p->rule && o->program == p->program) {
			at = o;
			break;
		}
		if (o->until_ns < at->until_ns)
			at = o;
	}
	*at = *p;
}

const struct alert_program *alert_programs__find(const struct alert_programs *l, uint64_t rule,
						 uint64_t program)
{
	for (int i = 0; program && i < ALERT_PROGRAMS_MAX; i++)
		if (l->items[i].rule == rule && l->items[i].program == program)
			return &l->items[i];
	return NULL;
}
