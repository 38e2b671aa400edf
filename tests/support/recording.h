/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recording - one end-to-end test's world: a folder, a workload, `everprof record` over it, and the profile that came out.
 *
 * Each test has its own, so that tests may run beside each other. All functions fail the running cmocka test, with what the programs said, where something
 * does not work; without root the test is skipped.
 *
 * Owns: the folder with everything in it, the programs, the profile, the track. Thread: one. Limit: one workload and one profile at a time. Errors: see above.
 */
#ifndef EVERPROF_TESTS_SUPPORT_RECORDING_H
#define EVERPROF_TESTS_SUPPORT_RECORDING_H

#include <stdint.h>

#include "tests/support/run.h"

/* Short enough for a hundred tests, long and fast enough that 2 % is more than three standard errors of nearly all shares. */
#define RECORDING_SECONDS "2s"
#define RECORDING_HZ      999
#define RECORDING_HZ_TEXT "999"
/* How long workloads run that are stopped when the recording ends. */
#define RECORDING_LONG "60"

struct profile;
struct cpu_track;

struct recording {
	char dir[64];
	char path[4096]; /* of the last profile */
	struct run workload;
	struct run everprof;
	long long pid; /* of the workload, as it says */
	struct profile *profile;
	struct cpu_track *track;
	uint64_t stolen_ns; /* by a hypervisor, of all CPUs, while the last profile was recorded */
};

/* cmocka setup and teardown: *state is the struct recording. */
int recording__setup(void **state);
int recording__teardown(void **state);

/* Starts BUILD/workloads/argv[0] (or the absolute path argv[0]) and waits for its "ready". */
void recording__start(struct recording *r, const char *const *argv);
/* Runs `everprof record -F 999 -o <dir>/p.pb.gz ARGS…`, expects `status`, and loads the profile. */
void recording__record(struct recording *r, int status, const char *const *args);
/* Both: the workload for RECORDING_SECONDS by -p, with its CPU time tracked meanwhile, then the workload is stopped. */
void recording__of(struct recording *r, const char *const *argv);
/* What the kernel accounts for the workload over the stretch that the profile says it covers, and how long that is. */
uint64_t recording__truth(const struct recording *r, uint64_t *ret_window_ns);
/* <dir>/name; two calls may be alive at once. */
const char *recording__file(const struct recording *r, const char *name);
/* Runs a line of shell in <dir>, silently; what system() says. */
int recording__shell(const struct recording *r, const char *command);
/* Copies a file of any size, with its mode. */
void recording__copy(const char *from, const char *to);

#endif
