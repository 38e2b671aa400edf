/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jvm_layout - where a HotSpot JVM keeps its compiled code, by the tables that libjvm.so has for its debugger.
 *
 * Owns: nothing. Thread: any; reading may take as long as the process likes. Limit: JVM_FIELDS_MAX fields. Errors: -ENOENT not HotSpot, -EOPNOTSUPP a field that
 * is needed is not told or is not of a size that is known, -EFAULT what cannot be read; -errno of the file.
 */
#ifndef EVERPROF_RUNTIME_JVM_LAYOUT_H
#define EVERPROF_RUNTIME_JVM_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JVM_FIELDS_MAX 4096

struct elf;
struct memory_span;

/* The memory of a process, or of a test. */
struct jvm_memory {
	int (*read_spans)(void *ctx, struct memory_span *spans, size_t n);
	void *ctx;
};

enum jvm_field {
	JVM_HEAPS, /* static: CodeCache::_heaps */
	JVM_LOW_BOUND,
	JVM_HIGH_BOUND,
	JVM_ARRAY_LEN,
	JVM_ARRAY_DATA,
	JVM_HEAP_MEMORY,
	JVM_HEAP_SEGMAP,
	JVM_HEAP_LOG2,
	JVM_SPACE_LOW,
	JVM_SPACE_HIGH,
	JVM_BLOCK_LENGTH,
	JVM_BLOCK_USED,
	JVM_BLOB_NAME,
	JVM_BLOB_FRAME_SIZE,
	JVM_BLOB_FRAME_COMPLETE,
	JVM_BLOB_CODE_BEGIN, /* an address; or, from JDK 23, */
	JVM_BLOB_CODE_OFFSET,
	JVM_BLOB_DATA_OFFSET,
	JVM_BLOB_METHOD, /* of compiled ones; from here on for names: not all need be told */
	JVM_METHOD_CONST,
	JVM_CONST_POOL,
	JVM_CONST_NAME,
	JVM_POOL_HOLDER,
	JVM_KLASS_NAME,
	JVM_SYMBOL_LENGTH,
	JVM_SYMBOL_BODY,
	JVM_POOL_BYTES, /* no field: how large a constant pool is, without its constants */
	JVM_FIELDS_N,
};

struct jvm_place {
	uint64_t at;   /* the offset in its structure; of a static field, its address */
	uint8_t width; /* 0: not told */
};

struct jvm_layout {
	struct jvm_place fields[JVM_FIELDS_N];
	uint32_t block_header_bytes;
	bool has_names; /* all of what names take is told */
};

/* Where one of libjvm's tables is in a process, and what is where in an entry. */
struct jvm_table {
	uint64_t at, stride, type_name, field_name, type_string, offset, address;
};

/* Of the fields, and of the types: there the type's name is all of the names, and its size both numbers. */
struct jvm_tables {
	struct jvm_table fields, types;
};

/* Where `libjvm`, which is loaded at `bias`, has its tables. */
int jvm_layout__find_tables(const struct jvm_memory *memory, const struct elf *libjvm, uint64_t bias,
			    struct jvm_tables *ret_tables);
int jvm_layout__read(const struct jvm_memory *memory, const struct jvm_tables *tables,
		     struct jvm_layout *ret_layout);
/* One span; -EFAULT where not all of it can be read. */
int jvm_memory__read(const struct jvm_memory *memory, uint64_t addr, void *to, uint32_t len);

#endif
