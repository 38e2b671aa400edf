/* SPDX-License-Identifier: Apache-2.0 */
/*
 * collector_impl - the collector's insides, shared by collector.c (life, timers), collector_process.c (what is known of processes),
 * collector_sample.c (from rows and unfinished stacks to the windows) and collector_window.c (their beginning and end); what is of one event only is a source (event_source.h).
 *
 * Owns: see collector.h. Thread: that of its loop. Limit: the options. Errors: -errno.
 */
#ifndef EVERPROF_PIPELINE_COLLECTOR_IMPL_H
#define EVERPROF_PIPELINE_COLLECTOR_IMPL_H

#include "user/base/loop.h"
#include "user/kernel/drain.h"
#include "user/kernel/loader.h"
#include "user/kernel/sideband.h"
#include "user/pipeline/collector.h"
#include "user/pipeline/collector_host_event.h"
#include "user/pipeline/collector_jit.h"
#include "user/pipeline/collector_process.h"
#include "user/pipeline/event_source.h"
#include "user/pipeline/history.h"
#include "user/pipeline/pass_queues.h"
#include "user/pipeline/wait_control.h"
#include "user/process/thread_table.h"

struct dirty_process {
	struct task_key key;
	uint64_t due_ns; /* not to be pushed before: most new ones end first */
};

struct collector {
	struct collector_opts opts;
	uint32_t demands[EVENT_N]; /* who wants it beside the options */
	struct collector_ports ports;
	struct loop *loop;
	struct loader *loader;
	const struct kernel_maps *maps;
	struct perf_clocks *clocks;
	struct sideband *sideband;
	struct ring_buffer *unfinished, *thread_ends; /* stacks to finish; accounts of threads that end */
	struct drain drain;
	struct object_cache *objects;
	struct process_table *processes;
	struct mapping_store *mappings;
	struct tables *tables;
	struct jit_maps *jit_maps; /* NULL: not asked for */
	struct collector_jit jit;
	struct go_programs *go_programs; /* NULL: not asked for yet */
	int proc_fd;
	struct history history;
	struct governor_orders orders;
	char shed_text[GOVERNOR_TEXT_MAX];      /* what the orders give up */
	uint32_t frequency_hz;                  /* now: that of opts, or less by orders */
	struct window *windows[EVENT_N];        /* the open ones; NULL: not recorded */
	struct losses lost_before[EVENT_N + 1]; /* the kernel's counters at the end of the last slice */
	struct losses lost_here;                /* our own in this slice, of all events … */
	struct losses lost_of[EVENT_N];         /* … and of one */
	uint64_t slice_ns, looked_ns; /* the last slice, its look: when they began, what ended before is in */
	uint64_t sideband_lost, n_held; /* what the side-band had lost by then; who kept us waiting */
	struct dirty_process *dirty;    /* whose mappings changed since they were pushed */
	uint32_t n_dirty, cap_dirty, scans_left, rescan_cursor, n_doubtful; /* that: ended unseen? */
	struct mapping_entry *scratch;                                      /* [MAPPINGS_MAX] */
	struct walk *walk;                       /* scratch: of the stack that is being finished */
	struct unfinished_record *thread_record; /* scratch: of a thread whose stack is read from outside */
	struct loop_source *slice_timer, *events_timer, *duty_timer, *upkeep_timer, *unfinished_source,
		*mappings_source, *thread_ends_source;
	bool duty_is_on, started;
	uint32_t raised_hz[RAISED_N]; /* for a while, beside the options; 0: not */
	struct host_events host_events;
	uint32_t max_frequency_hz;   /* that the maps are sized for */
	void *source_state[EVENT_N]; /* of each event's source, see event_source.h */
	bool is_recording[EVENT_N];  /* its source was started */
	bool is_told[EVENT_N];       /* of a state: the open window has it */
	/* waits, see collector_wait.c */
	struct thread_table threads;
	/* by slot: where that wait was counted; by row of the open window of waits: that of locks with its stack + 1, or 0 */
	uint32_t *wait_rows, *lock_rows, cap_lock_rows, slices_since_pass;
	struct wait_control wait_control;
	struct wait_orders wait_orders;
	bool window_has_base, hook_is_new;
	/* CPU time of passes; switches of all threads that they told; when the last one was; what a hypervisor had stolen when the window began; when the log had it last that they are sampled otherwise */
	uint64_t pass_ns, pass_switches, passed_ns, stolen_ns, waits_said_ns;
	struct pass_queues pass_queues;
	struct collector_stats stats;
};

/* What recording the event may cost now. */
static inline uint64_t collector__budget_ppm(const struct collector *c, enum event ev)
{
	return c->opts.events[ev].budget_ppm >> c->orders.budget_shift;
}

/* Lost in user space; told with the slice. */
static inline void collector__lose(struct collector *c, enum event ev, enum loss reason, uint64_t n)
{
	c->lost_of[ev].n[reason] += n;
}

/* collector_wait.c */
void collector__wait_stats(const struct collector *c, struct wait_stats *ret);

/* collector_memory.c */
void collector__memory_stats(const struct collector *c, struct memory_stats *ret);
/* collector_alloc.c */
void collector__alloc_stats(const struct collector *c, struct alloc_prober_stats *ret);

/* collector_process.c */
/* Reads what processes did until then, and counts what that takes. */
int collector__read_sideband(struct collector *c, uint64_t until_ns);
void collector__follow_processes(struct collector *c, bool follow);

/* collector_window.c */
/* Is the event to be recorded now: by the options, or because somebody asked? */
bool collector__wants_event(const struct collector *c, enum event ev);
int collector__open_windows(struct collector *c, uint64_t now);
/* A slice has ended: those windows that are over, or all, are handed out and others opened; the rest begin a slice. */
bool collector__window_is_over(const struct collector *c, enum event ev);
int collector__turn_windows(struct collector *c, bool all);
/* The options changed: windows for what is recorded from now on, none for what is not any more. */
int collector__choose_windows(struct collector *c);
void collector__note_shed(struct collector *c);
void collector__limit_windows(struct collector *c);

/* collector_sample.c */
/* The sample into the open window of its event: -errno where it is not wanted or has no room. */
int collector__count(struct collector *c, const struct task_key *key, struct window_sample *s);
/* Walks a stack that was copied; it is in c->walk then. is_last: code that is not told yet goes by frame pointers. -EBADMSG: not a sound record. */
int collector__walk(struct collector *c, const struct unfinished_record *r, size_t size, bool is_last);
/* Is the stack that was walked last in part by rules made from instructions? Of each walk it is told once. */
bool collector__take_doubt(struct collector *c);
/* Does the configuration, or the tree that is followed, want this thread? */
bool collector__wants_thread(struct collector *c, const struct thread *t);
bool collector__wants(struct collector *c, const struct task_key *key, const char *comm);
/* With `record -- COMMAND` only the kernel knows who belongs to the tree. */
bool collector__is_in_tree(const struct collector *c, const struct task_key *key);
int collector__thread_process(void *ctx, struct window *w, const struct thread *t, uint32_t *ret_index);
void collector__finish(struct collector *c, struct unfinished_record *r, size_t size);
int collector__on_unfinished(void *ctx, void *data, size_t size);
int collector__on_row(const struct count_slot *slot, const uint64_t *words, void *ctx);

#endif
