/* SPDX-License-Identifier: Apache-2.0 */
/*
 * storm_dlopen SECONDS DWELL_MS LIB_A LIB_B: the two libraries in turn, each loaded, used for about DWELL_MS and unloaded, at the same address:
 *
 *      late_a_leaf < late_a_entry < call_a < in_a < main       and then       late_b_leaf < late_b_entry < call_b < in_b < main
 *
 * The callers are in the program itself, so a stack that has a's caller and b's leaf is wrong beyond doubt. Says "same_address N ROUNDS": how
 * many loads came to where the one before had been.
 */
#include <dlfcn.h>

#include "tests/workloads/work.h"

typedef void (*late_fn)(uint64_t scale);

static WORK_FN void call_a(late_fn fn, uint64_t scale)
{
	fn(scale);
	__asm__ volatile("" ::: "memory");
}

static WORK_FN void call_b(late_fn fn, uint64_t scale)
{
	fn(scale);
	__asm__ volatile("" ::: "memory");
}

static late_fn load(const char *path, const char *symbol, void **ret_lib)
{
	late_fn fn = NULL;

	*ret_lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (*ret_lib)
		*(void **)&fn = dlsym(*ret_lib, symbol);
	if (!fn) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	return fn;
}

static WORK_FN uintptr_t in_a(struct work *w, const char *path, uint64_t until_ns)
{
	void *lib;
	late_fn fn = load(path, "late_a_entry", &lib);

	while (work__go(w) && work__now_ns(CLOCK_MONOTONIC) < until_ns)
		call_a(fn, w->scale);
	dlclose(lib);
	return (uintptr_t)fn;
}

static WORK_FN uintptr_t in_b(struct work *w, const char *path, uint64_t until_ns)
{
	void *lib;
	late_fn fn = load(path, "late_b_entry", &lib);

	while (work__go(w) && work__now_ns(CLOCK_MONOTONIC) < until_ns)
		call_b(fn, w->scale);
	dlclose(lib);
	return (uintptr_t)fn;
}

int main(int argc, char **argv)
{
	unsigned long n_same = 0, n_rounds = 0;
	uint64_t dwell_ns;
	struct work w;

	if (argc != 5) {
		fprintf(stderr, "usage: %s SECONDS DWELL_MS LIB_A LIB_B\n", argv[0]);
		return 2;
	}
	work__init(&w, argc, argv);
	dwell_ns = (uint64_t)(strtod(argv[2], NULL) * 1e6);
	work__ready();
	while (work__now_ns(CLOCK_MONOTONIC) < w.end_ns) {
		uintptr_t a = in_a(&w, argv[3], work__now_ns(CLOCK_MONOTONIC) + dwell_ns);
		uintptr_t b = in_b(&w, argv[4], work__now_ns(CLOCK_MONOTONIC) + dwell_ns);

		n_same += a == b;
		n_rounds++;
	}
	printf("same_address %lu %lu\n", n_same, n_rounds);
	return work__done();
}
