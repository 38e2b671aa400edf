/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deadlock - threads that wait for each other in a circle: from who waits for whom.
 *
 * A thread waits for one holder at most, so each leads to one other, and a circle is found by walking until one meets one's own track. Threads that wait for
 * one of a circle without being part of it are stuck, too, but are not its cause, and are not counted in.
 *
 * Owns: nothing. Thread: any. Limit: none. Errors: none.
 */
#ifndef EVERPROF_PIPELINE_DEADLOCK_H
#define EVERPROF_PIPELINE_DEADLOCK_H

#include <stdint.h>

#define DEADLOCK_NOBODY UINT32_MAX

/* holder_of[i]: whom thread i waits for, or DEADLOCK_NOBODY. Fills ret_circle[i] with the number of its circle, from 1, or 0. How many there are. */
uint32_t deadlock__find(const uint32_t *holder_of, uint32_t n, uint32_t *ret_circle);

#endif
