/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alertmanager - the real one, of Debian's package prometheus-alertmanager, for one test.
 *
 * Owns: nothing: its files lie in the recording's folder, its process is the run's. Thread: one. Limit: none. Errors: fail the running test.
 */
#ifndef EVERPROF_TESTS_SUPPORT_ALERTMANAGER_H
#define EVERPROF_TESTS_SUPPORT_ALERTMANAGER_H

#include <stdbool.h>

#include "tests/support/recording.h"
#include "tests/support/run.h"

bool alertmanager__is_here(void);
/* One of 127.0.0.1 that nobody has now. */
int alertmanager__free_port(void);
/* route and receivers: those of its configuration, in a line each. */
void alertmanager__start(const struct recording *r, struct run *am, int port, const char *route,
			 const char *receivers);

#endif
