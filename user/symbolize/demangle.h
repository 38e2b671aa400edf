/* SPDX-License-Identifier: Apache-2.0 */
/*
 * demangle - linkage names to what a person would call the function: C++ (Itanium ABI), Rust (legacy and v0).
 *
 * The default is for reading stacks: C++ names with template arguments, without parameters and return types; Rust
 * names without hash. What is not mangled, or not well, comes back as it is, less a ".cold" suffix.
 *
 * Owns: a count of cut names. Thread: one owner; it needs some 200 KiB of stack. Limit: DEMANGLE_INPUT_MAX in, the
 * caller's buffer out. Errors: none; a name always comes out.
 */
#ifndef EVERPROF_SYMBOLIZE_DEMANGLE_H
#define EVERPROF_SYMBOLIZE_DEMANGLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEMANGLE_INPUT_MAX 4096 /* longer names stay mangled */
#define DEMANGLE_CUT_MAX   1024 /* Rust v0 names that may be cut before they stay mangled, see the source */

struct demangler {
	uint32_t n_cut; /* names whose demangled form did not fit */
};

/* Room enough for what DEMANGLE_INPUT_MAX bytes should grow to; what does not fit ends in "…". */
#define DEMANGLE_OUTPUT_MAX 8192

/* Writes the readable form of `name` to out[cap] (NUL-terminated, cap at least 8) and says whether it was a
 * mangled one. */
bool demangler__name(struct demangler *d, const char *name, char *out, size_t cap);

#endif
