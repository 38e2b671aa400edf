// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/naming.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "user/base/clock.h"
#include "user/config/event.h"
#include "user/config/gc_pattern.h"
#include "user/config/memory_kind.h"
#include "user/object/object_cache.h"
#include "user/pipeline/gc_label.h"
#include "user/pipeline/window.h"
#include "user/pipeline/location.h"
#include "user/pipeline/row_labels.h"
#include "user/pipeline/wait_label.h"
#include "user/profile/profile.h"
#include "user/runtime/goroutine.h"
#include "user/symbolize/symbolizer.h"

#define THREAD_LABELS 64

struct thread_labels {
	uint32_t process, comm, tid;
	bool is_known;
	struct row_labels labels;
};

struct namer {
	const struct naming *n;
	const struct window *w;
	struct profile *p;
	uint64_t from_ns, to_ns;       /* of the slices that are taken */
	uint64_t n_gone;               /* frames whose file was gone */
	int64_t (*sums)[2];            /* by row: count, value */
	uint32_t *locations;           /* by frame */
	uint32_t *stacks;              /* by stack node - 1 */
	struct wait_labels *waits;     /* of an event whose rows wait; else NULL */
	struct gc_labels *gc;          /* of CPU time; else NULL */
	struct thread_labels *threads; /* [THREAD_LABELS], at the low bits of the process */
};

static void namer__sum(struct namer *r, uint64_t from_ns, uint64_t to_ns)
{
	const struct window *w = r->w;
	bool is_first = true;

	r->from_ns = r->to_ns = w->from_ns;
	for (uint32_t i = 0; i < w->n_slices; i++) {
		const struct window_slice *s = &w->slices[i];

		if (s->from_ns < from_ns || s->from_ns >= to_ns)
			continue;
		if (is_first)
			r->from_ns = s->from_ns;
		is_first = false;
		r->to_ns = s->to_ns;
		for (uint32_t j = s->first_entry; j < s->first_entry + s->n_entries; j++) {
			r->sums[w->entries[j].row][0] += w->entries[j].count;
			r->sums[w->entries[j].row][1] += (int64_t)w->entries[j].value;
		}
	}
}

/* A parent's id is below its children's, so one pass meets parents first. */
static int namer__stacks(struct namer *r)
{
	const struct stack_table *t = &r->w->stacks;
	int err = 0;

	for (uint32_t id = 1; id <= stack_table__count(t) && !err; id++) {
		const struct stack_node *node = stack_table__node(t, id);
		uint32_t parent = node->parent ? r->stacks[node->parent - 1] : 0;

		err = profile__stack_push(r->p, parent, r->locations[node->item], &r->stacks[id - 1]);
	}
	return err;
}

/* What a row says of its thread and process: mostly the same as the last row of that process did. */
static int namer__thread_labels(struct namer *r, const struct window_row *row, uint32_t tid,
				struct row_labels *l)
{
	struct thread_labels *t = &r->threads[row->process & (THREAD_LABELS - 1)];
	int err = 0;

	if (!t->is_known || t->process != row->process || t->comm != row->comm || t->tid != tid) {
		*t = (struct thread_labels){.process = row->process, .comm = row->comm, .tid = tid};
		t->labels.profile = r->p;
		err = row_labels__thread(&t->labels, r->w, row->process, tid, row->comm);
		t->is_known = !err;
	}
	*l = t->labels;
	return err;
}

static int namer__labels(struct namer *r, const struct window_row *row, uint32_t *ret)
{
	struct wait_label wait = {.state = "", .syscall = "", .wait = "", .idle = ""};
	struct row_labels l;
	/* who it waits for, by tid: among threads, its own is told, too */
	bool tells_holder = r->w->event == EVENT_THREADS && row->tag.arg;
	bool has_lines = tells_holder || r->w->event == EVENT_LOCK || r->w->event == EVENT_OFFCPU;
	int err = namer__thread_labels(r, row, r->n->label_tid || tells_holder ? row->tid : 0, &l);

	if (r->waits)
		wait = wait_labels__of(r->waits, row);
	if (r->w->event == EVENT_GOROUTINE) {
		wait.state = goroutine_state__name(row->tag.state);
		wait.wait = window__str(r->w, row->tag.arg);
	}
	if (r->w->event == EVENT_MEMORY)
		err = err ?: row_labels__text(&l, "memory", memory_kind__name(row->tag.state));
	if (r->w->event == EVENT_KMEM)
		err = err ?: row_labels__text(&l, "memory", kmem_kind__name(row->tag.state));
	err = err ?: row_labels__text(&l, "state", wait.state);
	err = err ?: row_labels__text(&l, "syscall", wait.syscall);
	err = err ?: row_labels__text(&l, "wait", wait.wait);
	err = err ?: row_labels__text(&l, "idle", wait.idle);
	if (r->gc)
		err = err ?: row_labels__text(&l, GC_LABEL, gc_labels__of(r->gc, row));
	if (has_lines && row->tag.arg)
		err = err ?: row_labels__lines(&l, window__str(r->w, row->tag.arg));
	return err ? err : profile__labels(r->p, l.labels, l.n, ret);
}

