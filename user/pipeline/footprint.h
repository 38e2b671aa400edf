/* SPDX-License-Identifier: Apache-2.0 */
/*
 * footprint - how much memory this process has resident, memory-mapped BPF maps left out: those are counted with the maps.
 *
 * Owns: nothing. Thread: any. Limit: FOOTPRINT_SMAPS_MAX bytes of smaps. Errors: -errno of the read, -E2BIG, -EBADMSG.
 */
#ifndef EVERPROF_PIPELINE_FOOTPRINT_H
#define EVERPROF_PIPELINE_FOOTPRINT_H

#include <stddef.h>
#include <stdint.h>

#define FOOTPRINT_SMAPS_MAX ((size_t)4 << 20)

struct footprint {
	uint64_t resident_bytes; /* all that is mapped */
	uint64_t bpf_bytes;      /* of it, pages of BPF maps */
};

/* Pure: the text of /proc/PID/smaps. -EBADMSG: not a line of it is one. */
int footprint__parse_smaps(const char *text, size_t len, struct footprint *ret);
/* Ours; pid_dir: "/proc/self". */
int footprint__read(const char *pid_dir, struct footprint *ret);
/* What would be free if that process ended: pages that others have too, by their share; 0 where it cannot be read. */
uint64_t footprint__proportional(const char *pid_dir);
/* The sum alone, from statm: a hundred times cheaper; 0 where it cannot be read. */
uint64_t footprint__resident(const char *pid_dir);

#endif
