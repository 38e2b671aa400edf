// SPDX-License-Identifier: Apache-2.0
/*
 * Any bytes as what is read of a Go file without its symbols: build information, code. What comes out is in bounds, and the same twice.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/object/gobuildinfo.h"
#include "user/object/variable.h"

#define OPERANDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char version[2][GOBUILDINFO_VERSION_MAX] = {"", ""};
	uint64_t operands[2][OPERANDS_MAX];
	size_t n[2];

	if (gobuildinfo__parse(data, size, version[0]) == 0 &&
	    (!version[0][0] || strlen(version[0]) >= GOBUILDINFO_VERSION_MAX))
		abort();
	for (int i = 0; i < 2; i++)
		n[i] = variable__parse_operands(data, size, 0x400000, operands[i], OPERANDS_MAX);
	if (n[0] != n[1] || n[0] > OPERANDS_MAX || memcmp(operands[0], operands[1], n[0] * sizeof(uint64_t)))
		abort();
	return 0;
}
