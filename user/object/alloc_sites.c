// SPDX-License-Identifier: Apache-2.0
#include "user/object/alloc_sites.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/buf.h"
#include "user/object/elf.h"
#include "user/object/gopclntab.h"
#include "user/object/symbol_search.h"
#include "user/object/x86_insn.h"

#define CODE_MAX 32 /* bytes of a function that are looked at */
/* All that the Go runtime gives passes through it, whatever release. */
#define GO_MALLOC "runtime.mallocgc"
/* of a goroutine, whose g is in r14 since Go passes arguments in registers (1.17) */
#define GO_STACK_GUARD 16

/*
 * In front of the family's names: of jemalloc where it is built so (je_, _rjem_ in Rust programs), of gperftools' and mimalloc's own. __libc_ is the C
 * library's, for programs that are linked with a part of it.
 */
static const char *const prefixes[] = {"", "je_", "_rjem_", "tc_", "mi_", "__libc_"};

static const struct alloc_site family[] = {
	{.name = "malloc", .size = ALLOC_SIZE_ARG1},
	{.name = "calloc", .size = ALLOC_SIZE_ARG1_2},
	{.name = "realloc", .size = ALLOC_SIZE_REALLOC},
	{.name = "reallocarray", .size = ALLOC_SIZE_ARG2_3},
	{.name = "posix_memalign", .size = ALLOC_SIZE_ARG3},
	{.name = "aligned_alloc", .size = ALLOC_SIZE_ARG2},
	{.name = "memalign", .size = ALLOC_SIZE_ARG2},
	{.name = "valloc", .size = ALLOC_SIZE_ARG1},
	{.name = "pvalloc", .size = ALLOC_SIZE_ARG1},
	/* jemalloc; Rust programs that have it use these only */
	{.name = "mallocx", .size = ALLOC_SIZE_ARG1},
	{.name = "rallocx", .size = ALLOC_SIZE_ARG2},
};

/* operator new in its forms, and what allocators have behind it. */
static const struct alloc_site others[] = {
	{.name = "_Znwm", .size = ALLOC_SIZE_ARG1},
	{.name = "_Znam", .size = ALLOC_SIZE_ARG1},
	{.name = "_ZnwmRKSt9nothrow_t", .size = ALLOC_SIZE_ARG1},
	{.name = "_ZnamRKSt9nothrow_t", .size = ALLOC_SIZE_ARG1},
	{.name = "_ZnwmSt11align_val_t", .size = ALLOC_SIZE_ARG1},
	{.name = "_ZnamSt11align_val_t", .size = ALLOC_SIZE_ARG1},
	{.name = "_ZnwmSt11align_val_tRKSt9nothrow_t", .size = ALLOC_SIZE_ARG1},
	{.name = "_ZnamSt11align_val_tRKSt9nothrow_t", .size = ALLOC_SIZE_ARG1},
	{.name = "tc_new", .size = ALLOC_SIZE_ARG1},
	{.name = "tc_newarray", .size = ALLOC_SIZE_ARG1},
	{.name = "mi_new", .size = ALLOC_SIZE_ARG1},
	{.name = "mi_zalloc", .size = ALLOC_SIZE_ARG1},
	{.name = "mi_malloc_aligned", .size = ALLOC_SIZE_ARG1},
	/* CPython: up to 512 bytes of its own. Those with _ have a context in front; they are what is left to find where the others were inlined. */
	{.name = "PyObject_Malloc", .size = ALLOC_SIZE_ARG1},
	{.name = "PyObject_Calloc", .size = ALLOC_SIZE_ARG1_2},
	{.name = "PyObject_Realloc", .size = ALLOC_SIZE_REALLOC},
	{.name = "PyMem_Malloc", .size = ALLOC_SIZE_ARG1},
	{.name = "PyMem_Calloc", .size = ALLOC_SIZE_ARG1_2},
	{.name = "PyMem_Realloc", .size = ALLOC_SIZE_REALLOC},
	{.name = "_PyObject_Malloc", .size = ALLOC_SIZE_ARG2},
	{.name = "_PyObject_Calloc", .size = ALLOC_SIZE_ARG2_3},
	{.name = "_PyObject_Realloc", .size = ALLOC_SIZE_ARG3},
	{.name = GO_MALLOC, .size = ALLOC_SIZE_GO},
};

/* A file that has one of these gives memory; one that has others only calls these of another file, which is probed there. */
static const char *const roots[] = {"malloc", "mallocx", "PyObject_Malloc", GO_MALLOC};

#define N_PREFIXES   (sizeof(prefixes) / sizeof(*prefixes))
#define N_FAMILY     (sizeof(family) / sizeof(*family))
#define N_OTHERS     (sizeof(others) / sizeof(*others))
#define PREFIXED_MAX 32

#define ALLOC_REGISTERS 3 /* of an enum alloc_size */
#define ANY             UINT32_MAX
/* Those that bpf/alloc.bpf.c reads: a function may change them. */
#define ALLOC_REG_OK 0x1c7u

