/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_impl - the inside of the store, for store.c, outbox.c and retention.c only.
 *
 * Owns: see store.h. Thread: `writer` is held by whoever touches the disk or the spool; `index_lock` for as long as the index or the counters are
 * read or changed, never across a system call. Order: writer, then index_lock. The index changes only under both, so
 * that the writer may read it without index_lock. Limit: opts. Errors: -errno.
 */
#ifndef EVERPROF_STORE_STORE_IMPL_H
#define EVERPROF_STORE_STORE_IMPL_H

#include <pthread.h>

#include "user/base/log.h"
#include "user/store/dir.h"
#include "user/store/index.h"
#include "user/store/outage.h"
#include "user/store/spool.h"
#include "user/store/store.h"

struct store {
	struct store_opts opts;
	char *path;
	pthread_mutex_t writer, index_lock;
	struct store_dir dir;
	struct store_index index;
	struct spool spool;
	struct outage outage;
	bool was_open; /* parents are made at the first start only: later their absence means an unmounted disk */
	bool made_room;       /* in this outage: files are not given up again and again for nothing */
	uint64_t lost_before; /* spool.n_lost when the outage began */
	uint32_t n_written_late;
	struct log_site log_failure,
		log_success; /* of this store: a flapping disk must not fill the log either */
	bool is_rolling;
	struct store_name rolling;
	struct store_stats stats; /* counters only; store__stats fills in the rest */
};

uint64_t store__real_ns(const struct store *s);
uint64_t store__mono_ns(const struct store *s);

/* retention.c; all with `writer` held */
int store__apply_retention(struct store *s);
/* Deletes the oldest, covered ones first, until need_bytes are free again; nothing where that would cost more than half of all. */
void store__make_room(struct store *s, uint64_t need_bytes);
/* A slot in the index for one more file, at the cost of the oldest if it must be. */
int store__reserve_slot(struct store *s);
/* For the scan: deletes a file that the index has no room for. */
void store__delete_over(const struct store_name *name, void *store);

/* outbox.c; all with `writer` held */
/* Opens the folder, again if another stands there now. */
int store__ensure_dir(struct store *s, struct err *err);
/* On the disk, or in the spool. */
int store__send(struct store *s, const struct store_name *name, const void *bytes, size_t len);
int store__send_spooled(struct store *s);
/* One try, without the spool. *name gets the suffix that it needs. */
int store__write_file(struct store *s, struct store_name *name, const void *bytes, size_t len);
void store__count_error(struct store *s, int err);

#endif
