// SPDX-License-Identifier: Apache-2.0
/*
 * row_store - Problem: tables of all binaries of a host are hundreds of megabytes, of which a few are walked. The kernel cannot allocate while it walks.
 * Idea: rows come by page of 64 KiB of code, when a walk met it first, and are packed (bpf/row_page.h) and appended to the youngest segment. There is no free list: when the
 *   limit is reached, the oldest segment is emptied as a whole and becomes the youngest. What it held and is still needed comes back one page at a
 *   time, through the same path as a page that was never seen. A page costs some hundred microseconds to build, so even the worst case is cheap, and
 *   memory never fragments.
 * Invariants: a page's entry in `row_pages` is written after its rows and removed before they are overwritten, with a wait for running
 *   programs in between. Those that may be kept from their CPU it does not reach: they ask whether a segment was emptied after they have read (bpf/unwind_table.bpf.h). The mirror here (pages, found by hash) always equals the map.
 */
#include "user/kernel/row_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/membarrier.h>

#include "user/base/hashmap.h"
#include "user/base/io.h"
#include "user/kernel/loader.h"
#include "user/kernel/row_page.h"

struct segment {
	int fd;
	struct row_cells *cells;
	uint32_t used; /* cells */
};

/* In the order of their making; freed slots are chained through `next_free`. */
struct page {
	uint64_t key; /* row_page_key(); 0: free */
	struct row_page at;
	uint32_t next_free;
};

struct row_store {
	const struct kernel_maps *maps;
	struct segment segments[ROW_SEGMENTS_MAX];
	uint32_t n_segments, max_segments, youngest;
	struct page *pages;
	uint32_t n_pages, cap_pages, first_free; /* first_free: index + 1 */
	struct hashmap by_key;
	uint64_t n_live, n_rows, n_evicted;
};

/* Waits until no BPF program that runs now is running any more, but for those that may sleep (bpf/off_cpu.bpf.c, off_cpu__resumed). */
static void kernel__wait_for_programs(void)
{
	const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};

	/* synchronize_rcu() by another name; not there with nohz_full, where 20 ms outlast any such walk */
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		nanosleep(&pause, NULL);
}

static bool page__eq(uint32_t index, const void *key, const void *owner)
{
	const struct row_store *s = owner;

	return s->pages[index].key == *(const uint64_t *)key;
}

static uint32_t limit_segments(uint32_t n)
{
	return n < 2 ? 2 : n > ROW_SEGMENTS_MAX ? ROW_SEGMENTS_MAX : n;
}

int row_store__new(const struct kernel_maps *maps, uint32_t max_segments, struct row_store **ret)
{
	struct row_store *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->maps = maps;
	s->max_segments = limit_segments(max_segments);
	hashmap__init(&s->by_key);
	*ret = s;
	return 0;
}

static void segment__close(struct segment *g)
{
	if (g->cells)
		munmap(g->cells, ROW_SEGMENT_BYTES);
	g->cells = NULL;
	io__close(&g->fd);
}

void row_store__free(struct row_store *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->n_segments; i++)
		segment__close(&s->segments[i]);
	hashmap__done(&s->by_key);
	free(s->pages);
	free(s);
}

/* A new inner map of the outer one's shape, mapped. */
static int row_store__open_segment(struct row_store *s, uint32_t index)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	struct segment *g = &s->segments[index];
	void *at;
	int ret;

	*g = (struct segment){.fd = FD_CLOSED};
	g->fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "row_segment", sizeof(uint32_t), ROW_SEGMENT_BYTES, 1,
			       &opts);
	if (g->fd < 0)
		return g->fd;
	at = mmap(NULL, ROW_SEGMENT_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, g->fd, 0);
	if (at == MAP_FAILED) {
		ret = -errno;
		goto out;
	}
	g->cells = at;
	ret = bpf_map_update_elem(s->maps->row_segments_fd, &index, &g->fd, BPF_ANY);
	if (!ret)
		return 0;
out:
	segment__close(g);
	return ret;
}

static void row_store__remove_page(struct row_store *s, uint32_t index)
{
	struct page *p = &s->pages[index];

	bpf_map_delete_elem(s->maps->row_pages_fd, &p->key);
	hashmap__remove(&s->by_key, hash_u64(p->key), index);
	s->n_live--;
	s->n_rows -= p->at.count;
	p->key = 0;
	p->next_free = s->first_free;
	s->first_free = index + 1;
}

/* Takes out all pages of a segment, so that it can be written again. */
static void row_store__empty_segment(struct row_store *s, uint32_t segment)
{
	for (uint32_t i = 0; i < s->n_pages; i++) {
		if (s->pages[i].key && s->pages[i].at.segment == segment) {
			row_store__remove_page(s, i);
			s->n_evicted++;
		}
	}
	/* after the entries are gone: what walks remember of them does not hold any more */
	s->maps->gate->n_emptied++;
	kernel__wait_for_programs();
	s->segments[segment].used = 0;
}

/* Makes the youngest one a segment with nothing in it: a new one, or the oldest, emptied. */
static int row_store__begin_segment(struct row_store *s)
{
	uint32_t next;
	int ret;

	if (s->n_segments < s->max_segments && s->n_live < ROW_PAGES_MAX - 1) {
		ret = row_store__open_segment(s, s->n_segments);
		if (!ret) {
			s->youngest = s->n_segments++;
			return 0;
		}
		if (s->n_segments == 0)
			return ret;
	}
	next = (s->youngest + 1) % s->n_segments;
	row_store__empty_segment(s, next);
	s->youngest = next;
	return s->n_live < ROW_PAGES_MAX - 1 ? 0 : -E2BIG;
}

