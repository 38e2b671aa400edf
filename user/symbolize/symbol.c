/* SPDX-License-Identifier: Apache-2.0 */
#include "user/symbolize/symbol.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *symbol__fallback(char buf[SYMBOL_FALLBACK_MAX], const char *path, uint64_t vaddr)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash && slash[1] ? slash + 1 : path;

	/* a name in brackets already ("[vdso]") gets no second pair */
	if (name[0] == '[' && name[strlen(name) - 1] == ']')
		snprintf(buf, SYMBOL_FALLBACK_MAX, "%.257s+0x%" PRIx64, name, vaddr);
	else
		snprintf(buf, SYMBOL_FALLBACK_MAX, "[%.255s]+0x%" PRIx64, name, vaddr);
	return buf;
}
