// SPDX-License-Identifier: Apache-2.0
/*
 * location - Idea: frames are sorted by their word, which brings an object's together and its addresses in order, so that its symbols are loaded once
 *   and asked once. Kernel addresses sort last and are asked one by one. Separate debug files of a container lie in its image: the root of a
 *   process that had the object in a stack leads there, as long as one of them lives.
 */
#include "user/pipeline/location.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/frame.h"
#include "user/base/clock.h"
#include "user/base/far_file.h"
#include "user/base/io.h"
#include "user/kernel/losses.h"
#include "user/object/object_cache.h"
#include "user/pipeline/naming.h"
#include "user/pipeline/window.h"
#include "user/process/namespace.h"
#include "user/process/proc_dir.h"
#include "user/profile/profile.h"
#include "user/symbolize/symbolizer.h"

#define KERNEL_MAPPING "[kernel.kallsyms]"
#define KERNEL_START   0xffff800000000000ull
#define PAGE_MASK      4095ull
#define LINES_MAX      32 /* inlined functions at one address */
#define ROOTS_TRIED    8  /* processes of an object that are asked for their root */

struct sorted_frame {
	uint64_t word;
	uint32_t frame;
};

struct locator {
	const struct naming *n;
	const struct window *w;
	struct profile *p;
	uint32_t *locations;
	uint32_t *owners; /* by frame: index + 1 of a process */
	int proc_fd;      /* FD_CLOSED: nobody's root is found */
	uint32_t kernel_mapping;
	uint64_t n_gone;
};

static int sorted_frame__compare(const void *a, const void *b)
{
	const struct sorted_frame *x = a, *y = b;

	return x->word < y->word ? -1 : x->word > y->word;
}

static int add_function(struct profile *p, const struct symbol_line *s, struct line *ret_line)
{
	struct function f = {.start_line = s->start_line};
	int err;

	err = profile__string(p, s->name, &f.name);
	if (!err)
		err = profile__string(p, s->system_name, &f.system_name);
	if (!err)
		err = profile__string(p, s->file, &f.filename);
	*ret_line = (struct line){.line = s->line};
	return err ? err : profile__function(p, &f, &ret_line->function);
}

/* A location that is one function without place. */
static int add_named(struct profile *p, uint32_t mapping, uint64_t address, const char *name, uint32_t *ret)
{
	const struct symbol_line s = {.name = name, .system_name = name, .file = ""};
	struct line line;
	int err = add_function(p, &s, &line);

	return err ? err : profile__location(p, mapping, address, false, &line, 1, ret);
}

/* The last function of a batch, whose strings all live as long as it: the next address is often in it, too. */
struct last_function {
	struct symbol_line named; /* name NULL: none yet */
	uint32_t id;
};

static bool is_last(const struct last_function *last, const struct symbol_line *s)
{
	return last->named.name == s->name && last->named.system_name == s->system_name &&
	       last->named.file == s->file && last->named.start_line == s->start_line;
}

static int add_symbol(const struct locator *l, uint32_t mapping, uint64_t address, const struct symbol *s,
		      struct last_function *last, uint32_t *ret)
{
	struct profile *p = l->p;
	struct line lines[LINES_MAX];
	uint32_t n = s->n_lines < LINES_MAX ? s->n_lines : LINES_MAX;
	bool has_file = false, has_line = false;
	int err = 0;

	for (uint32_t i = 0; i < n && !err; i++) {
		struct symbol_line line = s->lines[i];

		if (!l->n->system_names)
			line.system_name = "";
		if (is_last(last, &line)) {
			lines[i] = (struct line){.function = last->id, .line = line.line};
		} else {
			err = add_function(p, &line, &lines[i]);
			*last = (struct last_function){.named = line, .id = lines[i].function};
		}
		has_file |= *s->lines[i].file != '\0';
		has_line |= s->lines[i].line != 0;
	}
	if (err)
		return err;
	if (mapping)
		profile__mapping_has(p, mapping, true, has_file, has_line, n > 1);
	return profile__location(p, mapping, address, false, lines, n, ret);
}

static bool segment__holds(const struct object_segment *s, uint64_t vaddr)
{
	return vaddr >= s->vaddr && vaddr - s->vaddr < s->memsz;
}

static const struct object_segment *segment_of(const struct object *o, uint64_t vaddr)
{
	for (uint32_t i = 0; i < o->n_segments; i++)
		if (segment__holds(&o->segments[i], vaddr))
			return &o->segments[i];
	return NULL;
}

