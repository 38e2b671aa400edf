/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/process/maps_file.h"
#include "user/process/pending_mappings.h"

void pending_mappings__init(struct pending_mappings *l, size_t *all_bytes)
{
	*l = (struct pending_mappings){.end = &l->first, .all_bytes = all_bytes};
}

void pending_mappings__done(struct pending_mappings *l)
{
	struct pending_mapping *m = l->first, *next;

	for (; m; m = next) {
		next = m->next;
		free(m);
	}
	*l->all_bytes -= l->bytes;
	pending_mappings__init(l, l->all_bytes);
}

int pending_mappings__add(struct pending_mappings *l, const struct process_mmap *m)
{
	const char *path = m->path ? m->path : "";
	size_t len = strnlen(path, MAPS_PATH_MAX - 1), size;
	struct pending_mapping *p;
	char *copy;

	size = sizeof(*p) + len + 1;
	if (l->n == PENDING_MAPPINGS_MAX || *l->all_bytes + size > PENDING_BYTES_MAX)
		return -E2BIG;
	p = malloc(size);
	if (!p)
		return -ENOMEM;
	copy = memcpy(p + 1, path, len);
	copy[len] = '\0';
	p->next = NULL;
	p->event = *m;
	p->event.path = copy;
	*l->end = p;
	l->end = &p->next;
	l->n++;
	l->bytes += size;
	*l->all_bytes += size;
	return 0;
}
