/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/profile_text.h"
#include "user/base/err.h"
#include "user/query/completeness.h"

/* "name complete/total reason=value …" a row */
static void assert_rows(struct profile *p, enum completeness_by by, const char *type, const char *want)
{
	struct completeness *c = NULL;
	struct err e = {""};
	struct buf b;

	if (!profile__sealed(p))
		assert_int_equal(profile__seal(p), 0);
	assert_int_equal(completeness__new(p, by, type, &c, &e), 0);
	buf__init(&b, 1 << 20);
	for (uint32_t i = 0; i < completeness__n_rows(c); i++) {
		struct completeness_row r = completeness__row(c, i);

		buf__printf(&b, "%s %" PRId64 "/%" PRId64, r.name, r.complete, r.total);
		for (uint32_t k = 0; k < r.n_reasons; k++)
			buf__printf(&b, " %s=%" PRId64, completeness__reason(c, i, k).name,
				    completeness__reason(c, i, k).value);
		buf__append_char(&b, '\n');
	}
	assert_string_equal(buf__str(&b), want);
	buf__done(&b);
	completeness__free(c);
}

static struct profile *mixed(void)
{
	struct profile *p = text_profile("samples", "count", "cpu", "nanoseconds");

	put(p, "_start@/bin/x;main@/bin/x;memcpy@/lib/libc.so", "exe=/bin/x", 1, 80);
	put(p, "[truncated: no_rows];memcpy@/lib/libc.so", "exe=/bin/x", 1, 15);
	put(p, "[truncated: bad_fp];memcpy@/lib/libc.so", "exe=/bin/x", 4, 5);
	put(p, "start@/bin/py;eval@/bin/py", "exe=/bin/py,runtime=python", 1, 200);
	put(p, "[truncated: bad_fp];eval@/bin/py", "exe=/bin/py,runtime=python", 1, 10);
	put(p, "kthread@[kernel.kallsyms]", "comm=kworker", 1, 50);
	put(p, "jit;main@/bin/unlabelled;read@[kernel.kallsyms]", "", 1, 40);
	put(p, "", "exe=/bin/empty", 1, 3);
	return p;
}

static void each_binary_has_its_share_and_its_reasons(void **state)
{
	struct profile *p = mixed();

	(void)state;
	assert_rows(p, COMPLETENESS_BY_BINARY, NULL,
		    "all 370/403 bad_fp=15 no_rows=15 no stack at all=3\n"
		    "/bin/py 200/210 bad_fp=10\n"
		    "/bin/x 80/100 no_rows=15 bad_fp=5\n"
		    "[kernel] 50/50\n"
		    "/bin/unlabelled 40/40\n"
		    "/bin/empty 0/3 no stack at all=3\n");
	profile__free(p);
}

static void shares_are_of_the_type_that_is_asked_for(void **state)
{
	struct profile *p = mixed();
	struct completeness *c = NULL;
	struct err e = {""};

	(void)state;
	assert_rows(p, COMPLETENESS_BY_RUNTIME, "samples",
		    "all 4/11 bad_fp=5 no stack at all=1 no_rows=1\n"
		    "native 3/9 bad_fp=4 no stack at all=1 no_rows=1\n"
		    "python 1/2 bad_fp=1\n");
	assert_int_equal(completeness__new(p, COMPLETENESS_BY_BINARY, "space", &c, &e), -ENOENT);
	assert_null(c);
	profile__free(p);
}

static void a_binary_called_all_is_a_row_of_its_own(void **state)
{
	struct profile *p = text_profile("samples", "count", NULL, NULL);

	(void)state;
	put(p, "main", "exe=all", 1, 0);
	put(p, "[truncated: ]", "exe=all", 2, 0);
	assert_rows(p, COMPLETENESS_BY_BINARY, NULL, "all 1/3 =2\nall 1/3 =2\n");
	profile__free(p);
}

static void an_empty_profile_has_one_empty_row(void **state)
{
	struct profile *p = text_profile("samples", "count", NULL, NULL);

	(void)state;
	assert_rows(p, COMPLETENESS_BY_BINARY, NULL, "all 0/0\n");
	profile__free(p);
}

static void the_table_ends_with_what_it_left_out(void **state)
{
	struct profile *p = mixed();
	struct completeness *c;
	struct buf b;

	(void)state;
	assert_int_equal(profile__seal(p), 0);
	assert_int_equal(completeness__new(p, COMPLETENESS_BY_BINARY, NULL, &c, NULL), 0);
	buf__init(&b, 1 << 20);
	completeness__print(c, 2, false, &b);
	assert_string_equal(
		buf__str(&b),
		"   whole        value    share  binary\n"
		"  91.81%        403ns  100.00%  all  (bad_fp 3.72%, no_rows 3.72%, no stack at all 0.74%)\n"
		"  95.24%        210ns   52.11%  /bin/py  (bad_fp 4.76%)\n"
		"  80.00%        100ns   24.81%  /bin/x  (no_rows 15.00%, bad_fp 5.00%)\n"
		"and 3 more\n");
	buf__done(&b);
	completeness__free(c);
	profile__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_binary_has_its_share_and_its_reasons),
		cmocka_unit_test(shares_are_of_the_type_that_is_asked_for),
		cmocka_unit_test(a_binary_called_all_is_a_row_of_its_own),
		cmocka_unit_test(an_empty_profile_has_one_empty_row),
		cmocka_unit_test(the_table_ends_with_what_it_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
