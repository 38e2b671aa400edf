/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uprobe_holder - a process that puts one link of probes in place and takes it away, for us.
 *
 * Owns: the process, a socket to it. Thread: one owner, not the first thread of the program, whose variables the process would lack. Limit: UPROBE_PLACES_MAX places, one link at a time, HOLDER_PATIENCE_S for an answer.
 * Errors: -errno of uprobe__attach; -EPIPE the process is gone or does not answer: a new one has to be made, and puts right what this one left.
 */
#ifndef EVERPROF_KERNEL_UPROBE_HOLDER_H
#define EVERPROF_KERNEL_UPROBE_HOLDER_H

#include <stdint.h>
#include <sys/types.h>

#include "user/kernel/uprobe.h"

struct uprobe_holder;

int uprobe_holder__new(int prog_fd, struct uprobe_holder **ret);
/* Takes away what it holds, and waits for that. */
void uprobe_holder__free(struct uprobe_holder *h);
pid_t uprobe_holder__pid(const struct uprobe_holder *h);
/* Puts the places of the file in place. ret_cpu_ns: CPU time that it took. */
int uprobe_holder__attach(struct uprobe_holder *h, int file_fd, const struct uprobe_place *places, uint32_t n,
			  uint64_t *ret_cpu_ns);
/* Takes them away; several holders may be asked before the first is waited for. */
int uprobe_holder__begin_detach(struct uprobe_holder *h);
int uprobe_holder__end_detach(struct uprobe_holder *h, uint64_t *ret_cpu_ns);

#endif
