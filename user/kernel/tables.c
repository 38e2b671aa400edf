// SPDX-License-Identifier: Apache-2.0
#include "user/kernel/tables.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/code_pages.h"
#include "user/base/buf.h"
#include "user/base/clock.h"
#include "user/base/io.h"
#include "user/base/log.h"
#include "user/object/elf.h"
#include "user/object/object_cache.h"
#include "user/object/unwind_table.h"

/* A file that pages are being built from. Several pages of it are mostly asked for in a row. */
struct open_table {
	uint32_t object; /* 0: free */
	int fd;
	struct elf *elf;
	struct unwind_table *table; /* NULL: it could not be read when it was used last … */
	int err;                    /* … for this, which passes */
	uint64_t used_ns;
};

struct tables {
	struct object_cache *objects;
	struct row_store *store;
	struct unwind_row *scratch; /* [ROW_PAGE_SIZE] */
	struct open_table open[TABLES_OPEN_MAX];
	tables_build_fn build;
	void *build_ctx;
	struct tables_stats stats;
};

int tables__new(const struct kernel_maps *maps, struct object_cache *objects, uint32_t max_segments,
		struct tables **ret)
{
	struct tables *t = calloc(1, sizeof(*t));
	int err = -ENOMEM;

	if (!t)
		return -ENOMEM;
	for (int i = 0; i < TABLES_OPEN_MAX; i++)
		t->open[i].fd = FD_CLOSED;
	t->objects = objects;
	t->scratch = malloc(ROW_PAGE_SIZE * sizeof(*t->scratch)); /* touched only as far as pages are full */
	if (t->scratch)
		err = row_store__new(maps, max_segments, &t->store);
	if (err) {
		tables__free(t);
		return err;
	}
	*ret = t;
	return 0;
}

static void open_table__close(struct open_table *o)
{
	unwind_table__free(o->table);
	elf__free(o->elf);
	io__close(&o->fd);
	*o = (struct open_table){.fd = FD_CLOSED};
}

static void open_table__rest(struct open_table *o, uint32_t object, uint64_t now, int err)
{
	open_table__close(o);
	o->object = object;
	o->err = err;
	o->used_ns = now;
}

void tables__free(struct tables *t)
{
	if (!t)
		return;
	for (int i = 0; i < TABLES_OPEN_MAX; i++)
		open_table__close(&t->open[i]);
	row_store__free(t->store);
	free(t->scratch);
	free(t);
}

/* The slot that was unused for longest. */
static struct open_table *tables__slot(struct tables *t, uint32_t object)
{
	struct open_table *oldest = &t->open[0];

	for (int i = 0; i < TABLES_OPEN_MAX; i++) {
		if (t->open[i].object == object)
			return &t->open[i];
		if (t->open[i].used_ns < oldest->used_ns)
			oldest = &t->open[i];
	}
	return oldest;
}

static int tables__open(struct tables *t, uint32_t object, uint64_t now, struct open_table **ret)
{
	struct open_table *o = tables__slot(t, object);
	int err;

	if (o->object == object && !o->table && now - o->used_ns < TABLES_RESPITE_NS)
		return o->err;
	if (o->object == object && o->table) {
		o->used_ns = now;
		*ret = o;
		return 0;
	}
	open_table__close(o);
	err = object_cache__open_fd(t->objects, object, now, &o->fd);
	if (!err)
		err = elf__open(o->fd, &o->elf);
	if (!err)
		err = unwind_table__open(o->elf, NULL, &o->table);
	if (err) {
		if (io__is_passing(err))
			open_table__rest(o, object, now, err);
		else
			open_table__close(o);
		t->stats.files_failed++;
		return err;
	}
	t->stats.files_opened++;
	o->object = object;
	o->used_ns = now;
	*ret = o;
	return 0;
}

static size_t open_table__bytes(const struct open_table *o)
{
	return o->table ? unwind_table__bytes(o->table) : 0;
}

/* Closes those that were unused for longest, until the rest have room. Not the last one: to open it anew for each of its pages may take longer than all of them. */
static void tables__fit(struct tables *t, const struct open_table *last)
{
	for (;;) {
		struct open_table *oldest = NULL;
		size_t bytes = 0;

		for (int i = 0; i < TABLES_OPEN_MAX; i++) {
			struct open_table *o = &t->open[i];

			if (o == last || !o->table)
				continue;
			bytes += open_table__bytes(o);
			if (!oldest || o->used_ns < oldest->used_ns)
				oldest = o;
		}
		if (bytes <= TABLES_BYTES_MAX)
			return;
		open_table__close(oldest);
	}
}

