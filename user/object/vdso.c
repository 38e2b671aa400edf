/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: frames in clock_gettime and its like lie in no file, yet the code has an ELF image with symbols and unwind
 * tables.
 *
 * Idea: the kernel tells each process where its image is (AT_SYSINFO_EHDR). Its section headers and all it names lie
 * in the mapped pages, so the headers give its length. It is read through /proc/self/mem rather than by pointer:
 * should the length be wrong, the read fails where a load would fault.
 *
 * Reference: vdso(7); Linux arch/x86/entry/vdso/vma.c.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "user/base/io.h"
#include "user/object/vdso.h"

static void reach(uint64_t *end, uint64_t offset, uint64_t size)
{
	if (offset <= VDSO_SIZE_MAX && size <= VDSO_SIZE_MAX && offset + size > *end)
		*end = offset + size;
	else if (offset > VDSO_SIZE_MAX || size > VDSO_SIZE_MAX)
		*end = UINT64_MAX;
}

/* How far headers and segments reach. */
static int image_size(int mem_fd, uint64_t base, uint64_t *ret_size)
{
	Elf64_Ehdr eh;
	uint64_t end = sizeof(eh);
	int r;

	r = io__pread_full(mem_fd, &eh, sizeof(eh), base);
	if (r < 0)
		return r;
	if (memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 || eh.e_ident[EI_CLASS] != ELFCLASS64 ||
	    eh.e_phentsize != sizeof(Elf64_Phdr))
		return -EBADMSG;
	reach(&end, eh.e_shoff, (uint64_t)eh.e_shnum * eh.e_shentsize);
	for (unsigned int i = 0; i < eh.e_phnum; i++) {
		Elf64_Phdr ph;

		r = io__pread_full(mem_fd, &ph, sizeof(ph), base + eh.e_phoff + i * sizeof(ph));
		if (r < 0)
			return r;
		reach(&end, ph.p_offset, ph.p_filesz);
	}
	if (end > VDSO_SIZE_MAX)
		return -E2BIG;
	*ret_size = end;
	return 0;
}

static int seal_image(const void *bytes, size_t size, int *ret_fd)
{
	int fd = memfd_create("vdso", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (fd < 0)
		return -errno;
	r = io__write_full(fd, bytes, size);
	if (r == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		r = -errno;
	if (r < 0) {
		io__close(&fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

int vdso__open(int *ret_fd)
{
	uint64_t base = getauxval(AT_SYSINFO_EHDR);
	uint64_t size = 0;
	void *bytes = NULL;
	int mem_fd;
	int r;

	if (base == 0)
		return -ENOENT;
	mem_fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	if (mem_fd < 0)
		return -errno;
	r = image_size(mem_fd, base, &size);
	if (r < 0)
		goto out;
	bytes = malloc(size);
	if (!bytes) {
		r = -ENOMEM;
		goto out;
	}
	r = io__pread_full(mem_fd, bytes, size, base);
	if (r == 0)
		r = seal_image(bytes, size, ret_fd);
out:
	free(bytes);
	io__close(&mem_fd);
	return r;
}
