// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. A day is forty million frames. To add up its files to one profile takes twice as long as to read them, and most of it is for what nobody asked: which
 *   of a hundred label sets each stack had, where a table wants a number a function.
 *
 * Idea. Each profile goes by itself into what the answer is made of: a tree of calls, a table of names, or a sum. What the question leaves out (other labels, idle
 *   waits) is left out of each part, before anything is made of it. Only times, types and comments are added up of all.
 *
 *       part 1 ─┐
 *       part 2 ─┼─> select, hide idle ─> tree of calls, table of names or sum ─> answer
 *       …      ─┘        └──> head
 *
 * Where a part goes away while others are read, all is made anew: what took its place holds more than it alone.
 */
#include "user/query/gather.h"

#include <errno.h>
#include <string.h>

#include "exporters/format/call_tree.h"
#include "user/base/err.h"
#include "user/profile/merge.h"
#include "user/profile/profile.h"
#include "user/query/parts.h"
#include "user/query/selection.h"
#include "user/query/top.h"
#include "user/store/sum.h"

#define LOOKS 4

/* One of the three kinds of answer: that whose options are there. */
struct gathering {
	const struct gather_opts *opts;
	const struct call_tree_opts *tree_opts;
	const struct top_opts *top_opts;
	struct call_grower *tree;
	struct top_counter *top;
	struct store_sum sum;
	struct gathered to;
	uint32_t part_shift; /* see struct gather_sum_opts */
	bool as_base;
	int64_t base_ns; /* how long the base lasted */
	uint32_t n;      /* parts taken */
	struct err *err;
};

static bool nobody(const struct profile *from, uint32_t labels, void *ctx)
{
	(void)from;
	(void)labels;
	(void)ctx;
	return false;
}

static bool has_selection(const struct gathering *g)
{
	return g->opts->selection && g->opts->selection->n;
}

/* What of a part is asked for, as a list. */
static int take_out(const struct profile *part, const struct profile_merge_opts *opts, struct profile **ret)
{
	const struct profile_opts as_list = {.is_list = true};
	struct profile *p = profile__new(&as_list);
	int err = p ? profile__merge_as(p, part, opts) : -ENOMEM;

	return profile__finish(p, err, ret);
}

/* *ret: the part itself, or what is left of it, which is *ret_own then. */
static int choose(struct gathering *g, const struct profile *part, const struct profile **ret,
		  struct profile **ret_own)
{
	const struct profile_merge_opts selected = {.keep = selection__keeps,
						    .keep_ctx = (void *)g->opts->selection};
	const struct profile_merge_opts awake = {.without_label = IDLE_LABEL};
	struct idle_hidden of_base = {0};
	struct profile *own = NULL, *shown;
	bool has_idle = false;
	int err = has_selection(g) ? take_out(part, &selected, &own) : 0;

	if (own)
		part = own;
	if (!err && g->opts->hides_idle)
		err = idle_hidden__add(g->as_base ? &of_base : &g->to.hidden, part, g->opts->type, &has_idle);
	if (!err && has_idle) {
		err = take_out(part, &awake, &shown);
		if (!err) {
			profile__free(own);
			part = own = shown;
		}
	}
	if (err)
		profile__free(own);
	*ret_own = err ? NULL : own;
	*ret = part;
	return err;
}

static int count(struct gathering *g, const struct profile *p)
{
	if (g->tree) {
		int err = call_grower__add(g->tree, p, g->as_base);

		return err == -ENOENT ? err__set(g->err, err, "the profile has no sample type '%s'",
						 g->tree_opts->type ? g->tree_opts->type : "")
				      : err;
	}
	return g->top ? top_counter__add(g->top, p, g->err) : store_sum__add_profile(&g->sum, p, g->err);
}

static int add_part(const struct profile *part, void *ctx)
{
	static const struct profile_merge_opts head_only = {.keep = nobody};
	struct gathering *g = ctx;
	struct profile *own = NULL;
	int err = g->to.head ? profile__merge_as(g->to.head, part, &head_only) : 0;

	if (!err)
		err = choose(g, part, &part, &own);
	if (!err)
		err = count(g, part);
	profile__free(own);
	g->n += !err;
	return err;
}

