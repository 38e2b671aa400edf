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
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/folder.h"
#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/object/elf.h"
#include "user/object/symtab.h"
#include "user/symbolize/symbolizer.h"

/* A folder that stands for /proc, for a process's root and for the host's root at once; and a clock of our own. */
struct fixture {
	char root[FOLDER_MAX];
	int root_fd;
	uint64_t now_ns;
	struct symbolizer_opts opts;
	struct symbolizer *s;
};

static uint64_t fake_now(void *ctx)
{
	return ((struct fixture *)ctx)->now_ns;
}

static void make(struct fixture *f)
{
	const struct symbolizer_ports ports = {.now_ns = fake_now, .ctx = f};

	symbolizer__free(f->s);
	f->s = NULL;
	assert_int_equal(symbolizer__new(&f->opts, &ports, &f->s), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (folder__make(f->root))
		return -1;
	f->root_fd = open(f->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	f->now_ns = 1000 * NS_PER_SEC;
	f->opts = (struct symbolizer_opts){.proc_root = f->root, .host_root = f->root};
	make(f);
	*state = f;
	return 0;
}

static int shell(const struct fixture *f, const char *commands)
{
	char line[2048];

	snprintf(line, sizeof(line), "cd '%s' && { %s; } >/dev/null 2>&1", f->root, commands);
	return system(line);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	symbolizer__free(f->s);
	close(f->root_fd);
	if (folder__remove(f->root))
		return -1;
	free(f);
	return 0;
}

static void write_file(const struct fixture *f, const char *name, const char *text, const char *mode)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", f->root, name);
	file = fopen(path, mode);
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static uint64_t count(const struct fixture *f, enum symbol_reason reason)
{
	struct symbolizer_stats stats;

	symbolizer__stats(f->s, &stats);
	return stats.n_by_reason[reason];
}

/* -- the kernel -- */

static const char *kernel_name(struct fixture *f, uint64_t addr, const char **ret_module)
{
	struct symbol sym;

	symbolizer__kernel(f->s, addr, &sym, ret_module);
	return sym.reason == SYMBOL_NAMED ? sym.lines[0].name : NULL;
}

static void kernel_names_carry_their_module(void **state)
{
	struct fixture *f = *state;
	const char *module;
	struct symbol sym;

	write_file(f, "kallsyms",
		   "ffffffff81000000 T schedule\nffffffff81000100 t _RNvCskwGfYPst2Cb_6kernel5print\n"
		   "ffffffffc0000000 t ext4_readdir.cold\t[ext4]\n",
		   "w");
	symbolizer__kernel(f->s, 0xffffffff81000010, &sym, &module);
	assert_int_equal(sym.reason, SYMBOL_NAMED);
	assert_int_equal(sym.n_lines, 1);
	assert_int_equal(sym.start, 0xffffffff81000000);
	assert_string_equal(sym.lines[0].name, "schedule");
	assert_string_equal(sym.lines[0].file, "");
	assert_string_equal(module, "");
	symbolizer__kernel(f->s, 0xffffffffc0000004, &sym, &module);
	assert_string_equal(sym.lines[0].name, "ext4_readdir");
	assert_string_equal(sym.lines[0].system_name, "ext4_readdir.cold");
	assert_string_equal(sym.lines[0].file, "[ext4]");
	assert_string_equal(module, "ext4");
	assert_string_equal(kernel_name(f, 0xffffffff81000100, &module), "kernel::print");
	assert_null(symbolizer__kernel_error(f->s));
	assert_int_equal(count(f, SYMBOL_NAMED), 3);
}

/* The image's functions are answered from what was asked before, to their last byte and no further; a module's are looked up each time: it may go. */
static void functions_of_the_image_are_remembered(void **state)
{
	struct fixture *f = *state;
	struct symbolizer_stats stats;
	const char *module;

	write_file(f, "kallsyms",
		   "ffffffff81000000 T schedule\nffffffff81000100 t next\nffffffffc0000000 t "
		   "probe\t[some_module]\n",
		   "w");
	assert_string_equal(kernel_name(f, 0xffffffff81000010, &module), "schedule");
	assert_string_equal(kernel_name(f, 0xffffffffc0000004, &module), "probe");
	symbolizer__stats(f->s, &stats);
	assert_int_equal(stats.ranges.n_ranges, 1);
	assert_int_equal(stats.ranges.n_hits, 0);
	assert_string_equal(kernel_name(f, 0xffffffff810000ff, &module), "schedule");
	assert_string_equal(module, "");
	assert_string_equal(kernel_name(f, 0xffffffff81000100, &module), "next");
	assert_string_equal(kernel_name(f, 0xffffffffc0000004, &module), "probe");
	assert_string_equal(module, "some_module");
	symbolizer__stats(f->s, &stats);
	assert_int_equal(stats.ranges.n_ranges, 2);
	assert_int_equal(stats.ranges.n_hits, 1);
	assert_int_equal(stats.n_by_reason[SYMBOL_NAMED], 5);
}

static void unknown_kernel_address_reads_the_table_again_but_not_too_often(void **state)
{
	struct fixture *f = *state;
	struct symbolizer_stats stats;
	const char *module;

	write_file(f, "kallsyms", "ffffffff81000000 T schedule\n", "w");
	assert_null(kernel_name(f, 0xffffffffc0000000, &module));
	write_file(f, "kallsyms", "ffffffffc0000000 t late\t[new]\n", "a");
	assert_null(kernel_name(f, 0xffffffffc0000000, &module)); /* too soon */
	symbolizer__stats(f->s, &stats);
	assert_int_equal(stats.n_kernel_loads, 1);
	f->now_ns += 11 * NS_PER_SEC;
	assert_string_equal(kernel_name(f, 0xffffffffc0000000, &module), "late");
	f->now_ns += 11 * NS_PER_SEC;
	assert_string_equal(kernel_name(f, 0xffffffff81000000, &module), "schedule"); /* known: no reading */
	symbolizer__stats(f->s, &stats);
	assert_int_equal(stats.n_kernel_loads, 2);
	assert_int_equal(stats.n_by_reason[SYMBOL_GAP], 2);
}

static void bpf_program_that_replaced_another_is_not_given_its_name(void **state)
{
	struct fixture *f = *state;
	const char *module;

	write_file(f, "kallsyms",
		   "ffffffff81000000 T a\nffffffffc0000000 t bpf_prog_1111111111111111_old\t[bpf]\n", "w");
	assert_string_equal(kernel_name(f, 0xffffffffc0000010, &module), "bpf_prog_1111111111111111_old");
	write_file(f, "kallsyms",
		   "ffffffff81000000 T a\nffffffffc0000000 t bpf_prog_2222222222222222_new\t[bpf]\n", "w");
	f->now_ns += 301 * NS_PER_SEC;
	assert_string_equal(kernel_name(f, 0xffffffffc0000010, &module), "bpf_prog_2222222222222222_new");
	assert_string_equal(module, "bpf");
}

#define MODULES_OLD "old 20480 0 - Live 0xffffffffc0000000\n"

/* A module that comes stands right behind one that is there; one that goes leaves its place to the next. */
static void modules_that_come_and_go_have_their_own_names(void **state)
{
	struct fixture *f = *state;
	struct symbolizer_stats stats;
	const char *module;

	write_file(f, "kallsyms", "ffffffff81000000 T a\nffffffffc0000000 t old_read\t[old]\n", "w");
	write_file(f, "modules", MODULES_OLD, "w");
	assert_string_equal(kernel_name(f, 0xffffffffc0002010, &module), "old_read"); /* its last */
	write_file(f, "kallsyms", "ffffffffc0002000 t new_read\t[new]\n", "a");
	write_file(f, "modules", "new 16384 0 - Live 0xffffffffc0002000\n" MODULES_OLD, "w");
	f->now_ns += 11 * NS_PER_SEC;
	assert_string_equal(kernel_name(f, 0xffffffffc0002010, &module), "new_read");
	assert_string_equal(module, "new");
	write_file(f, "kallsyms", "ffffffff81000000 T a\nffffffffc0000000 t other_read\t[other]\n", "w");
	write_file(f, "modules", "other 20480 0 - Live 0xffffffffc0000000\n", "w");
	f->now_ns += 11 * NS_PER_SEC;
	assert_string_equal(kernel_name(f, 0xffffffffc0000010, &module), "other_read");
	/* at another place, by the same name; asked first for a function of the image, which stays */
	write_file(f, "kallsyms", "ffffffff81000000 T a\nffffffffbfffffff t other_write\t[other]\n", "w");
	write_file(f, "modules", "other 20480 0 - Live 0xffffffffbfff0000\n", "w");
	f->now_ns += 11 * NS_PER_SEC;
	assert_string_equal(kernel_name(f, 0xffffffff81000010, &module), "a");
	assert_string_equal(kernel_name(f, 0xffffffffc0000010, &module), "other_write");
	symbolizer__stats(f->s, &stats);
	assert_int_equal(stats.n_kernel_loads, 4);
}

static void modules_that_stay_are_not_read_again(void **state)
{
	struct fixture *f = *state;
	struct symbolizer_stats stats;
	const char *module;

	write_file(f, "kallsyms", "ffffffff81000000 T a\nffffffffc0000000 t old_read\t[old]\n", "w");
	write_file(f, "modules", MODULES_OLD, "w");
	for (int i = 0; i < 600; i++, f->now_ns += NS_PER_SEC) {
		/* who uses them changes, and what a reading of the list costs is not paid for each address */
		write_file(f, "modules",
			   i % 10 == 1 ? ""
			   : i % 2     ? MODULES_OLD
				       : "old 20480 2 x,y, Live 0xffffffffc0000000\n",
			   "w");
		assert_string_equal(kernel_name(f, 0xffffffffc0000010, &module), "old_read");
	}
	symbolizer__stats(f->s, &stats);
	assert_int_equal(stats.n_kernel_loads, 1);
}

static void address_that_is_in_no_table_is_looked_for_ever_more_rarely(void **state)
{
	struct fixture *f = *state;
	struct symbolizer_stats stats;
	const char *module;

	write_file(f, "kallsyms", "ffffffff81000000 T schedule\n", "w");
	for (int second = 0; second < 3600; second++) {
		assert_null(kernel_name(f, 0xffffffffc0000000, &module));
		f->now_ns += NS_PER_SEC;
	}
	symbolizer__stats(f->s, &stats);
	/* at 0, 10, 30, 70, 150, 310 s, then every 320 s */
	assert_int_equal(stats.n_kernel_loads, 6 + (3600 - 310) / 320);
	write_file(f, "kallsyms", "ffffffffc0000000 t late\t[new]\n", "a");
	f->now_ns += 320 * NS_PER_SEC;
	assert_string_equal(kernel_name(f, 0xffffffffc0000000, &module), "late");
	f->now_ns += 11 * NS_PER_SEC;
	assert_null(kernel_name(f, 0xffffffffd0000000, &module));
	symbolizer__stats(f->s, &stats);
	assert_int_equal(stats.n_kernel_loads, 6 + (3600 - 310) / 320 + 2); /* it helped: soon again */
}

static void hidden_kernel_symbols_are_a_reason_and_one_clear_line(void **state)
{
	struct fixture *f = *state;
	const char *module;
	struct symbol sym;

	write_file(f, "kallsyms", "0000000000000000 T schedule\n", "w");
	symbolizer__kernel(f->s, 0xffffffff81000000, &sym, &module);
	assert_int_equal(sym.reason, SYMBOL_HIDDEN);
	assert_int_equal(sym.n_lines, 0);
	assert_string_equal(module, "");
	assert_non_null(strstr(symbolizer__kernel_error(f->s), "kptr_restrict"));
	assert_int_equal(count(f, SYMBOL_HIDDEN), 1);
}

/* -- files -- */

/* An object in the fixture's folder, and how often it was opened. */
struct file {
	const struct fixture *f;
	const char *name;
	unsigned n_opened;
	struct symbol_object object;
};

static int open_file(void *ctx)
{
	struct file *file = ctx;
	int fd, err = io__open_regular(file->f->root_fd, file->name, &fd);

	file->n_opened++;
	return err ? err : fd;
}

static int open_root(void *ctx)
{
	struct file *file = ctx;

	return open(file->f->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void init_file(struct file *file, const struct fixture *f, const char *name, uint32_t id)
{
	*file = (struct file){.f = f, .name = name};
	file->object = (struct symbol_object){.id = id, .open = open_file, .ctx = file};
}

/* The truth: where the linker put a function, by the symbol table of the unstripped file. */
static uint64_t address_of(const struct fixture *f, const char *file, const char *symbol)
{
	char command[256];
	unsigned long long addr = 0;
	FILE *p;

	snprintf(command, sizeof(command), "nm '%s/%s' | awk '$3 == \"%s\" { print $1 }'", f->root, file,
		 symbol);
	p = popen(command, "r");
	assert_non_null(p);
	assert_int_equal(fscanf(p, "%llx", &addr), 1);
	pclose(p);
	return addr;
}

static void build_library(const struct fixture *f)
{
	write_file(f, "a.c",
		   "__attribute__((noinline)) static int hidden(int x) { return x * 3; }\n"
		   "__attribute__((noinline)) int cxx(int x) __asm__(\"_ZN3foo3barIiEEvT_\");\n"
		   "__attribute__((noinline)) int cxx(int x) { return hidden(x) + 1; }\n"
		   "int exported(int x) { return cxx(x) - 7; }\n",
		   "w");
	assert_int_equal(shell(f, "gcc -O1 -fPIC -shared -Wl,--build-id=sha1 -o whole.so a.c && strip -o "
				  "stripped.so whole.so && "
				  "cp whole.so copy.so && objcopy --only-keep-debug whole.so whole.debug"),
			 0);
}

static const char *file_name(struct fixture *f, struct file *file, uint64_t vaddr,
			     enum symbol_reason *ret_reason)
{
	struct symbol sym;

	assert_int_equal(symbolizer__object(f->s, &file->object, &vaddr, 1, &sym), 0);
	*ret_reason = sym.reason;
	return sym.reason == SYMBOL_NAMED ? sym.lines[0].name : NULL;
}

static void assert_named(struct fixture *f, struct file *file, uint64_t vaddr, const char *name)
{
	enum symbol_reason reason;
	const char *got = file_name(f, file, vaddr, &reason);

	assert_non_null(got);
	assert_string_equal(got, name);
}

static void assert_unnamed(struct fixture *f, struct file *file, uint64_t vaddr, enum symbol_reason want)
{
	enum symbol_reason reason;

	assert_null(file_name(f, file, vaddr, &reason));
	assert_int_equal(reason, want);
}

static void batch_is_answered_in_the_order_it_was_asked(void **state)
{
	struct fixture *f = *state;
	uint64_t hidden, cxx, exported;
	struct symbol out[6];
	struct file file;

	build_library(f);
	init_file(&file, f, "whole.so", 1);
	hidden = address_of(f, "whole.so", "hidden");
	cxx = address_of(f, "whole.so", "_ZN3foo3barIiEEvT_");
	exported = address_of(f, "whole.so", "exported");
	assert_int_equal(symbolizer__object(
				 f->s, &file.object,
				 (const uint64_t[]){exported + 1, cxx, hidden, 3, cxx + 2, exported}, 6, out),
			 0);
	assert_string_equal(out[0].lines[0].name, "exported");
	assert_string_equal(out[1].lines[0].name, "foo::bar<int>");
	assert_string_equal(out[1].lines[0].system_name, "_ZN3foo3barIiEEvT_");
	assert_int_equal(out[1].start, cxx);
	assert_string_equal(out[2].lines[0].name, "hidden");
	assert_int_equal(out[3].reason, SYMBOL_GAP);
	assert_int_equal(out[3].n_lines, 0);
	assert_ptr_equal(out[4].lines, out[1].lines); /* the same function: one line */
	assert_ptr_equal(out[5].lines, out[0].lines);
	assert_int_equal(file.n_opened, 1);
	assert_int_equal(count(f, SYMBOL_NAMED), 5);
	assert_int_equal(count(f, SYMBOL_GAP), 1);
	assert_int_equal(symbolizer__object(f->s, &file.object, NULL, 0, NULL), 0);
}

/* Which files are the same is not for their build-ids to say: any file may claim that of another. */
static void an_object_is_read_once_and_a_file_of_the_same_build_id_by_itself(void **state)
{
	struct fixture *f = *state;
	struct file whole, again, other;
	uint64_t hidden;

	build_library(f);
	hidden = address_of(f, "whole.so", "hidden");
	assert_int_equal(shell(f, "objcopy --redefine-sym hidden=impostor whole.so other.so"), 0);
	init_file(&other, f, "other.so", 1);
	init_file(&whole, f, "whole.so", 2);
	init_file(&again, f, "copy.so", 2);
	assert_named(f, &other, hidden, "impostor");
	assert_named(f, &whole, hidden, "hidden");
	assert_named(f, &whole, hidden, "hidden");
	assert_named(f, &again, hidden, "hidden");
	assert_named(f, &other, hidden, "impostor");
	assert_int_equal(whole.n_opened, 1);
	assert_int_equal(again.n_opened, 0);
	assert_int_equal(other.n_opened, 1);
}

static void stripped_file_is_named_by_its_debug_file(void **state)
{
	struct fixture *f = *state;
	struct file file;
	uint64_t hidden;

	build_library(f);
	hidden = address_of(f, "whole.so", "hidden");
	init_file(&file, f, "stripped.so", 1);
	assert_unnamed(f, &file, hidden, SYMBOL_GAP);
	make(f); /* an empty cache */
	assert_int_equal(shell(f, "objcopy --add-gnu-debuglink=whole.debug stripped.so linked.so"), 0);
	init_file(&file, f, "linked.so", 1);
	file.object.path = "/linked.so";
	assert_unnamed(f, &file, hidden, SYMBOL_GAP); /* whose root it is has not been said */
	make(f);
	file.object.open_root = open_root;
	assert_named(f, &file, hidden, "hidden");
}

/* Its unwind rules know where it begins; asked again, the cache does. */
static void function_without_a_name_is_told_by_its_start(void **state)
{
	struct fixture *f = *state;
	struct symbol out[3];
	struct file file;
	uint64_t hidden;

	build_library(f);
	hidden = address_of(f, "whole.so", "hidden");
	init_file(&file, f, "stripped.so", 1);
	for (int again = 0; again < 3; again++) {
		const uint64_t vaddrs[] = {hidden + 2, hidden, 0x10};

		assert_int_equal(symbolizer__object(f->s, &file.object, vaddrs, 3, out), 0);
		for (int i = 0; i < 3; i++)
			assert_int_equal(out[i].reason, SYMBOL_GAP);
		assert_int_equal(out[0].start, hidden);
		assert_int_equal(out[1].start, hidden);
		assert_int_equal(out[2].start, 0x10); /* in no function */
		assert_int_equal(file.n_opened, 1);
	}
	assert_unnamed(f, &file, hidden + 1, SYMBOL_GAP);
	assert_int_equal(file.n_opened, 1);
}

/* All of a file's PLT has one unwind rule, and most of it names. */
static void a_symbol_within_a_nameless_function_keeps_its_name(void **state)
{
	struct fixture *f = *state;
	struct file file;
	struct symbol out;
	uint64_t part;

	write_file(f, "part.s",
		   ".text\n.cfi_startproc\n.zero 32\n"
		   ".type part, @function\npart: .zero 16\n.size part, 16\n"
		   ".zero 16\n.cfi_endproc\n"
		   ".type behind, @function\nbehind: .zero 16\n.size behind, 16\n",
		   "w");
	assert_int_equal(shell(f, "gcc -shared -nostdlib -o part.so part.s"), 0);
	init_file(&file, f, "part.so", 1);
	part = address_of(f, "part.so", "part");
	for (int again = 0; again < 2; again++) {
		const uint64_t gaps[] = {part - 8, part + 20};

		for (int i = 0; i < 2; i++) {
			assert_int_equal(symbolizer__object(f->s, &file.object, &gaps[i], 1, &out), 0);
			assert_int_equal(out.reason, SYMBOL_GAP);
			assert_int_equal(out.start, i ? part + 16 : part - 32);
		}
		assert_named(f, &file, part, "part");
		assert_named(f, &file, part + 15, "part");
		assert_named(f, &file, part + 32, "behind");
		assert_unnamed(f, &file, part - 32, SYMBOL_GAP);
		assert_unnamed(f, &file, part + 16, SYMBOL_GAP);
	}
}

static void file_that_is_gone_is_asked_again(void **state)
{
	struct fixture *f = *state;
	struct file file;
	uint64_t exported;

	build_library(f);
	exported = address_of(f, "whole.so", "exported");
	init_file(&file, f, "whole.so", 1);
	assert_int_equal(shell(f, "mv whole.so away.so"), 0);
	assert_unnamed(f, &file, exported, SYMBOL_OBJECT_GONE);
	assert_int_equal(shell(f, "mv away.so whole.so"), 0);
	assert_named(f, &file, exported, "exported");
	assert_int_equal(shell(f, "rm whole.so"), 0);
	assert_named(f, &file, exported, "exported"); /* the cache has it */
}

static void bad_files_are_told_apart_and_remembered(void **state)
{
	struct fixture *f = *state;
	struct file none, text, foreign, cut;

	build_library(f);
	write_file(f, "text", "not an ELF file\n", "w");
	assert_int_equal(
		shell(f, "cp whole.so foreign && printf '\\001' | dd of=foreign bs=1 seek=4 conv=notrunc && "
			 "head -c 100 whole.so > cut"),
		0);
	init_file(&text, f, "text", 1);
	init_file(&foreign, f, "foreign", 2);
	init_file(&cut, f, "cut", 3);
	init_file(&none, f, "nothing_of_that_name", 4);
	assert_unnamed(f, &text, 0x1000, SYMBOL_FOREIGN);
	assert_unnamed(f, &foreign, 0x1000, SYMBOL_FOREIGN);
	assert_unnamed(f, &cut, 0x1000, SYMBOL_DAMAGED);
	assert_unnamed(f, &cut, 0x1000, SYMBOL_DAMAGED);
	assert_int_equal(cut.n_opened, 1);
	assert_unnamed(f, &none, 0x1000, SYMBOL_OBJECT_GONE);
	assert_int_equal(count(f, SYMBOL_DAMAGED), 2);
}

static void program_without_any_symbol_is_stripped(void **state)
{
	struct fixture *f = *state;
	struct file file;

	write_file(f, "s.c", "void _start(void) { __builtin_trap(); }\n", "w");
	assert_int_equal(shell(f, "gcc -O1 -static -nostdlib -o s s.c && strip s"), 0);
	init_file(&file, f, "s", 1);
	assert_unnamed(f, &file, 0x401000, SYMBOL_STRIPPED);
}

static void table_too_large_to_keep_still_names_what_is_asked(void **state)
{
	struct fixture *f = *state;
	uint64_t hidden, exported;
	struct symbolizer_stats stats;
	struct symbol out[3];
	struct file file;

	build_library(f);
	f->opts.table_bytes = 100; /* room for two or three symbols */
	make(f);
	init_file(&file, f, "whole.so", 1);
	hidden = address_of(f, "whole.so", "hidden");
	exported = address_of(f, "whole.so", "exported");
	assert_int_equal(
		symbolizer__object(f->s, &file.object, (const uint64_t[]){hidden, 3, exported}, 3, out), 0);
	assert_string_equal(out[0].lines[0].name, "hidden");
	assert_int_equal(out[1].reason, SYMBOL_GAP);
	assert_string_equal(out[2].lines[0].name, "exported");
	assert_named(f, &file, exported, "exported"); /* remembered … */
	assert_int_equal(file.n_opened, 1);
	assert_named(f, &file, exported + 1, "exported"); /* … but not how far it reaches */
	assert_int_equal(file.n_opened, 2);
	symbolizer__rest(f->s);
	symbolizer__stats(f->s, &stats);
	assert_int_equal(stats.cache.n_entries, 0);

	f->opts.table_bytes = 1; /* not even for one */
	make(f);
	assert_unnamed(f, &file, exported, SYMBOL_TOO_BIG);
	assert_unnamed(f, &file, exported, SYMBOL_TOO_BIG);
	assert_int_equal(file.n_opened, 3);
}

static void stripped_go_program_has_files_and_lines(void **state)
{
	struct fixture *f = *state;
	struct symbolizer_stats stats;
	struct symbol sym;
	struct file file;
	uint64_t leaf;

	if (system("go version >/dev/null 2>&1")) {
		skip();
		return;
	}
	write_file(f, "main.go",
		   "package main\n\n//go:noinline\nfunc leaf(x int) int {\n\treturn x * 3\n}\n\nfunc main() "
		   "{\n\tprintln(leaf(4))\n}\n",
		   "w");
	write_file(f, "go.mod", "module example.com/leaf\n\ngo 1.19\n", "w");
	assert_int_equal(shell(f, "export HOME=\"${HOME:-/root}\" GOTOOLCHAIN=local GOFLAGS=-mod=mod "
				  "GOPROXY=off CGO_ENABLED=0; go build -o whole . && "
				  "go build -ldflags='-s -w' -o stripped ."),
			 0);
	leaf = address_of(f, "whole", "main.leaf");
	init_file(&file, f, "stripped", 1);
	assert_int_equal(symbolizer__object(f->s, &file.object, &leaf, 1, &sym), 0);
	assert_int_equal(sym.reason, SYMBOL_NAMED);
	assert_string_equal(sym.lines[0].name, "main.leaf");
	assert_string_equal(strrchr(sym.lines[0].file, '/'), "/main.go");
	assert_int_equal(sym.lines[0].line, 5); /* it needs no prologue */
	assert_int_equal(sym.start, leaf);
	symbolizer__stats(f->s, &stats);
	assert_int_equal(stats.n_loads, 1);
	assert_unnamed(f, &file, 3, SYMBOL_GAP); /* looks for a symbol table now */
	assert_unnamed(f, &file, 3, SYMBOL_GAP); /* once */
	assert_int_equal(file.n_opened, 2);
	assert_named(f, &file, leaf, "main.leaf");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(kernel_names_carry_their_module, setup, teardown),
		cmocka_unit_test_setup_teardown(functions_of_the_image_are_remembered, setup, teardown),
		cmocka_unit_test_setup_teardown(
			unknown_kernel_address_reads_the_table_again_but_not_too_often, setup, teardown),
		cmocka_unit_test_setup_teardown(address_that_is_in_no_table_is_looked_for_ever_more_rarely,
						setup, teardown),
		cmocka_unit_test_setup_teardown(bpf_program_that_replaced_another_is_not_given_its_name,
						setup, teardown),
		cmocka_unit_test_setup_teardown(modules_that_come_and_go_have_their_own_names, setup,
						teardown),
		cmocka_unit_test_setup_teardown(modules_that_stay_are_not_read_again, setup, teardown),
		cmocka_unit_test_setup_teardown(hidden_kernel_symbols_are_a_reason_and_one_clear_line, setup,
						teardown),
		cmocka_unit_test_setup_teardown(batch_is_answered_in_the_order_it_was_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_object_is_read_once_and_a_file_of_the_same_build_id_by_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(stripped_file_is_named_by_its_debug_file, setup, teardown),
		cmocka_unit_test_setup_teardown(function_without_a_name_is_told_by_its_start, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_symbol_within_a_nameless_function_keeps_its_name, setup,
						teardown),
		cmocka_unit_test_setup_teardown(file_that_is_gone_is_asked_again, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_files_are_told_apart_and_remembered, setup, teardown),
		cmocka_unit_test_setup_teardown(program_without_any_symbol_is_stripped, setup, teardown),
		cmocka_unit_test_setup_teardown(table_too_large_to_keep_still_names_what_is_asked, setup,
						teardown),
		cmocka_unit_test_setup_teardown(stripped_go_program_has_files_and_lines, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
