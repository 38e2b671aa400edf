/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/profile_text.h"
#include "user/base/err.h"
#include "user/profile/diff.h"
#include "user/query/top.h"

static struct profile *cpu(void)
{
	return text_profile("samples", "count", "cpu", "nanoseconds");
}

/* "name flat cum" a row, and the total and what is in focus at the end; frees the table. */
static void assert_rows(struct top *t, const char *want)
{
	struct buf b;

	buf__init(&b, 1 << 20);
	for (uint32_t i = 0; i < t->n; i++)
		buf__printf(&b, "%s %" PRId64 " %" PRId64 "\n", top__name(t, i), t->rows[i].flat,
			    t->rows[i].cum);
	buf__printf(&b, "%" PRId64 " %" PRId64, t->total, t->in_focus);
	assert_string_equal(buf__str(&b), want);
	buf__done(&b);
	top__free(t);
}

static void assert_top(struct profile *p, const struct top_opts *opts, const char *want)
{
	struct top *t = NULL;
	struct err e = {""};

	if (!profile__sealed(p))
		assert_int_equal(profile__seal(p), 0);
	assert_int_equal(top__new(p, opts, &t, &e), 0);
	assert_rows(t, want);
}

static void flat_is_the_leaf_and_cum_is_the_stack(void **state)
{
	struct profile *p = cpu();

	(void)state;
	put(p, "main;work;read", "", 1, 30);
	put(p, "main;work", "", 1, 20);
	put(p, "main", "", 1, 5);
	assert_top(p, &(struct top_opts){0}, "read 30 30\nwork 20 50\nmain 5 55\n55 55");
	assert_top(p, &(struct top_opts){.sort = TOP_BY_CUM}, "main 5 55\nwork 20 50\nread 30 30\n55 55");
	assert_top(p, &(struct top_opts){.type = "samples"}, "main 1 3\nwork 1 2\nread 1 1\n3 3");
	profile__free(p);
}

static void recursion_counts_once(void **state)
{
	struct profile *p = cpu();

	(void)state;
	put(p, "main;fib@/bin/x;fib@/bin/x;fib@/lib/y;fib@/bin/x", "", 1, 10);
	put(p, "main;fib@/bin/x;even;fib@/bin/x", "", 1, 7);
	assert_top(p, &(struct top_opts){0}, "fib 17 17\nmain 0 17\neven 0 7\n17 17");
	profile__free(p);
}

static void inlined_functions_have_rows_of_their_own(void **state)
{
	struct profile *p = cpu();

	(void)state;
	put(p, "main~outer~inner", "", 1, 10);
	assert_top(p, &(struct top_opts){0}, "inner 10 10\nmain 0 10\nouter 0 10\n10 10");
	assert_top(p, &(struct top_opts){.by = "file"}, "inner.c 10 10\nmain.c 0 10\nouter.c 0 10\n10 10");
	profile__free(p);
}

static void binaries_group_frames_and_cut_stacks_keep_their_reason(void **state)
{
	struct profile *p = cpu();

	(void)state;
	put(p, "[truncated: no_rows];main@/bin/x;memcpy@/lib/libc.so", "", 1, 10);
	put(p, "jitted;main@/bin/x", "", 1, 5);
	put(p, "", "", 1, 1);
	assert_top(
		p, &(struct top_opts){.by = "binary"},
		"/lib/libc.so 10 10\n/bin/x 5 15\n[no stack] 1 1\n[truncated: no_rows] 0 10\n(no binary) 0 "
		"5\n16 16");
	profile__free(p);
}

static void processes_and_threads_are_told_apart_by_their_ids(void **state)
{
	struct profile *p = cpu();

	(void)state;
	put(p, "main", "process=nginx,comm=worker,pid=1 id,tid=11 id", 1, 10);
	put(p, "main;a", "process=nginx,comm=worker,pid=1 id,tid=12 id", 1, 20);
	put(p, "main", "process=nginx,comm=nginx,pid=2 id,tid=2 id", 1, 40);
	put(p, "main", "", 1, 5);
	assert_top(p, &(struct top_opts){.by = "process"},
		   "nginx (2) 40 40\nnginx (1) 30 30\n(no process) 5 5\n75 75");
	assert_top(p, &(struct top_opts){.by = "thread"},
		   "nginx (2) 40 40\nworker (12) 20 20\nworker (11) 10 10\n(no comm) 5 5\n75 75");
	assert_top(p, &(struct top_opts){.by = "comm"}, "nginx 40 40\nworker 30 30\n(no comm) 5 5\n75 75");
	assert_top(p, &(struct top_opts){.by = "pid"}, "2 40 40\n1 30 30\n(no pid) 5 5\n75 75");
	profile__free(p);
}

