// SPDX-License-Identifier: Apache-2.0
#include "user/store/capture_retention.h"

#include <errno.h>
#include <stdlib.h>

/* What is given up in which order. */
enum rank { RANK_ORDINARY, RANK_TELLING, RANK_KEPT };

struct choice {
	struct capture_standing *c;
	uint32_t n, n_going;
	uint8_t *ranks;
	uint64_t bytes; /* of what stays */
};

/* By rule and episode, the oldest first. */
static int by_episode(const void *va, const void *vb, void *vc)
{
	const uint32_t *ia = va, *ib = vb;
	const struct capture_standing *a = (const struct capture_standing *)vc + *ia;
	const struct capture_standing *b = (const struct capture_standing *)vc + *ib;

	if (a->rule != b->rule)
		return a->rule < b->rule ? -1 : 1;
	if (a->episode != b->episode)
		return a->episode < b->episode ? -1 : 1;
	return *ia < *ib ? -1 : *ia > *ib;
}

/* What the first of an episode tells, or the worst, others do not: of equals the earlier one. */
static int find_ranks(struct choice *d)
{
	uint32_t *order = calloc(d->n ? d->n : 1, sizeof(*order)), worst;
	struct capture_standing *c = d->c;

	if (!order)
		return -ENOMEM;
	for (uint32_t i = 0; i < d->n; i++)
		order[i] = i;
	qsort_r(order, d->n, sizeof(*order), by_episode, c);
	for (uint32_t i = 0, next; i < d->n; i = next) {
		worst = order[i];
		for (next = i + 1; next < d->n && c[order[next]].rule == c[order[i]].rule &&
				   c[order[next]].episode == c[order[i]].episode;
		     next++)
			if (c[order[next]].severity > c[worst].severity)
				worst = order[next];
		d->ranks[order[i]] = d->ranks[worst] = RANK_TELLING;
	}
	for (uint32_t i = 0; i < d->n; i++)
		if (c[i].is_pinned || i + 1 == d->n)
			d->ranks[i] = RANK_KEPT;
	free(order);
	return 0;
}

static void give_up(struct choice *d, uint32_t i)
{
	d->c[i].goes = true;
	d->bytes -= d->c[i].bytes;
	d->n_going++;
}

static bool may_go(const struct choice *d, uint32_t i, enum rank rank)
{
	return !d->c[i].goes && d->ranks[i] == rank;
}

static void by_age(struct choice *d, uint64_t now_ms, uint64_t age_ms)
{
	for (uint32_t i = 0; age_ms && i < d->n; i++)
		if (!d->c[i].is_pinned && now_ms > age_ms && d->c[i].time_ms < now_ms - age_ms)
			give_up(d, i);
}

static int by_number(struct choice *d, uint32_t n_rules, uint32_t max)
{
	uint32_t *have = calloc(n_rules, sizeof(*have));

	if (!have)
		return -ENOMEM;
	for (uint32_t i = 0; i < d->n; i++)
		have[d->c[i].rule] += !d->c[i].goes && !d->c[i].is_pinned;
	for (enum rank rank = RANK_ORDINARY; rank < RANK_KEPT; rank++) {
		for (uint32_t i = 0; i < d->n; i++) {
			if (have[d->c[i].rule] <= max || !may_go(d, i, rank))
				continue;
			give_up(d, i);
			have[d->c[i].rule]--;
		}
	}
	free(have);
	return 0;
}

static void by_bytes(struct choice *d, uint64_t max)
{
	for (enum rank rank = RANK_ORDINARY; rank < RANK_KEPT; rank++)
		for (uint32_t i = 0; i < d->n && d->bytes > max; i++)
			if (may_go(d, i, rank))
				give_up(d, i);
}

int capture_retention__choose(struct capture_standing *c, uint32_t n, uint64_t now_ms,
			      const struct capture_limits *limits, uint32_t *ret_n_going)
{
	struct choice d = {.c = c, .n = n, .ranks = calloc(n ? n : 1, 1)};
	uint32_t n_rules = 1;
	int err = d.ranks ? find_ranks(&d) : -ENOMEM;

	for (uint32_t i = 0; i < n; i++) {
		c[i].goes = false;
		d.bytes += c[i].bytes;
		if (c[i].rule >= n_rules)
			n_rules = c[i].rule + 1;
	}
	if (!err)
		by_age(&d, now_ms, limits->age_ms);
	if (!err && limits->max_per_rule)
		err = by_number(&d, n_rules, limits->max_per_rule);
	if (!err && limits->max_bytes)
		by_bytes(&d, limits->max_bytes);
	*ret_n_going = d.n_going;
	free(d.ranks);
	return err;
}
