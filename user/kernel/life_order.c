// SPDX-License-Identifier: Apache-2.0
/*
 * life_order - Problem: a mapping belongs to the program that made it, but the kernel's records of mappings carry only a pid, come from one ring per CPU, and
 *   those of an exec come *before* the exec's own tracepoint (the kernel maps the new program and its loader first).
 * Idea: one batch, sorted by time, of which that is handed on which is old enough to be complete; and a process's mappings are held back from the kernel's own
 *   mark of an exec (PERF_RECORD_COMM with the exec flag) until our exec record, which has the new incarnation's key, has been handed on.
 * Invariants: `held` outlives a batch, since a call may fall between mark and record; an exit drops what is held for the process, and LIFE_HOLD_NS of events without
 *   an exec record hand it on.
 * Cost: one sort of what is new a call, of all that is there only where that is not later than the rest. An event stays in its place until half of the batch has been told, and is
 *   copied once then: calls that tell little of much (one for each stack that is finished) cost no more than one that tells all.
 */
#include "user/kernel/life_order.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/arena.h"

/* One event of the batch. */
struct item {
	uint64_t time_ns;
	uint32_t order; /* of arrival: equal times keep it */
	enum { ITEM_RECORD, ITEM_MMAP, ITEM_EXEC_MARK } kind;
	union {
		struct process_record *record;
		struct life_mmap *mmap;
		uint32_t tgid;
	};
};

/* A mapping made by an exec that has not been told yet, or the mark of the exec itself. */
struct held {
	bool is_mark;
	struct life_mmap mmap;
	char *path;
};

struct life_order {
	struct life_handler handler;
	struct arena arena, next_arena; /* of the batch, and of what stays for the next one */
	struct item *items; /* those that were told, those that are sorted, what was added since */
	uint32_t n_told, n_sorted, n_items, cap_items;
	struct held *held; /* [LIFE_HELD_MAX] */
	uint32_t n_held;
	struct life_order_stats stats;
};

int life_order__new(const struct life_handler *handler, struct life_order **ret)
{
	struct life_order *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	o->handler = *handler;
	arena__init(&o->arena, LIFE_BATCH_BYTES);
	arena__init(&o->next_arena, LIFE_BATCH_BYTES);
	o->held = calloc(LIFE_HELD_MAX, sizeof(*o->held));
	if (!o->held) {
		life_order__free(o);
		return -ENOMEM;
	}
	*ret = o;
	return 0;
}

void life_order__free(struct life_order *o)
{
	if (!o)
		return;
	for (uint32_t i = 0; i < o->n_held; i++)
		free(o->held[i].path);
	arena__done(&o->arena);
	arena__done(&o->next_arena);
	free(o->held);
	free(o->items);
	free(o);
}

const struct life_order_stats *life_order__stats(const struct life_order *o)
{
	return &o->stats;
}

/* ---- the batch --------------------------------------------------------------------------------------------------- */

static struct process_record *copy_record(struct arena *a, const struct process_record *r)
{
	struct process_record *copy = arena__alloc(a, sizeof(*copy));

	if (copy)
		*copy = *r;
	return copy;
}

static struct life_mmap *copy_mmap(struct arena *a, const struct life_mmap *m)
{
	struct life_mmap *copy = arena__alloc(a, sizeof(*copy));
	char *path = copy ? arena__strndup(a, m->path, strlen(m->path)) : NULL;

	if (!path)
		return NULL;
	*copy = *m;
	copy->path = path;
	return copy;
}

/* What the item has is in `arena`, or is NULL: there was no room. */
static void order__push(struct life_order *o, struct item item)
{
	if (item.kind != ITEM_EXEC_MARK && !item.record)
		goto lost;
	if (o->n_items == o->cap_items) {
		uint32_t cap = o->cap_items ? o->cap_items * 2 : 256;
		struct item *items = cap > LIFE_BATCH_MAX ? NULL : realloc(o->items, cap * sizeof(*items));

		if (!items)
			goto lost;
		o->items = items;
		o->cap_items = cap;
	}
	item.order = o->n_items;
	o->items[o->n_items++] = item;
	return;
lost:
	o->stats.lost++;
}

/* Forgets what was told; the rest is the batch from now on, with what it has. */
static void order__drop_told(struct life_order *o)
{
	struct arena empty;
	uint32_t n = o->n_items, sorted = o->n_sorted - o->n_told;

	o->n_items = 0;
	for (uint32_t i = o->n_told; i < n; i++) {
		struct item item = o->items[i];

		if (item.kind == ITEM_RECORD)
			item.record = copy_record(&o->next_arena, item.record);
		else if (item.kind == ITEM_MMAP)
			item.mmap = copy_mmap(&o->next_arena, item.mmap);
		order__push(o, item);
		o->stats.moved++;
	}
	o->n_told = 0;
	o->n_sorted = sorted < o->n_items ? sorted : o->n_items;
	arena__done(&o->arena);
	arena__init(&empty, LIFE_BATCH_BYTES);
	o->arena = o->next_arena;
	o->next_arena = empty;
}

/* What was told has room that others need. */
static bool order__make_room(struct life_order *o)
{
	bool can = o->n_told != 0;

	if (can)
		order__drop_told(o);
	return can;
}

