// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. Every binary of every container on the host is read here, by a privileged process. Any of them may be damaged, may
 * be written to while we read it, or may have been made to break us.
 *
 * Idea. Only tables are kept; everything else is read when it is wanted, by pread into memory of ours and under a limit that the
 * caller states. What a parser sees is a private copy that nobody can change between check and use.
 *
 * Layout.      file header ──> program headers (at most ELF_SEGMENTS_MAX)   needed: a file whose table does not fit is damaged
 *                        └───> section headers (at most ELF_SECTIONS_MAX)   optional: a table that does not fit counts as none
 *
 * Invariants. Segments and sections are handed out as the file states them; their offsets are checked against the size of the file
 * by whoever reads through them, which happens in elf__read_section and elf__vaddr_to_offset only.
 *
 * Cost. Three or four preads and a few kilobytes a file.
 *
 * What it does not do. No relocations, no symbols (symtab), no writing, no 32-bit and no big-endian files.
 *
 * Reference. System V gABI chapters 4 and 5; elf(5).
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "user/base/buf.h"
#include "user/base/io.h"
#include "user/object/elf.h"
#include "user/object/elf_inflate.h"

#define SHSTRTAB_LIMIT (4u << 20)
#define NOTE_LIMIT     (64u << 10)
#define NOTES_LIMIT    (256u << 10) /* of a file: it may have 65,536 sections of them, one on top of another */
#define NOTES_LEAST    (4u << 10)   /* what one more block of notes counts at least */
#define GO_BUILD_ID    4            /* NT of the note named "Go" */
#define SHORT_ID_LEN   20           /* what a Go id is shortened to: as long as a GNU id */

struct elf {
	int fd;
	uint16_t type, machine;
	uint64_t entry;
	uint64_t file_size;
	struct elf_segment *segments;
	uint32_t n_segments;
	struct elf_section *sections;
	uint32_t n_sections;
	struct buf names;
};

/* The range lies inside the file, without overflow. */
static bool fits(const struct elf *e, uint64_t offset, uint64_t len)
{
	return offset <= e->file_size && len <= e->file_size - offset;
}

static int read_range(const struct elf *e, uint64_t offset, size_t len, struct buf *to)
{
	void *p;
	int err;

	if (!fits(e, offset, len))
		return -EBADMSG;
	if (len == 0)
		return 0;
	p = buf__reserve(to, len);
	if (!p)
		return buf__err(to);
	err = io__pread_full(e->fd, p, len, offset);
	if (err)
		return err == -ENODATA ? -EBADMSG : err;
	to->len += len;
	return 0;
}

/* -- parsing: pure -- */

static int parse_header(const Elf64_Ehdr *h)
{
	if (memcmp(h->e_ident, ELFMAG, SELFMAG))
		return -ENOEXEC;
	if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB)
		return -EOPNOTSUPP;
	if (h->e_machine != EM_X86_64 && h->e_machine != EM_AARCH64)
		return -EOPNOTSUPP;
	if (h->e_ident[EI_VERSION] != EV_CURRENT)
		return -EBADMSG;
	return 0;
}

static struct elf_segment parse_segment(const Elf64_Phdr *p)
{
	return (struct elf_segment){
		.type = p->p_type,
		.flags = p->p_flags,
		.offset = p->p_offset,
		.vaddr = p->p_vaddr,
		.filesz = p->p_filesz,
		.memsz = p->p_memsz,
		.align = p->p_align,
	};
}

static struct elf_section parse_section(const Elf64_Shdr *s)
{
	return (struct elf_section){
		.name = "",
		.type = s->sh_type,
		.flags = s->sh_flags,
		.vaddr = s->sh_addr,
		.offset = s->sh_offset,
		.size = s->sh_size,
		.entsize = s->sh_entsize,
		.link = s->sh_link,
		.info = s->sh_info,
	};
}

static size_t align_up(size_t n, size_t align)
{
	return (n + align - 1) & ~(align - 1);
}

struct build_id {
	uint8_t bytes[ELF_BUILD_ID_MAX];
	size_t len; /* 0: none */
};

