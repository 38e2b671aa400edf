/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object_index - the object cache's entries, and the ways to find one.
 *
 * Owns: the entries. Thread: under the cache's mutex. Limit: max_id ids in a lifetime, OBJECT_ALIASES_MAX
 * files an entry; how many entries is the cache's to say. Errors: -ENOSPC ids are used up, -ENOMEM.
 */
#ifndef EVERPROF_OBJECT_OBJECT_INDEX_H
#define EVERPROF_OBJECT_OBJECT_INDEX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "user/base/hashmap.h"
#include "user/base/slots.h"
#include "user/object/object.h"

#define OBJECT_ALIASES_MAX 32

/* A file as the kernel names it in mapping events. */
struct object_inode {
	uint64_t dev, ino, generation; /* dev 0: none */
};

struct object_entry {
	struct object object;
	uint32_t slot, refs;
	uint32_t n_aliases, next_alias;
	struct object_identity *aliases; /* the files that are this object */
	/* The cache's: */
	int fd; /* or FD_CLOSED */
	struct object_inode
		inode; /* of the file that fd is open on, where mapping events told; else dev is 0 */
	struct object_identity fd_identity; /* of that file, then */
	uint64_t used_ns, fd_used_ns;
	uint64_t seen_start,
		seen_end; /* the last mapping that led here: where to look once the descriptor was closed */
	uint32_t seen_tgid;
	TAILQ_ENTRY(object_entry) idle_link, opened_link;
};

TAILQ_HEAD(object_entry_list, object_entry);

struct object_index {
	struct hashmap by_id, by_file, by_build, by_name, by_place, by_inode;
	struct slots slots;
	uint32_t next_id, max_id;
	size_t entry_bytes;
};

void object_index__init(struct object_index *x, uint32_t max_id);
void object_index__done(struct object_index *x);
/*
 * Takes `o` on success and gives it the next id. With an identity it is found by file, without one by name (the vDSO
 * by its id only).
 */
int object_index__add(struct object_index *x, struct object *o, const struct object_identity *identity,
		      struct object_entry **ret_entry);
/* One more file that leads to this object; past the limit it takes the oldest one's place. */
int object_index__add_alias(struct object_index *x, struct object_entry *e,
			    const struct object_identity *identity);
/* Events call the file that the entry has open by this name, until object_index__clear_inode; -ENOMEM. */
int object_index__set_inode(struct object_index *x, struct object_entry *e, const struct object_inode *inode);
void object_index__clear_inode(struct object_index *x, struct object_entry *e);
/* Frees it too. */
void object_index__remove(struct object_index *x, struct object_entry *e);

/* All borrowed, or NULL. */
struct object_entry *object_index__find(const struct object_index *x, uint32_t id);
struct object_entry *object_index__find_file(const struct object_index *x,
					     const struct object_identity *identity);
struct object_entry *object_index__find_inode(const struct object_index *x, const struct object_inode *inode);
struct object_entry *object_index__find_same_code(const struct object_index *x, const struct object *o);
/* One with that build-id whose code holds the file offset. */
struct object_entry *object_index__find_build(const struct object_index *x, const uint8_t *build_id,
					      size_t len, uint64_t pgoff);
/* One that was described from a file of that path and inode number, and whose code holds the file offset. */
struct object_entry *object_index__find_place(const struct object_index *x, const char *path, uint64_t ino,
					      uint64_t pgoff);
/* One without a file. */
struct object_entry *object_index__find_name(const struct object_index *x, const char *path,
					     const uint8_t *build_id, size_t len);
size_t object_index__bytes(const struct object_index *x);

#endif
