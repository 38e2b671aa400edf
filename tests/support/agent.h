/* SPDX-License-Identifier: Apache-2.0 */
/*
 * agent - an agent of one test: its own configuration, its own store, and what it has written there.
 *
 * The folder of a struct recording holds both: <dir>/profiler.yaml and <dir>/store.
 *
 * Owns: nothing: the recording does. Thread: one. Limit: AGENT_FILES_MAX files listed. Errors: functions named agent__expect_* fail the running test.
 */
#ifndef EVERPROF_TESTS_SUPPORT_AGENT_H
#define EVERPROF_TESTS_SUPPORT_AGENT_H

#include "tests/support/recording.h"

#define AGENT_FILES_MAX 512

/* The snapshots of one event, in the order of their names, which is that of time. */
struct agent_files {
	int n;
	char path[AGENT_FILES_MAX][1024];
	long long seconds[AGENT_FILES_MAX]; /* of the name */
};

/* Writes <dir>/profiler.yaml: windows of `window` on CPU at 999 Hz, nothing else, no server. */
void agent__configure(const struct recording *r, const char *window);
/* Replaces it by these bytes. */
void agent__write_config(const struct recording *r, const char *text);
/* Starts it and waits until the first window is on disk. */
void agent__start(struct recording *r);
/* Starts it only. */
void agent__launch(struct recording *r);
/*
 * Starts it for captures: windows of five seconds, of which a capture keeps five before and one after, and a server on some port, for whom `credentials` names. more:
 * lines below `profiling:`. Its port.
 */
int agent__serve_captures(struct recording *r, const char *more, const char *credentials);
/* The port of 127.0.0.1 that it says it serves, "http" or "https"; the test fails when it ends before, or says none within ten seconds. */
int agent__expect_port(struct recording *r, const char *scheme);
void agent__signal(const struct recording *r, int signo);
/* SIGTERM, and exit status 0 within ten seconds. */
void agent__expect_end(struct recording *r);
/* Every file below snapshots/ has a name of the contract, or is one of ours that is hidden; the cpu files go to ret_files. */
void agent__expect_files(const struct recording *r, struct agent_files *ret_files);
/* Until there are `n` files; the test fails when the agent ends before, or after half a minute. */
void agent__expect_n_files(struct recording *r, int n, struct agent_files *ret_files);

#endif
