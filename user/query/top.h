/* SPDX-License-Identifier: Apache-2.0 */
/*
 * top - where a profile's value is: rows by function, file, binary, or a label, each with its own and its whole value.
 *
 * Flat is what a row's own frames had at the leaf, cum what had them anywhere in the stack; a function that calls itself
 * counts once a sample. For labels both are the value of the samples that have the label. In a difference (samples labelled pprof::base)
 * percentages are of the base. In a profile of waits the leaf is the first function that is not the scheduler's own: everything waits in schedule().
 *
 *   by  function  file  binary          of each frame
 *       process  thread                 "name (pid)", "comm (tid)"
 *       any label key                   comm container cgroup unit pod state …
 *
 * Owns: its rows and texts. Thread: one owner; the profile is only read. Limit: one row a distinct name.
 * Errors: -EINVAL not sealed, -ENOENT no such type or label, -EBADMSG a bad regular expression, -ENOMEM; the err tells what there is.
 */
#ifndef EVERPROF_QUERY_TOP_H
#define EVERPROF_QUERY_TOP_H

#include <stdbool.h>
#include <stdint.h>

#include "user/query/gc.h"

struct buf;
struct err;
struct idle_hidden;
struct intern;
struct profile;

enum top_sort { TOP_BY_FLAT, TOP_BY_CUM };

struct top_opts {
	const char *
		by; /* NULL: what is asked first of such a profile, "wait" of one of waits, else "function" */
	const char *type; /* sample type; NULL: the default one */
	const char
		*focus; /* POSIX extended regular expression: only samples with such a function; NULL: all */
	const char *search; /* the same by name_search.h, for who is not to be trusted with the other */
	enum top_sort sort;
};

struct top_row {
	uint32_t name; /* in names */
	int64_t flat, cum;
};

struct top {
	struct intern *names;
	struct top_row *rows; /* sorted by size whatever the sign, then by name */
	uint32_t n;
	int64_t total;    /* of the whole profile, or of the base in a difference */
	int64_t in_focus; /* of the samples that were counted */
	struct gc_share gc;
	const char *type, *unit; /* borrowed from the profile */
	const char *by;
};

int top__new(const struct profile *p, const struct top_opts *opts, struct top **ret_top, struct err *err);
void top__free(struct top *t);

/* The same of many profiles, one after the other, without adding them up. finish borrows the type's texts from `head`; free the counter. */
struct top_counter;
int top_counter__new(const struct top_opts *opts, struct top_counter **ret);
int top_counter__add(struct top_counter *c, const struct profile *p, struct err *err);
/* -ENOENT where none had such a label; its err is that of add. */
int top_counter__finish(struct top_counter *c, const struct profile *head, struct top **ret_top,
			struct err *err);
void top_counter__free(struct top_counter *c);
const char *top__name(const struct top *t, uint32_t row);

struct top_print_opts {
	const struct idle_hidden *hidden; /* what was taken out before; NULL: nothing */
	uint32_t n_rows;                  /* 0: all */
	bool colour;
};
/* A table for people: what the profile is, then flat, flat%, sum%, cum, cum% and the name. */
void top__print(const struct top *t, const struct profile *p, const struct top_print_opts *opts,
		struct buf *to);

#endif