static void order__add(struct life_order *o, const struct item *like)
{
	struct item item = *like;
	int tries = 0;

	if (o->n_items == LIFE_BATCH_MAX)
		order__make_room(o);
	do {
		if (like->kind == ITEM_RECORD)
			item.record = copy_record(&o->arena, like->record);
		else if (like->kind == ITEM_MMAP)
			item.mmap = copy_mmap(&o->arena, like->mmap);
	} while (item.kind != ITEM_EXEC_MARK && !item.record && !tries++ && order__make_room(o));
	order__push(o, item);
}

void life_order__add_record(struct life_order *o, const struct process_record *r)
{
	order__add(o, &(struct item){r->time_ns, 0, ITEM_RECORD, .record = (struct process_record *)r});
}

void life_order__add_mmap(struct life_order *o, const struct life_mmap *m)
{
	order__add(o, &(struct item){m->time_ns, 0, ITEM_MMAP, .mmap = (struct life_mmap *)m});
}

void life_order__add_exec_mark(struct life_order *o, uint64_t time_ns, uint32_t tgid)
{
	order__add(o, &(struct item){time_ns, 0, ITEM_EXEC_MARK, .tgid = tgid});
}

static int item__compare(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void order__sort(struct life_order *o)
{
	struct item *fresh = o->items + o->n_sorted;
	uint32_t n = o->n_items - o->n_sorted;

	if (!n)
		return;
	qsort(fresh, n, sizeof(*fresh), item__compare);
	if (o->n_sorted > o->n_told && item__compare(fresh - 1, fresh) > 0)
		qsort(o->items + o->n_told, o->n_items - o->n_told, sizeof(*o->items), item__compare);
	o->n_sorted = o->n_items;
}

/* ---- what waits for its exec ------------------------------------------------------------------------------------- */

static bool order__is_held(const struct life_order *o, uint32_t tgid)
{
	for (uint32_t i = 0; i < o->n_held; i++)
		if (o->held[i].mmap.tgid == tgid && o->held[i].is_mark)
			return true;
	return false;
}

/* m NULL: the mark. */
static void order__hold(struct life_order *o, uint64_t time_ns, uint32_t tgid, const struct life_mmap *m)
{
	struct held h = {.is_mark = !m};

	if (m) {
		h.path = strdup(m->path);
		h.mmap = *m;
		h.mmap.path = h.path;
	}
	if (o->n_held == LIFE_HELD_MAX || (m && !h.path)) {
		free(h.path);
		o->stats.lost++;
		return;
	}
	h.mmap.tgid = tgid;
	h.mmap.time_ns = time_ns;
	o->held[o->n_held++] = h;
}

/* Takes the process's held mappings out, handing them on (as things of exec_ns: the program they belong to begins then) or not. */
static void order__release(struct life_order *o, uint32_t tgid, uint64_t exec_ns)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < o->n_held; i++) {
		struct held h = o->held[i];

		if (h.mmap.tgid != tgid) {
			o->held[kept++] = h;
			continue;
		}
		h.mmap.time_ns = exec_ns;
		if (exec_ns && !h.is_mark)
			o->handler.mmap(o->handler.ctx, &h.mmap);
		free(h.path);
	}
	o->n_held = kept;
}

/*
 * An exec whose record was lost: its mappings are better late than never. Lost is what has not come among all that was told until then; that the mark is
 * old says nothing where we come late ourselves.
 */
static void order__release_old(struct life_order *o, uint64_t told_ns)
{
	for (uint32_t i = 0; i < o->n_held;) {
		if (o->held[i].is_mark && o->held[i].mmap.time_ns + LIFE_HOLD_NS < told_ns) {
			order__release(o, o->held[i].mmap.tgid, o->held[i].mmap.time_ns);
			i = 0;
		} else {
			i++;
		}
	}
}

/* ---- telling ----------------------------------------------------------------------------------------------------- */

static void order__tell_record(struct life_order *o, const struct process_record *r)
{
	switch (r->type) {
	case RECORD_FORK:
		o->handler.fork(o->handler.ctx, r);
		break;
	case RECORD_EXEC:
		o->handler.exec(o->handler.ctx, r);
		order__release(o, r->key.tgid, r->time_ns);
		break;
	case RECORD_EXIT:
		order__release(o, r->key.tgid, 0);
		o->handler.exit(o->handler.ctx, r);
		break;
	case RECORD_GONE:
		o->handler.gone(o->handler.ctx, r);
		break;
	case RECORD_OOM:
		if (o->handler.oom)
			o->handler.oom(o->handler.ctx, r);
		break;
	default:
		break;
	}
}

static void order__tell(struct life_order *o, const struct item *item)
{
	o->stats.told++;
	if (item->kind == ITEM_RECORD)
		order__tell_record(o, item->record);
	else if (item->kind == ITEM_EXEC_MARK)
		order__hold(o, item->time_ns, item->tgid, NULL);
	else if (o->n_held && order__is_held(o, item->mmap->tgid))
		order__hold(o, item->time_ns, item->mmap->tgid, item->mmap);
	else
		o->handler.mmap(o->handler.ctx, item->mmap);
}

void life_order__tell(struct life_order *o, uint64_t until_ns)
{
	order__sort(o);
	while (o->n_told < o->n_items && o->items[o->n_told].time_ns <= until_ns)
		order__tell(o, &o->items[o->n_told++]);
	if (o->n_told * 2 > o->n_items)
		order__drop_told(o);
	order__release_old(o, until_ns);
}
