// SPDX-License-Identifier: Apache-2.0
#include "user/base/heap.h"

#include <malloc.h>

#ifdef __GLIBC__
/* Setting the thresholds stops them from growing. */
static void set(int mmap_from_bytes, int trim_from_bytes, int n_arenas)
{
	mallopt(M_MMAP_THRESHOLD, mmap_from_bytes);
	mallopt(M_TRIM_THRESHOLD, trim_from_bytes);
	mallopt(M_ARENA_MAX, n_arenas);
}

void heap__keep_small(void)
{
	set(128 << 10, 512 << 10, 2); /* the first is glibc's default */
}

/* One arena: of any other malloc_trim leaves the end, as much as the threshold. */
void heap__keep_warm(void)
{
	set(1 << 20, 8 << 20, 1);
}

void heap__give_back(void)
{
	malloc_trim(0);
}
#else
void heap__keep_small(void)
{
}

void heap__keep_warm(void)
{
}

void heap__give_back(void)
{
}
#endif
