// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/host_build.h"

bool host_builds__note(struct host_builds *h, const struct host_build *b)
{
	bool knows_name = false;

	for (uint32_t i = 0; i < h->n; i++) {
		if (h->items[i].name != b->name)
			continue;
		if (h->items[i].build == b->build)
			return false;
		knows_name = true;
	}
	h->items[h->next].name = b->name;
	h->items[h->next].build = b->build;
	h->next = (h->next + 1) % HOST_BUILDS_MAX;
	if (h->n < HOST_BUILDS_MAX)
		h->n++;
	return knows_name;
}
