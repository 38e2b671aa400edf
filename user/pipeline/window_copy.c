/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Problem: who asks for the last seconds wants what the open window has, but a window is named on another thread, and only a closed one is immutable.
 * Closing it early would cut the minute's file in two each time somebody looks.
 *
 * Idea: copy. All that a reader needs lies in flat arrays and in two tables whose ids follow the order of insertion, so that inserting the same strings in
 * the same order gives the same ids.
 *
 * Cost: the bytes of the window, some hundred microseconds a megabyte, on the collector's thread between two slices.
 *
 * What it does not do: copy the indices by content. Nothing can be added to a copy.
 */
#include "user/pipeline/window_copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "user/base/intern.h"
#include "user/pipeline/window.h"

static int copy_strings(const struct intern *from, struct intern *to)
{
	int err = 0;

	for (uint32_t id = 1; !err && id < intern__count(from); id++) {
		uint32_t same;
		size_t len;
		const char *s = intern__str(from, id, &len);

		err = intern__add(to, s, len, &same);
	}
	return err;
}

static int copy_array(const void *from, uint32_t n, size_t size, void *ret_array)
{
	void *copy = NULL;

	if (n) {
		copy = malloc(n * size);
		if (!copy)
			return -ENOMEM;
		memcpy(copy, from, n * size);
	}
	*(void **)ret_array = copy;
	return 0;
}

static int copy_arrays(const struct window *w, struct window *to)
{
	int err = copy_array(w->frames, w->n_frames, sizeof(*w->frames), &to->frames);

	if (!err)
		err = copy_array(w->processes, w->n_processes, sizeof(*w->processes), &to->processes);
	if (!err)
		err = copy_array(w->rows, w->n_rows, sizeof(*w->rows), &to->rows);
	if (!err)
		err = copy_array(w->entries, w->n_entries, sizeof(*w->entries), &to->entries);
	if (!err)
		err = copy_array(w->slices, w->n_slices, sizeof(*w->slices), &to->slices);
	if (!err)
		err = copy_array(w->stacks.nodes, w->stacks.n, sizeof(*w->stacks.nodes), &to->stacks.nodes);
	if (err)
		return err;
	to->n_frames = to->cap_frames = w->n_frames;
	to->n_processes = to->cap_processes = w->n_processes;
	to->n_rows = to->cap_rows = w->n_rows;
	to->n_entries = to->cap_entries = w->n_entries;
	to->n_slices = to->cap_slices = w->n_slices;
	to->stacks.n = to->stacks.cap = w->stacks.n;
	return 0;
}

int window__copy(const struct window *w, struct window **ret)
{
	const struct window_opts opts = {.event = w->event,
					 .from_ns = w->from_ns,
					 .real_ns = w->real_ns,
					 .period_ns = w->period_ns,
					 .limit_bytes = w->limit_bytes};
	struct window *to;
	int err = window__new(&opts, &to);

	if (err)
		return err;
	err = copy_arrays(w, to);
	if (!err)
		err = copy_strings(w->strings, to->strings);
	if (err) {
		window__unref(to);
		return err;
	}
	to->lost = w->lost;
	memcpy(to->ends, w->ends, sizeof(to->ends));
	to->samples = w->samples;
	to->shed = w->shed;
	to->note = w->note;
	window__close(to, w->to_ns);
	*ret = to;
	return 0;
}
