/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "user/object/elf.h"
#include "user/object/symtab.h"

/* -- tables by hand -- */

#define SYMBOLS_MAX 64

struct table {
	Elf64_Sym symbols[SYMBOLS_MAX];
	size_t n;
	char strings[4096];
	size_t strings_len;
};

static const struct symtab_range text = {0x1000, 0x9000};

static void add(struct table *t, const char *name, uint64_t value, uint64_t size, int bind, int type)
{
	if (!t->strings_len)
		t->strings_len = 1;
	t->symbols[t->n++] = (Elf64_Sym){
		.st_name = (Elf64_Word)t->strings_len,
		.st_info = (unsigned char)ELF64_ST_INFO(bind, type),
		.st_shndx = 1,
		.st_value = value,
		.st_size = size,
	};
	strcpy(t->strings + t->strings_len, name);
	t->strings_len += strlen(name) + 1;
}

static void add_function(struct table *t, const char *name, uint64_t value, uint64_t size)
{
	add(t, name, value, size, STB_GLOBAL, STT_FUNC);
}

static struct symtab_source source_of(const struct table *t, bool is_complete)
{
	return (struct symtab_source){
		.symbols = t->symbols,
		.symbols_len = t->n * sizeof(t->symbols[0]),
		.strings = t->strings,
		.strings_len = t->strings_len,
		.is_complete = is_complete,
	};
}

static struct symtab *build(const struct table *t, bool is_complete)
{
	struct symtab_source source = source_of(t, is_complete);
	struct symtab *symtab = NULL;

	assert_int_equal(symtab__parse(&source, 1, &text, 1, NULL, &symtab), 0);
	return symtab;
}

static void assert_found(const struct symtab *t, uint64_t addr, const char *name, uint64_t start)
{
	struct symtab_symbol s;

	assert_int_equal(symtab__find(t, addr, &s), 0);
	assert_string_equal(s.name, name);
	assert_int_equal(s.start, start);
}

static void assert_gap(const struct symtab *t, uint64_t addr)
{
	struct symtab_symbol s;

	assert_int_equal(symtab__find(t, addr, &s), -ENOENT);
}

static void gap_between_two_functions_has_no_name(void **state)
{
	struct table t = {0};
	struct symtab *s;

	(void)state;
	add_function(&t, "second", 0x3000, 0x100);
	add_function(&t, "first", 0x2000, 0x100);
	s = build(&t, true);
	assert_gap(s, 0);
	assert_gap(s, 0x1fff);
	assert_found(s, 0x2000, "first", 0x2000);
	assert_found(s, 0x20ff, "first", 0x2000);
	assert_gap(s, 0x2100);
	assert_gap(s, 0x2fff);
	assert_found(s, 0x3000, "second", 0x3000);
	assert_gap(s, 0x3100);
	assert_gap(s, UINT64_MAX);
	symtab__free(s);
}

/* Each address's stretch holds it, and the table has one answer all over it and another on either side or none. */
static void stretch_is_where_the_answer_stays_the_same(void **state)
{
	struct table t = {0};
	struct symtab *s;

	(void)state;
	add_function(&t, "outer", 0x2000, 0x100);
	add_function(&t, "nested", 0x2040, 0x10);
	add_function(&t, "tail", 0x20f0, 0x10);
	add_function(&t, "far", 0x3000, 0x40);
	s = build(&t, true);
	for (uint64_t addr = 0x1ff0; addr < 0x3050; addr++) {
		struct symtab_symbol here = {0}, there;
		bool found = symtab__find(s, addr, &here) == 0;
		uint64_t start, end;

		symtab__stretch(s, addr, &start, &end);
		assert_true(start <= addr && addr < end);
		for (uint64_t a = start > 0x1ff0 ? start : 0x1ff0; a < end && a < 0x3050; a++) {
			assert_int_equal(symtab__find(s, a, &there) == 0, found);
			if (found)
				assert_string_equal(there.name, here.name);
		}
	}
	symtab__free(s);
}

static void best_name_of_an_address_does_not_depend_on_the_order(void **state)
{
	static const struct {
		const char *name;
		int bind, type;
	} aliases[] = {
		/* best first */
		{"write", STB_WEAK, STT_FUNC},         {"a_longer_name", STB_WEAK, STT_FUNC},
		{"__write", STB_GLOBAL, STT_FUNC},     {"__libc_write", STB_GLOBAL, STT_FUNC},
		{"__GI___write", STB_LOCAL, STT_FUNC}, {"untyped", STB_GLOBAL, STT_NOTYPE},
	};
	enum { N = sizeof(aliases) / sizeof(aliases[0]) };

	(void)state;
	for (size_t best = 0; best < N; best++) {
		for (size_t turn = 0; turn < N; turn++) {
			struct table t = {0};
			struct symtab *s;

			for (size_t i = 0; i < N; i++) {
				size_t k = (i + turn) % N;

				if (k >= best)
					add(&t, aliases[k].name, 0x2000, 0x40, aliases[k].bind,
					    aliases[k].type);
			}
			s = build(&t, true);
			assert_int_equal(symtab__count(s), 1);
			assert_found(s, 0x2010, aliases[best].name, 0x2000);
			symtab__free(s);
		}
	}
}

