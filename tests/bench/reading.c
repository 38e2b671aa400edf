// SPDX-License-Identifier: Apache-2.0
/*
 * reading FILE: what is in a profile, for the bench: one "key value" a line.
 *
 *   bytes, rows (samples of the file: distinct stacks and labels), count (samples taken), time_ns, duration_ns
 *   stacks TOTAL COMPLETE NAME       by binary, largest first; the first is "all"; values in the file's own unit
 *   cut VALUE REASON NAME            of that binary
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "exporters/format/pprof.h"
#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/profile/profile.h"
#include "user/query/completeness.h"

#define FILE_BYTES_MAX ((size_t)256 << 20)

static void print_head(const struct profile *p, size_t bytes)
{
	const struct profile_meta *meta = profile__meta(p);
	int64_t count = 0;

	for (uint32_t i = 0; i < profile__n_samples(p); i++)
		count += profile__get_sample(p, i)->values[0];
	printf("bytes %zu\nrows %u\ncount %" PRId64 "\ntime_ns %" PRId64 "\nduration_ns %" PRId64 "\n", bytes,
	       profile__n_samples(p), count, meta->time_ns, meta->duration_ns);
}

static void print_completeness(const struct completeness *c)
{
	for (uint32_t i = 0; i < completeness__n_rows(c); i++) {
		struct completeness_row row = completeness__row(c, i);

		printf("stacks %" PRId64 " %" PRId64 " %s\n", row.total, row.complete, row.name);
		for (uint32_t j = 0; j < row.n_reasons; j++) {
			struct completeness_reason reason = completeness__reason(c, i, j);

			printf("cut %" PRId64 " %s %s\n", reason.value, reason.name, row.name);
		}
	}
}

int main(int argc, char **argv)
{
	struct completeness *c = NULL;
	struct profile *p = NULL;
	struct err err = {0};
	struct buf bytes;
	int ret;

	if (argc != 2) {
		fputs("usage: reading FILE\n", stderr);
		return 2;
	}
	buf__init(&bytes, FILE_BYTES_MAX);
	ret = io__read_at(AT_FDCWD, argv[1], FILE_BYTES_MAX, &bytes);
	if (!ret)
		ret = pprof__decode(bytes.data, bytes.len, NULL, &p, &err);
	if (!ret)
		ret = completeness__new(p, COMPLETENESS_BY_BINARY, NULL, &c, &err);
	if (ret) {
		fprintf(stderr, "reading: '%s': %s\n", argv[1], err__text(&err, ret));
	} else {
		print_head(p, bytes.len);
		print_completeness(c);
	}
	completeness__free(c);
	profile__free(p);
	buf__done(&bytes);
	return ret ? 1 : 0;
}