static bool find_in(const struct alloc_site *list, size_t n, const char *name, struct alloc_site *ret)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(name, list[i].name)) {
			*ret = list[i];
			return true;
		}
	return false;
}

bool alloc_site__find(const char *symbol, struct alloc_site *ret)
{
	if (find_in(others, N_OTHERS, symbol, ret))
		return true;
	for (size_t p = 0; p < N_PREFIXES; p++) {
		size_t len = strlen(prefixes[p]);

		if (!strncmp(symbol, prefixes[p], len) && find_in(family, N_FAMILY, symbol + len, ret))
			return true;
	}
	return false;
}

/* Does the kernel do what the instruction does by itself, in every version? arch/x86/kernel/uprobes.c: push_setup_xol_ops, branch_setup_xol_ops */
static bool is_emulated(const struct x86_insn *in)
{
	if (in->encoding != X86_LEGACY || in->prefixes)
		return false;
	if (in->map == X86_MAP_0F)
		return in->opcode >= 0x80 && in->opcode <= 0x8f; /* jcc */
	if (in->map != X86_MAP_ONE)
		return false;
	if (in->opcode >= 0x50 && in->opcode <= 0x57)
		return !in->has_rex || in->rex == 1;
	return !in->has_rex && (in->opcode == 0x90 || in->opcode == 0xe8 || in->opcode == 0xe9 ||
				in->opcode == 0xeb || (in->opcode & 0xf0) == 0x70);
}

static bool moves_stack(const struct x86_insn *in)
{
	if (x86_insn__writes(in) & 1u << X86_RSP)
		return true;
	/* implied: push and pop of immediates, memory, flags; enter, leave, ret */
	return in->map == X86_MAP_ONE && in->encoding == X86_LEGACY &&
	       ((in->opcode >= 0x50 && in->opcode <= 0x5f) || in->opcode == 0x68 || in->opcode == 0x6a ||
		in->opcode == 0x8f || in->opcode == 0x9c || in->opcode == 0x9d || in->opcode == 0xc8 ||
		in->opcode == 0xc9 || in->opcode == 0xff);
}

/* Registers of a call's size, and in which others each of them is, too, a bit each. */
struct holders {
	uint32_t n;
	uint32_t in[ALLOC_REGISTERS];
};

static void holders__init(struct holders *h, uint16_t size)
{
	*h = (struct holders){0};
	for (; h->n < ALLOC_REGISTERS; h->n++) {
		uint32_t which = size >> h->n * ALLOC_REG_BITS & 0xf;

		h->in[h->n] = which ? 1u << (which - 1) : ANY;
	}
}

/* What is left of them behind the instruction; false: one is lost. */
static bool holders__step(struct holders *h, const struct x86_insn *in)
{
	bool is_copy = in->encoding == X86_LEGACY && in->map == X86_MAP_ONE && x86_insn__is_wide(in) &&
		       in->modrm >= 0xc0 && (in->opcode == 0x89 || in->opcode == 0x8b);
	uint32_t reg = x86_insn__reg(in), rm = x86_insn__rm(in);
	uint32_t from = in->opcode == 0x89 ? reg : rm, to = in->opcode == 0x89 ? rm : reg;

	for (uint32_t i = 0; i < h->n; i++) {
		bool is_copied = is_copy && h->in[i] >> from & 1 && ALLOC_REG_OK >> to & 1;

		if (h->in[i] == ANY)
			continue;
		h->in[i] &= ~x86_insn__writes(in);
		if (is_copied)
			h->in[i] |= 1u << to;
		if (!h->in[i])
			return false;
	}
	return true;
}

/* Where they are now; what is where it was stays there. */
static uint16_t holders__size(const struct holders *h, uint16_t was)
{
	uint16_t size = 0;

	for (uint32_t i = 0; i < h->n; i++) {
		uint32_t which = was >> i * ALLOC_REG_BITS & 0xf;

		if (which && !(h->in[i] >> (which - 1) & 1))
			which = (uint32_t)__builtin_ctz(h->in[i]) + 1;
		size |= (uint16_t)(which << i * ALLOC_REG_BITS);
	}
	return size;
}

static bool reads_stack_guard(const struct x86_insn *in)
{
	return x86_insn__is_memory(in) && in->base == X86_R14 && in->disp == GO_STACK_GUARD;
}

int alloc_site__parse(const uint8_t *code, size_t len, uint16_t *size, uint32_t *ret_skip)
{
	bool is_known = *size != ALLOC_SIZE_GO; /* where its arguments are */
	struct holders h;
	struct x86_insn in;

	holders__init(&h, *size);
	for (uint32_t at = 0; at < len; at += in.len) {
		if (x86_insn__parse(code + at, len - at, &in))
			return -ENOENT;
		is_known |= reads_stack_guard(&in);
		if (is_known && is_emulated(&in)) {
			*size = holders__size(&h, *size);
			*ret_skip = at;
			return 0;
		}
		if (x86_insn__flow(&in) != X86_FLOW_NEXT || moves_stack(&in) || !holders__step(&h, &in))
			return -ENOENT;
	}
	return -ENOENT;
}