static void innermost_symbol_names_an_address(void **state)
{
	struct table t = {0};
	struct symtab *s;

	(void)state;
	add_function(&t, "outer", 0x2000, 0x100);
	add_function(&t, "inner", 0x2040, 0x20);
	add_function(&t, "at_its_start", 0x2000, 0x10);
	s = build(&t, true);
	assert_found(s, 0x2005, "at_its_start", 0x2000);
	assert_found(s, 0x2010, "outer", 0x2000);
	assert_found(s, 0x2040, "inner", 0x2040);
	assert_found(s, 0x2060, "outer", 0x2000);
	assert_gap(s, 0x2100);
	symtab__free(s);
}

static void symbol_without_size_reaches_to_the_next_one(void **state)
{
	struct table t = {0};
	struct symtab *s;

	(void)state;
	add(&t, "_start", 0x1000, 0, STB_GLOBAL, STT_NOTYPE);
	add_function(&t, "main", 0x1030, 0x20);
	add(&t, "asm_routine", 0x2000, 0, STB_LOCAL, STT_FUNC);
	add(&t, "last", 0x8ff0, 0, STB_GLOBAL, STT_FUNC);
	s = build(&t, true);
	assert_found(s, 0x102f, "_start", 0x1000);
	assert_found(s, 0x1030, "main", 0x1030);
	assert_gap(s, 0x1050);
	assert_found(s, 0x2000 + SYMTAB_UNSIZED_MAX - 1, "asm_routine", 0x2000);
	assert_gap(s, 0x2000 + SYMTAB_UNSIZED_MAX);
	assert_found(s, 0x8fff, "last", 0x8ff0);
	assert_gap(s, 0x9000); /* its section ends */
	symtab__free(s);
}

static void label_inside_a_function_is_no_function(void **state)
{
	struct table t = {0};
	struct symtab *s;

	(void)state;
	add_function(&t, "function", 0x2000, 0x100);
	add(&t, "label", 0x2010, 0, STB_GLOBAL, STT_NOTYPE);
	add(&t, "also_function", 0x2000, 0, STB_GLOBAL, STT_NOTYPE);
	add(&t, "local_label", 0x3000, 0, STB_LOCAL, STT_NOTYPE);
	s = build(&t, true);
	assert_int_equal(symtab__count(s), 1);
	assert_found(s, 0x2020, "function", 0x2000);
	assert_gap(s, 0x3000);
	symtab__free(s);
}

static void partial_table_does_not_stretch_a_symbol_over_hidden_functions(void **state)
{
	struct table t = {0};
	struct symtab *s;

	(void)state;
	add(&t, "exported_asm", 0x2000, 0, STB_GLOBAL, STT_FUNC);
	add_function(&t, "other", 0x4000, 0x10);
	s = build(&t, false);
	assert_gap(s, 0x2000);
	assert_found(s, 0x4000, "other", 0x4000);
	symtab__free(s);
}

static void data_and_foreign_symbols_are_left_out(void **state)
{
	struct symtab_source source;
	struct symtab *s = NULL;
	struct table t = {0};

	(void)state;
	add(&t, "object", 0x2000, 0x10, STB_GLOBAL, STT_OBJECT);
	add(&t, "thread_local", 0x2000, 0x10, STB_GLOBAL, STT_TLS);
	add(&t, "file.c", 0x2000, 0x10, STB_LOCAL, STT_FILE);
	add(&t, "$x", 0x2000, 0, STB_GLOBAL, STT_NOTYPE);
	add_function(&t, "outside", 0xa000, 0x10);
	add_function(&t, "undefined", 0x2000, 0x10);
	t.symbols[t.n - 1].st_shndx = SHN_UNDEF;
	add_function(&t, "absolute", 0x2000, 0x10);
	t.symbols[t.n - 1].st_shndx = SHN_ABS;
	add_function(&t, "", 0x2000, 0x10);
	source = source_of(&t, true);
	assert_int_equal(symtab__parse(&source, 1, &text, 1, NULL, &s), -ENOENT);
	assert_null(s);
}

