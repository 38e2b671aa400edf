/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json - text for JSON, written straight into a buf.
 *
 * Besides what JSON asks for, '<', '>', '&', U+2028 and U+2029 are escaped, so that the text may stand inside a <script> of a page.
 *
 * Owns: nothing. Thread: any. Limit: the buf's. Errors: the buf's.
 */
#ifndef EVERPROF_FORMAT_JSON_H
#define EVERPROF_FORMAT_JSON_H

#include <stdint.h>

struct buf;

/* With its quotes; s is UTF-8 (what is not becomes U+FFFD). */
void json__string(struct buf *b, const char *s);
/* A number without the cost of a printf: there are millions of them. */
void json__int(struct buf *b, int64_t v);

#endif
