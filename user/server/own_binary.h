/* SPDX-License-Identifier: Apache-2.0 */
/*
 * own_binary - the program that runs, to be started anew as a process with less to lose.
 *
 * Owns: nothing. Thread: any. Limit: PATH_MAX. Errors: none, the link always leads somewhere.
 */
#ifndef EVERPROF_SERVER_OWN_BINARY_H
#define EVERPROF_SERVER_OWN_BINARY_H

#include <limits.h>

/* Borrowed: `path`, or constant. */
const char *own_binary__path(char path[PATH_MAX]);
/* Of such a process, first of all: our name, and deaf to what people send to everything of that name, which the agent alone can act on. */
void own_binary__be_child(void);

#endif
