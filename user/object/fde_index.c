// SPDX-License-Identifier: Apache-2.0
/*
 * Problem. To make the rows of one page we need its FDEs, a hundred of up to a million, from a file that stays on disk: memory is for the
 * pages that run, not for every library that is mapped.
 *
 * Idea. Linkers write a sorted table for the language runtimes: .eh_frame_hdr. We keep each thousandth key and fetch the rest by pread:
 *
 *      keys (memory)      k0            k1            k2                a page's range
 *                         |             |             |                  from │ to
 *      table (file)       [p p p p p p p p p p p p p p p p p p p p p p p p p p│p p p│p …]
 *                                                      read from k2 on ──────>│ kept│^ the first one after it
 *
 * The table is read once when it is opened, since a file may lie: a table that is not sorted would hide functions, silently.
 *
 * Invariants. What is read later is checked again (the file may have changed): a slice is sorted whatever the file says.
 *
 * Cost. Opening: one pass over 8 bytes a function (libLLVM: 95,000 functions, under 1 ms). A slice: one or two preads of 8 KiB, none where the slice before
 * ended in the same thousand; of the first thousand only what lies around the range is looked at.
 *
 * What it does not do. Know where an FDE ends: that stands in the FDE only.
 *
 * Reference. LSB core 5.0, 10.6.2 (.eh_frame_hdr).
 */
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/bisect.h"
#include "user/base/io.h"
#include "user/object/cfi_source.h"
#include "user/object/elf.h"
#include "user/object/fde_index.h"

#define PAIR_MAX     16 /* bytes of a pair in its widest encoding */
#define CHUNK_PAIRS  FDE_INDEX_STRIDE
#define CHUNK_BYTES  (CHUNK_PAIRS * PAIR_MAX)
#define REFS_INITIAL 256

/* Reads pairs [first, first + n), n <= CHUNK_PAIRS. */
static int read_pairs(const struct fde_index *x, uint64_t first, size_t n, uint8_t *ret_raw)
{
	size_t pair = 2 * x->hdr.value_size;
	int err = io__pread_full(elf__fd(x->elf), ret_raw, n * pair, x->table_at + first * pair);

	return err == -ENODATA ? -EBADMSG : err;
}

/* The i-th of those. */
static struct fde_ref pair_at(const struct fde_index *x, const uint8_t *raw, uint64_t first, size_t i)
{
	size_t value = x->hdr.value_size, pair = 2 * value;
	uint64_t at = x->hdr_vaddr + x->hdr.table_offset + (first + i) * pair;
	const uint8_t *p = raw + i * pair;

	return (struct fde_ref){
		.start = ehframe_hdr__value(&x->hdr, x->hdr_vaddr, p, at),
		.offset = ehframe_hdr__value(&x->hdr, x->hdr_vaddr, p + value, at + value) - x->eh_frame,
	};
}

/* Keeps the keys, and makes sure of order and bounds. */
static int check_table(struct fde_index *x, const struct cfi_source *source)
{
	uint8_t *raw = malloc(CHUNK_BYTES);
	uint64_t last = 0;
	int err = raw ? 0 : -ENOMEM;

	for (uint64_t first = 0; !err && first < x->n; first += CHUNK_PAIRS) {
		size_t n = x->n - first < CHUNK_PAIRS ? x->n - first : CHUNK_PAIRS;

		err = read_pairs(x, first, n, raw);
		if (!err)
			x->keys[first / FDE_INDEX_STRIDE] = pair_at(x, raw, first, 0).start;
		for (size_t i = 0; !err && i < n; i++) {
			struct fde_ref ref = pair_at(x, raw, first, i);

			if (ref.start < last || ref.offset >= source->size)
				err = -EBADMSG;
			last = ref.start;
		}
	}
	free(raw);
	return err;
}

int fde_index__open_table(struct fde_index *x, const struct elf *e, const struct ehframe_hdr *hdr,
			  uint64_t hdr_vaddr, uint64_t hdr_offset, const struct cfi_source *source)
{
	int err;

	*x = (struct fde_index){
		.elf = e,
		.n = hdr->n,
		.hdr = *hdr,
		.hdr_vaddr = hdr_vaddr,
		.table_at = hdr_offset + hdr->table_offset,
		.eh_frame = source->base.section,
	};
	if (!hdr->n || !hdr->value_size)
		return -EOPNOTSUPP;
	if (hdr->n > FDE_INDEX_MAX)
		return -E2BIG;
	x->keys = calloc(hdr->n / FDE_INDEX_STRIDE + 1, sizeof(*x->keys));
	if (!x->keys)
		return -ENOMEM;
	err = check_table(x, source);
	if (err)
		fde_index__done(x);
	return err;
}

/* -- our own array -- */

static bool is_code(const struct elf *e, uint64_t vaddr)
{
	for (uint32_t i = 0; i < elf__n_segments(e); i++) {
		const struct elf_segment *p = elf__segment(e, i);

		if (p->type == PT_LOAD && (p->flags & PF_X) && vaddr >= p->vaddr &&
		    vaddr - p->vaddr < p->memsz)
			return true;
	}
	return false;
}

static int add_ref(struct fde_index *x, uint64_t *cap, struct fde_ref ref)
{
	if (x->n == FDE_INDEX_MAX)
		return -E2BIG;
	if (x->n == *cap) {
		uint64_t more = *cap ? *cap * 2 : REFS_INITIAL;
		struct fde_ref *refs = realloc(x->refs, more * sizeof(*refs));

		if (!refs)
			return -ENOMEM;
		x->refs = refs;
		*cap = more;
	}
	x->refs[x->n++] = ref;
	return 0;
}