/* A Go id is four hashes in base64, some 83 characters: three 64-bit FNV-1a sums of it are enough to tell binaries apart. */
static void shorten_id(const uint8_t *id, size_t len, uint8_t ret_id[SHORT_ID_LEN])
{
	uint64_t sums[3];

	for (uint64_t i = 0; i < 3; i++) {
		sums[i] = 0xcbf29ce484222325ull ^ (i * 0x9e3779b97f4a7c15ull);
		for (size_t k = 0; k < len; k++)
			sums[i] = (sums[i] ^ id[k]) * 0x100000001b3ull;
	}
	memcpy(ret_id, sums, SHORT_ID_LEN);
}

/* Looks through a block of notes; 0 when it holds GNU's id, else -ENOENT. Go's is kept where it is the first. */
static int parse_notes(const uint8_t *bytes, size_t len, size_t align, struct build_id *ret_gnu,
		       struct build_id *go)
{
	size_t at = 0;

	while (len - at >= sizeof(Elf64_Nhdr)) {
		const uint8_t *name, *desc;
		Elf64_Nhdr n;
		size_t left;

		memcpy(&n, bytes + at, sizeof(n));
		at += sizeof(n);
		left = len - at;
		if (n.n_namesz > left || align_up(n.n_namesz, align) > left)
			return -ENOENT;
		name = bytes + at;
		at += align_up(n.n_namesz, align);
		if (n.n_descsz > len - at)
			return -ENOENT;
		desc = bytes + at;
		if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == 4 && !memcmp(name, "GNU", 4) &&
		    n.n_descsz > 0 && n.n_descsz <= ELF_BUILD_ID_MAX) {
			memcpy(ret_gnu->bytes, desc, n.n_descsz);
			ret_gnu->len = n.n_descsz;
			return 0;
		}
		if (n.n_type == GO_BUILD_ID && n.n_namesz == 4 && !memcmp(name, "Go\0", 4) &&
		    n.n_descsz > 0 && !go->len) {
			shorten_id(desc, n.n_descsz, go->bytes);
			go->len = SHORT_ID_LEN;
		}
		at += align_up(n.n_descsz, align) < len - at ? align_up(n.n_descsz, align) : len - at;
	}
	return -ENOENT;
}

/* -- opening -- */

/* Numbers that do not fit the file header stand in the first section header. */
static int read_counts(const struct elf *e, const Elf64_Ehdr *h, uint64_t *ret_n_segments,
		       uint64_t *ret_n_sections, uint32_t *ret_names)
{
	Elf64_Shdr first = {0};
	bool have_sections =
		h->e_shoff != 0 && h->e_shentsize == sizeof(Elf64_Shdr) && fits(e, h->e_shoff, sizeof(first));
	int err = 0;

	if (have_sections)
		err = io__pread_full(e->fd, &first, sizeof(first), h->e_shoff);
	if (err)
		return err == -ENODATA ? -EBADMSG : err;
	*ret_n_segments = h->e_phnum == PN_XNUM ? first.sh_info : h->e_phnum;
	*ret_n_sections = have_sections && h->e_shnum == 0 ? first.sh_size : h->e_shnum;
	*ret_names = h->e_shstrndx == SHN_XINDEX ? first.sh_link : h->e_shstrndx;
	if (!have_sections)
		*ret_n_sections = 0;
	return 0;
}

static int read_segments(struct elf *e, const Elf64_Ehdr *h, uint64_t n)
{
	struct buf raw;
	int err = 0;

	if (n == 0)
		return 0;
	if (n > ELF_SEGMENTS_MAX)
		return -E2BIG;
	if (h->e_phentsize != sizeof(Elf64_Phdr))
		return -EBADMSG;
	buf__init(&raw, ELF_SEGMENTS_MAX * sizeof(Elf64_Phdr));
	err = read_range(e, h->e_phoff, n * sizeof(Elf64_Phdr), &raw);
	if (err)
		goto out;
	e->segments = calloc(n, sizeof(*e->segments));
	if (!e->segments) {
		err = -ENOMEM;
		goto out;
	}
	for (uint64_t i = 0; i < n; i++) {
		Elf64_Phdr p;

		memcpy(&p, raw.data + i * sizeof(p), sizeof(p));
		e->segments[i] = parse_segment(&p);
	}
	e->n_segments = n;
out:
	buf__done(&raw);
	return err;
}

