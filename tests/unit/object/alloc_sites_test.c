// SPDX-License-Identifier: Apache-2.0
/* Names of allocators, the place of a probe in their first instructions, and files that have them. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/elf_image.h"
#include "user/object/alloc_sites.h"
#include "user/object/elf.h"

static uint16_t size_there; /* where the last place's size is */

static int place(uint16_t size, const char *code, size_t len)
{
	uint32_t skip = 0;
	int err = alloc_site__parse((const uint8_t *)code, len, &size, &skip);

	size_there = size;
	return err ? err : (int)skip;
}
#define PLACE(size, code) place(ALLOC_SIZE_##size, code, sizeof(code) - 1)

static void a_push_at_the_entry_is_the_place(void **state)
{
	(void)state;
	assert_int_equal(PLACE(ARG1, "\x55\x48\x89\xe5"), 0);     /* push %rbp; mov %rsp,%rbp */
	assert_int_equal(PLACE(ARG1, "\x41\x54\x55"), 0);         /* push %r12 */
	assert_int_equal(PLACE(ARG1, "\xe9\x00\x01\x00\x00"), 0); /* jmp */
	assert_int_equal(PLACE(ARG1, "\x90\xc3"), 0);             /* nop */
}

static void instructions_that_are_stepped_are_passed_by(void **state)
{
	(void)state;
	assert_int_equal(PLACE(ARG1, "\xf3\x0f\x1e\xfa\x55"), 4); /* endbr64; push %rbp */
	assert_int_equal(PLACE(ARG3, "\x80\x3d\x01\x02\x14\x00\x00\x41\x54"),
			 7); /* cmpb $0,x(%rip); push %r12 */
	assert_int_equal(PLACE(ARG2, "\x80\x3d\x71\x0e\x14\x00\x00\x74\x07"), 7); /* cmpb; je */
	assert_int_equal(PLACE(ARG1, "\x0f\x1f\x44\x00\x00\x53"), 5);             /* nop5; push %rbx */
	assert_int_equal(PLACE(ARG1, "\x49\x89\xf8\x41\x57"), 3); /* mov %rdi,%r8; push %r15 */
}

static void not_past_what_takes_the_size_or_the_stack_away(void **state)
{
	(void)state;
	assert_int_equal(PLACE(ARG1, "\x48\x83\xc7\x0f\x55"), -ENOENT);   /* add $15,%rdi; push */
	assert_int_equal(PLACE(ARG1_2, "\x48\x0f\xaf\xf7\x55"), -ENOENT); /* imul %rdi,%rsi; push */
	assert_int_equal(PLACE(ARG2_3, "\x48\x89\xf0\x48\xf7\xe2\x48\x89\xc6\x70\x05"),
			 -ENOENT);                                          /* mul %rdx … */
	assert_int_equal(PLACE(ARG1, "\x48\x83\xec\x18\x74\x10"), -ENOENT); /* sub $24,%rsp; je */
	assert_int_equal(PLACE(ARG1, "\x6a\x00\x55"), -ENOENT);             /* push $0 */
	assert_int_equal(PLACE(ARG1, "\xc3\x55"), -ENOENT);                 /* ret */
	assert_int_equal(PLACE(ARG1, "\xff\xe0\x55"), -ENOENT);             /* jmp *%rax */
	assert_int_equal(PLACE(ARG1, "\x48\x89\xf8"), -ENOENT);             /* nothing follows */
	/* the first argument of aligned_alloc is of no interest */
	assert_int_equal(PLACE(ARG2, "\x48\x83\xc7\x0f\x55"), 4);
}

