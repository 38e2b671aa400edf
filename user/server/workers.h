/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workers - a few threads that do what takes long, so that the one that reads requests does not.
 *
 * Owns: its threads. Thread: any may push. Limit: threads and queue given at the start; one more is -EAGAIN. Errors: -EAGAIN, -ENOMEM.
 */
#ifndef EVERPROF_SERVER_WORKERS_H
#define EVERPROF_SERVER_WORKERS_H

#include <stdint.h>

struct workers;

int workers__new(uint32_t n_threads, uint32_t n_queued, struct workers **ret);
/* Waits for what is being done; what waits is done too. */
void workers__free(struct workers *w);
/* fn does it. done tells who waits, when the place is free again: he may ask back at once. */
int workers__push(struct workers *w, void (*fn)(void *ctx), void (*done)(void *ctx), void *ctx);

#endif
