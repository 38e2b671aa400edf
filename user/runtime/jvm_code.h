/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jvm_code - the pieces of code in a HotSpot JVM's code heaps, and what its frames look like in each.
 *
 * Owns: the table. Thread: one owner; reading may take as long as the process likes. Limit: JVM_HEAPS_MAX heaps, JVM_SEGMENTS_MAX segments of them all, JVM_BLOBS_MAX
 * pieces. Errors: -ENODATA no code yet; -EOPNOTSUPP more than that, or what no JVM says; -EFAULT what cannot be read; -ENOMEM.
 */
#ifndef EVERPROF_RUNTIME_JVM_CODE_H
#define EVERPROF_RUNTIME_JVM_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/runtime/jvm_layout.h"

#define JVM_HEAPS_MAX    8
#define JVM_SEGMENTS_MAX (16u << 20)
#define JVM_BLOBS_MAX    (1u << 18)

#define JVM_BLOB_NAME_BYTES 48

enum jvm_blob_kind {
	JVM_BLOB_COMPILED,    /* frames of one size, past its prologue */
	JVM_BLOB_BARE,        /* no frame of its own: adapters, vtable stubs */
	JVM_BLOB_STUBS,       /* many small functions, most with a frame pointer */
	JVM_BLOB_INTERPRETER, /* the frame pointer's chain; the caller's SP is kept in the frame */
};

/* How many bytes before the frame is complete each of its steps is done. */
struct jvm_prologue {
	uint8_t after_push, after_sub, after_store; /* of RBP; of SP; of RBP where it was not pushed */
	bool has_push : 1, has_sub : 1;
};

struct jvm_blob {
	uint64_t start; /* of its code */
	uint32_t bytes;
	uint32_t frame_bytes;
	int32_t frame_complete; /* from start: where the frame is set up; -1: it does not tell */
	enum jvm_blob_kind kind;
	struct jvm_prologue prologue; /* of a method */
	bool is_method;
	uint64_t named_by; /* a Method, or a string of JVM_BLOB_NAME_BYTES at most; 0: nothing */
};

struct jvm_code {
	struct jvm_blob *blobs; /* by start; none overlaps another */
	size_t n;
	uint64_t low, high; /* of all heaps, as they are reserved: 2 GiB at most */
};

int jvm_code__read(const struct jvm_memory *memory, const struct jvm_layout *layout,
		   struct jvm_code *ret_code);
void jvm_code__done(struct jvm_code *code);
/* How many pieces begin at or before this address. */
size_t jvm_code__count_to(const struct jvm_code *code, uint64_t pc);
/* The piece that has this address; NULL where it is none's. */
const struct jvm_blob *jvm_code__find(const struct jvm_code *code, uint64_t pc);

#endif
