/* SPDX-License-Identifier: Apache-2.0 */
/*
 * realign SECONDS: functions that align their own stack, which the compiler describes by a CFA that is read from memory, with
 * a frame pointer saved at an expression.
 *
 *      realign_leaf < realigned (64-byte vector on the stack) < realigned_alloca (and a variable size) < plain < main
 */
#include <alloca.h>

#include "tests/workloads/work.h"

static WORK_FN void realign_leaf(const volatile unsigned char *bytes, uint64_t scale)
{
	(void)bytes;
	work__spin(100 * scale);
}

static WORK_FN __attribute__((force_align_arg_pointer)) void realigned(uint64_t scale)
{
	volatile unsigned char bytes[64] __attribute__((aligned(64)));

	bytes[0] = (unsigned char)scale;
	realign_leaf(bytes, scale);
	__asm__ volatile("" ::"r"(bytes) : "memory");
}

static WORK_FN void realigned_alloca(uint64_t scale)
{
	volatile unsigned char aligned[128] __attribute__((aligned(128)));
	volatile unsigned char *variable = alloca(scale & 0xff);

	aligned[0] = 1;
	variable[0] = 1;
	realigned(scale);
	__asm__ volatile("" ::"r"(aligned), "r"(variable) : "memory");
}

static WORK_FN void plain(uint64_t scale)
{
	realigned_alloca(scale);
	__asm__ volatile("" ::: "memory");
}

int main(int argc, char **argv)
{
	struct work w;

	work__init(&w, argc, argv);
	work__ready();
	while (work__go(&w))
		plain(w.scale);
	return work__done();
}
