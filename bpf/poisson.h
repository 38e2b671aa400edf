/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * poisson - which waits (or bytes) are taken, and what each that is taken stands for, in integers.
 *
 * Problem: to take each with the same chance misses the one long wait among a million short ones, and what is then shown grows and shrinks with
 *   that chance.
 * Idea: points lie on the line of all time that is waited, at random, one in every `interval` on average. A wait is taken if a point falls
 *   into it: the chance is 1 - exp(-d/interval), so short waits come in proportion to their length, and those much longer than the interval
 *   always. What is taken stands for d / chance, which makes sums right on average, whatever the lengths are.
 *   The distance to the next point is exponential and has no memory, so it may be kept for each CPU: which thread's time is counted down on which
 *   CPU does not matter, and what is left over after a point is dropped.
 * Cost: not taken, a subtraction; taken, some forty instructions.
 * Error: of the weight, below 1e-4 of it; of the mean distance, 4e-5.
 *
 * Reference: exponential sampling as in tcmalloc's docs/sampling.md; here by time.
 */
#ifndef EVERPROF_BPF_POISSON_H
#define EVERPROF_BPF_POISSON_H

#include <linux/types.h>

#define POISSON_INTERVAL_MAX (1ull << 32)
/* A wait longer than this many intervals is certain to be taken, to 1e-9. */
#define POISSON_CERTAIN 20

/* log2(1 + i/32), 32 bits after the point. */
static const __u64 poisson_log2[33] = {
	0x000000000ull, 0x00b5d69bbull, 0x01663f6fbull, 0x02118b11aull, 0x02b803474ull, 0x0359ebc5bull,
	0x03f782d72ull, 0x049101eacull, 0x05269e12full, 0x05b888736ull, 0x0646eea24ull, 0x06d1fafddull,
	0x0759d4f81ull, 0x07dea15a3ull, 0x086082807ull, 0x08df988f5ull, 0x095c01a3aull, 0x09d5d9fd5ull,
	0x0a4d3c25eull, 0x0ac241135ull, 0x0b3500472ull, 0x0ba58feb2ull, 0x0c1404eaeull, 0x0c80730b0ull,
	0x0ceaecfebull, 0x0d53847acull, 0x0dba4a47bull, 0x0e1f4e517ull, 0x0e829fb69ull, 0x0ee44cd5aull,
	0x0f446359bull, 0x0fa2f045eull, 0x100000000ull,
};

/* An exponential distance of mean `interval` (at most POISSON_INTERVAL_MAX), from 64 random bits. */
static inline __attribute__((always_inline)) __u64 poisson__distance(__u64 random, __u64 interval)
{
	__u64 m = random | 1, zeros = 0, log2_m, steps, fraction;
	__u32 at;

	/* m = 1.xxx * 2^-(zeros + 1) as a share of 2^64; the shifts bring its first one to the top */
	if (!(m >> 32)) {
		m <<= 32;
		zeros += 32;
	}
	if (!(m >> 48)) {
		m <<= 16;
		zeros += 16;
	}
	if (!(m >> 56)) {
		m <<= 8;
		zeros += 8;
	}
	if (!(m >> 60)) {
		m <<= 4;
		zeros += 4;
	}
	if (!(m >> 62)) {
		m <<= 2;
		zeros += 2;
	}
	if (!(m >> 63)) {
		m <<= 1;
		zeros += 1;
	}
	at = (m >> 58) & 31;
	fraction = (m >> 26) & 0xffffffff; /* of the way from this entry to the next */
	log2_m = poisson_log2[at] + ((poisson_log2[at + 1] - poisson_log2[at]) * (fraction >> 2) >> 30);
	/* -ln(u) = ln 2 * (zeros + 1 - log2(m)) */
	steps = ((zeros + 1) << 32) - log2_m;
	steps = (steps >> 16) * 45426 >> 16; /* ln 2 = 45426 / 65536; 16 bits after the point are left */
	return (steps * (interval & 0x1ffffffff)) >> 16;
}

/* 2^-f of a fraction f < 1, both with 30 bits after the point. */
static inline __attribute__((always_inline)) __u64 poisson__exp2_minus(__u64 f)
{
	__s64 x = (__s64)f, y = 165394; /* ln2^6 / 720 */

	y = 1431680 - (y * x >> 30); /* ln2^5 / 120, … */
	y = 10327387 - (y * x >> 30);
	y = 59597080 - (y * x >> 30);
	y = 257941255 - (y * x >> 30);
	y = 744261118 - (y * x >> 30);
	y = 1073741824 - (y * x >> 30);
	return (__u64)y;
}

/* What a wait of `d` stands for that was taken: d / (1 - exp(-d / interval)). d > 0. */
static inline __attribute__((always_inline)) __u64 poisson__weight(__u64 d, __u64 interval)
{
	__u64 x, q, chance;

	if (interval == 0 || d >= interval * POISSON_CERTAIN)
		return d;
	if (d < interval / 2) { /* as a series, because the chance is small */
		q = d * d / interval;
		return interval + d / 2 + q / 12 - q * q / interval / 720;
	}
	x = (d << 20) / interval; /* 20 bits after the point */
	x = x * 1512775 >> 20;    /* times log2(e): exp(-x) = 2^-x */
	chance = (1ull << 30) - (poisson__exp2_minus((x & 0xfffff) << 10) >> (x >> 20));
	if (!chance)
		return d;
	return d >> 33 ? (d << 26) / chance << 4 : (d << 30) / chance;
}

#endif
