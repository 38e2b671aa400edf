/* SPDX-License-Identifier: Apache-2.0 */
/*
 * delivery_queue - deliveries that are not done yet, in a folder of the store, so that they outlive the agent; and which is to be tried next.
 *
 * Who is to be told is told whether the disk takes it or not: what cannot be written waits in memory, and is written when that works again. A folder that is removed
 * is made anew.
 *
 *      <store>/deliveries/0000000000000001.delivery …
 *
 * To one address the oldest goes first, and one that failed holds up those behind it: who is told "resolved" was told "firing" before. Between tries it waits
 * 1 s, 2 s, … 5 min.
 *
 * Owns: the folder's descriptor, a list of what is in it, the bytes of what could not be written. Thread: one owner. Limit: DELIVERY_QUEUE_MAX of them, DELIVERY_QUEUE_BYTES; the oldest goes for a newer
 * one. What is older than DELIVERY_AGE_NS is given up. Errors: -errno; what is lost is counted.
 */
#ifndef EVERPROF_ALERT_DELIVERY_QUEUE_H
#define EVERPROF_ALERT_DELIVERY_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/alert/delivery.h"

#define DELIVERY_QUEUE_MAX   256
#define DELIVERY_QUEUE_BYTES ((size_t)4 << 20)
#define DELIVERY_AGE_NS      (24ull * 3600 * 1000000000)
#define DELIVERY_FOLDER      "deliveries"

struct buf;

struct delivery_entry {
	enum delivery_kind kind;
	uint64_t seq, bytes, created_ns;
	uint64_t address;               /* hash of the URL or the program */
	uint64_t next_try_ns, pause_ns; /* CLOCK_MONOTONIC */
	bool is_under_way;
	void *memory; /* its bytes, NULL: they are in its file */
};

struct delivery_queue {
	int store_fd, dir_fd; /* of the store, borrowed */
	int err;              /* why what came last could not be written; 0: it was */
	struct delivery_entry entries[DELIVERY_QUEUE_MAX]; /* oldest first */
	uint32_t n;
	uint64_t next_seq, bytes;
	uint64_t n_done, n_failed_tries, n_given_up, n_lost; /* lost: no room, damaged, refused for good */
};

/* Makes the folder, and finds what an earlier agent has left. After an error (store_fd < 0: -ENOENT) it is empty, and all waits in memory until there is a folder. */
int delivery_queue__open(struct delivery_queue *q, int store_fd);
/* The store's folder is another one now. */
void delivery_queue__set_store(struct delivery_queue *q, int store_fd);
/* Some of what waits in memory is written, unless the disk refused the last; to be called again and again. */
void delivery_queue__write(struct delivery_queue *q);
/* What waits in memory is written, before the end; how many could not be. */
uint32_t delivery_queue__keep(struct delivery_queue *q);
void delivery_queue__close(struct delivery_queue *q);
/* Bytes of delivery__write. 0, also where they are in memory alone (q->err); else they are lost, and counted. */
int delivery_queue__add(struct delivery_queue *q, const void *bytes, size_t len);
/* The next of the kind that may be tried, marked as under way, its bytes appended; 0: none. */
uint64_t delivery_queue__next(struct delivery_queue *q, enum delivery_kind kind, uint64_t mono_ns,
			      uint64_t real_ns, struct buf *to);
void delivery_queue__done(struct delivery_queue *q, uint64_t seq);
/* Tried again later, at least after_ns. */
void delivery_queue__failed(struct delivery_queue *q, uint64_t seq, uint64_t mono_ns, uint64_t after_ns);
/* The other side does not want it, ever. */
void delivery_queue__refused(struct delivery_queue *q, uint64_t seq);
/* Does something wait for that address that came before `seq` (a next_seq of then)? */
bool delivery_queue__has(const struct delivery_queue *q, const char *address, uint64_t seq);

#endif
