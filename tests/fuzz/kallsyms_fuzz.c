/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as /proc/kallsyms: a table whose every answer starts at or below what was asked, and is the same
 * when asked for by its start. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/symbolize/kallsyms.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kallsyms *k;

	if (kallsyms__parse((const char *)data, size, &k))
		return 0;
	if (kallsyms__count(k) == 0)
		abort();
	for (size_t i = 0; i + 8 <= size; i += 3) {
		struct kallsym s, again;
		uint64_t addr;

		memcpy(&addr, data + i, sizeof(addr));
		if (i % 2) /* the digits of a line, as a number */
			addr = strtoull(((char[9]){(char)data[i], (char)data[i + 1], (char)data[i + 2],
						   (char)data[i + 3], (char)data[i + 4], (char)data[i + 5],
						   (char)data[i + 6], (char)data[i + 7], 0}),
					NULL, 16);
		if (kallsyms__find(k, addr, &s))
			continue;
		if (s.start > addr || s.end <= addr || !s.name[0] || strlen(s.name) > KALLSYMS_NAME_MAX ||
		    strlen(s.module) > KALLSYMS_NAME_MAX)
			abort();
		if (kallsyms__find(k, s.start, &again) || again.start != s.start || again.name != s.name)
			abort();
	}
	kallsyms__free(k);
	return 0;
}
