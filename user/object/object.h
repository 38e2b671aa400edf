/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object - a file that was seen executable: who it is, where its code lies, and why it cannot be read where it cannot.
 *
 * An object is described once, when it is first seen, and does not change afterwards, so that whoever holds a
 * reference (object_cache.h) reads it without a lock. An object without a readable file is one too: its frames still
 * carry its path and build-id, and its virtual addresses are file offsets (OBJECT_VADDR_IS_OFFSET).
 *
 * Owns: path, segments. Thread: immutable after object__describe. Limit: ELF_SEGMENTS_MAX segments, OBJECT_PATH_MAX
 * bytes of path.
 * Errors: object__bias -ENOENT where no segment holds the offset.
 */
#ifndef EVERPROF_OBJECT_OBJECT_H
#define EVERPROF_OBJECT_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/frame.h"
#include "user/object/elf.h"

#define OBJECT_PATH_MAX 4096

enum object_state {
	OBJECT_READY,
	OBJECT_UNREADABLE, /* the file could not be opened or read */
	OBJECT_NOT_ELF,
	OBJECT_FOREIGN, /* ELF of 32 bits or of another machine */
	OBJECT_DAMAGED, /* the ELF headers contradict themselves or each other */
	OBJECT_GONE,    /* the file was gone before it could be opened */
	OBJECT_FAR,     /* a program of a user's is its file system (base/far_file) */
	OBJECT_STATE_MAX
};

#define OBJECT_VADDR_IS_OFFSET 0x1u /* no segments are known: vaddr stands for the file offset */
#define OBJECT_VDSO            0x2u /* the kernel's own image, the same in every process */
#define OBJECT_DELETED         0x4u /* the file had no name any more when it was first seen */

/* Which file: what a replaced or rewritten file does not share with the one that was described. */
struct object_identity {
	uint64_t dev, ino, size;
	int64_t mtime_ns;
	uint32_t owner; /* does not tell files apart; object__same_code */
};

/* An executable PT_LOAD. */
struct object_segment {
	uint64_t vaddr, offset, filesz, memsz;
};

struct object {
	uint32_t id; /* 1 .. FRAME_OBJECT_MAX, never used twice */
	enum object_state state;
	int error; /* -errno that led to the state, 0 when ready */
	uint32_t flags;
	uint16_t elf_type, machine;
	uint32_t n_segments;
	struct object_segment *segments; /* by vaddr as in the file */
	struct object_identity identity; /* zero where there is no file */
	char *path;           /* as the process that mapped it first saw it, without " (deleted)" */
	const char *basename; /* into path */
	size_t build_id_len;
	uint8_t build_id[ELF_BUILD_ID_MAX];
};

/*
 * Fills a zeroed object (id, identity and path are the caller's) from its file; a file that is no good gives a state,
 * not an error. -ENOMEM.
 */
int object__describe(struct object *o, int fd);
/* Path and basename, cut at OBJECT_PATH_MAX. -ENOMEM. */
int object__set_path(struct object *o, const char *path);
void object__done(struct object *o);

/* What to subtract from a PC in a mapping of file offset `pgoff` at `start` to get the object's virtual address. */
int object__bias(const struct object *o, uint64_t start, uint64_t pgoff, uint64_t *ret_bias);
/* Has the object an executable segment whose pages hold that file offset? */
bool object__covers(const struct object *o, uint64_t pgoff);
/*
 * Same build-id, same executable segments and files of the same user: one is as good as the other. False where there is no build-id. Whose file it is counts because anybody
 * may write what he likes below the build-id of another program, and names and rules are those of the file that was seen first.
 */
bool object__same_code(const struct object *a, const struct object *b);
bool object_identity__eq(const struct object_identity *a, const struct object_identity *b);
/*
 * Of a descriptor, as the kernel last knew it. -errno of statx; -EINVAL where it is no regular file.
 */
int read_object_identity(int fd, struct object_identity *ret_identity);
/* Lower-case hex, "" without one. */
void object__format_build_id(const struct object *o, char ret_hex[2 * ELF_BUILD_ID_MAX + 1]);
size_t object__bytes(const struct object *o);

#endif
