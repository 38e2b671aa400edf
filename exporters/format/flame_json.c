/* SPDX-License-Identifier: Apache-2.0 */
#include "exporters/format/flame_json.h"

#include <stdbool.h>

#include "exporters/format/call_tree.h"
#include "exporters/format/json.h"
#include "user/base/buf.h"
#include "user/base/intern.h"
#include "user/profile/profile.h"

static void field(struct buf *b, const char *name)
{
	buf__append_char(b, ',');
	json__string(b, name);
	buf__append_char(b, ':');
}

static void head(const struct profile *p, const struct call_tree *t, struct buf *b)
{
	const struct profile_meta *meta = profile__meta(p);

	buf__append_str(b, "{\"format\":\"everprof-flame-1\"");
	field(b, "type");
	json__string(b, t->type);
	field(b, "unit");
	json__string(b, t->unit);
	field(b, "types");
	for (uint32_t i = 0; i < profile__n_types(p); i++) {
		buf__append_str(b, i ? ",[" : "[[");
		json__string(b, profile__str(p, profile__type(p, i).type));
		buf__append_char(b, ',');
		json__string(b, profile__str(p, profile__type(p, i).unit));
		buf__append_char(b, ']');
	}
	buf__append_char(b, ']');
	field(b, "time_ms");
	json__int(b, meta->time_ns / 1000000);
	field(b, "duration_ns");
	json__int(b, meta->duration_ns);
	field(b, "comments");
	buf__append_char(b, '[');
	for (uint32_t i = 0; i < profile__n_comments(p); i++) {
		if (i)
			buf__append_char(b, ',');
		json__string(b, profile__get_comment(p, i));
	}
	buf__append_char(b, ']');
	field(b, "diff");
	buf__append_str(b, t->is_diff ? "true" : "false");
	field(b, "folded");
	json__int(b, t->n_folded);
}

static void frames(const struct call_tree *t, struct buf *b)
{
	field(b, "texts");
	buf__append_char(b, '[');
	for (uint32_t i = 0; i < intern__count(t->texts); i++) {
		if (i)
			buf__append_char(b, ',');
		json__string(b, intern__str(t->texts, i, NULL));
	}
	buf__append_char(b, ']');
	field(b, "frames");
	buf__append_char(b, '[');
	for (uint32_t i = 0; i < t->n_frames; i++) {
		if (i)
			buf__append_char(b, ',');
		json__int(b, t->frames[i].name);
		buf__append_char(b, ',');
		json__int(b, t->frames[i].binary);
		buf__append_char(b, ',');
		json__int(b, t->frames[i].kind);
	}
	buf__append_char(b, ']');
}

static int64_t depth_of(const struct call_node *n)
{
	return n->depth;
}

static int64_t frame_of(const struct call_node *n)
{
	return n->frame;
}

static int64_t self_of(const struct call_node *n)
{
	return n->self;
}

static int64_t base_of(const struct call_node *n)
{
	return n->base_self;
}

static void column(const struct call_tree *t, const char *name, int64_t (*of)(const struct call_node *),
		   struct buf *b)
{
	field(b, name);
	buf__append_char(b, '[');
	for (uint32_t i = 0; i < t->n_nodes; i++) {
		if (i)
			buf__append_char(b, ',');
		json__int(b, of(&t->nodes[i]));
	}
	buf__append_char(b, ']');
}

int flame_json__encode(const struct profile *p, const struct call_tree_opts *opts, struct buf *to)
{
	struct call_tree *t;
	int err = call_tree__new(p, opts, &t);

	if (err)
		return err;
	head(p, t, to);
	frames(t, to);
	column(t, "depth", depth_of, to);
	column(t, "frame", frame_of, to);
	column(t, "self", self_of, to);
	if (t->is_diff)
		column(t, "base", base_of, to);
	buf__append_str(to, "}\n");
	call_tree__free(t);
	return buf__err(to);
}
