// SPDX-License-Identifier: Apache-2.0
#include "user/pipeline/window.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/intern.h"
#include "user/process/process_key.h"

/*
 * The stack that a process was last seen with, and where it is in the tree. The next one mostly has the outer frames of it, which then need not be looked
 * for: that is most of what a sample costs here.
 */
#define LAST_STACKS 32
#define LAST_FRAMES 64
#define NOTES_MAX   4096

struct last_stack {
	uint32_t process; /* index */
	uint32_t n;       /* frames, the outermost first */
	uint64_t words[LAST_FRAMES];
	uint32_t nodes[LAST_FRAMES];
};

int window__new(const struct window_opts *opts, struct window **ret)
{
	struct window *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->from_ns = w->to_ns = opts->from_ns;
	w->real_ns = opts->real_ns;
	w->period_ns = opts->period_ns;
	w->event = opts->event;
	w->limit_bytes = opts->limit_bytes;
	w->n_refs = 1;
	stack_table__init(&w->stacks, opts->limit_bytes);
	hashmap__init(&w->frames_by_word);
	hashmap__init(&w->processes_by_key);
	hashmap__init(&w->rows_by_content);
	w->strings = intern__new(opts->limit_bytes);
	w->last_stacks = calloc(LAST_STACKS, sizeof(*w->last_stacks));
	if (!w->strings || !w->last_stacks) {
		window__unref(w);
		return -ENOMEM;
	}
	*ret = w;
	return 0;
}

struct window *window__ref(struct window *w)
{
	__atomic_add_fetch(&w->n_refs, 1, __ATOMIC_RELAXED);
	return w;
}

void window__unref(struct window *w)
{
	if (!w || __atomic_sub_fetch(&w->n_refs, 1, __ATOMIC_ACQ_REL))
		return;
	stack_table__done(&w->stacks);
	hashmap__done(&w->frames_by_word);
	hashmap__done(&w->processes_by_key);
	hashmap__done(&w->rows_by_content);
	intern__free(w->strings);
	free(w->frames);
	free(w->processes);
	free(w->rows);
	free(w->entries);
	free(w->slices);
	free(w->threads);
	free(w->entry_of_row);
	free(w->last_stacks);
	free(w);
}

size_t window__bytes(const struct window *w)
{
	return sizeof(*w) + stack_table__bytes(&w->stacks) + intern__bytes(w->strings) +
	       hashmap__bytes(&w->frames_by_word) + hashmap__bytes(&w->processes_by_key) +
	       hashmap__bytes(&w->rows_by_content) + w->cap_frames * sizeof(*w->frames) +
	       w->cap_processes * sizeof(*w->processes) + w->cap_rows * sizeof(*w->rows) +
	       w->cap_entries * sizeof(*w->entries) + w->cap_slices * sizeof(*w->slices) +
	       w->cap_entry_of_row * sizeof(*w->entry_of_row) + w->cap_threads * sizeof(*w->threads) +
	       (w->last_stacks ? LAST_STACKS * sizeof(*w->last_stacks) : 0);
}

static size_t window__room(const struct window *w)
{
	size_t bytes = window__bytes(w);

	return bytes < w->limit_bytes ? w->limit_bytes - bytes : 0;
}

/* Strings and stacks keep to a limit of their own: what they have and what is left of ours. */
static void window__share_room(struct window *w)
{
	size_t room = window__room(w), stacks = stack_table__bytes(&w->stacks) + room;

	intern__set_limit(w->strings, intern__bytes(w->strings) + room);
	w->stacks.limit_bytes = stacks ? stacks : 1; /* 0 would be none */
}

/* Room for one more element. */
static int window__grow(struct window *w, void *array, uint32_t *cap, uint32_t n, size_t size)
{
	void **at = array;
	uint32_t more;
	void *p;

	if (n < *cap)
		return 0;
	more = *cap ? *cap + *cap / 2 : 64;
	if ((more - *cap) * size > window__room(w))
		return -E2BIG;
	p = realloc(*at, more * size);
	if (!p)
		return -ENOMEM;
	*at = p;
	*cap = more;
	return 0;
}

/* The room that nothing came for. */
static void window__shrink(void *array, uint32_t *cap, uint32_t n, size_t size)
{
	void **at = array, *p = n < *cap ? realloc(*at, (n ? n : 1) * size) : NULL;

	if (!p)
		return;
	*at = p;
	*cap = n ? n : 1;
}

