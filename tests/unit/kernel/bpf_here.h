/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bpf_here - for tests that want real maps: makes one, or skips the test where this user or kernel has no BPF.
 */
#ifndef EVERPROF_TESTS_BPF_HERE_H
#define EVERPROF_TESTS_BPF_HERE_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>

#include <bpf/bpf.h>

/* Any other failure than a missing permission is one of the test. */
static inline int bpf_here__map(uint32_t type, uint32_t key, uint32_t value, uint32_t n,
				const struct bpf_map_create_opts *opts)
{
	int fd = bpf_map_create(type, "everprof_test", key, value, n, opts);

	if (fd == -EPERM || fd == -ENOSYS) {
		print_message("no BPF here: root and a kernel with BPF are needed\n");
		skip();
	}
	assert_true(fd >= 0);
	return fd;
}

#endif
