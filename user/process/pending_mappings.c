/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/process/maps_file.h"
#include "user/process/pending_mappings.h"

void pending_mappings__init(struct pending_mappings *l)
{
	*l = (struct pending_mappings){.end = &l->first};
}

void pending_mappings__done(struct pending_mappings *l)
{
	struct pending_mapping *m = l->first, *next;

	for (; m; m = next) {
		next = m->next;
		free(m);
	}
	pending_mappings__init(l);
}

int pending_mappings__add(struct pending_mappings *l, const struct process_mmap *m)
{
	const char *path = m->path ? m->path : "";
	size_t len = strnlen(path, MAPS_PATH_MAX - 1);
	struct pending_mapping *p;
	char *copy;

	if (l->n == PENDING_MAPPINGS_MAX)
		return -E2BIG;
	p = malloc(sizeof(*p) + len + 1);
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
	return 0;
}