/* Section names are a convenience: a table of them that cannot be read leaves them all "". */
static void read_names(struct elf *e, uint32_t names, const Elf64_Shdr *raw)
{
	const struct elf_section *s;

	if (names == SHN_UNDEF || names >= e->n_sections)
		return;
	s = &e->sections[names];
	if (s->type != SHT_STRTAB || s->size > SHSTRTAB_LIMIT || read_range(e, s->offset, s->size, &e->names))
		return;
	buf__append_char(&e->names, '\0');
	if (buf__err(&e->names))
		return;
	for (uint32_t i = 0; i < e->n_sections; i++)
		if (raw[i].sh_name < e->names.len)
			e->sections[i].name = (const char *)e->names.data + raw[i].sh_name;
}

static int read_sections(struct elf *e, const Elf64_Ehdr *h, uint64_t n, uint32_t names)
{
	struct buf raw;
	int err = 0;

	if (n > ELF_SECTIONS_MAX)
		return -E2BIG;
	if (n == 0 || !fits(e, h->e_shoff, n * sizeof(Elf64_Shdr)))
		return 0;
	buf__init(&raw, ELF_SECTIONS_MAX * sizeof(Elf64_Shdr));
	err = read_range(e, h->e_shoff, n * sizeof(Elf64_Shdr), &raw);
	if (err)
		goto out;
	e->sections = calloc(n, sizeof(*e->sections));
	if (!e->sections) {
		err = -ENOMEM;
		goto out;
	}
	e->n_sections = n;
	for (uint64_t i = 0; i < n; i++) {
		Elf64_Shdr s;

		memcpy(&s, raw.data + i * sizeof(s), sizeof(s));
		e->sections[i] = parse_section(&s);
	}
	read_names(e, names, (const Elf64_Shdr *)(const void *)raw.data);
out:
	buf__done(&raw);
	return err;
}

int elf__open(int fd, struct elf **ret_elf)
{
	uint64_t n_segments, n_sections;
	struct elf *e = NULL;
	Elf64_Ehdr h;
	struct stat st;
	uint32_t names;
	int err;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(h))
		return -ENOEXEC;
	err = io__pread_full(fd, &h, sizeof(h), 0);
	if (err)
		return err == -ENODATA ? -ENOEXEC : err;
	err = parse_header(&h);
	if (err)
		return err;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->fd = fd;
	e->type = h.e_type;
	e->machine = h.e_machine;
	e->entry = h.e_entry;
	e->file_size = st.st_size;
	buf__init(&e->names, SHSTRTAB_LIMIT + 1);
	err = read_counts(e, &h, &n_segments, &n_sections, &names);
	if (!err)
		err = read_segments(e, &h, n_segments);
	if (!err)
		err = read_sections(e, &h, n_sections, names);
	if (err)
		goto out;
	*ret_elf = e;
	e = NULL;
out:
	elf__free(e);
	return err;
}

void elf__free(struct elf *e)
{
	if (!e)
		return;
	free(e->segments);
	free(e->sections);
	buf__done(&e->names);
	free(e);
}

/* -- reading -- */

int elf__fd(const struct elf *e)
{
	return e->fd;
}

uint16_t elf__type(const struct elf *e)
{
	return e->type;
}

uint16_t elf__machine(const struct elf *e)
{
	return e->machine;
}

uint64_t elf__entry(const struct elf *e)
{
	return e->entry;
}

bool elf__is_entered(const struct elf *e)
{
	const struct elf_section *text = elf__find_section(e, ".text");
	uint64_t entry = elf__entry(e);

	for (uint32_t i = 0; i < elf__n_segments(e); i++)
		if (elf__segment(e, i)->type == PT_INTERP)
			return entry != 0;
	return entry && (elf__type(e) != ET_DYN || !text || text->vaddr != entry);
}

uint64_t elf__file_size(const struct elf *e)
{
	return e->file_size;
}

uint32_t elf__n_segments(const struct elf *e)
{
	return e->n_segments;
}

const struct elf_segment *elf__segment(const struct elf *e, uint32_t i)
{
	return i < e->n_segments ? &e->segments[i] : NULL;
}

uint32_t elf__n_sections(const struct elf *e)
{
	return e->n_sections;
}

const struct elf_section *elf__section(const struct elf *e, uint32_t i)
{
	return i < e->n_sections ? &e->sections[i] : NULL;
}

const struct elf_section *elf__find_section(const struct elf *e, const char *name)
{
	for (uint32_t i = 0; i < e->n_sections; i++)
		if (!strcmp(e->sections[i].name, name))
			return &e->sections[i];
	return NULL;
}

const struct elf_section *elf__find_section_type(const struct elf *e, uint32_t type)
{
	for (uint32_t i = 0; i < e->n_sections; i++)
		if (e->sections[i].type == type)
			return &e->sections[i];
	return NULL;
}