static void a_size_that_was_moved_is_followed(void **state)
{
	(void)state;
	/* mov %rdi,%rsi; mov %fs:(%rax),%rdi; cmp $0x400,%rsi; ja */
	assert_int_equal(PLACE(ARG1, "\x48\x89\xfe\x64\x48\x8b\x38\x48\x81\xfe\x00\x04\x00\x00\x77\x29"), 14);
	assert_int_equal(size_there, ALLOC_SIZE_ARG2);
	/* mov %rdi,%rax; mov %fs:(%rdx),%rdi; cmp $1,%rax; je */
	assert_int_equal(PLACE(ARG1_2, "\x48\x89\xf8\x64\x48\x8b\x3a\x48\x83\xf8\x01\x74\x08"), 11);
	assert_int_equal(size_there, ALLOC_REG_AX | ALLOC_REG_SI << ALLOC_REG_BITS);
	/* mov %rsi,%rdx; mov %rdi,%rsi; mov %rax,%rdi; jmp */
	assert_int_equal(PLACE(REALLOC, "\x48\x89\xf2\x48\x89\xfe\x48\x89\xc7\xe9\x00\x00\x00\x00"), 9);
	assert_int_equal(size_there, ALLOC_REG_DX | ALLOC_REG_SI << 2 * ALLOC_REG_BITS);
	/* to where no probe looks: mov %rdi,%rbx; xor %edi,%edi; jmp */
	assert_int_equal(PLACE(ARG1, "\x48\x89\xfb\x31\xff\xe9\x00\x00\x00\x00"), -ENOENT);
}

static void go_s_size_is_in_a_register_where_its_guard_is(void **state)
{
	(void)state;
	assert_int_equal(PLACE(GO, "\x49\x3b\x66\x10\x76\x10"), 4); /* cmp 16(%r14),%rsp; jbe */
	/* up to 1.16 arguments are on the stack: mov %fs:-8,%rcx; cmp 16(%rcx),%rsp; jbe */
	assert_int_equal(PLACE(GO, "\x64\x48\x8b\x0c\x25\xf8\xff\xff\xff\x48\x3b\x61\x10\x76\x10"), -ENOENT);
}

static void prefixes_that_the_kernel_steps_are_no_place(void **state)
{
	(void)state;
	assert_int_equal(PLACE(ARG1, "\xf3\x90\x55"), 2);                   /* pause; push */
	assert_int_equal(PLACE(ARG1, "\x66\x55"), -ENOENT);                 /* push %bp */
	assert_int_equal(PLACE(ARG1, "\xf2\xe9\x00\x00\x00\x00"), -ENOENT); /* bnd jmp */
}

static void names_of_allocators_are_known(void **state)
{
	struct alloc_site s;

	(void)state;
	assert_true(alloc_site__find("malloc", &s));
	assert_int_equal(s.size, ALLOC_SIZE_ARG1);
	assert_true(alloc_site__find("_rjem_calloc", &s));
	assert_int_equal(s.size, ALLOC_SIZE_ARG1_2);
	assert_true(alloc_site__find("tc_posix_memalign", &s));
	assert_int_equal(s.size, ALLOC_SIZE_ARG3);
	assert_true(alloc_site__find("_Znwm", &s));
	assert_true(alloc_site__find("mi_malloc_aligned", &s));
	assert_true(alloc_site__find("PyObject_Malloc", &s));
	assert_true(alloc_site__find("runtime.mallocgc", &s));
	assert_false(alloc_site__find("free", &s));
	assert_false(alloc_site__find("xmalloc", &s));
	assert_false(alloc_site__find("malloc_usable_size", &s));
	assert_false(alloc_site__find("", &s));
}