void tables__set_build(struct tables *t, tables_build_fn fn, void *ctx)
{
	t->build = fn;
	t->build_ctx = ctx;
}

static int tables__rows_of(struct tables *t, uint32_t object, uint64_t vaddr, uint64_t now, uint32_t *ret_n,
			   struct unwind_page_stats *stats)
{
	struct open_table *o;
	int err;

	if (object >= CODE_PAGES_FIRST)
		return t->build ? t->build(t->build_ctx, object, vaddr, t->scratch, ROW_PAGE_SIZE, ret_n)
				: -ENOENT;
	err = tables__open(t, object, now, &o);
	if (err)
		return err;
	err = unwind_table__build_page(o->table, vaddr >> ROW_PAGE_BITS, t->scratch, ROW_PAGE_SIZE, ret_n,
				       stats);
	tables__fit(t, o);
	if (io__is_passing(err))
		open_table__rest(o, object, now, err);
	return err;
}

/* Makes the page; *ret_n = 0 where there is nothing to make it from. */
static int tables__build(struct tables *t, uint32_t object, uint64_t vaddr, uint32_t *ret_n)
{
	struct unwind_page_stats stats = {};
	uint64_t now = clock__mono_ns(), took;
	uint32_t n = 0;
	int err;

	err = tables__rows_of(t, object, vaddr, now, &n, &stats);
	if (err && err != -ENOENT)
		log_debug("tables: build page 0x%llx of object %u: error %d, its stacks go by frame pointers",
			  (unsigned long long)(vaddr >> ROW_PAGE_BITS), object, -err);
	took = clock__mono_ns() - now;
	t->stats.build_ns += took;
	if (took > t->stats.build_max_ns)
		t->stats.build_max_ns = took;
	t->stats.damaged_fdes += stats.damaged;
	t->stats.derived_rows += stats.derived;
	t->stats.go_functions += stats.go_functions;
	for (int i = 0; i < UNWIND_UNSUPPORTED_MAX; i++)
		t->stats.unsupported_rules += stats.unsupported[i];
	if (!err && n)
		t->stats.pages_built++;
	else if (!io__is_passing(err))
		t->stats.pages_empty++;
	*ret_n = err ? 0 : n;
	return err;
}

bool tables__has(const struct tables *t, uint32_t object, uint64_t vaddr)
{
	struct unwind_row row;

	return !row_store__find(t->store, object, vaddr, &row);
}

void tables__row(struct tables *t, uint32_t object, uint64_t vaddr, struct unwind_row *ret_row)
{
	uint32_t n, at;
	int err;

	if (!row_store__find(t->store, object, vaddr, ret_row))
		return;
	*ret_row = (struct unwind_row){.cfa = ROW_CFA_NONE};
	if (io__is_passing(tables__build(t, object, vaddr, &n)))
		return; /* in the kernel it would be known to have none */
	err = row_store__push(t->store, object, vaddr, t->scratch, n);
	if (err == -E2BIG && n) { /* as one without rows it is not built again for each walk */
		log_debug("tables: page 0x%llx of object %u has too many rows",
			  (unsigned long long)(vaddr >> ROW_PAGE_BITS), object);
		err = row_store__push(t->store, object, vaddr, t->scratch, 0);
	}
	if (err)
		log_warn("tables: put rows into the kernel: error %d, ignoring", -err);
	for (at = 0; at < n && t->scratch[at].pc <= (uint16_t)vaddr; at++)
		*ret_row = t->scratch[at];
}

int tables__code(struct tables *t, uint32_t object, uint64_t vaddr, void *to, size_t len)
{
	struct open_table *o;
	struct buf bytes;
	int err = tables__open(t, object, clock__mono_ns(), &o);

	if (err)
		return err;
	tables__fit(t, o);
	buf__init(&bytes, len);
	err = elf__read_vaddr(o->elf, vaddr, len, &bytes);
	if (!err)
		memcpy(to, bytes.data, len);
	buf__done(&bytes);
	return err;
}

void tables__forget(struct tables *t, uint32_t object)
{
	for (int i = 0; i < TABLES_OPEN_MAX; i++)
		if (t->open[i].object == object)
			open_table__close(&t->open[i]);
	row_store__forget(t->store, object);
}

uint64_t tables__shrink(struct tables *t, uint32_t max_segments)
{
	return row_store__shrink(t->store, max_segments);
}

void tables__stats(const struct tables *t, struct tables_stats *ret)
{
	*ret = t->stats;
	for (int i = 0; i < TABLES_OPEN_MAX; i++)
		ret->open_bytes += open_table__bytes(&t->open[i]);
	row_store__stats(t->store, &ret->store);
}
