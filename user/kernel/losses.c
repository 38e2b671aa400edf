// SPDX-License-Identifier: Apache-2.0
#include "user/kernel/losses.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

static const struct {
	const char *name, *text;
} loss_names[] = {
#define X(id, name_, text_) [LOSS_##id] = {name_, text_},
	LOSSES(X)
#undef X
};

static const struct {
	const char *name;
	int complete;
} end_names[] = {
#define X(id, name_, complete_, text_) [END_##id] = {name_, complete_},
	END_REASONS(X)
#undef X
};

const char *loss__name(enum loss loss)
{
	return loss < LOSS_MAX ? loss_names[loss].name : "unknown";
}

const char *loss__text(enum loss loss)
{
	return loss < LOSS_MAX ? loss_names[loss].text : "unknown";
}

int loss__is_doubt(enum loss loss)
{
	return loss == LOSS_DERIVED_RULES;
}

const char *end_reason__name(enum end_reason end)
{
	return end < END_MAX ? end_names[end].name : "unknown";
}

int end_reason__is_complete(enum end_reason end)
{
	return end < END_MAX && end_names[end].complete;
}

int losses__read(int losses_fd, struct losses ret[EVENT_N + 1])
{
	int n_cpus = libbpf_num_possible_cpus();
	struct losses sum[EVENT_N + 1] = {};
	uint64_t *per_cpu;
	int err = 0;

	if (n_cpus <= 0)
		return -ENODEV;
	per_cpu = calloc((size_t)n_cpus, sizeof(*per_cpu));
	if (!per_cpu)
		return -ENOMEM;
	for (uint32_t i = 0; i < LOSS_KEYS && !err; i++) {
		err = bpf_map_lookup_elem(losses_fd, &i, per_cpu);
		for (int cpu = 0; cpu < n_cpus && !err; cpu++)
			sum[i / LOSS_MAX].n[i % LOSS_MAX] += per_cpu[cpu];
	}
	free(per_cpu);
	if (!err)
		memcpy(ret, sum, sizeof(sum));
	return err;
}

void losses__since(const struct losses *now, const struct losses *before, struct losses *ret)
{
	for (int i = 0; i < LOSS_MAX; i++)
		ret->n[i] = now->n[i] - before->n[i];
}

void losses__add(struct losses *to, const struct losses *more)
{
	for (int i = 0; i < LOSS_MAX; i++)
		to->n[i] += more->n[i];
}
