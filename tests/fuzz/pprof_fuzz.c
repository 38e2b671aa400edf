/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a pprof file. They are refused, or give a sealed profile that, written and read again, is the same size in every
 * table that samples need, and that diffs against itself to a sum of zero.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "exporters/format/pprof.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/profile/diff.h"
#include "user/profile/profile.h"

#define LIMIT_BYTES ((size_t)8 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
	if (!holds)
		abort();
}

static void write_and_read_again(const struct profile *p, const struct pprof_decode_opts *limits)
{
	static const enum compression kinds[] = {COMPRESSION_NONE, COMPRESSION_ZSTD};
	struct profile *q;
	struct buf b;

	for (int i = 0; i < 2; i++) {
		const struct pprof_opts opts = {.compression = kinds[i]};

		buf__init(&b, 4 * LIMIT_BYTES);
		require(!pprof__encode(p, &opts, &b));
		if (!pprof__decode(b.data, b.len, limits, &q, NULL)) {
			require(profile__n_samples(p) == profile__n_samples(q));
			require(profile__n_types(p) == profile__n_types(q));
			require(profile__n_comments(p) == profile__n_comments(q));
			require(profile__n_stacks(q) <= profile__n_stacks(p));
			require(profile__n_locations(q) <= profile__n_locations(p));
			profile__free(q);
		}
		buf__done(&b);
	}
}

static void subtract_from_itself(const struct profile *p)
{
	const struct profile_opts limit = {.limit_bytes = 4 * LIMIT_BYTES};
	const struct diff_opts opts = {.by_time = true, .profile = &limit};
	struct profile *diff;
	int64_t sum = 0;

	/* sums that end at the end of the range do not cancel */
	for (uint32_t i = 0; i < profile__n_samples(p); i++) {
		if (llabs(profile__get_sample(p, i)->values[0] / 2) > INT64_MAX >> 24)
			return;
	}
	if (profile__diff(p, p, &opts, &diff))
		return;
	for (uint32_t i = 0; i < profile__n_samples(diff); i++)
		sum += profile__get_sample(diff, i)->values[0];
	require(sum == 0);
	profile__free(diff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct pprof_decode_opts limits = {.limit_bytes = LIMIT_BYTES,
						 .profile_limit_bytes = 2 * LIMIT_BYTES};
	struct profile *p = NULL;
	struct err e = {""};

	if (pprof__decode(data, size, &limits, &p, &e)) {
		require(!p);
		return 0;
	}
	require(profile__sealed(p) && profile__n_types(p));
	require(profile__bytes(p) <= 2 * LIMIT_BYTES);
	for (uint32_t i = 1; i <= profile__n_locations(p); i++)
		require(profile__get_location(p, i)->n_lines > 0);
	write_and_read_again(p, &limits);
	subtract_from_itself(p);
	profile__free(p);
	return 0;
}
