/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exporters/format/call_tree.h"
#include "tests/support/profile_text.h"
#include "user/base/err.h"
#include "user/query/gather.h"
#include "user/query/parts.h"
#include "user/query/selection.h"
#include "user/query/top.h"

#define N 3

struct list {
	struct parts parts;
	struct profile *items[N];
	uint32_t n;
	int n_stale;         /* so many walks end after the first part: the second one went away */
	uint32_t fold_shift; /* of the last walk */
};

static int each(const struct parts *parts, const struct parts_walk *how, part_fn fn, void *ctx,
		struct err *err)
{
	struct list *l = (struct list *)parts;
	int code = 0;

	(void)err;
	l->fold_shift = how->fold_shift;
	for (uint32_t i = 0; !code && i < l->n; i++) {
		code = fn(l->items[i], ctx);
		if (!code && l->n_stale && !how->may_miss) {
			l->n_stale--;
			code = -ESTALE;
		}
	}
	return code;
}

static struct profile *waits(void)
{
	return text_profile("events", "count", "off_cpu", "nanoseconds");
}

/* Three minutes of two programs, and a question about them. */
struct world {
	struct list list;
	struct gather_opts opts;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct list *l = &w->list;

	*l = (struct list){.parts = {.each = each}, .n = N};
	for (int i = 0; i < N; i++) {
		struct profile *p = l->items[i] = waits();

		put(p, "main;serve;epoll_wait", "comm=a,wait=epoll,idle=event loop", 10, 8000 + i);
		put(p, "main;serve;read", "comm=a,wait=pipe", 3, 200 + i);
		put(p, i ? "main;loop;sleep" : "main;loop", "comm=b,wait=sleep,idle=timer", 5, 500 * i);
		put(p, "main;loop;write", "comm=b,wait=disk,gc=go", 1, 10);
		assert_int_equal(profile__seal(p), 0);
	}
	w->opts.parts = &l->parts;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	for (uint32_t i = 0; i < w->list.n; i++)
		profile__free(w->list.items[i]);
	free(w);
	return 0;
}

static int64_t row(const struct top *t, const char *name)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (!strcmp(top__name(t, i), name))
			return t->rows[i].cum;
	return -1;
}

static void a_table_of_parts_is_that_of_their_sum(void **state)
{
	struct world *w = *state;
	struct gathered g;
	struct top *t;
	struct err e;

	assert_int_equal(gather__top(&w->opts, &(struct top_opts){.by = "function"}, &t, &g, &e), 0);
	assert_int_equal(t->total, 24003 + 603 + 1500 + 30);
	assert_int_equal(row(t, "serve"), 24003 + 603);
	assert_int_equal(row(t, "loop"), 1500 + 30);
	assert_int_equal(t->gc.by_runtime[GC_GO], 30);
	assert_int_equal(t->gc.all, t->total);
	assert_string_equal(t->gc.unit, "nanoseconds");
	assert_int_equal(g.hidden.total, 0);
	top__free(t);
	profile__free(g.head);
}

static void idle_waits_are_hidden_and_counted_part_by_part(void **state)
{
	const struct gather_sum_opts sum = {.limit_bytes = 1 << 24};
	struct world *w = *state;
	struct idle_hidden hidden;
	struct profile *p;
	struct gathered g;
	struct top *t;
	struct err e;

	w->opts.hides_idle = true;
	assert_int_equal(gather__top(&w->opts, &(struct top_opts){0}, &t, &g, &e), 0);
	assert_string_equal(t->by, "wait");
	assert_int_equal(t->total, 603 + 30);
	assert_int_equal(row(t, "pipe"), 603);
	assert_int_equal(row(t, "epoll"), -1);
	assert_int_equal(g.hidden.total, 24003 + 1500);
	assert_int_equal(g.hidden.n, 2);
	assert_string_equal(g.hidden.by_name[0].name, "event loop");
	assert_int_equal(g.hidden.by_name[1].value, 1500);
	top__free(t);
	profile__free(g.head);
	assert_int_equal(gather__sum(&w->opts, &sum, &p, &hidden, &e), 0);
	assert_true(profile__sealed(p));
	assert_int_equal(profile__n_samples(p), 2);
	assert_memory_equal(&hidden.by_name, &g.hidden.by_name, sizeof(hidden.by_name));
	profile__free(p);
}

static void what_is_not_selected_is_neither_counted_nor_told(void **state)
{
	const struct call_tree_opts tree_opts = {0};
	struct selection only_b = {0};
	struct world *w = *state;
	struct call_tree *tree;
	struct gathered g;
	struct err e;

	assert_int_equal(selection__add(&only_b, "comm", "b"), 0);
	w->opts.hides_idle = true;
	w->opts.selection = &only_b;
	assert_int_equal(gather__tree(&w->opts, &tree_opts, &tree, &g, &e), 0);
	assert_int_equal(tree->nodes[0].total, 30);
	assert_int_equal(g.hidden.total, 1500);
	call_tree__free(tree);
	profile__free(g.head);
}