static int add(const struct elf *e, struct alloc_site site, uint64_t vaddr, struct alloc_sites *s)
{
	uint64_t left;
	uint32_t skip;
	struct buf code;
	int err;

	site.vaddr = vaddr;
	for (uint32_t i = 0; i < s->n; i++)
		if (s->sites[i].vaddr == vaddr)
			return 0; /* another name of it */
	if (s->n == ALLOC_SITES_MAX || elf__vaddr_to_offset(e, vaddr, &site.offset, &left))
		return 0;
	buf__init(&code, CODE_MAX);
	err = elf__read_vaddr(e, vaddr, left < CODE_MAX ? (size_t)left : CODE_MAX, &code);
	if (!err) {
		if (alloc_site__parse(code.data, code.len, &site.size, &skip)) {
			s->n_stepped++;
		} else {
			site.offset += skip;
			s->sites[s->n++] = site;
		}
	}
	buf__done(&code);
	return err == -ENOMEM ? err : 0;
}

/* A symbol that is a function of this file. */
static bool is_function(const Elf64_Sym *sym)
{
	return ELF64_ST_TYPE(sym->st_info) == STT_FUNC && sym->st_shndx != SHN_UNDEF && sym->st_value;
}

/* All names that alloc_site__find knows. */
struct all_names {
	const char *names[N_PREFIXES * N_FAMILY + N_OTHERS];
	char prefixed[N_PREFIXES * N_FAMILY][PREFIXED_MAX];
	uint32_t n;
};

static void all_names__init(struct all_names *a)
{
	a->n = 0;
	for (size_t p = 0; p < N_PREFIXES; p++)
		for (size_t f = 0; f < N_FAMILY; f++, a->n++) {
			snprintf(a->prefixed[a->n], PREFIXED_MAX, "%s%s", prefixes[p], family[f].name);
			a->names[a->n] = a->prefixed[a->n];
		}
	for (size_t o = 0; o < N_OTHERS; o++)
		a->names[a->n++] = others[o].name;
}

struct scan {
	const struct elf *e;
	struct all_names all;
	struct alloc_sites *sites;
	uint32_t n_left; /* symbols that are looked at still: a file may have a million of one name */
};

static int take_symbol(const Elf64_Sym *symbol, size_t i, void *ctx)
{
	struct scan *s = ctx;
	struct alloc_site site;

	if (!is_function(symbol) || !alloc_site__find(s->all.names[i], &site))
		return 0;
	if (s->n_left-- == 0)
		return -E2BIG;
	return add(s->e, site, symbol->st_value, s->sites);
}

static int scan(const struct elf *e, const struct elf_section *symbols, struct alloc_sites *sites)
{
	struct scan s = {.e = e, .sites = sites, .n_left = ALLOC_SYMBOLS_MAX};
	int err;

	all_names__init(&s.all);
	err = symbol_search__each(e, symbols, s.all.names, s.all.n, take_symbol, &s);
	return err == -ENOENT || err == -E2BIG || err == -EOPNOTSUPP ? 0 : err;
}

static int by_address(const void *a, const void *b)
{
	const struct alloc_site *x = a, *y = b;

	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

static bool has_own(const struct alloc_sites *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		for (size_t r = 0; r < sizeof(roots) / sizeof(*roots); r++)
			if (!strcmp(s->sites[i].name, roots[r]))
				return true;
	return false;
}

/* A Go program without symbols: its runtime's own table has the names. */
static int scan_go(const struct elf *e, struct alloc_sites *s)
{
	struct gopclntab_function f;
	struct alloc_site site;
	struct gopclntab *t;
	int err = gopclntab__load(e, ALLOC_GO_TABLE_BYTES, &t);

	if (err)
		return err == -ENOMEM ? err : 0;
	for (uint32_t i = 0; !err && i < gopclntab__count(t); i++)
		if (!gopclntab__get(t, i, &f) && !strcmp(f.name, GO_MALLOC) &&
		    alloc_site__find(f.name, &site)) {
			err = add(e, site, f.start, s);
			break;
		}
	gopclntab__free(t);
	return err;
}

int alloc_sites__load(const struct elf *e, struct alloc_sites *ret)
{
	const struct elf_section *dynsym = elf__find_section_type(e, SHT_DYNSYM);
	const struct elf_section *symtab = elf__find_section_type(e, SHT_SYMTAB);
	int err = 0;

	*ret = (struct alloc_sites){0};
	if (elf__machine(e) != EM_X86_64)
		return -EOPNOTSUPP;
	if (dynsym)
		err = scan(e, dynsym, ret);
	/* what a library does not export is called by nobody else; programs have allocators linked into them */
	if (!err && symtab && (elf__is_entered(e) || !dynsym))
		err = scan(e, symtab, ret);
	if (!err && !symtab && elf__is_entered(e))
		err = scan_go(e, ret);
	if (err)
		return err;
	if (!has_own(ret))
		ret->n = 0;
	qsort(ret->sites, ret->n, sizeof(*ret->sites), by_address);
	return ret->n ? 0 : -ENOENT;
}
