// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/alloc_cost.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/kernel/uprobe.h"

#define BATCHES 9
#define CALLS   100

/* A function whose first instruction is one that the kernel does by itself; nobody else calls it. */
void alloc_cost__calibration(uint64_t size);
__asm__(".text\n"
	".p2align 4\n"
	".hidden alloc_cost__calibration\n"
	".globl alloc_cost__calibration\n"
	".type alloc_cost__calibration, @function\n"
	"alloc_cost__calibration:\n"
	"	.cfi_startproc\n"
	"	push %rbp\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	pop %rbp\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size alloc_cost__calibration, . - alloc_cost__calibration\n");

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* What a call takes, in the middle one of some batches. */
static double call_ns(void)
{
	void (*volatile call)(uint64_t) = alloc_cost__calibration;
	uint64_t took[BATCHES];

	for (int b = 0; b < BATCHES; b++) {
		uint64_t began = clock__mono_ns();

		for (int i = 0; i < CALLS; i++)
			call(16);
		took[b] = clock__mono_ns() - began;
	}
	qsort(took, BATCHES, sizeof(*took), compare_u64);
	return (double)took[BATCHES / 2] / CALLS;
}

int alloc_cost__attach_own(int prog_fd, int *ret_link_fd)
{
	struct uprobe_place place = {.cookie = ALLOC_SIZE_ARG1};
	int err = uprobe__own_offset((const void *)(uintptr_t)alloc_cost__calibration, &place.offset);
	int file_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (!err)
		err = file_fd < 0
			      ? -errno
			      : uprobe__attach(prog_fd, file_fd, &place, 1, (uint32_t)getpid(), ret_link_fd);
	io__close(&file_fd);
	return err;
}

int alloc_cost__measure(int prog_fd, struct alloc_gate *gate, double *ret_ns)
{
	int link_fd = FD_CLOSED, err = alloc_cost__attach_own(prog_fd, &link_fd);

	if (err)
		return err;
	gate->interval = 1ull << 32;
	gate->cost_ns = 0;
	__atomic_store_n(&gate->end_ns, UINT64_MAX, __ATOMIC_SEQ_CST);
	__atomic_store_n(&gate->begin_ns, 0, __ATOMIC_SEQ_CST);
	*ret_ns = call_ns() * (1 + ALLOC_COST_BESIDE);
	__atomic_store_n(&gate->begin_ns, UINT64_MAX, __ATOMIC_SEQ_CST);
	io__close(&link_fd);
	return 0;
}
