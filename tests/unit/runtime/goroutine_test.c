/* SPDX-License-Identifier: Apache-2.0 */
/* Goroutines in this program's own memory, laid out as a release of Go would: what is read of them, and what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/clock.h"
#include "user/runtime/go_program.h"
#include "user/runtime/goroutine.h"

#define STACK_BYTES 256
#define MANY        1000

/* One goroutine and its stack. */
struct image {
	uint8_t g[GO_LAYOUT_G_MAX];
	uint8_t stack[STACK_BYTES];
};

static void put64(uint8_t *bytes, uint32_t at, uint64_t v)
{
	memcpy(bytes + at, &v, sizeof(v));
}

static void put32(uint8_t *bytes, uint32_t at, uint32_t v)
{
	memcpy(bytes + at, &v, sizeof(v));
}

static uint64_t address_of(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

/* One that waits, with 64 bytes of its stack in use. */
static void lay_out(struct image *m, const struct go_layout *l, uint64_t id)
{
	memset(m->g, 0, sizeof(m->g));
	for (uint32_t i = 0; i < STACK_BYTES; i++)
		m->stack[i] = (uint8_t)(id + i);
	put64(m->g, GO_G_STACK_LO, address_of(m->stack));
	put64(m->g, GO_G_STACK_HI, address_of(m->stack + STACK_BYTES));
	put64(m->g, GO_G_SCHED_SP, address_of(m->stack + STACK_BYTES - 64));
	put64(m->g, GO_G_SCHED_PC, 0x401000);
	put64(m->g, GO_G_SCHED_G, address_of(m->g));
	put64(m->g, l->sched_bp, address_of(m->stack + STACK_BYTES - 32));
	put32(m->g, l->status, GOROUTINE_WAITING);
	put64(m->g, l->goid, id);
	put64(m->g, l->waitsince, 12345);
	m->g[l->waitreason] = 13;
	put64(m->g, l->gopc, 0x402000);
	put64(m->g, l->startpc, 0x403000);
}

static void one_that_waits(void **state)
{
	struct go_layout l;
	struct image m;
	struct goroutine g;

	(void)state;
	for (uint32_t minor = 18; minor <= 26; minor++) {
		assert_int_equal(go_layout__of_release(minor, &l), 0);
		lay_out(&m, &l, 42);
		assert_int_equal(goroutine__parse(&l, address_of(m.g), m.g, l.g_bytes, &g), 0);
		assert_int_equal(g.id, 42);
		assert_int_equal(g.state, GOROUTINE_WAITING);
		assert_int_equal(g.reason, 13);
		assert_int_equal(g.pc, 0x401000);
		assert_int_equal(g.sp, address_of(m.stack + STACK_BYTES - 64));
		assert_int_equal(g.fp, address_of(m.stack + STACK_BYTES - 32));
		assert_int_equal(g.created_pc, 0x402000);
		assert_int_equal(g.start_pc, 0x403000);
		assert_int_equal(g.waits_since, 12345);
		assert_true(g.has_stack && g.fp_known && !g.is_locked);
		/* the collector's mark changes nothing */
		put32(m.g, l.status, 0x1000 | GOROUTINE_WAITING);
		assert_int_equal(goroutine__parse(&l, address_of(m.g), m.g, l.g_bytes, &g), 0);
		assert_int_equal(g.state, GOROUTINE_WAITING);
		assert_int_equal(goroutine__parse(&l, address_of(m.g), m.g, l.g_bytes - 1u, &g), -EBADMSG);
	}
}

static void one_in_a_system_call_goes_on_behind_it(void **state)
{
	struct go_layout l;
	struct image m;
	struct goroutine g;

	(void)state;
	for (uint32_t minor = 18; minor <= 26; minor++) {
		assert_int_equal(go_layout__of_release(minor, &l), 0);
		lay_out(&m, &l, 1);
		put32(m.g, l.status, GOROUTINE_SYSCALL);
		put64(m.g, l.syscallsp, address_of(m.stack + STACK_BYTES - 128));
		put64(m.g, l.syscallpc, 0x404000);
		if (l.syscallbp)
			put64(m.g, l.syscallbp, address_of(m.stack + STACK_BYTES - 96));
		assert_int_equal(goroutine__parse(&l, address_of(m.g), m.g, l.g_bytes, &g), 0);
		assert_int_equal(g.pc, 0x404000);
		assert_int_equal(g.sp, address_of(m.stack + STACK_BYTES - 128));
		assert_int_equal(g.fp_known, minor >= 23);
		assert_int_equal(g.reason, 0); /* it waits for no reason of the runtime's */
		assert_true(g.has_stack);
	}
}

static void one_that_runs_has_no_stack_to_read(void **state)
{
	struct go_layout l;
	struct image m;
	struct goroutine g;

	(void)state;
	assert_int_equal(go_layout__of_release(24, &l), 0);
	lay_out(&m, &l, 1);
	put32(m.g, l.status, GOROUTINE_RUNNING);
	put64(m.g, GO_G_SCHED_SP, 0);
	assert_int_equal(goroutine__parse(&l, address_of(m.g), m.g, l.g_bytes, &g), 0);
	assert_false(g.has_stack);
}

static void what_is_not_sound_is_refused(void **state)
{
	struct go_layout l;
	struct image m;
	struct goroutine g;

	(void)state;
	assert_int_equal(go_layout__of_release(26, &l), 0);
#define REFUSED(code) assert_int_equal(goroutine__parse(&l, address_of(m.g), m.g, l.g_bytes, &g), code)
	lay_out(&m, &l, 1);
	put64(m.g, GO_G_SCHED_G, address_of(m.g) + 8); /* not itself */
	REFUSED(-EBADMSG);
	lay_out(&m, &l, 1);
	put32(m.g, l.status, 12); /* no such state */
	REFUSED(-EBADMSG);
	lay_out(&m, &l, 1);
	put64(m.g, GO_G_SCHED_SP, address_of(m.stack) - 8); /* not in its stack */
	REFUSED(-EBADMSG);
	lay_out(&m, &l, 1);
	put64(m.g, GO_G_STACK_LO, UINT64_MAX);
	REFUSED(-EBADMSG);
	lay_out(&m, &l, 1);
	put64(m.g, GO_G_STACK_HI, UINT64_MAX); /* larger than any */
	REFUSED(-EBADMSG);
	lay_out(&m, &l, 0); /* no number */
	REFUSED(-EBADMSG);
	lay_out(&m, &l, 1);
	put32(m.g, l.status, GOROUTINE_DEAD);
	REFUSED(-ENOENT);
#undef REFUSED
}

/* -- the list -- */

struct world {
	struct go_program program;
	struct go_process go;
	uint64_t slice[3]; /* runtime.allgs */
	uint64_t *pointers;
	struct image *images;
	uint64_t n_found, sum_of_ids, n_with_stack;
	struct clock_limit limit;
};

static int no_file(void *ctx, int *ret_fd)
{
	(void)ctx, (void)ret_fd;
	return -ENOENT;
}

static void make_world(struct world *w, uint32_t n)
{
	*w = (struct world){.program = {.file = {.open = no_file}, .fd = -1},
			    .limit = {UINT64_MAX, UINT64_MAX}};
	assert_int_equal(go_layout__of_release(25, &w->program.layout), 0);
	w->pointers = calloc(n, sizeof(*w->pointers));
	w->images = calloc(n, sizeof(*w->images));
	for (uint32_t i = 0; i < n; i++) {
		lay_out(&w->images[i], &w->program.layout, i + 1);
		w->pointers[i] = address_of(&w->images[i]);
	}
	w->slice[0] = address_of(w->pointers);
	w->slice[1] = w->slice[2] = n;
	w->program.places[GO_ALL_GOROUTINES].candidates[0] = 0x10; /* not it */
	w->program.places[GO_ALL_GOROUTINES].candidates[1] = address_of(w->slice) - 0x1000;
	w->program.places[GO_ALL_GOROUTINES].n_candidates = 2;
	w->go = (struct go_process){.program = &w->program, .pid = (uint32_t)getpid(), .bias = 0x1000};
}

static void free_world(struct world *w)
{
	free(w->program.starts);
	free(w->pointers);
	free(w->images);
}

static void on_found(void *ctx, const struct goroutine *g, uint32_t count, const uint8_t *stack, size_t len)
{
	struct world *w = ctx;

	w->n_found += count;
	w->sum_of_ids += g->id;
	if (!stack)
		return;
	w->n_with_stack += count;
	assert_int_equal(len, 64);
	assert_int_equal(stack[0], (uint8_t)(g->id + STACK_BYTES - 64));
	assert_int_equal(stack[63], (uint8_t)(g->id + STACK_BYTES - 1));
}

static int read_world(struct world *w, uint32_t exact_max, struct goroutine_stats *stats)
{
	const struct goroutine_read read = {
		.exact_max = exact_max, .limit = &w->limit, .found = on_found, .ctx = w};

	w->n_found = w->sum_of_ids = w->n_with_stack = 0;
	return goroutines__read(&w->go, &read, stats);
}

static void all_of_the_list_are_read_with_their_stacks(void **state)
{
	struct goroutine_stats stats;
	struct world w;
	uint64_t n;

	(void)state;
	make_world(&w, MANY);
	assert_int_equal(go_process__settle(&w.go), 0);
	assert_int_equal(read_world(&w, 0, &stats), 0);
	assert_int_equal(w.n_found, MANY);
	assert_int_equal(w.n_with_stack, MANY);
	assert_int_equal(w.sum_of_ids, (uint64_t)MANY * (MANY + 1) / 2);
	assert_int_equal(stats.n_listed, MANY);
	assert_int_equal(goroutines__count(&w.go, 0, &n), 0);
	assert_int_equal(n, MANY);
	free_world(&w);
}

static void dead_and_damaged_ones_are_left_out(void **state)
{
	struct goroutine_stats stats;
	struct world w;
	uint64_t n;

	(void)state;
	make_world(&w, MANY);
	assert_int_equal(go_process__settle(&w.go), 0);
	for (uint32_t i = 1; i < MANY; i += 2)
		put32(w.images[i].g, w.program.layout.status, GOROUTINE_DEAD);
	put64(w.images[10].g, GO_G_SCHED_G, 1); /* not sound */
	w.pointers[20] = 0;                     /* nowhere */
	put64(w.images[30].g, GO_G_STACK_HI, 1ull << 40);
	put64(w.images[30].g, GO_G_STACK_LO, (1ull << 40) - 4096); /* a stack that is not there */
	put64(w.images[30].g, GO_G_SCHED_SP, (1ull << 40) - 128);
	assert_int_equal(read_world(&w, 0, &stats), 0);
	assert_int_equal(w.n_found, MANY / 2 - 2);
	assert_int_equal(stats.n_damaged, 2);
	assert_int_equal(stats.n_torn, 1);
	assert_int_equal(w.n_with_stack, MANY / 2 - 3);
	assert_int_equal(goroutines__count(&w.go, 0, &n), 0);
	assert_int_equal(n, MANY / 2 - 1);
	free_world(&w);
}

static void of_too_many_every_nth_stands_for_n(void **state)
{
	struct goroutine_stats stats;
	struct world w;
	uint64_t n;

	(void)state;
	make_world(&w, MANY);
	assert_int_equal(go_process__settle(&w.go), 0);
	for (uint32_t i = 0; i < MANY / 2; i++)
		put32(w.images[i + 1].g, w.program.layout.status, GOROUTINE_DEAD);
	assert_int_equal(read_world(&w, 100, &stats), 0);
	assert_int_equal(stats.stride, 10);
	assert_in_range(w.n_found, MANY / 2 - 10, MANY / 2 + 10);
	assert_int_equal(goroutines__count(&w.go, 100, &n), 0);
	assert_in_range(n, MANY / 2 - 10, MANY / 2 + 10);
	free_world(&w);
}

static void what_takes_too_long_is_left_out_and_counted(void **state)
{
	struct goroutine_stats stats;
	struct world w;

	(void)state;
	make_world(&w, MANY);
	assert_int_equal(go_process__settle(&w.go), 0);
	w.limit.thread_cpu_ns = 0;
	assert_int_equal(read_world(&w, 0, &stats), 0);
	assert_int_equal(stats.n_found, 0);
	assert_int_equal(stats.n_cut, MANY);
	free_world(&w);
}

static void list_that_is_none_is_refused(void **state)
{
	struct goroutine_stats stats;
	struct world w;

	(void)state;
	make_world(&w, 4);
	assert_int_equal(go_process__settle(&w.go), 0);
	w.slice[1] = 5; /* longer than its room */
	assert_int_equal(read_world(&w, 0, &stats), -EBADMSG);
	w.slice[1] = w.slice[2] = UINT64_MAX;
	assert_int_equal(read_world(&w, 0, &stats), -EBADMSG);
	w.slice[0] = 8;
	w.slice[1] = w.slice[2] = 4;
	assert_int_equal(read_world(&w, 0, &stats), -EFAULT);
	free_world(&w);
}

static void place_that_holds_no_goroutines_is_not_it(void **state)
{
	struct world w;

	(void)state;
	make_world(&w, 4);
	put64(w.images[0].g, GO_G_SCHED_G, 1);
	assert_int_equal(go_process__settle(&w.go), -EOPNOTSUPP);
	/* a first one that has ended is one */
	lay_out(&w.images[0], &w.program.layout, 1);
	put32(w.images[0].g, w.program.layout.status, GOROUTINE_DEAD);
	assert_int_equal(go_process__settle(&w.go), 0);
	free_world(&w);
}

/* -- what it began with -- */

static void functions_of_the_runtime_itself(void **state)
{
	(void)state;
	assert_int_equal(go_program__start_of("main.worker"), GO_START_USER);
	assert_int_equal(go_program__start_of("runtimes.f"), GO_START_USER);
	assert_int_equal(go_program__start_of("runtime.main"), GO_START_USER);
	assert_int_equal(go_program__start_of("runtime.bgsweep"), GO_START_SYSTEM);
	assert_int_equal(go_program__start_of("runtime.gcBgMarkWorker"), GO_START_SYSTEM);
	assert_int_equal(go_program__start_of("runtime.runfinq"), GO_START_FINALIZER);
	assert_int_equal(go_program__start_of("runtime.runCleanups"), GO_START_FINALIZER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_waits),
		cmocka_unit_test(one_in_a_system_call_goes_on_behind_it),
		cmocka_unit_test(one_that_runs_has_no_stack_to_read),
		cmocka_unit_test(what_is_not_sound_is_refused),
		cmocka_unit_test(all_of_the_list_are_read_with_their_stacks),
		cmocka_unit_test(dead_and_damaged_ones_are_left_out),
		cmocka_unit_test(of_too_many_every_nth_stands_for_n),
		cmocka_unit_test(what_takes_too_long_is_left_out_and_counted),
		cmocka_unit_test(list_that_is_none_is_refused),
		cmocka_unit_test(place_that_holds_no_goroutines_is_not_it),
		cmocka_unit_test(functions_of_the_runtime_itself),
	};

	return cmocka_run_group_tests_name("goroutine", tests, NULL, NULL);
}