/* A library that exports functions of these names, each a push and a return. */
static int library(const char *const *names, struct alloc_sites *ret)
{
	static const uint8_t code[16] = {0x55, 0x5d, 0xc3};
	static struct elf_image m;
	Elf64_Sym symbols[8] = {{0}};
	char strings[256] = "";
	uint64_t code_at = 0, symbols_at, strings_at;
	size_t n = 1, len = 1;
	struct elf *e;
	int fd, err;

	elf_image__init(&m, ET_DYN, EM_X86_64);
	for (; *names; names++, n++) {
		uint64_t at = elf_image__add(&m, code, sizeof(code));

		code_at = code_at ? code_at : at;
		symbols[n] = (Elf64_Sym){.st_name = (Elf64_Word)len,
					 .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
					 .st_shndx = 1,
					 .st_value = 0x10000 + at,
					 .st_size = 3};
		strcpy(strings + len, *names);
		len += strlen(*names) + 1;
	}
	elf_image__segment(&m, PT_LOAD, PF_R | PF_X, 0x10000 + code_at, code_at, 16 * (n - 1));
	symbols_at = elf_image__add(&m, symbols, n * sizeof(*symbols));
	strings_at = elf_image__add(&m, strings, sizeof(strings));
	elf_image__section(&m, ".dynstr", SHT_STRTAB, 0, strings_at, sizeof(strings));
	elf_image__section(&m, ".dynsym", SHT_DYNSYM, 0, symbols_at, n * sizeof(*symbols))->sh_link = 1;
	m.sections[m.n_sections - 1].sh_entsize = sizeof(*symbols);
	fd = elf_image__fd(&m);
	assert_int_equal(elf__open(fd, &e), 0);
	err = alloc_sites__load(e, ret);
	elf__free(e);
	close(fd);
	return err;
}
#define NAMES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void functions_of_a_library_are_found_at_their_offsets(void **state)
{
	struct alloc_sites s;

	(void)state;
	assert_int_equal(library(NAMES("other", "malloc", "valloc", "free"), &s), 0);
	assert_int_equal(s.n, 2);
	assert_string_equal(s.sites[0].name, "malloc");
	assert_int_equal(s.sites[0].offset, s.sites[0].vaddr - 0x10000);
	assert_string_equal(s.sites[1].name, "valloc");
	assert_int_equal(s.sites[1].offset, s.sites[0].offset + 16);
	assert_int_equal(s.n_stepped, 0);
}

static void what_calls_the_malloc_of_others_is_no_allocator(void **state)
{
	struct alloc_sites s;

	(void)state;
	assert_int_equal(library(NAMES("_Znwm", "_Znam"), &s), -ENOENT);
	assert_int_equal(library(NAMES("reallocarray", "strlcpy"), &s), -ENOENT);
	assert_int_equal(library(NAMES("main"), &s), -ENOENT);
	assert_int_equal(library(NAMES("_Znwm", "malloc"), &s), 0);
	assert_int_equal(s.n, 2);
}

/* The C library that runs here: what programs call most has a place. */
static void the_c_library_of_this_host_can_be_probed(void **state)
{
	static const char *const wanted[] = {"malloc", "calloc", "realloc"};
	struct alloc_sites s;
	struct elf *e;
	int fd = open("/lib/x86_64-linux-gnu/libc.so.6", O_RDONLY | O_CLOEXEC);

	(void)state;
	if (fd < 0)
		skip();
	assert_int_equal(elf__open(fd, &e), 0);
	assert_int_equal(alloc_sites__load(e, &s), 0);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		bool found = false;

		for (uint32_t k = 0; k < s.n; k++)
			found |= !strcmp(s.sites[k].name, wanted[i]);
		if (!found)
			fail_msg("no place for %s", wanted[i]);
	}
	for (uint32_t k = 1; k < s.n; k++)
		assert_true(s.sites[k - 1].vaddr < s.sites[k].vaddr);
	elf__free(e);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_push_at_the_entry_is_the_place),
		cmocka_unit_test(instructions_that_are_stepped_are_passed_by),
		cmocka_unit_test(not_past_what_takes_the_size_or_the_stack_away),
		cmocka_unit_test(a_size_that_was_moved_is_followed),
		cmocka_unit_test(go_s_size_is_in_a_register_where_its_guard_is),
		cmocka_unit_test(prefixes_that_the_kernel_steps_are_no_place),
		cmocka_unit_test(names_of_allocators_are_known),
		cmocka_unit_test(functions_of_a_library_are_found_at_their_offsets),
		cmocka_unit_test(what_calls_the_malloc_of_others_is_no_allocator),
		cmocka_unit_test(the_c_library_of_this_host_can_be_probed),
	};

	return cmocka_run_group_tests_name("alloc_sites", tests, NULL, NULL);
}
