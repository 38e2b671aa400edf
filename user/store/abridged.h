/* SPDX-License-Identifier: Apache-2.0 */
/*
 * abridged - the sum of files as a roll-up holds it: every value, by function instead of by address and line, with the ids of those processes alone that
 * were in more than one of its files, and with small branches folded into their callers where there are many.
 *
 * Owns: the sum that grows, and a table of process ids. Thread: one owner. Limit: that of the sum. Errors: as sum.h.
 */
#ifndef EVERPROF_STORE_ABRIDGED_H
#define EVERPROF_STORE_ABRIDGED_H

#include "user/base/hashmap.h"
#include "user/store/sum.h"

#define ABRIDGED_ROWS_MAX (1u << 17) /* of a roll-up, about */

struct abridged_process;

struct abridged {
	struct store_sum sum;
	struct abridged_process *processes;
	uint32_t n, cap;
	struct hashmap by_pid;
};

void abridged__init(struct abridged *a, size_t limit_bytes);
void abridged__done(struct abridged *a);
/* -EBADMSG damaged, -EINVAL other sample types than those before: skipped, the sum is good. -E2BIG, -ENOMEM: the sum is lost. */
int abridged__add(struct abridged *a, const struct buf *file, struct err *err);
/* Seals the sum and hands it over; -ENODATA where nothing was added. */
int abridged__take(struct abridged *a, struct profile **ret_profile);

#endif
