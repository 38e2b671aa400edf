// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. Thousands of processes, some rules, once a second: comparing every name with every pattern each time would cost more than what rules watch for.
 *
 * Idea. Patterns are compared once a target, and again only where one of its names has changed (exec); a bit for each rule remembers the answer. A target
 * that has no business with any rule is 220 bytes.
 *
 * Invariants. An alert belongs to one target and one rule, and dies with either, or when the rule does not mean the target any more. The names that an alert was told with stay the same while it is told of.
 */
#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/alert/rule_engine_impl.h"

static const char *name_of(const struct metric_target *t, int name)
{
	const char *const names[NAME_N] = {t->comm, t->exe, t->cgroup, t->unit, t->container, t->pod};

	return names[name];
}

/* ---- patterns --------------------------------------------------------------------------------------------------------- */

static bool any_fits(const struct text_list *patterns, const char *text)
{
	if (!patterns->n)
		return true;
	for (uint32_t i = 0; text && i < patterns->n; i++)
		if (!fnmatch(patterns->items[i], text, 0))
			return true;
	return false;
}

static bool any_pid(const struct pid_list *pids, uint32_t pid)
{
	if (!pids->n)
		return true;
	for (uint32_t i = 0; i < pids->n; i++)
		if (pids->items[i] == pid)
			return true;
	return false;
}

bool rule__matches(const struct rule *r, const struct metric_target *t)
{
	const struct target_set *m = &r->match;

	return r->scope == t->scope && any_fits(&m->comm, t->comm) && any_fits(&m->process, t->comm) &&
	       any_fits(&m->exe, t->exe) && any_fits(&m->cgroup, t->cgroup) && any_fits(&m->unit, t->unit) &&
	       any_fits(&m->container, t->container) && any_fits(&m->pod, t->pod) && any_pid(&m->pid, t->pid);
}

static uint64_t hash_texts(const struct metric_target *t)
{
	uint64_t h = 0;

	for (int i = 0; i < NAME_N; i++) {
		const char *name = name_of(t, i);

		h = hash_pair(h, name ? hash_bytes(name, strlen(name)) : 0);
	}
	return h;
}

static void match_all(struct rule_engine *e, struct target *to, const struct metric_target *t)
{
	memset(to->matches, 0, sizeof(to->matches));
	for (uint32_t i = 0; i < e->rules.n; i++)
		if (rule__matches(&e->rules.items[i], t))
			to->matches[i / 64] |= 1ull << i % 64;
}

/* ---- targets ---------------------------------------------------------------------------------------------------------- */

/* A process that moves to another group stays what it is. */
static uint64_t hash_key(const struct metric_target *t)
{
	return hash_pair(hash_pair(t->scope, t->pid), t->pid ? t->start_ns : t->cgroup_id);
}

static bool is_same(uint32_t index, const void *key, const void *owner)
{
	const struct metric_target *a = key, *b = &((const struct rule_engine *)owner)->targets[index].key;

	return a->scope == b->scope && a->pid == b->pid && a->start_ns == b->start_ns &&
	       (a->pid || a->cgroup_id == b->cgroup_id);
}

/* A free place in an array of elements that begin zeroed; NONE: at the limit, or no memory. */
static uint32_t take_place(void **array, size_t size, uint32_t *n, uint32_t *cap, uint32_t max)
{
	if (*n == *cap) {
		uint32_t fresh = *cap ? *cap * 2 : 64;
		void *more;

		if (*cap >= max)
			return NONE;
		if (fresh > max)
			fresh = max;
		more = realloc(*array, fresh * size);
		if (!more)
			return NONE;
		*array = more;
		*cap = fresh;
	}
	return (*n)++;
}

static struct target *new_target(struct rule_engine *e, const struct metric_target *t)
{
	void *array = e->targets;
	uint32_t i = e->free_target;

	if (i != NONE) {
		e->free_target = e->targets[i].first_alert;
	} else {
		i = take_place(&array, sizeof(*e->targets), &e->n_targets, &e->targets_cap,
			       e->opts.max_targets);
		e->targets = array;
	}
	if (i == NONE)
		return NULL;
	e->targets[i] =
		(struct target){.key = *t, .first_ns = e->now.mono_ns, .first_alert = NONE, .is_used = true};
	if (hashmap__add(&e->by_key, hash_key(t), i)) {
		e->targets[i].is_used = false;
		e->targets[i].first_alert = e->free_target;
		e->free_target = i;
		return NULL;
	}
	e->stats.n_targets++;
	return &e->targets[i];
}

struct target *rule_engine__see(struct rule_engine *e, const struct metric_target *t)
{
	uint32_t i = hashmap__find(&e->by_key, hash_key(t), is_same, t, e);
	struct target *to = i != HASHMAP_NONE ? &e->targets[i] : new_target(e, t);
	uint64_t texts = hash_texts(t);

