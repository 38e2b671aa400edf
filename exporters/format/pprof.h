/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pprof - profile to bytes and back, in the format that `go tool pprof` and most others read.
 *
 * What is written satisfies the strictest reader known: ids are 1..n in the order of their tables, string 0 is "", all text
 * is UTF-8, every location has a function, nothing is there that no sample refers to, and mapping 0 is the binary with the most
 * value. gzip is what everybody reads; zstd is for our own store. The same profile gives the same bytes.
 *
 * Owns: nothing. Thread: any. Limit: output that of the buf; input see pprof_decode_opts and the profile's own limits.
 * Errors: encode -EINVAL not sealed, else the buf's; decode -EBADMSG damaged, -E2BIG over a limit, -ENOMEM; the err says where.
 * Reference: github.com/google/pprof proto/profile.proto and its README.
 */
#ifndef EVERPROF_FORMAT_PPROF_H
#define EVERPROF_FORMAT_PPROF_H

#include <stdbool.h>
#include <stddef.h>

#include "exporters/format/compress.h"

struct buf;
struct err;
struct profile;

/* Entries of one table in a file that is read. */
#define PPROF_TABLE_MAX    (1u << 22)
#define PPROF_COMMENTS_MAX 4096

struct pprof_opts {
	enum compression compression;
	int level; /* 0: the default */
};

struct pprof_decode_opts {
	size_t limit_bytes;         /* after decompression; 0: 256 MiB */
	size_t profile_limit_bytes; /* of the profile; 0: 1 GiB */
	bool as_list;               /* profile_opts.is_list */
};

/* Appends the file to `to`; opts NULL: gzip. The profile must be sealed. */
int pprof__encode(const struct profile *p, const struct pprof_opts *opts, struct buf *to);
/* A sealed profile from a .pb.gz, .pb.zst or bare file. Where a label key comes twice in a sample the first one is taken. */
int pprof__decode(const void *bytes, size_t len, const struct pprof_decode_opts *opts,
		  struct profile **ret_profile, struct err *err);

#endif
