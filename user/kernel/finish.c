// SPDX-License-Identifier: Apache-2.0
#include "user/kernel/finish.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "user/kernel/losses.h"

/* The walk, and what its ports need. `walk` first: the ports are called with it. */
struct finish {
	struct walk walk;
	const struct unfinished_record *record;
	const struct finish_ports *ports;
};

/* From one of the two pieces that were copied. */
static int read_piece(const __u8 *piece, __u64 piece_at, __u32 piece_bytes, void *to, __u32 len, __u64 addr)
{
	__u64 at = addr - piece_at;

	if (addr < piece_at || at > piece_bytes || len > piece_bytes - at)
		return -1;
	memcpy(to, piece + at, len);
	return 0;
}

static int unwind_read(struct walk *w, void *to, __u32 len, __u64 addr)
{
	const struct unfinished_record *r = ((struct finish *)w)->record;

	if (!read_piece(r->stack, r->stack_at, r->stack_bytes, to, len, addr) ||
	    !read_piece(r->stack + r->stack_bytes, r->root_at, r->root_bytes, to, len, addr))
		return 0;
	return r->stack_bytes ? END_STACK_COPY : END_STACK_READ;
}

static int unwind_find_mapping(struct walk *w, __u64 pc)
{
	const struct finish *f = (const struct finish *)w;

	return f->ports->find_mapping(f->ports->ctx, &f->record->key, pc, &w->mapping);
}

static int unwind_find_row(struct walk *w, __u64 word, struct unwind_row *row)
{
	const struct finish *f = (const struct finish *)w;

	return f->ports->find_row(f->ports->ctx, frame_object(word), frame_vaddr(word), row);
}

/* The stack was copied, the code was not: it stands in the file, or still in the process. */
static int unwind_read_code(struct walk *w, void *to, __u32 len, __u64 pc)
{
	const struct finish *f = (const struct finish *)w;
	__u64 vaddr = w->mapping.object ? pc - w->mapping.bias : pc;

	return f->ports->read_code(f->ports->ctx, &f->record->key, w->mapping.object, vaddr, to, len);
}

#include "bpf/unwind.bpf.h"

#define COPY_PAGE 4096

/* Is there nothing in the page of addr, as far as this piece has it? */
static bool is_empty_page(const uint8_t *piece, uint64_t piece_at, uint32_t piece_bytes, uint64_t addr)
{
	static const uint8_t zeros[COPY_PAGE];
	uint64_t at = addr - piece_at, in_page = addr % COPY_PAGE, from, to;

	if (addr < piece_at || at >= piece_bytes)
		return false;
	from = at > in_page ? at - in_page : 0;
	to = at - in_page + COPY_PAGE;
	return !memcmp(piece + from, zeros, (to < piece_bytes ? to : piece_bytes) - from);
}

/* What could not be read was copied as zeros. A return address of zero that comes from there is not known, and no end mark. */
static bool is_unread(const struct unfinished_record *r, uint64_t addr)
{
	return is_empty_page(r->stack, r->stack_at, r->stack_bytes, addr) ||
	       is_empty_page(r->stack + r->stack_bytes, r->root_at, r->root_bytes, addr);
}

int finish__walk(const struct unfinished_record *r, size_t size, const struct finish_ports *ports,
		 struct walk *ret_walk)
{
	struct finish f = {.record = r, .ports = ports};
	struct walk *w = &f.walk;
	int end = UNWIND_CONTINUE;
	__u32 n;

	if (size < offsetof(struct unfinished_record, stack) || unfinished_record__bytes(r) > size ||
	    r->n_kernel > KERNEL_FRAMES_MAX || r->n_user > USER_FRAMES_MAX || r->n_outer > WALK_FRAMES_MAX ||
	    r->end >= END_MAX)
		return -EBADMSG;
	w->pc = r->pc;
	w->sp = r->sp;
	w->fp = r->fp;
	w->leaf = r->leaf;
	w->fp_unknown = r->fp_unknown;
	w->rbx_known = r->rbx_known;
	w->near_leaf = r->near_leaf;
	w->unchecked = r->unchecked;
	w->derived = r->derived;
	memcpy(w->regs, r->regs, sizeof(w->regs));
	memcpy(w->outer, r->outer, sizeof(w->outer));
	for (__u32 i = 0; i < (__u32)r->n_kernel + r->n_user; i++)
		walk__append(w, r->words[i]);
	w->n_kernel = r->n_kernel;
	w->n_outer = r->n_outer;
	for (n = (__u32)r->n_user + r->n_outer; end == UNWIND_CONTINUE; n++)
		end = n < WALK_FRAMES_MAX ? unwind__step(w) : END_DEPTH;
	if (end == END_END_MARK && !w->pc && is_unread(r, w->sp - sizeof(w->pc)))
		end = END_STACK_READ;
	w->end = (__u8)end;
	walk__close(w);
	*ret_walk = *w;
	return 0;
}
