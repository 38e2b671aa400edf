/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shim_user - user memory for the host's build of what reads it: one piece of bytes at an address of the test's choice, and what was asked for.
 */
#ifndef EVERPROF_TESTS_BPF_SHIM_USER_H
#define EVERPROF_TESTS_BPF_SHIM_USER_H

#include <errno.h>

#include "tests/bpf/shim.h"

struct shim_user {
	const __u8 *bytes;
	__u64 at, len;
	__u64 n_reads, lowest, highest; /* of all reads, failed ones too */
};
struct shim_user shim_user;

/* Like the kernel's: all of it or nothing. */
SHIM long bpf_probe_read_user(void *to, __u32 len, const void *from)
{
	__u64 at = (__u64)from - shim_user.at;

	if (!shim_user.n_reads || (__u64)from < shim_user.lowest)
		shim_user.lowest = (__u64)from;
	if (!shim_user.n_reads || (__u64)from + len > shim_user.highest)
		shim_user.highest = (__u64)from + len;
	shim_user.n_reads++;
	if (at > shim_user.len || len > shim_user.len - at) {
		memset(to, 0, len);
		return -EFAULT;
	}
	memcpy(to, shim_user.bytes + at, len);
	return 0;
}

#endif
