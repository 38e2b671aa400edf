/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * loss - what can go missing, and why, as data: one list gives the enum, the kernel's counters, the printed names,
 * the metrics and the README's table. A loss is counted in samples, each event's apart, unless its text says otherwise.
 *
 * END_REASONS: why a walk over a user stack ended. Only the `complete` ones are success; each other one ends the stack in a frame
 * "[truncated: <name>]".
 */
#ifndef EVERPROF_BPF_LOSS_H
#define EVERPROF_BPF_LOSS_H

/*        enum            name                text */
#define LOSSES(X)                                                                                           \
	X(COUNT_FULL, "count_full", "the slice's counting table was full")                                  \
	X(FRAMES_FULL, "frames_full", "the slice's frame store was full")                                   \
	X(DEFER_RATE, "defer_rate", "stack cut: more unfinished stacks than may be finished in user space") \
	X(DEFER_RING, "defer_ring", "stack cut: the ring to user space was full")                           \
	X(EVENT_RING, "event_ring", "process events: the ring to user space was full")                      \
	X(SIDEBAND, "sideband", "mapping events: lost by the kernel's perf ring")                           \
	X(LATE_TICKS, "late_ticks",                                                                         \
	  "clock ticks that never came on a busy CPU for more than a second: nobody has their time")        \
	X(KERNEL_STACK, "kernel_stack", "stack without its kernel part: the kernel could not walk it")      \
	X(UNKNOWN_PROCESS, "unknown_process", "the process was gone before anything was learnt of it")      \
	X(OBJECT_GONE, "object_gone", "frames unnamed: the file was gone before it could be opened")        \
	X(NO_VERDICT, "no_verdict", "the process was gone before it was known whether it is wanted")        \
	X(BAD_RECORD, "bad_record", "unfinished stacks whose record was not sound")                         \
	X(HISTORY_FULL, "history_full", "the window's tables were full")                                    \
	X(DRAIN_LATE, "drain_late", "slices that were closed late (counted in slices)")                     \
	X(DERIVED_RULES, "derived_rules",                                                                   \
	  "stack in part by rules made from instructions: callers are checked, but not certain")            \
	X(WAIT_SLOTS, "wait_slots", "waits: others had the places of this one, or its end was not seen")    \
	X(WAIT_PENDING, "wait_pending", "waits without their user stack: too many were under way")          \
	X(THREAD_ACCOUNTS, "thread_accounts",                                                               \
	  "threads that ended without an account of the kernel: their waits stay as sampled (counted in "   \
	  "threads)")                                                                                       \
	X(WAKER_STACK, "waker_stack",                                                                       \
	  "waits without the stack of who ended them: no room for it, or their own was finished later")     \
	X(GO_UNKNOWN, "go_unknown",                                                                         \
	  "Go processes whose goroutines could not be read: a release or layout that is not known, no "     \
	  "permission, or memory that is not filled in in time")                                            \
	X(GO_DAMAGED, "go_damaged",                                                                         \
	  "goroutines left out: what was read of them is not sound, or took too long")                      \
	X(FAULT_PENDING, "fault_pending", "page faults: too many were under way (counted in faults)")       \
	X(ALLOC_THREADS, "alloc_threads", "calls of allocators: too many threads in one window")            \
	X(ALLOC_BUSY, "alloc_busy", "calls of allocators: the CPU was taking the stacks of two others")     \
	X(ALLOC_LATE, "alloc_late", "calls of allocators that were told when their window was forgotten")   \
	X(PROCESS_HELD, "process_held",                                                                     \
	  "processes that kept whoever looked at them waiting, and are left alone for a minute (counted "   \
	  "each time)")

/*        enum               name                complete  text */
#define END_REASONS(X)                                                                                       \
	X(END_MARK, "end_mark", 1, "an explicit end mark: the return address is undefined here")             \
	X(KERNEL_THREAD, "kernel_thread", 1, "a kernel thread: there is no user stack")                      \
	X(EXITING, "exiting", 1, "an exiting task that has no user memory any more")                         \
	X(EXEC, "exec", 1, "a program that an exec is about to replace: its stack is gone already")          \
	X(INTERRUPT, "interrupt", 1, "in an interrupt: the user stack has nothing to do with it")            \
	X(NEW_THREAD, "new_thread", 1, "a new thread that has not been in user space: its stack is empty")   \
	X(FP_ZERO, "fp_zero", 0, "a frame pointer chain that ended in zero, without an end mark")            \
	X(DEPTH, "depth", 0, "deeper than the limit")                                                        \
	X(NO_PROCESS, "no_process", 0, "the process was not known yet")                                      \
	X(NO_MAPPING, "no_mapping", 0, "the address lies in no known executable mapping")                    \
	X(NO_ROWS, "no_rows", 0, "no unwind table was there yet")                                            \
	X(NOT_COVERED, "not_covered", 0, "covered by no unwind table")                                       \
	X(UNSUPPORTED_RULE, "unsupported_rule", 0, "an unwind rule that is not supported")                   \
	X(LEAF_REGISTER, "leaf_register", 0, "a rule needs a register that is known in the leaf frame only") \
	X(BAD_FP, "bad_fp", 0, "the frame pointer is not one")                                               \
	X(BAD_SP, "bad_sp", 0, "the stack pointer did not move up")                                          \
	X(BAD_PC, "bad_pc", 0, "the return address is not in user space")                                    \
	X(NO_CALL, "no_call", 0, "a rule made from instructions led to where nothing was called")            \
	X(STACK_READ, "stack_read", 0,                                                                       \
	  "the stack could not be read (paged out, unmapped, or not filled in in time)")                     \
	X(COMPAT, "compat", 0, "a 32-bit task")                                                              \
	X(NO_REGS, "no_regs", 0, "the user registers could not be had")                                      \
	X(STACK_COPY, "stack_copy", 0, "the piece of stack that was copied was too short")                   \
	X(NO_ROOM, "no_room", 0, "the slice had no room left for the stack")                                 \
	X(NOT_TAKEN, "not_taken", 0, "the user stack of a wait could not be taken")                          \
	X(NOT_SAMPLED, "not_sampled", 0, "waits of a thread of which none was taken")                        \
	X(RUNNING, "running", 0,                                                                             \
	  "a thread or goroutine that ran, or changed while it was read: its stack is in use")

enum loss {
#define X(id, name, text) LOSS_##id,
	LOSSES(X)
#undef X
		LOSS_MAX
};

enum end_reason {
#define X(id, name, complete, text) END_##id,
	END_REASONS(X)
#undef X
		END_MAX
};

#endif
