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
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/folder.h"
#include "user/object/elf.h"
#include "user/object/gopclntab.h"
#include "user/object/symtab.h"

/* -- tables by hand: f at 0x1000..0x1040 in a.go, g at 0x1040..0x1080 in b.go -- */

struct table {
	uint8_t bytes[1024];
	size_t len;
};

static void put(struct table *t, uint64_t v, size_t size)
{
	memcpy(t->bytes + t->len, &v, size);
	t->len += size;
}

static size_t put_string(struct table *t, const char *s)
{
	size_t at = t->len;

	strcpy((char *)t->bytes + t->len, s);
	t->len += strlen(s) + 1;
	return at;
}

static void patch(struct table *t, size_t at, uint64_t v, size_t size)
{
	memcpy(t->bytes + at, &v, size);
}

static void put_header(struct table *t, uint32_t magic)
{
	put(t, magic, 4);
	put(t, 0, 2);
	put(t, 1, 1);
	put(t, 8, 1);
	put(t, 2, 8); /* functions */
}

/* Pairs of (value delta, pc delta); zigzag: 2 is +1, 3 is -2. */
static size_t put_program(struct table *t, const uint8_t *pairs, size_t n)
{
	size_t at = t->len;

	memcpy(t->bytes + t->len, pairs, n);
	t->len += n;
	t->bytes[t->len++] = 0;
	return at;
}

/* From -1: +11 is line 10 for 0x10 bytes, then +5 is 15, then -3 is 12 up to the end. */
static const uint8_t line_program[] = {22, 0x10, 10, 0x10, 5, 0x20};
static const uint8_t file_0_program[] = {2, 0x40};
static const uint8_t file_1_program[] = {4, 0x40};

static void build_1_2(struct table *t)
{
	size_t functab, names[2], files[2], programs[3], filetab;

	put_header(t, 0xfffffffb);
	functab = t->len;
	t->len += 2 * 16 + 8 + 4;
	names[0] = put_string(t, "main.f");
	names[1] = put_string(t, "main.g");
	files[0] = put_string(t, "/src/a.go");
	files[1] = put_string(t, "/src/b.go");
	programs[0] = put_program(t, line_program, sizeof(line_program));
	programs[1] = put_program(t, file_0_program, sizeof(file_0_program));
	programs[2] = put_program(t, file_1_program, sizeof(file_1_program));
	filetab = t->len;
	put(t, 2, 4); /* entry 0 is the count: files are numbered from 1 */
	put(t, files[0], 4);
	put(t, files[1], 4);
	for (size_t i = 0; i < 2; i++) {
		patch(t, functab + i * 16, 0x1000 + 0x40 * i, 8);
		patch(t, functab + i * 16 + 8, t->len, 8);
		put(t, 0x1000 + 0x40 * i, 8);
		put(t, names[i], 4);
		put(t, 0, 4); /* args */
		put(t, 0, 4); /* frame */
		put(t, 0, 4); /* pcsp */
		/* programs yield file numbers 0 and 1, so both are shifted by one entry here */
		put(t, programs[1 + i], 4);
		put(t, programs[0], 4);
		put(t, 0, 4);
	}
	patch(t, functab + 32, 0x1080, 8);
	patch(t, functab + 40, filetab + 4, 4);
}

