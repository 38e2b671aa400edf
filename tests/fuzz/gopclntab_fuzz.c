/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a Go function table: what it finds covers what was asked, and every string ends inside the bytes
 * (the sanitizer says so). */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "user/object/gopclntab.h"

#define FUNCTIONS_MAX 256

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(const struct gopclntab *t, uint64_t addr)
{
	struct gopclntab_function f;
	struct gopclntab_line l;

	if (gopclntab__first(t, addr) > gopclntab__count(t))
		abort();
	if (gopclntab__find(t, addr, &f) == 0 && (addr < f.start || addr >= f.end || strlen(f.name) == 0))
		abort();
	if (gopclntab__line(t, addr, &l) == 0 && strlen(l.file) >= GOPCLNTAB_STRING_MAX)
		abort();
}

/* Ascending, without gaps, inside the function. */
static void check_delta(uint64_t start, uint64_t end, int32_t delta, void *ctx)
{
	struct gopclntab_function *f = ctx;

	(void)delta;
	if (start != f->start || end <= start || end > f->end)
		abort();
	f->start = end;
}

static void ask_about_each(const struct gopclntab *t)
{
	uint32_t n = gopclntab__count(t);

	for (uint32_t i = 0; i < n && i < FUNCTIONS_MAX; i++) {
		struct gopclntab_function f;

		if (gopclntab__get(t, i, &f))
			continue;
		ask(t, f.start);
		ask(t, f.start - 1);
		ask(t, f.end);
		ask(t, f.start + (f.end - f.start) / 2);
		gopclntab__is_assembly(t, i);
		gopclntab__sp_deltas(t, i, check_delta, &f);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gopclntab *t;

	for (uint64_t text_start = 0; text_start <= 0x400000; text_start += 0x400000) {
		if (gopclntab__parse(data, size, text_start, &t))
			continue;
		ask_about_each(t);
		for (size_t i = 0; i + 8 <= size; i += 8) {
			uint64_t addr;

			memcpy(&addr, data + i, sizeof(addr));
			ask(t, addr);
		}
		gopclntab__free(t);
	}
	return 0;
}
