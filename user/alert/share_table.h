/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share_table - how much of each target's samples in one profile lies below the functions and libraries that conditions ask for.
 *
 *      wants {function_share of "json_*", …} + profile ─> {want, target} ─> time, samples
 *
 * Owns: its rows. Thread: one that fills; then read only. Limit: SHARE_WANTS_MAX wants, SHARE_ROWS_MAX rows; what has no room is not known.
 * Errors: -ENOMEM.
 */
#ifndef EVERPROF_ALERT_SHARE_TABLE_H
#define EVERPROF_ALERT_SHARE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "user/alert/profile_value.h"
#include "user/base/hashmap.h"
#include "user/config/condition.h"
#include "user/config/metric_sample.h"

#define SHARE_WANTS_MAX 64
#define SHARE_ROWS_MAX  65536

struct profile;

/* What a condition asks for; the pattern is its owner's. */
struct share_want {
	enum metric_id metric; /* function_share, library_share */
	bool is_self;
	const char *of;
};

struct share_row {
	uint64_t key;
	double ns; /* of a drift: its value … */
	double low, high;
	uint64_t n;
};

struct share_table {
	struct hashmap by_key;
	struct share_row *rows;
	uint32_t n, cap;
};

void share_table__init(struct share_table *t);
void share_table__done(struct share_table *t);
/* Adds what a sealed profile says; scopes: bits 1 << enum scope, those that somebody asks for. */
int share_table__fill(struct share_table *t, const struct profile *p, const struct share_want *wants,
		      uint32_t n_wants, uint32_t scopes);
/* What is known of a process already, from elsewhere: the drift of its program. */
int share_table__set_drift(struct share_table *t, uint32_t pid, const struct profile_value *v);
/* false: there is no sample of the target. */
bool share_table__find(const struct share_table *t, const struct condition *c,
		       const struct metric_target *target, struct profile_value *ret);

#endif
