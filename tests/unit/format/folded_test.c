/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "exporters/format/folded.h"
#include "exporters/format/format.h"
#include "tests/support/profile_text.h"

static void assert_folded(struct profile *p, const struct folded_opts *opts, const char *want)
{
	struct buf b;

	if (!profile__sealed(p))
		assert_int_equal(profile__seal(p), 0);
	buf__init(&b, 1 << 24);
	assert_int_equal(folded__encode(p, opts, &b), 0);
	assert_string_equal(buf__str(&b), want);
	buf__done(&b);
}

static struct profile *cpu(void)
{
	return text_profile("samples", "count", "cpu", "nanoseconds");
}

static void lines_are_sorted_and_equal_ones_add_up(void **state)
{
	struct profile *p = cpu();

	(void)state;
	put(p, "main;work;read", "comm=b", 1, 10);
	put(p, "main;work;read", "comm=a", 1, 20);
	put(p, "main", "", 1, 5);
	put(p, "main;alpha;deep;deeper", "", 1, 7);
	put(p, "main;work", "", 1, 3);
	put(p, "a", "", 1, 1);
	put(p, "", "", 2, 4);
	assert_folded(p, NULL,
		      "[no stack] 4\n"
		      "a 1\n"
		      "main 5\n"
		      "main;alpha;deep;deeper 7\n"
		      "main;work 3\n"
		      "main;work;read 30\n");
	assert_folded(p, &(struct folded_opts){.type = "samples"},
		      "[no stack] 2\n"
		      "a 1\n"
		      "main 1\n"
		      "main;alpha;deep;deeper 1\n"
		      "main;work 1\n"
		      "main;work;read 2\n");
	profile__free(p);
}

static void kernel_and_inlined_frames_are_marked(void **state)
{
	struct profile *p = cpu();

	(void)state;
	put(p,
	    "main@/bin/x;outer~middle~inner@/bin/"
	    "x;do_syscall_64@[kernel.kallsyms];ext4_read@[kernel.kallsyms]",
	    "", 1, 9);
	assert_folded(p, NULL, "main;outer;middle_[i];inner_[i];do_syscall_64_[k];ext4_read_[k] 9\n");
	profile__free(p);
}

static void a_label_can_be_the_root(void **state)
{
	struct profile *p = cpu();

	(void)state;
	put(p, "main", "process=nginx,pid=3 id", 1, 1);
	put(p, "main", "process=redis;server,pid=4 id", 1, 2);
	put(p, "main", "", 1, 4);
	assert_folded(p, &(struct folded_opts){.root_label = "process"},
		      "main 4\nnginx;main 1\nredis:server;main 2\n");
	assert_folded(p, &(struct folded_opts){.root_label = "pid"}, "3;main 1\n4;main 2\nmain 4\n");
	profile__free(p);
}

static void a_name_cannot_break_the_line(void **state)
{
	struct profile *p = cpu();
	struct function f = {.name = text_string(p, "a;b\nc\td e")};
	struct line line = {0};
	uint32_t l, s;

	(void)state;
	assert_int_equal(profile__function(p, &f, &line.function), 0);
	assert_int_equal(profile__location(p, 0, 1, false, &line, 1, &l), 0);
	assert_int_equal(profile__stack(p, &l, 1, &s), 0);
	assert_int_equal(profile__add(p, s, 0, (int64_t[]){1, 6}), 0);
	assert_folded(p, NULL, "a:b c d e 6\n");
	profile__free(p);
}

static void negative_values_stand_and_zeros_do_not(void **state)
{
	struct profile *p = cpu();

	(void)state;
	put(p, "main;gone", "", -1, -10);
	put(p, "main;same", "x=1", 1, 10);
	put(p, "main;same", "x=2", -1, -10);
	put(p, "main;only_counted", "", 5, 0);
	assert_folded(p, NULL, "main;gone -10\n");
	profile__free(p);
}

static void a_missing_type_is_an_error(void **state)
{
	struct profile *p = cpu();
	struct buf b;

	(void)state;
	buf__init(&b, 1000);
	assert_int_equal(folded__encode(p, NULL, &b), -EINVAL);
	assert_int_equal(profile__seal(p), 0);
	assert_int_equal(folded__encode(p, &(struct folded_opts){.type = "space"}, &b), -ENOENT);
	assert_folded(p, NULL, "");
	buf__done(&b);
	profile__free(p);
}

static void formats_are_found_by_suffix_and_name(void **state)
{
	(void)state;
	assert_string_equal(format__by_path("x/y.cpu.pb.gz")->name, "pprof");
	assert_string_equal(format__by_path("y.pb.zst")->name, "pprof-zstd");
	assert_string_equal(format__by_path("y.pb")->name, "pprof-bare");
	assert_string_equal(format__by_path("y.folded")->name, "folded");
	assert_null(format__by_path("y.txt"));
	assert_null(format__by_path(""));
	assert_string_equal(format__by_name("folded")->suffix, ".folded");
	assert_null(format__by_name("nothing"));
}

static void every_format_writes_the_same_profile(void **state)
{
	struct profile *p = cpu();
	const struct format *f;

	(void)state;
	put(p, "main;work", "", 1, 1);
	assert_int_equal(profile__seal(p), 0);
	for (size_t i = 0; (f = format__at(i)); i++) {
		struct format_opts opts = {0};
		struct buf b;

		buf__init(&b, 1 << 20);
		assert_int_equal(f->encode(p, &opts, &b), 0);
		assert_true(b.len > 5);
		buf__done(&b);
	}
	profile__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_sorted_and_equal_ones_add_up),
		cmocka_unit_test(kernel_and_inlined_frames_are_marked),
		cmocka_unit_test(a_label_can_be_the_root),
		cmocka_unit_test(a_name_cannot_break_the_line),
		cmocka_unit_test(negative_values_stand_and_zeros_do_not),
		cmocka_unit_test(a_missing_type_is_an_error),
		cmocka_unit_test(formats_are_found_by_suffix_and_name),
		cmocka_unit_test(every_format_writes_the_same_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