static void drop(struct gathering *g)
{
	call_grower__free(g->tree);
	top_counter__free(g->top);
	store_sum__done(&g->sum);
	profile__free(g->to.head);
	g->tree = NULL;
	g->top = NULL;
	g->to = (struct gathered){0};
	g->n = 0;
	g->as_base = false;
}

static int begin(struct gathering *g)
{
	int err = 0;

	if (g->tree_opts)
		err = call_grower__new(g->tree_opts, &g->tree);
	else if (g->top_opts)
		err = top_counter__new(g->top_opts, &g->top);
	if (err || (!g->tree && !g->top))
		return err;
	g->to.head = profile__new(NULL);
	return g->to.head ? 0 : -ENOMEM;
}

static int walk(struct gathering *g, const struct parts *parts, bool may_miss)
{
	/* shares would be of what is left out, too */
	bool is_all = !has_selection(g) && !g->opts->hides_idle;
	const struct parts_walk how = {.may_miss = may_miss, .fold_shift = is_all ? g->part_shift : 0};
	uint32_t n_before = g->n;
	int err = parts->each(parts, &how, add_part, g, g->err);

	return !err && g->n == n_before ? -ENODATA : err;
}

/* The head of what it is compared with tells nothing. */
static int walk_base(struct gathering *g, bool may_miss)
{
	struct profile *head = g->to.head;
	int err;

	g->to.head = profile__new(NULL);
	g->as_base = true;
	err = g->to.head ? walk(g, g->opts->base, may_miss) : -ENOMEM;
	if (err == -ENODATA)
		err__set(g->err, err, "nothing was recorded then");
	if (err)
		err__prefix(g->err, err, "what is to be compared with");
	g->base_ns = err ? 0 : profile__meta(g->to.head)->duration_ns;
	profile__free(g->to.head);
	g->to.head = head;
	return err;
}

static int gather(struct gathering *g)
{
	int err = -ESTALE;

	for (int look = 1; err == -ESTALE && look <= LOOKS; look++) {
		drop(g);
		err = begin(g);
		if (!err)
			err = walk(g, g->opts->parts, look == LOOKS);
		if (!err && g->opts->base)
			err = walk_base(g, look == LOOKS);
	}
	if (!err && g->tree && g->opts->by_time && g->base_ns > 0 &&
	    profile__meta(g->to.head)->duration_ns > 0)
		call_grower__scale_base(g->tree, profile__meta(g->to.head)->duration_ns, g->base_ns);
	return !err && g->to.head ? profile__seal(g->to.head) : err;
}

/* What was made is handed over with the head, or neither. */
static int hand_over(struct gathering *g, int err, struct gathered *ret)
{
	if (!err) {
		*ret = g->to;
		g->to.head = NULL;
	}
	drop(g);
	return err;
}

int gather__tree(const struct gather_opts *o, const struct call_tree_opts *tree, struct call_tree **ret,
		 struct gathered *ret_gathered, struct err *err)
{
	struct gathering g = {.opts = o, .tree_opts = tree, .err = err};
	int code = gather(&g);

	if (!code)
		code = call_grower__finish(g.tree, g.to.head, ret);
	return hand_over(&g, code, ret_gathered);
}

int gather__top(const struct gather_opts *o, const struct top_opts *top, struct top **ret,
		struct gathered *ret_gathered, struct err *err)
{
	struct gathering g = {.opts = o, .top_opts = top, .err = err};
	int code = gather(&g);

	if (!code)
		code = top_counter__finish(g.top, g.to.head, ret, err);
	return hand_over(&g, code, ret_gathered);
}

int gather__sum(const struct gather_opts *o, const struct gather_sum_opts *sum, struct profile **ret,
		struct idle_hidden *ret_hidden, struct err *err)
{
	struct gathering g = {.opts = o, .part_shift = sum->part_shift, .err = err};
	struct gathered rest;
	int code;

	g.sum = (struct store_sum){
		.limit_bytes = sum->limit_bytes, .grown_bytes = sum->grown_bytes, .rows_max = sum->rows_max};
	code = gather(&g);
	if (!code)
		code = store_sum__take(&g.sum, ret);
	if (code == -E2BIG)
		err__set(err, code, "that does not fit into %zu MiB: ask for less", sum->limit_bytes >> 20);
	code = hand_over(&g, code, &rest);
	if (!code && ret_hidden)
		*ret_hidden = rest.hidden;
	return code;
}
