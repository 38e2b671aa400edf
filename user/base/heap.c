// SPDX-License-Identifier: Apache-2.0
#include "user/base/heap.h"

#include <malloc.h>

#ifdef __GLIBC__
#define MMAP_FROM_BYTES (128 * 1024) /* glibc's first default; setting it stops it from growing */
#define ARENAS          2

void heap__keep_small(void)
{
	mallopt(M_MMAP_THRESHOLD, MMAP_FROM_BYTES);
	mallopt(M_TRIM_THRESHOLD, 4 * MMAP_FROM_BYTES);
	mallopt(M_ARENA_MAX, ARENAS);
}

void heap__give_back(void)
{
	malloc_trim(0);
}
#else
void heap__keep_small(void)
{
}

void heap__give_back(void)
{
}
#endif
