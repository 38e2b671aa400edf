// SPDX-License-Identifier: Apache-2.0
#include "user/object/noreturn.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/object/elf.h"
#include "user/object/plt.h"

/* Of the C library, the run time of C++, and of compilers. */
static const char *const names[] = {
	"_Exit",
	"_Unwind_Resume",
	"_ZSt10unexpectedv",
	"_ZSt9terminatev",
	"__assert_fail",
	"__assert_perror_fail",
	"__chk_fail",
	"__cxa_bad_cast",
	"__cxa_bad_typeid",
	"__cxa_call_unexpected",
	"__cxa_deleted_virtual",
	"__cxa_pure_virtual",
	"__cxa_rethrow",
	"__cxa_throw",
	"__cxa_throw_bad_array_new_length",
	"__fortify_fail",
	"__libc_fatal",
	"__libc_start_main",
	"__longjmp_chk",
	"__stack_chk_fail",
	"_exit",
	"_longjmp",
	"abort",
	"err",
	"errx",
	"exit",
	"longjmp",
	"pthread_exit",
	"quick_exit",
	"siglongjmp",
	"verr",
	"verrx",
};

static int compare_name(const void *key, const void *element)
{
	return strcmp(key, *(const char *const *)element);
}

bool noreturn__is_name(const char *name)
{
	static const char std_function[] = "_ZSt";

	/* std::__throw_out_of_range and its like */
	if (!strncmp(name, std_function, strlen(std_function)) && strstr(name, "__throw_"))
		return true;
	return bsearch(name, names, sizeof(names) / sizeof(names[0]), sizeof(names[0]), compare_name);
}

static bool is_noreturn(const Elf64_Sym *sym, const struct buf *strings)
{
	const char *name;

	if (sym->st_name >= strings->len)
		return false;
	name = (const char *)strings->data + sym->st_name;
	if (!memchr(name, 0, strings->len - sym->st_name))
		return false;
	return ELF64_ST_TYPE(sym->st_info) == STT_FUNC && sym->st_shndx != SHN_UNDEF && sym->st_value &&
	       noreturn__is_name(name);
}

static void add_symbols(struct noreturn *n, const struct buf *symbols, const struct buf *strings)
{
	for (size_t i = 0; i + sizeof(Elf64_Sym) <= symbols->len && n->n < NORETURN_MAX;
	     i += sizeof(Elf64_Sym)) {
		Elf64_Sym sym;

		memcpy(&sym, symbols->data + i, sizeof(sym));
		if (is_noreturn(&sym, strings))
			n->vaddrs[n->n++] = sym.st_value;
	}
}

static void add_stubs(const struct elf *e, struct noreturn *n)
{
	struct buf symbols, strings;

	buf__init(&symbols, NORETURN_SYMBOLS_MAX);
	buf__init(&strings, PLT_STRINGS_MAX);
	if (!plt__load(e, &symbols, &strings))
		add_symbols(n, &symbols, &strings);
	buf__done(&symbols);
	buf__done(&strings);
}

static void add_own(const struct elf *e, struct noreturn *n)
{
	const struct elf_section *s = elf__find_section_type(e, SHT_DYNSYM);
	const struct elf_section *of_names = s ? elf__section(e, s->link) : NULL;
	struct buf symbols, strings;

	if (!of_names)
		return;
	buf__init(&symbols, NORETURN_SYMBOLS_MAX);
	buf__init(&strings, NORETURN_SYMBOLS_MAX);
	if (!elf__read_section(e, s, NORETURN_SYMBOLS_MAX, &symbols) &&
	    !elf__read_section(e, of_names, NORETURN_SYMBOLS_MAX, &strings))
		add_symbols(n, &symbols, &strings);
	buf__done(&symbols);
	buf__done(&strings);
}

static int compare_vaddrs(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

int noreturn__load(const struct elf *e, struct noreturn *n)
{
	uint64_t *fitting;

	n->n = 0;
	n->vaddrs = malloc(NORETURN_MAX * sizeof(*n->vaddrs));
	if (!n->vaddrs)
		return -ENOMEM;
	add_stubs(e, n);
	add_own(e, n);
	qsort(n->vaddrs, n->n, sizeof(*n->vaddrs), compare_vaddrs);
	fitting = realloc(n->vaddrs, (n->n + 1) * sizeof(*n->vaddrs));
	if (fitting)
		n->vaddrs = fitting;
	return 0;
}

void noreturn__done(struct noreturn *n)
{
	free(n->vaddrs);
	*n = (struct noreturn){0};
}

bool noreturn__has(const struct noreturn *n, uint64_t vaddr)
{
	return n->n && bsearch(&vaddr, n->vaddrs, n->n, sizeof(vaddr), compare_vaddrs);
}
