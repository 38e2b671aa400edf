/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch - a profile that a URL stands for: one of an agent's pages, or of any program that serves such.
 *
 * Owns: nothing. Thread: one at a time. Limit: bytes given; a minute, and what `seconds` in the URL asks for besides. http and https alone, and these three times
 * where they lead elsewhere. Errors: -E2BIG, -ETIMEDOUT, -EIO, -ENOMEM; the err names the URL and the cause.
 */
#ifndef EVERPROF_QUERY_FETCH_H
#define EVERPROF_QUERY_FETCH_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct err;

bool fetch__is_url(const char *path);
int fetch__url(const char *url, size_t limit, struct buf *to, struct err *err);

#endif
