/* SPDX-License-Identifier: Apache-2.0 */
/*
 * go_program - a file that has the Go runtime in it: its release, and where the runtime's variables lie. Good for every process that runs the file.
 *
 * Owns: what it remembers; between two calls of go_program__rest also the table of functions. Thread: one owner.
 * Limit: GO_CANDIDATES_MAX places for a variable, GO_STARTS_MAX remembered functions, GO_TABLE_MAX bytes of the function table.
 * Errors: -ENOENT not Go's, -EOPNOTSUPP a release, a machine or a layout that is not known; -EBADMSG damaged, -E2BIG, -ENOMEM.
 */
#ifndef EVERPROF_RUNTIME_GO_PROGRAM_H
#define EVERPROF_RUNTIME_GO_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "user/object/gobuildinfo.h"
#include "user/runtime/go_layout.h"

#define GO_TABLE_MAX      ((size_t)128 << 20)
#define GO_CANDIDATES_MAX 64
#define GO_STARTS_MAX     4096
#define GO_CALLERS        4096 /* a power of two */
#define GO_REASONS_MAX    64
#define GO_REASON_MAX     48 /* bytes of a wait reason, NUL included */

struct elf;
struct gopclntab;

enum go_variable {
	GO_ALL_GOROUTINES, /* runtime.allgs */
	GO_WAIT_REASONS,   /* runtime.waitReasonStrings */
	GO_MEMORY_BUCKETS, /* runtime.mbuckets */
	GO_MEMORY_RATE,    /* runtime.MemProfileRate */
	GO_VARIABLES,
};

/* Virtual addresses in the file: one that is certain, or several of which one is it. */
struct go_place {
	uint64_t vaddr; /* 0: not settled yet */
	uint64_t candidates[GO_CANDIDATES_MAX];
	uint32_t n_candidates;
};

/* What function a goroutine began with. */
enum go_start { GO_START_USER, GO_START_SYSTEM, GO_START_FINALIZER };

struct go_start_memo {
	uint64_t vaddr;
	enum go_start kind;
};

/* Where the file is to be had: 0 and a descriptor for the asker to close, or an error. ctx must outlive the program. */
struct go_file {
	int (*open)(void *ctx, int *ret_fd);
	void *ctx;
};

/* A return address: does a call stand before it, and is that in a function of the runtime? */
struct go_caller {
	uint64_t vaddr;
	bool is_called, is_runtime;
};

struct go_program {
	struct go_file file;
	char version[GOBUILDINFO_VERSION_MAX];
	struct go_layout layout;
	struct go_place places[GO_VARIABLES];
	struct gopclntab *functions; /* NULL: not wanted since the last rest */
	struct elf *elf;             /* of that table */
	int fd;
	struct go_start_memo *starts; /* by vaddr */
	uint32_t n_starts;
	struct go_caller *callers;      /* GO_CALLERS of them, by address */
	char (*reasons)[GO_REASON_MAX]; /* GO_REASONS_MAX of them, once a process told them */
};

/* One process that runs it. */
struct go_process {
	struct go_program *program;
	uint32_t pid;
	uint64_t bias; /* address - bias = virtual address in the file */
};

int go_program__load(const struct go_file *file, struct go_program **ret_program);
void go_program__free(struct go_program *p);
/* Lets go of the file and its table: what was asked is remembered. */
void go_program__rest(struct go_program *p);
enum go_start go_program__start(struct go_program *p, uint64_t vaddr);
/* What is known of a return address, from the file's code and table; where they cannot be read, called and not the runtime's. */
struct go_caller go_program__caller(struct go_program *p, uint64_t vaddr);
/* What kind of function it is, by its name. Pure. */
enum go_start go_program__start_of(const char *function);
/* Finds the variables for good, with the help of a process. -EOPNOTSUPP: none of the places is that of the goroutines; others may come later. */
int go_process__settle(const struct go_process *g);
/* A variable of one word. -EOPNOTSUPP: its place is not known. */
int go_process__read_word(const struct go_process *g, enum go_variable variable, uint64_t *ret_word);
/* The runtime's text for a reason, "" where it has none. */
const char *go_process__reason(const struct go_process *g, uint32_t reason);

#endif
