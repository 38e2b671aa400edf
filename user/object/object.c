/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: a PC has to become an address in a file, and files lie: they are not ELF, are cut short, or name segments
 * that overlap, wrap around or start in the middle of a page.
 *
 * Idea: keep only what the arithmetic needs, the executable PT_LOADs, and check them once. Then
 *
 *      file       ...|----page----|----page----|...
 *                      ^p_offset                        maps whole pages: pgoff = p_offset rounded down
 *      memory     ...|----page----|----page----|...
 *                    ^start
 *      vaddr = pc - start + pgoff - p_offset + p_vaddr, so bias = start - pgoff + p_offset - p_vaddr (modulo 2^64)
 *
 * The bias belongs to the mapping, not to the file: a program may map one piece of its text a second time elsewhere,
 * and two segments of one file may have different p_vaddr - p_offset.
 *
 * Invariants: READY has at least one segment; each has vaddr + memsz within FRAME_VADDR_MASK and offset + filesz
 * within 2^63; any other state has no segments and OBJECT_VADDR_IS_OFFSET.
 *
 * What it does not do: where a file's pages hold the end of one executable segment and the start of the next, the
 * mapping that starts at that page is taken for the segment that starts there, as the loader maps them.
 *
 * Reference: System V gABI, program loading; Linux fs/binfmt_elf.c elf_map() and elf_load().
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/far_file.h"
#include "user/object/object.h"

static uint64_t page_mask(void)
{
	long size = sysconf(_SC_PAGESIZE);

	return size > 0 ? (uint64_t)size - 1 : 4095;
}

static void object__fail(struct object *o, enum object_state state, int error)
{
	o->state = state;
	o->error = error;
	o->flags |= OBJECT_VADDR_IS_OFFSET;
}

static enum object_state state_of_error(int error)
{
	switch (error) {
	case -ENOEXEC:
		return OBJECT_NOT_ELF;
	case -EOPNOTSUPP:
		return OBJECT_FOREIGN;
	case -EBADMSG:
	case -E2BIG:
	case -ENODATA:
		return OBJECT_DAMAGED;
	default:
		return OBJECT_UNREADABLE;
	}
}

/* Of the machine we run on: code of another one is emulated, and its PCs are not in its mappings. */
static bool native_machine(uint16_t machine)
{
#if defined(__x86_64__)
	return machine == EM_X86_64;
#elif defined(__aarch64__)
	return machine == EM_AARCH64;
#else
	return machine != EM_NONE;
#endif
}

static bool segment_sane(const struct elf_segment *s)
{
	return s->vaddr <= FRAME_VADDR_MASK && s->memsz <= FRAME_VADDR_MASK &&
	       s->vaddr + s->memsz <= FRAME_VADDR_MASK && s->filesz <= s->memsz && s->offset <= INT64_MAX &&
	       s->filesz <= INT64_MAX && s->offset + s->filesz <= INT64_MAX;
}

static bool segment_executable(const struct elf_segment *s)
{
	return s->type == PT_LOAD && (s->flags & PF_X) && s->filesz > 0;
}

static int object__take_segments(struct object *o, const struct elf *e)
{
	uint32_t n = elf__n_segments(e);
	uint32_t count = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct elf_segment *s = elf__segment(e, i);

		if (!segment_executable(s))
			continue;
		if (!segment_sane(s))
			return -EBADMSG;
		count++;
	}
	if (count == 0)
		return -EBADMSG;
	o->segments = calloc(count, sizeof(*o->segments));
	if (!o->segments)
		return -ENOMEM;
	for (uint32_t i = 0; i < n && o->n_segments < count; i++) {
		const struct elf_segment *s = elf__segment(e, i);

		if (segment_executable(s))
			o->segments[o->n_segments++] = (struct object_segment){.vaddr = s->vaddr,
									       .offset = s->offset,
									       .filesz = s->filesz,
									       .memsz = s->memsz};
	}
	return 0;
}

