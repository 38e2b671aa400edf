/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox - gives up, for good, all that a server of pages does not need; the same for what delivers to others, and for programs that are run for somebody.
 *
 * Afterwards: a user of its own that owns no file and is no other service's, no groups, no capabilities and none to be had (no_new_privs, empty bounding set),
 * limits on memory and files, and a list of system calls (seccomp) on which opening files, making sockets, starting programs, tracing and signalling others
 * do not stand. What is not on it fails with EPERM. What delivers may besides connect to others, and open files for reading: names of hosts and certificates are
 * looked up in them.
 *
 * Owns: nothing. Thread: the only one: call it before any other is started. Limit: none. Errors: -errno with one clear line; then nothing may be served.
 */
#ifndef EVERPROF_SERVER_SANDBOX_H
#define EVERPROF_SERVER_SANDBOX_H

#include <stddef.h>
#include <stdint.h>

#define SANDBOX_UID       61909               /* in the range that systemd keeps for users without a name */
#define SANDBOX_MEMORY    ((uint64_t)2 << 30) /* of address space */
#define SANDBOX_FILES_MAX 8192

struct err;

enum sandbox_kind { SANDBOX_SERVES, SANDBOX_DELIVERS };

int sandbox__enter(enum sandbox_kind kind, struct err *err);
/* For a program that is about to be run: without privileges, and no way to get any. user NULL: the user of the sandbox; else that one, by its name, and where that
 * is root's nothing is given up. */
int sandbox__become(const char *user, struct err *err);

#endif
