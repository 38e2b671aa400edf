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

/* The first of an episode, or the worst: of equals the earlier one. */
static bool is_telling(const struct capture_standing *c, uint32_t n, uint32_t i)
{
	bool is_first = true, is_worst = true;

	for (uint32_t j = 0; j < n; j++) {
		if (j == i || c[j].rule != c[i].rule || c[j].episode != c[i].episode)
			continue;
		if (j < i)
			is_first = false;
		if (c[j].severity > c[i].severity || (j < i && !(c[j].severity < c[i].severity)))
			is_worst = false;
	}
	return is_first || is_worst;
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

static void by_number(struct choice *d, uint32_t rule, uint32_t max)
{
	uint32_t have = 0;

	for (uint32_t i = 0; i < d->n; i++)
		have += d->c[i].rule == rule && !d->c[i].goes && !d->c[i].is_pinned;
	for (enum rank rank = RANK_ORDINARY; rank < RANK_KEPT; rank++) {
		for (uint32_t i = 0; i < d->n && have > max; i++) {
			if (d->c[i].rule != rule || !may_go(d, i, rank))
				continue;
			give_up(d, i);
			have--;
		}
	}
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
	uint32_t max_rule = 0;

	if (!d.ranks)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		c[i].goes = false;
		d.bytes += c[i].bytes;
		d.ranks[i] = c[i].is_pinned || i + 1 == n ? RANK_KEPT
			     : is_telling(c, n, i)        ? RANK_TELLING
							  : RANK_ORDINARY;
		if (c[i].rule > max_rule)
			max_rule = c[i].rule;
	}
	by_age(&d, now_ms, limits->age_ms);
	for (uint32_t rule = 0; limits->max_per_rule && n && rule <= max_rule; rule++)
		by_number(&d, rule, limits->max_per_rule);
	if (limits->max_bytes)
		by_bytes(&d, limits->max_bytes);
	*ret_n_going = d.n_going;
	free(d.ranks);
	return 0;
}
