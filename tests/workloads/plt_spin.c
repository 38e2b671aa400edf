/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plt_spin SECONDS [lazy]: calls of an empty function through the PLT, so that a good part of the samples is inside PLT entries.
 *
 *      plt_target | PLT entry < plt_caller < main
 *
 * With `lazy` (built with -z lazy and without RELRO) the GOT slot is put back to its unresolved value before each call, so that every call
 * goes through the entry's push, PLT0 and the dynamic linker's resolver, which realigns its stack:
 *
 *      (ld.so …) < _dl_runtime_resolve* < plt_caller < main
 */
#include <elf.h>
#include <link.h>

#include "tests/workloads/work.h"

int plt_target(int v);

static volatile uintptr_t *slot;
static uintptr_t unresolved;

/* The GOT slot of plt_target, by the relocations of the PLT. */
static volatile uintptr_t *find_slot(void)
{
	const ElfW(Sym) *symtab = NULL;
	const ElfW(Rela) *rela = NULL;
	const char *strtab = NULL;
	size_t size = 0;

	for (const ElfW(Dyn) *d = _r_debug.r_map->l_ld; d->d_tag != DT_NULL; d++) {
		if (d->d_tag == DT_SYMTAB)
			symtab = (const void *)d->d_un.d_ptr;
		else if (d->d_tag == DT_STRTAB)
			strtab = (const void *)d->d_un.d_ptr;
		else if (d->d_tag == DT_JMPREL)
			rela = (const void *)d->d_un.d_ptr;
		else if (d->d_tag == DT_PLTRELSZ)
			size = d->d_un.d_val;
	}
	for (size_t i = 0; symtab && strtab && rela && i < size / sizeof(*rela); i++)
		if (!strcmp(strtab + symtab[ELF64_R_SYM(rela[i].r_info)].st_name, "plt_target"))
			return (volatile uintptr_t *)(_r_debug.r_map->l_addr + rela[i].r_offset);
	return NULL;
}

static WORK_FN int plt_caller(int v, bool lazy)
{
	for (int i = 0; i < 500; i++) {
		if (lazy)
			*slot = unresolved;
		v = plt_target(v);
	}
	return v;
}

int main(int argc, char **argv)
{
	bool lazy = argc > 2 && !strcmp(argv[2], "lazy");
	struct work w;
	int v = 0;

	work__init(&w, argc, argv);
	if (lazy) {
		slot = find_slot();
		if (!slot) {
			fprintf(stderr, "%s: no PLT relocation of plt_target\n", argv[0]);
			return 1;
		}
		unresolved = *slot;
	}
	work__ready();
	while (work__go(&w))
		v = plt_caller(v, lazy);
	return work__done();
}
