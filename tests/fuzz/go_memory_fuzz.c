// SPDX-License-Identifier: Apache-2.0
/* Any bytes as a bucket of Go's memory profile: what is taken for one lies in the bytes, and stands for no less than it says. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "user/runtime/go_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct go_bucket k;

	if (go_bucket__parse(data, size, &k))
		return 0;
	if (k.pcs < data || k.pcs + k.n_pcs * 8ul > data + size || k.frees > k.allocs || !k.size ||
	    go_bucket__bytes(data) > size)
		abort();
	for (uint64_t rate = 0; rate < 1ull << 40; rate = rate * 16 + 1)
		if (go_memory__scale(k.allocs, k.size, rate) < k.allocs && k.allocs < 1ull << 53)
			abort();
	return 0;
}
