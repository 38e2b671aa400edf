/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exporters/format/call_tree.h"
#include "user/base/intern.h"
#include "tests/support/profile_text.h"
#include "user/profile/diff.h"

static const char *const kinds[] = {"", "_k", "_j", "_i", "_l", "_t", "_f"};

/* "all=0/9 main=1/9 …": name, kind, self and total of each node in preorder, depth as dots; a difference shows both sides. Frees the tree. */
static void assert_nodes(struct call_tree *t, const char *want)
{
	struct buf b;

	buf__init(&b, 1 << 20);
	for (uint32_t i = 0; i < t->n_nodes; i++) {
		for (uint32_t d = 0; d < t->nodes[i].depth; d++)
			buf__append_char(&b, '.');
		buf__printf(&b, "%s%s=%" PRId64 "/%" PRId64, call_tree__name(t, i),
			    kinds[call_tree__kind(t, i)], t->nodes[i].self, t->nodes[i].total);
		if (t->is_diff)
			buf__printf(&b, "|%" PRId64 "/%" PRId64, t->nodes[i].base_self,
				    t->nodes[i].base_total);
		buf__append_char(&b, '\n');
	}
	assert_string_equal(buf__str(&b), want);
	buf__done(&b);
	call_tree__free(t);
}

static void assert_tree(const struct profile *p, const struct call_tree_opts *opts, const char *want)
{
	struct call_tree *t;

	assert_int_equal(call_tree__new(p, opts, &t), 0);
	assert_nodes(t, want);
}

static struct profile *sealed(struct profile *p)
{
	assert_int_equal(profile__seal(p), 0);
	return p;
}

static void stacks_share_their_callers_and_sums_hold(void **state)
{
	struct profile *p = text_profile("samples", "count", "cpu", "nanoseconds");

	(void)state;
	put(p, "main@/a;work@/a;read@/a", "comm=x", 1, 10);
	put(p, "main@/a;work@/a;read@/a", "comm=y", 1, 5);
	put(p, "main@/a;work@/a", "", 1, 3);
	put(p, "main@/a;alpha@/a", "", 1, 2);
	assert_tree(sealed(p), NULL,
		    "all_l=0/20\n"
		    ".main=0/20\n"
		    "..alpha=2/2\n"
		    "..work=3/18\n"
		    "...read=15/15\n");
	assert_tree(p, &(struct call_tree_opts){.type = "samples"},
		    "all_l=0/4\n"
		    ".main=0/4\n"
		    "..alpha=1/1\n"
		    "..work=1/3\n"
		    "...read=2/2\n");
	profile__free(p);
}

static void kinds_are_told_apart(void **state)
{
	struct profile *p = text_profile("cpu", "nanoseconds", NULL, NULL);

	(void)state;
	put(p, "[truncated: no rows];jitted;outer~inner@/a;sys_read@[kernel.kallsyms]", "", 7, 0);
	put(p, "", "", 1, 0);
	assert_tree(sealed(p), NULL,
		    "all_l=0/8\n"
		    ".[no stack]_t=1/1\n"
		    ".[truncated: no rows]_t=0/7\n"
		    "..jitted_j=0/7\n"
		    "...outer=0/7\n"
		    "....inner_i=0/7\n"
		    ".....sys_read_k=7/7\n");
	profile__free(p);
}

static void a_root_label_stands_above_its_stacks(void **state)
{
	struct profile *p = text_profile("cpu", "nanoseconds", NULL, NULL);

	(void)state;
	put(p, "main@/a;work@/a", "process=b", 4, 0);
	put(p, "main@/a;work@/a", "process=a", 2, 0);
	put(p, "main@/a", "process=b", 1, 0);
	put(p, "main@/a", "comm=none", 1, 0);
	assert_tree(sealed(p), &(struct call_tree_opts){.root_label = "process"},
		    "all_l=0/8\n"
		    ".(no process)_l=0/1\n"
		    "..main=1/1\n"
		    ".a_l=0/2\n"
		    "..main=0/2\n"
		    "...work=2/2\n"
		    ".b_l=0/5\n"
		    "..main=1/5\n"
		    "...work=4/4\n");
	profile__free(p);
}

static void what_is_under_the_threshold_is_one_node_and_nothing_is_lost(void **state)
{
	struct profile *p = text_profile("cpu", "nanoseconds", NULL, NULL);
	struct call_tree *t;

	(void)state;
	put(p, "main@/a;big@/a", "", 960, 0);
	put(p, "main@/a;small_a@/a;deep@/a", "", 9, 0);
	put(p, "main@/a;small_b@/a", "", 9, 0);
	put(p, "main@/a;just@/a", "", 22, 0);
	assert_tree(sealed(p), &(struct call_tree_opts){.threshold_ppm = 20000},
		    "all_l=0/1000\n"
		    ".main=0/1000\n"
		    "..(2 below the threshold)_f=18/18\n"
		    "..big=960/960\n"
		    "..just=22/22\n");
	assert_int_equal(call_tree__new(p, &(struct call_tree_opts){.threshold_ppm = 20000}, &t), 0);
	assert_int_equal(t->n_folded, 2);
	assert_int_equal(t->max_depth, 2);
	call_tree__free(t);
	profile__free(p);
}

