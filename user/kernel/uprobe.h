/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uprobe - one program on many places of one file, in all processes that have it mapped, as one link (uprobe_multi, Linux 6.6).
 *
 * The link is a descriptor and nothing else: when it is closed, by whoever's end too, the places are as they were. libbpf 1.1 and the C library's
 * headers do not know the call, so it is made here by hand.
 *
 * Owns: nothing. Thread: any. Limit: UPROBE_PLACES_MAX. Errors: -errno of the kernel; -EINVAL where it does not know the link.
 */
#ifndef EVERPROF_KERNEL_UPROBE_H
#define EVERPROF_KERNEL_UPROBE_H

#include <stdint.h>

/* BPF_TRACE_UPROBE_MULTI: what the program has to be loaded for, include/uapi/linux/bpf.h. */
#define UPROBE_MULTI_ATTACH_TYPE 48
#define UPROBE_PLACES_MAX        128

struct uprobe_place {
	uint64_t offset; /* in the file */
	uint64_t cookie;
};

/* file_fd: the file, opened anyhow. pid 0: every process. The descriptor is the caller's. */
int uprobe__attach(int prog_fd, int file_fd, const struct uprobe_place *places, uint32_t n, uint32_t pid,
		   int *ret_link_fd);
/* Offset in this program's own file of one of its functions. -ENOENT. */
int uprobe__own_offset(const void *function, uint64_t *ret_offset);

#endif
