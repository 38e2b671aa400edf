/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elf - what we need of an ELF64 file, read from a descriptor with bounds on everything.
 *
 * The file may change, shrink or lie while we read it: nothing is mapped (a truncated mapping is a SIGBUS), all reads are pread
 * under a limit, and every number from the file is checked before use. Files without section headers are served through their program
 * headers (PT_GNU_EH_FRAME, PT_NOTE, PT_DYNAMIC).
 *
 * Owns: the header tables; the descriptor stays the caller's. Thread: one owner. Limit: ELF_SECTIONS_MAX, ELF_SEGMENTS_MAX, and a byte limit a section read.
 * Errors: -ENOEXEC not ELF, -EOPNOTSUPP 32-bit, big-endian or another machine, -EBADMSG damaged, -E2BIG over a limit, -ENOENT no such section
 * or one without bytes (SHT_NOBITS, as in separate debug files).
 */
#ifndef EVERPROF_OBJECT_ELF_H
#define EVERPROF_OBJECT_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

#define ELF_SECTIONS_MAX 65536
#define ELF_SEGMENTS_MAX 256
#define ELF_BUILD_ID_MAX 64 /* bytes; GNU ids are 20, Go's longer ones are hashed to 20 by us */

struct elf_segment {
	uint32_t type, flags;
	uint64_t offset, vaddr, filesz, memsz, align;
};

struct elf_section {
	const char *name; /* borrowed from the elf */
	uint32_t type;
	uint64_t flags, vaddr, offset, size, entsize;
	uint32_t link, info;
};

struct elf;

int elf__open(int fd, struct elf **ret_elf);
void elf__free(struct elf *e);

int elf__fd(const struct elf *e);
uint16_t elf__type(const struct elf *e);    /* ET_EXEC, ET_DYN, … */
uint16_t elf__machine(const struct elf *e); /* EM_X86_64, EM_AARCH64 */
uint64_t elf__entry(const struct elf *e);   /* virtual address of the first instruction, 0: none */
/* Is that where it is entered? Linkers point it at the first code of a shared object that never is. */
bool elf__is_entered(const struct elf *e);
uint64_t elf__file_size(const struct elf *e);
uint32_t elf__n_segments(const struct elf *e);
const struct elf_segment *elf__segment(const struct elf *e, uint32_t i);
uint32_t elf__n_sections(const struct elf *e);
const struct elf_section *elf__section(const struct elf *e, uint32_t i);
/* First section of that name (or type), or NULL. */
const struct elf_section *elf__find_section(const struct elf *e, const char *name);
const struct elf_section *elf__find_section_type(const struct elf *e, uint32_t type);
/* Appends the section's bytes, decompressed where SHF_COMPRESSED (or .zdebug) says so; at most `limit` bytes after decompression, so that a bomb is -E2BIG. */
int elf__read_section(const struct elf *e, const struct elf_section *s, size_t limit, struct buf *to);
/* Appends `len` bytes at a virtual address inside one PT_LOAD segment's part of the file; -ENOENT where there is none. */
int elf__read_vaddr(const struct elf *e, uint64_t vaddr, size_t len, struct buf *to);
/* File offset of a virtual address, and how many bytes of the file follow it in its PT_LOAD segment; -ENOENT. */
int elf__vaddr_to_offset(const struct elf *e, uint64_t vaddr, uint64_t *ret_offset, uint64_t *ret_left);
/* GNU build-id (note section or PT_NOTE), else Go's shortened to 20 bytes; -ENOENT where there is none. */
int elf__build_id(const struct elf *e, uint8_t ret_id[ELF_BUILD_ID_MAX], size_t *ret_len);
/* The virtual address of a file offset inside an executable PT_LOAD; -ENOENT. */
int elf__offset_to_vaddr(const struct elf *e, uint64_t offset, uint64_t *ret_vaddr);

#endif
