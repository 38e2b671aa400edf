/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * code_pages - code that is in no file, but has pages of rows as files have: what a JVM compiles.
 *
 * Its mappings have no object, and in place of a row that holds for all of it one of ROW_CFA_PAGES, with the number under which its pages are kept. Its
 * frames stay raw addresses.
 *
 * Numbers are above all objects. Each reading of what the process tells of its code has a new one (4 Mi, then from the first again), so that what was remembered of the
 * last (row_memo) never answers for this one.
 */
#ifndef EVERPROF_BPF_CODE_PAGES_H
#define EVERPROF_BPF_CODE_PAGES_H

#include "bpf/row.h"

#define CODE_PAGES_NUMBERS (1u << 22)
#define CODE_PAGES_FIRST   (1u << 22) /* FRAME_OBJECT_MAX + 1 */
/*
 * The first number is of code of which nobody knows yet whether its program tells anything. It never has a page, so each stack that meets such code goes to user
 * space, which asks.
 */
#define CODE_PAGES_UNTOLD CODE_PAGES_FIRST

static inline struct unwind_row code_pages__row(__u32 number)
{
	return (struct unwind_row){
		.cfa = ROW_CFA_PAGES, .cfa_off = (__s16)number, .fp_off = (__s16)(number >> 16)};
}

static inline __u32 code_pages__number(const struct unwind_row *row)
{
	return (__u16)row->cfa_off | (__u32)(__u16)row->fp_off << 16;
}

#endif
