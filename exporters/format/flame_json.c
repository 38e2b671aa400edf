/* SPDX-License-Identifier: Apache-2.0 */
#include "exporters/format/flame_json.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

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

/* Frames and texts of what is written, in order of their first use: most of a large profile's names are of nodes that were folded away. */
struct used {
	const struct call_tree *t;
	uint32_t *frames, *texts;             /* [of the tree] = number in the file + 1, 0: not used */
	uint32_t *frames_in_order, *in_order; /* [number in the file] = of the tree */
	uint32_t n_frames, n_texts;
};

static void use_text(struct used *u, uint32_t text)
{
	if (u->texts[text])
		return;
	u->in_order[u->n_texts++] = text;
	u->texts[text] = u->n_texts;
}

static void use_frame(struct used *u, uint32_t frame)
{
	if (u->frames[frame])
		return;
	u->frames_in_order[u->n_frames++] = frame;
	u->frames[frame] = u->n_frames;
	use_text(u, u->t->frames[frame].name);
	use_text(u, u->t->frames[frame].binary);
}

static int find_used(const struct call_tree *t, struct used *u)
{
	size_t n_texts = intern__count(t->texts);

	*u = (struct used){.t = t};
	u->frames = calloc((size_t)t->n_frames + 1, sizeof(uint32_t));
	u->frames_in_order = calloc((size_t)t->n_frames + 1, sizeof(uint32_t));
	u->texts = calloc(n_texts + 1, sizeof(uint32_t));
	u->in_order = calloc(n_texts + 1, sizeof(uint32_t));
	if (!u->frames || !u->frames_in_order || !u->texts || !u->in_order)
		return -ENOMEM;
	for (uint32_t i = 0; i < t->n_nodes; i++)
		use_frame(u, t->nodes[i].frame);
	for (uint32_t i = 0; i < t->n_rows; i++)
		use_frame(u, t->rows[i].frame);
	return 0;
}

static void used__done(struct used *u)
{
	free(u->frames);
	free(u->frames_in_order);
	free(u->texts);
	free(u->in_order);
}

static void frames(const struct used *u, struct buf *b)
{
	field(b, "texts");
	buf__append_char(b, '[');
	for (uint32_t i = 0; i < u->n_texts; i++) {
		if (i)
			buf__append_char(b, ',');
		json__string(b, intern__str(u->t->texts, u->in_order[i], NULL));
	}
	buf__append_char(b, ']');
	field(b, "frames");
	buf__append_char(b, '[');
	for (uint32_t i = 0; i < u->n_frames; i++) {
		const struct call_frame *f = &u->t->frames[u->frames_in_order[i]];

		if (i)
			buf__append_char(b, ',');
		json__int(b, u->texts[f->name] - 1);
		buf__append_char(b, ',');
		json__int(b, u->texts[f->binary] - 1);
		buf__append_char(b, ',');
		json__int(b, f->kind);
	}
	buf__append_char(b, ']');
}

static int64_t depth_of(const struct used *u, const struct call_node *n)
{
	(void)u;
	return n->depth;
}

static int64_t frame_of(const struct used *u, const struct call_node *n)
{
	return u->frames[n->frame] - 1;
}

static int64_t self_of(const struct used *u, const struct call_node *n)
{
	(void)u;
	return n->self;
}

static int64_t base_of(const struct used *u, const struct call_node *n)
{
	(void)u;
	return n->base_self;
}

static void column(const struct used *u, const char *name,
		   int64_t (*of)(const struct used *, const struct call_node *), struct buf *b)
{
	field(b, name);
	buf__append_char(b, '[');
	for (uint32_t i = 0; i < u->t->n_nodes; i++) {
		if (i)
			buf__append_char(b, ',');
		json__int(b, of(u, &u->t->nodes[i]));
	}
	buf__append_char(b, ']');
}

/* Five numbers a function: see call_row. */
static void rows(const struct used *u, struct buf *b)
{
	const struct call_tree *t = u->t;

	field(b, "rows");
	for (uint32_t i = 0; i < t->n_rows; i++) {
		const struct call_row *r = &t->rows[i];
		const int64_t numbers[] = {u->frames[r->frame] - 1, r->self, r->total, r->base_self,
					   r->base_total};

		for (size_t k = 0; k < sizeof(numbers) / sizeof(*numbers); k++) {
			buf__append_char(b, i || k ? ',' : '[');
			json__int(b, numbers[k]);
		}
	}
	buf__append_str(b, t->n_rows ? "]" : "[]");
	field(b, "rows_folded");
	json__int(b, t->n_rows_small);
}

int flame_json__write(const struct profile *p, const struct call_tree *t, struct buf *to)
{
	struct used u;
	int err = find_used(t, &u);

	if (!err) {
		head(p, t, to);
		frames(&u, to);
		column(&u, "depth", depth_of, to);
		column(&u, "frame", frame_of, to);
		column(&u, "self", self_of, to);
		if (t->is_diff)
			column(&u, "base", base_of, to);
		if (t->rows)
			rows(&u, to);
		buf__append_str(to, "}\n");
	}
	used__done(&u);
	return err ? err : buf__err(to);
}
