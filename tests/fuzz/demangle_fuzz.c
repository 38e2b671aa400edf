/* SPDX-License-Identifier: Apache-2.0 */
/* Any name, into a small room and into a large one: it comes back terminated, and never slowly (the fuzzer's own
 * time limit says so). */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/symbolize/demangle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libiberty's block for punycode of a name that is cut there: known and bounded, see user/symbolize/demangle.c. */
const char *__lsan_default_suppressions(void)
{
	return "leak:print_ident\n";
}

static void demangle(const char *name, size_t cap)
{
	struct demangler d = {0};
	char *out = malloc(cap); /* a block of its own: one byte too far is seen */

	if (!out)
		return;
	demangler__name(&d, name, out, cap);
	if (strnlen(out, cap) == cap || d.n_cut > 1)
		abort();
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *name = malloc(size + 1);

	if (!name)
		return 0;
	memcpy(name, data, size);
	name[size] = '\0';
	demangle(name, 8);
	demangle(name, 100);
	demangle(name, DEMANGLE_OUTPUT_MAX);
	free(name);
	return 0;
}