static void build_newer(struct table *t, uint32_t magic, bool has_text_start)
{
	size_t es = has_text_start ? 4 : 8, offsets, names, cus, files, programs, functab, program[3];
	uint64_t base = has_text_start ? 0 : 0x1000;

	put_header(t, magic);
	put(t, 2, 8); /* files */
	if (has_text_start)
		put(t, 0x1000, 8);
	offsets = t->len;
	t->len += 5 * 8;
	names = put_string(t, "main.f");
	put_string(t, "main.g");
	cus = t->len;
	put(t, 0, 4);
	put(t, 10, 4); /* strlen("/src/a.go") + 1 */
	files = put_string(t, "/src/a.go");
	put_string(t, "/src/b.go");
	programs = t->len++; /* offset 0 means that there is none */
	program[0] = put_program(t, line_program, sizeof(line_program)) - programs;
	program[1] = put_program(t, file_0_program, sizeof(file_0_program)) - programs;
	program[2] = put_program(t, file_1_program, sizeof(file_1_program)) - programs;
	functab = t->len;
	t->len += 5 * es;
	for (size_t i = 0; i < 2; i++) {
		patch(t, functab + 2 * i * es, base + 0x40 * i, es);
		patch(t, functab + (2 * i + 1) * es, t->len - functab, es);
		put(t, base + 0x40 * i, es);
		put(t, 7 * i, 4);
		put(t, 0, 4);
		put(t, 0, 4);
		put(t, 0, 4);
		put(t, program[1 + i], 4);
		put(t, program[0], 4);
		put(t, 0, 4);
		put(t, 0, 4); /* compilation unit */
		put(t, 9, 4); /* first line, from 1.20 on */
		put(t, 0, 4);
	}
	patch(t, functab + 4 * es, base + 0x80, es);
	patch(t, offsets, names, 8);
	patch(t, offsets + 8, cus, 8);
	patch(t, offsets + 16, files, 8);
	patch(t, offsets + 24, programs, 8);
	patch(t, offsets + 32, functab, 8);
}

static void assert_function(const struct gopclntab *t, uint64_t pc, const char *name, uint64_t start,
			    const char *file, uint32_t line)
{
	struct gopclntab_function f;
	struct gopclntab_line l;

	assert_int_equal(gopclntab__find(t, pc, &f), 0);
	assert_string_equal(f.name, name);
	assert_int_equal(f.start, start);
	assert_int_equal(f.end, start + 0x40);
	assert_int_equal(gopclntab__line(t, pc, &l), 0);
	assert_string_equal(l.file, file);
	assert_int_equal(l.line, line);
}

static void check_table(struct table *bytes, uint32_t start_line)
{
	struct gopclntab_function f;
	struct gopclntab_line l;
	struct gopclntab *t;

	assert_int_equal(gopclntab__parse(bytes->bytes, bytes->len, 0, &t), 0);
	assert_int_equal(gopclntab__count(t), 2);
	assert_function(t, 0x1000, "main.f", 0x1000, "/src/a.go", 10);
	assert_function(t, 0x100f, "main.f", 0x1000, "/src/a.go", 10);
	assert_function(t, 0x1010, "main.f", 0x1000, "/src/a.go", 15);
	assert_function(t, 0x103f, "main.f", 0x1000, "/src/a.go", 12);
	assert_function(t, 0x1055, "main.g", 0x1040, "/src/b.go", 15);
	assert_int_equal(gopclntab__find(t, 0x1040, &f), 0);
	assert_int_equal(f.start_line, start_line);
	assert_int_equal(gopclntab__find(t, 0xfff, &f), -ENOENT);
	assert_int_equal(gopclntab__find(t, 0x1080, &f), -ENOENT);
	assert_int_equal(gopclntab__line(t, 0x1080, &l), -ENOENT);
	assert_int_equal(gopclntab__find(t, UINT64_MAX, &f), -ENOENT);
	gopclntab__free(t);
}

static void every_version_gives_functions_files_and_lines(void **state)
{
	struct table v1_2 = {0}, v1_16 = {0}, v1_18 = {0}, v1_20 = {0};

	(void)state;
	build_1_2(&v1_2);
	check_table(&v1_2, 0);
	build_newer(&v1_16, 0xfffffffa, false);
	check_table(&v1_16, 0);
	build_newer(&v1_18, 0xfffffff0, true);
	check_table(&v1_18, 0);
	build_newer(&v1_20, 0xfffffff1, true);
	check_table(&v1_20, 9);
}

static void given_text_start_beats_the_header(void **state)
{
	struct gopclntab_function f;
	struct table bytes = {0};
	struct gopclntab *t;

	(void)state;
	build_newer(&bytes, 0xfffffff1, true);
	assert_int_equal(gopclntab__parse(bytes.bytes, bytes.len, 0x500000, &t), 0);
	assert_int_equal(gopclntab__find(t, 0x500041, &f), 0);
	assert_int_equal(f.start, 0x500040);
	gopclntab__free(t);
}