static void version_is_no_part_of_the_name(void **state)
{
	struct table t = {0};
	struct symtab *s;

	(void)state;
	add_function(&t, "memcpy@@GLIBC_2.14", 0x2000, 0x10);
	add_function(&t, "old@GLIBC_2.2.5", 0x2100, 0x10);
	add_function(&t, "operator@", 0x2200, 0x10);
	add_function(&t, "user@host name", 0x2300, 0x10);
	add_function(&t, "@x", 0x2400, 0x10);
	s = build(&t, true);
	assert_found(s, 0x2000, "memcpy", 0x2000);
	assert_found(s, 0x2100, "old", 0x2100);
	assert_found(s, 0x2200, "operator@", 0x2200);
	assert_found(s, 0x2300, "user@host name", 0x2300);
	assert_found(s, 0x2400, "@x", 0x2400);
	symtab__free(s);
}

static void only_what_is_wanted_is_kept(void **state)
{
	const uint64_t wanted[] = {0x1fff, 0x2005, 0x4000, 0x4100};
	const struct symtab_opts opts = {.wanted = wanted, .n_wanted = 4};
	struct symtab_source source;
	struct table t = {0};
	struct symtab *s = NULL;

	(void)state;
	add_function(&t, "hit", 0x2000, 0x10);
	add_function(&t, "missed", 0x3000, 0x10);
	add_function(&t, "hit_at_start", 0x4000, 0x10);
	add_function(&t, "just_before", 0x40f0, 0x10);
	source = source_of(&t, true);
	assert_int_equal(symtab__parse(&source, 1, &text, 1, &opts, &s), 0);
	assert_int_equal(symtab__count(s), 2);
	assert_found(s, 0x2005, "hit", 0x2000);
	assert_found(s, 0x4000, "hit_at_start", 0x4000);
	symtab__free(s);
}

/* Of the answers alone: the name of what covers the address, "" for a gap. */
static const char *answer(const struct symtab *t, uint64_t addr)
{
	struct symtab_symbol s;

	return symtab__find(t, addr, &s) ? "" : s.name;
}

/* Sized, unsized, nested and aliased symbols at random, close and far apart. */
static void what_lies_around_answers_as_the_whole_table_does(void **state)
{
	const struct symtab_range code = {0x1000, 0x80000};

	(void)state;
	srand(7);
	for (int round = 0; round < 300; round++) {
		uint64_t at = 0x10000 + (uint64_t)rand() % 0x60000, wanted[] = {at, at + 0x200};
		const struct symtab_opts opts = {.wanted = wanted, .n_wanted = 2, .around = true};
		struct symtab *whole = NULL, *part = NULL;
		struct symtab_source source;
		struct table t = {0};

		for (int i = 0; i < SYMBOLS_MAX; i++) {
			char name[16];

			snprintf(name, sizeof(name), "f%d", rand() % 40);
			add(&t, name, 0x1000 + (uint64_t)(rand() % 0x7f00) * 16,
			    rand() % 3 ? (uint64_t)(1 << rand() % 18) : 0, rand() % 2 ? STB_GLOBAL : STB_WEAK,
			    STT_FUNC);
		}
		source = source_of(&t, round % 2);
		assert_int_equal(symtab__parse(&source, 1, &code, 1, NULL, &whole), 0);
		if (symtab__parse(&source, 1, &code, 1, &opts, &part)) { /* nothing near */
			assert_string_equal(answer(whole, at), "");
			symtab__free(whole);
			continue;
		}
		assert_true(symtab__count(part) <= symtab__count(whole));
		for (uint64_t a = at - SYMTAB_REACH; a <= at + 0x200 + SYMTAB_REACH; a += 5)
			assert_string_equal(answer(part, a), answer(whole, a));
		symtab__free(part);
		symtab__free(whole);
	}
}

static void limits_are_errors_and_not_memory(void **state)
{
	const struct symtab_opts opts = {.limit_bytes = 64};
	struct symtab_source source;
	struct symtab *s = NULL;
	struct table t = {0};

	(void)state;
	for (int i = 0; i < 8; i++)
		add_function(&t, "a_name_of_twenty_char", 0x2000 + 0x10u * (unsigned)i, 0x10);
	source = source_of(&t, true);
	assert_int_equal(symtab__parse(&source, 1, &text, 1, &opts, &s), -E2BIG);
	assert_null(s);
}

static void names_outside_the_strings_and_absurd_sizes_do_no_harm(void **state)
{
	const struct symtab_range whole = {0, UINT64_MAX};
	struct symtab_source source;
	struct table t = {0};
	struct symtab *s;

	(void)state;
	add_function(&t, "huge", 0x2000, UINT64_MAX);
	add_function(&t, "x", 0x3000, 0x10);
	t.symbols[t.n - 1].st_name = 0xfffffff0;
	add_function(&t, "unterminated", 0x4000, 0x10);
	t.strings_len -= 3; /* without "ed" and its NUL */
	s = build(&t, true);
	assert_found(s, 0x8fff, "huge", 0x2000);
	assert_found(s, 0x4000, "unterminat", 0x4000);
	assert_int_equal(symtab__count(s), 2);
	symtab__free(s);

	source = source_of(&t, true);
	assert_int_equal(symtab__parse(&source, 1, &whole, 1, NULL, &s), 0);
	assert_found(s, 0x2000ull + UINT32_MAX - 1, "huge", 0x2000);
	symtab__free(s);
}

