// SPDX-License-Identifier: Apache-2.0
#include "user/kernel/losses.h"

#include <errno.h>
#include <stdbool.h>
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

/* The values of n keys: one system call, where the kernel has batches for this kind of map (5.13), instead of 250 a slice for all of them. */
static int read_keys(int fd, uint32_t first, uint32_t n, size_t value_bytes, uint8_t *values)
{
	static bool no_batches; /* of all threads the same: the kernel's */
	uint32_t keys[LOSS_MAX], at = first - 1, next, count = n;
	int err = no_batches
			  ? -EOPNOTSUPP
			  : bpf_map_lookup_batch(fd, first ? &at : NULL, &next, keys, values, &count, NULL);

	if (!err)
		return count == n ? 0 : -EIO;
	no_batches = true;
	for (uint32_t i = 0; i < n; i++) {
		at = first + i;
		err = bpf_map_lookup_elem(fd, &at, values + i * value_bytes);
		if (err)
			return err;
	}
	return 0;
}

int losses__read(int losses_fd, struct losses ret[EVENT_N + 1])
{
	int n_cpus = libbpf_num_possible_cpus();
	struct losses sum[EVENT_N + 1] = {};
	uint64_t *values;
	int err = 0;

	if (n_cpus <= 0)
		return -ENODEV;
	values = calloc((size_t)n_cpus * LOSS_MAX, sizeof(*values));
	if (!values)
		return -ENOMEM;
	for (uint32_t ev = 0; ev <= EVENT_N && !err; ev++) {
		err = read_keys(losses_fd, ev * LOSS_MAX, LOSS_MAX, (size_t)n_cpus * sizeof(*values),
				(uint8_t *)values);
		for (uint32_t i = 0; i < LOSS_MAX * (uint32_t)n_cpus && !err; i++)
			sum[ev].n[i / (uint32_t)n_cpus] += values[i];
	}
	free(values);
	if (!err)
		memcpy(ret, sum, sizeof(sum));
	return err;
}

int losses__take(int losses_fd, uint32_t *has_lost, struct losses ret[EVENT_N + 1])
{
	int err;

	/* before they are read: what is counted meanwhile is in the next difference */
	if (!__atomic_exchange_n(has_lost, 0, __ATOMIC_SEQ_CST))
		return 1;
	err = losses__read(losses_fd, ret);
	if (err)
		__atomic_store_n(has_lost, 1, __ATOMIC_SEQ_CST);
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
