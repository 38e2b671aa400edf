/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elf_image - ELF files written by hand, for tests: as wrong as one likes, in a memfd.
 *
 *      0        64                  1024                       then
 *      header | program headers   | what was added, in order | section headers | section names
 *
 * Owns: its bytes (in the struct); the descriptor of elf_image__fd is the caller's. Thread: one. Limit: ELF_IMAGE_BYTES, asserted.
 */
#ifndef EVERPROF_TESTS_SUPPORT_ELF_IMAGE_H
#define EVERPROF_TESTS_SUPPORT_ELF_IMAGE_H

#include <assert.h>
#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ELF_IMAGE_BYTES    (1u << 20)
#define ELF_IMAGE_DATA     1024
#define ELF_IMAGE_SECTIONS 16
#define ELF_IMAGE_SEGMENTS 16

struct elf_image {
	Elf64_Ehdr head;
	Elf64_Phdr segments[ELF_IMAGE_SEGMENTS];
	Elf64_Shdr sections[ELF_IMAGE_SECTIONS];
	uint32_t n_segments, n_sections;
	char names[512];
	size_t names_len;
	uint8_t data[ELF_IMAGE_BYTES]; /* from offset ELF_IMAGE_DATA of the file on */
	size_t data_len;
};

static inline void elf_image__init(struct elf_image *m, uint16_t type, uint16_t machine)
{
	memset(m, 0, sizeof(*m));
	memcpy(m->head.e_ident, ELFMAG, SELFMAG);
	m->head.e_ident[EI_CLASS] = ELFCLASS64;
	m->head.e_ident[EI_DATA] = ELFDATA2LSB;
	m->head.e_ident[EI_VERSION] = EV_CURRENT;
	m->head.e_type = type;
	m->head.e_machine = machine;
	m->head.e_version = EV_CURRENT;
	m->head.e_ehsize = sizeof(Elf64_Ehdr);
	m->head.e_phentsize = sizeof(Elf64_Phdr);
	m->head.e_shentsize = sizeof(Elf64_Shdr);
	m->n_sections = 1; /* SHT_NULL */
	m->names_len = 1;
}

/* Adds bytes; returns their offset in the file. */
static inline uint64_t elf_image__add(struct elf_image *m, const void *bytes, size_t len)
{
	uint64_t at = ELF_IMAGE_DATA + m->data_len;

	assert(len <= sizeof(m->data) - m->data_len);
	if (len)
		memcpy(m->data + m->data_len, bytes, len);
	m->data_len = (m->data_len + len + 15) & ~(size_t)15;
	return at;
}

static inline Elf64_Phdr *elf_image__segment(struct elf_image *m, uint32_t type, uint32_t flags,
					     uint64_t vaddr, uint64_t offset, uint64_t size)
{
	Elf64_Phdr *p = &m->segments[m->n_segments++];

	assert(m->n_segments <= ELF_IMAGE_SEGMENTS);
	*p = (Elf64_Phdr){
		.p_type = type, .p_flags = flags, .p_offset = offset, .p_vaddr = vaddr, .p_paddr = vaddr};
	p->p_filesz = p->p_memsz = size;
	p->p_align = 4;
	return p;
}

/* The name's offset stands in the section; pointers stay good until the image is initialised again. */
static inline Elf64_Shdr *elf_image__section(struct elf_image *m, const char *name, uint32_t type,
					     uint64_t vaddr, uint64_t offset, uint64_t size)
{
	Elf64_Shdr *s = &m->sections[m->n_sections++];

	assert(m->n_sections <= ELF_IMAGE_SECTIONS && m->names_len + strlen(name) < sizeof(m->names));
	*s = (Elf64_Shdr){.sh_name = m->names_len, .sh_type = type, .sh_flags = SHF_ALLOC, .sh_addr = vaddr};
	s->sh_offset = offset;
	s->sh_size = size;
	memcpy(m->names + m->names_len, name, strlen(name) + 1);
	m->names_len += strlen(name) + 1;
	return s;
}

/* Writes the file: descriptor of a memfd. The headers' counts and offsets are filled in where they are 0. */
static inline int elf_image__fd(struct elf_image *m)
{
	uint64_t names_at = ELF_IMAGE_DATA + m->data_len, sections_at;
	int fd = memfd_create("elf_image", MFD_CLOEXEC);

	elf_image__section(m, ".shstrtab", SHT_STRTAB, 0, names_at, sizeof(m->names));
	sections_at = names_at + sizeof(m->names);
	if (!m->head.e_phoff && m->n_segments)
		m->head.e_phoff = sizeof(m->head);
	if (!m->head.e_phnum)
		m->head.e_phnum = m->n_segments;
	if (!m->head.e_shoff)
		m->head.e_shoff = sections_at;
	if (!m->head.e_shnum)
		m->head.e_shnum = m->n_sections;
	if (!m->head.e_shstrndx)
		m->head.e_shstrndx = m->n_sections - 1;
	assert(fd >= 0 && pwrite(fd, &m->head, sizeof(m->head), 0) == sizeof(m->head));
	assert(pwrite(fd, m->segments, sizeof(m->segments), sizeof(m->head)) == sizeof(m->segments));
	assert(pwrite(fd, m->data, m->data_len, ELF_IMAGE_DATA) == (ssize_t)m->data_len);
	assert(pwrite(fd, m->names, sizeof(m->names), names_at) == sizeof(m->names));
	assert(pwrite(fd, m->sections, m->n_sections * sizeof(m->sections[0]), sections_at) > 0);
	return fd;
}

#endif
