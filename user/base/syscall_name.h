/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syscall_name - the names of this architecture's system calls.
 *
 * Owns: nothing (constant data, made from the headers of the build's kernel, plus those that are newer). Thread: any. Limit: none.
 * Errors: NULL for a number or name that nobody knows.
 */
#ifndef EVERPROF_BASE_SYSCALL_NAME_H
#define EVERPROF_BASE_SYSCALL_NAME_H

#include <stdbool.h>

const char *syscall_name__get(int number); /* "futex", or NULL */
bool syscall_name__is_known(const char *name);

#endif
