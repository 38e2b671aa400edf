// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/pass_queues.h"

#include <stdbool.h>
#include <stdlib.h>

#include "user/kernel/run_queue.h"

void pass_queues__init(struct pass_queues *q)
{
	*q = (struct pass_queues){};
	hashmap__init(&q->by_id);
}

void pass_queues__done(struct pass_queues *q)
{
	free(q->groups);
	hashmap__done(&q->by_id);
}

static bool is_group(uint32_t index, const void *key, const void *owner)
{
	return ((const struct pass_queues *)owner)->groups[index].cgroup == *(const uint64_t *)key;
}

/* NULL: there is no room. */
static struct pass_queue *find_or_add(struct pass_queues *q, uint64_t cgroup)
{
	uint32_t i = hashmap__find(&q->by_id, hash_u64(cgroup), is_group, &cgroup, q);

	if (i != HASHMAP_NONE)
		return &q->groups[i];
	if (!q->groups)
		q->groups = malloc(RUN_QUEUE_GROUPS * sizeof(*q->groups));
	if (!q->groups || q->n == RUN_QUEUE_GROUPS || hashmap__add(&q->by_id, hash_u64(cgroup), q->n))
		return NULL;
	q->groups[q->n] = (struct pass_queue){.cgroup = cgroup};
	return &q->groups[q->n++];
}

void pass_queues__note(struct pass_queues *q, uint64_t cgroup, uint64_t waited_ns, uint64_t n)
{
	struct pass_queue *group;

	if (!n && !waited_ns)
		return;
	n = n ? n : 1;
	run_queue__note(&q->all, waited_ns / n, n);
	group = find_or_add(q, cgroup);
	if (group)
		run_queue__note(&group->queue, waited_ns / n, n);
}

void pass_queues__flush(struct pass_queues *q, int map_fd)
{
	for (uint32_t i = 0; i < q->n; i++)
		run_queues__add(map_fd, q->groups[i].cgroup, &q->groups[i].queue);
	hashmap__clear(&q->by_id);
	q->n = 0;
}