static int window__index(struct window *w, struct hashmap *m, uint64_t hash, uint32_t index)
{
	size_t more = hashmap__bytes_after_add(m) - hashmap__bytes(m);

	return more && more > window__room(w) ? -E2BIG : hashmap__add(m, hash, index);
}

static bool process__eq(uint32_t index, const void *key, const void *owner)
{
	return process_key__eq(&((const struct window *)owner)->processes[index].key, key);
}

int window__find_process(const struct window *w, const struct task_key *key, uint32_t *ret_index)
{
	uint32_t at = hashmap__find(&w->processes_by_key, process_key__hash(key), process__eq, key, w);

	if (at == HASHMAP_NONE)
		return -ENOENT;
	*ret_index = at;
	return 0;
}

int window__add_process(struct window *w, const struct task_key *key, const char *const labels[WL_MAX],
			uint32_t *ret_index)
{
	struct window_process p = {.key = *key};
	uint32_t *const fields[WL_MAX] = {&p.name,      &p.exe, &p.cgroup,    &p.unit,
					  &p.container, &p.pod, &p.name_space};
	int ret;

	window__share_room(w);
	for (int i = 0; i < WL_MAX; i++) {
		if (!labels[i] || !*labels[i])
			continue;
		ret = intern__add(w->strings, labels[i], strlen(labels[i]), fields[i]);
		if (ret)
			return ret;
	}
	ret = window__grow(w, &w->processes, &w->cap_processes, w->n_processes, sizeof(p));
	if (!ret)
		ret = window__index(w, &w->processes_by_key, process_key__hash(key), w->n_processes);
	if (ret)
		return ret;
	w->processes[w->n_processes] = p;
	*ret_index = w->n_processes++;
	return 0;
}

int window__rename_process(struct window *w, uint32_t index, const char *name)
{
	uint32_t *mine = &w->processes[index].name;

	if (!*name || !strcmp(window__str(w, *mine), name))
		return 0;
	return intern__add(w->strings, name, strlen(name), mine);
}

static bool frame__eq(uint32_t index, const void *key, const void *owner)
{
	const struct window_frame *a = &((const struct window *)owner)->frames[index], *b = key;

	return a->word == b->word && a->process == b->process;
}

static void window__name_frame(struct window *w, struct window_frame *f, window_name_fn name, void *ctx)
{
	const char *text = name(ctx, &w->processes[f->process].key, frame_raw(f->word));

	if (text && *text && intern__add(w->strings, text, strlen(text), &f->name))
		f->name = 0;
}

void window__name_frames(struct window *w, const struct task_key *key, window_name_fn name, void *ctx)
{
	uint32_t process;

	if (window__find_process(w, key, &process))
		return;
	for (uint32_t i = 0; i < w->n_frames; i++) {
		struct window_frame *f = &w->frames[i];

		if (FRAME_KIND(f->word) == FRAME_RAW && f->process == process && !f->name)
			window__name_frame(w, f, name, ctx);
	}
}

/* Raw frames are each process's own. */
static uint32_t frame__owner(uint64_t word, uint32_t process)
{
	return FRAME_KIND(word) == FRAME_RAW ? process : 0;
}

static int window__frame(struct window *w, uint64_t word, uint32_t process, window_name_fn name, void *ctx,
			 uint32_t *ret)
{
	struct window_frame f = {.word = word, .process = frame__owner(word, process)};
	uint64_t hash = hash_pair(word, f.process);
	uint32_t at = hashmap__find(&w->frames_by_word, hash, frame__eq, &f, w);
	int err;

	if (at != HASHMAP_NONE) {
		*ret = at;
		return 0;
	}
	if (FRAME_KIND(word) == FRAME_RAW && name)
		window__name_frame(w, &f, name, ctx);
	err = window__grow(w, &w->frames, &w->cap_frames, w->n_frames, sizeof(f));
	if (!err)
		err = window__index(w, &w->frames_by_word, hash, w->n_frames);
	if (err)
		return err;
	w->frames[w->n_frames] = f;
	*ret = w->n_frames++;
	return 0;
}

static bool row__eq(uint32_t index, const void *key, const void *owner)
{
	return !memcmp(&((const struct window *)owner)->rows[index], key, sizeof(struct window_row));
}