int object__describe(struct object *o, int fd)
{
	struct elf *e = NULL;
	size_t len = 0;
	int r;

	r = elf__open(fd, &e);
	if (r < 0)
		goto out;
	o->elf_type = elf__type(e);
	o->machine = elf__machine(e);
	if (elf__build_id(e, o->build_id, &len) == 0)
		o->build_id_len = len;
	r = native_machine(o->machine) ? object__take_segments(o, e) : -EOPNOTSUPP;
out:
	elf__free(e);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		object__fail(o, state_of_error(r), r);
	else
		o->state = OBJECT_READY;
	return 0;
}

int object__set_path(struct object *o, const char *path)
{
	char *copy = strndup(path ? path : "", OBJECT_PATH_MAX);
	const char *slash;

	if (!copy)
		return -ENOMEM;
	free(o->path);
	o->path = copy;
	slash = strrchr(copy, '/');
	o->basename = slash && slash[1] ? slash + 1 : copy;
	return 0;
}

void object__done(struct object *o)
{
	if (!o)
		return;
	free(o->segments);
	free(o->path);
	memset(o, 0, sizeof(*o));
}

/* The segment whose pages hold the offset; one that starts in that page beats one that ends in it. */
static const struct object_segment *object__segment_at(const struct object *o, uint64_t pgoff)
{
	const struct object_segment *found = NULL;
	uint64_t mask = page_mask();

	for (uint32_t i = 0; i < o->n_segments; i++) {
		const struct object_segment *s = &o->segments[i];
		uint64_t first = s->offset & ~mask;
		uint64_t end = (s->offset + s->filesz + mask) & ~mask;

		if (pgoff < first || pgoff >= end)
			continue;
		if (!found || first == pgoff)
			found = s;
	}
	return found;
}

int object__bias(const struct object *o, uint64_t start, uint64_t pgoff, uint64_t *ret_bias)
{
	const struct object_segment *s;

	if (o->flags & OBJECT_VADDR_IS_OFFSET) {
		*ret_bias = start - pgoff;
		return 0;
	}
	s = object__segment_at(o, pgoff);
	if (!s)
		return -ENOENT;
	*ret_bias = start - pgoff + s->offset - s->vaddr;
	return 0;
}

bool object__covers(const struct object *o, uint64_t pgoff)
{
	return object__segment_at(o, pgoff) != NULL;
}

bool object__same_code(const struct object *a, const struct object *b)
{
	if (a->state != OBJECT_READY || b->state != OBJECT_READY || a->machine != b->machine)
		return false;
	if (a->build_id_len == 0 || a->build_id_len != b->build_id_len || a->n_segments != b->n_segments)
		return false;
	if (a->identity.owner != b->identity.owner)
		return false;
	return memcmp(a->build_id, b->build_id, a->build_id_len) == 0 &&
	       memcmp(a->segments, b->segments, a->n_segments * sizeof(*a->segments)) == 0;
}

bool object_identity__eq(const struct object_identity *a, const struct object_identity *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime_ns == b->mtime_ns;
}

int read_object_identity(int fd, struct object_identity *ret_identity)
{
	struct statx who;
	int err = far_file__who(fd, &who);

	if (!err)
		*ret_identity = (struct object_identity){
			.dev = (uint64_t)who.stx_dev_major << 32 | who.stx_dev_minor,
			.ino = who.stx_ino,
			.size = who.stx_size,
			.mtime_ns = (int64_t)who.stx_mtime.tv_sec * 1000000000 + who.stx_mtime.tv_nsec,
			.owner = who.stx_uid,
		};
	return err;
}

void object__format_build_id(const struct object *o, char ret_hex[2 * ELF_BUILD_ID_MAX + 1])
{
	static const char digits[] = "0123456789abcdef";
	size_t n = o->build_id_len <= ELF_BUILD_ID_MAX ? o->build_id_len : ELF_BUILD_ID_MAX;

	for (size_t i = 0; i < n; i++) {
		ret_hex[2 * i] = digits[o->build_id[i] >> 4];
		ret_hex[2 * i + 1] = digits[o->build_id[i] & 15];
	}
	ret_hex[2 * n] = '\0';
}

size_t object__bytes(const struct object *o)
{
	return sizeof(*o) + o->n_segments * sizeof(*o->segments) + (o->path ? strlen(o->path) + 1 : 0);
}