/* Would it fit if nothing else were there? For what does not, no segment is emptied. */
static int row_store__measure(const struct unwind_row *rows, uint32_t n)
{
	struct row_page_size size;
	uint32_t *cells;
	int err;

	/* a cell a row, two a rule: most cannot be too large */
	if (ROW_INDEX_CELLS + 3 * n + ROW_PAGE_ALIGN <= ROW_SEGMENT_CELLS)
		return 0;
	cells = malloc(ROW_SEGMENT_BYTES);
	err = cells ? row_page__pack(rows, n, cells, ROW_SEGMENT_CELLS, &size) : -ENOMEM;
	free(cells);
	return err;
}

/*
 * Packs the rows behind what is used of the youngest segment; where they do not fit, or no page more has an entry, begins another one. Nothing that is
 * written before the page has its entry is seen by a walk.
 */
static int row_store__place(struct row_store *s, const struct unwind_row *rows, uint32_t n,
			    struct row_page_size *ret)
{
	struct segment *g = &s->segments[s->youngest];
	int err = -E2BIG;

	*ret = (struct row_page_size){};
	if (s->n_segments && s->n_live < ROW_PAGES_MAX - 1)
		err = !n ? 0
			 : row_page__pack(rows, n, g->cells->cells + g->used, ROW_SEGMENT_CELLS - g->used,
					  ret);
	if (err != -E2BIG || (s->n_segments && !g->used && s->n_live < ROW_PAGES_MAX - 1))
		return err;
	err = row_store__measure(rows, n);
	if (!err)
		err = row_store__begin_segment(s);
	g = &s->segments[s->youngest];
	if (!err && n)
		err = row_page__pack(rows, n, g->cells->cells, ROW_SEGMENT_CELLS, ret);
	return err;
}

int row_store__find(const struct row_store *s, uint32_t object, uint64_t vaddr, struct unwind_row *ret_row)
{
	uint64_t key = row_page_key(object, vaddr);
	uint32_t index = hashmap__find(&s->by_key, hash_u64(key), page__eq, &key, s);
	const struct page *p;

	if (index == HASHMAP_NONE)
		return -ENOENT;
	p = &s->pages[index];
	*ret_row = (struct unwind_row){.cfa = ROW_CFA_NONE};
	if (p->at.count)
		row_page__find(s->segments[p->at.segment].cells, p->at.first, p->at.count, (uint16_t)vaddr,
			       ret_row);
	return 0;
}

/* Index of a free page slot. */
static int row_store__page_slot(struct row_store *s, uint32_t *ret_index)
{
	if (s->first_free) {
		*ret_index = s->first_free - 1;
		s->first_free = s->pages[*ret_index].next_free;
		return 0;
	}
	if (s->n_pages == s->cap_pages) {
		uint32_t cap = s->cap_pages ? s->cap_pages * 2 : 256;
		struct page *pages = realloc(s->pages, cap * sizeof(*pages));

		if (!pages)
			return -ENOMEM;
		s->pages = pages;
		s->cap_pages = cap;
	}
	*ret_index = s->n_pages++;
	s->pages[*ret_index] = (struct page){};
	return 0;
}

int row_store__push(struct row_store *s, uint32_t object, uint64_t vaddr, const struct unwind_row *rows,
		    uint32_t n)
{
	uint64_t key = row_page_key(object, vaddr);
	struct row_page_size size;
	struct segment *g;
	struct page *p;
	uint32_t index;
	int ret;

	index = hashmap__find(&s->by_key, hash_u64(key), page__eq, &key, s);
	if (index != HASHMAP_NONE)
		return -EEXIST;
	ret = row_store__place(s, rows, n, &size);
	if (!ret)
		ret = row_store__page_slot(s, &index);
	if (ret)
		return ret;
	g = &s->segments[s->youngest];
	p = &s->pages[index];
	*p = (struct page){.key = key, .at = {.segment = s->youngest, .first = g->used, .count = size.rows}};
	__atomic_thread_fence(__ATOMIC_RELEASE);
	ret = bpf_map_update_elem(s->maps->row_pages_fd, &key, &p->at, BPF_ANY);
	if (!ret)
		ret = hashmap__add(&s->by_key, hash_u64(key), index);
	if (ret) {
		bpf_map_delete_elem(s->maps->row_pages_fd, &key);
		p->key = 0;
		p->next_free = s->first_free;
		s->first_free = index + 1;
		return ret;
	}
	g->used += size.cells;
	s->n_live++;
	s->n_rows += size.rows;
	return 0;
}

void row_store__forget(struct row_store *s, uint32_t object)
{
	for (uint32_t i = 0; i < s->n_pages; i++)
		if (s->pages[i].key && s->pages[i].key >> (FRAME_OBJECT_SHIFT - ROW_PAGE_BITS) == object)
			row_store__remove_page(s, i);
}

uint64_t row_store__shrink(struct row_store *s, uint32_t max_segments)
{
	uint64_t bytes = 0;

	s->max_segments = limit_segments(max_segments);
	while (s->n_segments > s->max_segments) {
		uint32_t last = s->n_segments - 1;

		row_store__empty_segment(s, last);
		bpf_map_delete_elem(s->maps->row_segments_fd, &last);
		segment__close(&s->segments[last]);
		s->n_segments--;
		if (s->youngest >= s->n_segments)
			s->youngest = 0;
		bytes += ROW_SEGMENT_BYTES;
	}
	return bytes;
}

void row_store__stats(const struct row_store *s, struct row_store_stats *ret)
{
	*ret = (struct row_store_stats){
		.pages = s->n_live,
		.rows = s->n_rows,
		.segments = s->n_segments,
		.bytes = (uint64_t)s->n_segments * ROW_SEGMENT_BYTES + s->cap_pages * sizeof(struct page) +
			 hashmap__bytes(&s->by_key),
		.pages_evicted = s->n_evicted,
	};
}
