/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop - one thread that waits for files, timers and signals (epoll, timerfd, signalfd).
 *
 * Owns: its sources; callbacks are called on the thread in loop__run. Thread: one owner; loop__stop from any thread or signal handler.
 * Limit: LOOP_SOURCES_MAX. Errors: -errno; a callback's negative return ends loop__run with it.
 */
#ifndef EVERPROF_BASE_LOOP_H
#define EVERPROF_BASE_LOOP_H

#include <stdint.h>

#define LOOP_SOURCES_MAX 4096
#define LOOP_TIMER_OFF   UINT64_MAX /* as first_ns: the timer stands still until loop__set_timer */

struct loop;
struct loop_source;

typedef int (*loop_fd_fn)(int fd, uint32_t epoll_events, void *ctx);
typedef int (*loop_timer_fn)(uint64_t n_expired, void *ctx);
typedef int (*loop_signal_fn)(int signo, void *ctx);

int loop__new(struct loop **ret_loop);
void loop__free(struct loop *l);
/* Each add gives a handle (ret may be NULL); loop__remove is safe inside callbacks. The fd stays the caller's. */
int loop__add_fd(struct loop *l, int fd, uint32_t epoll_events, loop_fd_fn fn, void *ctx,
		 struct loop_source **ret);
/* First after first_ns, then every interval_ns (0: once), CLOCK_MONOTONIC, without drift. */
int loop__add_timer(struct loop *l, uint64_t first_ns, uint64_t interval_ns, loop_timer_fn fn, void *ctx,
		    struct loop_source **ret);
int loop__set_timer(struct loop_source *timer, uint64_t first_ns, uint64_t interval_ns);
/* Blocks the signal for this thread and those started later, and delivers it here. It stays blocked when the source is removed, so that
 * a second Ctrl-C cannot kill a clean end; who starts another program resets the mask in the child. */
int loop__add_signal(struct loop *l, int signo, loop_signal_fn fn, void *ctx, struct loop_source **ret);
void loop__remove(struct loop *l, struct loop_source *s);
/* Runs until loop__stop (0) or a failing callback (its error). A stop that comes before the run ends the run at once. */
int loop__run(struct loop *l);
/* From any thread or signal handler, or from a callback: the rest of the ready sources is not called any more. */
void loop__stop(struct loop *l);

#endif
