// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/wait_count.h"

#include <math.h>

#define MOST_MORE 3.0 /* times what they are: one sample where there might have been four is no wonder */
#define EDGES     1.0 /* a wait that began before, or has not ended */

/* A wait's length, in mean intervals. */
static double length_of(const struct wait_entry *e)
{
	const double least = 1e-7; /* no clock is better */
	double x = e->period_ns ? (double)e->value / e->count / (double)e->period_ns : least;

	return fmax(x, least);
}

/* Of the number for which one wait stands. */
static double variance_of(const struct wait_entry *e)
{
	return 1 / expm1(length_of(e));
}

/* 1: it is short, and chance decides whether it is taken; 0: it is long. */
static double chance_of(const struct wait_entry *e)
{
	return length_of(e) * variance_of(e);
}

static double moved(const struct wait_count *c, const struct wait_entry *e)
{
	return c->most > 0 ? e->count * fmax(1 + c->first * (variance_of(e) / c->most), 0) : e->count;
}

void wait_count__see(struct wait_count *c, const struct wait_entry *e)
{
	if (!e->count)
		return;
	c->n += e->count;
	c->variance += e->count * variance_of(e);
	c->most = fmax(c->most, variance_of(e));
}

void wait_count__move(struct wait_count *c, double exact)
{
	double chance = c->most * log1p(1 / c->most); /* of the shortest: chance_of */

	c->first = c->second = 0;
	if (fabs(exact - c->n) <= EDGES || c->variance <= 0)
		return;
	c->first = fmin(fmax((exact - c->n) * c->most / c->variance, -chance), MOST_MORE * chance);
}

void wait_count__see_moved(struct wait_count *c, const struct wait_entry *e)
{
	if (!e->count)
		return;
	c->moved += moved(c, e);
	c->uncertain += moved(c, e) * chance_of(e);
}

double wait_count__settle(struct wait_count *c, double exact, bool is_all)
{
	double left = exact - c->moved;

	if (fabs(left) <= EDGES || (left > 0 && !is_all) || c->uncertain <= 0)
		return fmax(left, 0);
	c->second = fmax(left / c->uncertain, -1);
	return 0;
}

double wait_count__of(const struct wait_count *c, const struct wait_entry *e)
{
	return e->count ? moved(c, e) * (1 + c->second * chance_of(e)) : 0;
}

uint32_t wait_count__whole(uint32_t count, double exact, double *left)
{
	double whole;

	exact += *left;
	whole = fmax(floor(exact), 1);
	if (!count || whole > UINT32_MAX)
		return count;
	*left = exact - whole;
	return (uint32_t)whole;
}
