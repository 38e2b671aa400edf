/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uprobe_holder - a process that puts one link of probes in place and takes it away, for us.
 *
 * Owns: the process, a socket to it. Thread: one owner, not the first thread of the program, whose variables the process would lack. Limit: UPROBE_PLACES_MAX places, one link at a time, HOLDER_PATIENCE_S for an answer.
 * Errors: -errno of uprobe__attach; -EPIPE the process is gone: a new one has to be made, and puts right what this one left; -ETIMEDOUT it does not answer, because the kernel waits for some process's lock, and all
 * forks of the machine with it: nothing is to be asked any more, and no new one made.
 */
#ifndef EVERPROF_KERNEL_UPROBE_HOLDER_H
#define EVERPROF_KERNEL_UPROBE_HOLDER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "user/kernel/uprobe.h"

struct uprobe_holder;

int uprobe_holder__new(int prog_fd, struct uprobe_holder **ret);
/* Takes away what it holds, and waits for that; what was left is not waited for. */
void uprobe_holder__free(struct uprobe_holder *h);
/* It takes away what it holds and ends when it can; only free and is_gone may follow. */
void uprobe_holder__leave(struct uprobe_holder *h);
bool uprobe_holder__is_gone(struct uprobe_holder *h);
pid_t uprobe_holder__pid(const struct uprobe_holder *h);
/* Puts the places of the file in place, in one process, or 0: all. ret_cpu_ns: CPU time that it took. */
int uprobe_holder__attach(struct uprobe_holder *h, int file_fd, const struct uprobe_place *places, uint32_t n,
			  uint32_t pid, uint64_t *ret_cpu_ns);
/* Takes them away; several holders may be asked before the first is waited for. */
int uprobe_holder__begin_detach(struct uprobe_holder *h);
int uprobe_holder__end_detach(struct uprobe_holder *h, uint64_t *ret_cpu_ns);

#endif
