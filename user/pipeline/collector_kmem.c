// SPDX-License-Identifier: Apache-2.0
/* collector_kmem - the kernel's own allocations (bpf/kmem.bpf.c): the hooks on them, in place while somebody wants the event, and the budget. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "user/base/clock.h"
#include "user/base/intern.h"
#include "user/base/log.h"
#include "user/pipeline/collector_impl.h"
#include "user/pipeline/kmem_control.h"

static const enum hook hooks[] = {HOOK_kmem_kmalloc, HOOK_kmem_cache, HOOK_kmem_pages};
#define HOOKS (sizeof(hooks) / sizeof(*hooks))

struct kmem_state {
	struct kmem_control control;
	bool is_hooked;
};

static struct kmem_state *state_of(const struct collector *c)
{
	return c->source_state[EVENT_KMEM];
}

static struct kmem_control *control_of(const struct collector *c)
{
	return &state_of(c)->control;
}

static int read_clocks(const struct collector *c, uint64_t *ret_taken, uint64_t *ret_cost_ns)
{
	static struct kmem_clock clocks[CPUS_MAX];
	int n = libbpf_num_possible_cpus();
	uint32_t zero = 0;

	if (n <= 0 || n > CPUS_MAX || bpf_map_lookup_elem(c->maps->kmem_clocks_fd, &zero, clocks))
		return -errno;
	*ret_taken = *ret_cost_ns = 0;
	for (int i = 0; i < n; i++) {
		*ret_taken += clocks[i].n_taken;
		*ret_cost_ns += clocks[i].cost_ns;
	}
	return 0;
}

static void stop_kmem(struct collector *c)
{
	state_of(c)->is_hooked = false;
	for (size_t i = 0; i < HOOKS; i++)
		loader__hook(c->loader, hooks[i], false);
}

/* Without the hooks the other events go on. */
static int start_kmem(struct collector *c)
{
	int err = 0;

	kmem_control__init(control_of(c), collector__budget_ppm(c, EVENT_KMEM), c->stats.n_cpus);
	c->maps->kmem->interval_bytes = control_of(c)->interval_bytes;
	for (size_t i = 0; i < HOOKS && !err; i++)
		err = loader__hook(c->loader, hooks[i], true);
	if (err) {
		log_warn("kmem: cannot look at the kernel's allocations: %s; nothing of them is recorded",
			 strerror(-err));
		stop_kmem(c);
	}
	state_of(c)->is_hooked = !err;
	return 0;
}

static void control_kmem(struct collector *c)
{
	struct kmem_control *k = control_of(c);
	uint64_t taken = 0, cost_ns = 0;

	k->budget_ppm = collector__budget_ppm(c, EVENT_KMEM);
	/* what a sample stands for goes with it: windows may see several intervals */
	if (!read_clocks(c, &taken, &cost_ns) && kmem_control__judge(k, clock__mono_ns(), taken, cost_ns))
		c->maps->kmem->interval_bytes = k->interval_bytes;
}

static void settle_kmem(struct collector *c, struct window *w)
{
	char text[256] =
		"kmem: the kernel's allocations cannot be looked at here: nothing of them is recorded";

	if (state_of(c)->is_hooked)
		snprintf(text, sizeof(text),
			 "kmem: one allocation in %llu bytes is sampled at last, long ones always; what slab "
			 "caches "
			 "take in pages is "
			 "not counted again as pages",
			 (unsigned long long)control_of(c)->interval_bytes);
	intern__add(w->strings, text, strlen(text), &w->note);
}

static int init_kmem(struct collector *c, struct err *err)
{
	(void)err;
	c->source_state[EVENT_KMEM] = calloc(1, sizeof(struct kmem_state));
	return state_of(c) ? 0 : -ENOMEM;
}

static void free_kmem(struct collector *c)
{
	free(state_of(c));
	c->source_state[EVENT_KMEM] = NULL;
}

static uint64_t kmem_period(const struct collector *c)
{
	return control_of(c)->interval_bytes;
}

const struct event_source kmem_source = {
	.init = init_kmem,
	.start = start_kmem,
	.control = control_kmem,
	.settle = settle_kmem,
	.settle_copy = settle_kmem, /* a note, and no more */
	.stop = stop_kmem,
	.done = free_kmem,
	.period = kmem_period,
};