static int window__row(struct window *w, const struct window_row *row, uint32_t *ret)
{
	uint64_t who = hash_pair(hash_pair(row->process, row->tid), sample_tag__bits(&row->tag));
	uint64_t hash = hash_pair(who, hash_pair(row->comm, row->stack));
	uint32_t at = hashmap__find(&w->rows_by_content, hash, row__eq, row, w);
	int err;

	if (at != HASHMAP_NONE) {
		*ret = at;
		return 0;
	}
	err = window__grow(w, &w->rows, &w->cap_rows, w->n_rows, sizeof(*row));
	if (!err)
		err = window__grow(w, &w->entry_of_row, &w->cap_entry_of_row, w->n_rows,
				   sizeof(*w->entry_of_row));
	if (!err)
		err = window__index(w, &w->rows_by_content, hash, w->n_rows);
	if (err)
		return err;
	w->rows[w->n_rows] = *row;
	w->entry_of_row[w->n_rows] = 0;
	*ret = w->n_rows++;
	return 0;
}

void window__start(struct window *w, uint64_t from_ns, uint64_t real_ns)
{
	w->from_ns = w->slices[0].from_ns = from_ns;
	w->real_ns = real_ns;
}

int window__begin_slice(struct window *w, uint64_t from_ns)
{
	int err = window__grow(w, &w->slices, &w->cap_slices, w->n_slices, sizeof(*w->slices));

	if (err)
		return err;
	if (w->n_rows)
		memset(w->entry_of_row, 0, w->n_rows * sizeof(*w->entry_of_row));
	w->slices[w->n_slices++] =
		(struct window_slice){.from_ns = from_ns, .to_ns = from_ns, .first_entry = w->n_entries};
	return 0;
}

/* How many of its outermost frames a stack has in common with the last one of the process. */
static uint32_t last_stack__common(struct last_stack *last, const struct window_sample *s)
{
	uint32_t n = 0;

	if (last->process != s->process) {
		last->process = s->process;
		last->n = 0;
	}
	while (n < last->n && n < s->n_words && last->words[n] == s->words[s->n_words - 1 - n])
		n++;
	return n;
}

static int window__stack(struct window *w, const struct window_sample *s, window_name_fn name, void *ctx,
			 uint32_t *ret)
{
	struct last_stack *last = &w->last_stacks[s->process % LAST_STACKS];
	uint32_t n = last_stack__common(last, s), node = n ? last->nodes[n - 1] : 0, frame, n_frames;
	int err = 0;

	/* a slice is read once a second: nothing of the tables is in a cache any more */
	for (uint32_t i = 0; i < s->n_words - n; i++)
		hashmap__prefetch(&w->frames_by_word,
				  hash_pair(s->words[i], frame__owner(s->words[i], s->process)));
	for (last->n = n; n < s->n_words && !err; n++) {
		uint64_t word = s->words[s->n_words - 1 - n];

		n_frames = w->n_frames;
		err = window__frame(w, word, s->process, name, ctx, &frame);
		if (w->n_frames != n_frames)
			window__share_room(w); /* the frame took some of it */
		if (!err)
			err = stack_table__push(&w->stacks, node, frame, &node);
		if (!err && n < LAST_FRAMES) {
			last->words[n] = word;
			last->nodes[n] = node;
			last->n = n + 1;
		}
	}
	*ret = node;
	return err;
}

/* The entry of the row in the open slice. */
static int window__entry(struct window *w, uint32_t row, struct window_entry **ret)
{
	int err;

	if (!w->entry_of_row[row]) {
		err = window__grow(w, &w->entries, &w->cap_entries, w->n_entries, sizeof(*w->entries));
		if (err)
			return err;
		w->entries[w->n_entries++] = (struct window_entry){.row = row};
		w->entry_of_row[row] = w->n_entries;
		w->slices[w->n_slices - 1].n_entries++;
	}
	*ret = &w->entries[w->entry_of_row[row] - 1];
	return 0;
}

void window__set_count(struct window *w, struct window_entry *e, uint64_t count)
{
	uint64_t kept = count < UINT32_MAX ? count : UINT32_MAX;

	e->count = (uint32_t)kept;
	w->lost.n[LOSS_HISTORY_FULL] += count - kept;
}

int window__add_more(struct window *w, uint32_t row, uint64_t count, uint64_t value)
{
	struct window_entry *e;
	int err = row < w->n_rows ? window__entry(w, row, &e) : -EINVAL;

	if (err) {
		w->lost.n[LOSS_HISTORY_FULL] += count;
		return err;
	}
	window__set_count(w, e, e->count + count);
	e->value += value;
	w->samples += count;
	return 0;
}

