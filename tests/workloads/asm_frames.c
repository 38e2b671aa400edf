/* SPDX-License-Identifier: Apache-2.0 */
/*
 * asm_frames SECONDS deref|ra_register|fp_only|pause|nothing: one of the frames of asm_entry.S, under `asm_caller` < main.
 */
#include "tests/workloads/work.h"

typedef void (*asm_fn)(uint64_t units);

void asm_deref(uint64_t units);
void asm_ra_register(uint64_t units);
void asm_fp_only(uint64_t units);
void asm_pause(uint64_t units);
void asm_nothing(uint64_t units);

static const struct {
	const char *name;
	asm_fn fn;
} modes[] = {
	{"deref", asm_deref}, {"ra_register", asm_ra_register}, {"fp_only", asm_fp_only},
	{"pause", asm_pause}, {"nothing", asm_nothing},
};

static WORK_FN void asm_caller(asm_fn fn, uint64_t scale)
{
	fn(100 * scale);
	__asm__ volatile("" ::: "memory");
}

int main(int argc, char **argv)
{
	asm_fn fn = NULL;
	struct work w;

	for (size_t i = 0; argc > 2 && i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(argv[2], modes[i].name))
			fn = modes[i].fn;
	if (!fn) {
		fprintf(stderr, "usage: %s SECONDS deref|ra_register|fp_only|pause|nothing\n", argv[0]);
		return 2;
	}
	work__init(&w, argc, argv);
	work__ready();
	while (work__go(&w))
		asm_caller(fn, w.scale);
	return work__done();
}
