// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/alloc_cost.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/kernel/uprobe.h"

#define CALLS 50
/* Fewer do not tell what the shortest is. */
#define GAPS_MIN 32
#define EDGE     0.05
/* Of the program's own between two calls that follow each other at once. */
#define BETWEEN_NS 20

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
	gate->cost_ns = gate->bare_ns = 0;
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

double alloc_cost__bare_ns(const struct alloc_cost *c)
{
	uint32_t n = c->n < ALLOC_COST_KEPT ? c->n : ALLOC_COST_KEPT;
	double sorted[ALLOC_COST_KEPT];

	if (!n)
		return ALLOC_COST_ASSUMED_NS;
	memcpy(sorted, c->measured, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_doubles);
	return sorted[n / 2];
}

double alloc_cost__ns(const struct alloc_cost *c)
{
	return alloc_cost__bare_ns(c) * (1 + ALLOC_COST_BESIDE);
}

/* Where a place of the gaps begins, in bare calls. */
static double begin_of(uint32_t place)
{
	return place < ALLOC_GAPS_FINE ? 0.5 + (double)place / ALLOC_GAPS_FINE
				       : 1.5 + (double)(place - ALLOC_GAPS_FINE) / ALLOC_GAPS_EACH;
}

/* Of its gaps, so that EDGE of them are shorter; the longest that is told apart where that is longer. */
static double shortest_gap(const struct alloc_thread *t, double bare_ns)
{
	double wanted = EDGE * t->n_gaps, seen = 0;

	for (uint32_t i = 0; i < ALLOC_GAPS; i++) {
		double begin = begin_of(i);

		if (seen + t->gaps[i] >= wanted && t->gaps[i])
			return bare_ns * (begin + (begin_of(i + 1) - begin) * (wanted - seen) / t->gaps[i]);
		seen += t->gaps[i];
	}
	return bare_ns * ALLOC_GAP_MAX;
}

double alloc_cost__in(const struct alloc_thread *t, double bare_ns, double *ret_error_ns)
{
	double most = ALLOC_COST_BESIDE * bare_ns, bare = bare_ns, beside = most;

	if (t->n_gaps >= GAPS_MIN) {
		double edge = shortest_gap(t, bare_ns);

		bare = fmin(bare_ns, edge - BETWEEN_NS);
		beside = fmin(most, ALLOC_COST_OF_GAPS * ((double)t->gaps_ns / t->n_gaps - edge));
		beside = fmax(beside, 0);
	}
	*ret_error_ns = hypot(ALLOC_COST_BARE_ERROR * bare, ALLOC_COST_BESIDE_ERROR * beside);
	return bare + beside;
}

double alloc_cost__samples_ns(const struct alloc_thread *t)
{
	double after = 0;

	if (t->n_after && t->n_gaps)
		after = (double)t->after_ns / t->n_after - (double)t->gaps_ns / t->n_gaps;
	return t->samples_ns + fmax(after, 0) * t->n_samples;
}
