/* SPDX-License-Identifier: Apache-2.0 */
#include "exporters/format/speedscope.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/format/call_tree.h"
#include "exporters/format/json.h"
#include "user/base/buf.h"
#include "user/base/intern.h"
#include "user/profile/profile.h"

/* The reader knows these units and shows anything else as plain numbers. */
static const char *unit_of(const char *unit)
{
	static const char *const known[] = {"nanoseconds", "microseconds", "milliseconds", "seconds",
					    "bytes"};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (!strcmp(unit, known[i]))
			return unit;
	return "none";
}

static void write_frames(const struct call_tree *t, uint32_t *n_before, struct buf *b)
{
	for (uint32_t i = 0; i < t->n_frames; i++) {
		const char *binary = intern__str(t->texts, t->frames[i].binary, NULL);

		buf__append_str(b, (*n_before)++ ? ",{\"name\":" : "{\"name\":");
		json__string(b, intern__str(t->texts, t->frames[i].name, NULL));
		if (*binary) {
			buf__append_str(b, ",\"file\":");
			json__string(b, binary);
		}
		buf__append_char(b, '}');
	}
}

/* The path of each node that has a value of its own, the root "all" left out. */
static int write_samples(const struct call_tree *t, uint32_t first_frame, struct buf *b, int64_t *ret_sum)
{
	uint32_t *path = malloc(((size_t)t->max_depth + 1) * sizeof(*path));
	bool any = false;

	if (!path)
		return -ENOMEM;
	for (uint32_t i = 0; i < t->n_nodes; i++) {
		const struct call_node *n = &t->nodes[i];

		path[n->depth] = n->frame + first_frame;
		if (n->self <= 0 || !n->depth)
			continue;
		*ret_sum += n->self;
		buf__append_str(b, any ? ",[" : "[");
		any = true;
		for (uint32_t d = 1; d <= n->depth; d++) {
			if (d > 1)
				buf__append_char(b, ',');
			json__int(b, path[d]);
		}
		buf__append_char(b, ']');
	}
	free(path);
	return 0;
}

static int write_profile(const struct call_tree *t, uint32_t first_frame, struct buf *b)
{
	bool any = false;
	int64_t sum = 0;
	int err;

	buf__append_str(b, "{\"type\":\"sampled\",\"name\":");
	json__string(b, t->type);
	buf__append_str(b, ",\"unit\":");
	json__string(b, unit_of(t->unit));
	buf__append_str(b, ",\"startValue\":0,\"samples\":[");
	err = write_samples(t, first_frame, b, &sum);
	buf__append_str(b, "],\"weights\":[");
	for (uint32_t i = 0; i < t->n_nodes; i++) {
		if (t->nodes[i].self <= 0 || !t->nodes[i].depth)
			continue;
		if (any)
			buf__append_char(b, ',');
		any = true;
		json__int(b, t->nodes[i].self);
	}
	buf__append_str(b, "],\"endValue\":");
	json__int(b, sum);
	buf__append_char(b, '}');
	return err;
}

static int write_all(struct call_tree *const *trees, uint32_t n, uint32_t active, struct buf *b)
{
	uint32_t first_frame = 0, n_frames = 0;
	int err = 0;

	buf__append_str(b, "{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\","
			   "\"exporter\":\"everprof@" EVERPROF_VERSION "\",\"name\":");
	json__string(b, trees[active]->type);
	buf__append_str(b, ",\"activeProfileIndex\":");
	json__int(b, active);
	buf__append_str(b, ",\"shared\":{\"frames\":[");
	for (uint32_t i = 0; i < n; i++)
		write_frames(trees[i], &n_frames, b);
	buf__append_str(b, "]},\"profiles\":[");
	for (uint32_t i = 0; !err && i < n; i++) {
		if (i)
			buf__append_char(b, ',');
		err = write_profile(trees[i], first_frame, b);
		first_frame += trees[i]->n_frames;
	}
	buf__append_str(b, "]}\n");
	return err ? err : buf__err(b);
}

int speedscope__encode(const struct profile *p, const struct call_tree_opts *opts, struct buf *to)
{
	struct call_tree *trees[PROFILE_VALUES_MAX] = {0};
	struct call_tree_opts o = opts ? *opts : (struct call_tree_opts){0};
	uint32_t active, n = profile__n_types(p);
	int err = profile__sealed(p) ? profile__find_type(p, o.type, &active) : -EINVAL;

	for (uint32_t i = 0; !err && i < n; i++) {
		o.type = profile__str(p, profile__type(p, i).type);
		err = call_tree__new(p, &o, &trees[i]);
	}
	if (!err)
		err = write_all(trees, n, active, to);
	for (uint32_t i = 0; i < n; i++)
		call_tree__free(trees[i]);
	return err;
}
