// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. A day is forty million frames. To add up its files to one profile takes twice as long as to read them, and most of it is for what nobody asked: which
 *   of a hundred label sets each stack had, where a table wants a number a function.
 *
 * Idea. Each file's profile goes by itself into what the answer is made of: a tree of calls, or a table of names. Only times, types and comments are added up.
 *
 *       file 1 ─┐
 *       file 2 ─┼─> select ─> tree of calls (or table of names) ─> answer
 *       …      ─┘        └──> head
 *
 * What it does not do. Hide idle waits, which are told one by one: -EAGAIN, and the caller adds up. States: their last file is all.
 */
#include "user/server/gather.h"

#include <errno.h>

#include "exporters/format/call_tree.h"
#include "user/base/err.h"
#include "user/config/event.h"
#include "user/profile/merge.h"
#include "user/profile/profile.h"
#include "user/query/idle.h"
#include "user/query/top.h"

struct gathering {
	const struct gather_opts *opts;
	struct profile *head;
	bool as_base;
	struct call_grower *tree; /* one of the two */
	struct top_counter *top;
	struct err *err;
};

static bool nobody(const struct profile *from, uint32_t labels, void *ctx)
{
	(void)from;
	(void)labels;
	(void)ctx;
	return false;
}

static bool has_idle(const struct profile *p)
{
	bool found = false;

	for (uint32_t set = 1; !found && set <= profile__n_label_sets(p); set++)
		found = profile__find_label(p, set, IDLE_LABEL) != NULL;
	return found;
}

static int count(struct gathering *g, const struct profile *p)
{
	int err = g->tree ? call_grower__add(g->tree, p, g->as_base) : top_counter__add(g->top, p, g->err);

	/* no such type in this one: the sum of all can tell */
	return err == -ENOENT ? -EAGAIN : err;
}

static int add_part(const struct profile *part, void *ctx)
{
	static const struct profile_merge_opts head_only = {.keep = nobody};
	const struct profile_opts as_list = {.is_list = true};
	struct gathering *g = ctx;
	const struct selection *s = &g->opts->ask->selection;
	struct profile *chosen;
	int err = profile__merge_as(g->head, part, &head_only);

	if (!err && !g->opts->keeps_idle && has_idle(part))
		err = -EAGAIN;
	if (err || !s->n)
		return err ? err : count(g, part);
	chosen = profile__new(&as_list);
	err = chosen ? selection__merge(s, chosen, part) : -ENOMEM;
	if (!err)
		err = profile__seal(chosen);
	if (!err)
		err = count(g, chosen);
	profile__free(chosen);
	return err;
}

/* The head of what it is compared with tells nothing. */
static int add_base(struct gathering *g)
{
	struct profile *head = g->head;
	int err;

	g->head = profile__new(NULL);
	g->as_base = true;
	err = g->head ? range__parts(g->opts->link, g->opts->base, add_part, g) : -ENOMEM;
	if (!err && !profile__n_types(g->head))
		err = err__prefix(g->err, range__no_data(g->opts->base, g->err),
				  "what is to be compared with");
	profile__free(g->head);
	g->head = head;
	return err;
}

static int gather(struct gathering *g)
{
	const struct range *r = &g->opts->ask->range;
	int err;

	if (event__is_state(r->event))
		return -EAGAIN;
	g->head = profile__new(NULL);
	err = g->head ? range__parts(g->opts->link, r, add_part, g) : -ENOMEM;
	if (!err && !profile__n_types(g->head))
		err = range__no_data(r, g->err);
	if (!err && g->opts->base)
		err = add_base(g);
	return err ? err : profile__seal(g->head);
}

/* What was made is handed over with the head, or neither. */
static int hand_over(struct gathering *g, int err, struct profile **ret_head)
{
	if (err)
		profile__free(g->head);
	else
		*ret_head = g->head;
	return err;
}

int gather__tree(const struct gather_opts *o, struct call_tree **ret, struct profile **ret_head,
		 struct err *err)
{
	const struct call_tree_opts opts = format__tree_opts(&o->ask->format);
	struct gathering g = {.opts = o, .err = err};
	int code = call_grower__new(&opts, &g.tree);

	if (!code)
		code = gather(&g);
	if (!code)
		code = call_grower__finish(g.tree, g.head, ret);
	call_grower__free(g.tree);
	return hand_over(&g, code, ret_head);
}

int gather__top(const struct gather_opts *o, const struct top_opts *top, struct top **ret,
		struct profile **ret_head, struct err *err)
{
	struct gathering g = {.opts = o, .err = err};
	int code = o->base ? -EAGAIN : top_counter__new(top, &g.top);

	if (!code)
		code = gather(&g);
	if (!code)
		code = top_counter__finish(g.top, g.head, ret, err);
	top_counter__free(g.top);
	return hand_over(&g, code, ret_head);
}