static void a_label_that_nobody_has_is_an_error_that_lists_those_there_are(void **state)
{
	struct profile *p = cpu();
	struct top *t = NULL;
	struct err e = {""};

	(void)state;
	put(p, "main", "comm=sh", 1, 1);
	put(p, "main", "comm=sh,state=blocked", 1, 1);
	assert_int_equal(profile__seal(p), 0);
	assert_int_equal(top__new(p, &(struct top_opts){.by = "container"}, &t, &e), -ENOENT);
	assert_string_equal(
		e.text, "no sample has the label 'container'; there are: function file binary comm state");
	assert_int_equal(top__new(p, &(struct top_opts){.type = "space"}, &t, &e), -ENOENT);
	assert_string_equal(e.text, "the profile has no sample type 'space'");
	assert_null(t);
	profile__free(p);
}

static void focus_keeps_samples_that_have_the_function(void **state)
{
	struct profile *p = cpu();
	struct top *t = NULL;
	struct err e = {""};

	(void)state;
	put(p, "main;json_parse;malloc", "", 1, 30);
	put(p, "main;render~json_print;malloc", "", 1, 20);
	put(p, "main;idle", "", 1, 50);
	assert_top(p, &(struct top_opts){.focus = "^json_"},
		   "malloc 50 50\nmain 0 50\njson_parse 0 30\njson_print 0 20\nrender 0 20\n100 50");
	assert_top(p, &(struct top_opts){.focus = "nothing|has (this|name)"}, "100 0");
	assert_top(p, &(struct top_opts){.search = "^json_"},
		   "malloc 50 50\nmain 0 50\njson_parse 0 30\njson_print 0 20\nrender 0 20\n100 50");
	assert_top(p, &(struct top_opts){.search = "json_(parse|json_)"}, "100 0");
	assert_int_equal(top__new(p, &(struct top_opts){.focus = "("}, &t, &e), -EBADMSG);
	assert_non_null(strstr(e.text, "'(' is no regular expression"));
	profile__free(p);
}

static void a_difference_is_shown_against_its_base(void **state)
{
	struct profile *base = cpu(), *other = cpu(), *diff;

	(void)state;
	put(base, "main;gone", "", 1, 60);
	put(base, "main;same", "", 1, 40);
	put(other, "main;same", "", 1, 40);
	put(other, "main;new", "", 1, 10);
	assert_int_equal(profile__diff(base, other, NULL, &diff), 0);
	assert_top(diff, &(struct top_opts){0}, "gone -60 -60\nnew 10 10\nmain 0 -50\n100 -50");
	profile__free(base);
	profile__free(other);
	profile__free(diff);
}

static void a_wait_is_its_first_function_that_is_not_the_schedulers(void **state)
{
	struct profile *p = text_profile("events", "count", "off_cpu", "nanoseconds");

	(void)state;
	put(p,
	    "main;do_syscall_64@[kernel.kallsyms];futex_do_wait@[kernel.kallsyms];schedule@[kernel.kallsyms]",
	    "wait=futex", 1, 30);
	put(p, "main;spin;exit_to_user_mode_loop@[kernel.kallsyms];schedule@[kernel.kallsyms]", "wait=cpu", 1,
	    20);
	put(p, "main;schedule@/bin/x", "", 1, 10); /* a program's own function of that name */
	put(p, "schedule@[kernel.kallsyms]", "", 1, 1);
	assert_int_equal(profile__seal(p), 0);
	assert_top(p, &(struct top_opts){.by = "function"},
		   "futex_do_wait 30 30\nspin 20 20\nschedule 11 61\nmain 0 60\ndo_syscall_64 0 30\n"
		   "exit_to_user_mode_loop 0 20\n61 61");
	/* what is asked first */
	assert_top(p, &(struct top_opts){0}, "futex 30 30\ncpu 20 20\n(no wait) 11 11\n61 61");
	profile__free(p);
}

static void on_cpu_time_is_asked_by_function_first(void **state)
{
	struct profile *p = cpu();

	(void)state;
	put(p, "main;schedule@[kernel.kallsyms]", "wait=x", 1, 10);
	assert_int_equal(profile__seal(p), 0);
	assert_top(p, &(struct top_opts){0}, "schedule 10 10\nmain 0 10\n10 10");
	profile__free(p);
}

