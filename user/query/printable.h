/* SPDX-License-Identifier: Apache-2.0 */
/*
 * printable - a name of other people's making, for a terminal: what could move the cursor is shown as '?'.
 *
 * Owns: nothing. Thread: any. Limit: the buf's. Errors: the buf's.
 */
#ifndef EVERPROF_QUERY_PRINTABLE_H
#define EVERPROF_QUERY_PRINTABLE_H

struct buf;

/* s is UTF-8. C0, DEL and C1 controls become '?'. */
void printable__append(struct buf *b, const char *s);

#endif
