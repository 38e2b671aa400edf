/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/base/buf.h"
#include "user/base/err.h"
#include "user/base/io.h"
#include "user/symbolize/kallsyms.h"

static const char sample[] = "0000000000000000 A fixed_percpu_data\n"
			     "ffffffff81000000 T _stext\n"
			     "ffffffff81000000 T startup_64\n"
			     "ffffffff81000000 t startup_local\n"
			     "ffffffff81001000 t do_one_thing.isra.0\n"
			     "ffffffff81001000 t do_one_thing\n"
			     "ffffffff81002000 W weak_function\n"
			     "ffffffff81002000 T strong_function\n"
			     "ffffffff81003000 D some_data\n"
			     "ffffffff82000000 R some_rodata\n"
			     "ffffffffc0200000 t ext4_readdir\t[ext4]\n"
			     "ffffffffc0100000 t xfs_first\t[xfs]\n"
			     "ffffffffc0201000 t init_module\t[ext4]\n"
			     "ffffffffc0300000 t bpf_prog_6deef7357e7b4530_sd_fw_egress\t[bpf]\n";

static struct kallsyms *parse(const char *text)
{
	struct kallsyms *k = NULL;

	assert_int_equal(kallsyms__parse(text, strlen(text), &k), 0);
	return k;
}

static void assert_symbol(struct kallsyms *k, uint64_t addr, const char *name, const char *module,
			  uint64_t start)
{
	struct kallsym s;

	assert_int_equal(kallsyms__find(k, addr, &s), 0);
	assert_string_equal(s.name, name);
	assert_string_equal(s.module, module);
	assert_int_equal(s.start, start);
}

static void functions_are_found_by_any_address_inside(void **state)
{
	struct kallsyms *k = parse(sample);

	(void)state;
	assert_symbol(k, 0xffffffff81000000, "startup_64", "", 0xffffffff81000000);
	assert_symbol(k, 0xffffffff81000fff, "startup_64", "", 0xffffffff81000000);
	assert_symbol(k, 0xffffffff81001000, "do_one_thing", "", 0xffffffff81001000);
	assert_symbol(k, 0xffffffffc0100010, "xfs_first", "xfs", 0xffffffffc0100000);
	assert_symbol(k, 0xffffffffc0201234, "init_module", "ext4", 0xffffffffc0201000);
	assert_symbol(k, 0xffffffffc0300001, "bpf_prog_6deef7357e7b4530_sd_fw_egress", "bpf",
		      0xffffffffc0300000);
	kallsyms__free(k);
}

static void global_name_is_preferred_to_its_aliases(void **state)
{
	struct kallsyms *k = parse(sample);

	(void)state;
	assert_symbol(k, 0xffffffff81002000, "strong_function", "", 0xffffffff81002000);
	assert_int_equal(kallsyms__count(k), 7);
	kallsyms__free(k);
}

static void data_is_no_function_and_gaps_have_no_name(void **state)
{
	struct kallsyms *k = parse(sample);
	struct kallsym s;

	(void)state;
	assert_symbol(k, 0xffffffff81003000, "strong_function", "", 0xffffffff81002000);
	assert_int_equal(kallsyms__find(k, 0xffffffff82000000, &s), -ENOENT);
	assert_int_equal(kallsyms__find(k, 0xffffffff80ffffff, &s), -ENOENT);
	assert_int_equal(kallsyms__find(k, 0, &s), -ENOENT);
	assert_int_equal(kallsyms__find(k, UINT64_MAX, &s), -ENOENT);
	assert_symbol(k, 0xffffffffc0300000 + KALLSYMS_SPAN_MAX - 1, "bpf_prog_6deef7357e7b4530_sd_fw_egress",
		      "bpf", 0xffffffffc0300000);
	assert_int_equal(kallsyms__find(k, 0xffffffffc0300000 + KALLSYMS_SPAN_MAX, &s), -ENOENT);
	assert_symbol(k, 0xffffffffc0100000 + KALLSYMS_MODULE_SPAN_MAX - 1, "xfs_first", "xfs",
		      0xffffffffc0100000);
	assert_int_equal(kallsyms__find(k, 0xffffffffc0100000 + KALLSYMS_MODULE_SPAN_MAX, &s), -ENOENT);
	assert_symbol(k, 0xffffffff81002000 + KALLSYMS_SPAN_MAX - 1, "strong_function", "",
		      0xffffffff81002000);
	kallsyms__free(k);
}

static void hidden_addresses_are_a_clear_error(void **state)
{
	static const char hidden[] = "0000000000000000 T _stext\n0000000000000000 t x\t[ext4]\n";
	struct kallsyms *k = NULL;

	(void)state;
	assert_int_equal(kallsyms__parse(hidden, sizeof(hidden) - 1, &k), -EPERM);
	assert_null(k);
}

static void damaged_lines_are_skipped_and_nothing_is_an_error(void **state)
{
	struct kallsyms *k =
		parse("\n\n zzz\nffffffff81000000\nffffffff81000000 T\nffffffff81000000 T \n"
		      "ffffffff81000000 T good\nffffffff81000010 T unclosed\t[mod\nffffffff81000020 t last");
	struct kallsyms *none = NULL;

	(void)state;
	assert_int_equal(kallsyms__count(k), 2);
	assert_symbol(k, 0xffffffff81000011, "good", "", 0xffffffff81000000);
	assert_symbol(k, 0xffffffff81000021, "last", "", 0xffffffff81000020);
	kallsyms__free(k);
	assert_int_equal(kallsyms__parse("", 0, &none), -EBADMSG);
	assert_int_equal(kallsyms__parse("garbage", 7, &none), -EBADMSG);
	assert_int_equal(kallsyms__parse("ffffffff81000000 D data\n", 24, &none), -ENOENT);
}

