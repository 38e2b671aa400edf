/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vdso - the kernel's code that is mapped into every process, as a file.
 *
 * The running kernel has one 64-bit vDSO image, so ours stands for everybody's.
 *
 * Owns: nothing; the descriptor is the caller's. Thread: any. Limit: VDSO_SIZE_MAX.
 * Errors: -ENOENT this kernel gave us none, -EBADMSG not an ELF image, -E2BIG, -errno of memfd_create and of
 * /proc/self/mem.
 */
#ifndef EVERPROF_OBJECT_VDSO_H
#define EVERPROF_OBJECT_VDSO_H

#include <stdint.h>

#define VDSO_SIZE_MAX (256u * 1024)
#define VDSO_PATH     "[vdso]"

/* A sealed memfd that holds the image. */
int vdso__open(int *ret_fd);

#endif
