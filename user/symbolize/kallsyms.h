/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kallsyms - the kernel's own function names: the image, its modules, BPF programs and trampolines.
 *
 * A table of /proc/kallsyms, functions only (types t T w W), sorted by address. It has no sizes there: a symbol
 * reaches to the next one, but no further than KALLSYMS_SPAN_MAX, or KALLSYMS_MODULE_SPAN_MAX in a module, so that
 * what lies behind a module's last function gets no name of it.
 *
 * Owns: the table and its names. Thread: one owner. Limit: KALLSYMS_FILE_MAX bytes read, KALLSYMS_SYMBOLS_MAX kept.
 * Errors: -EPERM the kernel hides its addresses, -ENOENT nothing there, -E2BIG over a limit, -EBADMSG no line was
 * readable, -ENOMEM.
 */
#ifndef EVERPROF_SYMBOLIZE_KALLSYMS_H
#define EVERPROF_SYMBOLIZE_KALLSYMS_H

#include <stddef.h>
#include <stdint.h>

struct err;

#define KALLSYMS_FILE_MAX    (256u << 20)
#define KALLSYMS_SYMBOLS_MAX (4u << 20)
#define KALLSYMS_NAME_MAX    511 /* bytes; the kernel's KSYM_NAME_LEN is 512 with the NUL */
#define KALLSYMS_SPAN_MAX    (1u << 20)
/* more than any function of a module has; not for BPF programs, which are one function however large they are */
#define KALLSYMS_MODULE_SPAN_MAX (64u << 10)
#define KALLSYMS_BPF             "bpf" /* their module */

struct kallsyms;

struct kallsym {
	uint64_t start, end; /* where the next one starts, or as far as a name reaches */
	const char *name;    /* borrowed until the table is asked again, refreshed or freed */
	const char *
		module; /* "ext4", "bpf", or "" for the kernel image; borrowed until it is refreshed or freed */
};

/* The bytes of a kallsyms file; pure. -EPERM where every address is zero. */
int kallsyms__parse(const char *bytes, size_t len, struct kallsyms **ret_table);
/* Reads <proc_root>/kallsyms; proc_root is "/proc" outside tests. */
int kallsyms__load(const char *proc_root, struct kallsyms **ret_table, struct err *err);
/* Reads it again: modules and BPF programs come and go. On failure the table stays as it was. One read costs some
 * 75 ms of CPU: the caller limits the rate. */
int kallsyms__refresh(struct kallsyms *k, const char *proc_root, struct err *err);
void kallsyms__free(struct kallsyms *k);
/* Another number than before where a module came or went; 0 where <proc_root>/modules cannot be read. 0.1 ms. */
uint64_t kallsyms__modules(const char *proc_root);

/* The function that holds the address; -ENOENT, -ENOMEM. Names are unpacked for it: 18 us where its neighbour was not asked last. */
int kallsyms__find(struct kallsyms *k, uint64_t addr, struct kallsym *ret_symbol);
uint32_t kallsyms__count(const struct kallsyms *k);
size_t kallsyms__bytes(const struct kallsyms *k);

#endif
