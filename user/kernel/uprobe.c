// SPDX-License-Identifier: Apache-2.0
#include "user/kernel/uprobe.h"

#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>

/* The part of union bpf_attr that is BPF_LINK_CREATE's for uprobe_multi. */
struct link_create {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t n, multi_flags, pid, reserved;
};

int uprobe__attach(int prog_fd, int file_fd, const struct uprobe_place *places, uint32_t n, uint32_t pid,
		   int *ret_link_fd)
{
	uint64_t offsets[UPROBE_PLACES_MAX], cookies[UPROBE_PLACES_MAX];
	char path[64];
	struct link_create attr = {
		.prog_fd = (uint32_t)prog_fd,
		.attach_type = UPROBE_MULTI_ATTACH_TYPE,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)offsets,
		.cookies = (uintptr_t)cookies,
		.n = n,
		.pid = pid,
	};
	int fd;

	if (!n || n > UPROBE_PLACES_MAX)
		return -E2BIG;
	for (uint32_t i = 0; i < n; i++) {
		offsets[i] = places[i].offset;
		cookies[i] = places[i].cookie;
	}
	/* the kernel follows it to the very file, whatever its name is now */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file_fd);
	fd = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr) - sizeof(attr.reserved));
	if (fd < 0)
		return -errno;
	*ret_link_fd = fd;
	return 0;
}

static int own_offset(struct dl_phdr_info *info, size_t size, void *ctx)
{
	uint64_t *addr = ctx;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &info->dlpi_phdr[i];
		uint64_t start = info->dlpi_addr + h->p_vaddr;

		if (h->p_type == PT_LOAD && *addr >= start && *addr - start < h->p_filesz) {
			*addr += h->p_offset - start;
			return 1;
		}
	}
	return -1; /* the first object is the program itself, and no other is meant */
}

int uprobe__own_offset(const void *function, uint64_t *ret_offset)
{
	uint64_t addr = (uintptr_t)function;

	if (dl_iterate_phdr(own_offset, &addr) != 1)
		return -ENOENT;
	*ret_offset = addr;
	return 0;
}