/* Shares of all would be too large where a part of it is asked for. */
static void only_parts_that_are_asked_for_as_a_whole_may_come_folded(void **state)
{
	const struct gather_sum_opts sum = {.limit_bytes = 1 << 24, .part_shift = 14};
	struct selection only_b = {0};
	struct world *w = *state;
	struct profile *p;
	struct gathered g;
	struct top *t;
	struct err e;

	assert_int_equal(gather__sum(&w->opts, &sum, &p, NULL, &e), 0);
	profile__free(p);
	assert_int_equal(w->list.fold_shift, 14);
	assert_int_equal(gather__top(&w->opts, &(struct top_opts){0}, &t, &g, &e), 0);
	top__free(t);
	profile__free(g.head);
	assert_int_equal(w->list.fold_shift, 0);
	assert_int_equal(selection__add(&only_b, "comm", "b"), 0);
	for (int i = 0; i < 2; i++) {
		w->list.fold_shift = 99;
		w->opts.hides_idle = !i;
		w->opts.selection = i ? &only_b : NULL;
		assert_int_equal(gather__sum(&w->opts, &sum, &p, NULL, &e), 0);
		profile__free(p);
		assert_int_equal(w->list.fold_shift, 0);
	}
}

static void after_something_went_away_all_is_asked_anew(void **state)
{
	struct world *w = *state;
	struct gathered g;
	struct top *t;
	struct err e;

	w->opts.hides_idle = true;
	/* a few times; then what is missing is missing */
	for (int stale = 1; stale < 10; stale += 4) {
		w->list.n_stale = stale;
		assert_int_equal(gather__top(&w->opts, &(struct top_opts){0}, &t, &g, &e), 0);
		assert_int_equal(t->total, 603 + 30);
		assert_int_equal(g.hidden.total, 24003 + 1500);
		top__free(t);
		profile__free(g.head);
	}
}

/* Three minutes against one of them at a third of what they have: by time no difference but for what is new in the second and the third. */
static void by_time_a_short_base_counts_as_long_as_what_it_is_held_against(void **state)
{
	struct world *w = *state;
	struct list base = {.parts = {.each = each}, .n = 1, .items = {waits()}};
	struct call_tree *tree;
	struct gathered g;
	struct err e;

	put(base.items[0], "main;serve;read", "comm=a,wait=pipe", 3, 201);
	put(base.items[0], "main;loop;write", "comm=b,wait=disk,gc=go", 1, 10);
	profile__meta_mut(base.items[0])->time_ns = 500;
	profile__meta_mut(base.items[0])->duration_ns = 60;
	assert_int_equal(profile__seal(base.items[0]), 0);
	for (int i = 0; i < N; i++) {
		profile__free(w->list.items[i]);
		w->list.items[i] = waits();
		put(w->list.items[i], "main;serve;read", "comm=a,wait=pipe", 3, 200 + i);
		put(w->list.items[i], "main;loop;write", "comm=b,wait=disk,gc=go", 1, 10);
		profile__meta_mut(w->list.items[i])->time_ns = 1000 + 60 * i;
		profile__meta_mut(w->list.items[i])->duration_ns = 60;
		assert_int_equal(profile__seal(w->list.items[i]), 0);
	}
	w->opts.base = &base.parts;
	for (int by_time = 0; by_time < 2; by_time++) {
		w->opts.by_time = by_time;
		assert_int_equal(gather__tree(&w->opts, &(struct call_tree_opts){0}, &tree, &g, &e), 0);
		assert_true(tree->is_diff);
		assert_int_equal(tree->nodes[0].total, 603 + 30);
		assert_int_equal(tree->nodes[0].base_total, (201 + 10) * (by_time ? 3 : 1));
		call_tree__free(tree);
		profile__free(g.head);
	}
	profile__free(base.items[0]);
}

static void parts_of_other_types_and_none_at_all_are_told(void **state)
{
	const struct gather_sum_opts sum = {.limit_bytes = 1 << 24};
	const struct call_tree_opts tree_opts = {.type = "space"};
	struct list none = {.parts = {.each = each}};
	struct world *w = *state;
	struct gather_opts *o = &w->opts;
	struct profile *p, **second = &w->list.items[1];
	struct call_tree *tree;
	struct gathered g;
	struct err e = {""};

	o->parts = &none.parts;
	assert_int_equal(gather__sum(o, &sum, &p, NULL, &e), -ENODATA);
	o->parts = &w->list.parts;
	assert_int_equal(gather__tree(o, &tree_opts, &tree, &g, &e), -ENOENT);
	assert_string_equal(e.text, "the profile has no sample type 'space'");
	o->base = &none.parts;
	assert_int_equal(gather__tree(o, &(struct call_tree_opts){0}, &tree, &g, &e), -ENODATA);
	assert_non_null(strstr(e.text, "compared"));
	o->base = NULL;
	profile__free(*second);
	*second = text_profile("samples", "count", "cpu", "nanoseconds");
	put(*second, "main", "", 1, 1);
	assert_int_equal(profile__seal(*second), 0);
	assert_int_equal(gather__sum(o, &sum, &p, NULL, &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_table_of_parts_is_that_of_their_sum, setup, teardown),
		cmocka_unit_test_setup_teardown(idle_waits_are_hidden_and_counted_part_by_part, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_not_selected_is_neither_counted_nor_told, setup,
						teardown),
		cmocka_unit_test_setup_teardown(only_parts_that_are_asked_for_as_a_whole_may_come_folded,
						setup, teardown),
		cmocka_unit_test_setup_teardown(after_something_went_away_all_is_asked_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(
			by_time_a_short_base_counts_as_long_as_what_it_is_held_against, setup, teardown),
		cmocka_unit_test_setup_teardown(parts_of_other_types_and_none_at_all_are_told, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
