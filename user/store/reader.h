/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reader - a store's folder, read from outside: no lock, no write, while an agent may be at work in it.
 *
 * Owns: nothing. Thread: any. Limit: opts; STORE_FILES_MAX files. Errors: -ENOENT no store or nothing in the range, -E2BIG the range does
 * not fit, -errno; the err says what to do. Damaged files are skipped and counted.
 */
#ifndef EVERPROF_STORE_READER_H
#define EVERPROF_STORE_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/store/index.h"

struct err;
struct profile;

#define STORE_READER_LIMIT_BYTES ((size_t)512 << 20) /* of one file, and of its profile */

struct store_report {
	uint32_t n_files;       /* taken */
	uint32_t n_cut;         /* of those, roll-ups that hold more than was asked for */
	uint32_t n_damaged;     /* skipped: cannot be read */
	uint32_t n_other_types; /* skipped: of other sample types than the first */
	uint64_t from_s, to_s;  /* what the names of those files span */
};

/* The files of a range by the rules of store_index__select; an own array, free it. event NULL: all. 0 files is success. */
int store_reader__list(const char *dir, const char *event, uint64_t from_ns, uint64_t to_ns,
		       struct store_file **ret_files, uint32_t *ret_n, struct err *err);
/*
 * Calls fn for the profile of each of them, a list (see profile_opts) that is sealed, the newest first; of a state (event__is_state) for the newest that can be read and
 * no other. fn: 0 taken, -EINVAL of other sample types than those before; else what it says ends it. -ENOENT: nothing was taken.
 * -ESTALE: a file went away meanwhile, for it was rolled up: what was added up so far is to be forgotten, and all asked again; not with may_miss.
 */
struct store_range {
	const char *dir, *event;
	uint64_t from_ns, to_ns;
	size_t limit_bytes; /* of a file and its profile; 0: STORE_READER_LIMIT_BYTES */
};
int store_reader__parts(const struct store_range *r, bool may_miss,
			int (*fn)(const struct profile *p, void *ctx), void *ctx,
			struct store_report *ret_report, struct err *err);
/*
 * Calls fn for the profile of each of some files that were listed, in their order; those that cannot be read, or are gone, are left out. What is not 0 ends it, and is
 * what it says.
 */
int store_reader__each(const char *dir, const struct store_file *files, uint32_t n,
		       int (*fn)(const struct profile *p, void *ctx), void *ctx);
/* Start of the oldest and end of the newest file of an event: what "the last ten minutes" of a store means whose agent has stopped. */
int store_reader__span(const char *dir, const char *event, uint64_t *ret_from_ns, uint64_t *ret_to_ns,
		       struct err *err);

#endif
