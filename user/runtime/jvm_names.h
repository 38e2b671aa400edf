/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jvm_names - what the pieces of code of a HotSpot JVM are called: "java.util.TreeMap.put", "Interpreter".
 *
 * Owns: the names. Thread: one owner; reading may take as long as the process likes. Limit: JVM_NAME_MAX bytes of a class's name and of a method's, JVM_NAMES_BYTES_MAX of all.
 * Errors: -ENOMEM; what reading the process's memory says. A piece whose name cannot be read, or has no room, has none.
 */
#ifndef EVERPROF_RUNTIME_JVM_NAMES_H
#define EVERPROF_RUNTIME_JVM_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "user/runtime/jvm_code.h"

#define JVM_NAME_MAX        255
#define JVM_NAMES_BYTES_MAX (16u << 20)

struct jvm_names {
	char *bytes;
	uint32_t n_bytes, capacity;
	uint32_t *at; /* by the number of the piece: in bytes; 0: it has none */
};

/* Pure. A class as the JVM has it ("java/util/Map"), a method; at most 2 * JVM_NAME_MAX + 2 bytes with the NUL. Returns the length. */
size_t jvm_names__format(const char *class_name, size_t class_len, const char *method, size_t method_len,
			 char *to);

/* last: the reading before, or NULL, whose names hold for pieces that are still there. */
int jvm_names__read(const struct jvm_memory *memory, const struct jvm_layout *layout,
		    const struct jvm_code *code, const struct jvm_code *last_code,
		    const struct jvm_names *last, struct jvm_names *ret_names);
void jvm_names__done(struct jvm_names *names);
/* Of the piece with that number; NULL where it has none. */
const char *jvm_names__find(const struct jvm_names *names, size_t blob);

#endif