static void refresh_learns_new_modules_and_keeps_the_old_table_on_failure(void **state)
{
	char root[] = "/tmp/kallsyms_test.XXXXXX", path[64];
	struct kallsyms *k = NULL;
	struct kallsym s;
	struct err err = {0};
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(root));
	snprintf(path, sizeof(path), "%s/kallsyms", root);
	file = fopen(path, "w");
	fputs("ffffffff81000000 T first\n", file);
	fclose(file);
	assert_int_equal(kallsyms__load(root, &k, &err), 0);
	assert_int_equal(kallsyms__find(k, 0xffffffffc0100000, &s), -ENOENT);
	file = fopen(path, "a");
	fputs("ffffffffc0100000 t late\t[new_module]\n", file);
	fclose(file);
	assert_int_equal(kallsyms__refresh(k, root, &err), 0);
	assert_symbol(k, 0xffffffffc0100000, "late", "new_module", 0xffffffffc0100000);
	unlink(path);
	assert_int_equal(kallsyms__refresh(k, root, &err), -ENOENT);
	assert_non_null(strstr(err.text, path));
	assert_symbol(k, 0xffffffffc0100000, "late", "new_module", 0xffffffffc0100000);
	kallsyms__free(k);
	rmdir(root);
}

/* Names of every length, so that blocks end anywhere; some are further from the one before than a block can say. */
static void many_symbols_are_found_in_any_order(void **state)
{
	enum { N = 20000 };
	struct kallsyms *k;
	struct kallsym s;
	char name[512];
	struct buf text;

	(void)state;
	buf__init(&text, 64u << 20);
	for (int i = N - 1; i >= 0; i--) { /* last first */
		uint64_t start =
			0xffff800000000000ull + (uint64_t)i * 4096 + (uint64_t)(i / 1000) * (5ull << 32);

		memset(name, 'a' + i % 26, sizeof(name));
		buf__printf(&text, "%016llx t f%d_%.*s%s\n", (unsigned long long)start, i, i % 487, name,
			    i % 3 ? "" : "\t[some_module]");
	}
	k = parse(buf__str(&text));
	assert_int_equal(kallsyms__count(k), N);
	assert_true(kallsyms__bytes(k) < text.len / 8);
	for (int i = 0, j = 0; i < N; i++, j = (j + 7919) % N) {
		uint64_t start =
			0xffff800000000000ull + (uint64_t)j * 4096 + (uint64_t)(j / 1000) * (5ull << 32);
		char expect[512];

		memset(name, 'a' + j % 26, sizeof(name));
		snprintf(expect, sizeof(expect), "f%d_%.*s", j, j % 487, name);
		assert_symbol(k, start + (uint64_t)i % 4096, expect, j % 3 ? "" : "some_module", start);
		assert_int_equal(kallsyms__find(k, start, &s), 0);
		assert_int_equal(s.end - s.start, j % 1000 != 999 ? 4096
						  : j % 3         ? KALLSYMS_SPAN_MAX
								  : KALLSYMS_MODULE_SPAN_MAX);
	}
	kallsyms__free(k);
	buf__done(&text);
}

/* The running kernel's own table, where it shows its addresses: every function line is found again. Read once: BPF programs come and go. */
static void every_function_of_the_running_kernel_is_found(void **state)
{
	struct kallsyms *k = NULL;
	char *rest, name[512], type;
	unsigned long long addr;
	unsigned n = 0;
	struct buf text;

	(void)state;
	buf__init(&text, 256u << 20);
	assert_int_equal(io__read_at(AT_FDCWD, "/proc/kallsyms", 256u << 20, &text), 0);
	if (kallsyms__parse(buf__str(&text), text.len, &k)) {
		buf__done(&text);
		skip();
		return;
	}
	for (char *line = strtok_r((char *)text.data, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		struct kallsym s;

		if (sscanf(line, "%llx %c %511s", &addr, &type, name) != 3 || !strchr("tTwW", type) || !addr)
			continue;
		assert_int_equal(kallsyms__find(k, addr, &s), 0);
		assert_int_equal(s.start, addr); /* perhaps by another name of the same address */
		n++;
	}
	assert_true(n > 1000 && n >= kallsyms__count(k));
	assert_true(kallsyms__bytes(k) < (size_t)n * 12);
	kallsyms__free(k);
	buf__done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_are_found_by_any_address_inside),
		cmocka_unit_test(global_name_is_preferred_to_its_aliases),
		cmocka_unit_test(data_is_no_function_and_gaps_have_no_name),
		cmocka_unit_test(hidden_addresses_are_a_clear_error),
		cmocka_unit_test(damaged_lines_are_skipped_and_nothing_is_an_error),
		cmocka_unit_test(refresh_learns_new_modules_and_keeps_the_old_table_on_failure),
		cmocka_unit_test(many_symbols_are_found_in_any_order),
		cmocka_unit_test(every_function_of_the_running_kernel_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
