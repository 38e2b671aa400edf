/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source - what somebody points a command at, as the profiles that it has, or as their sum.
 *
 * A path is a pprof file (.pb.gz, .pb.zst or bare; "-" is standard input) or the URL of one (fetch.h), a store (a folder with snapshots/), or a folder of profiles with one
 * file an event, as `record` writes it. Several are added up. Of a store it is the time range that counts: without one, the last
 * SOURCE_DEFAULT_NS that it holds, even if that was a week ago.
 *
 * Owns: the result is the caller's, sealed. Thread: any. Limit: SOURCE_FILE_MAX bytes a file; the profile's and the store reader's own.
 * Errors: -errno, -EBADMSG, -E2BIG, -EINVAL (profiles of different types); the err names the path.
 */
#ifndef EVERPROF_QUERY_SOURCE_H
#define EVERPROF_QUERY_SOURCE_H

#include <stddef.h>
#include <stdint.h>

#include "user/query/parts.h"

struct err;
struct profile;

#define SOURCE_FILE_MAX   ((size_t)1 << 30)
#define SOURCE_SUM_MAX    ((size_t)1 << 30)
#define SOURCE_DEFAULT_NS (10ull * 60 * 1000000000)

struct source_opts {
	const char *event;       /* which profiles of a folder; NULL: cpu */
	uint64_t from_ns, to_ns; /* of a store; to 0: its end; from 0: SOURCE_DEFAULT_NS before that */
};

struct source {
	struct parts parts; /* to be walked over: each file, and each file of the range of a store */
	const char *const *paths;
	uint32_t n;
	const struct source_opts *opts;
};

/* Paths and opts are borrowed. A sum of parts takes SOURCE_SUM_MAX at most. */
void source__init(struct source *s, const char *const *paths, uint32_t n, const struct source_opts *opts);
/* Their sum, sealed. */
int source__load(const struct source *s, struct profile **ret_profile, struct err *err);

#endif
