/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program - a program that is run for somebody, as a user that may little, and is waited for.
 *
 * This same binary is started first (`everprof run-process USER PROGRAM …`), gives up its privileges, and becomes the program. It reads nothing, and writes where
 * the agent's log goes. What takes longer than PROGRAM_TIME_NS is ended, with all that it started.
 *
 * Owns: the process. Thread: that of its loop. Limit: one at a time. Errors: -EBUSY; -errno.
 */
#ifndef EVERPROF_CMD_PROGRAM_H
#define EVERPROF_CMD_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#define PROGRAM_TIME_NS (60ull * 1000000000)

struct loop;
struct program;

/* status: of its exit; 128 + signal; 127: it could not be started. */
typedef void (*program_done_fn)(void *ctx, uint64_t id, int status);

int program__new(struct loop *loop, program_done_fn done, void *ctx, struct program **ret);
/* Ends what runs. */
void program__free(struct program *p);
bool program__is_busy(const struct program *p);
/* argv, env: end with NULL. user NULL: nobody. */
int program__run(struct program *p, uint64_t id, const char *user, const char *const *argv, char *const *env);
/* `everprof run-process`. */
int run_process__main(int argc, char **argv);

#endif
