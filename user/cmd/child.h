/* SPDX-License-Identifier: Apache-2.0 */
/*
 * child - a command that is made, held until the profiler is ready, and then let go.
 *
 * Owns: the process until it is reaped, a pipe. Thread: one owner. Limit: none. Errors: -errno; the errno of exec itself from child__release.
 */
#ifndef EVERPROF_CMD_CHILD_H
#define EVERPROF_CMD_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct child {
	pid_t pid;
	int go_fd;     /* closing it lets the child go */
	int failed_fd; /* tells the errno of a failed exec */
	bool is_done;
	int status; /* of waitpid, once done */
};

/* Forks; the child waits. `mask` is the signal mask it will run with. */
int child__hold(struct child *c, char *const argv[], const sigset_t *mask);
/* Lets it exec; 0 once it runs. */
int child__release(struct child *c);
/* Has it ended? Reaps it. */
bool child__poll(struct child *c);
/* As a shell tells it: the exit code, or 128 + signal. */
int child__exit_status(const struct child *c);
/* Ends what was never released, or waits for what still runs. */
void child__done(struct child *c);

#endif
