// SPDX-License-Identifier: Apache-2.0
/*
 * Idea: process_vm_readv copies many scattered pieces in one call, some 0.5 us each. It stops at the first piece that it cannot read; that one is
 * passed over, and the call goes on behind it. Addresses that no process has are not even asked for.
 *
 * What it does not do: give up. Memory that another program has to fill in first (a file of FUSE, userfaultfd) makes the reader wait for that program.
 */
#include "user/process/process_memory.h"

#include <errno.h>
#include <limits.h>
#include <sys/uio.h>

#define ADDRESS_MAX (1ull << 47) /* user space of x86-64 with four levels, and of arm64 as it is used */

static bool is_sound(uint64_t addr, uint64_t len)
{
	return addr && addr < ADDRESS_MAX && len <= ADDRESS_MAX - addr;
}

int process_memory__read(uint32_t pid, uint64_t addr, void *to, size_t len)
{
	uint8_t *bytes = to;

	if (!is_sound(addr, len))
		return -EFAULT;
	while (len) {
		struct iovec here = {.iov_base = bytes, .iov_len = len};
		struct iovec there = {.iov_base = (void *)(uintptr_t)addr, .iov_len = len};
		ssize_t got = process_vm_readv((pid_t)pid, &here, 1, &there, 1, 0);

		if (got <= 0)
			return got < 0 ? -errno : -EFAULT;
		bytes += got;
		addr += (uint64_t)got;
		len -= (size_t)got;
	}
	return 0;
}

/* How many of the spans from `first` on go into one call, and that call. */
static ssize_t read_some(uint32_t pid, struct memory_span *spans, size_t n, size_t *ret_asked)
{
	struct iovec here[IOV_MAX], there[IOV_MAX];
	size_t asked = 0;
	ssize_t got;

	for (; asked < n && asked < IOV_MAX && is_sound(spans[asked].addr, spans[asked].len); asked++) {
		here[asked] = (struct iovec){.iov_base = spans[asked].to, .iov_len = spans[asked].len};
		there[asked] = (struct iovec){.iov_base = (void *)(uintptr_t)spans[asked].addr,
					      .iov_len = spans[asked].len};
	}
	*ret_asked = asked;
	if (!asked)
		return 0;
	got = process_vm_readv((pid_t)pid, here, asked, there, asked, 0);
	return got < 0 ? -errno : got;
}

int process_memory__read_spans(uint32_t pid, struct memory_span *spans, size_t n)
{
	for (size_t i = 0; i < n; i++)
		spans[i].is_read = false;
	while (n) {
		size_t asked, whole = 0;
		ssize_t got = read_some(pid, spans, n, &asked);

		if (got < 0 && got != -EFAULT)
			return (int)got;
		for (; whole < asked && got >= (ssize_t)spans[whole].len; whole++) {
			spans[whole].is_read = true;
			got -= spans[whole].len;
		}
		if (whole < asked || !asked)
			whole++; /* this one cannot be read */
		spans += whole;
		n -= whole;
	}
	return 0;
}