static void a_difference_keeps_both_sides(void **state)
{
	struct profile *before = text_profile("cpu", "nanoseconds", NULL, NULL);
	struct profile *after = text_profile("cpu", "nanoseconds", NULL, NULL), *diff;

	(void)state;
	put(before, "main@/a;gone@/a", "", 6, 0);
	put(before, "main@/a;same@/a", "", 4, 0);
	put(after, "main@/a;same@/a", "", 4, 0);
	put(after, "main@/a;fresh@/a", "", 1, 0);
	assert_int_equal(profile__diff(sealed(before), sealed(after), NULL, &diff), 0);
	assert_tree(diff, NULL,
		    "all_l=0/5|0/10\n"
		    ".main=0/5|0/10\n"
		    "..fresh=1/1|0/0\n"
		    "..gone=0/0|6/6\n"
		    "..same=4/4|4/4\n");
	profile__free(diff);
	profile__free(before);
	profile__free(after);
}

static void an_empty_profile_is_a_root_alone(void **state)
{
	struct profile *p = text_profile("cpu", "nanoseconds", NULL, NULL);
	struct call_tree *t;

	(void)state;
	assert_int_equal(call_tree__new(p, NULL, &t), -EINVAL);
	assert_tree(sealed(p), NULL, "all_l=0/0\n");
	assert_int_equal(call_tree__new(p, &(struct call_tree_opts){.type = "heap"}, &t), -ENOENT);
	profile__free(p);
}

static void recursion_is_a_chain(void **state)
{
	struct profile *p = text_profile("cpu", "nanoseconds", NULL, NULL);

	(void)state;
	put(p, "f@/a;f@/a;f@/a", "", 3, 0);
	put(p, "f@/a;f@/a", "", 2, 0);
	assert_tree(sealed(p), NULL,
		    "all_l=0/5\n"
		    ".f=0/5\n"
		    "..f=2/5\n"
		    "...f=3/3\n");
	profile__free(p);
}

static void what_was_folded_away_still_counts_for_its_functions(void **state)
{
	struct profile *p = text_profile("cpu", "nanoseconds", NULL, NULL);
	struct call_tree *t;
	uint32_t n = 0;

	(void)state;
	put(p, "main@/a;big@/a", "", 960, 0);
	put(p, "main@/a;small_a@/a;hot@/a", "", 15, 0);
	put(p, "main@/a;small_b@/a;hot@/a;hot@/a", "", 14, 0);
	put(p, "main@/a;small_c@/a", "", 11, 0);
	assert_int_equal(call_tree__new(sealed(p),
					&(struct call_tree_opts){.threshold_ppm = 20000, .with_rows = true},
					&t),
			 0);
	for (uint32_t i = 0; i < t->n_rows; i++) {
		const struct call_row *r = &t->rows[i];
		const char *name = intern__str(t->texts, t->frames[r->frame].name, NULL);

		assert_true(!strcmp(name, "main") || !strcmp(name, "big") || !strcmp(name, "hot"));
		assert_int_equal(r->self, !strcmp(name, "main") ? 0 : !strcmp(name, "big") ? 960 : 29);
		assert_int_equal(r->total, !strcmp(name, "main") ? 1000 : !strcmp(name, "big") ? 960 : 29);
		n++;
	}
	assert_int_equal(n, 3);
	assert_int_equal(t->n_rows_small, 3);
	call_tree__free(t);
	profile__free(p);
}

static void many_profiles_grow_one_tree(void **state)
{
	struct profile *a = text_profile("samples", "count", "cpu", "nanoseconds");
	struct profile *b = text_profile("samples", "count", "cpu", "nanoseconds");
	const struct call_tree_opts opts = {.threshold_ppm = 250000};
	struct call_grower *g;
	struct call_tree *t;

	(void)state;
	put(a, "main@/a;work@/a", "", 1, 10);
	put(b, "main@/a;read@/a", "", 1, 3);
	put(b, "main@/a;work@/a", "", 1, 5);
	sealed(a);
	sealed(b);
	/* a branch that reaches the threshold in one of them does not in both */
	assert_int_equal(call_grower__new(&opts, &g), 0);
	assert_int_equal(call_grower__add(g, a, false), 0);
	assert_int_equal(call_grower__add(g, b, false), 0);
	assert_int_equal(call_grower__finish(g, b, &t), 0);
	call_grower__free(g);
	assert_nodes(t, "all_l=0/18\n"
			".main=0/18\n"
			"..(1 below the threshold)_f=3/3\n"
			"..work=15/15\n");
	/* as a difference: the one that was there before comes second */
	assert_int_equal(call_grower__new(NULL, &g), 0);
	assert_int_equal(call_grower__add(g, a, false), 0);
	assert_int_equal(call_grower__add(g, b, true), 0);
	assert_int_equal(call_grower__finish(g, a, &t), 0);
	call_grower__free(g);
	assert_nodes(t, "all_l=0/10|0/8\n"
			".main=0/10|0/8\n"
			"..read=0/0|3/3\n"
			"..work=10/10|5/5\n");
	profile__free(a);
	profile__free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stacks_share_their_callers_and_sums_hold),
		cmocka_unit_test(kinds_are_told_apart),
		cmocka_unit_test(a_root_label_stands_above_its_stacks),
		cmocka_unit_test(what_is_under_the_threshold_is_one_node_and_nothing_is_lost),
		cmocka_unit_test(what_was_folded_away_still_counts_for_its_functions),
		cmocka_unit_test(a_difference_keeps_both_sides),
		cmocka_unit_test(an_empty_profile_is_a_root_alone),
		cmocka_unit_test(recursion_is_a_chain),
		cmocka_unit_test(many_profiles_grow_one_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