/* A segment as a mapping; one without bounds (NULL) for a file that could not be read. */
static int add_mapping(struct profile *p, const struct object *o, const struct object_segment *s,
		       uint32_t *ret)
{
	char build_id[2 * ELF_BUILD_ID_MAX + 1];
	struct mapping m = {.has_functions = true};
	int err;

	if (s) {
		m.start = s->vaddr & ~PAGE_MASK;
		m.limit = (s->vaddr + s->memsz + PAGE_MASK) & ~PAGE_MASK;
		m.offset = s->offset & ~PAGE_MASK;
	}
	object__format_build_id(o, build_id);
	err = profile__string(p, o->path, &m.filename);
	if (!err)
		err = profile__string(p, build_id, &m.build_id);
	return err ? err : profile__mapping(p, &m, ret);
}

/* For the symbolizer: the file of an object, and who has it mapped. */
struct object_file {
	const struct locator *l;
	uint32_t id;
	const struct sorted_frame *frames;
	uint32_t n;
};

static int object_file__open(void *ctx)
{
	const struct object_file *f = ctx;
	int fd = FD_CLOSED, err = object_cache__open_fd(f->l->n->objects, f->id, clock__mono_ns(), &fd);

	return err ? err : fd;
}

static int open_root_of(const struct locator *l, const struct task_key *key)
{
	int dir_fd = FD_CLOSED, fd = FD_CLOSED, err;
	struct far_mounts mounts;
	struct proc_stat stat;

	err = proc_dir__open(l->proc_fd, key->tgid, key->start_ns, &dir_fd, &stat);
	far_mounts__init(&mounts, key->tgid, dir_fd, "");
	if (!err && far_mounts__any_far(&mounts))
		err = -EREMOTE; /* names of debug files lead anywhere */
	far_mounts__done(&mounts);
	if (!err)
		err = namespace__open_root(key->tgid, dir_fd, &fd);
	io__close(&dir_fd);
	return err ? err : fd;
}

static int object_file__open_root(void *ctx)
{
	const struct object_file *f = ctx;
	uint32_t tried = 0, last = 0;
	int fd = -ESRCH;

	for (uint32_t i = 0; i < f->n && fd < 0 && tried < ROOTS_TRIED; i++) {
		uint32_t owner = f->l->owners[f->frames[i].frame];

		if (!owner || owner == last)
			continue;
		fd = open_root_of(f->l, &f->l->w->processes[owner - 1].key);
		last = owner;
		tried++;
	}
	return fd;
}

static int locate_batch(struct locator *l, const struct object *o, const struct sorted_frame *frames,
			uint32_t n, uint64_t *vaddrs, struct symbol *symbols)
{
	struct object_file file = {.l = l, .id = o->id, .frames = frames, .n = n};
	const struct symbol_object so = {
		.id = o->id,
		.path = o->path,
		.open = object_file__open,
		.open_root = object_file__open_root,
		.ctx = &file,
	};
	const struct object_segment *segment = NULL;
	struct last_function last = {};
	char fallback[SYMBOL_FALLBACK_MAX];
	uint32_t mapping = 0;
	int err;

	for (uint32_t i = 0; i < n; i++)
		vaddrs[i] = frame_vaddr(frames[i].word);
	err = symbolizer__object(l->n->symbolizer, &so, vaddrs, n, symbols);
	for (uint32_t i = 0; i < n && !err; i++) {
		if (!mapping || !segment || !segment__holds(segment, vaddrs[i])) {
			segment = segment_of(o, vaddrs[i]);
			err = add_mapping(l->p, o, segment, &mapping);
		}
		if (err)
			break;
		l->n_gone += symbols[i].reason == SYMBOL_OBJECT_GONE;
		if (symbols[i].n_lines)
			err = add_symbol(l, mapping, vaddrs[i], &symbols[i], &last,
					 &l->locations[frames[i].frame]);
		else
			err = add_named(l->p, mapping, vaddrs[i],
					symbol__fallback(fallback, o->path, symbols[i].start),
					&l->locations[frames[i].frame]);
	}
	return err;
}