	if (!to) {
		e->stats.no_room++;
		return NULL;
	}
	if (i == HASHMAP_NONE || to->texts != texts) {
		match_all(e, to, t);
		to->texts = texts;
		snprintf(to->comm, sizeof(to->comm), "%s", t->comm ? t->comm : "");
	}
	if (to->exec_id && t->exec_id && to->exec_id != t->exec_id)
		to->exec_ns = e->now.mono_ns;
	to->exec_id = t->exec_id ? t->exec_id : to->exec_id;
	to->key.cgroup_id = t->cgroup_id;
	to->pass = e->pass;
	return to;
}

void rule_engine__drop_target(struct rule_engine *e, uint32_t index)
{
	struct target *t = &e->targets[index];

	while (t->first_alert != NONE)
		rule_engine__free_alert(e, &e->alerts[t->first_alert]);
	hashmap__remove(&e->by_key, hash_key(&t->key), index);
	*t = (struct target){.first_alert = e->free_target};
	e->free_target = index;
	e->stats.n_targets--;
}

/* ---- alerts ----------------------------------------------------------------------------------------------------------- */

struct alert *rule_engine__find_alert(struct rule_engine *e, uint32_t rule, const struct target *t)
{
	if (!(t->alerted[rule / 64] >> rule % 64 & 1))
		return NULL;
	for (uint32_t i = t->first_alert; i != NONE; i = e->alerts[i].next)
		if (e->alerts[i].rule == rule)
			return &e->alerts[i];
	return NULL;
}

struct alert *rule_engine__add_alert(struct rule_engine *e, uint32_t rule, struct target *t)
{
	uint32_t i = e->free_alert, generation = 0;
	void *array = e->alerts;

	if (i != NONE) {
		e->free_alert = e->alerts[i].next;
		generation = e->alerts[i].generation;
	} else {
		i = take_place(&array, sizeof(*e->alerts), &e->n_alerts, &e->alerts_cap, e->opts.max_alerts);
		e->alerts = array;
	}
	if (i == NONE) {
		e->stats.no_room++;
		return NULL;
	}
	e->alerts[i] = (struct alert){.is_used = true,
				      .rule = (uint16_t)rule,
				      .target = (uint32_t)(t - e->targets),
				      .next = t->first_alert,
				      .meant_ns = e->now.mono_ns,
				      .generation = generation};
	t->first_alert = i;
	t->alerted[rule / 64] |= 1ull << rule % 64;
	return &e->alerts[i];
}

void rule_engine__forget_trends(struct rule_engine *e, struct alert *a)
{
	for (int i = 0; i < CONDITION_TERMS_MAX; i++) {
		e->n_trends -= a->trends[i] != NULL;
		free(a->trends[i]);
		a->trends[i] = NULL;
	}
}

void rule_engine__free_alert(struct rule_engine *e, struct alert *a)
{
	uint32_t index = (uint32_t)(a - e->alerts), *link = &e->targets[a->target].first_alert;

	while (*link != index)
		link = &e->alerts[*link].next;
	*link = a->next;
	e->targets[a->target].alerted[a->rule / 64] &= ~(1ull << a->rule % 64);
	rule_engine__forget_trends(e, a);
	e->n_series -= a->points != NULL;
	free(a->names);
	free(a->points);
	free(a->path);
	*a = (struct alert){.next = e->free_alert, .generation = a->generation + 1};
	e->free_alert = index;
}

void rule_engine__note_point(struct rule_engine *e, struct alert *a)
{
	if (!a->points && (e->n_series < ALERT_SERIES_MAX || a->state.phase == ALERT_FIRING)) {
		a->points = malloc(ALERT_POINTS_MAX * sizeof(*a->points));
		e->n_series += a->points != NULL;
	}
	if (!a->points || isnan(a->value))
		return;
	a->points[a->next_point] = (struct alert_point){e->now.mono_ns, a->value, a->term};
	a->next_point = (a->next_point + 1) % ALERT_POINTS_MAX;
	if (a->n_points < ALERT_POINTS_MAX)
		a->n_points++;
}

int alert__name(struct alert *a, const struct metric_target *t)
{
	const char **const told[NAME_N] = {&a->told.comm, &a->told.exe,       &a->told.cgroup,
					   &a->told.unit, &a->told.container, &a->told.pod};

	if (!a->names)
		a->names = calloc(1, sizeof(*a->names));
	if (!a->names)
		return -ENOMEM;
	a->told = *t;
	for (int i = 0; i < NAME_N; i++) {
		const char *name = name_of(t, i);

		snprintf(a->names->text[i], ALERT_NAME_MAX, "%s", name ? name : "");
		*told[i] = *a->names->text[i] ? a->names->text[i] : NULL;
	}
	return 0;
}