static void other_magics_and_sizes_are_told_apart(void **state)
{
	struct gopclntab *t = NULL;
	struct table bytes = {0};

	(void)state;
	build_newer(&bytes, 0xfffffff1, true);
	assert_int_equal(gopclntab__parse(bytes.bytes, 15, 0, &t), -ENOENT);
	bytes.bytes[7] = 4;
	assert_int_equal(gopclntab__parse(bytes.bytes, bytes.len, 0, &t), -EOPNOTSUPP);
	bytes.bytes[7] = 8;
	bytes.bytes[6] = 3;
	assert_int_equal(gopclntab__parse(bytes.bytes, bytes.len, 0, &t), -ENOENT);
	bytes.bytes[6] = 1;
	bytes.bytes[0] = 0xf2;
	assert_int_equal(gopclntab__parse(bytes.bytes, bytes.len, 0, &t), -ENOENT);
	assert_null(t);
}

/* Every prefix, and every byte of it set to extremes: answers may be wrong, accesses may not (the sanitizers watch in CI). */
static void damaged_tables_are_survived(void **state)
{
	static const uint8_t extremes[] = {0x00, 0x7f, 0x80, 0xff};
	struct table good[2] = {{{0}, 0}, {{0}, 0}};
	unsigned refused = 0;

	(void)state;
	build_1_2(&good[0]);
	build_newer(&good[1], 0xfffffff1, true);
	for (size_t k = 0; k < 2; k++) {
		for (size_t i = 0; i < good[k].len * 5; i++) {
			uint8_t *bytes = malloc(good[k].len);
			size_t len = i < good[k].len ? i : good[k].len;
			struct gopclntab *t;

			memcpy(bytes, good[k].bytes, good[k].len);
			if (i >= good[k].len)
				bytes[i % good[k].len] = extremes[i / good[k].len - 1];
			bytes = realloc(bytes, len ? len : 1);
			if (gopclntab__parse(bytes, len, 0, &t)) {
				refused++;
			} else {
				for (uint64_t pc = 0xff0; pc < 0x1090; pc += 7) {
					struct gopclntab_function f;
					struct gopclntab_line l;

					if (gopclntab__find(t, pc, &f) == 0)
						assert_true(pc >= f.start && pc < f.end);
					gopclntab__line(t, pc, &l);
				}
				gopclntab__free(t);
			}
			free(bytes);
		}
	}
	assert_true(refused > 50);
}

/* Of such a program anybody could make one as long as he likes. */
static void a_pair_that_goes_nowhere_ends_a_program(void **state)
{
	struct gopclntab_line l;
	struct table bytes = {0};
	struct gopclntab *t;
	uint8_t *program;

	(void)state;
	build_newer(&bytes, 0xfffffff1, true);
	program = memmem(bytes.bytes, bytes.len, line_program, sizeof(line_program));
	assert_non_null(program);
	program[3] = 0;
	assert_int_equal(gopclntab__parse(bytes.bytes, bytes.len, 0, &t), 0);
	assert_int_equal(gopclntab__line(t, 0x100f, &l), 0);
	assert_int_equal(gopclntab__line(t, 0x1010, &l), -ENOENT);
	gopclntab__free(t);
}

/* -- what Go compilers make -- */

static const char program[] = "package main\n"                /* 1 */
			      "\n"                            /* 2 */
			      "//go:noinline\n"               /* 3 */
			      "func leaf(x int) int {\n"      /* 4 */
			      "\tif x == 0 {\n"               /* 5 */
			      "\t\tpanic(\"zero\")\n"         /* 6 */
			      "\t}\n"                         /* 7 */
			      "\treturn x * 3\n"              /* 8 */
			      "}\n"                           /* 9 */
			      "\n"                            /* 10 */
			      "func main() {\n"               /* 11 */
			      "\tprintln(leaf(4), leaf(5))\n" /* 12 */
			      "}\n";

static const char *find_go(const char *const *candidates)
{
	char command[256];

	for (; *candidates; candidates++) {
		snprintf(command, sizeof(command), "%s version >/dev/null 2>&1", *candidates);
		if (system(command) == 0)
			return *candidates;
	}
	return NULL;
}

static void make_sources(const char *dir)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/main.go", dir);
	f = fopen(path, "w");
	fputs(program, f);
	fclose(f);
	snprintf(path, sizeof(path), "%s/go.mod", dir);
	f = fopen(path, "w");
	fputs("module example.com/leaf\n\ngo 1.19\n", f);
	fclose(f);
}

