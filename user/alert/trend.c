// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. "Grows by 100 MB an hour, for half an hour" of every process of a host is 1800 values each, if it is taken at its word.
 *
 * Idea. The time is cut into thirty pieces, and of each only sums are kept. Least squares over the pieces' means, each at the mean of its times and weighted by
 * its number of values, is least squares over the values themselves, but for what happens inside of a piece (3 % of the time).
 *
 *      values   . . .: . . : . . .          pieces  [n, Σt, Σv][n, Σt, Σv] …  a ring, by number
 *
 * Invariants. A piece whose number is not the one that is asked for is empty. Nothing older than the span counts.
 *
 * Cost. About 20 ns to add, 100 ns for a slope; 1 KiB.
 */
#include "user/alert/trend.h"

#define PIECES 30

void trend__init(struct trend *t, uint64_t span_ns)
{
	*t = (struct trend){.span_ns = span_ns, .width_ns = span_ns / PIECES ? span_ns / PIECES : 1};
}

void trend__add(struct trend *t, uint64_t now_ns, double value)
{
	uint64_t at = now_ns / t->width_ns + 1;
	struct trend_bucket *b = &t->buckets[at % TREND_BUCKETS];

	if (now_ns < t->last_ns)
		return;
	t->last_ns = now_ns;
	if (b->at != at)
		*b = (struct trend_bucket){.at = at};
	b->time += (double)(now_ns % t->width_ns) / 1e9;
	b->sum += value;
	b->n++;
}

/* The bucket's mean time in seconds before now, negative; false where it is empty or too old. */
static bool point(const struct trend *t, const struct trend_bucket *b, uint64_t now_ns, double *ret_x)
{
	uint64_t begin_ns = (b->at - 1) * t->width_ns;

	if (!b->n || begin_ns > now_ns || now_ns - begin_ns > t->span_ns + t->width_ns)
		return false;
	*ret_x = b->time / b->n - (double)(now_ns - begin_ns) / 1e9;
	return true;
}

bool trend__slope(const struct trend *t, uint64_t now_ns, double *ret)
{
	double n = 0, x, y, sx = 0, sy = 0, sxx = 0, sxy = 0, first = 0, last = -1e300, d, base = 0;
	int points = 0;

	for (int i = 0; i < TREND_BUCKETS; i++) {
		const struct trend_bucket *b = &t->buckets[i];

		if (!point(t, b, now_ns, &x))
			continue;
		y = b->sum / b->n;
		if (!points)
			base = y; /* sums of large values that hardly differ would cancel */
		y -= base;
		n += b->n;
		sx += b->n * x;
		sy += b->n * y;
		sxx += b->n * x * x;
		sxy += b->n * x * y;
		first = x < first ? x : first;
		last = x > last ? x : last;
		points++;
	}
	if (points < 3 || last - first < (double)t->span_ns / 4e9)
		return false;
	d = n * sxx - sx * sx;
	if (d <= 0)
		return false;
	*ret = (n * sxy - sx * sy) / d;
	return true;
}

bool trend__mean(const struct trend *t, uint64_t now_ns, double *ret)
{
	double n = 0, sum = 0, first = 0, x;

	for (int i = 0; i < TREND_BUCKETS; i++) {
		if (!point(t, &t->buckets[i], now_ns, &x))
			continue;
		n += t->buckets[i].n;
		sum += t->buckets[i].sum;
		first = x < first ? x : first;
	}
	if (!n || -first < (double)t->span_ns / 4e9)
		return false;
	*ret = sum / n;
	return true;
}

bool trend__at(const struct trend *t, uint64_t at_ns, double *ret)
{
	uint64_t at = at_ns / t->width_ns + 1;

	/* the bucket itself, else the one before: a pass may have come late */
	for (int i = 0; i < 2 && at > (uint64_t)i; i++) {
		const struct trend_bucket *b = &t->buckets[(at - (uint64_t)i) % TREND_BUCKETS];

		if (b->at == at - (uint64_t)i && b->n) {
			*ret = b->sum / b->n;
			return true;
		}
	}
	return false;
}