/* -- real files -- */

static const char program[] = "#include <stdlib.h>\n"
			      "__attribute__((noinline)) static int hidden(int x) { return x * 3; }\n"
			      "__attribute__((noinline)) int exported(int x) { return hidden(x) + rand(); }\n"
			      "int unused_alias(int) __attribute__((alias(\"exported\")));\n";

static void run(const char *format, const char *dir)
{
	char command[1024];

	snprintf(command, sizeof(command), "cd '%s' && ", dir);
	strncat(command, format, sizeof(command) - strlen(command) - 1);
	assert_int_equal(system(command), 0);
}

static struct elf *open_elf(const char *dir, const char *name, int *ret_fd)
{
	char path[256];
	struct elf *e = NULL;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(*ret_fd >= 0);
	assert_int_equal(elf__open(*ret_fd, &e), 0);
	return e;
}

static int find_by_name(const struct symtab *t, const char *name, struct symtab_symbol *ret)
{
	for (uint32_t i = 0; i < symtab__count(t); i++) {
		*ret = symtab__get(t, i);
		if (!strcmp(ret->name, name))
			return 0;
	}
	return -ENOENT;
}

static void compiled_library_is_named_whole_and_stripped(void **state)
{
	char dir[] = "/tmp/symtab_test.XXXXXX", path[64];
	struct symtab_symbol hidden, exported, s;
	struct symtab *whole, *stripped, *merged;
	const struct elf *files[2];
	struct elf *e[2];
	FILE *f;
	int fd[2];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/a.c", dir);
	f = fopen(path, "w");
	fputs(program, f);
	fclose(f);
	run("gcc -O1 -fPIC -shared -Wl,-z,lazy -o whole.so a.c && strip -o stripped.so whole.so", dir);
	e[0] = open_elf(dir, "stripped.so", &fd[0]);
	e[1] = open_elf(dir, "whole.so", &fd[1]);

	files[0] = e[1];
	assert_int_equal(symtab__load(files, 1, NULL, &whole), 0);
	assert_int_equal(find_by_name(whole, "hidden", &hidden), 0);
	assert_int_equal(find_by_name(whole, "exported", &exported), 0);
	assert_found(whole, hidden.start + 1, "hidden", hidden.start);
	assert_int_equal(find_by_name(whole, "rand@plt", &s), 0);
	assert_int_equal(s.size, 16);

	files[0] = e[0];
	assert_int_equal(symtab__load(files, 1, NULL, &stripped), 0);
	assert_found(stripped, exported.start, "exported", exported.start);
	assert_gap(stripped, hidden.start);
	assert_int_equal(find_by_name(stripped, "rand@plt", &s), 0);

	/* the stripped object with its debug file beside: as good as the whole one */
	files[1] = e[1];
	assert_int_equal(symtab__load(files, 2, NULL, &merged), 0);
	assert_int_equal(symtab__count(merged), symtab__count(whole));
	assert_found(merged, hidden.start, "hidden", hidden.start);

	symtab__free(whole);
	symtab__free(stripped);
	symtab__free(merged);
	for (int i = 0; i < 2; i++) {
		elf__free(e[i]);
		close(fd[i]);
	}
	run("rm -rf \"$PWD\"", dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gap_between_two_functions_has_no_name),
		cmocka_unit_test(best_name_of_an_address_does_not_depend_on_the_order),
		cmocka_unit_test(innermost_symbol_names_an_address),
		cmocka_unit_test(symbol_without_size_reaches_to_the_next_one),
		cmocka_unit_test(label_inside_a_function_is_no_function),
		cmocka_unit_test(stretch_is_where_the_answer_stays_the_same),
		cmocka_unit_test(partial_table_does_not_stretch_a_symbol_over_hidden_functions),
		cmocka_unit_test(data_and_foreign_symbols_are_left_out),
		cmocka_unit_test(version_is_no_part_of_the_name),
		cmocka_unit_test(only_what_is_wanted_is_kept),
		cmocka_unit_test(what_lies_around_answers_as_the_whole_table_does),
		cmocka_unit_test(limits_are_errors_and_not_memory),
		cmocka_unit_test(names_outside_the_strings_and_absurd_sizes_do_no_harm),
		cmocka_unit_test(compiled_library_is_named_whole_and_stripped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