static struct elf *open_elf(const char *dir, const char *name, int *ret_fd)
{
	char path[128];
	struct elf *e = NULL;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(*ret_fd >= 0);
	assert_int_equal(elf__open(*ret_fd, &e), 0);
	return e;
}

/* What looks like a table stands before it in .rodata so many times. */
static int load_behind(const char *dir, int n_decoys)
{
	char command[1024];
	struct gopclntab *t;
	struct elf *e;
	FILE *f;
	int fd, err;

	snprintf(command, sizeof(command), "%s/t.S", dir);
	f = fopen(command, "w");
	assert_non_null(f);
	fprintf(f,
		".text\n.skip 0x100,0xc3\n.section .go.buildinfo,\"a\"\n.skip 16\n.section .rodata,\"a\"\n"
		".p2align 3\n.rept 20\n.long -5,0,-16,0\n.endr\n.rept %d\n.long 0xfffffff1\n.byte "
		"0,0,1,8\n.quad -1\n.endr\n.incbin \"t.bin\"\n"
		".section .note.GNU-stack,\"\",@progbits\n",
		n_decoys);
	assert_int_equal(fclose(f), 0);
	snprintf(command, sizeof(command), "cd %s && gcc -shared -nostdlib -s -Wl,-Ttext=0x10000 -o t.so t.S",
		 dir);
	assert_int_equal(system(command), 0);
	e = open_elf(dir, "t.so", &fd);
	err = gopclntab__load(e, 0, &t);
	if (!err) {
		assert_int_equal(gopclntab__count(t), 2);
		gopclntab__free(t);
	}
	elf__free(e);
	close(fd);
	return err;
}

static void what_looks_like_a_table_is_tried_a_few_times(void **state)
{
	char dir[FOLDER_MAX], path[FOLDER_MAX + 8];
	struct table bytes = {0};
	FILE *f;

	(void)state;
	assert_int_equal(folder__make(dir), 0);
	build_newer(&bytes, 0xfffffff1, true);
	patch(&bytes, 24, 0x10000, 8); /* where the text starts */
	snprintf(path, sizeof(path), "%s/t.bin", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes.bytes, 1, bytes.len, f), bytes.len);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(load_behind(dir, 0), 0);
	assert_int_equal(load_behind(dir, 7), 0);
	assert_int_equal(load_behind(dir, 8), -ENOENT);
	assert_int_equal(folder__remove(dir), 0);
}

/* Functions of the table stand where the symbol table of an unstripped build has them. */
static void assert_agrees_with_symbols(const struct gopclntab *t, const struct elf *e)
{
	struct symtab *symbols;
	unsigned n = 0;

	assert_int_equal(symtab__load(&e, 1, NULL, &symbols), 0);
	for (uint32_t i = 0; i < symtab__count(symbols); i++) {
		struct symtab_symbol s = symtab__get(symbols, i);
		struct gopclntab_function f;
		size_t len;

		if (strncmp(s.name, "main.", 5) && strncmp(s.name, "runtime.", 8))
			continue;
		if (!strcmp(s.name, "runtime.text") || !strcmp(s.name, "runtime.etext"))
			continue; /* marks, not functions */
		assert_int_equal(gopclntab__find(t, s.start, &f), 0);
		assert_int_equal(f.start, s.start);
		len = strlen(f.name); /* the symbol may have a suffix: .abi0, .abiinternal */
		assert_memory_equal(f.name, s.name, len);
		assert_true(s.name[len] == '\0' || s.name[len] == '.');
		n++;
	}
	assert_true(n > 500);
	symtab__free(symbols);
}

static bool find_name(const struct gopclntab *t, const char *name, struct gopclntab_function *ret)
{
	for (uint32_t i = 0; i < gopclntab__count(t); i++)
		if (!gopclntab__get(t, i, ret) && !strcmp(ret->name, name))
			return true;
	return false;
}

