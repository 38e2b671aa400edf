/* SPDX-License-Identifier: Apache-2.0 */
/*
 * go_waits - how many goroutines of each process in a profile wait for another goroutine, and of which none is left that could go on by itself.
 *
 * The runtime tells what a goroutine waits for, and not for whom: a mutex of Go has no holder. So a circle cannot be proven, but that all stand still can: none runs,
 * sleeps, is in a system call or waits for I/O, and what wakes one then is a timer, a signal or nothing. The goroutine that waits for signals is left out.
 *
 * Owns: nothing. Thread: any. Limit: GO_WAITS_MAX processes, the rest is not looked at. Errors: none.
 */
#ifndef EVERPROF_QUERY_GO_WAITS_H
#define EVERPROF_QUERY_GO_WAITS_H

#include <stdbool.h>
#include <stdint.h>

#define GO_WAITS_MAX     64
#define GO_WAITS_REASONS 13

struct profile;

struct go_waits {
	int64_t pid;
	const char *process; /* borrowed from the profile */
	int64_t total, n_for_another;
	int64_t by_reason[GO_WAITS_REASONS]; /* go_waits__reason */
};

/* One a process; how many. p is sealed; 0 where it is none of goroutines. */
uint32_t go_waits__of(const struct profile *p, struct go_waits ret[GO_WAITS_MAX]);
const char *go_waits__reason(uint32_t i);
/* Does each of them wait for another one? One alone does not tell. */
bool go_waits__all_stand(const struct go_waits *w);

#endif
