/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jvm - what was read of a HotSpot JVM's code at one time: immutable, shared between threads.
 *
 * Owns: the code's table, its names. Thread: reading any, it may take as long as the process likes; a reading that is held may be looked at by all. Limit: those of jvm_code; JVM_METHODS_MAX.
 * Errors: those of jvm_layout and jvm_code; a JVM that has only just started is -EFAULT or -EOPNOTSUPP too.
 */
#ifndef EVERPROF_RUNTIME_JVM_H
#define EVERPROF_RUNTIME_JVM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/runtime/jvm_code.h"
#include "user/runtime/jvm_layout.h"
#include "user/runtime/jvm_names.h"

#define JVM_METHODS_MAX 16384 /* that are interpreted; later ones have no names */

struct elf;

struct jvm {
	struct jvm_layout layout;
	struct jvm_code code;
	struct jvm_names names;
	struct jvm_code
		interpreted; /* no code, but the Methods that the interpreter was met at; as pieces, for their names */
	struct jvm_names interpreted_names;
	int refs; /* atomic */
};

/* libjvm is loaded at `bias`. With the last reading of this very process, its layout is taken from there. `methods`: those that were met since then. */
int jvm__read(uint32_t pid, const struct elf *libjvm, uint64_t bias, const struct jvm *last,
	      const uint64_t *methods, size_t n_methods, struct jvm **ret_jvm);
struct jvm *jvm__ref(struct jvm *j); /* NULL is NULL */
void jvm__unref(struct jvm *j);
size_t jvm__bytes(const struct jvm *j);
/* What the code there is called, or with FRAME_METHOD the Method; NULL where there is none, or it has no name. */
const char *jvm__name(const struct jvm *j, uint64_t addr);
/* Was it asked what this Method is called, or is there no room for more? */
bool jvm__has_met(const struct jvm *j, uint64_t method);

#endif