static void check_binary(const char *dir, const char *name, bool has_symbols)
{
	static const char *const wanted[] = {"main.leaf", "main.main"};
	struct gopclntab_function found[2];
	struct gopclntab_line l;
	struct gopclntab *t;
	bool seen_panic = false;
	struct elf *e;
	int fd;

	e = open_elf(dir, name, &fd);
	assert_int_equal(gopclntab__load(e, 0, &t), 0);
	for (size_t i = 0; i < 2; i++)
		assert_true(find_name(t, wanted[i], &found[i]));
	assert_string_equal(found[0].name, "main.leaf");
	assert_int_equal(gopclntab__line(t, found[0].start, &l), 0);
	assert_int_equal(l.line, 4);
	assert_string_equal(strrchr(l.file, '/'), "/main.go");
	assert_true(found[0].start_line == 0 || found[0].start_line == 4 || found[0].start_line == 3);
	for (uint64_t pc = found[0].start; pc < found[0].end; pc++) {
		if (gopclntab__line(t, pc, &l))
			continue; /* padding */
		assert_true(l.line >= 4 && l.line <= 8);
		seen_panic |= l.line == 6;
	}
	assert_true(seen_panic);
	if (has_symbols)
		assert_agrees_with_symbols(t, e);
	gopclntab__free(t);
	elf__free(e);
	close(fd);
}

static void check_compiler(const char *go)
{
	static const struct {
		const char *name, *options;
		bool has_symbols, needs_cgo;
	} builds[] = {
		{"plain", "", true, false},
		{"stripped", "-ldflags='-s -w'", false, false},
		{"pie", "-buildmode=pie", true, false},
		{"stripped_pie", "-buildmode=pie -ldflags='-s -w'", false, false},
		{"external", "-ldflags='-linkmode=external'", true, true},
		{"external_pie", "-buildmode=pie -ldflags='-linkmode=external'", true, true},
	};
	char dir[] = "/tmp/gopclntab_test.XXXXXX", command[512];

	assert_non_null(mkdtemp(dir));
	make_sources(dir);
	for (size_t i = 0; i < sizeof(builds) / sizeof(builds[0]); i++) {
		/* without the network, and with the compiler that is there; the cache is the user's */
		snprintf(command, sizeof(command),
			 "cd '%s' && export HOME=\"${HOME:-/root}\" && GOTOOLCHAIN=local GOFLAGS=-mod=mod "
			 "GOPROXY=off CGO_ENABLED=%d %s build %s -o "
			 "%s . >/dev/null 2>&1",
			 dir, builds[i].needs_cgo, go, builds[i].options, builds[i].name);
		if (system(command)) {
			/* external linking wants a package that not every Go can build by itself */
			assert_true(builds[i].needs_cgo);
			continue;
		}
		check_binary(dir, builds[i].name, builds[i].has_symbols);
	}
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	assert_int_equal(system(command), 0);
}

static void binaries_of_debian_go_are_read_stripped_and_not(void **state)
{
	static const char *const candidates[] = {"/usr/lib/go-1.19/bin/go", "/usr/bin/go", NULL};
	const char *go = find_go(candidates);

	(void)state;
	if (!go) {
		skip();
		return;
	}
	check_compiler(go);
}

static void binaries_of_the_newest_go_here_are_read_too(void **state)
{
	static const char *const candidates[] = {"/usr/local/go/bin/go", "go", "/usr/bin/go", NULL};
	const char *go = find_go(candidates);

	(void)state;
	if (!go) {
		skip();
		return;
	}
	check_compiler(go);
}

static void file_without_go_has_no_table(void **state)
{
	struct gopclntab *t = NULL;
	struct elf *e;
	int fd;

	(void)state;
	e = open_elf("/proc/self", "exe", &fd);
	assert_int_equal(gopclntab__load(e, 0, &t), -ENOENT);
	assert_null(t);
	elf__free(e);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_version_gives_functions_files_and_lines),
		cmocka_unit_test(given_text_start_beats_the_header),
		cmocka_unit_test(other_magics_and_sizes_are_told_apart),
		cmocka_unit_test(damaged_tables_are_survived),
		cmocka_unit_test(a_pair_that_goes_nowhere_ends_a_program),
		cmocka_unit_test(what_looks_like_a_table_is_tried_a_few_times),
		cmocka_unit_test(binaries_of_debian_go_are_read_stripped_and_not),
		cmocka_unit_test(binaries_of_the_newest_go_here_are_read_too),
		cmocka_unit_test(file_without_go_has_no_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
