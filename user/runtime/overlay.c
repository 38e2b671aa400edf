/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: a table of code ranges that overlap at will, of which the latest counts, must be bisected; the ranges
 * come from a file that an enemy may write, so no order and no nesting can be relied on, and inserting one after
 * the other would be quadratic.
 *
 * Idea: one sweep over the addresses, with a heap of the ranges that are open at the point, the latest on top.
 * Between two starts the top owns the space up to its end, then the one under it does.
 *
 *      order   0 |AAAAAAAAAAAA|            pieces   |AAA|BBBB|AA|CCCC|
 *              1     |BBBB|
 *              2            |CCCC|         (A owns two pieces)
 *
 * Ranges that have ended but lie under the top stay in the heap until they come up: each is pushed and popped once.
 *
 * Invariants: pieces are disjoint, ascending, not empty; two neighbours that touch have different owners; at most
 * 2n - 1 of them, because the owner changes only where a range starts or ends.
 *
 * Cost: O(n log n) time, 24 bytes a range while it runs.
 */
#include "user/runtime/overlay.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/bisect.h"

struct sweep {
	const struct overlay_range *ranges;
	uint32_t *order; /* range numbers by start */
	uint32_t *heap;  /* open ranges, the latest on top */
	uint32_t n_heap;
	struct overlay_piece *pieces;
	uint32_t n_pieces;
};

static int compare_starts(const void *va, const void *vb, void *vranges)
{
	uint32_t a = *(const uint32_t *)va, b = *(const uint32_t *)vb;
	const struct overlay_range *ranges = vranges;

	if (ranges[a].start != ranges[b].start)
		return ranges[a].start < ranges[b].start ? -1 : 1;
	return a < b ? -1 : a > b;
}

static void heap_push(struct sweep *s, uint32_t range)
{
	uint32_t i = s->n_heap++;

	for (; i && s->heap[(i - 1) / 2] < range; i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = range;
}

static void heap_pop(struct sweep *s)
{
	uint32_t last = s->heap[--s->n_heap], i = 0;

	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= s->n_heap)
			break;
		if (child + 1 < s->n_heap && s->heap[child + 1] > s->heap[child])
			child++;
		if (s->heap[child] <= last)
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = last;
}

static uint64_t range_end(const struct overlay_range *l)
{
	return l->start + l->size;
}

/* Gives [from, to) to the latest open range, or to those under it where it ends before. */
static void emit_pieces(struct sweep *s, uint64_t from, uint64_t to)
{
	while (s->n_heap && from < to) {
		uint32_t top = s->heap[0];
		uint64_t end = range_end(&s->ranges[top]);
		struct overlay_piece *prev = s->n_pieces ? &s->pieces[s->n_pieces - 1] : NULL;

		if (end <= from) {
			heap_pop(s);
			continue;
		}
		end = end < to ? end : to;
		if (prev && prev->range == top && prev->start + prev->size == from)
			prev->size += (uint32_t)(end - from);
		else
			s->pieces[s->n_pieces++] = (struct overlay_piece){from, (uint32_t)(end - from), top};
		from = end;
	}
}

int overlay__build(const struct overlay_range *ranges, uint32_t n, struct overlay_piece **pieces,
		   uint32_t *n_pieces)
{
	struct sweep s = {.ranges = ranges};
	struct overlay_piece *fitted;
	int err = -ENOMEM;

	s.order = malloc(((size_t)n + 1) * sizeof(*s.order));
	s.heap = malloc(((size_t)n + 1) * sizeof(*s.heap));
	s.pieces = malloc((2 * (size_t)n + 1) * sizeof(*s.pieces));
	if (!s.order || !s.heap || !s.pieces)
		goto out;
	for (uint32_t i = 0; i < n; i++)
		s.order[i] = i;
	qsort_r(s.order, n, sizeof(*s.order), compare_starts, (void *)ranges);
	for (uint32_t i = 0; i < n; i++) {
		if (i)
			emit_pieces(&s, ranges[s.order[i - 1]].start, ranges[s.order[i]].start);
		heap_push(&s, s.order[i]);
	}
	if (n)
		emit_pieces(&s, ranges[s.order[n - 1]].start, UINT64_MAX);
	fitted = realloc(s.pieces, (s.n_pieces + 1) * sizeof(*s.pieces));
	free(*pieces);
	*pieces = fitted ? fitted : s.pieces;
	*n_pieces = s.n_pieces;
	s.pieces = NULL;
	err = 0;
out:
	free(s.order);
	free(s.heap);
	free(s.pieces);
	return err;
}

uint32_t overlay__find(const struct overlay_piece *pieces, uint32_t n, uint64_t addr)
{
	uint64_t at = bisect__count(n, i, pieces[i].start <= addr);

	if (!at || addr - pieces[at - 1].start >= pieces[at - 1].size)
		return OVERLAY_NONE;
	return pieces[at - 1].range;
}
