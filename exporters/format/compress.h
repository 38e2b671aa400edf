/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compress - gzip, zstd or neither, as a stream in and whole out.
 *
 * Owns: the compressor its state (gzip 270 KiB, zstd a few MiB by level); the bytes go to the caller's buf. Thread: one owner.
 * Limit: the buf's. Errors: sticky, told by compressor__finish; decompress: -EBADMSG damaged or cut short, -E2BIG more than
 * limit comes out.
 */
#ifndef EVERPROF_FORMAT_COMPRESS_H
#define EVERPROF_FORMAT_COMPRESS_H

#include <stddef.h>

struct buf;
struct compressor;

enum compression { COMPRESSION_GZIP, COMPRESSION_ZSTD, COMPRESSION_NONE };

/* level 0: 5 for gzip (6 takes 40 % more time for half a percent of a profile's bytes), 3 for zstd */
int compressor__new(enum compression kind, int level, struct buf *to, struct compressor **ret_compressor);
void compressor__free(struct compressor *c);
void compressor__write(struct compressor *c, const void *bytes, size_t len);
/* Ends the stream; the first error of all. */
int compressor__finish(struct compressor *c);

/* By the first bytes; what is neither gzip nor zstd is taken as not compressed. */
enum compression compression__detect(const void *bytes, size_t len);
/* Appends what comes out of all members or frames, at most limit bytes in all. */
int decompress(const void *bytes, size_t len, size_t limit, struct buf *to);

#endif
