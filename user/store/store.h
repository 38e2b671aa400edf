/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store - the agent's folder of snapshots: windows go in, are kept as long as agreed, and are found again.
 *
 * A file appears whole or not at all and is never overwritten. When writing fails (disk full, read-only, folder gone), that is said
 * once, windows wait in a bounded spool, and writing is tried again after 1 s, 2 s … 60 s; when it works again that is said once too.
 * Sizes are what files take on the disk (allocated blocks), so `max_bytes` agrees with du and with what a deletion gives back.
 *
 * Owns: the folder's lock, the index of its files, the spool. Thread: any; writers wait for each other, listing waits for no disk.
 * Limit: opts. Errors: see each function; store__put never makes the caller wait for a retry.
 */
#ifndef EVERPROF_STORE_STORE_H
#define EVERPROF_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/base/err.h"
#include "user/store/index.h"

struct buf;
struct store;

#define STORE_SPOOL_BYTES (4u << 20) /* some ten minutes of windows at defaults */
#define STORE_ERRNOS_MAX  8

struct store_opts {
	const char *dir;
	uint64_t retention_ns; /* files whose end is older go; 0: never */
	uint64_t
		window_retention_ns; /* windows that an hour holds go when it ended so long ago; 0: as retention_ns */
	uint64_t max_bytes;          /* 0: no limit */
	size_t spool_bytes;          /* 0: STORE_SPOOL_BYTES */
	uint32_t max_files;          /* 0: STORE_FILES_MAX */
	/* The clocks, for tests; NULL: clock__real_ns, clock__mono_ns. */
	uint64_t (*real_ns)(void *ctx);
	uint64_t (*mono_ns)(void *ctx);
	void *clock_ctx;
};

/* Why a file was deleted. */
#define STORE_DELETIONS(X)                                                    \
	X(AGE, "age", "older than the retention")                             \
	X(ROLLED, "rolled", "older than windows are kept: its hour holds it") \
	X(COVERED, "covered", "no room: its roll-up holds it")                \
	X(BYTES, "bytes", "no room: the oldest")                              \
	X(FULL, "full", "the disk was full: made room for a newer one")       \
	X(FILES, "files", "more files than the index holds")

enum store_deletion {
#define X(id, name, text) STORE_DELETED_##id,
	STORE_DELETIONS(X)
#undef X
		STORE_DELETED_MAX
};

struct store_stats {
	uint64_t bytes;
	uint32_t n_files;
	uint64_t oldest_s, newest_s; /* starts; 0 where there is no file */
	uint64_t n_written, written_bytes, n_rollups;
	uint64_t n_deleted[STORE_DELETED_MAX], deleted_bytes, n_delete_errors;
	uint64_t n_write_errors;
	struct {
		int err; /* positive errno */
		uint64_t n;
	} write_errors[STORE_ERRNOS_MAX]; /* the last slot takes all that do not fit */
	bool is_failing;
	int failing_err;            /* negative errno of the outage's first failure */
	uint64_t n_outages, n_lost; /* windows that never reached the disk */
	uint32_t n_spooled;
	size_t spooled_bytes;
};

const char *store_deletion__name(enum store_deletion d);

/* Makes the folders, takes the lock, removes what a killed agent left half-written, reads the names, enforces. A disk that is full,
 * read-only or failing is an outage, not an error. -EBUSY: another agent's; -EACCES, -ENOTDIR, …: cannot become a store. */
int store__open(const struct store_opts *opts, struct store **ret_store, struct err *err);
/* Tries the spool a last time. */
void store__close(struct store *s);

/* Keeps an encoded profile (gzip or zstd). 0: on the disk, or in the spool. -EINVAL: bad event, time or bytes. Any other: lost, counted and
 * already reported. */
int store__put(struct store *s, const char *event, uint64_t start_real_ns, uint64_t duration_ns,
	       const void *bytes, size_t len);
/* Writes what is spooled if its time has come; cheap when nothing is. Call it once a second or so. 0, or why not all could be written. */
int store__flush(struct store *s);
/* Deletes by age, then by bytes; also done by store__put. Call it once a minute or so. */
int store__enforce(struct store *s);
/* Other limits from now on; the next store__enforce applies them. */
void store__set_limits(struct store *s, uint64_t retention_ns, uint64_t window_retention_ns,
		       uint64_t max_bytes);

/* Calls fn for each file of the range by the rules of store_index__select, without any lock held. A non-zero return ends it and is passed on. */
typedef int (*store_list_fn)(const struct store_file *file, void *ctx);
int store__list(struct store *s, const char *event, uint64_t from_ns, uint64_t to_ns, store_list_fn fn,
		void *ctx);
/* The same by store_index__select_windows. */
int store__list_windows(struct store *s, const char *event, uint64_t from_ns, uint64_t to_ns,
			store_list_fn fn, void *ctx);
/* Appends the bytes of a listed file; -ENOENT: it was deleted meanwhile. */
int store__read(struct store *s, const struct store_name *name, size_t limit, struct buf *to);
/* The same file opened for reading, for a process that may not open it itself; the fd is the caller's. */
int store__open_file(struct store *s, const struct store_name *name, int *ret_fd);
/* Is that the folder which it has open, and locked? For those who keep files of their own beside its: where another stands under its path, the store has to take it first. */
bool store__holds(struct store *s, int dir_fd);
void store__stats(struct store *s, struct store_stats *ret);

/* -- for rollup -- */
/* Picks the next roll-up that is due and closes its set of parts: a window of that time that comes from now on is named late. One at a time.
 * -ENOENT: none is due; -EAGAIN: writing does not work now; -EBUSY: one was begun. */
int store__begin_rollup(struct store *s, uint64_t grace_ns, store_verdict_fn verdict, const void *ctx,
			struct store_name *ret_rollup, struct store_name **ret_parts, uint32_t *ret_n_parts);
/* Writes it; its parts stay until room is short. After an error it stays begun: try again, or give it up with bytes == NULL. -ESTALE: the folder was
 * replaced meanwhile, nothing is begun any more. */
int store__end_rollup(struct store *s, const void *bytes, size_t len);

#endif
