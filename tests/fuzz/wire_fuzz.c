/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of a serving process that has been taken over: what passes the check is safe to act on; a name that passes stays below the store's folder.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/server/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_request r, again;
	char path[STORE_PATH_MAX];

	/* random bytes never have the magic: the head is given, the rest is the fuzzer's */
	if (size == sizeof(r)) {
		memcpy(&again, data, sizeof(again));
		again.magic = WIRE_MAGIC;
		again.text_len = 0;
		again.zero = 0;
		again.type = again.type % WIRE_TYPE_MAX;
		data = (const uint8_t *)&again;
	}
	if (wire__check(data, size, &r))
		return 0;
	if (strnlen(r.event, sizeof(r.event)) == sizeof(r.event) &&
	    (r.type == WIRE_LIST || r.type == WIRE_LIVE))
		abort();
	if (r.type == WIRE_OPEN) {
		store_name__format_path(&r.name, path);
		if (strstr(path, "..") || *path == '/' || strchr(strchr(path, '/') + 1, '/'))
			abort();
	}
	return 0;
}
