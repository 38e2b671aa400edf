/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dlopen_late SECONDS LIB_A LIB_B: half of the time in library A, loaded after it said "ready" and unloaded again, then half of the time in
 * library B at the same addresses:
 *
 *      late_a_leaf < late_a_entry < late_caller < run_in < main         then late_b_leaf < late_b_entry < …
 *
 * Says "same_address 1" when B was indeed where A had been.
 */
#include <dlfcn.h>

#include "tests/workloads/work.h"

typedef void (*late_fn)(uint64_t scale);

static WORK_FN void late_caller(late_fn fn, uint64_t scale)
{
	fn(scale);
	__asm__ volatile("" ::: "memory");
}

static WORK_FN uintptr_t run_in(const char *path, const char *symbol, struct work *w)
{
	void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	late_fn fn;

	if (!lib) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	*(void **)&fn = dlsym(lib, symbol);
	if (!fn) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	while (work__go(w))
		late_caller(fn, w->scale);
	dlclose(lib);
	return (uintptr_t)fn;
}

int main(int argc, char **argv)
{
	uint64_t start_ns, half_ns;
	uintptr_t a, b;
	struct work w;

	if (argc != 4) {
		fprintf(stderr, "usage: %s SECONDS LIB_A LIB_B\n", argv[0]);
		return 2;
	}
	work__init(&w, argc, argv);
	work__ready();
	start_ns = work__now_ns(CLOCK_MONOTONIC);
	half_ns = (w.end_ns - start_ns) / 2;
	w.end_ns -= half_ns;
	a = run_in(argv[2], "late_a_entry", &w);
	w.end_ns += half_ns;
	b = run_in(argv[3], "late_b_entry", &w);
	printf("same_address %d\n", a == b);
	return work__done();
}
