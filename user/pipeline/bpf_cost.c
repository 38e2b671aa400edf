// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/bpf_cost.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/log.h"
#include "user/base/loop.h"
#include "user/kernel/loader.h"

struct bpf_cost {
	struct loop *loop;
	struct loader *loader;
	struct loop_source *timer;
	bool is_on, told;
	uint64_t on_ns; /* when it was turned on */
	double place;   /* of the present stretch in its period, of what is possible */
	struct bpf_cost_sums at_on;
	struct bpf_estimate estimate;
};

static struct bpf_cost_sums measured(const struct bpf_cost *b)
{
	struct program_stats programs[BPF_COST_PROGRAMS];
	uint32_t n = loader__program_stats(b->loader, programs, BPF_COST_PROGRAMS);
	struct bpf_cost_sums s = {};

	for (uint32_t i = 0; i < n && i < BPF_COST_PROGRAMS; i++) {
		s.ns += programs[i].is_own ? 0 : programs[i].run_ns;
		s.tick_ns += strcmp(programs[i].name, "on_cpu") ? 0 : programs[i].run_ns;
	}
	return s;
}

static void bpf_cost__begin(struct bpf_cost *b)
{
	int err = loader__enable_stats(b->loader);

	if (err) {
		if (!b->told)
			log_debug("cost: the kernel does not measure BPF programs: %s", strerror(-err));
		b->told = true;
		return;
	}
	b->at_on = measured(b);
	b->on_ns = clock__mono_ns();
	b->is_on = true;
}

static void bpf_cost__end(struct bpf_cost *b)
{
	struct bpf_cost_sums now = measured(b);

	bpf_estimate__add(&b->estimate, b->on_ns, clock__mono_ns(),
			  &(struct bpf_cost_sums){.ns = now.ns - b->at_on.ns,
						  .tick_ns = now.tick_ns - b->at_on.tick_ns});
	loader__disable_stats(b->loader);
	b->is_on = false;
}

/* From the end of a stretch to the next one, which lies elsewhere in its period: by the golden ratio no two are close together. */
static uint64_t bpf_cost__pause_ns(struct bpf_cost *b)
{
	const double room = (double)(BPF_COST_EVERY_NS - BPF_COST_ON_NS);
	double before = b->place;

	b->place += 0.6180339887498949;
	b->place -= b->place >= 1 ? 1 : 0;
	return (uint64_t)(room * (1 - before + b->place));
}

static int on_timer(uint64_t n_expired, void *ctx)
{
	struct bpf_cost *b = ctx;

	(void)n_expired;
	if (b->is_on)
		bpf_cost__end(b);
	else
		bpf_cost__begin(b);
	return loop__set_timer(b->timer, b->is_on ? BPF_COST_ON_NS : bpf_cost__pause_ns(b), 0);
}

int bpf_cost__new(struct loop *loop, struct loader *loader, struct bpf_cost **ret)
{
	struct bpf_cost *b = calloc(1, sizeof(*b));
	int err;

	if (!b)
		return -ENOMEM;
	b->loop = loop;
	b->loader = loader;
	bpf_estimate__init(&b->estimate, clock__mono_ns());
	err = loop__add_timer(loop, BPF_COST_ON_NS, 0, on_timer, b, &b->timer);
	if (err) {
		free(b);
		return err;
	}
	*ret = b;
	return 0;
}

void bpf_cost__free(struct bpf_cost *b)
{
	if (!b)
		return;
	loop__remove(b->loop, b->timer);
	loader__disable_stats(b->loader);
	free(b);
}

void bpf_cost__sums(struct bpf_cost *b, struct bpf_cost_sums *ret)
{
	bpf_estimate__at(&b->estimate, clock__mono_ns(), ret);
}

void bpf_cost__look_anew(struct bpf_cost *b)
{
	int err;

	if (b->is_on)
		loader__disable_stats(b->loader); /* what this stretch has seen is of before */
	b->is_on = false;
	err = loop__set_timer(b->timer, BPF_COST_ANEW_NS, 0);
	if (err)
		log_warn("cost: set a timer: %s, ignoring", strerror(-err));
}
