/* SPDX-License-Identifier: Apache-2.0 */
/*
 * go_programs - which of the files that run have the Go runtime in them. Each is looked at once.
 *
 * Owns: the programs. Thread: one owner; the object cache must outlive it. Limit: GO_PROGRAMS_MAX files that were looked at (then all is forgotten, and
 * looked at again). Errors: as go_program.h, remembered too.
 */
#ifndef EVERPROF_RUNTIME_GO_PROGRAMS_H
#define EVERPROF_RUNTIME_GO_PROGRAMS_H

#include <stdint.h>

#define GO_PROGRAMS_MAX 16384

struct go_process;
struct go_programs;
struct mapping_set;
struct object_cache;

int go_programs__new(struct object_cache *objects, struct go_programs **ret);
void go_programs__free(struct go_programs *t);
/*
 * The runtime of a process with these mappings, its variables found. -ENOENT: not a Go program; -EOPNOTSUPP: one whose release or layout is not known; what reading its
 * memory says. ret_process holds until the next call.
 */
int go_programs__find(struct go_programs *t, uint32_t pid, const struct mapping_set *mappings,
		      struct go_process *ret_process);

#endif
