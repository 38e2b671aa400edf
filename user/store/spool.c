// SPDX-License-Identifier: Apache-2.0
#include "user/store/spool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void spool__init(struct spool *s, size_t limit_bytes)
{
	*s = (struct spool){.limit = limit_bytes};
}

void spool__done(struct spool *s)
{
	if (!s)
		return;
	while (s->first)
		spool__pop(s);
}

void spool__pop(struct spool *s)
{
	struct spool_item *item = s->first;

	if (!item)
		return;
	s->first = item->next;
	if (!s->first)
		s->last = NULL;
	s->n--;
	s->bytes -= item->len;
	free(item);
}

int spool__push(struct spool *s, const struct store_name *name, const void *bytes, size_t len)
{
	struct spool_item *item = NULL;

	if (len > s->limit) {
		s->n_lost++;
		return -E2BIG;
	}
	while (s->bytes + len > s->limit) {
		spool__pop(s);
		s->n_lost++;
	}
	item = malloc(sizeof(*item) + len);
	if (!item) {
		s->n_lost++;
		return -ENOMEM;
	}
	*item = (struct spool_item){.name = *name, .len = len};
	memcpy(item->bytes, bytes, len);
	if (s->last)
		s->last->next = item;
	else
		s->first = item;
	s->last = item;
	s->n++;
	s->bytes += len;
	return 0;
}