static int compare_refs(const void *a, const void *b)
{
	const struct fde_ref *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* A record that is not for us is passed over; one whose length cannot be is where the pass ends. */
static int scan_records(struct fde_index *x, struct cfi_reader *r, uint64_t *cap)
{
	uint64_t offset = 0;
	int err = 0;

	while (!err && offset < r->source->size) {
		const struct cie *cie;
		struct cfi_head head;
		struct fde fde;

		err = cfi_reader__head(r, offset, &head);
		if (err)
			return err == -EBADMSG ? 0 : err;
		if (head.kind == CFI_FDE) {
			err = cfi_reader__fde(r, offset, &fde, &cie);
			if (!err && fde.start && fde.end > fde.start && is_code(x->elf, fde.start))
				err = add_ref(x, cap, (struct fde_ref){.start = fde.start, .offset = offset});
			else if (err == -EBADMSG || err == -EOPNOTSUPP)
				err = 0;
		}
		offset += head.size;
	}
	return err;
}

int fde_index__scan(struct fde_index *x, const struct elf *e, const struct cfi_source *source)
{
	struct cfi_reader r;
	uint64_t cap = 0;
	int err;

	*x = (struct fde_index){.elf = e};
	if (source->size > FDE_SCAN_MAX)
		return -E2BIG;
	cfi_reader__init(&r, source);
	/* a pass reads each byte once and each record twice, as head and as a whole, and runs none of them */
	r.budget = 64 * FDE_SCAN_MAX;
	err = scan_records(x, &r, &cap);
	cfi_reader__done(&r);
	if (!err && x->n == 0)
		err = -ENOENT;
	if (err) {
		fde_index__done(x);
		return err;
	}
	qsort(x->refs, x->n, sizeof(*x->refs), compare_refs);
	return 0;
}

void fde_index__done(struct fde_index *x)
{
	if (!x)
		return;
	free(x->keys);
	free(x->refs);
	*x = (struct fde_index){0};
}

size_t fde_index__bytes(const struct fde_index *x)
{
	return x->keys ? (x->n / FDE_INDEX_STRIDE + 1) * sizeof(*x->keys) : x->n * sizeof(*x->refs);
}

/* -- slices -- */

/* Index of the last key or reference at or before `from`, or 0. */
static uint64_t find_key(const struct fde_index *x, uint64_t from)
{
	uint64_t n = x->keys ? (x->n + FDE_INDEX_STRIDE - 1) / FDE_INDEX_STRIDE : x->n;

	n = bisect__count(n, i, (x->keys ? x->keys[i] : x->refs[i].start) <= from);
	return n ? n - 1 : 0;
}

/* Adds the next entry in order; returns 1 when the slice is whole. */
static int put_ref(struct fde_slice *s, uint64_t from, uint64_t to, struct fde_ref ref)
{
	if (s->n && (ref.start < s->refs[s->n - 1].start))
		return -EBADMSG;
	/* a later one that still starts at or before the range, or with the same start, takes the place of the last */
	if (s->n && (ref.start <= from || ref.start == s->refs[s->n - 1].start))
		s->n--;
	if (s->n == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : REFS_INITIAL;
		struct fde_ref *refs = realloc(s->refs, cap * sizeof(*refs));

		if (!refs)
			return -ENOMEM;
		s->refs = refs;
		s->cap = cap;
	}
	s->refs[s->n++] = ref;
	return ref.start >= to;
}

/* The chunk that begins with the pair `first` into s->raw, if it is not there from the slice before. */
static int slice_chunk(const struct fde_index *x, uint64_t first, size_t n, struct fde_slice *s)
{
	int err;

	if (s->raw_of == x && s->raw_first == first)
		return 0;
	if (!s->raw)
		s->raw = malloc(CHUNK_BYTES);
	if (!s->raw)
		return -ENOMEM;
	s->raw_of = NULL;
	err = read_pairs(x, first, n, s->raw);
	if (err)
		return err;
	s->n_read += n * 2 * x->hdr.value_size;
	s->raw_of = x;
	s->raw_first = first;
	return 0;
}

/* In the chunk, the last pair that starts at or before the address, or 0. */
static size_t find_pair(const struct fde_index *x, const struct fde_slice *s, size_t n, uint64_t from)
{
	n = bisect__count(n, i, pair_at(x, s->raw, s->raw_first, i).start <= from);
	return n ? n - 1 : 0;
}

static int slice_table(const struct fde_index *x, uint64_t from, uint64_t to, struct fde_slice *s)
{
	uint64_t first = find_key(x, from) * FDE_INDEX_STRIDE, looked = 0;
	int done = 0;

	while (!done && first < x->n) {
		size_t n = x->n - first < CHUNK_PAIRS ? x->n - first : CHUNK_PAIRS;

		done = looked > FDE_SLICE_MAX ? -E2BIG : slice_chunk(x, first, n, s);
		for (size_t i = done || looked ? 0 : find_pair(x, s, n, from); !done && i < n; i++)
			done = put_ref(s, from, to, pair_at(x, s->raw, first, i));
		looked += n;
		first += n;
	}
	return done < 0 ? done : 0;
}

int fde_index__slice(const struct fde_index *x, uint64_t from, uint64_t to, struct fde_slice *s)
{
	int done = 0;

	s->n = 0;
	s->n_read = 0;
	if (x->keys)
		return slice_table(x, from, to, s);
	for (uint64_t i = x->n ? find_key(x, from) : 0; !done && i < x->n; i++)
		done = put_ref(s, from, to, x->refs[i]);
	return done < 0 ? done : 0;
}

void fde_slice__done(struct fde_slice *s)
{
	if (!s)
		return;
	free(s->refs);
	free(s->raw);
	*s = (struct fde_slice){0};
}
