// SPDX-License-Identifier: Apache-2.0
/*
 * gc_label - each frame is judged once, each node of the tree of stacks has what its frame or its caller's node has: one pass, since a caller's id is below
 * those of what it calls.
 */
#include "user/pipeline/gc_label.h"

#include <errno.h>
#include <stdlib.h>

#include "user/config/gc_pattern.h"
#include "user/pipeline/window.h"
#include "user/profile/profile.h"

struct gc_mark {
	uint8_t gc;     /* a function of it is in the stack: enum gc_runtime */
	uint8_t binary; /* code of it is: its threads are told by name */
};

struct gc_labels {
	const struct window *w;
	struct gc_mark *nodes; /* by node */
};

static struct gc_mark judge(const struct profile *p, uint32_t location)
{
	const struct location *l = profile__get_location(p, location);
	struct gc_mark m = {0};

	for (uint32_t i = 0; i < l->n_lines && !m.gc; i++)
		m.gc = (uint8_t)gc_pattern__of_function(
			profile__str(p, profile__get_function(p, profile__lines(p, l)[i].function)->name));
	if (l->mapping)
		m.binary = (uint8_t)gc_pattern__of_binary(
			profile__str(p, profile__get_mapping(p, l->mapping)->filename));
	return m;
}

int gc_labels__new(const struct window *w, const struct profile *p, const uint32_t *locations,
		   struct gc_labels **ret)
{
	struct gc_labels *l = calloc(1, sizeof(*l));
	uint32_t n = stack_table__count(&w->stacks);
	struct gc_mark *frames = calloc(w->n_frames + 1, sizeof(*frames));

	if (l)
		l->nodes = calloc(n + 1, sizeof(*l->nodes));
	if (!l || !frames || !l->nodes) {
		free(frames);
		gc_labels__free(l);
		return -ENOMEM;
	}
	l->w = w;
	for (uint32_t i = 0; i < w->n_frames; i++)
		frames[i] = judge(p, locations[i]);
	for (uint32_t id = 1; id <= n; id++) {
		const struct stack_node *node = stack_table__node(&w->stacks, id);
		const struct gc_mark *caller = &l->nodes[node->parent], *own = &frames[node->item];

		l->nodes[id].gc = caller->gc ? caller->gc : own->gc;
		l->nodes[id].binary = caller->binary ? caller->binary : own->binary;
	}
	free(frames);
	*ret = l;
	return 0;
}

void gc_labels__free(struct gc_labels *l)
{
	if (!l)
		return;
	free(l->nodes);
	free(l);
}

const char *gc_labels__of(const struct gc_labels *l, const struct window_row *row)
{
	const struct gc_mark *m = &l->nodes[row->stack];
	enum gc_runtime gc = (enum gc_runtime)m->gc;

	if (!gc && m->binary && gc_pattern__of_thread(window__str(l->w, row->comm)) == m->binary)
		gc = (enum gc_runtime)m->binary;
	return gc_runtime__name(gc);
}
