// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/alloc_cost.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/kernel/uprobe.h"

#define CALLS 50

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

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double batch_ns(void)
{
	void (*volatile call)(uint64_t) = alloc_cost__calibration;
	uint64_t began = clock__mono_ns();

	for (int i = 0; i < CALLS; i++)
		call(16);
	return (double)(clock__mono_ns() - began) / CALLS;
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

void alloc_cost__measure(struct alloc_cost *c, struct alloc_gate *gate)
{
	double a, b;

	gate->interval = 1ull << 32;
	gate->cost_ns = 0;
	gate->is_calibration = 1;
	__atomic_store_n(&gate->end_ns, UINT64_MAX, __ATOMIC_SEQ_CST);
	__atomic_store_n(&gate->begin_ns, 0, __ATOMIC_SEQ_CST);
	batch_ns(); /* we have just woken: caches are cold */
	a = batch_ns();
	b = batch_ns();
	__atomic_store_n(&gate->begin_ns, UINT64_MAX, __ATOMIC_SEQ_CST);
	gate->is_calibration = 0;
	c->measured[c->n++ % ALLOC_COST_KEPT] = (a + b) / 2;
}

double alloc_cost__ns(const struct alloc_cost *c)
{
	uint32_t n = c->n < ALLOC_COST_KEPT ? c->n : ALLOC_COST_KEPT;
	double sorted[ALLOC_COST_KEPT];

	if (!n)
		return ALLOC_COST_ASSUMED_NS;
	memcpy(sorted, c->measured, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_doubles);
	return sorted[n / 2] * (1 + ALLOC_COST_BESIDE);
}
