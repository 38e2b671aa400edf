// SPDX-License-Identifier: Apache-2.0
#include "user/alert/profile_watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "user/alert/build_drift.h"
#include "user/alert/share_table.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/config/rule.h"
#include "user/profile/profile.h"

#define SLACK_NS (30 * NS_PER_SEC) /* naming a window takes its time */

struct wants {
	struct share_want items[SHARE_WANTS_MAX];
	uint32_t n, scopes;
	bool drift;
};

struct seen {
	struct share_table table;
	uint64_t until_ns; /* CLOCK_MONOTONIC: it says nothing afterwards */
	uint64_t boot_ns;  /* processes that began later are not in it */
};

struct profile_watch {
	pthread_mutex_t lock; /* of wants, fresh, has_fresh */
	struct wants wants;
	struct seen fresh;
	bool has_fresh;
	struct seen now;          /* of the thread that judges */
	struct build_drift drift; /* of the thread that names, as what follows */
	char *store;              /* NULL: it was read */
};

int profile_watch__new(const char *store, struct profile_watch **ret)
{
	struct profile_watch *w = calloc(1, sizeof(*w));

	if (w && store)
		w->store = strdup(store);
	if (!w || (store && !w->store)) {
		free(w);
		return -ENOMEM;
	}
	pthread_mutex_init(&w->lock, NULL);
	share_table__init(&w->fresh.table);
	share_table__init(&w->now.table);
	*ret = w;
	return 0;
}

static void wants__done(struct wants *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		free((char *)(uintptr_t)l->items[i].of);
	*l = (struct wants){0};
}

void profile_watch__free(struct profile_watch *w)
{
	if (!w)
		return;
	wants__done(&w->wants);
	share_table__done(&w->fresh.table);
	share_table__done(&w->now.table);
	build_drift__done(&w->drift);
	free(w->store);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

/* ---- what is wanted --------------------------------------------------------------------------------------------------- */

static int wants__add(struct wants *l, enum metric_id metric, bool is_self, const char *of)
{
	char *copy;

	for (uint32_t i = 0; i < l->n; i++)
		if (l->items[i].metric == metric && l->items[i].is_self == is_self &&
		    !strcmp(l->items[i].of, of))
			return 0;
	if (l->n == SHARE_WANTS_MAX)
		return -E2BIG;
	copy = strdup(of);
	if (!copy)
		return -ENOMEM;
	l->items[l->n++] = (struct share_want){metric, is_self, copy};
	return 0;
}

static int wants__copy(const struct wants *from, struct wants *to)
{
	int err = 0;

	*to = (struct wants){.scopes = from->scopes, .drift = from->drift};
	for (uint32_t i = 0; i < from->n && !err; i++)
		err = wants__add(to, from->items[i].metric, from->items[i].is_self, from->items[i].of);
	return err;
}

int profile_watch__set(struct profile_watch *w, const struct rule_list *rules)
{
	struct wants fresh = {0}, old;
	int err = 0;

	for (uint32_t i = 0; i < rules->n; i++) {
		const struct rule *r = &rules->items[i];

		for (uint32_t j = 0; j < r->condition.n_terms && err != -ENOMEM; j++) {
			const struct condition *c = &r->condition.terms[j];

			if (!metric__is_of_profiles(c->metric))
				continue;
			fresh.scopes |= 1u << r->scope;
			if (c->metric == METRIC_profile_drift)
				fresh.drift = true;
			else
				err = wants__add(&fresh, c->metric, c->is_self, c->of) ?: err;
		}
	}
	pthread_mutex_lock(&w->lock);
	old = w->wants;
	w->wants = fresh;
	pthread_mutex_unlock(&w->lock);
	wants__done(&old);
	return err;
}

/* ---- windows ---------------------------------------------------------------------------------------------------------- */

static int on_drift(void *ctx, uint32_t pid, const struct profile_value *v)
{
	return share_table__set_drift(ctx, pid, v);
}

static int profile_watch__drift(struct profile_watch *w, const struct profile *p, struct share_table *to)
{
	if (w->store) {
		uint32_t n = build_drift__recall(&w->drift, w->store, p);

		if (n)
			log_debug("alerts: builds of programs are known from %u windows of the store", n);
		free(w->store);
		w->store = NULL;
	}
	return build_drift__take(&w->drift, p, on_drift, to);
}

void profile_watch__look(struct profile_watch *w, const struct profile *p, uint64_t now_ns)
{
	uint64_t length = profile__meta(p)->duration_ns > 0 ? (uint64_t)profile__meta(p)->duration_ns : 0;
	struct seen seen = {.until_ns = now_ns + 2 * length + SLACK_NS, .boot_ns = clock__boot_ns()}, old;
	struct wants wants;
	int err;

	pthread_mutex_lock(&w->lock);
	err = wants__copy(&w->wants, &wants);
	pthread_mutex_unlock(&w->lock);
	share_table__init(&seen.table);
	if (!err && wants.n)
		err = share_table__fill(&seen.table, p, wants.items, wants.n, wants.scopes);
	if (!err && wants.drift)
		err = profile_watch__drift(w, p, &seen.table);
	wants__done(&wants);
	if (err) { /* no memory: nothing is known until the next one */
		share_table__done(&seen.table);
		return;
	}
	pthread_mutex_lock(&w->lock);
	old = w->fresh;
	w->fresh = seen;
	w->has_fresh = true;
	pthread_mutex_unlock(&w->lock);
	share_table__done(&old.table);
}

void profile_watch__turn(struct profile_watch *w, uint64_t now_ns)
{
	struct seen old = {0};

	pthread_mutex_lock(&w->lock);
	if (w->has_fresh) {
		old = w->now;
		w->now = w->fresh;
		w->has_fresh = false;
		share_table__init(&w->fresh.table);
	}
	pthread_mutex_unlock(&w->lock);
	share_table__done(&old.table);
	if (now_ns > w->now.until_ns)
		share_table__done(&w->now.table);
}

bool profile_watch__find(const struct profile_watch *w, const struct condition *c,
			 const struct metric_target *target, struct profile_value *ret)
{
	/* its pid may have been another's in that window */
	if (target->scope == SCOPE_PROCESS && target->start_ns > w->now.boot_ns)
		return false;
	return share_table__find(&w->now.table, c, target, ret);
}
