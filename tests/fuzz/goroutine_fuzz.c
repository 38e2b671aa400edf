// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as a runtime.g of every release: what is taken for one has its stack pointer in its stack, and a stack of a possible size. The first 8 bytes are where it lies.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/runtime/go_layout.h"
#include "user/runtime/goroutine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char version[64];
	uint64_t address;
	uint32_t minor;
	size_t n = size < sizeof(version) ? size : sizeof(version) - 1;

	memcpy(version, data, n);
	version[n] = '\0';
	if (!go_layout__parse_version(version, &minor) && minor > 999)
		abort();
	if (size < sizeof(address))
		return 0;
	memcpy(&address, data, sizeof(address));
	for (minor = 18; minor <= 26; minor++) {
		struct go_layout l;
		struct goroutine g;

		if (go_layout__of_release(minor, &l))
			abort();
		if (goroutine__parse(&l, address, data + sizeof(address), size - sizeof(address), &g))
			continue;
		if (g.address != address || !g.id || g.stack_lo >= g.stack_hi ||
		    g.stack_hi - g.stack_lo > 1ull << 30)
			abort();
		if (g.has_stack && (g.sp < g.stack_lo || g.sp > g.stack_hi))
			abort();
		if (!*goroutine_state__name(g.state))
			abort();
	}
	return 0;
}