static void the_table_says_what_it_shows(void **state)
{
	struct profile *p = cpu();
	struct top *t;
	struct err e;
	struct buf b;

	(void)state;
	profile__meta_mut(p)->time_ns = 1700000000ll * 1000000000;
	profile__meta_mut(p)->duration_ns = 10ll * 1000000000;
	profile__comment(p, "host: x");
	profile__comment(p, "lost count_full: 3");
	put(p, "main;work;read\033[2J", "", 1, 3000000000);
	put(p, "main;work", "", 1, 1500000000);
	put(p, "main", "", 1, 500000000);
	assert_int_equal(profile__seal(p), 0);
	assert_int_equal(top__new(p, &(struct top_opts){0}, &t, &e), 0);
	buf__init(&b, 1 << 20);
	top__print(t, p, &(struct top_print_opts){.n_rows = 2}, &b);
	assert_string_equal(
		buf__str(&b),
		"Type: cpu  Time: 2023-11-14 22:13:20 UTC  Duration: 10.00s  Total: 5.00s (50.00%)\n"
		"lost count_full: 3\n"
		"Showing 2 of 3 by function: 4.50s, 90.00% of the total\n"
		"        flat    flat%     sum%          cum     cum%  function\n"
		"       3.00s   60.00%   60.00%        3.00s   60.00%  read?[2J\n"
		"       1.50s   30.00%   90.00%        4.50s   90.00%  work\n");
	buf__clear(&b);
	top__print(t, p, &(struct top_print_opts){.colour = true}, &b);
	assert_non_null(strstr(buf__str(&b), "\033[1m        flat"));
	assert_non_null(strstr(buf__str(&b), "main\n"));
	buf__done(&b);
	top__free(t);
	profile__free(p);
}

static struct top *count_both(const struct top_opts *opts, int want_code)
{
	struct profile *a = cpu(), *b = cpu();
	struct top_counter *c;
	struct top *t = NULL;
	struct err e = {""};

	put(a, "main@/bin/x;work@/bin/x;read@/bin/x", "process=p", 1, 30);
	put(a, "main@/bin/x;work@/bin/x", "process=p", 1, 20);
	/* the same names by other ids; the label is in the first one only */
	put(b, "other@/bin/y;read@/bin/x", "", 1, 4);
	put(b, "main@/bin/x;work@/bin/x;main@/bin/x", "", 1, 8);
	assert_int_equal(profile__seal(a), 0);
	assert_int_equal(profile__seal(b), 0);
	assert_int_equal(top_counter__new(opts, &c), 0);
	assert_int_equal(top_counter__add(c, a, &e), 0);
	assert_int_equal(top_counter__add(c, b, &e), 0);
	assert_int_equal(top_counter__finish(c, a, &t, &e), want_code);
	top_counter__free(c);
	profile__free(b);
	if (t)
		t->type = t->unit = NULL; /* they were the profile's */
	profile__free(a);
	return t;
}

static void many_profiles_make_one_table(void **state)
{
	(void)state;
	assert_rows(count_both(&(struct top_opts){0}, 0),
		    "read 34 34\nwork 20 58\nmain 8 58\nother 0 4\n62 62");
	assert_rows(count_both(&(struct top_opts){.by = "process"}, 0), "p 50 50\n(no process) 12 12\n62 62");
	assert_null(count_both(&(struct top_opts){.by = "pod"}, -ENOENT));
}

/* Nodes stand in the order in which they were made, which is no walk. */
static void stacks_may_stand_in_any_order(void **state)
{
	struct profile *p = cpu();

	(void)state;
	put(p, "a;b;c", "", 1, 1);
	put(p, "x;y", "", 1, 2);
	put(p, "a;b;d", "", 1, 4);
	put(p, "x;y;a;x", "", 1, 8);
	put(p, "a;b;c;a", "", 1, 16);
	assert_top(p, &(struct top_opts){.sort = TOP_BY_CUM},
		   "a 16 29\nb 0 21\nc 1 17\nx 8 10\ny 2 10\nd 4 4\n31 31");
	profile__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flat_is_the_leaf_and_cum_is_the_stack),
		cmocka_unit_test(recursion_counts_once),
		cmocka_unit_test(inlined_functions_have_rows_of_their_own),
		cmocka_unit_test(binaries_group_frames_and_cut_stacks_keep_their_reason),
		cmocka_unit_test(processes_and_threads_are_told_apart_by_their_ids),
		cmocka_unit_test(a_label_that_nobody_has_is_an_error_that_lists_those_there_are),
		cmocka_unit_test(focus_keeps_samples_that_have_the_function),
		cmocka_unit_test(a_difference_is_shown_against_its_base),
		cmocka_unit_test(a_wait_is_its_first_function_that_is_not_the_schedulers),
		cmocka_unit_test(on_cpu_time_is_asked_by_function_first),
		cmocka_unit_test(the_table_says_what_it_shows),
		cmocka_unit_test(many_profiles_make_one_table),
		cmocka_unit_test(stacks_may_stand_in_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
