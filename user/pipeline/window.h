/* SPDX-License-Identifier: Apache-2.0 */
/*
 * window - one event's slices of one stretch of time, their stacks, and whose they were.
 *
 * Frames are still words (bpf/frame.h): names come when somebody wants to read. A row is (process, thread, stack, tag); a slice says how much each row
 * got in it, so that any part of the window can be taken out again to the second. Everything that a row needs to be named later is
 * copied in while its process lives: the labels of processes, and names of JIT code.
 *
 *      slice {from, to} ─> entries {row, count, value}            one for each row that the slice had
 *      row {process, tid, comm, stack, tag} ─> stack_table of frames ─> frame {word, process and name if JIT}
 *
 * Owns: all of it. Thread: one writer until window__close; then immutable, shared by reference count. Limit: limit_bytes; what does not fit is lost (LOSS_HISTORY_FULL). Errors: -ENOMEM, -E2BIG.
 */
#ifndef EVERPROF_PIPELINE_WINDOW_H
#define EVERPROF_PIPELINE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "user/base/hashmap.h"
#include "user/kernel/losses.h"
#include "user/process/thread_table.h"
#include "user/profile/stack_table.h"

struct intern;

/* What is said of a process in labels; strings of the window, 0 where not known. */
struct window_process {
	struct task_key key;
	uint32_t name, exe, cgroup, unit, container, pod, name_space;
};

enum window_label { WL_NAME, WL_EXE, WL_CGROUP, WL_UNIT, WL_CONTAINER, WL_POD, WL_NAMESPACE, WL_MAX };

struct window_frame {
	uint64_t word;
	uint32_t process; /* index of the process, for raw frames; else 0 */
	uint32_t name;    /* string: of JIT code, where it was known when the frame was first seen; else 0 */
};

struct window_row {
	uint32_t process; /* index */
	uint32_t tid;
	uint32_t comm;  /* string: the thread's name */
	uint32_t stack; /* id in stacks */
	struct sample_tag tag;
};

struct window_entry {
	uint32_t row;
	uint32_t count;
	uint64_t value;
};

/* What the kernel accounts of a thread in the window: beside waits, which it says more of. */
struct window_thread {
	uint32_t process, tid, comm;
	struct thread_times times;
};

struct window_slice {
	uint64_t from_ns, to_ns; /* CLOCK_MONOTONIC */
	uint32_t first_entry, n_entries;
};

struct window {
	uint64_t from_ns, to_ns; /* CLOCK_MONOTONIC */
	uint64_t real_ns;        /* CLOCK_REALTIME at from_ns */
	uint64_t period_ns;
	enum event event; /* what all its rows are of */
	struct intern *strings;
	struct stack_table stacks; /* items are frame indices */
	struct window_frame *frames;
	struct window_process *processes;
	struct window_row *rows;
	struct window_entry *entries;
	struct window_slice *slices;
	struct window_thread *threads;
	uint32_t n_frames, cap_frames, n_processes, cap_processes, n_rows, cap_rows, n_entries, cap_entries,
		n_slices, cap_slices, n_threads, cap_threads;
	struct hashmap frames_by_word, processes_by_key, rows_by_content;
	uint32_t *entry_of_row; /* of the slice that is being written; index + 1 */
	uint32_t cap_entry_of_row;
	struct last_stack *last_stacks; /* [LAST_STACKS], by the low bits of the process, while it is open */
	struct losses lost;             /* in this window */
	uint64_t ends[END_MAX];         /* samples by the way their walk ended */
	uint64_t samples;
	size_t limit_bytes;
	uint32_t n_refs, shed; /* shed: string, what was given up to stay below the limits */
	uint32_t note;         /* string: how it was recorded, for the file's comments; a line each */
	bool closed;
	bool is_private; /* was recorded because somebody asked: it is not kept on the disk */
};

struct window_opts {
	enum event event;
	uint64_t from_ns, real_ns, period_ns;
	size_t limit_bytes;
};

struct window_sample {
	uint32_t process; /* index, from window__process */
	uint32_t tid;
	const char *comm;
	const uint64_t *words; /* leaf first; NULL where the kernel had no room for them */
	uint32_t n_words;
	uint8_t end;     /* enum end_reason */
	bool is_derived; /* its stack is in part by rules made from instructions */
	struct sample_tag tag;
	uint64_t count, value;
	uint32_t row; /* out: index of its row */
};

/* Asked once for each raw frame that is new: its name, or NULL. */
typedef const char *(*window_name_fn)(void *ctx, const struct task_key *key, uint64_t addr);

int window__new(const struct window_opts *opts, struct window **ret);
struct window *window__ref(struct window *w);
void window__unref(struct window *w);
/* Index of the process; -ENOENT where it has to be added first. */
int window__find_process(const struct window *w, const struct task_key *key, uint32_t *ret_index);
/* labels by enum window_label, NULL or "" where not known. */
int window__add_process(struct window *w, const struct task_key *key, const char *const labels[WL_MAX],
			uint32_t *ret_index);
/* Its name as it is now, for all that the window has of it: a process has one name in a file. "" changes nothing. */
int window__rename_process(struct window *w, uint32_t index, const char *name);
/* Moves the beginning of a window that is still empty. */
void window__start(struct window *w, uint64_t from_ns, uint64_t real_ns);
int window__begin_slice(struct window *w, uint64_t from_ns);
int window__add(struct window *w, struct window_sample *s, window_name_fn name, void *ctx);
/* Frames of the process that had no name, and may have one now. */
void window__name_frames(struct window *w, const struct task_key *key, window_name_fn name, void *ctx);
/* More for a row that is there. */
int window__add_more(struct window *w, uint32_t row, uint64_t count, uint64_t value);
/* What an entry cannot count is lost (LOSS_HISTORY_FULL); its value is whole. */
void window__set_count(struct window *w, struct window_entry *e, uint64_t count);
/* One more comment, unless it is there already. Past 4 KiB one says that there are more. */
int window__note(struct window *w, const char *text);
int window__add_thread(struct window *w, uint32_t process, uint32_t tid, const char *comm,
		       const struct thread_times *times);
void window__end_slice(struct window *w, uint64_t to_ns, const struct losses *lost);
void window__close(struct window *w, uint64_t to_ns);
/* For each frame, zeroed before: the index + 1 of a process that has it in a stack. One pass over all stacks. */
int window__frame_owners(const struct window *w, uint32_t *owners);
const char *window__str(const struct window *w, uint32_t id);
size_t window__bytes(const struct window *w);

#endif
