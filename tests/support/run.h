/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run - starts a program under test, reads what it says, and leaves nothing of it behind.
 *
 * Each program is in a process group of its own and dies with the test; standard output and error are kept apart, as text, while somebody waits
 * for a line or for the end.
 *
 * Owns: the child, its pipes, its text. Thread: one owner. Limit: RUN_TEXT_MAX bytes of text each, the rest is read and dropped. Errors: -ETIMEDOUT,
 * -ENODATA (the program ended without that line), -errno.
 */
#ifndef EVERPROF_TESTS_SUPPORT_RUN_H
#define EVERPROF_TESTS_SUPPORT_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define RUN_TEXT_MAX (1u << 20)
#define RUN_ARGS_MAX 32

struct run {
	pid_t pid;  /* 0 once reaped */
	int status; /* of waitpid, once reaped */
	int fds[2]; /* standard output, standard error */
	char *text[2];
	size_t len[2];
};

/* argv ends in NULL. A program that cannot be executed exits with 127. */
int run__start(struct run *r, const char *const *argv);
/* The whole next line of standard output that starts with `prefix`, without it, into line[size]. Lines before it may be asked for later. */
int run__wait_line(struct run *r, const char *prefix, int timeout_ms, char *line, size_t size);
/* The number after `prefix` on such a line. */
int run__wait_number(struct run *r, const char *prefix, int timeout_ms, long long *ret_number);
/* Until the program has ended; exit status, or 128 + signal. */
int run__wait(struct run *r, int timeout_ms, int *ret_exit);
/* Kills the whole group and frees. Zeroed structs and those already done are fine. */
void run__done(struct run *r);
/* One call for those who need only the end: text is kept until run__done. */
int run__to_end(struct run *r, int timeout_ms, int *ret_exit, const char *const *argv);
const char *run__out(const struct run *r);
const char *run__errors(const struct run *r);

/* Paths beside the running test: BUILD/everprof (or $EVERPROF), BUILD/workloads/NAME. */
void run__path_everprof(char path[4096]);
void run__path_workload(const char *name, char path[4096]);

#endif
