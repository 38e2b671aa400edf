/* SPDX-License-Identifier: Apache-2.0 */
/*
 * publish - names closed windows, encodes them and keeps them in the store, on a thread of its own and of low priority while it keeps up.
 *
 * Reading the symbols of a large library takes a tenth of a second, a disk may take longer: neither may hold up the collector. Between windows the thread
 * rolls up hours and keeps the store within its limits.
 *
 * Owns: a thread, the symbolizer, windows that wait. Thread: publisher__put from the collector's; publish__once from any.
 * Limit: PUBLISH_QUEUE_MAX windows wait, more are dropped and counted; PUBLISH_JOBS_MAX jobs, more are refused. Errors: -errno at the start; afterwards counted and logged once.
 */
#ifndef EVERPROF_PIPELINE_PUBLISH_H
#define EVERPROF_PIPELINE_PUBLISH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/config/event.h"

#define PUBLISH_QUEUE_MAX 16

#define PUBLISH_JOBS_MAX 16

struct err;
struct idle_match;
struct naming;
struct object_cache;
struct profile;
struct publisher;
struct store;
struct window;

struct publish_opts {
	const char *clock; /* a literal */
	bool label_tid;
	bool zstd; /* minute files; else gzip */
	struct object_cache *objects;
	struct idle_match *idle;       /* which waits are idle; NULL: none */
	const char *const *debug_dirs; /* where separate debug files are; NULL: the default */
	uint32_t n_debug_dirs;
	uint64_t
		cleanup_ns; /* how often the store's limits are enforced where nothing is written; 0: once a minute */
	size_t symbol_bytes;  /* kept in memory; 0: the symbolizer's default */
	size_t section_bytes; /* of a section that is read for symbols; 0: the symbolizer's default */
};

struct publish_stats {
	uint64_t windows, dropped, failed;
	uint64_t bytes; /* that the store took */
	uint64_t rows, naming_ns, encoding_ns;
	uint64_t symbol_bytes; /* in memory now */
};

/* One window, here and now. */
int publish__once(const struct publish_opts *opts, const struct window *w, struct profile **ret_profile);

/*
 * Takes a reference of its own to the idle patterns. The store is borrowed and may be NULL (then windows are named and dropped: profiling in memory). The names of debug folders are copied: they
 * mostly are of a configuration that goes with the next reload.
 */
int publisher__new(const struct publish_opts *opts, struct store *store, struct publisher **ret,
		   struct err *err);
/* Works off what waits, then ends the thread. */
void publisher__free(struct publisher *p);
/* Other idle patterns from the next window on; takes the caller's reference. */
void publisher__set_idle(struct publisher *p, struct idle_match *idle);
/* Enforces the store's limits so often from now on. */
void publisher__set_cleanup(struct publisher *p, uint64_t every_ns);
/* Shows each profile of a window that was named to fn, on its thread; until it is freed. */
typedef void (*publish_seen_fn)(void *ctx, enum event ev, const struct profile *profile);
void publisher__show(struct publisher *p, publish_seen_fn fn, void *ctx);
/* Takes the caller's reference. */
void publisher__put(struct publisher *p, struct window *w);
/* Lets it keep fewer symbols, or more; the thread sees to it within a second or so. */
void publisher__set_symbol_bytes(struct publisher *p, size_t bytes);
/* The most that this process had resident while a window was named and encoded, since the last call; 0: there was none. */
uint64_t publisher__take_peak(struct publisher *p);
/*
 * Has the thread do something with what it names by, between two windows: asked-for profiles share its symbols. fn is called once, with naming NULL where
 * the publisher ends before. -EAGAIN: PUBLISH_JOBS_MAX wait already, fn is not called.
 */
typedef void (*publish_job_fn)(const struct naming *naming, void *ctx);
int publisher__run_job(struct publisher *p, publish_job_fn fn, void *ctx);
void publisher__stats(const struct publisher *p, struct publish_stats *ret);

#endif