/* All frames of one object. */
static int locate_object(struct locator *l, const struct sorted_frame *frames, uint32_t n)
{
	static const struct object unknown = {.path = (char *)"unknown", .basename = "unknown"};
	uint32_t id = frame_object(frames[0].word);
	uint64_t *vaddrs = calloc(n, sizeof(*vaddrs));
	struct symbol *symbols = calloc(n, sizeof(*symbols));
	const struct object *o = NULL;
	int err = -ENOMEM;

	if (vaddrs && symbols) {
		if (object_cache__get(l->n->objects, id, &o))
			o = NULL; /* evicted: nobody mapped it, and there were more others than have room */
		err = locate_batch(l, o ? o : &unknown, frames, n, vaddrs, symbols);
		if (o)
			object_cache__put(l->n->objects, id);
	}
	free(vaddrs);
	free(symbols);
	return err;
}

static int locate_kernel(struct locator *l, uint64_t address, uint32_t *ret)
{
	struct last_function last = {};
	const char *module;
	char text[64];
	struct symbol s;
	struct mapping m = {
		.start = KERNEL_START, .limit = UINT64_MAX, .offset = KERNEL_START, .has_functions = true};
	int err = 0;

	if (!l->kernel_mapping) {
		err = profile__string(l->p, KERNEL_MAPPING, &m.filename);
		if (!err)
			err = profile__mapping(l->p, &m, &l->kernel_mapping);
	}
	if (err)
		return err;
	symbolizer__kernel(l->n->symbolizer, address, &s, &module);
	if (s.n_lines)
		return add_symbol(l, l->kernel_mapping, address, &s, &last, ret);
	snprintf(text, sizeof(text), "[kernel]+0x%llx", (unsigned long long)address);
	return add_named(l->p, l->kernel_mapping, address, text, ret);
}

/* Frames that belong to no file. */
static int locate_other(struct locator *l, const struct window_frame *f, uint32_t *ret)
{
	char text[64];

	switch (FRAME_KIND(f->word)) {
	case FRAME_KERNEL:
		return locate_kernel(l, f->word, ret);
	case FRAME_CUT:
		if (f->word == FRAME_LEFT_OUT)
			return add_named(l->p, 0, 0, "[frames left out]", ret);
		if (f->word == FRAME_WOKEN_BY || f->word == FRAME_WOKEN_BY_AWAY)
			return add_named(l->p, 0, 0, "[woken by]", ret);
		if (f->word == FRAME_AWAY)
			return add_named(l->p, 0, 0, "[code of another process]", ret);
		snprintf(text, sizeof(text), "[truncated: %s]",
			 end_reason__name((enum end_reason)(f->word & 0xff)));
		return add_named(l->p, 0, 0, text, ret);
	default:
		if (f->name)
			return add_named(l->p, 0, frame_raw(f->word) & ~FRAME_METHOD,
					 window__str(l->w, f->name), ret);
		if (frame_raw(f->word) & FRAME_METHOD)
			return add_named(l->p, 0, 0, "Interpreter", ret);
		snprintf(text, sizeof(text), "[anonymous]+0x%llx", (unsigned long long)frame_raw(f->word));
		return add_named(l->p, 0, frame_raw(f->word), text, ret);
	}
}

static int locate_all(struct locator *l, struct sorted_frame *frames)
{
	const struct window *w = l->w;
	uint32_t n_objects = 0;
	int err = window__frame_owners(w, l->owners);

	for (uint32_t i = 0; i < w->n_frames && !err; i++) {
		if (FRAME_KIND(w->frames[i].word) == FRAME_OBJECT)
			frames[n_objects++] = (struct sorted_frame){.word = w->frames[i].word, .frame = i};
		else
			err = locate_other(l, &w->frames[i], &l->locations[i]);
	}
	qsort(frames, n_objects, sizeof(*frames), sorted_frame__compare);
	for (uint32_t i = 0, j; i < n_objects && !err; i = j) {
		for (j = i + 1; j < n_objects && frame_object(frames[j].word) == frame_object(frames[i].word);
		     j++)
			;
		err = locate_object(l, frames + i, j - i);
	}
	return err;
}

int location__name_frames(const struct naming *n, const struct window *w, struct profile *p,
			  uint32_t *locations, uint64_t *ret_n_gone)
{
	struct locator l = {.n = n, .w = w, .p = p, .locations = locations};
	struct sorted_frame *frames = calloc(w->n_frames + 1, sizeof(*frames));
	int err = -ENOMEM;

	l.owners = calloc(w->n_frames + 1, sizeof(*l.owners));
	l.proc_fd = open(n->proc_root ? n->proc_root : "/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (frames && l.owners)
		err = locate_all(&l, frames);
	if (!err)
		*ret_n_gone = l.n_gone;
	io__close(&l.proc_fd);
	free(frames);
	free(l.owners);
	return err;
}
