/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window - windows written by hand, for the tests of this folder.
 *
 * Slices are a second each and begin at SECOND(1), which is 2026-01-31T12:00:00Z; the period is that of 99 Hz.
 *
 * Owns: nothing; windows are the caller's to unref. Thread: one. Limit: none. Errors: a failed assertion.
 */
#ifndef EVERPROF_TESTS_PIPELINE_WINDOW_H
#define EVERPROF_TESTS_PIPELINE_WINDOW_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "user/base/clock.h"
#include "user/pipeline/window.h"

#define SECOND(n)  ((n)*NS_PER_SEC)
#define NOON_NS    (1769860800 * NS_PER_SEC) /* 2026-01-31T12:00:00Z */
#define PERIOD_NS  10101010ull
#define MANY_BYTES ((size_t)64 << 20)

static const struct losses nothing_lost;

static inline struct window *new_window(size_t limit_bytes)
{
	const struct window_opts opts = {
		.from_ns = SECOND(1), .real_ns = NOON_NS, .period_ns = PERIOD_NS, .limit_bytes = limit_bytes};
	struct window *w = NULL;

	assert_int_equal(window__new(&opts, &w), 0);
	return w;
}

/* With its first slice begun. */
static inline struct window *begun_window(void)
{
	struct window *w = new_window(MANY_BYTES);

	assert_int_equal(window__begin_slice(w, SECOND(1)), 0);
	return w;
}

/* Ends the slice that runs and begins the next one. */
static inline void next_slice(struct window *w)
{
	uint64_t at = SECOND(w->n_slices + 1);

	window__end_slice(w, at, &nothing_lost);
	assert_int_equal(window__begin_slice(w, at), 0);
}

static inline void end_window(struct window *w)
{
	uint64_t at = SECOND(w->n_slices + 1);

	window__end_slice(w, at, &nothing_lost);
	window__close(w, at);
}

static inline struct task_key key_of(uint32_t tgid)
{
	return (struct task_key){.tgid = tgid, .start_ns = tgid * NS_PER_SEC, .exec_id = 1};
}

/* The process of that pid, which is called by its number: "p7". */
static inline uint32_t process_of(struct window *w, uint32_t tgid)
{
	struct task_key key = key_of(tgid);
	uint32_t index;
	char name[16];

	snprintf(name, sizeof(name), "p%u", tgid);
	const char *const labels[WL_MAX] = {[WL_NAME] = name};

	if (window__find_process(w, &key, &index))
		assert_int_equal(window__add_process(w, &key, labels, &index), 0);
	return index;
}

/* One sample of a thread of that process that has its process's id and is called "t". */
#define SAMPLE(w, tgid, ...)                                                                       \
	(struct window_sample)                                                                     \
	{                                                                                          \
		.process = process_of(w, tgid), .tid = (tgid), .comm = "t",                        \
		.words = (const uint64_t[]){__VA_ARGS__},                                          \
		.n_words = sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), .count = 1, \
		.value = PERIOD_NS                                                                 \
	}

static inline void add_sample(struct window *w, struct window_sample s)
{
	assert_int_equal(window__add(w, &s, NULL, NULL), 0);
}

#endif
