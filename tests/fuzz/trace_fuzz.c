/* SPDX-License-Identifier: Apache-2.0 */
/* A timeline: bytes that pass the check are written as JSON without a look beyond them, whatever the records say. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/format/trace_json.h"
#include "user/base/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t *bytes;
	struct trace t;
	struct buf b;

	if (size < sizeof(struct trace_head))
		return 0;
	bytes = malloc(size);
	if (!bytes)
		return 0;
	memcpy(bytes, data, size);
	if (!trace__parse(bytes, size, &t)) {
		buf__init(&b, 16 << 20);
		trace_json__encode(&t, NULL, NULL, &b);
		buf__done(&b);
	}
	free(bytes);
	return 0;
}
