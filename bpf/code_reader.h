/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * code_reader - a question about a file, and its answer: who has its code mapped and takes it for data, and who has it mapped and holds the lock that the kernel takes to change it?
 */
#ifndef EVERPROF_BPF_CODE_READER_H
#define EVERPROF_BPF_CODE_READER_H

#include <linux/types.h>

#define CODE_READER_NAME 16

enum code_reader_kind {
	CODE_READER_NONE,
	CODE_READER_DATA,       /* mapped, but not to be executed */
	CODE_READER_TRANSLATOR, /* to be executed, by a program that is known to translate instead */
	CODE_READER_UNKNOWN,    /* not all mappings could be looked at */
	CODE_READER_HELD, /* by nobody, but look after look found the same process with its lock taken: for who asks to say */
};

struct code_reader {
	__u64 addr; /* in: of a mapping of the file that the asking process has, and keeps */
	__u64 tree; /* in: 0, or what the last answer said; out: of all mappings of the file */
	__u64 first_page, last_page; /* in: of the file, that must not be changed where it is read */
	__u32 kind, pid;             /* out: of the last reader that was met */
	__u32 n_mappings;            /* out: that were looked at */
	__u32 program_len;
	char program[CODE_READER_NAME]; /* out: the end of the name of the reader's file */
	/* in: processes that are asked about, a bit each, by where their memory is described; out: those of them whose mmap_lock is taken, and one of those */
	__u64 held;
	__u32 held_pid, reserved;
};

_Static_assert(sizeof(struct code_reader) == 80, "no hidden padding");

#endif
