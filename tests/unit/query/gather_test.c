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
	int n_stale; /* so many walks end after the first part: the second one went away */
};

static int each(const struct parts *parts, bool may_miss, part_fn fn, void *ctx, struct err *err)
{
	struct list *l = (struct list *)parts;
	int code = 0;

	(void)err;
	for (uint32_t i = 0; !code && i < l->n; i++) {
		code = fn(l->items[i], ctx);
		if (!code && l->n_stale && !may_miss) {
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

/* Three minutes of two programs. */
static void fill(struct list *l)
{
	*l = (struct list){.parts = {.each = each}, .n = N};
	for (int i = 0; i < N; i++) {
		struct profile *p = l->items[i] = waits();

		put(p, "main;serve;epoll_wait", "comm=a,wait=epoll,idle=event loop", 10, 8000 + i);
		put(p, "main;serve;read", "comm=a,wait=pipe", 3, 200 + i);
		put(p, i ? "main;loop;sleep" : "main;loop", "comm=b,wait=sleep,idle=timer", 5, 500 * i);
		put(p, "main;loop;write", "comm=b,wait=disk,gc=go", 1, 10);
		assert_int_equal(profile__seal(p), 0);
	}
}

static void empty(struct list *l)
{
	for (uint32_t i = 0; i < l->n; i++)
		profile__free(l->items[i]);
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
	struct gather_opts o = {0};
	struct gathered g;
	struct list l;
	struct top *t;
	struct err e;

	(void)state;
	fill(&l);
	o.parts = &l.parts;
	assert_int_equal(gather__top(&o, &(struct top_opts){.by = "function"}, &t, &g, &e), 0);
	assert_int_equal(t->total, 24003 + 603 + 1500 + 30);
	assert_int_equal(row(t, "serve"), 24003 + 603);
	assert_int_equal(row(t, "loop"), 1500 + 30);
	assert_int_equal(t->gc.by_runtime[GC_GO], 30);
	assert_int_equal(t->gc.all, t->total);
	assert_string_equal(t->gc.unit, "nanoseconds");
	assert_int_equal(g.hidden.total, 0);
	top__free(t);
	profile__free(g.head);
	empty(&l);
}

static void idle_waits_are_hidden_and_counted_part_by_part(void **state)
{
	const struct gather_sum_opts sum = {.limit_bytes = 1 << 24};
	struct gather_opts o = {.hides_idle = true};
	struct idle_hidden hidden;
	struct profile *p;
	struct gathered g;
	struct list l;
	struct top *t;
	struct err e;

	(void)state;
	fill(&l);
	o.parts = &l.parts;
	assert_int_equal(gather__top(&o, &(struct top_opts){0}, &t, &g, &e), 0);
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
	assert_int_equal(gather__sum(&o, &sum, &p, &hidden, &e), 0);
	assert_true(profile__sealed(p));
	assert_int_equal(profile__n_samples(p), 2);
	assert_memory_equal(&hidden.by_name, &g.hidden.by_name, sizeof(hidden.by_name));
	profile__free(p);
	empty(&l);
}

static void what_is_not_selected_is_neither_counted_nor_told(void **state)
{
	struct gather_opts o = {.hides_idle = true};
	const struct call_tree_opts tree_opts = {0};
	struct selection only_b = {0};
	struct call_tree *tree;
	struct gathered g;
	struct list l;
	struct err e;

	(void)state;
	fill(&l);
	assert_int_equal(selection__add(&only_b, "comm", "b"), 0);
	o.parts = &l.parts;
	o.selection = &only_b;
	assert_int_equal(gather__tree(&o, &tree_opts, &tree, &g, &e), 0);
	assert_int_equal(tree->nodes[0].total, 30);
	assert_int_equal(g.hidden.total, 1500);
	call_tree__free(tree);
	profile__free(g.head);
	empty(&l);
}

static void after_something_went_away_all_is_asked_anew(void **state)
{
	struct gather_opts o = {.hides_idle = true};
	struct gathered g;
	struct list l;
	struct top *t;
	struct err e;

	(void)state;
	/* a few times; then what is missing is missing */
	for (int stale = 1; stale < 10; stale += 4) {
		fill(&l);
		l.n_stale = stale;
		o.parts = &l.parts;
		assert_int_equal(gather__top(&o, &(struct top_opts){0}, &t, &g, &e), 0);
		assert_int_equal(t->total, 603 + 30);
		assert_int_equal(g.hidden.total, 24003 + 1500);
		top__free(t);
		profile__free(g.head);
		empty(&l);
	}
}

static void parts_of_other_types_and_none_at_all_are_told(void **state)
{
	const struct gather_sum_opts sum = {.limit_bytes = 1 << 24};
	const struct call_tree_opts tree_opts = {.type = "space"};
	struct list l, none = {.parts = {.each = each}};
	struct gather_opts o = {.parts = &none.parts};
	struct call_tree *tree;
	struct gathered g;
	struct profile *p;
	struct err e = {""};

	(void)state;
	fill(&l);
	assert_int_equal(gather__sum(&o, &sum, &p, NULL, &e), -ENODATA);
	o.parts = &l.parts;
	assert_int_equal(gather__tree(&o, &tree_opts, &tree, &g, &e), -ENOENT);
	assert_string_equal(e.text, "the profile has no sample type 'space'");
	o.base = &none.parts;
	assert_int_equal(gather__tree(&o, &(struct call_tree_opts){0}, &tree, &g, &e), -ENODATA);
	assert_non_null(strstr(e.text, "compared"));
	o.base = NULL;
	profile__free(l.items[1]);
	l.items[1] = text_profile("samples", "count", "cpu", "nanoseconds");
	put(l.items[1], "main", "", 1, 1);
	assert_int_equal(profile__seal(l.items[1]), 0);
	assert_int_equal(gather__sum(&o, &sum, &p, NULL, &e), -EINVAL);
	empty(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_table_of_parts_is_that_of_their_sum),
		cmocka_unit_test(idle_waits_are_hidden_and_counted_part_by_part),
		cmocka_unit_test(what_is_not_selected_is_neither_counted_nor_told),
		cmocka_unit_test(after_something_went_away_all_is_asked_anew),
		cmocka_unit_test(parts_of_other_types_and_none_at_all_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
