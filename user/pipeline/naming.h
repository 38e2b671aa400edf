/* SPDX-License-Identifier: Apache-2.0 */
/*
 * naming - from a window of words to a profile with names.
 *
 * Each distinct frame is named once, an object's frames together. Addresses are ELF virtual addresses, mappings are the executable segments
 * that hold them, so that any reader finds the code again in the file.
 *
 * Owns: nothing but what it returns. Thread: that of its symbolizer; the window must be closed. Limit: the profile's. Errors: -ENOMEM, -E2BIG; what has no name gets
 * "[binary]+0xOFFSET".
 */
#ifndef EVERPROF_PIPELINE_NAMING_H
#define EVERPROF_PIPELINE_NAMING_H

#include <stdbool.h>
#include <stdint.h>

struct idle_match;
struct object_cache;
struct profile;
struct symbolizer;
struct window;

struct naming {
	struct symbolizer *symbolizer;
	struct object_cache *objects;
	const char *clock; /* "cpu-clock", "cycles" */
	bool label_tid;
	bool system_names; /* beside readable names of C++ and Rust those of the symbol table: a sixth of a file */
	struct idle_match *idle; /* which waits are marked as idle; NULL: none */
	const char *proc_root;   /* NULL: "/proc"; where the roots of processes are found */
};

/*
 * The part of the window that lies in [from_ns, to_ns) (CLOCK_MONOTONIC): the slices that begin in there; sealed. Its time and duration are
 * those of the slices. Losses are the whole window's: they are not known by slice.
 */
int naming__profile(const struct naming *n, const struct window *w, uint64_t from_ns, uint64_t to_ns,
		    struct profile **ret_profile);

#endif
