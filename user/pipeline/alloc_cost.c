// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/alloc_cost.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "user/base/clock.h"

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

int alloc_cost__own_place(struct uprobe_place *ret_place)
{
	*ret_place = (struct uprobe_place){.cookie = ALLOC_SIZE_ARG1};
	return uprobe__own_offset((const void *)(uintptr_t)alloc_cost__calibration, &ret_place->offset);
}

/* Of our thread in this round; NULL: it met no probe. */
static const struct alloc_thread *own_thread(const struct alloc_gate *gate,
					     const struct alloc_thread *threads)
{
	uint32_t tid = (uint32_t)gettid();

	for (uint32_t i = 0; i < ALLOC_THREAD_TRIES; i++) {
		const struct alloc_thread *t = &threads[alloc_thread__place(tid, i)];

		if (__atomic_load_n(&t->owner, __ATOMIC_RELAXED) == ((uint64_t)gate->round << 32 | tid))
			return t;
	}
	return NULL;
}

static double handler_ns(const struct alloc_thread *before, const struct alloc_thread *t)
{
	return t && t->n_handler > before->n_handler
		       ? (double)(t->handler_ns - before->handler_ns) / (t->n_handler - before->n_handler)
		       : 0;
}

void alloc_cost__measure(struct alloc_cost *c, struct alloc_gate *gate, const struct alloc_thread *threads)
{
	struct alloc_thread before = {0};
	const struct alloc_thread *own;
	double a, b;

	gate->interval = 1ull << 32;
	gate->cost_ns = 0;
	gate->is_calibration = 1;
	__atomic_store_n(&gate->end_ns, UINT64_MAX, __ATOMIC_SEQ_CST);
	__atomic_store_n(&gate->begin_ns, 0, __ATOMIC_SEQ_CST);
	batch_ns(); /* we have just woken: caches are cold */
	own = own_thread(gate, threads);
	if (own)
		before = *own;
	a = batch_ns();
	b = batch_ns();
	__atomic_store_n(&gate->begin_ns, UINT64_MAX, __ATOMIC_SEQ_CST);
	gate->is_calibration = 0;
	c->handlers[c->n % ALLOC_COST_KEPT] = handler_ns(&before, own);
	c->measured[c->n++ % ALLOC_COST_KEPT] = (a + b) / 2;
}

/* 0: none. */
static double middle_of(const double measured[ALLOC_COST_KEPT], uint32_t n)
{
	double sorted[ALLOC_COST_KEPT];

	n = n < ALLOC_COST_KEPT ? n : ALLOC_COST_KEPT;
	memcpy(sorted, measured, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_doubles);
	return n ? sorted[n / 2] : 0;
}

double alloc_cost__ns(const struct alloc_cost *c)
{
	return c->n ? middle_of(c->measured, c->n) * (1 + ALLOC_COST_BESIDE) : ALLOC_COST_ASSUMED_NS;
}

double alloc_cost__beside_ns(const struct alloc_cost *c, const struct alloc_thread *t, double cost_ns)
{
	double loop = middle_of(c->handlers, c->n), calls = t->n_handler + ALLOC_COST_PRIOR;
	double times = loop > 0 ? (t->handler_ns + ALLOC_COST_PRIOR * loop) / (calls * loop) : 1;
	double samples_ns = t->inside_ns - cost_ns * t->n_inside;

	return (cost_ns * t->n_inside * ALLOC_COST_HANDLER + samples_ns * ALLOC_COST_SAMPLE) * (times - 1);
}