int elf__read_section(const struct elf *e, const struct elf_section *s, size_t limit, struct buf *to)
{
	bool is_zdebug = !strncmp(s->name, ".zdebug", 7);
	struct buf raw;
	int err;

	if (s->type == SHT_NOBITS || s->type == SHT_NULL)
		return -ENOENT;
	if (s->size > limit)
		return -E2BIG;
	if (!(s->flags & SHF_COMPRESSED) && !is_zdebug)
		return read_range(e, s->offset, s->size, to);
	buf__init(&raw, limit);
	err = read_range(e, s->offset, s->size, &raw);
	if (err)
		goto out;
	err = s->flags & SHF_COMPRESSED ? elf_inflate__section(raw.data, raw.len, limit, to)
					: elf_inflate__zdebug(raw.data, raw.len, limit, to);
out:
	buf__done(&raw);
	return err;
}

int elf__vaddr_to_offset(const struct elf *e, uint64_t vaddr, uint64_t *ret_offset, uint64_t *ret_left)
{
	for (uint32_t i = 0; i < e->n_segments; i++) {
		const struct elf_segment *p = &e->segments[i];

		if (p->type != PT_LOAD || vaddr < p->vaddr || vaddr - p->vaddr >= p->filesz)
			continue;
		if (!fits(e, p->offset, p->filesz))
			continue;
		*ret_offset = p->offset + (vaddr - p->vaddr);
		*ret_left = p->filesz - (vaddr - p->vaddr);
		return 0;
	}
	return -ENOENT;
}

int elf__read_vaddr(const struct elf *e, uint64_t vaddr, size_t len, struct buf *to)
{
	uint64_t offset, left;
	int err = elf__vaddr_to_offset(e, vaddr, &offset, &left);

	if (err)
		return err;
	return len > left ? -ENOENT : read_range(e, offset, len, to);
}

int elf__offset_to_vaddr(const struct elf *e, uint64_t offset, uint64_t *ret_vaddr)
{
	for (uint32_t i = 0; i < e->n_segments; i++) {
		const struct elf_segment *p = &e->segments[i];

		if (p->type == PT_LOAD && (p->flags & PF_X) && offset >= p->offset &&
		    offset - p->offset < p->filesz) {
			*ret_vaddr = p->vaddr + (offset - p->offset);
			return 0;
		}
	}
	return -ENOENT;
}

static int read_build_id(const struct elf *e, uint64_t offset, uint64_t size, uint64_t align, size_t *left,
			 struct build_id *ret_gnu, struct build_id *go)
{
	struct buf raw;
	size_t cost;
	int err;

	if (size > NOTE_LIMIT)
		size = NOTE_LIMIT;
	cost = size > NOTES_LEAST ? size : NOTES_LEAST;
	if (cost > *left)
		return -ENOENT;
	*left -= cost;
	buf__init(&raw, NOTE_LIMIT);
	err = read_range(e, offset, size, &raw);
	if (!err)
		err = parse_notes(raw.data, raw.len, align == 8 ? 8 : 4, ret_gnu, go);
	buf__done(&raw);
	return err;
}

/*
 * Sections first: in a separate debug file the segments still describe the file that it was split from. Only notes about properties
 * are aligned to 8, and they have a section of their own.
 */
int elf__build_id(const struct elf *e, uint8_t ret_id[ELF_BUILD_ID_MAX], size_t *ret_len)
{
	struct build_id gnu = {}, go = {};
	size_t left = NOTES_LIMIT;
	bool has_section;
	int err = -ENOENT;

	for (uint32_t i = 0; i < e->n_sections && err; i++) {
		const struct elf_section *s = &e->sections[i];

		if (s->type == SHT_NOTE)
			err = read_build_id(e, s->offset, s->size, 4, &left, &gnu, &go);
	}
	has_section = go.len;
	for (uint32_t i = 0; i < e->n_segments && err && !has_section; i++) {
		const struct elf_segment *p = &e->segments[i];

		if (p->type == PT_NOTE)
			err = read_build_id(e, p->offset, p->filesz, p->align, &left, &gnu, &go);
	}
	if (err)
		gnu = go;
	if (!gnu.len)
		return -ENOENT;
	memcpy(ret_id, gnu.bytes, gnu.len);
	*ret_len = gnu.len;
	return 0;
}
