/* SPDX-License-Identifier: Apache-2.0 */
/*
 * completeness - which share of a profile's value has whole stacks, per binary and per runtime, and what cut the rest short.
 *
 * A stack is cut where the frame at its root is named "[truncated: <reason>]", or where it has no frame at all. A process's binary is its label
 * exe; without one, the file of the outermost frame in user space; kernel threads are "[kernel]". Its runtime is the label of
 * that name, "native" without one. Whatever the sample type, shares are of the value, not of the number of stacks.
 *
 * Owns: its rows and texts. Thread: one owner; the profile is only read. Limit: one row a name, one entry a name and reason.
 * Errors: -EINVAL not sealed, -ENOENT no such type, -ENOMEM.
 */
#ifndef EVERPROF_QUERY_COMPLETENESS_H
#define EVERPROF_QUERY_COMPLETENESS_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct completeness;
struct err;
struct profile;

enum completeness_by { COMPLETENESS_BY_BINARY, COMPLETENESS_BY_RUNTIME };

struct completeness_row {
	const char *name;
	int64_t total, complete;
	uint32_t n_reasons;
};

struct completeness_reason {
	const char *name;
	int64_t value;
};

int completeness__new(const struct profile *p, enum completeness_by by, const char *type,
		      struct completeness **ret_completeness, struct err *err);
void completeness__free(struct completeness *c);
/* Largest first; row 0 is "all". */
uint32_t completeness__n_rows(const struct completeness *c);
struct completeness_row completeness__row(const struct completeness *c, uint32_t row);
/* Of one row, largest first. */
struct completeness_reason completeness__reason(const struct completeness *c, uint32_t row, uint32_t i);
/* n_rows 0: all */
void completeness__print(const struct completeness *c, uint32_t n_rows, bool colour, struct buf *to);

#endif