int window__add(struct window *w, struct window_sample *s, window_name_fn name, void *ctx)
{
	struct window_row row = {.process = s->process, .tid = s->tid, .tag = s->tag};
	int err;

	window__share_room(w);
	err = window__stack(w, s, name, ctx, &row.stack);
	if (!err && *s->comm) {
		window__share_room(w); /* the stack took some of it */
		err = intern__add(w->strings, s->comm, strlen(s->comm), &row.comm);
	}
	if (!err)
		err = window__row(w, &row, &s->row);
	if (err) {
		w->lost.n[LOSS_HISTORY_FULL] += s->count;
		return err;
	}
	err = window__add_more(w, s->row, s->count, s->value);
	if (!err && s->end < END_MAX)
		w->ends[s->end] += s->count;
	return err;
}

static bool has_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	for (const char *at = text; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (!strncmp(at, line, len) && (!at[len] || at[len] == '\n'))
			return true;
	}
	return false;
}

int window__note(struct window *w, const char *text)
{
	const char *before = w->note ? window__str(w, w->note) : "";
	char *joined;
	int err;

	if (*before && strlen(before) + strlen(text) > NOTES_MAX)
		text = "and more of the kind";
	if (has_line(before, text))
		return 0;
	if (asprintf(&joined, "%s%s%s", before, *before ? "\n" : "", text) < 0)
		return -ENOMEM;
	window__share_room(w);
	err = intern__add(w->strings, joined, strlen(joined), &w->note);
	free(joined);
	return err;
}

int window__add_thread(struct window *w, uint32_t process, uint32_t tid, const char *comm,
		       const struct thread_times *times)
{
	struct window_thread t = {.process = process, .tid = tid, .times = *times};
	int err = 0;

	window__share_room(w);
	if (*comm)
		err = intern__add(w->strings, comm, strlen(comm), &t.comm);
	if (!err)
		err = window__grow(w, &w->threads, &w->cap_threads, w->n_threads, sizeof(t));
	if (!err)
		w->threads[w->n_threads++] = t;
	return err;
}

void window__end_slice(struct window *w, uint64_t to_ns, const struct losses *lost)
{
	w->slices[w->n_slices - 1].to_ns = to_ns;
	w->to_ns = to_ns;
	losses__add(&w->lost, lost);
}

/* Nothing is looked up by content any more: the indices go. */
void window__close(struct window *w, uint64_t to_ns)
{
	w->to_ns = to_ns;
	w->closed = true;
	hashmap__done(&w->frames_by_word);
	hashmap__done(&w->processes_by_key);
	hashmap__done(&w->rows_by_content);
	hashmap__init(&w->frames_by_word);
	hashmap__init(&w->processes_by_key);
	hashmap__init(&w->rows_by_content);
	stack_table__trim(&w->stacks);
	free(w->last_stacks);
	w->last_stacks = NULL;
	free(w->entry_of_row);
	w->entry_of_row = NULL;
	w->cap_entry_of_row = 0;
	/* history keeps it for minutes */
	window__shrink(&w->frames, &w->cap_frames, w->n_frames, sizeof(*w->frames));
	window__shrink(&w->rows, &w->cap_rows, w->n_rows, sizeof(*w->rows));
	window__shrink(&w->entries, &w->cap_entries, w->n_entries, sizeof(*w->entries));
	window__shrink(&w->processes, &w->cap_processes, w->n_processes, sizeof(*w->processes));
}

int window__frame_owners(const struct window *w, uint32_t *owners)
{
	bool *seen = calloc(stack_table__count(&w->stacks) + 1, sizeof(*seen));

	if (!seen)
		return -ENOMEM;
	for (uint32_t i = 0; i < w->n_rows; i++) {
		/* above a node that was seen, all were */
		for (uint32_t id = w->rows[i].stack; id && !seen[id];) {
			const struct stack_node *node = stack_table__node(&w->stacks, id);

			if (!owners[node->item])
				owners[node->item] = w->rows[i].process + 1;
			seen[id] = true;
			id = node->parent;
		}
	}
	free(seen);
	return 0;
}

const char *window__str(const struct window *w, uint32_t id)
{
	return intern__str(w->strings, id, NULL);
}
