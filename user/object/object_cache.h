/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object_cache - every object the host runs, each described once, found again by its file or by its build-id.
 *
 * The same file is found by (device, inode, size, mtime), the same code under another inode (an image layer, a copy)
 * by build-id and equal segments. Ids start at 1 and are never used twice, so a stale id is harmless everywhere. An
 * object nobody refers to stays for idle_ns, so that late samples are named, or until the room is needed; less long where there are very many, but never less
 * than somebody may still ask for it (object_cache__keep).
 *
 * Owns: objects and their descriptors. Thread: any (one mutex); a `const struct object *` holds as long as its
 * reference. The `retired` callback runs under the mutex and must not call back.
 * Limit: max_objects, OBJECT_ALIASES_MAX files an object, max_open_fds descriptors (closed after fd_idle_ns too: an
 * open file keeps a container's file system busy), FRAME_OBJECT_MAX ids in a lifetime. Evictions and refusals are
 * counted.
 * Errors: -ENOENT no such id, -E2BIG all room is in use, -ENOSPC ids are used up (said once in the log), -ENOMEM.
 */
#ifndef EVERPROF_OBJECT_OBJECT_CACHE_H
#define EVERPROF_OBJECT_OBJECT_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "user/object/object.h"
#include "user/object/object_place.h"

struct object_cache;

struct object_cache_opts {
	int proc_root_fd;      /* /proc or a fixture tree; duplicated */
	uint32_t max_objects;  /* 0: 65536 */
	uint32_t max_id;       /* 0: FRAME_OBJECT_MAX */
	uint32_t max_open_fds; /* 0: 256, or a quarter of RLIMIT_NOFILE */
	uint64_t idle_ns;      /* 0: 10 minutes */
	uint32_t idle_crowd;   /* 0: 4096; of more than these, those idle for 2 minutes go */
	uint64_t fd_idle_ns;   /* 0: 1 minute */
	void (*retired)(void *ctx, uint32_t id); /* may be NULL */
	void *ctx;
};

struct object_cache_stats {
	uint64_t objects, open_fds, bytes;
	uint64_t n_described;   /* files that were read */
	uint64_t n_found_inode; /* by the inode of the event, without looking at the process */
	uint64_t n_found_file;  /* found by device and inode */
	uint64_t n_found_build; /* found by build-id */
	uint64_t n_retired;     /* idle for too long */
	uint64_t n_evicted;     /* idle, but sooner than that: the room was needed */
	uint64_t n_refused;     /* no room */
	uint64_t n_refused_id;  /* all ids are used */
	uint64_t n_fd_evicted, n_fd_reopened, n_fd_lost;
	uint64_t n_by_state[OBJECT_STATE_MAX]; /* objects made in that state */
};

int object_cache__new(const struct object_cache_opts *opts, struct object_cache **ret_cache);
void object_cache__free(struct object_cache *c);

/*
 * The object behind a mapping of a file, and the mapping's bias. The id comes with a reference that is the caller's
 * to put. Id 0 with bias 0: code that belongs to no object (no regular file, an unnamed file that is not ELF as JITs
 * use, an offset outside of the executable segments).
 */
int object_cache__open_mapping(struct object_cache *c, const struct object_mapping *m, uint64_t now_ns,
			       uint32_t *ret_id, uint64_t *ret_bias);
/* The same for the kernel's [vdso]. */
int object_cache__open_vdso(struct object_cache *c, uint64_t start, uint64_t pgoff, uint64_t now_ns,
			    uint32_t *ret_id, uint64_t *ret_bias);

/* Takes a reference; ret_object may be NULL. */
int object_cache__get(struct object_cache *c, uint32_t id, const struct object **ret_object);
/* Gives one back; 0 is ignored. */
void object_cache__put(struct object_cache *c, uint32_t id);
/*
 * The object's file, as a descriptor of the caller's own (use pread: the offset is shared). -ENOENT no such id, -ESTALE
 * the file cannot be found again, what passes (io__is_passing), the object's error where it never could be read.
 */
int object_cache__open_fd(struct object_cache *c, uint32_t id, uint64_t now_ns, int *ret_fd);
/* Samples may be named so long after the last use of their object. */
void object_cache__keep(struct object_cache *c, uint64_t ns);
/* Lets go of objects and descriptors that were idle for too long; returns how many objects. */
uint32_t object_cache__retire(struct object_cache *c, uint64_t now_ns);
void object_cache__stats(struct object_cache *c, struct object_cache_stats *ret_stats);

#endif