/* What the kernel runs programs of tracepoints with: how much of it lies on a stack depends on who else listens. */
static bool is_tracing(const char *function)
{
	static const char *const prefixes[] = {"bpf_prog_", "bpf_trace_run", "__bpf_trace_", "__traceiter_"};

	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++)
		if (!strncmp(function, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

static const char *namer__function(const struct namer *r, const struct location *at)
{
	return profile__str(r->p, profile__get_function(r->p, profile__lines(r->p, at)->function)->name);
}

/*
 * Without what a tracepoint left on top of it, where the stack was taken there. A tick of the clock meets programs of tracepoints as it meets anything else: that is where the time
 * goes, and where the kernel's walk ends in them there is nothing but them.
 */
static uint32_t namer__stack(const struct namer *r, uint32_t stack)
{
	const struct stack_node *node;
	const struct location *at;

	for (; stack && r->w->event != EVENT_CPU; stack = node->parent) {
		node = stack_table__node(&r->w->stacks, stack);
		if (FRAME_KIND(r->w->frames[node->item].word) != FRAME_KERNEL)
			break;
		at = profile__get_location(r->p, r->locations[node->item]);
		if (!at->n_lines || !is_tracing(namer__function(r, at)))
			break;
	}
	return stack ? r->stacks[stack - 1] : 0;
}

/* A row holds two numbers; one of the heap's columns is a row of its own, whose number is its value. */
static int namer__add(struct namer *r, const struct window_row *row, uint32_t labels, const int64_t sums[2])
{
	int64_t columns[PROFILE_VALUES_MAX] = {0};

	if (r->w->event != EVENT_HEAP || row->tag.state >= PROFILE_VALUES_MAX)
		return profile__add(r->p, namer__stack(r, row->stack), labels, sums);
	columns[row->tag.state] = sums[1];
	return profile__add(r->p, namer__stack(r, row->stack), labels, columns);
}

/* Pages that were taken for the kernel's allocator of small objects: these are counted themselves. */
static bool is_counted_elsewhere(const struct namer *r, const struct window_row *row)
{
	static const char *const allocators[] = {"allocate_slab",          "new_slab",
						 "___kmalloc_large_node",  "__kmalloc_large_node",
						 "__kmalloc_large_noprof", "__kmalloc_large_node_noprof"};
	const struct stack_node *node;
	const struct location *at;

	if (r->w->event != EVENT_KMEM || row->tag.state != KMEM_PAGES)
		return false;
	for (uint32_t id = row->stack; id; id = node->parent) {
		node = stack_table__node(&r->w->stacks, id);
		if (FRAME_KIND(r->w->frames[node->item].word) != FRAME_KERNEL)
			break;
		at = profile__get_location(r->p, r->locations[node->item]);
		for (size_t i = 0; at->n_lines && i < sizeof(allocators) / sizeof(*allocators); i++)
			if (!strcmp(namer__function(r, at), allocators[i]))
				return true;
	}
	return false;
}

static int namer__samples(struct namer *r)
{
	const struct window *w = r->w;
	uint32_t labels;
	int err = 0;

	if (w->event == EVENT_OFFCPU || w->event == EVENT_LOCK || w->event == EVENT_THREADS)
		err = wait_labels__new(w, r->p, r->locations, r->n->idle, &r->waits);
	if (w->event == EVENT_CPU)
		err = gc_labels__new(w, r->p, r->locations, &r->gc);
	for (uint32_t i = 0; i < w->n_rows && !err; i++) {
		const struct window_row *row = &w->rows[i];

		if ((!r->sums[i][0] && !r->sums[i][1]) || is_counted_elsewhere(r, row))
			continue;
		err = namer__labels(r, row, &labels);
		if (!err)
			err = namer__add(r, row, labels, r->sums[i]);
	}
	return err;
}

static int namer__head(struct namer *r)
{
	const char *counted = event__counted(r->w->event), *added = event__added(r->w->event);
	const char *unit = event__unit(r->w->event);
	struct profile_meta *meta = profile__meta_mut(r->p);
	int err;

	err = r->w->event == EVENT_HEAP ? profile__add_type(r->p, "alloc_objects", "count") : 0;
	if (!err && r->w->event == EVENT_HEAP)
		err = profile__add_type(r->p, "alloc_space", "bytes");
	if (!err)
		err = profile__add_type(r->p, counted, "count");
	if (!err && added)
		err = profile__add_type(r->p, added, unit);
	if (!err)
		err = profile__string(r->p, added ? added : counted, &meta->period_type.type);
	if (!err)
		err = profile__string(r->p, unit, &meta->period_type.unit);
	meta->default_type = meta->period_type.type;
	meta->period = (int64_t)r->w->period_ns;
	meta->time_ns = (int64_t)(r->w->real_ns + (r->from_ns - r->w->from_ns));
	meta->duration_ns = (int64_t)(r->to_ns - r->from_ns);
	return err;
}

/* A line each. */
static int namer__notes(struct namer *r, const char *notes)
{
	int err = 0;

	for (const char *end; notes && !err; notes = *end ? end + 1 : NULL) {
		end = strchrnul(notes, '\n');
		err = profile__comment(r->p, "%.*s", (int)(end - notes), notes);
	}
	return err;
}

/* What a person wants to know of the file, one fact a line; losses in the form that merging adds up. */
static int namer__comments(struct namer *r)
{
	const char *nameless = symbolizer__kernel_error(r->n->symbolizer);
	const struct window *w = r->w;
	uint64_t period = w->period_ns ? w->period_ns : 1;
	struct losses lost = w->lost;
	struct utsname host;
	unsigned long long all = 0;
	int err;

	uname(&host);
	lost.n[LOSS_OBJECT_GONE] += r->n_gone;
	err = profile__comment(r->p, "everprof %s, event %s", EVERPROF_VERSION, event__name(r->w->event));
	if (!err && w->event == EVENT_CPU)
		err = profile__comment(r->p, "clock %s at %llu Hz", r->n->clock,
				       (unsigned long long)((NS_PER_SEC + period / 2) / period));
	if (!err && w->note)
		err = namer__notes(r, window__str(w, w->note));
	if (!err)
		err = profile__comment(r->p, "host %s, kernel %s %s", host.nodename, host.sysname,
				       host.release);
	if (!err && nameless)
		err = profile__comment(r->p, "%s", nameless);
	for (int i = 0; i < LOSS_MAX && !err; i++) {
		if (!lost.n[i])
			continue;
		all += loss__is_doubt(i) ? 0 : lost.n[i];
		err = profile__comment(r->p, "%s %s: %llu (%s)", loss__is_doubt(i) ? "doubt" : "lost",
				       loss__name(i), (unsigned long long)lost.n[i], loss__text(i));
	}
	if (!err && w->shed)
		err = profile__comment(r->p, "given up: %s", window__str(w, w->shed));
	/* always there, so that a reader can tell a file that lost nothing from one that does not say */
	if (!err)
		err = profile__comment(r->p, "lost in all: %llu", all);
	return err;
}

int naming__profile(const struct naming *n, const struct window *w, uint64_t from_ns, uint64_t to_ns,
		    struct profile **ret_profile)
{
	struct namer r = {.n = n, .w = w};
	int err = -ENOMEM;

	r.p = profile__new(NULL);
	r.sums = calloc(w->n_rows + 1, sizeof(*r.sums));
	r.locations = calloc(w->n_frames + 1, sizeof(*r.locations));
	r.stacks = calloc(stack_table__count(&w->stacks) + 1, sizeof(*r.stacks));
	r.threads = calloc(THREAD_LABELS, sizeof(*r.threads));
	if (!r.p || !r.sums || !r.locations || !r.stacks || !r.threads)
		goto out;
	namer__sum(&r, from_ns, to_ns);
	err = namer__head(&r);
	if (!err)
		err = location__name_frames(n, w, r.p, r.locations, &r.n_gone);
	if (!err)
		err = namer__stacks(&r);
	if (!err)
		err = namer__samples(&r);
	if (!err)
		err = namer__comments(&r);
	if (!err)
		err = profile__seal(r.p);
	if (!err) {
		*ret_profile = r.p;
		r.p = NULL;
	}
out:
	profile__free(r.p);
	wait_labels__free(r.waits);
	gc_labels__free(r.gc);
	free(r.sums);
	free(r.locations);
	free(r.stacks);
	free(r.threads);
	return err;
}
